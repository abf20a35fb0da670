//! The web pages
//!  the page behind a notice link, health and metrics.:It refuses to act on GET, to render mail HTML and to load anything from elsewhere.
