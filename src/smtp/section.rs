//! Watches the header section of a mail while it comes in, so that an endless one is noticed and not kept.
//! It refuses to judge fields; where the section ends is decided by what a field line must begin with (RFC 5322 2.2).

use memchr::memchr;

/// Octets of a field name at most, as a line must end somewhere (RFC 5322 2.1.1); what has no colon until here is text.
const NAME: usize = 998;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    /// So many octets into what may be a field name.
    Name(usize),
    /// Behind a colon, or in a folded line.
    Value,
    /// The section is over.
    Text,
}

/// How long the header section is so far.
#[derive(Debug)]
pub struct Section {
    at: At,
    octets: usize,
}

impl Section {
    /// At the start of a mail.
    #[must_use]
    pub fn new() -> Self {
        Self { at: At::LineStart, octets: 0 }
    }

    /// Takes the next octets of the mail, and gives the octets of the section so far.
    pub fn feed(&mut self, text: &[u8]) -> usize {
        let mut here = 0;
        while here < text.len() && self.at != At::Text {
            let byte = text[here];
            match self.at {
                At::LineStart if matches!(byte, b' ' | b'\t') && self.octets > 0 => {
                    self.at = At::Value;
                    continue;
                }
                At::LineStart if byte == b':' => self.at = At::Text,
                At::LineStart if byte.is_ascii_graphic() => self.at = At::Name(1),
                At::Name(length) if byte == b':' => {
                    self.octets += length + 1;
                    self.at = At::Value;
                }
                // Blanks before the colon are obsolete and known (RFC 5322 4.5).
                At::Name(length) if length < NAME && (byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t')) => {
                    self.at = At::Name(length + 1);
                }
                At::Value => {
                    let end = memchr(b'\n', &text[here..]);
                    let length = end.map_or(text.len() - here, |end| end + 1);
                    self.octets += length;
                    here += length;
                    if end.is_some() {
                        self.at = At::LineStart;
                    }
                    continue;
                }
                At::LineStart | At::Name(_) | At::Text => self.at = At::Text,
            }
            here += 1;
        }
        self.octets
    }
}

impl Default for Section {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_ends_where_a_line_is_no_field() {
        for (text, octets) in [
            ("", 0),
            ("A: b\r\n", 6),
            ("A: b\r\n c\r\n\r\nD: e\r\n", 10),
            ("A : b\r\n\r\n", 7),
            ("no field\r\nA: b\r\n", 0),
            ("A: b\r\nno field\r\nC: d\r\n", 6),
            ("\r\nA: b\r\n", 0),
            (" A: b\r\n", 0),
            (": b\r\n", 0),
            ("件名: b\r\n", 0),
        ] {
            for size in 1..=text.len().max(1) {
                let mut section = Section::new();
                let found = text.as_bytes().chunks(size).map(|piece| section.feed(piece)).last().unwrap_or(0);
                assert_eq!(found, octets, "{text:?} by {size}");
            }
        }
        let line = "x".repeat(10_000) + ": \r\n";
        assert_eq!(Section::new().feed(line.as_bytes()), 0);
    }
}
