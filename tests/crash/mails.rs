//! The mails that clients send: one kind for each way a mail can take through the guard.
//! It refuses to make two alike: number, sender and Message-ID are each mail's own, so every trace of it can be told.

use crate::dice::Dice;
use std::sync::Arc;

/// What the guard will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Relays it while the client waits.
    Clean,
    /// Keeps it for its sender; the mail comes in one or two transactions.
    Held,
    /// Answers 550.
    Blocked,
    /// Answers 250, drops it and tells the sender.
    Discarded,
    /// Takes the outside addresses out, through the outbox.
    Bcc,
    /// Marks it, through the outbox.
    Tagged,
    /// Keeps it for one recipient of each of its two transactions; the others have it at once.
    Partly,
    /// Keeps it for a second, then sends it by itself.
    Delayed,
    /// Relays it to some, queues it for others, reports those who are refused.
    Mixed,
    /// Passes on the 451 of the mail server, which takes it the next time.
    Later,
    /// Passes on the 550 of the mail server.
    Refused,
}

/// Chooses the kind of the next mail.
pub type Mix = fn(&mut Dice) -> Kind;

/// All kinds, those with many steps more often than in life.
pub fn every_kind(dice: &mut Dice) -> Kind {
    match dice.below(100) {
        0..25 => Kind::Clean,
        25..47 => Kind::Held,
        47..52 => Kind::Blocked,
        52..56 => Kind::Discarded,
        56..67 => Kind::Bcc,
        67..77 => Kind::Tagged,
        77..81 => Kind::Delayed,
        81..86 => Kind::Partly,
        86..93 => Kind::Mixed,
        93..97 => Kind::Later,
        _ => Kind::Refused,
    }
}

/// One mail.
#[derive(Debug)]
pub struct Mail {
    pub number: u64,
    pub kind: Kind,
    /// Its recipients, transaction by transaction.
    pub transactions: Vec<Vec<String>>,
    subject: &'static str,
    large: bool,
}

/// Need this recipient of a mail that is kept not wait?
pub fn is_free(recipient: &str) -> bool {
    recipient.starts_with("free")
}

/// Octets above which the guard keeps a body as a file.
const LARGE: usize = 300 * 1024;

/// The envelope sender of a mail, which tells its number.
pub fn sender(number: u64) -> String {
    format!("m{number}@example.jp")
}

/// The number of the mail whose sender this is.
pub fn number_of(sender: &str) -> Option<u64> {
    sender.strip_prefix('m')?.strip_suffix("@example.jp")?.parse().ok()
}

/// The Message-ID of a mail, without the brackets.
pub fn message_id(number: u64) -> String {
    format!("crash.{number}@client.example.jp")
}

/// The number in the Message-ID of some data, when it is one of these mails.
pub fn number_in(data: &[u8]) -> Option<u64> {
    let header = String::from_utf8_lossy(header(data));
    let id = header.lines().find_map(|line| line.strip_prefix("Message-ID: <crash."))?;
    id.split('@').next()?.parse().ok()
}

/// The header section.
pub fn header(data: &[u8]) -> &[u8] {
    &data[..memchr::memmem::find(data, b"\r\n\r\n").map_or(data.len(), |end| end + 2)]
}

/// A mail as its header section and a digest of its body: enough to tell whether it is whole.
pub fn brief(data: &[u8]) -> Vec<u8> {
    let header = header(data);
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &data[header.len()..]);
    [header, b"\r\n", sum.as_ref()].concat()
}

impl Mail {
    /// The mail with this number and of this kind; the rest is chance.
    pub fn of(kind: Kind, number: u64, dice: &mut Dice) -> Arc<Self> {
        let large = match kind {
            Kind::Held | Kind::Bcc | Kind::Clean => dice.percent(8),
            _ => false,
        };
        let named = |name: &str, count: u64| -> Vec<String> {
            (0..count).map(|place| format!("{name}.{number}.{place}@customer{}.test", number % 7)).collect()
        };
        let (subject, transactions) = match kind {
            Kind::Clean => ("ordinary", vec![named("reader", 1 + dice.below(3))]),
            Kind::Held => {
                let all = named("reader", 10 + dice.below(4));
                let transactions = if dice.percent(40) {
                    all.chunks(all.len().div_ceil(2)).map(<[String]>::to_vec).collect()
                } else {
                    vec![all]
                };
                ("ordinary", transactions)
            }
            Kind::Blocked => ("forbidden", vec![named("reader", 2)]),
            Kind::Discarded => ("discarded", vec![named("reader", 2)]),
            Kind::Bcc => {
                let mut all = named("reader", 3);
                all.push("colleague@example.jp".to_owned());
                ("newsletter", vec![all])
            }
            Kind::Tagged => ("marked", vec![named("reader", 2)]),
            Kind::Delayed => ("delayed", vec![named("reader", 2)]),
            Kind::Partly => {
                let transaction = |half: u64| {
                    let parked = format!("parked.{number}.{half}@customer9.test");
                    vec![format!("free.{number}.{half}@customer{}.test", number % 7), parked]
                };
                ("ordinary", vec![transaction(0), transaction(1)])
            }
            Kind::Mixed => {
                let mut all = [named("reader", 1), named("refused", 2), named("later", 1)].concat();
                if dice.percent(15) {
                    all.extend(named("never", 1));
                }
                ("ordinary", vec![all])
            }
            Kind::Later => ("ordinary", vec![named("later", 1)]),
            Kind::Refused => ("ordinary", vec![named("refused", 2)]),
        };
        Arc::new(Self { number, kind, transactions, subject, large })
    }

    /// The mail in canonical form. It is made anew each time: a long run has more mails than memory has room for.
    pub fn data(&self) -> Vec<u8> {
        let Self { number, subject, .. } = *self;
        let visible = self.transactions.concat().join(",\r\n ");
        let mut data = format!(
            "From: Sender <{}>\r\nTo: {visible}\r\nSubject: {subject} {number}\r\nMessage-ID: <{}>\r\n\
             Date: Sun, 22 Nov 2026 12:00:00 +0900\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             This is mail {number}.\r\n.A line that begins with a dot.\r\n..\r\n",
            sender(number),
            message_id(number)
        )
        .into_bytes();
        let line = format!("mail {number}, a line of a long text that repeats itself until the mail is large\r\n");
        while self.large && data.len() < LARGE {
            data.extend_from_slice(line.as_bytes());
        }
        data.extend_from_slice(b"End.\r\n");
        data
    }

    pub fn is_large(&self) -> bool {
        self.large
    }

    /// The mail as it goes over the wire (RFC 5321 4.5.2), with the final dot.
    pub fn stuffed(&self) -> Vec<u8> {
        let data = self.data();
        let mut wire = Vec::with_capacity(data.len() + 16);
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }
}
