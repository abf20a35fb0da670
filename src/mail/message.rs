//! The structure of a mail; the only file that names the mail_parser crate.
//! It refuses to hide damage: what does not parse is said.
