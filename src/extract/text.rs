//! Text in any charset Japanese mail and files use, split into prose and rows, with the files that are encoded inside it.
//! It refuses to choose between two readings of the same bytes: both become pieces.

use super::kind::Kind;
use super::{Extracted, PartInput, Role, Why};
use super::{card, csv, embedded, entity};
use crate::limits::Budget;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// Bytes looked at from the start, the middle and the end to tell text from data.
const SAMPLE: usize = 64 * 1024;

/// One or two readings of these bytes, the better one first.
pub fn decode(bytes: &[u8], declared: Option<&str>) -> Vec<String> {
    crate::mail::charset::decode(bytes, declared).texts
}

/// The readings without a copy where the bytes are plainly UTF-8.
fn readings<'a>(bytes: &'a [u8], declared: Option<&str>) -> Vec<Cow<'a, str>> {
    let plain = declared.is_none_or(|label| {
        let label = label.trim();
        label.eq_ignore_ascii_case("utf-8") || label.eq_ignore_ascii_case("us-ascii")
    });
    if (plain || bytes.is_ascii())
        && memchr(0x1B, bytes).is_none()
        && memchr(0, bytes).is_none()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return vec![Cow::Borrowed(text.strip_prefix('\u{FEFF}').unwrap_or(text))];
    }
    decode(bytes, declared).into_iter().map(Cow::Owned).collect()
}

/// UTF-16 without a byte order mark: zeros (or the high byte of full-width forms) on one side only, and plausible characters.
pub(super) fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(4096) & !1];
    let mut marks = [0_usize; 2];
    for (index, byte) in sample.iter().enumerate() {
        marks[index & 1] += usize::from(matches!(byte, 0 | 0xFF));
    }
    let (encoding, few, many) =
        if marks[0] > marks[1] { (UTF_16BE, marks[1], marks[0]) } else { (UTF_16LE, marks[0], marks[1]) };
    if sample.len() < 4 || many == 0 || few * 20 > many {
        return None;
    }
    let text = encoding.decode_without_bom_handling(sample).0;
    let plausible = text
        .chars()
        .filter(|character| {
            matches!(character, '\t' | '\r' | '\n' | ' '..='~' | '\u{A0}'..='\u{FF}' | '\u{2000}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF00}'..='\u{FFEF}')
        })
        .count();
    (plausible * 20 >= text.chars().count() * 19).then_some(encoding)
}

/// Is it text in some charset? At most one byte in a hundred is a control character that text does not use.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    if matches!(Encoding::for_bom(bytes), Some((encoding, _)) if encoding != UTF_8) || utf16(bytes).is_some() {
        return true;
    }
    let middle = bytes.len() / 2;
    let parts = [
        &bytes[..bytes.len().min(SAMPLE)],
        &bytes[middle..bytes.len().min(middle + SAMPLE / 16)],
        &bytes[bytes.len().saturating_sub(SAMPLE / 16)..],
    ];
    parts.iter().all(|part| controls(part) * 100 <= part.len())
}

/// Control characters that text does not use; every step is the same for all octets, and counted in one of them, so that many are done at once.
fn controls(bytes: &[u8]) -> usize {
    let control = |byte: u8| {
        let parts = [matches!(byte, 0..=7), byte == 11, matches!(byte, 14..=26), matches!(byte, 28..=31), byte == 127];
        parts.into_iter().fold(0, |all, part| all | u8::from(part))
    };
    let few = |chunk: &[u8]| chunk.iter().fold(0_u8, |count, byte| count.wrapping_add(control(*byte)));
    bytes.chunks(usize::from(u8::MAX)).map(|chunk| usize::from(few(chunk))).sum()
}

/// Reads a part of a textual kind.
pub(super) fn read(kind: Kind, input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    let bytes = unrepeated(input.bytes);
    for (index, reading) in readings(bytes, input.declared_charset.as_deref()).into_iter().enumerate() {
        let text = match kind {
            Kind::Json if reading.contains("\\u") => Cow::Owned(unescaped(&reading)),
            Kind::Xml | Kind::Svg => Cow::Owned(entity::decoded(&reading).into_owned()),
            Kind::Ics | Kind::Vcf => Cow::Owned(card::plain(bytes, &reading)),
            _ => reading,
        };
        let rows = matches!(kind, Kind::Text | Kind::Csv | Kind::Script);
        prose_and_rows(&input.path, input.role, text, rows.then_some(kind == Kind::Csv), index == 0, budget, out);
    }
}

/// Octets of a stretch that repeats itself which are read.
const REPEATED: usize = 1024 * 1024;
/// The longest unit that is seen to repeat itself.
const UNIT: usize = 4 * 1024;

/// The text without what its beginning only says again. Filler is the same letters over and over for megabytes, which name nobody whom they did not
/// name before. A unit with a line end stays, since places are lines.
fn unrepeated(bytes: &[u8]) -> &[u8] {
    let start = &bytes[..bytes.len().min(64)];
    let next = bytes.get(1..REPEATED).and_then(|_| memchr::memmem::find(&bytes[1..UNIT + start.len()], start));
    let Some(unit) = next.map(|at| at + 1).filter(|unit| memchr2(b'\n', b'\r', &bytes[..*unit]).is_none()) else {
        return bytes;
    };
    let again = bytes.iter().zip(&bytes[unit..]).take_while(|(one, other)| one == other).count();
    // Characters of up to four octets, in any phase of the unit, begin anew after twelve of them.
    let step = 12 * unit;
    &bytes[again.saturating_sub(REPEATED) / step * step..]
}

/// Splits a text into rows and prose; `rows` is `None` when it cannot hold rows, `Some(true)` when it is said to.
pub(super) fn prose_and_rows(
    path: &str,
    role: Role,
    text: Cow<'_, str>,
    rows: Option<bool>,
    search_inside: bool,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    if memchr::memmem::find(text.as_bytes(), b"-----BEGIN PGP MESSAGE-----").is_some() {
        out.unread(path, Why::Encrypted);
    }
    if let Some(separator) = rows.and_then(|said| csv::dialect(&text, said)) {
        let (table, complete) = csv::table(&text, separator, budget);
        out.table(path, role, table);
        if !complete {
            out.unread(path, Why::Limit);
        }
        if search_inside {
            embedded::read(path, &text, budget, out);
        }
        return;
    }
    let inside = if search_inside { embedded::find(&text) } else { Vec::new() };
    let split = if rows.is_some() { csv::rows_in_prose(&text, budget) } else { None };
    match split {
        Some(split) => {
            out.text(path, role, split.prose);
            out.table(path, role, split.table);
            if !split.complete {
                out.unread(path, Why::Limit);
            }
        }
        None => out.text(path, role, text.into_owned()),
    }
    embedded::read_all(path, inside, budget, out);
}

/// Readable stretches in data of no known kind, such as records of fixed length filled with zeros.
pub(super) fn read_runs(input: &PartInput<'_>, out: &mut Extracted) {
    let readable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..=0xFC);
    if input.bytes.iter().filter(|byte| readable(byte)).count() * 10 < input.bytes.len() * 6 {
        return;
    }
    let mut lines: Vec<u8> = Vec::new();
    for block in input.bytes.chunks(NOISE_BLOCK) {
        if is_noise(block) {
            // What is compressed or encrypted says nothing; a line's end keeps what stands before and behind it apart.
            lines.push(b'\n');
        } else {
            lines.extend(block.iter().map(|byte| if readable(byte) { *byte } else { b'\n' }));
        }
    }
    if let Some(text) = decode(&lines, input.declared_charset.as_deref()).into_iter().next() {
        out.text(&input.path, input.role, text);
    }
}

/// Octets that are looked at together for noise.
const NOISE_BLOCK: usize = 4 * 1024;
/// Bits an octet (Shannon's entropy) above which a block is noise: random octets have 7.95 in a block of this size, Japanese text in any
/// charset and base64 at most 6.6, and text with as much noise beside it about 7.3.
const NOISE_BITS: f64 = 7.6;

/// Is this text with some control characters in it, and no data of another sort?
pub(super) fn is_mostly_text(bytes: &[u8]) -> bool {
    let control = |byte: &&u8| matches!(byte, 0x00..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F | 0x7F);
    bytes.iter().filter(control).count() * 10 <= bytes.len() * 3 && !bytes.chunks(NOISE_BLOCK).any(is_noise)
}

/// Is this block compressed or encrypted, so that no text can be in it?
fn is_noise(block: &[u8]) -> bool {
    if block.len() < NOISE_BLOCK {
        return false;
    }
    let mut counts = [0u32; 256];
    for byte in block {
        counts[usize::from(*byte)] += 1;
    }
    let all = block.len() as f64;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count))
        .map(|count| count * (all / count).log2())
        .sum();
    bits / all > NOISE_BITS
}

/// `\u5c71` in JSON (RFC 8259 7); everything else stays as written.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut high = None;
    while let Some(at) = memchr::memmem::find(rest.as_bytes(), b"\\u") {
        if at > 0 {
            high = None;
        }
        out.push_str(&rest[..at]);
        let Some(unit) = rest.get(at + 2..at + 6).and_then(|hex| u16::from_str_radix(hex, 16).ok()) else {
            out.push_str("\\u");
            rest = &rest[at + 2..];
            continue;
        };
        let units: &[u16] = match high {
            Some(high) => &[high, unit],
            None => &[unit],
        };
        high = None;
        for character in char::decode_utf16(units.iter().copied()) {
            match character {
                Ok(character) => out.push(character),
                Err(_) if units.len() == 1 => high = Some(unit),
                Err(_) => out.push('\u{FFFD}'),
            }
        }
        rest = &rest[at + 6..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_charset_of_japanese_text_is_read() {
        let text = "氏名\t電話\r\n山田太郎\t０９０−１２３４\r\n髙橋㈱①\r\n";
        let utf16 = |units: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(units).collect::<Vec<u8>>();
        for (name, bytes) in [
            ("utf-8", text.as_bytes().to_vec()),
            ("utf-8 with mark", ["\u{FEFF}", text].concat().into_bytes()),
            ("cp932", encoding_rs::SHIFT_JIS.encode(text).0.into_owned()),
            ("euc-jp", encoding_rs::EUC_JP.encode(text).0.into_owned()),
            ("iso-2022-jp", encoding_rs::ISO_2022_JP.encode(text).0.into_owned()),
            ("utf-16le", utf16(u16::to_le_bytes)),
            ("utf-16be", utf16(u16::to_be_bytes)),
        ] {
            assert!(is_text(&bytes), "{name}");
            assert!(decode(&bytes, None).iter().any(|reading| reading.contains("山田太郎\t")), "{name}");
            assert!(
                decode(&bytes, Some("windows-1252")).iter().any(|reading| reading.contains("山田太郎")),
                "{name} mislabelled"
            );
        }
    }

    #[test]
    fn data_is_not_text() {
        let noise: Vec<u8> =
            (0..4096_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        assert!(!is_text(&noise));
        assert!(is_text(b"plain\n"));
    }

    #[test]
    fn noise_is_not_read_as_text_and_text_beside_it_is() {
        let mut state = 1_u64;
        let mut noise = |count: usize| -> Vec<u8> {
            let next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state.to_be_bytes()[0]
            };
            std::iter::repeat_with(next).take(count).collect()
        };
        let text = "氏名 山田太郎 電話 090-1234-5678 住所 滋賀県彦根市元町4番2号\r\n".repeat(120);
        for label in ["shift_jis", "euc-jp", "utf-8"] {
            let bytes = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().encode(&text).0.into_owned();
            assert!(!is_noise(&bytes[..NOISE_BLOCK]), "{label}");
            let half = [&bytes[..NOISE_BLOCK / 2], &noise(NOISE_BLOCK / 2)].concat();
            assert!(!is_noise(&half), "{label} beside noise");
        }
        assert!((0..50).all(|_| is_noise(&noise(NOISE_BLOCK))));
        assert!(!is_noise(&noise(NOISE_BLOCK - 1)), "a short end is read in any case");
        assert!(is_mostly_text(b"a bell \x07 and an escape \x1b\r\n") && !is_mostly_text(b"\x01\x02\x03"));
        assert!(is_mostly_text(&(1..=255).collect::<Vec<u8>>()));
        assert!(!is_mostly_text(&noise(NOISE_BLOCK)));
    }

    #[test]
    fn what_repeats_itself_is_read_for_a_while_and_what_follows_is_read_too() {
        let filler =
            |unit: &str, end: &str| [unit.repeat(3 * REPEATED / unit.len().max(1)).as_str(), end].concat().into_bytes();
        for (unit, end) in [("a", ""), ("a", "山田太郎"), ("山田 ", "090-1234-5678\nb"), ("0123456789abcdef", "x")]
        {
            let bytes = filler(unit, end);
            let text = std::str::from_utf8(unrepeated(&bytes)).unwrap();
            assert!((REPEATED..REPEATED + 2 * UNIT).contains(&text.len()), "{unit}: {}", text.len());
            assert!(text.starts_with(unit) && text.ends_with(&format!("{unit}{end}")), "{unit}");
        }
        for whole in [filler("aaa\n", ""), filler("", "aaaa"), [b"title ", &filler("a", "")[..]].concat()] {
            assert_eq!(unrepeated(&whole).len(), whole.len());
        }
        assert_eq!(unrepeated(b""), b"");
    }

    #[test]
    fn json_escapes_become_characters() {
        assert_eq!(unescaped(r#"{"a":"\u5c71\u7530 \ud842\udfb7 \uZZ"}"#), "{\"a\":\"山田 𠮷 \\uZZ\"}");
    }
}
