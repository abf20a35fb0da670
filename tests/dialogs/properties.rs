//! Properties of both sides that hold for every input: pieces do not matter, and what is received is what is sent on.
//! It refuses to prove anything about single replies; those are in the dialogs.

use crate::script::settings;
use bytes::Bytes;
use proptest::prelude::*;
use sekisho::mail::envelope::{Envelope, MailParameters, Recipient};
use sekisho::smtp::auth::{Login, Mechanism};
use sekisho::smtp::receiver::{self, Receiver};
use sekisho::smtp::reply::Reply;
use sekisho::smtp::sender::{self, Fate, Sender, Tls, Transaction};

/// What came out of a session, however it was cut: all reply octets, all mails, and whether it was closed.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    replies: Vec<u8>,
    mails: Vec<(Envelope, Bytes)>,
    logins: Vec<Login>,
    closed: bool,
}

impl Trace {
    fn drain(&mut self, receiver: &mut Receiver) {
        loop {
            match receiver.next() {
                receiver::Output::Reply(octets) => self.replies.extend_from_slice(&octets),
                receiver::Output::Mail(envelope, mail) => {
                    self.mails.push((*envelope, mail));
                    receiver.answer(0, &Reply::new(250, "2.0.0", "Ok"));
                }
                receiver::Output::NeedInput => return,
                receiver::Output::Close => {
                    self.closed = true;
                    return;
                }
                receiver::Output::Authenticate(login) => {
                    self.logins.push(*login);
                    receiver.authenticated(0, &Reply::new(235, "2.7.0", "welcome"));
                }
                receiver::Output::StartTls => panic!("TLS is not offered"),
            }
        }
    }
}

fn session(octets: &[u8], cuts: &[usize]) -> Trace {
    let mut receiver = Receiver::new(
        receiver::Settings {
            limits: small(),
            tls_active: true,
            auth: Mechanism::ALL.to_vec(),
            xclient: true,
            ..settings()
        },
        0,
    );
    let mut trace = Trace::default();
    trace.drain(&mut receiver);
    let mut rest = octets;
    let mut sizes = cuts.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len());
        receiver.feed(0, &rest[..size]);
        rest = &rest[size..];
        trace.drain(&mut receiver);
    }
    trace
}

fn small() -> sekisho::limits::Limits {
    sekisho::limits::Limits {
        message_bytes: 400,
        header_bytes: 60,
        command_bytes: 64,
        recipients: 3,
        ..Default::default()
    }
}

/// Pieces a session is made of: good and bad commands, text, and everything that looks like an end of data.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let fixed = prop::sample::select(
        [
            &b"EHLO c.test\r\n"[..],
            b"HELO c.test\r\n",
            b"MAIL FROM:<a@in.test>\r\n",
            b"MAIL FROM:<> BODY=8BITMIME SIZE=20\r\n",
            b"MAIL FROM:<\xe5\xa4\xaa@in.test> SMTPUTF8\r\n",
            b"RCPT TO:<b@out.test>\r\n",
            b"RCPT TO:<a..b@out.test> NOTIFY=NEVER\r\n",
            b"RCPT TO:<bad\r\n",
            b"DATA\r\n",
            b"BDAT 7\r\ntext\r\n.",
            b"BDAT 4\r\n.\r\n",
            b"BDAT 0\r\n",
            b"BDAT 0 LAST\r\n",
            b"BDAT 6 LAST\r\na\r\nRSE",
            b"BDAT 5\r\n",
            b"BDAT x\r\n",
            b"AUTH PLAIN AHRhcm8Ac2VjcmV0\r\n",
            b"AUTH PLAIN\r\n",
            b"AHRhcm8Ac2VjcmV0\r\n",
            b"AUTH LOGIN\r\n",
            b"dGFybw==\r\n",
            b"*\r\n",
            b"XCLIENT ADDR=192.0.2.3 LOGIN=x\r\n",
            b"XFORWARD ADDR=192.0.2.3\r\n",
            b"Subject: x\r\n",
            b"RSET\r\n",
            b"NOOP\r\n",
            b"FOO\r\n",
            b"VRFY x\r\n",
            b"STARTTLS\r\n",
            b"NOOP xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
            b".\r\n",
            b"\r\n.\r\n",
            b"..\r\n",
            b"text\r\n",
            b"\r\n",
            b"\r",
            b"\n",
            b".",
            b"\0",
            b"\xff",
            b" ",
        ]
        .map(<[u8]>::to_vec)
        .to_vec(),
    );
    prop_oneof![12 => fixed, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

/// A session that mostly gets as far as a mail.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let start = prop::sample::select(
        [
            &b""[..],
            b"EHLO c.test\r\n",
            b"EHLO c.test\r\nMAIL FROM:<a@in.test>\r\nRCPT TO:<b@out.test>\r\n",
            b"EHLO c.test\r\nMAIL FROM:<a@in.test>\r\nRCPT TO:<b@out.test>\r\nDATA\r\n",
            b"EHLO c.test\r\nMAIL FROM:<a@in.test>\r\nRCPT TO:<b@out.test>\r\nBDAT 4\r\na\r\nb",
        ]
        .map(<[u8]>::to_vec)
        .to_vec(),
    );
    (start, prop::collection::vec(fragment(), 0..30)).prop_map(|(start, parts)| [start, parts.concat()].concat())
}

/// The text of a mail as the wire has it, mostly of CRLF lines.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(vec!["a\r\n", ".\r\n", "..\r\n", "\r\n", ".x\r\n", "long line of some text\r\n", "日本\r\n", "x"]
            .into_iter().map(|part| part.as_bytes().to_vec()).collect::<Vec<_>>()),
        1 => prop::collection::vec(any::<u8>(), 0..9),
        1 => (0_usize..40_000).prop_map(|count| vec![b'y'; count]),
    ];
    prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
}

/// A mail sent by a [`Sender`] to a [`Receiver`], both in memory: octets on the wire behind 354, what was received, the fates.
fn relay(transaction: Transaction) -> (Vec<u8>, Vec<(Envelope, Bytes)>, Vec<Fate>) {
    let mut receiver = Receiver::new(settings(), 0);
    let mut sender = Sender::new(sender::Settings {
        hostname: "relay.test".to_owned(),
        tls: Tls::Never,
        tls_active: None,
        credentials: None,
        log_in_clear: false,
    });
    sender.start(transaction);
    let (mut wire, mut trace, mut fates) = (Vec::new(), Trace::default(), Vec::new());
    loop {
        trace.drain(&mut receiver);
        sender.feed(&std::mem::take(&mut trace.replies));
        loop {
            match sender.next() {
                sender::Output::Send(octets) => {
                    if receiver.is_busy() {
                        wire.extend_from_slice(&octets);
                    }
                    receiver.feed(0, &octets);
                    trace.drain(&mut receiver);
                }
                sender::Output::NeedInput => break,
                sender::Output::Done { fates: found, unknown } => {
                    assert!(!unknown);
                    fates = found;
                }
                sender::Output::Ready => return (wire, trace.mails, fates),
                other => panic!("{other:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn pieces_never_change_a_session(octets in octets(), cuts in prop::collection::vec(1_usize..50, 1..10)) {
        let whole = session(&octets, &[usize::MAX]);
        prop_assert_eq!(&session(&octets, &cuts), &whole);
        prop_assert_eq!(&session(&octets, &[1]), &whole);
    }

    #[test]
    fn replies_are_always_lines_of_crlf(octets in octets()) {
        let replies = session(&octets, &[usize::MAX]).replies;
        let text = String::from_utf8(replies).unwrap();
        prop_assert!(text.ends_with("\r\n"));
        for line in text.split_terminator("\r\n") {
            prop_assert!(line.len() <= 510 && !line.contains(|char: char| char.is_control()), "{line:?}");
        }
    }

    #[test]
    fn an_accepted_mail_arrives_octet_by_octet(text in text(), cut in 0_usize..100) {
        let dialog = [b"EHLO c.test\r\nMAIL FROM:<a@in.test> BODY=8BITMIME RET=HDRS\r\nRCPT TO:<a..b@out.test> NOTIFY=NEVER\r\nDATA\r\n", &text[..], b"\r\n.\r\n"].concat();
        let mut receiver = Receiver::new(settings(), 0);
        let mut trace = Trace::default();
        trace.drain(&mut receiver);
        receiver.feed(0, &dialog);
        trace.drain(&mut receiver);
        // Refused texts (bare CR, LF or octet 0) are the other tests' matter.
        if let Some((envelope, mail)) = trace.mails.into_iter().next() {
            let at = cut.min(mail.len());
            let (wire, received, fates) = relay(Transaction {
                sender: envelope.sender.clone(),
                parameters: envelope.parameters.clone(),
                recipients: envelope.recipients.clone(),
                data: vec![mail.slice(..at), mail.slice(at..)],
            });
            prop_assert!(matches!(&fates[..], [Fate::Accepted(_)]), "{fates:?}");
            prop_assert_eq!(received.len(), 1);
            prop_assert_eq!(&received[0].1, &mail);
            prop_assert_eq!(&received[0].0.recipients, &envelope.recipients);
            prop_assert_eq!(&received[0].0.parameters.ret, &envelope.parameters.ret);
            prop_assert_eq!(received[0].0.parameters.size, Some(mail.len() as u64));
            prop_assert_eq!(only_crlf(&wire), Ok(()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, ..ProptestConfig::default() })]

    #[test]
    fn many_recipients_keep_their_order(count in 1_usize..700) {
        let recipients: Vec<Recipient> = (0..count).map(|number| Recipient::new(&format!("r{number}@out.test"))).collect();
        let (_, received, fates) = relay(Transaction {
            sender: None,
            parameters: MailParameters::default(),
            recipients: recipients.clone(),
            data: vec![Bytes::from_static(b"Subject: x\r\n\r\n")],
        });
        prop_assert_eq!(fates.len(), count);
        prop_assert!(fates.iter().all(|fate| matches!(fate, Fate::Accepted(_))));
        prop_assert_eq!(&received[0].0.recipients, &recipients);
    }
}

/// No CR and no LF stands alone.
fn only_crlf(octets: &[u8]) -> Result<(), usize> {
    for (at, byte) in octets.iter().enumerate() {
        let paired = match byte {
            b'\r' => octets.get(at + 1) == Some(&b'\n'),
            b'\n' => at > 0 && octets[at - 1] == b'\r',
            _ => true,
        };
        if !paired {
            return Err(at);
        }
    }
    Ok(())
}
