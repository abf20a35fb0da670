//! A whole mail of any octets through reading, extracting and detecting, as a worker does it: bounded, repeatable, and nobody is missed.
//! It refuses to say what a mail means; only that both readers are believed and every limit holds.

use super::address::both_readers;
use sekisho::address::Address;
use sekisho::inspect::{Context, Inspector, Want};
use sekisho::limits::Limits;
use sekisho::mail::envelope::{Client, Envelope, MailParameters, Recipient};
use sekisho::mail::message::Message;
use sekisho::mail::recipients;
use std::sync::LazyLock;

/// Limits small enough to be met.
fn small() -> Limits {
    Limits {
        header_bytes: 8 * 1024,
        header_fields: 60,
        mime_depth: 6,
        mime_parts: 30,
        unpacked_bytes: 512 * 1024,
        part_bytes: 256 * 1024,
        archive_entries: 20,
        archive_depth: 3,
        archive_ratio: 20,
        ..Limits::default()
    }
}

static INSPECTOR: LazyLock<Inspector> = LazyLock::new(|| {
    Inspector::new(Context { internal: vec!["in.test".to_owned()], limits: small(), ..Context::default() })
});

/// The input is the mail.
pub fn check(input: &[u8]) {
    let limits = small();
    let message = Message::parse(input, &limits);
    assert_eq!(Message::parse(input, &limits), message, "it reads the same again");
    bounded(&message, &limits, input.len());
    both_readers(input);
    let envelope = Envelope {
        client: Client::new([192, 0, 2, 1].into()),
        sender: Some(Address::new("a@in.test")),
        parameters: MailParameters::default(),
        recipients: vec![Recipient::new("b@out.test")],
    };
    let inspection = INSPECTOR.inspect(&envelope, input, Want { text: true, reveal: false });
    let facts = &inspection.facts;
    assert_eq!(facts.bytes, input.len() as u64);
    let counted = recipients::read(input);
    for address in &counted.addresses {
        assert!(facts.visible.contains(address), "{address} is no fact");
    }
    assert!(counted.unclear.is_none() || facts.recipients_unclear.is_some());
    // Each reading of a charset is text; there are few.
    let text: usize = inspection.text.iter().map(|(_, text)| text.len()).sum();
    let most = 16 * (input.len() + usize::try_from(limits.unpacked_bytes).unwrap_or(usize::MAX)) + 64 * 1024;
    assert!(text <= most, "{text} octets of text from {}", input.len());
}

fn bounded(message: &Message, limits: &Limits, octets: usize) {
    for part in &message.parts {
        assert!(part.depth <= limits.mime_depth + 1, "depth {}", part.depth);
        assert!(part.bytes.len() <= octets * 4 + 16, "decoding grows");
        assert!(part.mail.is_none() || part.bytes.is_empty());
        if let Some(mail) = &part.mail {
            bounded(mail, limits, octets);
        }
    }
    let doubtful = message.damage.any();
    assert!(doubtful || message.parts.len() <= limits.mime_parts);
}
