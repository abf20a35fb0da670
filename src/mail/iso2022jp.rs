//! ISO-2022-JP as it is really sent: every designation of RFC 1468, RFC 1554, CP50220–50222 and ISO-2022-JP-3/-2004, shifts, eight-bit kana, missing closings.
//! It refuses to lose a run whose closing escape is missing: such a run is also read as ASCII.

use encoding_rs::EUC_JP;

/// What came of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The text.
    pub text: String,
    /// Something had to be replaced.
    pub damaged: bool,
    /// The other reading, when a line ended without returning to ASCII (RFC 1468 asks for it): two-byte runs of such lines read as ASCII.
    pub unclosed: Option<String>,
}

/// The character set that is designated at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    /// ASCII or JIS X 0201 Roman.
    Ascii,
    /// JIS X 0201 Katakana.
    Kana,
    /// JIS X 0208, or plane 1 of JIS X 0213, which holds the same characters at the same places.
    Double,
    /// JIS X 0212.
    Supplement,
    /// A set this program has no table for; its characters become U+FFFD.
    Foreign { wide: bool },
}

/// Is there a designation (`ESC $`, `ESC (`) in the bytes?
pub(super) fn has_escapes(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0x1B, bytes).any(|at| {
        matches!(
            bytes.get(at + 1..).unwrap_or_default(),
            [b'$', b'@' | b'A' | b'B', ..] | [b'$', b'(', _, ..] | [b'(', b'B' | b'H' | b'I' | b'J', ..]
        )
    })
}

/// The set an escape sequence designates, and its length.
fn designation(bytes: &[u8]) -> Option<(Set, usize)> {
    Some(match bytes {
        [0x1B, b'(', b'I', ..] => (Set::Kana, 3),
        [0x1B, b'(', _, ..] => (Set::Ascii, 3),
        [0x1B, b'$', b'(', b'D', ..] => (Set::Supplement, 4),
        [0x1B, b'$', b'(', b'@' | b'B' | b'O' | b'Q', ..] => (Set::Double, 4),
        [0x1B, b'$', b'(', _, ..] => (Set::Foreign { wide: true }, 4),
        [0x1B, b'$', b'@' | b'B', ..] => (Set::Double, 3),
        [0x1B, b'$', b'A', ..] => (Set::Foreign { wide: true }, 3),
        // ISO-2022-JP-2 (RFC 1554): upper halves of ISO 8859-1 and -7, and the single shift to them.
        [0x1B, b'.', _, ..] | [0x1B, b'&', b'@', ..] => return Some((Set::Ascii, 3)),
        [0x1B, b'N', _, ..] => (Set::Foreign { wide: false }, 3),
        _ => return None,
    })
}

/// Decodes by rewriting to EUC-JP, whose table has all three sets side by side.
pub(super) fn decode(bytes: &[u8]) -> Reading {
    let mut euc = Vec::with_capacity(bytes.len() + bytes.len() / 4);
    let mut plain = Vec::new();
    let mut plain_needed = false;
    let mut line_start = 0;
    let mut set = Set::Ascii;
    let mut kana_shift = false;
    let mut damaged = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let Some((designated, length)) = designation(&bytes[at..]) {
            if matches!(designated, Set::Foreign { wide: false }) {
                euc.push(b'?');
                damaged = true;
            } else {
                set = designated;
            }
            at += length;
            continue;
        }
        match byte {
            0x0E => kana_shift = true,
            0x0F => kana_shift = false,
            b'\n' => {
                if set != Set::Ascii {
                    plain_needed = true;
                }
                push_plain(&mut plain, &bytes[line_start..=at]);
                line_start = at + 1;
                set = Set::Ascii;
                kana_shift = false;
                euc.push(byte);
            }
            0..=0x20 | 0x7F => euc.push(byte),
            _ if byte >= 0x80 || kana_shift || set == Set::Kana => {
                let kana = byte | 0x80;
                if (0xA1..=0xDF).contains(&kana) {
                    euc.extend([0x8E, kana]);
                } else {
                    euc.push(b'?');
                    damaged = true;
                }
            }
            _ => match set {
                Set::Ascii | Set::Kana => euc.push(byte),
                Set::Double | Set::Supplement | Set::Foreign { .. } => {
                    if let Some(&second @ 0x21..=0x7E) = bytes.get(at + 1) {
                        match set {
                            Set::Double => euc.extend([byte | 0x80, second | 0x80]),
                            Set::Supplement => euc.extend([0x8F, byte | 0x80, second | 0x80]),
                            _ => {
                                euc.push(b'?');
                                damaged = true;
                            }
                        }
                        at += 1;
                    } else {
                        euc.push(byte);
                        damaged = true;
                    }
                }
            },
        }
        at += 1;
    }
    if set != Set::Ascii {
        plain_needed = true;
    }
    push_plain(&mut plain, &bytes[line_start..]);
    let (text, replaced) = EUC_JP.decode_without_bom_handling(&euc);
    let unclosed = plain_needed.then(|| String::from_utf8_lossy(&plain).into_owned());
    Reading { text: text.into_owned(), damaged: damaged || replaced, unclosed }
}

/// A line without its escape sequences.
fn push_plain(out: &mut Vec<u8>, line: &[u8]) {
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        if let Some((_, length)) = designation(&line[at..]) {
            at += length;
        } else {
            out.push(byte);
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_designation_is_read() {
        for (bytes, text) in [
            (&b"\x1B$B4X=j\x1B(B"[..], "関所"),
            (b"\x1B$@4X=j\x1B(J!", "関所!"),
            (b"\x1B$(B4X\x1B(Ba", "関a"),
            (b"\x1B$(Q4X\x1B(Ba", "関a"),
            (b"\x1B(I123\x1B(B", "ｱｲｳ"),
            (b"\x0E123\x0Fa", "ｱｲｳa"),
            (b"\xB1\xB2a", "ｱｲa"),
            (b"\x1B$(D6D\x1B(B", "噋"),
            (b"\x1B$B-!|b\x1B(B", "①髙"),
        ] {
            assert_eq!(decode(bytes).text, text);
        }
    }

    #[test]
    fn a_missing_closing_ends_at_the_line_and_is_read_twice() {
        let reading = decode(b"\x1B$B4X=jTEL 03-0000\r\nnext 1\r\n");
        assert!(reading.text.ends_with("\r\nnext 1\r\n"));
        assert!(reading.unclosed.is_some_and(|text| text.contains("TEL 03-0000")));
        assert_eq!(decode(b"\x1B$B4X=j\x1B(B\r\n").unclosed, None);
    }
}
