//! The MIME structure (RFC 2045, RFC 2046) by our own reader: entities, their decoded bytes, and the text between them.
//! It refuses to be unbounded in depth or parts, and to lose bytes: what has no structure is a part of its own.

use super::encoded_word;
use super::header::{Header, Oddity};
use super::message::{Damage, DeclaredType, Message, Part};
use super::parameter::Structured;
use super::transfer;
use crate::limits::Limits;
use std::ops::Range;

/// What is carried along while one mail, with the mails inside it, is read.
pub(super) struct Walk<'l> {
    pub limits: &'l Limits,
    /// Entities seen so far, in all nested mails.
    pub entities: usize,
}

/// Where an entity stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    /// Depth of entities and nested mails above it.
    depth: usize,
    /// Section number (`1.2`), empty for the whole mail.
    section: &'p str,
    /// Type of a part that declares none: `message/rfc822` in a digest (RFC 2046 5.1.5).
    default_type: &'static str,
    /// Offset of the entity in the outermost mail, unless a transfer encoding lies between.
    offset: Option<usize>,
}

impl Walk<'_> {
    /// Reads a mail at a depth into `message`.
    pub(super) fn mail(&mut self, raw: &[u8], depth: usize, offset: Option<usize>, message: &mut Message) {
        let place = Place { depth, section: "", default_type: "text/plain", offset };
        self.entity(raw, place, message);
    }

    fn entity(&mut self, raw: &[u8], place: Place<'_>, message: &mut Message) {
        self.entities += 1;
        if self.entities > self.limits.mime_parts {
            message.damage.too_many_parts = true;
            return;
        }
        if place.depth > self.limits.mime_depth {
            message.damage.too_deep = true;
            message.parts.push(raw_part(raw, place));
            return;
        }
        let header = Header::scan(raw);
        message.damage.header_too_large |=
            header.end() > self.limits.header_bytes || header.fields().len() > self.limits.header_fields;
        if place.section.is_empty() {
            if place.depth == 0 {
                if begins_with_text(&header) {
                    drop_stray(&raw[..header.body()], message);
                } else {
                    note_oddities(&header, &mut message.damage);
                }
            }
        } else {
            part_header(raw, &header, message);
        }
        let declared = Declared::read(&header, place.default_type, &mut message.damage);
        message.types.push(DeclaredType { name: declared.kind.token.clone(), parameters: declared.kind.all() });
        let body = &raw[header.body()..];
        let offset = place.offset.map(|offset| offset + header.body());
        if declared.kind.token.starts_with("multipart/") {
            self.multipart(body, &declared, place, offset, message);
        } else if matches!(declared.kind.token.as_str(), "message/rfc822" | "message/global") {
            self.nested(body, &declared, place, offset, message);
        } else {
            message.parts.push(leaf(body, &declared, place, offset, &mut message.damage));
        }
    }

    /// A multipart: its parts, and the text before, after and in place of them.
    fn multipart(
        &mut self,
        body: &[u8],
        declared: &Declared,
        place: Place<'_>,
        offset: Option<usize>,
        message: &mut Message,
    ) {
        let boundaries = declared.kind.readings("boundary");
        if boundaries.len() > 1 {
            message.damage.note("two readings of a boundary");
        }
        let mut decoded = Vec::new();
        let mut body = body;
        let mut offset = offset;
        let mut found =
            boundaries.iter().map(|boundary| delimiters(body, boundary.as_bytes())).find(|lines| !lines.is_empty());
        if found.is_none() && matches!(declared.encoding, Encoding::Base64 | Encoding::QuotedPrintable) {
            // RFC 2045 6.4 forbids an encoded multipart; some readers decode it all the same.
            decoded = declared.encoding.decode(body).bytes;
            body = &decoded;
            offset = None;
            found =
                boundaries.iter().map(|boundary| delimiters(body, boundary.as_bytes())).find(|lines| !lines.is_empty());
        }
        let Some(lines) = found.filter(|lines| lines.iter().any(|line| !line.closing)) else {
            // An empty multipart without any delimiter loses nothing to any reader.
            if !body.trim_ascii().is_empty() {
                message.damage.note("a multipart without its delimiter");
                message.parts.push(leaf(body, &Declared::plain(), place, offset, &mut message.damage));
            }
            return;
        };
        drop_stray(&body[..lines[0].line.start], message);
        let digest = declared.kind.token == "multipart/digest";
        let mut end = body.len();
        for (index, line) in lines.iter().enumerate() {
            if line.closing {
                end = line.line.end;
                break;
            }
            let stop = lines.get(index + 1).map_or(body.len(), |next| next.line.start);
            // The line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1).
            let part = trim_line_end(&body[line.line.end..stop.max(line.line.end)]);
            let section = if place.section.is_empty() {
                (index + 1).to_string()
            } else {
                format!("{}.{}", place.section, index + 1)
            };
            let below = Place {
                depth: place.depth + 1,
                section: &section,
                default_type: if digest { "message/rfc822" } else { "text/plain" },
                offset: offset.map(|offset| offset + line.line.end),
            };
            self.entity(part, below, message);
            if message.damage.too_many_parts {
                return;
            }
        }
        if lines.iter().any(|line| line.closing) {
            drop_stray(&body[end..], message);
        }
        drop(decoded);
    }

    /// An attached mail.
    fn nested(
        &mut self,
        body: &[u8],
        declared: &Declared,
        place: Place<'_>,
        offset: Option<usize>,
        message: &mut Message,
    ) {
        let plain = matches!(declared.encoding, Encoding::None);
        let decoded = if plain { transfer::Transferred::default() } else { declared.encoding.decode(body) };
        if decoded.damaged {
            message.damage.note("an attached mail whose transfer encoding is broken");
        }
        let inner = if plain { body } else { &decoded.bytes };
        let mut mail = Message::default();
        self.mail(inner, place.depth + 1, offset.filter(|_| plain), &mut mail);
        mail.read_header(inner);
        message.damage.join(&mail.damage);
        let mut part = raw_part(&[], place);
        part.kind.clone_from(&declared.kind.token);
        part.names.clone_from(&declared.names);
        part.disposition.clone_from(&declared.disposition);
        part.damaged = decoded.damaged;
        part.offset = offset;
        part.size = inner.len();
        part.mail = Some(Box::new(mail));
        message.parts.push(part);
    }
}

/// Notes what is odd about the mail's own header; an attached mail may be as odd as it came.
fn note_oddities(header: &Header<'_>, damage: &mut Damage) {
    for field in header.fields() {
        match field.odd {
            Some(Oddity::NoColon) => damage.note("a header line without a colon"),
            Some(Oddity::BlankFold) => damage.note("a blank line inside a folded header field"),
            Some(Oddity::StrangeName) if field.name.starts_with("content-") => {
                damage.note("a MIME field name outside ASCII");
            }
            _ => {}
        }
    }
}

/// Is the first line no field, and no line a field of MIME? Then there is no header: mail programs show all as text, and servers take it so too.
fn begins_with_text(header: &Header<'_>) -> bool {
    let mime = |name: &str| name.starts_with("content-") || name == "mime-version";
    header.fields().first().is_some_and(|field| field.odd == Some(Oddity::NoColon))
        && !header.fields().iter().any(|field| mime(&field.name))
}

/// Keeps what stands in the header of a part besides its MIME fields. A line without a colon may be content whose empty line is missing.
fn part_header(raw: &[u8], header: &Header<'_>, message: &mut Message) {
    const ORDINARY: [&str; 6] = [
        "content-type",
        "content-disposition",
        "content-transfer-encoding",
        "content-id",
        "x-attachment-id",
        "mime-version",
    ];
    if header.fields().iter().any(|field| field.odd == Some(Oddity::NoColon)) {
        message.damage.note("a part header with a line that is no field");
        drop_stray(&raw[..header.body()], message);
        return;
    }
    for field in header.fields().iter().filter(|field| !ORDINARY.contains(&field.name.as_str())) {
        let text = encoded_word::decode(header.value(field));
        drop_stray(text.as_bytes(), message);
    }
}

/// Transfer encodings (RFC 2045 6.1, and uuencode by habit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    None,
    Base64,
    QuotedPrintable,
    Uuencode,
}

impl Encoding {
    pub(super) fn decode(self, body: &[u8]) -> transfer::Transferred {
        match self {
            Self::None => transfer::Transferred { bytes: body.to_vec(), damaged: false },
            Self::Base64 => transfer::base64(body),
            // A stray `=` is shown by all readers as it stands.
            Self::QuotedPrintable => transfer::Transferred { damaged: false, ..transfer::quoted_printable(body) },
            Self::Uuencode => transfer::uuencode(body),
        }
    }
}

/// What an entity says about itself.
pub(super) struct Declared {
    pub(super) kind: Structured,
    disposition: Option<String>,
    pub(super) names: Vec<String>,
    pub(super) encoding: Encoding,
}

impl Declared {
    fn plain() -> Self {
        Self { kind: Structured::read(b"text/plain"), disposition: None, names: Vec::new(), encoding: Encoding::None }
    }

    pub(super) fn read(header: &Header<'_>, default_type: &str, damage: &mut Damage) -> Self {
        let mut plain = Self::plain();
        let mut types = header.named("content-type").map(|field| Structured::read(header.value(field)));
        plain.kind = types.next().unwrap_or_default();
        let mut names: Vec<String> = Vec::new();
        let mut add = |readings: Vec<String>| names.extend(readings);
        for other in types {
            // Which one counts differs between readers.
            if other != plain.kind {
                damage.note("two Content-Type fields");
            }
            add(other.readings("name"));
        }
        if plain.kind.token.is_empty() || !plain.kind.token.contains('/') {
            default_type.clone_into(&mut plain.kind.token);
        }
        let mut dispositions = header.named("content-disposition").map(|field| Structured::read(header.value(field)));
        if let Some(first) = dispositions.next() {
            add(first.readings("filename"));
            add(first.readings("name"));
            plain.disposition = Some(first.token);
        }
        for other in dispositions {
            add(other.readings("filename"));
        }
        add(plain.kind.readings("name"));
        add(plain.kind.readings("filename"));
        let mut distinct: Vec<String> = Vec::new();
        for name in names {
            if !distinct.contains(&name) {
                distinct.push(name);
            }
        }
        plain.names = distinct;
        let mut encodings =
            header.named("content-transfer-encoding").map(|field| Structured::read(header.value(field)).token);
        if let Some(first) = encodings.next() {
            plain.encoding = match first.as_str() {
                "base64" => Encoding::Base64,
                "quoted-printable" => Encoding::QuotedPrintable,
                "x-uuencode" | "uuencode" | "x-uue" | "uue" => Encoding::Uuencode,
                "" | "7bit" | "8bit" | "7bits" | "8bits" | "binary" | "7-bit" | "8-bit" | "none" => Encoding::None,
                _ => {
                    damage.note("an unknown transfer encoding");
                    Encoding::None
                }
            };
            if encodings.any(|other| other != first) {
                damage.note("two Content-Transfer-Encoding fields");
            }
        }
        plain
    }
}

/// A part with content.
fn leaf(body: &[u8], declared: &Declared, place: Place<'_>, offset: Option<usize>, damage: &mut Damage) -> Part {
    let decoded = declared.encoding.decode(body);
    if decoded.damaged {
        damage.note("a part whose transfer encoding is broken");
    }
    let attached = declared.disposition.as_deref() == Some("attachment") || !declared.names.is_empty();
    let text = matches!(declared.kind.token.as_str(), "text/plain" | "text/html" | "text/enriched" | "text/richtext");
    Part {
        section: place.section.to_owned(),
        depth: place.depth,
        kind: declared.kind.token.clone(),
        parameters: declared.kind.all(),
        charset: declared.kind.get("charset"),
        names: declared.names.clone(),
        disposition: declared.disposition.clone(),
        is_body: text && !attached,
        damaged: decoded.damaged,
        size: decoded.bytes.len(),
        undecoded: if decoded.damaged { body.to_vec() } else { Vec::new() },
        bytes: decoded.bytes,
        mail: None,
        offset,
    }
}

/// A part of which only the bytes are known.
fn raw_part(raw: &[u8], place: Place<'_>) -> Part {
    Part {
        section: place.section.to_owned(),
        depth: place.depth,
        kind: "application/octet-stream".to_owned(),
        bytes: raw.to_vec(),
        size: raw.len(),
        damaged: true,
        offset: place.offset,
        ..Part::default()
    }
}

/// Text that no reader shows, but every reader receives.
fn drop_stray(text: &[u8], message: &mut Message) {
    if !text.trim_ascii().is_empty() {
        message.stray.push(text.to_vec());
    }
}

/// A delimiter line (RFC 2046 5.1.1).
pub(super) struct Delimiter {
    pub(super) line: Range<usize>,
    pub(super) closing: bool,
}

/// All delimiter lines of a boundary: `--boundary`, `--` on the closing one, then blanks only.
pub(super) fn delimiters(body: &[u8], boundary: &[u8]) -> Vec<Delimiter> {
    let mut found = Vec::new();
    let boundary = boundary.trim_ascii_end();
    if boundary.is_empty() {
        return found;
    }
    let marker = [b"--", boundary].concat();
    for at in memchr::memmem::find_iter(body, &marker) {
        if at > 0 && body[at - 1] != b'\n' {
            continue;
        }
        let end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |length| at + length + 1);
        let rest = body[at + marker.len()..end].trim_ascii_end();
        let closing = rest.starts_with(b"--");
        let rest = if closing { &rest[2..] } else { rest };
        if rest.trim_ascii().is_empty() {
            found.push(Delimiter { line: at..end, closing });
        }
    }
    found
}

/// Bytes without the line end at their end.
pub(super) fn trim_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
