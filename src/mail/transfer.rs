//! Content-Transfer-Encodings (RFC 2045 6) read as leniently as mail clients read them: base64, quoted-printable, uuencode.
//! It refuses to stop at damage: what can be decoded around it is decoded, and the damage is said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Decoded bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Something was no part of the encoding, so that readers may differ.
    pub damaged: bool,
}

/// The value of one base64 character (RFC 4648 4; `-` and `_` of the URL alphabet are taken too).
pub(super) fn base64_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Decodes base64. Characters outside the alphabet are skipped (RFC 2045 6.8), padding in the middle starts afresh, as most clients do.
#[must_use]
pub fn base64(text: &[u8]) -> Transferred {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut damaged = false;
    let mut bits = 0_u32;
    let mut count = 0_u8;
    for &byte in text {
        if let Some(value) = base64_value(byte) {
            bits = (bits << 6) | u32::from(value);
            count += 1;
            if count == 4 {
                bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
                bits = 0;
                count = 0;
            }
        } else if byte == b'=' {
            flush(&mut bytes, bits, count, &mut damaged);
            bits = 0;
            count = 0;
        } else if !byte.is_ascii_whitespace() {
            damaged = true;
        }
    }
    // Missing padding at the end is no damage: every reader takes it alike.
    flush(&mut bytes, bits, count, &mut damaged);
    Transferred { bytes, damaged }
}

/// Writes the one or two bytes of an unfinished group.
fn flush(bytes: &mut Vec<u8>, bits: u32, count: u8, damaged: &mut bool) {
    match count {
        2 => bytes.extend_from_slice(&(bits << 12).to_be_bytes()[1..2]),
        3 => bytes.extend_from_slice(&(bits << 6).to_be_bytes()[1..3]),
        1 => *damaged = true,
        _ => {}
    }
}

/// Decodes quoted-printable (RFC 2045 6.7): soft line breaks, hex in either case; a `=` that starts nothing stays as it is.
#[must_use]
pub fn quoted_printable(text: &[u8]) -> Transferred {
    let mut bytes = Vec::with_capacity(text.len());
    let mut damaged = false;
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        bytes.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let [high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high << 4 | low);
            rest = tail;
            continue;
        }
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match &rest[blanks..] {
            [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => rest = tail,
            [] => rest = &[],
            _ => {
                bytes.push(b'=');
                damaged = true;
            }
        }
    }
    bytes.extend_from_slice(rest);
    Transferred { bytes, damaged }
}

/// Octets of an encoded line without its line end (RFC 2045 6.7, 6.8).
const LINE_OCTETS: usize = 76;

/// Encodes as base64 in lines of 76 characters, each with CRLF (RFC 2045 6.8).
#[must_use]
pub fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() / 3 * 4 + bytes.len() / 28 + 8);
    for line in bytes.chunks(LINE_OCTETS / 4 * 3) {
        STANDARD.encode_string(line, &mut out);
        out.push_str("\r\n");
    }
    out
}

/// Encodes as quoted-printable (RFC 2045 6.7): CRLF stays a line end, a bare CR or LF is encoded.
#[must_use]
pub fn to_quoted_printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 8);
    let mut column = 0;
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        if rest.starts_with(b"\r\n") {
            out.push_str("\r\n");
            column = 0;
            rest = &rest[2..];
            continue;
        }
        let last_blank = matches!(byte, b' ' | b'\t') && (tail.is_empty() || tail.starts_with(b"\r\n"));
        let plain = (byte.is_ascii_graphic() && byte != b'=') || (matches!(byte, b' ' | b'\t') && !last_blank);
        // The soft line break takes the last column.
        if column + if plain { 1 } else { 3 } > LINE_OCTETS - 1 {
            out.push_str("=\r\n");
            column = 0;
        }
        if plain {
            out.push(char::from(byte));
            column += 1;
        } else {
            out.push_str(&format!("={byte:02X}"));
            column += 3;
        }
        rest = tail;
    }
    out
}

/// The value of a hexadecimal digit.
pub(super) fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Decodes uuencoded text (POSIX uuencode) from its `begin` line to `end`; a text without `begin` is damaged and empty.
#[must_use]
pub fn uuencode(text: &[u8]) -> Transferred {
    let mut out = Transferred { bytes: Vec::new(), damaged: true };
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if !lines.by_ref().any(|line| line.starts_with(b"begin ")) {
        return out;
    }
    for line in lines {
        if line == b"end" {
            out.damaged = false;
            return out;
        }
        let Some((&length, groups)) = line.split_first() else { continue };
        let length = usize::from(length.wrapping_sub(b' ') & 63);
        let start = out.bytes.len();
        for group in groups.chunks(4) {
            let value = |index: usize| u32::from(group.get(index).map_or(0, |byte| byte.wrapping_sub(b' ') & 63));
            let bits = value(0) << 18 | value(1) << 12 | value(2) << 6 | value(3);
            out.bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        out.bytes.truncate(start + length);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_survives_garbage_and_padding_in_the_middle() {
        for (text, bytes, damaged) in [
            (&b"QUJD\r\nREU="[..], &b"ABCDE"[..], false),
            (b"QUI=QUI=", b"ABAB", false),
            (b"Q!U J*D", b"ABC", true),
            (b"QUJDR", b"ABC", true),
            (b"QUJDREU", b"ABCDE", false),
            (b"", b"", false),
        ] {
            assert_eq!(base64(text), Transferred { bytes: bytes.to_vec(), damaged }, "{text:?}");
        }
    }

    #[test]
    fn quoted_printable_keeps_what_is_no_code() {
        for (text, bytes, damaged) in [
            (&b"a=3Db=3d"[..], &b"a=b="[..], false),
            (b"soft=\r\nbreak= \t\nand=", b"softbreakand", false),
            (b"100% = x =G1", b"100% = x =G1", true),
            (b"=E9=96=A2", "関".as_bytes(), false),
        ] {
            assert_eq!(quoted_printable(text), Transferred { bytes: bytes.to_vec(), damaged }, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(bytes in proptest::collection::vec(
            proptest::sample::select(b"=abc \t\r\n\xE9\x00~".to_vec()), 0..400
        )) {
            for (text, read) in [
                (to_base64(&bytes), base64 as fn(&[u8]) -> Transferred),
                (to_quoted_printable(&bytes), quoted_printable),
            ] {
                prop_assert!(text.is_ascii() && text.split("\r\n").all(|line| line.len() <= LINE_OCTETS && !line.ends_with([' ', '\t'])));
                prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
                prop_assert_eq!(read(text.as_bytes()), Transferred { bytes: bytes.clone(), damaged: false });
            }
        }
    }

    #[test]
    fn uuencode_is_read_to_its_end() {
        let text = b"begin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n";
        assert_eq!(uuencode(text), Transferred { bytes: b"Cat".to_vec(), damaged: false });
        assert!(uuencode(b"#0V%T").damaged);
        assert!(uuencode(b"begin 644 a\n#0V%T\n").damaged);
    }
}
