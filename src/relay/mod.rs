//! Sockets out
//!  the one upstream, its connections and its TLS.:It refuses to merge the results of several recipients.
