//! Foreign text made fit for the header fields of a report: ASCII, no line breaks, no line too long.
//! It refuses to let a decoded parameter or a server's words start a field of their own.

use crate::id::MailId;
pub(super) use crate::mail::transfer::to_base64 as base64_lines;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// RFC 5322 2.1.1: lines should have no more than 78 characters.
const WIDTH: usize = 76;
/// Octets of text in one encoded-word, so that it stays below 75 characters (RFC 2047 2).
const WORD: usize = 42;

/// One field, folded at its spaces (RFC 5322 2.2.3); text without spaces is cut at 900 characters, below the hard limit of 998.
pub(super) fn field(out: &mut String, name: &str, value: &str) {
    let mut width = name.len() + 1;
    let _ = write!(out, "{name}:");
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let mut rest = word;
        while !rest.is_empty() {
            let cut = rest.char_indices().map(|(at, _)| at).find(|at| *at >= 900).unwrap_or(rest.len());
            let (piece, more) = rest.split_at(cut);
            if width + 1 + piece.len() > WIDTH && width > name.len() + 1 {
                out.push_str("\r\n");
                width = 0;
            }
            out.push(' ');
            out.push_str(piece);
            width += 1 + piece.len();
            rest = more;
        }
    }
    out.push_str("\r\n");
}

/// Text as printable ASCII: anything else becomes a question mark, white space a space.
pub(super) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|char| match char {
            ' '..='~' => char,
            '\t' | '\r' | '\n' => ' ',
            _ => '?',
        })
        .collect()
}

/// xtext (RFC 3461 4) decoded; left as it is when it is none, or when it hides something that is not printable ASCII.
pub(super) fn from_xtext(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let (byte, behind) = if *first == b'+' {
            let Some((pair, behind)) = more.split_first_chunk::<2>() else { return printable(text.as_bytes()) };
            let value = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
            let Some(value) = value else { return printable(text.as_bytes()) };
            (value, behind)
        } else {
            (*first, more)
        };
        if !(b' '..=b'~').contains(&byte) {
            return printable(text.as_bytes());
        }
        decoded.push(char::from(byte));
        rest = behind;
    }
    decoded
}

/// An address with its type: `rfc822; a@b` (RFC 3464 2.3.2), or for a non-ASCII address the seven-bit form of RFC 6533 3.
pub(super) fn typed_address(address: &str) -> String {
    if address.is_ascii() {
        return format!("rfc822; {}", printable(address.as_bytes()));
    }
    let mut text = String::from("utf-8; ");
    for char in address.chars() {
        match char {
            '\\' | '+' | '=' => escape(&mut text, char),
            '!'..='~' => text.push(char),
            _ => escape(&mut text, char),
        }
    }
    text
}

/// The address of an ORCPT of the type utf-8 (RFC 6533 3): its escapes stay, other characters beyond ASCII become such.
pub(super) fn utf8_address(address: &str) -> String {
    let mut text = String::new();
    for char in address.chars() {
        match char {
            '!'..='~' => text.push(char),
            _ => escape(&mut text, char),
        }
    }
    text
}

/// `EmbeddedUnicodeChar` of RFC 6533 3.
fn escape(text: &mut String, char: char) {
    // Writing to a string does not fail.
    let _ = write!(text, "\\x{{{:X}}}", u32::from(char));
}

/// Text as encoded-words (RFC 2047).
pub(super) fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut word = String::new();
    for char in text.chars() {
        if word.len() + char.len_utf8() > WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(char);
    }
    words.push(word);
    words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect::<Vec<_>>().join(" ")
}

/// A date (RFC 5322 3.3) in a time zone.
pub(super) fn date(epoch_ms: u64, zone: &TimeZone) -> String {
    let moment = i64::try_from(epoch_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    let zoned = moment.to_zoned(zone.clone());
    jiff::fmt::rfc2822::to_string(&zoned).unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 +0000".to_owned())
}

/// A boundary that no foreign text can know in advance.
pub(super) fn boundary(id: &MailId) -> String {
    format!("report_{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoded_parameter_cannot_start_a_field() {
        for (text, want) in [
            ("rfc822;a+2Bb@x.test", "rfc822;a+b@x.test"),
            ("QQ314159", "QQ314159"),
            ("a+0D+0AX-Evil: 1", "a+0D+0AX-Evil: 1"),
            ("a+00", "a+00"),
            ("a+2", "a+2"),
            ("a+zz", "a+zz"),
            ("a+E3+81+82", "a+E3+81+82"),
            ("a\r\nX: 1", "a  X: 1"),
        ] {
            assert_eq!(from_xtext(text), want, "{text:?}");
        }
    }

    #[test]
    fn addresses_get_their_type() {
        assert_eq!(typed_address("a@x.test"), "rfc822; a@x.test");
        assert_eq!(typed_address("\"a\r\nb\"@x.test"), "rfc822; \"a  b\"@x.test");
        assert_eq!(typed_address("あ+b@例.test"), "utf-8; \\x{3042}\\x{2B}b@\\x{4F8B}.test");
    }

    #[test]
    fn fields_are_folded_and_bounded() {
        let mut out = String::new();
        field(&mut out, "X", &format!("{} {}", "word ".repeat(40), "y".repeat(2_000)));
        assert!(out.ends_with("\r\n"));
        assert!(out.lines().count() > 3);
        assert!(out.lines().all(|line| line.len() <= 998));
        assert!(out.lines().skip(1).all(|line| line.starts_with(' ')));
        assert_eq!(out.matches('y').count(), 2_000);
    }

    #[test]
    fn japanese_subjects_are_split_between_characters() {
        let words = encoded_words(&"配信".repeat(20));
        assert!(words.split(' ').count() > 1);
        for word in words.split(' ') {
            assert!(word.len() <= 75);
            let inner = word.strip_prefix("=?UTF-8?B?").and_then(|rest| rest.strip_suffix("?=")).unwrap();
            assert!(String::from_utf8(STANDARD.decode(inner).unwrap()).is_ok());
        }
    }
}
