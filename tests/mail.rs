//! Tests of the mail as a shape: fields, recipients, charsets, structure; cases are data in `tests/mail/*.toml` or mails made by code.
//! It refuses to send anything and to hold data of real persons.

#[path = "mail/message.rs"]
mod message;
#[path = "mail/recipients.rs"]
mod recipients;
#[path = "mail/tnef.rs"]
mod tnef;
