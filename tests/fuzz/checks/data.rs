//! Mail data under any octets: what is taken is what a slow and simple reader takes, and it leaves as it came.
//! It refuses to share code with the decoder that it checks.

use super::command::{hold, small};
use super::{Cuts, is_canonical, script};
use bytes::Bytes;
use sekisho::mail::envelope::{MailParameters, Recipient};
use sekisho::smtp::data::{Bounds, Decoder};
use sekisho::smtp::receiver::Settings;
use sekisho::smtp::sender::{self, Output, Sender, Tls, Transaction};

/// What a client says before its data.
const ENVELOPE: &[u8] = b"EHLO c.test\r\nMAIL FROM:<a@in.test>\r\nRCPT TO:<b@out.test>\r\nDATA\r\n";

/// The input is what follows 354.
pub fn check(input: &[u8]) {
    let limit = small().message_bytes;
    let mut cuts = Cuts::of(input);
    let whole = decode(input, limit, || usize::MAX);
    assert_eq!(decode(input, limit, || 1), whole, "octet by octet");
    assert_eq!(decode(input, limit, || cuts.next()), whole, "in pieces");
    let (used, mail) = whole;
    match simple(input) {
        None => assert_eq!(mail, None, "no end of data"),
        Some((end, text)) => {
            assert_eq!(used, end, "the end of data");
            let fit = text.as_ref().filter(|text| text.len() as u64 <= limit);
            assert_eq!(mail.as_ref(), fit);
        }
    }
    let chunked = chunks(input, limit, || usize::MAX);
    assert_eq!(chunks(input, limit, || cuts.next()), chunked, "chunks in pieces");
    if let Some(mail) = &chunked {
        let ended = if input.is_empty() || input.ends_with(b"\r\n") { &b""[..] } else { b"\r\n" };
        assert_eq!(mail, &[input, ended].concat());
        assert!(is_canonical(mail));
    }
    if let Some(mail) = mail.filter(|mail| !mail.is_empty()) {
        assert_eq!(sent(&mail), mail, "it leaves as it came");
    }
    let settings = Settings { limits: small(), ..script::settings() };
    hold(&settings, &[ENVELOPE, input, b"\r\n.\r\nNOOP\r\n"].concat());
}

fn bounds(limit: u64) -> Bounds {
    Bounds { mail: limit, header: usize::MAX }
}

/// The same octets as chunks (RFC 3030): a dot is a dot, and only an open last line is ended.
fn chunks(input: &[u8], limit: u64, mut size: impl FnMut() -> usize) -> Option<Vec<u8>> {
    let mut decoder = Decoder::counted(bounds(limit));
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(size().clamp(1, rest.len()));
        assert_eq!(decoder.feed(piece), piece.len(), "chunks have no end but their count");
        rest = behind;
    }
    decoder.finish().ok()
}

/// Octets up to the end of data, and the mail when there is one that is not refused.
fn decode(input: &[u8], limit: u64, mut size: impl FnMut() -> usize) -> (usize, Option<Vec<u8>>) {
    let mut decoder = Decoder::new(bounds(limit), None);
    let mut used = 0;
    while used < input.len() && !decoder.ended() {
        let end = size().clamp(1, input.len() - used);
        used += decoder.feed(&input[used..used + end]);
    }
    let mail = if decoder.ended() { decoder.finish().ok() } else { None };
    (used, mail)
}

/// RFC 5321 4.1.1.4 and 4.5.2 by the letter: the data end at the first CRLF.CRLF; of lines that begin with a dot the dot goes.
fn simple(input: &[u8]) -> Option<(usize, Option<Vec<u8>>)> {
    let lined = [b"\r\n", input].concat();
    let dot = memchr::memmem::find(&lined, b"\r\n.\r\n")?;
    let text = &lined[2..dot + 2];
    let mut mail = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    // Bare line ends make other lines of it, but then it is refused.
    Some((dot + 3, is_canonical(text).then_some(mail)))
}

/// The mail as a server behind reads it.
fn sent(mail: &[u8]) -> Vec<u8> {
    let mut sender = Sender::new(sender::Settings {
        hostname: "relay.test".to_owned(),
        tls: Tls::Never,
        tls_active: None,
        credentials: None,
        log_in_clear: false,
    });
    sender.start(Transaction {
        sender: None,
        parameters: MailParameters::default(),
        recipients: vec![Recipient::new("b@out.test")],
        data: vec![Bytes::copy_from_slice(&mail[..mail.len() / 3]), Bytes::copy_from_slice(&mail[mail.len() / 3..])],
    });
    let mut wire = Vec::new();
    for reply in ["220 x", "250-x\r\n250 8BITMIME", "250 x", "250 x", "354 x"] {
        sender.feed(format!("{reply}\r\n").as_bytes());
        while let Output::Send(octets) = sender.next() {
            wire.extend_from_slice(&octets);
        }
    }
    let text = memchr::memmem::find(&wire, b"DATA\r\n").expect("the mail is sent") + 6;
    let (end, mail) = simple(&wire[text..]).expect("it ends");
    assert_eq!(text + end, wire.len(), "nothing follows the end of data");
    mail.expect("it is canonical")
}
