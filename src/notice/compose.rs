//! From content to bytes: the header of a notice and its two forms, encoded so that every mail server takes them.
//! It refuses to put foreign text into a header unchecked, and to produce a line or an octet that SMTP does not allow.

use super::document::{Section, html, plain};
use super::text::Language;
use crate::address::Address;
use crate::id::MailId;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use std::time::{Duration, SystemTime};

/// Why a notice could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    #[error("write a notice from the configured address: it is not a plain mail address")]
    From,
    #[error("write a notice to an address with control characters or without a domain")]
    Recipient,
    #[error("write a notice: the composed mail has a line or an octet that SMTP does not allow")]
    Unsendable,
}

/// Who a notice comes from: a display name and an address of the organisation.
#[derive(Clone, Debug)]
pub struct Author {
    mailbox: Mailbox,
}

impl Author {
    /// Takes a display name (may be Japanese, may be empty) and a plain ASCII address.
    ///
    /// # Errors
    /// [`ComposeError::From`] for an address that lettre refuses.
    pub fn new(name: &str, address: &str) -> Result<Self, ComposeError> {
        if !address.is_ascii() {
            return Err(ComposeError::From);
        }
        let address: lettre::Address = address.parse().map_err(|_| ComposeError::From)?;
        let name: String = name.chars().filter(|char| !char.is_control()).collect();
        Ok(Self { mailbox: Mailbox::new((!name.trim().is_empty()).then_some(name), address) })
    }

    /// The domain, used for Message-IDs.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.mailbox.email.domain()
    }
}

/// What stands in the header of one notice.
#[derive(Clone, Debug)]
pub struct Heading<'a> {
    pub from: &'a Author,
    pub to: &'a Address,
    /// Safe to show already.
    pub subject: &'a str,
    /// The notice's own id, for Message-ID and the boundary.
    pub id: &'a MailId,
    /// Epoch milliseconds of Date.
    pub date_ms: u64,
    /// The Message-ID of the mail it is about, when the reader has that mail.
    pub about: Option<&'a str>,
}

/// One notice, ready for the outbox: the reverse-path is always null (RFC 3834 3.3, no answer and no loop).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The only recipient.
    pub to: Address,
    /// The address needs SMTPUTF8 (RFC 6531); the content never does.
    pub smtputf8: bool,
    /// The mail, canonical CRLF lines.
    pub bytes: Vec<u8>,
}

/// Writes a notice.
///
/// # Errors
/// [`ComposeError`]; nothing is sent then and the caller tells the administrator.
pub fn compose(heading: &Heading<'_>, sections: &[Section]) -> Result<Letter, ComposeError> {
    let languages: Vec<_> = sections.iter().map(|section| section.language.tag()).collect();
    let mut builder = Message::builder()
        .from(heading.from.mailbox.clone())
        .subject(inert(heading.subject))
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(heading.date_ms.min(LAST_DATE_MS)))
        .message_id(Some(format!("<{}.notice@{}>", heading.id, heading.from.domain())))
        // RFC 3834 5: nobody's vacation program answers this.
        .raw_header(fixed("Auto-Submitted", "auto-generated"))
        // The same for Microsoft Exchange ([MS-OXCMAIL] 2.2.3.2.14).
        .raw_header(fixed("X-Auto-Response-Suppress", "All"))
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Content-Language"), languages.join(", ")));
    if let Some(about) = heading.about {
        builder = builder.in_reply_to(about.to_owned()).references(about.to_owned());
    }
    builder = match lettre_mailbox(heading.to) {
        Some(mailbox) => builder.to(mailbox),
        None => builder.raw_header(to_by_hand(heading.to)?),
    };
    // Only the bytes are used; the envelope travels in `Letter`.
    let envelope = Envelope::new(None, vec![heading.from.mailbox.email.clone()]).map_err(|_| ComposeError::From)?;
    let body = MultiPart::alternative()
        .boundary(format!("sekisho-{}", heading.id))
        .singlepart(part(ContentType::TEXT_PLAIN, plain(sections)))
        .singlepart(part(ContentType::TEXT_HTML, html(heading.subject, sections)));
    let message = builder.envelope(envelope).multipart(body).map_err(|_| ComposeError::From)?;
    let bytes = message.formatted();
    if !canonical(&bytes) {
        return Err(ComposeError::Unsendable);
    }
    Ok(Letter { to: heading.to.clone(), smtputf8: !heading.to.as_str().is_ascii(), bytes })
}

/// The last second of the year 9999, which `Date` can still write.
const LAST_DATE_MS: u64 = 253_402_300_799_000;

fn part(kind: ContentType, text: String) -> SinglePart {
    SinglePart::builder().header(kind).body(text)
}

fn fixed(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// A subject without anything a reader would decode a second time (RFC 2047 encoded words) and without control characters.
fn inert(subject: &str) -> String {
    subject.replace("=?", "= ?").chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// The address as lettre's own, when it takes it unchanged.
fn lettre_mailbox(address: &Address) -> Option<Mailbox> {
    let text = address.as_str();
    if !text.is_ascii() || text.len() > 254 {
        return None;
    }
    let address: lettre::Address = text.parse().ok()?;
    (AsRef::<str>::as_ref(&address) == text).then(|| Mailbox::new(None, address))
}

/// A To field for addresses that lettre refuses. Japanese mobile carriers gave out `a..b@` and `a.@`, which is the mailbox
/// `"a..b"@` in the syntax of RFC 5322 3.4.1; an address outside ASCII is not written at all, since the header then would need SMTPUTF8.
fn to_by_hand(address: &Address) -> Result<HeaderValue, ComposeError> {
    let name = HeaderName::new_from_ascii_str("To");
    let text = address.as_str();
    let (local, domain) = text.rsplit_once('@').ok_or(ComposeError::Recipient)?;
    if local.is_empty() || domain.is_empty() || text.chars().any(char::is_control) {
        return Err(ComposeError::Recipient);
    }
    let domain = address.domain().map_or(domain, |domain| domain.as_str());
    let plain_domain = domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    if !local.is_ascii() || !plain_domain || text.len() > 500 {
        let group = "undisclosed-recipients:;".to_owned();
        return Ok(HeaderValue::dangerous_new_pre_encoded(name, group.clone(), group));
    }
    let inner = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(local);
    let mut quoted = String::from("\"");
    let mut escaped = false;
    for char in inner.chars() {
        if char == '"' && !escaped {
            quoted.push('\\');
        }
        escaped = char == '\\' && !escaped;
        quoted.push(char);
    }
    if escaped {
        quoted.push('\\');
    }
    quoted.push('"');
    let value = format!("<{quoted}@{domain}>");
    Ok(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value))
}

/// Only CRLF as line end, only 7-bit octets without NUL, no line of 998 octets or more (RFC 5322 2.1.1, 2.3).
fn canonical(bytes: &[u8]) -> bool {
    let Some(text) = bytes.strip_suffix(b"\r\n") else { return false };
    let mut lines = 0usize;
    let mut length = 0usize;
    let mut after_cr = false;
    for &byte in text {
        match (after_cr, byte) {
            (true, b'\n') => {
                after_cr = false;
                lines += 1;
                length = 0;
            }
            (true, _) | (false, b'\n' | 0 | 128..) => return false,
            (false, b'\r') => after_cr = true,
            (false, _) => {
                length += 1;
                if length >= 998 {
                    return false;
                }
            }
        }
    }
    !after_cr && lines > 0
}

/// The languages of a notice as a reader would list them; an empty list means both.
#[must_use]
pub fn languages(wanted: &[Language]) -> Vec<Language> {
    let mut out: Vec<Language> = Vec::new();
    for language in wanted {
        if !out.contains(language) {
            out.push(*language);
        }
    }
    if out.is_empty() { Language::ALL.to_vec() } else { out }
}

#[cfg(test)]
mod tests {
    use super::super::document::Block;
    use super::*;

    fn letter(to: &str, subject: &str, body: &str) -> Result<Letter, ComposeError> {
        let from = Author::new("関所", "postmaster@city.example.jp").unwrap();
        let (to, id) = (Address::new(to), MailId::new(1, [1; 10]));
        let heading = Heading { from: &from, to: &to, subject, id: &id, date_ms: 1_795_338_000_000, about: None };
        compose(&heading, &[Section { language: Language::Ja, blocks: vec![Block::Text(body.to_owned())] }])
    }

    fn header<'a>(letter: &'a Letter, name: &str) -> Vec<&'a str> {
        let text = std::str::from_utf8(&letter.bytes).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        head.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
    }

    #[test]
    fn every_address_gets_a_to_field_of_its_own_mailbox() {
        for (address, field) in [
            ("taro@city.example.jp", "taro@city.example.jp"),
            ("a..b@docomo.example.jp", "<\"a..b\"@docomo.example.jp>"),
            (".a.@docomo.example.jp", "<\".a.\"@docomo.example.jp>"),
            ("\"a\\\"b\"@x.test", "\"a\\\"b\"@x.test"),
            ("taro@日本.example", "<\"taro\"@xn--wgv71a.example>"),
            ("太郎@city.example.jp", "undisclosed-recipients:;"),
        ] {
            let letter = letter(address, "x", "y").unwrap();
            assert_eq!(header(&letter, "To"), [field], "{address}");
            assert_eq!(letter.to.as_str(), address);
            assert_eq!(letter.smtputf8, !address.is_ascii());
        }
        for address in ["postmaster", "@x.test", "a@", "a\r\nBcc: b@x.test"] {
            assert_eq!(letter(address, "x", "y"), Err(ComposeError::Recipient), "{address}");
        }
    }

    #[test]
    fn a_subject_cannot_add_a_field_or_be_decoded_twice() {
        for subject in
            ["a\r\nBcc: b@x.test", "=?utf-8?B?YQ0KQmNjOiBiQHgudGVzdA==?=", &"長".repeat(300), &"x".repeat(900)]
        {
            let letter = letter("taro@city.example.jp", subject, "y").unwrap();
            let text = String::from_utf8(letter.bytes.clone()).unwrap();
            assert!(header(&letter, "Bcc").is_empty(), "{text}");
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            let fields: Vec<_> = head.split("\r\n").filter(|line| !line.starts_with(' ')).collect();
            assert_eq!(fields.len(), 10, "{head}");
            assert!(!text.contains("=?utf-8?B?YQ0KQmNj"), "{head}");
        }
    }

    #[test]
    fn bytes_are_canonical_or_nothing_is_sent() {
        for (bytes, good) in [
            (&b"A: b\r\n\r\nc\r\n"[..], true),
            (b"A: b\r\n\r\nc", false),
            (b"A: b\n\r\nc\r\n", false),
            (b"A: b\r\n\rc\r\n", false),
            (b"A: b\r\n\r\n\xe3\r\n", false),
            (b"A: b\r\n\r\n\0\r\n", false),
        ] {
            assert_eq!(canonical(bytes), good, "{bytes:?}");
        }
        assert!(canonical(&[b"A: b\r\n\r\n", &[b'x'; 997][..], b"\r\n"].concat()));
        assert!(!canonical(&[b"A: b\r\n\r\n", &[b'x'; 998][..], b"\r\n"].concat()));
        let body = format!("{}\n.\n{}", "y".repeat(5_000), "\u{202e}".repeat(2_000));
        assert!(letter("taro@city.example.jp", "x", &body).is_ok());
    }

    #[test]
    fn the_sender_of_notices_must_be_plain() {
        for (name, address, good) in [
            ("関所", "postmaster@city.example.jp", true),
            ("", "postmaster@city.example.jp", true),
            ("a\r\nBcc: x@y.test", "postmaster@city.example.jp", true),
            ("x", "postmaster", false),
            ("x", "a..b@city.example.jp", false),
            ("x", "太郎@city.example.jp", false),
        ] {
            assert_eq!(Author::new(name, address).is_ok(), good, "{address}");
        }
    }
}
