//! The mail as a shape: its envelope, its structure, its header bytes, its recipients and its charsets.
//! It refuses to judge, and to re-serialise: the bytes that came are the bytes that leave, but for named header lines.

pub mod calendar;
pub mod charset;
pub mod encoded_word;
pub mod envelope;
pub mod header;
mod iso2022jp;
mod leaves;
pub mod mailbox;
pub mod message;
mod mime;
pub mod parameter;
pub mod recipients;
pub mod shown;
pub mod tnef;
pub mod transfer;
mod utf;
