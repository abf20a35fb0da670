//! Encoded words in header values (RFC 2047): reading them as tolerantly as clients do, writing them as strictly as the standard asks.
//! It refuses to cut a character: adjacent words of one charset are joined as bytes before they are decoded.

use super::charset;
use super::transfer;

/// The most plausible reading of a raw header value, unfolded.
#[must_use]
pub fn decode(value: &[u8]) -> String {
    readings(value).swap_remove(0)
}

/// Every plausible reading of a raw header value: one, or two where a charset is in doubt.
#[must_use]
pub fn readings(value: &[u8]) -> Vec<String> {
    let value: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let mut first = String::with_capacity(value.len());
    let mut second: Option<String> = None;
    let mut push = |texts: &[String]| {
        let best = texts.first().map_or("", String::as_str);
        let other = texts.get(1).map_or(best, String::as_str);
        if texts.len() > 1 || second.is_some() {
            second.get_or_insert_with(|| first.clone()).push_str(other);
        }
        first.push_str(best);
    };
    for piece in pieces(&value) {
        match piece {
            Piece::Plain(bytes) => {
                if bytes.is_ascii() && !bytes.contains(&0x1B) {
                    push(&[String::from_utf8_lossy(bytes).into_owned()]);
                } else {
                    push(&charset::decode(bytes, None).texts);
                }
            }
            Piece::Words { charset, bytes } => push(&charset::decode(&bytes, Some(charset)).texts),
        }
    }
    let mut all = vec![first];
    all.extend(second.filter(|second| *second != all[0]));
    all
}

/// A stretch of a value.
enum Piece<'v> {
    /// Not encoded.
    Plain(&'v [u8]),
    /// One or more adjacent words of one charset, decoded to its bytes.
    Words { charset: &'v str, bytes: Vec<u8> },
}

/// Cuts a value into plain stretches and joined words. Blanks between two words belong to neither (RFC 2047 6.2).
fn pieces(value: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&value[at..], b"=?") {
        let start = at + found;
        let Some((charset, bytes, length)) = word(&value[start..]) else {
            at = start + 2;
            continue;
        };
        let between = &value[plain..start];
        let adjacent = matches!(pieces.last(), Some(Piece::Words { .. }))
            && between.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        if !adjacent && !between.is_empty() {
            pieces.push(Piece::Plain(between));
        }
        at = start + length;
        plain = at;
        match pieces.last_mut() {
            Some(Piece::Words { charset: before, bytes: joined })
                if adjacent && before.eq_ignore_ascii_case(charset) =>
            {
                joined.extend_from_slice(&bytes);
            }
            _ => pieces.push(Piece::Words { charset, bytes }),
        }
    }
    if plain < value.len() {
        pieces.push(Piece::Plain(&value[plain..]));
    }
    pieces
}

/// One encoded word at the beginning of the bytes: its charset (without the language of RFC 2231 5), its bytes, its length.
fn word(value: &[u8]) -> Option<(&str, Vec<u8>, usize)> {
    let mark = 2 + memchr::memchr(b'?', value.get(2..)?)?;
    let charset = std::str::from_utf8(&value[2..mark]).ok()?;
    if charset.is_empty() || charset.len() > 40 || charset.contains([' ', '<', '>', '@', ',']) {
        return None;
    }
    let charset = charset.split('*').next().unwrap_or_default();
    let encoding = value.get(mark + 1)?.to_ascii_lowercase();
    if value.get(mark + 2) != Some(&b'?') {
        return None;
    }
    let start = mark + 3;
    let rest = value.get(start..)?;
    let end = memchr::memmem::find(rest, b"?=")?;
    let bytes = match encoding {
        b'b' => transfer::base64(&rest[..end]).bytes,
        b'q' => {
            let spaced: Vec<u8> = rest[..end].iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
            transfer::quoted_printable(&spaced).bytes
        }
        _ => return None,
    };
    Some((charset, bytes, start + end + 2))
}

/// Octets of text in one word: 75 in all (RFC 2047 2), less the frame `=?UTF-8?B?…?=`, by four characters for three octets.
const WORD_OCTETS: usize = (75 - 12) / 4 * 3;
/// Octets of one header line without its line end (RFC 2047 2; RFC 5322 2.1.1 asks for at most 78).
const LINE_OCTETS: usize = 76;

/// Writes a value behind `used` octets of its line: ASCII as it is, folded at blanks; anything else as UTF-8 encoded words.
#[must_use]
pub fn encode(text: &str, used: usize) -> Vec<u8> {
    // ASCII that looks like an encoded word is left so: it was one when it came.
    if text.bytes().all(|byte| (0x20..0x7F).contains(&byte) || byte == b'\t') {
        return fold(text, used);
    }
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut column = used;
    let mut rest = text;
    while !rest.is_empty() {
        // The word must fit the line it begins on, unless even a new line would not hold it.
        let room = (LINE_OCTETS.saturating_sub(column + 12) / 4 * 3).min(WORD_OCTETS);
        let mut end = 0;
        for char in rest.chars() {
            if end + char.len_utf8() > room {
                break;
            }
            end += char.len_utf8();
        }
        if end == 0 {
            out.extend_from_slice(b"\r\n ");
            column = 1;
            continue;
        }
        if !out.is_empty() && column > 1 {
            out.extend_from_slice(b"\r\n ");
            column = 1;
            continue;
        }
        let word = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &rest[..end]);
        out.extend_from_slice(format!("=?UTF-8?B?{word}?=").as_bytes());
        column += word.len() + 12;
        rest = &rest[end..];
    }
    out
}

/// Folds ASCII text before a blank, so that lines stay within [`LINE_OCTETS`] where the text has blanks.
fn fold(text: &str, used: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut column = used;
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            if column + 1 + word.len() > LINE_OCTETS && column > 1 && !word.is_empty() {
                out.extend_from_slice(b"\r\n");
                column = 0;
            }
            out.push(b' ');
            column += 1;
        }
        out.extend_from_slice(word.as_bytes());
        column += word.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_read_as_clients_show_them() {
        for (value, text) in [
            (&b"plain text"[..], "plain text"),
            (b"=?UTF-8?B?6Zai5omA?=", "関所"),
            (b"=?utf-8?q?=E9=96=A2_=E6=89=80?= x", "関 所 x"),
            (b"=?ISO-2022-JP?B?GyRCNFg9ahsoQg==?=", "関所"),
            (b"=?Shift_JIS?B?itaPig==?= =?Shift_JIS?B?itaPig==?=", "関所関所"),
            (b"=?EUC-JP*ja?Q?=B4=D8=BD=EA?=", "関所"),
            // one character in two words, and an escape sequence that is only in the first
            (b"=?UTF-8?B?6Za=?=\r\n =?UTF-8?B?ouaJgA==?=", "関所"),
            (b"=?iso-2022-jp?B?GyRCNFg=?= =?iso-2022-jp?B?PWobKEI=?=", "関所"),
            (b"\"=?UTF-8?B?6Zai5omA?=\" <a@b.test>", "\"関所\" <a@b.test>"),
            (b"=?UTF-8?Q??= a", " a"),
            (b"=?UTF-8?Q?=41?=", "A"),
            (b"=?x?y?z", "=?x?y?z"),
            (b"a =? b", "a =? b"),
            ("生の関所".as_bytes(), "生の関所"),
            (b"\x1B$B4X=j\x1B(B", "関所"),
        ] {
            assert_eq!(decode(value), text, "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn doubt_gives_two_readings() {
        let both = readings(b"=?iso-8859-1?B?itaPioK3gumXXoK1gtyCtQ==?=");
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(both[1].starts_with("関所する"), "{both:?}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "[ぁ-ん漢字aA0 ?=_é😀-]{1,120}", used in 0_usize..90) {
            let text = text.trim();
            prop_assume!(!text.is_empty() && !text.is_ascii());
            let written = encode(text, used);
            prop_assert!(written.is_ascii());
            for (index, line) in written.split(|byte| *byte == b'\n').enumerate() {
                let before = if index == 0 { used.min(LINE_OCTETS) } else { 0 };
                prop_assert!(line.len() + before <= LINE_OCTETS + 2);
            }
            let read = decode(&written);
            prop_assert_eq!(read.trim_start(), text);
        }

        #[test]
        fn any_bytes_are_read_without_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!readings(&value).is_empty());
        }
    }

    #[test]
    fn long_ascii_is_folded_and_unfolds_to_itself() {
        let text = "word ".repeat(60);
        let written = encode(text.trim(), 9);
        assert!(written.split(|byte| *byte == b'\n').all(|line| line.len() <= LINE_OCTETS + 2));
        assert_eq!(decode(&written), text.trim());
    }
}
