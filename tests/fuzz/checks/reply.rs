//! The sender under any octets of a server: pieces change nothing, each recipient has one fate, and nothing is believed that was not asked.
//! It refuses a server no nonsense: greetings, codes and line ends come as they come.

use super::session::BURST;
use super::{Cuts, is_canonical};
use bytes::Bytes;
use sekisho::address::Address;
use sekisho::mail::envelope::{MailParameters, Recipient};
use sekisho::smtp::authenticate::Credentials;
use sekisho::smtp::reply::{Reply, ReplyError, ReplyReader};
use sekisho::smtp::sender::{Fate, Output, Sender, Settings, Tls, Transaction, Verified};

const TEXT: &[u8] = b"Subject: x\r\n\r\n.text of the mail\r\n";

/// The first octet chooses the mail and the settings, the rest is what the server says.
pub fn check(input: &[u8]) {
    let Some((choice, said)) = input.split_first() else { return };
    let whole = read(said, || usize::MAX);
    assert_eq!(read(said, || 1), whole, "octet by octet");
    let mut cuts = Cuts::of(said);
    assert_eq!(read(said, || cuts.next()), whole, "in pieces");
    for reply in &whole.0 {
        written(reply);
    }
    converse(*choice, said);
}

/// All replies up to the first error.
fn read(said: &[u8], mut size: impl FnMut() -> usize) -> (Vec<Reply>, Option<ReplyError>) {
    let mut reader = ReplyReader::default();
    let mut replies = Vec::new();
    let mut rest = said;
    loop {
        match reader.next_reply() {
            Ok(Some(reply)) => replies.push(reply),
            Err(error) => return (replies, Some(error)),
            Ok(None) if rest.is_empty() => return (replies, None),
            Ok(None) => {
                let piece = size().clamp(1, rest.len());
                reader.feed(&rest[..piece]);
                rest = &rest[piece..];
            }
        }
    }
}

/// A reply that is passed on is one reply with the same code, and nothing in it ends a line or a log line.
fn written(reply: &Reply) {
    for utf8 in [false, true] {
        let mut out = Vec::new();
        reply.write(&mut out, utf8);
        assert!(is_canonical(&out) && (utf8 || out.is_ascii()));
        let (replies, error) = read(&out, || usize::MAX);
        assert_eq!(error, None);
        let [again] = replies.as_slice() else { panic!("{} replies", replies.len()) };
        assert_eq!(again.code, reply.code);
    }
    assert!(!reply.text_lossy().contains(|char: char| char.is_control()));
}

fn converse(choice: u8, said: &[u8]) {
    let bit = |place: u8| choice & (1 << place) != 0;
    let tls = [Tls::Never, Tls::WhenOffered, Tls::Required][usize::from(choice & 3) % 3];
    let (login, verified, international) = (bit(2), bit(3), bit(4));
    let recipients: Vec<Recipient> =
        (0..=choice >> 5).map(|number| Recipient::new(&format!("r{number}@out.test"))).collect();
    let mut sender = Sender::new(Settings {
        hostname: "relay.test".to_owned(),
        tls,
        tls_active: None,
        credentials: login.then(|| Credentials::Own { user: "someone".to_owned(), password: "geheimnis".to_owned() }),
        log_in_clear: false,
    });
    sender.start(Transaction {
        sender: Some(Address::new(if international { "差@in.test" } else { "a@in.test" })),
        parameters: MailParameters { smtputf8: international, ..MailParameters::default() },
        recipients: recipients.clone(),
        data: vec![Bytes::from_static(TEXT)],
    });
    let mut seen = Seen::default();
    let mut cuts = Cuts::of(said);
    seen.drain(&mut sender, login, verified, tls);
    let mut rest = said;
    loop {
        let end = memchr::memmem::find(rest, BURST).unwrap_or(rest.len());
        let mut burst = &rest[..end];
        while !burst.is_empty() {
            let piece = cuts.next().clamp(1, burst.len());
            sender.feed(&burst[..piece]);
            burst = &burst[piece..];
            seen.drain(&mut sender, login, verified, tls);
        }
        if std::mem::take(&mut seen.handshake) {
            sender.tls_started(Verified(verified));
            seen.encrypted = true;
            seen.drain(&mut sender, login, verified, tls);
        }
        if end == rest.len() {
            break;
        }
        rest = &rest[end + BURST.len()..];
    }
    sender.lost();
    seen.drain(&mut sender, login, verified, tls);
    let [(fates, unknown)] = seen.done.as_slice() else { panic!("decided {} times", seen.done.len()) };
    assert_eq!(fates.len(), recipients.len());
    let finished = memchr::memmem::find(&seen.wire, b"\r\n..text of the mail\r\n.\r\n").is_some();
    for fate in fates {
        match fate {
            Fate::Accepted(reply) => assert!(reply.is_positive() && finished, "taken without the whole mail"),
            Fate::Deferred(reply) => assert!(!reply.is_positive() && !(reply.code == 451 && *unknown && !finished)),
            Fate::Refused(reply) => assert!(reply.is_permanent()),
        }
    }
    assert!(is_canonical(&seen.wire), "{}", seen.wire.escape_ascii());
}

#[derive(Default)]
struct Seen {
    wire: Vec<u8>,
    handshake: bool,
    encrypted: bool,
    done: Vec<(Vec<Fate>, bool)>,
}

impl Seen {
    fn drain(&mut self, sender: &mut Sender, login: bool, verified: bool, tls: Tls) {
        loop {
            match sender.next() {
                Output::Send(octets) => {
                    let secret = octets.starts_with(b"AUTH");
                    assert!(!secret || (login && verified && self.encrypted), "a password in clear text");
                    let mail = octets.starts_with(b"MAIL");
                    assert!(!mail || self.encrypted || tls != Tls::Required, "a mail in clear text");
                    self.wire.extend_from_slice(&octets);
                }
                Output::StartTls => self.handshake = true,
                Output::Done { fates, unknown } => self.done.push((fates, unknown)),
                Output::NeedInput | Output::Ready | Output::Failed(_) | Output::Closed => return,
            }
        }
    }
}
