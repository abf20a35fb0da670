//! SMTP replies (RFC 5321 4.2): code, enhanced status code (RFC 2034) and text, kept as the bytes that came.
//! It refuses to guess: a reply that is none is an error of the connection.

use memchr::memchr;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Octets of one reply line we are ready to read; RFC 5321 4.5.3.1.5 allows 512, some servers send more.
const LINE_BYTES: usize = 4_096;
/// Lines of one reply we are ready to read; an EHLO reply has about fifteen.
const LINE_COUNT: usize = 256;
/// Octets of text we write on one line: 512 of RFC 5321 4.5.3.1.5 without code, separator and CRLF.
const TEXT_BYTES: usize = 512 - 6;

/// One reply, all its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The text of each line behind the code and its separator, as it came (it may be in any charset).
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// A reply of ours. `enhanced` may be empty (greeting, EHLO and 354 have none: RFC 2034 3); a line feed in `text` starts a further line.
    #[must_use]
    pub fn new(code: u16, enhanced: &str, text: &str) -> Self {
        let line = |text: &str| match enhanced {
            "" => text.as_bytes().to_vec(),
            _ => format!("{enhanced} {text}").into_bytes(),
        };
        Self { code, lines: text.split('\n').map(line).collect() }
    }

    /// Reads a reply written on one line without CRLF, such as `550 5.7.1 text`.
    ///
    /// # Errors
    /// [`ReplyError`] when it is none.
    pub fn from_line(text: &str) -> Result<Self, ReplyError> {
        let (code, _, text) = split(text.as_bytes())?;
        Ok(Self { code, lines: vec![text.to_vec()] })
    }

    /// 2yz (RFC 5321 4.2.1): done.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3yz: go on.
    #[must_use]
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// 4yz: try again later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz: do not try again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// 4yz or 5yz.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.is_transient() || self.is_permanent()
    }

    /// The enhanced status code at the head of the first line (RFC 2034 4, RFC 3463 2), if there is one.
    #[must_use]
    pub fn enhanced(&self) -> Option<&str> {
        let line = self.lines.first()?;
        let word = line.split(|byte| *byte == b' ').next()?;
        let word = std::str::from_utf8(word).ok()?;
        let mut parts = word.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let known = matches!(class, "2" | "4" | "5") && number(subject) && number(detail) && parts.next().is_none();
        known.then_some(word)
    }

    /// Appends the reply as octets for the wire. Control characters become blanks, so neither CR, LF nor NUL can come out of a text;
    /// octets above 127 become `?` unless the transaction said SMTPUTF8 and the line is UTF-8 (RFC 6531 3.7.4); lines end at 512 octets.
    pub fn write(&self, out: &mut Vec<u8>, utf8: bool) {
        let code = if (200..600).contains(&self.code) { self.code } else { 451 };
        let empty = [Vec::new()];
        let lines: &[Vec<u8>] = if self.lines.is_empty() { &empty } else { &self.lines };
        for (index, line) in lines.iter().enumerate() {
            let separator = if index + 1 == lines.len() { b' ' } else { b'-' };
            out.extend_from_slice(code.to_string().as_bytes());
            out.push(separator);
            let line = shortened(line);
            let keep = utf8 && std::str::from_utf8(line).is_ok_and(|text| !text.contains(char::is_control));
            out.extend(line.iter().map(|byte| match byte {
                0x20..=0x7e => *byte,
                0x80.. if keep => *byte,
                0x80.. => b'?',
                _ => b' ',
            }));
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The reply on one line for logs and notices: undecodable octets replaced, control and direction characters escaped.
    #[must_use]
    pub fn text_lossy(&self) -> String {
        let mut out = self.code.to_string();
        for line in &self.lines {
            out.push(' ');
            for char in String::from_utf8_lossy(line).chars() {
                if char.is_control() || misleads(char) {
                    let _ = write!(out, "{}", char.escape_unicode());
                } else {
                    out.push(char);
                }
            }
        }
        out
    }
}

/// Does this character change how the rest of a line is shown (line separators, bidirectional controls: Unicode UAX 9)?
fn misleads(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The line cut to what fits, never inside a UTF-8 sequence.
fn shortened(line: &[u8]) -> &[u8] {
    if line.len() <= TEXT_BYTES {
        return line;
    }
    let mut end = TEXT_BYTES;
    while end > 0 && line[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    &line[..end]
}

/// Why octets from the upstream are no reply; each ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line without code and separator (RFC 5321 4.2).
    #[error("read a reply: a line does not begin with a reply code")]
    Code,
    /// Lines of one reply with different codes (RFC 5321 4.2.1).
    #[error("read a reply: its lines have different codes")]
    MixedCodes,
    /// Longer than we are ready to read.
    #[error("read a reply: it is too long")]
    TooLong,
}

/// Code, "is it the last line?", text.
fn split(line: &[u8]) -> Result<(u16, bool, &[u8]), ReplyError> {
    let (digits, rest) = line.split_at_checked(3).ok_or(ReplyError::Code)?;
    if !matches!(digits[0], b'2'..=b'5') || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ReplyError::Code);
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Ok((code, true, rest)),
        Some((b' ', text)) => Ok((code, true, text)),
        Some((b'-', text)) => Ok((code, false, text)),
        Some(_) => Err(ReplyError::Code),
    }
}

/// Puts replies together from octets as they come.
#[derive(Debug, Default)]
pub struct ReplyReader {
    input: Vec<u8>,
    head: usize,
    code: Option<u16>,
    lines: Vec<Vec<u8>>,
}

impl ReplyReader {
    /// Takes octets.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.head == self.input.len() {
            self.input.clear();
            self.head = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    /// The next complete reply, if it is there. A line ends with LF; a CR before it belongs to the ending, as some servers forget it.
    ///
    /// # Errors
    /// [`ReplyError`]; the connection cannot be used any more.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        loop {
            let rest = &self.input[self.head..];
            let Some(end) = memchr(b'\n', rest) else {
                return if rest.len() > LINE_BYTES { Err(ReplyError::TooLong) } else { Ok(None) };
            };
            if end > LINE_BYTES || self.lines.len() == LINE_COUNT {
                return Err(ReplyError::TooLong);
            }
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            let (code, last, text) = split(line)?;
            if self.code.is_some_and(|first| first != code) {
                return Err(ReplyError::MixedCodes);
            }
            self.code = Some(code);
            self.lines.push(text.to_vec());
            self.head += end + 1;
            if last {
                self.code = None;
                return Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }));
            }
        }
    }

    /// Is nothing buffered, not even a part of a reply?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head == self.input.len() && self.code.is_none()
    }

    /// Forgets everything buffered.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Vec<Reply>, ReplyError> {
        let mut reader = ReplyReader::default();
        let mut replies = Vec::new();
        for byte in octets {
            reader.feed(&[*byte]);
            while let Some(reply) = reader.next_reply()? {
                replies.push(reply);
            }
        }
        assert!(reader.is_empty() || replies.is_empty());
        Ok(replies)
    }

    #[test]
    fn replies_of_real_servers_are_read() {
        for (octets, code, lines, enhanced) in [
            (&b"250 2.1.5 Ok\r\n"[..], 250, vec![&b"2.1.5 Ok"[..]], Some("2.1.5")),
            (b"571 5.7.1 refused\r\n", 571, vec![b"5.7.1 refused"], Some("5.7.1")),
            (b"299\r\n", 299, vec![b""], None),
            (b"250 \r\n", 250, vec![b""], None),
            (b"250-a\r\n250-b\r\n250 c\r\n", 250, vec![b"a", b"b", b"c"], None),
            (b"250-a\r\n250\r\n", 250, vec![b"a", b""], None),
            (b"550 5.1.10 no such\r\n", 550, vec![b"5.1.10 no such"], Some("5.1.10")),
            (b"550 5.1.1234 no code\r\n", 550, vec![b"5.1.1234 no code"], None),
            (b"550 \x88\xb6\x90\xe6\r\n", 550, vec![b"\x88\xb6\x90\xe6"], None),
            (b"221 bye\n", 221, vec![b"bye"], None),
        ] {
            let replies = read(octets).unwrap();
            assert_eq!(replies.len(), 1, "{octets:?}");
            assert_eq!((replies[0].code, replies[0].enhanced()), (code, enhanced), "{octets:?}");
            assert_eq!(replies[0].lines, lines, "{octets:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for (octets, error) in [
            (&b"hello\r\n"[..], ReplyError::Code),
            (b"25\r\n", ReplyError::Code),
            (b"\r\n", ReplyError::Code),
            (b"2500 x\r\n", ReplyError::Code),
            (b"150 x\r\n", ReplyError::Code),
            (b"650 x\r\n", ReplyError::Code),
            (b"250-a\r\n550 b\r\n", ReplyError::MixedCodes),
            (&[b'2'; LINE_BYTES + 2], ReplyError::TooLong),
            (&b"250-a\r\n".repeat(LINE_COUNT + 1), ReplyError::TooLong),
        ] {
            assert_eq!(read(octets), Err(error), "{:?}", &octets[..octets.len().min(20)]);
        }
    }

    #[test]
    fn nothing_from_a_text_can_end_a_line() {
        let mut reply = Reply::new(550, "5.7.1", "a\r\nb");
        reply.lines.push(b"c\0\r\n250 ok\x7f".to_vec());
        let mut out = Vec::new();
        reply.write(&mut out, false);
        assert_eq!(out, b"550-5.7.1 a \r\n550-5.7.1 b\r\n550 c   250 ok \r\n");
        assert_eq!(read(&out).unwrap().len(), 1);
    }

    #[test]
    fn foreign_octets_travel_only_where_smtputf8_allows_them() {
        let reply = Reply::new(550, "5.7.1", "宛先");
        for (utf8, text) in [(false, "550 5.7.1 ??????\r\n"), (true, "550 5.7.1 宛先\r\n")] {
            let mut out = Vec::new();
            reply.write(&mut out, utf8);
            assert_eq!(out, text.as_bytes());
        }
        let mut out = Vec::new();
        Reply { code: 550, lines: vec![b"\x88\xb6".to_vec()] }.write(&mut out, true);
        assert_eq!(out, b"550 \x88\xb6\r\n".map(|byte| if byte > 0x7f { b'?' } else { byte }));
    }

    #[test]
    fn a_line_ends_at_512_octets() {
        let mut out = Vec::new();
        Reply::new(250, "", &"é".repeat(400)).write(&mut out, true);
        assert!(out.len() <= 512 && std::str::from_utf8(&out).is_ok());
    }

    #[test]
    fn logs_see_no_control_and_no_direction_characters() {
        let reply = Reply { code: 550, lines: vec![b"a\x1b[31m\xff".to_vec(), "b\u{202e}c".as_bytes().to_vec()] };
        assert_eq!(reply.text_lossy(), "550 a\\u{1b}[31m\u{fffd} b\\u{202e}c");
    }

    #[test]
    fn a_line_of_ours_is_read_back() {
        let reply = Reply::from_line("550 5.7.1 R1: too many recipients").unwrap();
        assert_eq!(reply, Reply::new(550, "5.7.1", "R1: too many recipients"));
        assert_eq!(Reply::from_line("no"), Err(ReplyError::Code));
    }
}
