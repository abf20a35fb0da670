//! The records of a BIFF stream (MS-XLS 2.1.4), those that go on in CONTINUE records joined, and the strings in them (2.5.294).
//! It refuses to believe a count: a string ends where its bytes end.

use super::super::code_page;

/// `Continue` (MS-XLS 2.4.58).
pub(super) const CONTINUE: u16 = 0x003C;

/// One record with what continues it.
pub(super) struct Record<'a> {
    pub kind: u16,
    /// Where it begins in the stream.
    pub at: usize,
    /// Its own bytes, then those of each CONTINUE.
    pub parts: Vec<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// Its own bytes.
    pub(super) fn data(&self) -> &'a [u8] {
        self.parts.first().copied().unwrap_or_default()
    }

    /// All its bytes.
    pub(super) fn joined(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// Goes through a stream once.
pub(super) struct Records<'a> {
    stream: &'a [u8],
    at: usize,
    /// The last record is longer than the stream.
    pub cut: bool,
}

impl<'a> Records<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Self { stream, at: 0, cut: false }
    }

    fn header(&self) -> Option<(u16, usize)> {
        let [low, high, length_low, length_high] = self.stream.get(self.at..self.at + 4)? else { return None };
        let length = usize::from(u16::from_le_bytes([*length_low, *length_high]));
        Some((u16::from_le_bytes([*low, *high]), length))
    }

    fn body(&mut self, length: usize) -> &'a [u8] {
        let start = self.at + 4;
        let end = start.saturating_add(length);
        self.cut |= end > self.stream.len();
        self.at = end.min(self.stream.len());
        &self.stream[start.min(self.at)..self.at]
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let at = self.at;
        let (kind, length) = self.header()?;
        let mut parts = vec![self.body(length)];
        while let Some((CONTINUE, length)) = self.header() {
            parts.push(self.body(length));
        }
        Some(Record { kind, at, parts })
    }
}

/// Reads through the parts of a record.
pub(super) struct Cursor<'p, 'a> {
    parts: &'p [&'a [u8]],
    rest: &'a [u8],
}

impl<'p, 'a> Cursor<'p, 'a> {
    pub(super) fn new(parts: &'p [&'a [u8]]) -> Self {
        let (first, parts) = parts.split_first().map_or((&[][..], parts), |(first, parts)| (*first, parts));
        Self { parts, rest: first }
    }

    /// Is there nothing left?
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.parts.iter().all(|part| part.is_empty())
    }

    /// Goes on in the next part when this one is used up.
    fn advance(&mut self) -> bool {
        while self.rest.is_empty() {
            let Some((next, parts)) = self.parts.split_first() else { return false };
            (self.rest, self.parts) = (next, parts);
        }
        true
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.advance();
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    pub(super) fn long(&mut self) -> Option<u32> {
        Some(u32::from(self.short()?) | u32::from(self.short()?) << 16)
    }

    /// Bytes, which may go on in further parts without a mark.
    pub(super) fn bytes(&mut self, mut count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while count > 0 && self.advance() {
            let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
            bytes.extend_from_slice(taken);
            count -= taken.len();
            self.rest = rest;
        }
        bytes
    }

    /// Characters behind their flags; where they go on in a further part, that begins with flags of its own (MS-XLS 2.5.293).
    pub(super) fn characters(&mut self, mut count: usize, flags: u8) -> String {
        let mut units = Vec::new();
        let mut wide = flags & 1 != 0;
        while count > 0 {
            if self.rest.is_empty() {
                if !self.advance() {
                    break;
                }
                wide = self.rest[0] & 1 != 0;
                self.rest = &self.rest[1..];
                continue;
            }
            if wide {
                let taken = count.min(self.rest.len() / 2);
                units.extend(self.rest[..taken * 2].chunks_exact(2).map(|raw| u16::from_le_bytes([raw[0], raw[1]])));
                count -= taken;
                self.rest = &self.rest[taken * 2..];
                if taken == 0 {
                    // Half a character at the end of a part.
                    self.rest = &[];
                }
            } else {
                let taken = count.min(self.rest.len());
                units.extend(self.rest[..taken].iter().map(|byte| u16::from(*byte)));
                count -= taken;
                self.rest = &self.rest[taken..];
            }
        }
        String::from_utf16_lossy(&units)
    }

    /// A string of a table of shared ones (MS-XLS 2.5.293): text and furigana.
    pub(super) fn rich(&mut self) -> Option<(String, String)> {
        let count = usize::from(self.short()?);
        let flags = self.byte()?;
        let runs = if flags & 8 != 0 { usize::from(self.short()?) } else { 0 };
        let more = if flags & 4 != 0 { self.long()? as usize } else { 0 };
        let text = self.characters(count, flags);
        self.bytes(runs * 4);
        let phonetic = self.bytes(more);
        Some((text, reading(&phonetic).unwrap_or_default()))
    }

    /// `XLUnicodeString` of version 8, or a string of version 5 behind a count of one or two bytes.
    pub(super) fn string(&mut self, version: Version, long_count: bool) -> Option<String> {
        let count = if long_count { usize::from(self.short()?) } else { usize::from(self.byte()?) };
        match version {
            Version::Eight => {
                let flags = self.byte()?;
                let runs = if flags & 8 != 0 { usize::from(self.short()?) } else { 0 };
                let more = if flags & 4 != 0 { self.long()? as usize } else { 0 };
                let text = self.characters(count, flags);
                self.bytes(runs * 4);
                self.bytes(more);
                Some(text)
            }
            Version::Five { code_page } => Some(code_page::decoded(&self.bytes(count), code_page).0),
        }
    }
}

/// The furigana of a string (`ExtRst`, MS-XLS 2.5.84): behind its head and the font stands the whole text, then its length again.
fn reading(bytes: &[u8]) -> Option<String> {
    let count = usize::from(u16::from_le_bytes([*bytes.get(12)?, *bytes.get(13)?]));
    let text = bytes.get(14..)?;
    Some(code_page::utf16(&text[..(count * 2).min(text.len())]))
}

/// The version of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Excel 5 and 95: strings in a code page.
    Five { code_page: u32 },
    /// Excel 97 to 2003.
    Eight,
}
