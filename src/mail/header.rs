//! Header lines as raw bytes: where each field stands, and edits that change named lines only.
//! It refuses to re-serialise: every byte outside the named lines stays.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// One header field; all ranges are offsets into the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name squeezed to its visible ASCII characters in lower case, so that `To :` and `T o:` are `to`, as tolerant readers take them; empty when the line has no colon.
    pub name: String,
    /// The whole field with its folded lines and line ends.
    pub whole: Range<usize>,
    /// Behind the colon, without the last line end; folds are still in it.
    pub value: Range<usize>,
    /// What is unusual about its form.
    pub odd: Option<Oddity>,
}

/// Forms that RFC 5322 2.2 does not allow, or only as obsolete, and that readers take differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Blanks before the colon (RFC 5322 4.5 obs-fields).
    BlankInName,
    /// Characters outside visible ASCII in the name.
    StrangeName,
    /// No colon: some programs end the header here.
    NoColon,
    /// A folded line of blanks only (RFC 5322 3.2.2 forbids it): some programs end the header here.
    BlankFold,
}

/// The header section of a mail.
#[derive(Clone, Debug)]
pub struct Header<'m> {
    raw: &'m [u8],
    fields: Vec<Field>,
    end: usize,
    body: usize,
}

impl<'m> Header<'m> {
    /// Fields told apart at most; no limit for mails is higher. What comes behind is a part of the last one, so that a mail of millions of
    /// lines without an empty one costs no more than its octets.
    const MOST: usize = 20_000;

    /// Scans the fields up to the first empty line, or the end of the bytes (RFC 5322 2.1, 2.2). Lines end with LF, with or without CR.
    #[must_use]
    pub fn scan(raw: &'m [u8]) -> Self {
        let mut fields: Vec<Field> = Vec::new();
        let mut at = 0;
        loop {
            let next = memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |length| at + length + 1);
            let line = trim_end(&raw[at..next]);
            if line.is_empty() || at == raw.len() {
                let body = next;
                return Self { raw, fields, end: at, body };
            }
            let folded = matches!(line[0], b' ' | b'\t');
            let full = fields.len() >= Self::MOST;
            if let Some(field) = fields.last_mut().filter(|_| folded || full) {
                if !folded {
                    field.odd = Some(Oddity::NoColon);
                }
                field.whole.end = next;
                field.value.end = at + line.len();
                if line.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                    field.odd = field.odd.or(Some(Oddity::BlankFold));
                }
            } else {
                fields.push(field(line, at, next));
            }
            at = next;
        }
    }

    /// The fields in the order they stand.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields of a (lower-case) name.
    pub fn named<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h Field> {
        self.fields.iter().filter(move |field| field.name == name)
    }

    /// The raw value of a field: behind the colon, folds included.
    #[must_use]
    pub fn value(&self, field: &Field) -> &'m [u8] {
        &self.raw[field.value.clone()]
    }

    /// All bytes of a field.
    #[must_use]
    pub fn whole(&self, field: &Field) -> &'m [u8] {
        &self.raw[field.whole.clone()]
    }

    /// Where the fields end: the offset of the empty line.
    #[must_use]
    pub fn end(&self) -> usize {
        self.end
    }

    /// Where the body starts: behind the empty line.
    #[must_use]
    pub fn body(&self) -> usize {
        self.body
    }
}

/// A line without its line end.
fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The first line of a field.
fn field(line: &[u8], at: usize, next: usize) -> Field {
    let Some(colon) = memchr::memchr(b':', line) else {
        return Field { name: String::new(), whole: at..next, value: at..at + line.len(), odd: Some(Oddity::NoColon) };
    };
    let written = &line[..colon];
    let name: String = written
        .iter()
        .filter(|byte| byte.is_ascii_graphic())
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    let odd = if name.len() == written.len() {
        None
    } else if written.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t')) {
        Some(Oddity::BlankInName)
    } else {
        Some(Oddity::StrangeName)
    };
    Field { name, whole: at..next, value: at + colon + 1..at + line.len(), odd }
}

/// A value with its folds undone (RFC 5322 2.2.3): line ends go, the blank behind them stays.
#[must_use]
pub fn unfold(value: &[u8]) -> Vec<u8> {
    value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect()
}

/// The value of a field to be written: no character in it ends a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue(String);

/// A text cannot be a header value, since it would start a new line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a header value: it holds CR, LF or NUL")]
pub struct ValueError;

impl HeaderValue {
    /// Takes a text as a value.
    ///
    /// # Errors
    /// [`ValueError`] when it holds CR, LF or NUL, also when one comes out of an encoded word in it.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let breaks = |text: &str| text.contains(['\r', '\n', '\0']);
        if breaks(text) || super::encoded_word::readings(text.as_bytes()).iter().any(|text| breaks(text)) {
            return Err(ValueError);
        }
        Ok(Self(text.trim().to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HeaderValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Writes a field with its line end; a value outside ASCII becomes encoded words (RFC 2047), a long one is folded at 76 octets.
/// A name that is none (RFC 5322 2.2: visible ASCII but the colon) gives no bytes.
#[must_use]
pub fn write_field(name: &str, value: &HeaderValue) -> Vec<u8> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        return Vec::new();
    }
    let mut out = format!("{name}: ").into_bytes();
    out.extend_from_slice(&super::encoded_word::encode(value.as_str(), out.len()));
    out.extend_from_slice(b"\r\n");
    out
}

/// A set of changes to one mail: fields of its header, and named stretches of its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    top: Vec<u8>,
    bottom: Vec<u8>,
    changes: BTreeMap<usize, (Range<usize>, Vec<u8>)>,
}

impl Edits {
    /// Takes a field out.
    pub fn remove(&mut self, field: &Field) {
        self.replace(field, Vec::new());
    }

    /// Puts other bytes, with their line end, in the place of a field.
    pub fn replace(&mut self, field: &Field, bytes: Vec<u8>) {
        self.replace_range(field.whole.clone(), bytes);
    }

    /// Puts other bytes in the place of a stretch, which meets no other.
    pub fn replace_range(&mut self, range: Range<usize>, bytes: Vec<u8>) {
        self.changes.insert(range.start, (range, bytes));
    }

    /// Puts whole fields above all others, below those put there before.
    pub fn insert_top(&mut self, bytes: &[u8]) {
        self.top.extend_from_slice(bytes);
    }

    /// Puts whole fields below all others.
    pub fn insert_bottom(&mut self, bytes: &[u8]) {
        self.bottom.extend_from_slice(bytes);
    }

    /// Would nothing change?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.top.is_empty() && self.bottom.is_empty() && self.changes.is_empty()
    }

    /// Does anything behind this offset change ([`Header::body`]: does the body)?
    #[must_use]
    pub fn reach(&self, offset: usize) -> bool {
        self.changes.range(offset..).next().is_some()
    }

    /// Lower-case names of the fields that are changed, taken out or put in.
    #[must_use]
    pub fn names(&self, header: &Header<'_>) -> BTreeSet<String> {
        let changed = header.fields().iter().filter(|field| self.changes.contains_key(&field.whole.start));
        let mut names: BTreeSet<String> = changed.map(|field| field.name.clone()).collect();
        let before = self.changes.range(..header.end()).map(|(_, (_, bytes))| bytes);
        for bytes in before.chain([&self.top, &self.bottom]) {
            names.extend(Header::scan(bytes).fields.into_iter().map(|field| field.name));
        }
        names
    }

    /// The changed mail in pieces; unchanged stretches, above all the body, are shared with the original and not copied.
    /// `end` is [`Header::end`] of the same mail.
    #[must_use]
    pub fn apply(&self, raw: &Bytes, end: usize) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(4 + self.changes.len() * 2);
        let mut push = |piece: Bytes| {
            if !piece.is_empty() {
                pieces.push(piece);
            }
        };
        push(Bytes::copy_from_slice(&self.top));
        let mut at = 0;
        let mut bottom = Some(&self.bottom).filter(|bottom| !bottom.is_empty());
        for (range, bytes) in self.changes.values() {
            if let Some(bottom) = bottom.take_if(|_| range.start >= end) {
                push(raw.slice(at..end.max(at)));
                push(Bytes::copy_from_slice(bottom));
                at = end.max(at);
            }
            push(raw.slice(at..range.start.max(at)));
            push(Bytes::copy_from_slice(bytes));
            at = range.end.max(at);
        }
        if let Some(bottom) = bottom {
            push(raw.slice(at..end.max(at)));
            push(Bytes::copy_from_slice(bottom));
            at = end.max(at);
        }
        push(raw.slice(at..));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(raw: &[u8]) -> Vec<(String, Option<Oddity>)> {
        Header::scan(raw).fields().iter().map(|field| (field.name.clone(), field.odd)).collect()
    }

    #[test]
    fn millions_of_lines_are_a_bounded_number_of_fields() {
        let raw = b"a\r\n".repeat(1_000_000);
        let header = Header::scan(&raw);
        assert_eq!(header.fields().len(), Header::MOST);
        assert_eq!((header.end(), header.body()), (raw.len(), raw.len()));
        let last = header.fields().last().unwrap();
        assert_eq!((last.whole.end, last.odd), (raw.len(), Some(Oddity::NoColon)));
    }

    #[test]
    fn fields_are_found_in_every_form() {
        let raw = b"From: a\r\nTO :\tb\r\n c\r\nT\xE3o: d\r\nno colon\r\nX:\r\n \t\r\n\r\nTo: body\r\n";
        let own = |name: &str, odd| (name.to_owned(), odd);
        assert_eq!(
            names(raw),
            [
                own("from", None),
                own("to", Some(Oddity::BlankInName)),
                own("to", Some(Oddity::StrangeName)),
                own("", Some(Oddity::NoColon)),
                own("x", Some(Oddity::BlankFold)),
            ]
        );
        let header = Header::scan(raw);
        assert_eq!(header.value(&header.fields()[1]), b"\tb\r\n c");
        assert_eq!(header.whole(&header.fields()[1]), b"TO :\tb\r\n c\r\n");
        assert_eq!(&raw[header.body()..], b"To: body\r\n");
        assert_eq!(&raw[header.end()..header.body()], b"\r\n");
    }

    #[test]
    fn a_header_may_have_no_body_no_line_end_or_bare_lf() {
        for (raw, count, body) in
            [(&b""[..], 0, 0), (b"A: b", 1, 4), (b"A: b\r\n", 1, 6), (b"A: b\n\nx", 1, 6), (b"\r\nx", 0, 2)]
        {
            let header = Header::scan(raw);
            assert_eq!((header.fields().len(), header.body()), (count, body), "{raw:?}");
        }
    }

    #[test]
    fn edits_change_only_the_named_fields() {
        let raw = Bytes::from_static(b"A: 1\r\nB: 2\r\n 2\r\nC: 3\r\n\r\nbody");
        let header = Header::scan(&raw);
        let mut edits = Edits::default();
        assert_eq!(edits.apply(&raw, header.end()).concat(), raw);
        edits.remove(&header.fields()[1]);
        edits.replace(&header.fields()[2], b"C: 4\r\n".to_vec());
        edits.insert_top(b"T: 0\r\n");
        edits.insert_bottom(b"Z: 9\r\n");
        assert_eq!(edits.apply(&raw, header.end()).concat(), b"T: 0\r\nA: 1\r\nC: 4\r\nZ: 9\r\n\r\nbody");
        assert_eq!(edits.names(&header).into_iter().collect::<Vec<_>>(), ["b", "c", "t", "z"]);
        assert!(!edits.reach(header.body()));
        edits.replace_range(header.body() + 1..header.body() + 3, b"-".to_vec());
        assert!(edits.reach(header.body()));
        assert_eq!(edits.apply(&raw, header.end()).concat(), b"T: 0\r\nA: 1\r\nC: 4\r\nZ: 9\r\n\r\nb-y");
    }

    #[test]
    fn values_that_break_lines_are_refused_even_when_encoded() {
        for text in ["a\r\nBcc: x", "a\nb", "a\0", "=?utf-8?B?YQpi?=", "=?utf-8?q?a=0Db?="] {
            assert_eq!(HeaderValue::new(text), Err(ValueError), "{text:?}");
        }
        assert!(HeaderValue::new("関所 =?utf-8?q?ok?=").is_ok());
    }

    #[test]
    fn a_field_is_written_once_and_a_bad_name_not_at_all() {
        let value = HeaderValue::new("held by rule 1").unwrap();
        assert_eq!(write_field("X-Sekisho", &value), b"X-Sekisho: held by rule 1\r\n");
        for name in ["", "X:", "X\r\nY", "件名", "X Y"] {
            assert!(write_field(name, &value).is_empty(), "{name:?}");
        }
    }
}
