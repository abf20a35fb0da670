//! The structure of a mail; the only file that names the mail_parser crate.
//! It refuses to hide damage: what does not parse is said, and where the library sees another part than our reader, both are given.

use super::charset::{self, Decoded};
use super::header::Header;
use super::mime::Walk;
use super::recipients::{self, BLIND_FIELDS, VISIBLE_FIELDS};
use super::{encoded_word, transfer};
use crate::address::Address;
use crate::limits::Limits;
use mail_parser::{Encoding, HeaderName, MessageParser, MimeHeaders, PartType};
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::LazyLock;

/// One mail, its parts flattened in document order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Every reading of the Subject, the best one first; empty without one.
    pub subject: Vec<String>,
    /// Addresses of From and Sender.
    pub from: Vec<Address>,
    /// Other decoded header fields: lower-case name, value. Recipient fields, Received and signatures are left out.
    pub headers: Vec<(String, String)>,
    /// Every declared type, of multiparts too, but not those of attached mails.
    pub types: Vec<DeclaredType>,
    /// The parts with content, and the attached mails.
    pub parts: Vec<Part>,
    /// Text before the first and after the last delimiter of multiparts (RFC 2046 5.1.1): no client shows it, every one receives it.
    pub stray: Vec<Vec<u8>>,
    /// What could not be read without doubt, attached mails included.
    pub damage: Damage,
}

/// A Content-Type as declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredType {
    /// `type/subtype` in lower case.
    pub name: String,
    /// Lower-case name and value (`protocol`, `report-type`, `smime-type`, `method` …).
    pub parameters: Vec<(String, String)>,
}

impl DeclaredType {
    /// A parameter's value in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.to_ascii_lowercase())
    }
}

/// One part with content, or an attached mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Section number as in IMAP (`1.2`); empty when the mail is one part.
    pub section: String,
    /// Multiparts and mails above it.
    pub depth: usize,
    /// Declared `type/subtype` in lower case; `text/plain` when none is.
    pub kind: String,
    /// Parameters of the Content-Type: lower-case name, value.
    pub parameters: Vec<(String, String)>,
    /// The declared charset.
    pub charset: Option<String>,
    /// Every reading of its file name, from `filename` and `name`, the most usual one first.
    pub names: Vec<String>,
    /// `attachment`, `inline` or what else is declared, in lower case.
    pub disposition: Option<String>,
    /// Text that clients show as the body: plain or HTML, without a file name, not an attachment.
    pub is_body: bool,
    /// The content, transfer encoding undone, charset not; empty for an attached mail.
    pub bytes: Vec<u8>,
    /// The content before decoding, when its transfer encoding is broken: what another reader may see.
    pub undecoded: Vec<u8>,
    /// The transfer encoding or structure is broken.
    pub damaged: bool,
    /// Octets of the content, decoded.
    pub size: usize,
    /// The attached mail (message/rfc822, message/global).
    pub mail: Option<Box<Message>>,
    /// Where its body starts in the mail's bytes, when it is not inside an encoded mail.
    pub(super) offset: Option<usize>,
}

impl Part {
    /// The content as text, in every plausible reading of its charset.
    #[must_use]
    pub fn texts(&self) -> Decoded {
        charset::decode(&self.bytes, self.charset.as_deref())
    }
}

/// What could not be read without doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The first thing about the structure that readers take differently.
    pub mime: Option<&'static str>,
    /// Entities below the depth limit were not taken apart.
    pub too_deep: bool,
    /// Entities beyond the limit were not read.
    pub too_many_parts: bool,
    /// A header section is beyond its limits (octets or fields).
    pub header_too_large: bool,
}

impl Damage {
    pub(super) fn note(&mut self, what: &'static str) {
        self.mime.get_or_insert(what);
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.mime = self.mime.or(other.mime);
        self.too_deep |= other.too_deep;
        self.too_many_parts |= other.too_many_parts;
        self.header_too_large |= other.header_too_large;
    }

    /// Is anything in doubt or unread?
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl Message {
    /// Reads a mail. Never fails: what cannot be read is in [`Message::damage`], and its bytes are a part.
    #[must_use]
    pub fn parse(raw: &[u8], limits: &Limits) -> Self {
        let mut message = Self::default();
        let mut walk = Walk { limits, entities: 0 };
        walk.mail(raw, 0, Some(0), &mut message);
        message.read_header(raw);
        // Beyond the limits the mail is held anyway, and the library knows no limits.
        if !message.damage.too_deep && !message.damage.too_many_parts && !message.damage.header_too_large {
            message.compare(raw);
        }
        message
    }

    /// The decoded values of a field.
    pub fn header<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m str> {
        self.headers.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The decoded Subject, empty without one.
    #[must_use]
    pub fn best_subject(&self) -> &str {
        self.subject.first().map_or("", String::as_str)
    }

    /// Reads the fields of the mail's own header.
    pub(super) fn read_header(&mut self, raw: &[u8]) {
        /// Fields that rules have no use for, or that hold recipients (those are facts of their own).
        const LEFT_OUT: [&str; 8] = [
            "received",
            "dkim-signature",
            "domainkey-signature",
            "arc-seal",
            "arc-message-signature",
            "arc-authentication-results",
            "delivered-to",
            "x-original-to",
        ];
        let header = Header::scan(raw);
        for field in header.fields() {
            let name = field.name.as_str();
            let value = header.value(field);
            match name {
                "subject" => {
                    for reading in encoded_word::readings(value) {
                        let reading = reading.trim().to_owned();
                        if !self.subject.contains(&reading) {
                            self.subject.push(reading);
                        }
                    }
                }
                "from" | "sender" => {
                    for address in recipients::field_addresses(value).proper {
                        if !self.from.contains(&address) {
                            self.from.push(address);
                        }
                    }
                }
                _ => {}
            }
            if !name.is_empty()
                && !LEFT_OUT.contains(&name)
                && !VISIBLE_FIELDS.contains(&name)
                && !BLIND_FIELDS.contains(&name)
            {
                self.headers.push((name.to_owned(), encoded_word::decode(value).trim().to_owned()));
            }
        }
    }

    /// Compares with the library's reading: parts that only it sees are added, names that only it reads too.
    fn compare(&mut self, raw: &[u8]) {
        // The library asserts on structures it cannot close; that is its own reading, not ours.
        let Ok(theirs) = catch_unwind(|| {
            let mut theirs = BTreeMap::new();
            if let Some(library) = STRUCTURE_PARSER.parse(raw) {
                library_parts(&library, 0, &mut theirs);
            }
            theirs
        }) else {
            return self.damage.note("the second reader gave up on the structure");
        };
        let mut ours = Vec::new();
        self.places(&mut ours);
        let mut added = Vec::new();
        for (offset, part) in &theirs {
            // The same bytes, or no bytes at all, are no other reading.
            if ours.contains(offset)
                || part.end <= *offset
                || raw[*offset..part.end.min(raw.len())].trim_ascii().is_empty()
            {
                continue;
            }
            let body = &raw[*offset..part.end.min(raw.len())];
            let bytes = match part.encoding {
                Encoding::Base64 => transfer::base64(body).bytes,
                Encoding::QuotedPrintable => transfer::quoted_printable(body).bytes,
                Encoding::None => body.to_vec(),
            };
            added.push(Part {
                kind: part.kind.clone(),
                names: part.name.iter().cloned().collect(),
                size: bytes.len(),
                bytes,
                damaged: true,
                offset: Some(*offset),
                ..Part::default()
            });
        }
        if !added.is_empty() {
            self.damage.note("two readers see different parts");
            self.parts.extend(added);
        }
        self.add_names(&theirs);
    }

    /// Offsets of all parts, attached mails' included.
    fn places(&self, places: &mut Vec<usize>) {
        for part in &self.parts {
            places.extend(part.offset);
            if let Some(mail) = &part.mail {
                mail.places(places);
            }
        }
    }

    fn add_names(&mut self, theirs: &BTreeMap<usize, LibraryPart>) {
        for part in &mut self.parts {
            let name = part.offset.and_then(|offset| theirs.get(&offset)).and_then(|part| part.name.as_ref());
            if let Some(name) =
                name.filter(|name| !name.contains(char::REPLACEMENT_CHARACTER) && !part.names.contains(name))
            {
                part.names.push(name.clone());
            }
            if let Some(mail) = &mut part.mail {
                mail.add_names(theirs);
            }
        }
    }
}

/// A part as the library sees it.
struct LibraryPart {
    end: usize,
    encoding: Encoding,
    kind: String,
    name: Option<String>,
}

/// Collects the library's leaf parts by the offset of their bodies; mails inside an encoded part have offsets of their own and are left out.
fn library_parts(message: &mail_parser::Message<'_>, depth: usize, found: &mut BTreeMap<usize, LibraryPart>) {
    for part in &message.parts {
        match &part.body {
            PartType::Message(nested) if part.encoding == Encoding::None => {
                // The library stops at a depth of its own; ours is lower.
                if depth < 200 {
                    library_parts(nested, depth + 1, found);
                }
            }
            PartType::Multipart(_) | PartType::Message(_) => {}
            _ => {
                let kind = part.content_type().map_or_else(
                    || "text/plain".to_owned(),
                    |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase(),
                );
                found.insert(
                    part.offset_body as usize,
                    LibraryPart {
                        end: part.offset_end as usize,
                        encoding: part.encoding,
                        kind,
                        name: part.attachment_name().map(str::to_owned),
                    },
                );
            }
        }
    }
}

/// The library's reader of structure, and of no other fields.
static STRUCTURE_PARSER: LazyLock<MessageParser> =
    LazyLock::new(|| MessageParser::new().with_mime_headers().default_header_ignore());

/// The library's reader of recipient fields, and of nothing else.
static RECIPIENT_PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_address(HeaderName::ResentTo)
        .header_address(HeaderName::ResentCc)
        .default_header_ignore()
});

/// The recipients of To, Cc, Resent-To and Resent-Cc as the MIME library reads them, as text; `None` when it gave up.
pub(super) fn library_recipients(header: &[u8]) -> Option<Vec<String>> {
    catch_unwind(|| library_addresses(header)).ok()
}

fn library_addresses(header: &[u8]) -> Vec<String> {
    let Some(message) = RECIPIENT_PARSER.parse_headers(header) else { return Vec::new() };
    let Some(part) = message.parts.first() else { return Vec::new() };
    let mut texts = Vec::new();
    for field in &part.headers {
        if !matches!(field.name, HeaderName::To | HeaderName::Cc | HeaderName::ResentTo | HeaderName::ResentCc) {
            continue;
        }
        let Some(list) = field.value.as_address() else { continue };
        for mailbox in list.iter() {
            match (mailbox.address(), mailbox.name()) {
                // The library takes a quoted local part for a display name, and puts comments in parentheses behind it.
                (Some(address), Some(name)) if address.starts_with('@') => {
                    let local = name.split_once(" (").map_or(name, |(local, _)| local);
                    texts.push(format!("\"{local}\"{address}"));
                }
                (Some(address), _) => texts.push(address.to_owned()),
                (None, _) => {}
            }
        }
    }
    texts
}

/// Does the MIME library of this build decode Japanese charsets (its feature `full_encoding`)?
pub(super) fn library_decodes_japanese() -> bool {
    [
        (&b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1B$B4X=j\x1B(B"[..], "関所"),
        (b"Content-Type: text/plain; charset=shift_jis\r\n\r\n\x8A\xD6\x8F\x8A", "関所"),
    ]
    .iter()
    .all(|(raw, text)| {
        MessageParser::default()
            .parse(*raw)
            .and_then(|message| message.body_text(0).map(|body| body.trim() == *text))
            .unwrap_or(false)
    })
}
