//! Sockets in
//!  accept, limits, TLS, and the loop that feeds the receiver.:It refuses to know what happens to a mail; it hands it to the pipeline.
