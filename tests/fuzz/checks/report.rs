//! Delivery reports about any envelope, reply and mail: fit for the wire, of three parts, and silent about everybody else.
//! It refuses to let a foreign word become a field of the report.

use super::is_canonical;
use bytes::Bytes;
use jiff::tz::TimeZone;
use sekisho::address::Address;
use sekisho::id::MailId;
use sekisho::limits::Limits;
use sekisho::mail::envelope::{MailParameters, Recipient};
use sekisho::mail::header::Header;
use sekisho::mail::message::Message;
use sekisho::outbox::{Disposition, Report, Reported, Reporter, report};
use sekisho::smtp::extensions::Extensions;
use sekisho::smtp::parameters::{mail_parameters, recipient_parameters};
use sekisho::smtp::path::{Path, path};
use sekisho::smtp::reply::{Reply, ReplyReader};

/// What a report may have in its own header.
const OWN: [&str; 8] =
    ["from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"];
/// Fields of RFC 3464 2.2 and 2.3.
const STATUS: [&str; 11] = [
    "original-envelope-id",
    "reporting-mta",
    "arrival-date",
    "original-recipient",
    "final-recipient",
    "action",
    "status",
    "diagnostic-code",
    "last-attempt-date",
    "will-retry-until",
    "remote-mta",
];

/// Pieces of the input stand between octets FF: the argument of MAIL, then argument of RCPT and reply in turn, at last the mail.
pub fn check(input: &[u8]) {
    let mut pieces: Vec<&[u8]> = input.split(|byte| *byte == 0xff).collect();
    let mail = pieces.pop().unwrap_or_default();
    let Some((first, rest)) = pieces.split_first() else { return };
    let offered = Extensions::ours(1_000_000);
    let Ok((sender, behind)) = path(first) else { return };
    let Ok(parameters) = mail_parameters(behind, &offered, 0) else { return };
    let recipients: Vec<Reported> = rest.chunks(2).filter_map(|pair| reported(pair, &offered)).collect();
    let sender = match sender {
        Path::Null => None,
        Path::Mailbox(text) => Some(Address::new(text)),
    };
    let reporter = Reporter {
        hostname: "guard.test".to_owned(),
        from: Address::new("postmaster@guard.test"),
        zone: TimeZone::UTC,
    };
    let id = MailId::new(1, [7; 10]);
    let about = Report {
        id: &id,
        sender: sender.as_ref(),
        parameters: &parameters,
        mail: &[Bytes::copy_from_slice(mail)],
        recipients: &recipients,
        arrived_ms: 1_795_000_000_000,
        now_ms: 1_795_000_060_000,
    };
    let told = |one: &&Reported| one.disposition.is_wanted(one.recipient.notify.as_deref());
    let wanted: Vec<&Reported> = recipients.iter().filter(told).collect();
    match report(&reporter, &about) {
        None => assert!(sender.is_none() || wanted.is_empty(), "somebody is to be told"),
        Some(letter) => {
            assert_eq!(Some(&letter.to), sender.as_ref());
            judge(&letter.bytes, &letter.parameters, &wanted);
        }
    }
}

fn reported(pair: &[&[u8]], offered: &Extensions) -> Option<Reported> {
    let Ok((Path::Mailbox(text), behind)) = path(pair.first()?) else { return None };
    let mut recipient = Recipient::new(text);
    recipient_parameters(behind, offered, &mut recipient).ok()?;
    let mut reader = ReplyReader::default();
    reader.feed(pair.get(1).copied().unwrap_or_default());
    let reply = reader.next_reply().ok().flatten().unwrap_or_else(|| Reply::new(550, "5.1.1", "no such user"));
    let disposition = match reply.code % 4 {
        0 => Disposition::Failed(reply),
        1 => Disposition::Expired(reply),
        2 => Disposition::Delayed { reply, until_ms: 1_795_400_000_000 },
        _ => Disposition::Relayed(reply),
    };
    Some(Reported { recipient, disposition })
}

fn judge(letter: &[u8], parameters: &MailParameters, wanted: &[&Reported]) {
    let shown = || letter.escape_ascii().to_string();
    assert!(is_canonical(letter), "{}", shown());
    assert!(letter.split(|byte| *byte == b'\n').all(|line| line.len() <= 999), "{}", shown());
    assert!(parameters.eight_bit || parameters.smtputf8 || letter.is_ascii(), "{}", shown());
    assert_eq!(parameters.size, Some(letter.len() as u64));
    let header = Header::scan(letter);
    let names: Vec<&str> = header.fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, OWN, "{}", shown());
    assert!(header.fields().iter().all(|field| field.odd.is_none()), "{}", shown());
    let message = Message::parse(letter, &Limits::default());
    assert_eq!(message.types.first().map(|kind| kind.name.as_str()), Some("multipart/report"));
    // What has no section is the inside of the returned mail, where that is a multipart without parts.
    let parts: Vec<_> = message.parts.iter().filter(|part| !part.section.is_empty()).collect();
    assert_eq!(parts.len(), 3, "{}", shown());
    let [people, status, _] = parts[..] else { return };
    assert_eq!((people.kind.as_str(), people.damaged), ("text/plain", false));
    assert!(status.kind.ends_with("delivery-status"), "{}", status.kind);
    let mut groups = 0;
    let mut rest = status.bytes.as_slice();
    while !rest.is_empty() {
        let group = Header::scan(rest);
        for field in group.fields() {
            assert!(STATUS.contains(&field.name.as_str()), "a field {:?} in {}", field.name, shown());
        }
        let of_one = group.named("final-recipient").count();
        assert_eq!(of_one, usize::from(groups > 0), "{}", shown());
        groups += 1;
        rest = &rest[group.body()..];
    }
    assert_eq!(groups, wanted.len() + 1, "{}", shown());
}
