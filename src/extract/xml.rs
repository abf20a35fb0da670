//! XML as a stream of events, whatever charset it is in (XML 1.0 appendix F), never expanding entities.
//! It refuses to stop at bytes that are not of the charset: they become U+FFFD and reading goes on.

use super::entity;
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart};
use std::borrow::Cow;
use std::io::{self, BufRead, Read};

/// Elements in elements beyond which no document is; each costs memory of its own.
pub(super) const DEEPEST: usize = 1_000_000;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// The charset by byte order mark, by the pattern of the first characters, by the declaration, else UTF-8.
fn encoding_of(start: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(start) {
        return encoding;
    }
    match start {
        [b'<', 0, ..] => return UTF_16LE,
        [0, b'<', ..] => return UTF_16BE,
        _ => {}
    }
    let head = &start[..start.len().min(256)];
    let Some(at) = memchr::memmem::find(head, b"encoding=") else { return UTF_8 };
    let quoted = head.get(at + 10..).unwrap_or_default();
    let label = quoted.split(|byte| matches!(byte, b'"' | b'\'')).next().unwrap_or_default();
    // A declaration that could be read as ASCII cannot be true when it says UTF-16.
    Encoding::for_label(label).filter(|encoding| encoding.is_ascii_compatible()).unwrap_or(UTF_8)
}

/// A whole XML part as text.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    encoding_of(bytes).decode_with_bom_removal(bytes).0
}

/// A reader of UTF-8 over a part in any charset, that stops after an allowance.
pub(super) struct Source<R> {
    inner: R,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    raw_at: usize,
    text: Vec<u8>,
    text_at: usize,
    left: u64,
    /// Bytes read so far.
    pub used: u64,
    /// The allowance did not suffice.
    pub over: bool,
    /// The part broke off.
    pub broken: bool,
    ended: bool,
}

impl<R: Read> Source<R> {
    /// Reads at most `allowance` bytes of `inner`.
    pub(super) fn new(inner: R, allowance: u64) -> Self {
        Self {
            inner,
            decoder: None,
            raw: Vec::new(),
            raw_at: 0,
            text: vec![0; 3 * CHUNK + 16],
            text_at: 3 * CHUNK + 16,
            left: allowance,
            used: 0,
            over: false,
            broken: false,
            ended: false,
        }
    }

    /// Reads the next raw chunk; an empty one is the end.
    fn refill(&mut self) {
        self.raw.resize(CHUNK, 0);
        self.raw_at = 0;
        let mut length = 0;
        while length < CHUNK {
            match self.inner.read(&mut self.raw[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.broken = true;
                    break;
                }
            }
        }
        if length as u64 > self.left {
            self.over = true;
            length = usize::try_from(self.left).unwrap_or(length);
        }
        self.left -= length as u64;
        self.used += length as u64;
        self.raw.truncate(length);
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.text_at >= self.text.len() && !self.ended {
            if self.raw_at >= self.raw.len() {
                self.refill();
            }
            let raw = &self.raw;
            let decoder = self.decoder.get_or_insert_with(|| encoding_of(raw).new_decoder_with_bom_removal());
            let last = self.raw.is_empty();
            self.text.resize(3 * CHUNK + 16, 0);
            let (result, read, written, _) = decoder.decode_to_utf8(&self.raw[self.raw_at..], &mut self.text, last);
            self.raw_at += read;
            self.text.truncate(written);
            self.text_at = 0;
            self.ended = last && result == CoderResult::InputEmpty;
        }
        Ok(&self.text[self.text_at..])
    }

    fn consume(&mut self, count: usize) {
        self.text_at += count;
    }
}

/// A reader that forgives what Office and careless writers do, and never expands an entity.
pub(super) fn reader<R: BufRead>(source: R) -> Reader<R> {
    let mut reader = Reader::from_reader(source);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    reader
}

/// The text of a reference between texts; an entity that only a document type could define is not expanded.
pub(super) fn reference(reference: &BytesRef<'_>) -> Option<String> {
    let written = format!("&{};", &**reference);
    let text = entity::decoded(&written);
    (text != written).then(|| text.into_owned())
}

/// The decoded value of an attribute, by local name.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    element
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .map(|attribute| entity::decoded(&attribute.value).into_owned())
}

/// The local name of the first element, found without parsing what follows.
pub(super) fn root(start: &[u8]) -> Option<String> {
    let text = decoded(start);
    let mut rest = text.as_ref();
    loop {
        let at = memchr::memchr(b'<', rest.as_bytes())?;
        rest = &rest[at + 1..];
        if rest.starts_with(|first: char| first.is_alphabetic() || first == '_') {
            let name = rest.split(|end: char| end.is_whitespace() || matches!(end, '>' | '/')).next()?;
            return Some(name.rsplit(':').next().unwrap_or(name).to_owned());
        }
        if !rest.starts_with(['?', '!']) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> String {
        let mut text = String::new();
        Source::new(bytes, u64::MAX).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn every_charset_becomes_utf_8_and_the_allowance_holds() {
        let xml = format!("<?xml version=\"1.0\" encoding=\"ENC\"?><a>{}</a>", "山田".repeat(50_000));
        let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(xml.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(all(&utf16), xml);
        assert_eq!(all(&utf16[2..]), xml);
        let sjis = xml.replace("ENC", "Shift_JIS");
        assert_eq!(all(&encoding_rs::SHIFT_JIS.encode(&sjis).0), sjis);
        assert_eq!(all(xml.as_bytes()), xml);
        assert_eq!(decoded(&utf16), xml);
        let mut source = Source::new(xml.as_bytes(), 100);
        let mut text = String::new();
        source.read_to_string(&mut text).unwrap();
        assert!(source.over && text.len() <= 103);
    }

    #[test]
    fn the_root_element_is_found_behind_prologue() {
        assert_eq!(root(b"<?xml version='1.0'?><!-- c --><x:worksheet xmlns:x='y'>").as_deref(), Some("worksheet"));
        assert_eq!(root(b"no markup"), None);
    }
}
