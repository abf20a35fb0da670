//! The end of the road: the program's embedded mail server on a runtime of its own, and readers of what arrived.
//! It refuses to send anything on.

use crate::guard::wait;
use mail_parser::MessageParser;
use sekisho::address::Address;
use sekisho::cli::demo::mailserver::{Delivered, MailServer};
use std::collections::BTreeMap;
use tokio::runtime::Runtime;

/// A running sink.
pub struct Sink {
    server: MailServer,
    _runtime: Runtime,
}

impl Sink {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(MailServer::start()).unwrap();
        Self { server, _runtime: runtime }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Mails of a sender so far; `<>` are those without one.
    pub fn from(&self, sender: &str) -> Vec<Delivered> {
        let sender = (sender != "<>").then(|| Address::new(sender));
        self.server.mails().into_iter().filter(|mail| mail.envelope.sender == sender).collect()
    }

    /// Notices and reports for a person so far.
    pub fn letters_to(&self, person: &str) -> Vec<Delivered> {
        let person = Address::new(person);
        let mut letters = self.from("<>");
        letters.retain(|mail| mail.envelope.recipients.iter().any(|recipient| recipient.address == person));
        letters
    }

    /// How often each address got a mail of this sender.
    pub fn reached(&self, sender: &str) -> BTreeMap<String, usize> {
        let mut reached = BTreeMap::new();
        for mail in self.from(sender) {
            for recipient in mail.envelope.recipients {
                *reached.entry(recipient.address.key().to_owned()).or_default() += 1;
            }
        }
        reached
    }

    /// Waits until at least so many mails of a sender are there.
    pub fn wait_for(&self, sender: &str, count: usize) -> Vec<Delivered> {
        wait(&format!("{count} mails of {sender}"), || {
            let mails = self.from(sender);
            (mails.len() >= count).then_some(mails)
        })
    }

    /// Waits for a letter to a person, the `count`th.
    pub fn wait_for_letter(&self, person: &str, count: usize) -> Delivered {
        wait(&format!("letter {count} to {person}"), || self.letters_to(person).into_iter().nth(count - 1))
    }
}

/// The first plain text of a mail, decoded.
pub fn text(mail: &[u8]) -> String {
    let message = MessageParser::default().parse(mail).unwrap();
    message.body_text(0).unwrap_or_default().into_owned()
}

/// The header section.
pub fn header(data: &[u8]) -> &[u8] {
    memchr::memmem::find(data, b"\r\n\r\n").map_or(data, |end| &data[..end + 2])
}

/// The mail without so many `Received` fields at its top.
pub fn without_received(data: &[u8], fields: usize) -> &[u8] {
    let mut rest = data;
    for _ in 0..fields {
        assert!(rest.starts_with(b"Received: "), "{}", String::from_utf8_lossy(&rest[..rest.len().min(300)]));
        loop {
            let end = memchr::memchr(b'\n', rest).unwrap();
            rest = &rest[end + 1..];
            if !matches!(rest.first(), Some(b' ' | b'\t')) {
                break;
            }
        }
    }
    rest
}
