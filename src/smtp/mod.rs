//! The wire, without a socket: bytes in, typed events out, and back.
//! It refuses to do I/O, to look at a clock, and to accept what RFC 5321 does not allow at the end of data.

pub mod auth;
pub mod authenticate;
pub mod command;
pub mod data;
pub mod extensions;
pub mod parameters;
pub mod path;
pub mod receiver;
pub mod reply;
pub mod section;
pub mod sender;
pub mod stage;
pub mod stuffing;
pub mod transaction;
