//! The stamp "checked by this guard": a keyed digest over content, sender, recipients and time, by which a mail that comes back is known.
//! It refuses to be believed for another content, sender or recipient, or when it is old; and it names and counts no recipient.

use super::canonical;
use crate::address::Address;
use crate::mail::envelope::Recipient;
use crate::mail::header::{Header, unfold};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// The field.
pub const FIELD: &str = "X-Sekisho-Checked";
/// The field in the form of [`crate::mail::header::Field::name`].
pub(super) const NAME: &str = "x-sekisho-checked";

/// Octets of a recipient's mark: to guess one that fits takes 2^64 mails.
const MARK: usize = 8;
/// Octets of the digest over everything.
const DIGEST: usize = 16;
/// Stamps of one mail that are looked at.
const MOST: usize = 8;
/// Milliseconds that the clocks of two guards may differ.
const SKEW_MS: u64 = 5 * 60 * 1000;

/// Fields that clouds and mail servers on the way add or change; every other one is covered by the stamp: who adds, drops or changes it breaks it.
const TRANSPORT: [&str; 22] = [
    "received",
    "return-path",
    "delivered-to",
    "authentication-results",
    "authentication-results-original",
    "received-spf",
    "arc-seal",
    "arc-message-signature",
    "arc-authentication-results",
    "dkim-signature",
    "domainkey-signature",
    "content-language",
    "accept-language",
    "thread-index",
    "thread-topic",
    "x-received",
    "x-originatororg",
    "x-originating-ip",
    "x-incomingheadercount",
    "x-eopattributedmessage",
    "x-eoptenantattributedmessage",
    NAME,
];
/// Beginnings of further ones.
const TRANSPORT_FAMILIES: [&str; 6] = ["x-ms-", "x-microsoft-", "x-forefront-", "x-exchange-", "x-google-", "x-gm-"];
/// Octets of all those fields at most: room for what clouds write, not for a list of people.
const TRANSPORT_OCTETS: usize = 32 * 1024;

/// The stamp of one guard, or of several with one key.
pub struct Stamp {
    key: hmac::Key,
    max_age_ms: u64,
}

impl fmt::Debug for Stamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Stamp").field("max_age_ms", &self.max_age_ms).finish_non_exhaustive()
    }
}

impl Stamp {
    /// A stamp with this key, believed for so many milliseconds.
    #[must_use]
    pub fn new(key: &[u8], max_age_ms: u64) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), max_age_ms }
    }

    /// The whole field, with its line end.
    pub(super) fn field(
        &self,
        header: &Header<'_>,
        body: &[u8; 32],
        sender: Option<&Address>,
        recipients: &[Recipient],
        now_ms: u64,
    ) -> Vec<u8> {
        let seconds = now_ms / 1_000;
        let mail = self.mail_key(header, body, sender, seconds);
        let mut marks: Vec<String> = recipients.iter().map(|recipient| mark(&mail, &recipient.address)).collect();
        // Made-up ones up to a power of two, all sorted: how many hidden recipients there are is nobody's business.
        for number in marks.len()..marks.len().next_power_of_two().max(4) {
            marks.push(tag(&mail, "nobody", &number.to_be_bytes(), MARK));
        }
        marks.sort_unstable();
        let digest = tag(&mail, "marks", marks.join(" ").as_bytes(), DIGEST);
        let mut out = format!("{FIELD}: v1; t={seconds}; mac={digest}; r=");
        for line in marks.chunks(6) {
            out.push_str("\r\n\t");
            out.push_str(&line.join(" "));
        }
        out.push_str("\r\n");
        out.into_bytes()
    }

    /// Is one of the stamps ours, for this mail, all of these recipients, and fresh?
    pub(super) fn verifies(
        &self,
        header: &Header<'_>,
        body: &[u8; 32],
        sender: Option<&Address>,
        recipients: &[Recipient],
        now_ms: u64,
    ) -> bool {
        !recipients.is_empty()
            && is_plain(header)
            && header.named(NAME).take(MOST).any(|field| {
                let value = unfold(header.value(field));
                let Some(read) = std::str::from_utf8(&value).ok().and_then(Read::of) else { return false };
                let at_ms = read.seconds.saturating_mul(1_000);
                if at_ms > now_ms.saturating_add(SKEW_MS) || at_ms.saturating_add(self.max_age_ms) < now_ms {
                    return false;
                }
                let mail = self.mail_key(header, body, sender, read.seconds);
                let digest = tag(&mail, "marks", read.marks.join(" ").as_bytes(), DIGEST);
                let known: HashSet<&str> = read.marks.iter().copied().collect();
                verify_slices_are_equal(digest.as_bytes(), read.digest.as_bytes()).is_ok()
                    && recipients.iter().all(|recipient| known.contains(mark(&mail, &recipient.address).as_str()))
            })
    }

    /// A key for this mail alone: of its time, sender, covered fields and body.
    fn mail_key(&self, header: &Header<'_>, body: &[u8; 32], sender: Option<&Address>, seconds: u64) -> hmac::Key {
        let mut context = hmac::Context::with_key(&self.key);
        let mut add = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        add(b"sekisho stamp v1");
        add(&seconds.to_be_bytes());
        add(sender.map_or("", Address::key).as_bytes());
        // By name: relays keep the order of fields of one name, not always of all.
        let mut covered: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for field in header.fields().iter().filter(|field| is_covered(&field.name)) {
            covered.entry(&field.name).or_default().push(canonical::field(&field.name, header.value(field)));
        }
        for field in covered.into_values().flatten() {
            add(&field);
        }
        add(body);
        hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref())
    }
}

fn is_covered(name: &str) -> bool {
    !TRANSPORT.contains(&name) && !TRANSPORT_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Is the header one that every program reads alike, without room for text that the stamp does not cover? A line without a colon ends the header
/// for some programs, which then show what follows as the body.
fn is_plain(header: &Header<'_>) -> bool {
    let open = header.fields().iter().filter(|field| !is_covered(&field.name) && field.name != NAME);
    header.fields().iter().all(|field| field.odd.is_none())
        && open.map(|field| field.whole.len()).sum::<usize>() <= TRANSPORT_OCTETS
}

fn tag(key: &hmac::Key, purpose: &str, data: &[u8], octets: usize) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(purpose.as_bytes());
    context.update(b"\0");
    context.update(data);
    URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..octets])
}

fn mark(mail: &hmac::Key, recipient: &Address) -> String {
    tag(mail, "recipient", recipient.key().as_bytes(), MARK)
}

/// A stamp as it was read.
struct Read<'v> {
    seconds: u64,
    digest: &'v str,
    marks: Vec<&'v str>,
}

impl<'v> Read<'v> {
    fn of(value: &'v str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        (parts.next()? == "v1").then_some(())?;
        let seconds = parts.next()?.strip_prefix("t=")?.parse().ok()?;
        let digest = parts.next()?.strip_prefix("mac=")?;
        let marks = parts.next()?.strip_prefix("r=")?.split_ascii_whitespace().collect();
        Some(Self { seconds, digest, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sealer;
    use super::*;
    use bytes::Bytes;

    const NOW: u64 = 1_800_000_000_000;
    const MAIL: &str = "Received: by h\r\nFrom: a@city.test\r\nTo: b@x.test,\r\n c@x.test\r\nSubject: s\r\nMIME-Version: 1.0\r\n\r\nbody  line\r\n\r\n";

    fn sealer(key: &[u8]) -> Sealer {
        Sealer::new(Some(Stamp::new(key, 3_600_000)), Vec::new())
    }

    fn to(list: &[&str]) -> Vec<Recipient> {
        list.iter().map(|address| Recipient::new(address)).collect()
    }

    fn sender() -> Address {
        Address::new("a@city.test")
    }

    fn sealed(mail: &str, recipients: &[&str]) -> String {
        let pieces = sealer(b"key").seal(vec![Bytes::from(mail.to_owned())], Some(&sender()), &to(recipients), NOW);
        String::from_utf8(pieces.unwrap().concat()).unwrap()
    }

    fn passes(mail: &str, recipients: &[&str]) -> bool {
        sealer(b"key").passed_before(&Bytes::from(mail.to_owned()), Some(&sender()), &to(recipients), NOW)
    }

    #[test]
    fn a_stamped_mail_is_known_for_its_recipients_and_any_of_them() {
        let out = sealed(MAIL, &["b@x.test", "c@x.test", "hidden@y.test"]);
        assert!(out.ends_with(MAIL) && out.matches(FIELD).count() == 1, "{out}");
        assert!(!out[..out.len() - MAIL.len()].contains("test"));
        for some in [&["b@x.test"][..], &["HIDDEN@y.test", "c@x.test"], &["b@x.test", "c@x.test", "hidden@y.test"]] {
            assert!(passes(&out, some), "{some:?}");
        }
        for other in [&["d@x.test"][..], &["b@x.test", "d@x.test"], &[]] {
            assert!(!passes(&out, other), "{other:?}");
        }
        // What clouds and relays do on the way.
        for (from, into) in [
            (
                "Received: by h",
                "Received: by cloud\r\nX-MS-Exchange-Organization-SCL: -1\r\nARC-Seal: i=1\r\nReceived: by h",
            ),
            ("Subject: s\r\nMIME-Version: 1.0\r\n", "MIME-Version: 1.0\r\nContent-Language: ja\r\nSubject:  s\r\n"),
            ("b@x.test,\r\n c@x.test", "b@x.test, c@x.test"),
            ("body  line\r\n\r\n", "body line\r\n"),
        ] {
            assert!(out.contains(from));
            assert!(passes(&out.replacen(from, into, 1), &["b@x.test"]), "{into}");
        }
    }

    #[test]
    fn a_change_of_content_or_stamp_is_not_believed() {
        let out = sealed(MAIL, &["b@x.test"]);
        for (from, into) in [
            ("body", "bodY"),
            ("body  line\r\n", "body  line\r\nmore\r\n"),
            ("Subject: s", "Subject: t"),
            ("Subject: s", "Subject: s\r\nTo: d@x.test"),
            ("Subject: s", "Subject: s\r\nT o: d@x.test"),
            ("Subject: s", "Subject: s\r\nBcc: d@x.test"),
            ("Subject: s", "Subject: s\r\nResent-To: d@x.test"),
            ("Subject: s", "Subject: s\r\nReply-To: d@x.test"),
            ("Subject: s", "Subject: s\r\nContent-Type: text/html"),
            ("Subject: s", "Subject: s\r\nComments: Yamada Taro 090-1234-5678"),
            ("Subject: s", "Subject: s\r\nX-Note: Yamada Taro 090-1234-5678"),
            ("Subject: s", "Subject: s\r\nYamada Taro 090-1234-5678"),
            ("Subject: s", "Subject: s\r\n \r\n Yamada Taro 090-1234-5678"),
            ("Subject: s", &format!("Subject: s\r\nX-MS-List: {}", "x".repeat(TRANSPORT_OCTETS))),
            ("Subject: s\r\n", ""),
            ("b@x.test,", "d@x.test,"),
            ("t=1800000000", "t=1800000001"),
            ("v1;", "v2;"),
            ("mac=", "mac=A"),
            ("r=", "r=AAAAAAAAAAA"),
        ] {
            assert!(out.contains(from), "{from}");
            assert!(!passes(&out.replacen(from, into, 1), &["b@x.test"]), "{from} became {into}");
        }
        let bytes = Bytes::from(out.clone());
        assert!(!sealer(b"other").passed_before(&bytes, Some(&sender()), &to(&["b@x.test"]), NOW));
        assert!(!sealer(b"key").passed_before(&bytes, Some(&Address::new("z@city.test")), &to(&["b@x.test"]), NOW));
        assert!(!sealer(b"key").passed_before(&bytes, None, &to(&["b@x.test"]), NOW));
        for (shift, known) in
            [(0_i64, true), (3_600_000, true), (3_602_000, false), (-299_000, true), (-302_000, false)]
        {
            let now = NOW.saturating_add_signed(shift);
            assert_eq!(
                sealer(b"key").passed_before(&bytes, Some(&sender()), &to(&["b@x.test"]), now),
                known,
                "{shift}"
            );
        }
        assert!(!Sealer::default().passed_before(&bytes, Some(&sender()), &to(&["b@x.test"]), NOW));
    }

    #[test]
    fn stamps_of_strangers_are_taken_out_and_the_number_of_recipients_is_hidden() {
        let foreign =
            MAIL.replacen("Subject", "X-Sekisho-Checked: v1; t=1; mac=x; r=y\r\nx-sekisho-checked : z\r\nSubject", 1);
        let out = sealed(&foreign, &["b@x.test"]);
        assert!(out.ends_with(MAIL) && out.to_lowercase().matches(NAME).count() == 1, "{out}");
        let size = |count: usize| {
            let list: Vec<String> = (0..count).map(|n| format!("p{n}@x.test")).collect();
            sealed(MAIL, &list.iter().map(String::as_str).collect::<Vec<_>>()).len()
        };
        assert_eq!(size(1), size(4));
        assert_eq!(size(257), size(421));
        assert!(size(421) - MAIL.len() < 6_600);
        let all: Vec<String> = (0..421).map(|n| format!("p{n}@x.test")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert!(passes(&sealed(MAIL, &all), &all));
        assert_eq!(Sealer::default().seal(vec![Bytes::from(MAIL)], None, &[], NOW), Ok(vec![Bytes::from(MAIL)]));
    }
}
