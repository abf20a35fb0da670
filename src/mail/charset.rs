//! Charsets as Japanese mail really uses them: labels, aliases, and detection when the label is missing or wrong.
//! It refuses to guess silently: where two decodings differ, both are given.

use super::iso2022jp;
use super::utf::{utf7, utf32};
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, EUC_JP, Encoding, REPLACEMENT, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Every plausible reading of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// One or two texts, the most plausible one first; never empty.
    pub texts: Vec<String>,
    /// The declared label names no charset this program reads, and the bytes do not show one by themselves: the text may be something else to the receiver.
    pub unknown_label: bool,
}

impl Decoded {
    /// The most plausible text.
    #[must_use]
    pub fn best(&self) -> &str {
        self.texts.first().map_or("", String::as_str)
    }
}

/// A charset this program decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    /// One that encoding_rs decodes.
    Known(&'static Encoding),
    /// ISO-2022-JP with all its extensions (RFC 1468, RFC 1554, CP50220–50222, ISO-2022-JP-3 and -2004).
    Iso2022Jp,
    /// UTF-7 (RFC 2152).
    Utf7,
    /// UTF-32 (Unicode 3.10), by byte order.
    Utf32 { little: bool },
}

/// Labels that the WHATWG table does not know, but Japanese mail carries; compared without blanks, quotes, case, `_` and `-`.
const ALIASES: &[(&str, Charset)] = &[
    ("cp932", Charset::Known(SHIFT_JIS)),
    ("cp943", Charset::Known(SHIFT_JIS)),
    ("cp943c", Charset::Known(SHIFT_JIS)),
    ("ibm943", Charset::Known(SHIFT_JIS)),
    ("ibm932", Charset::Known(SHIFT_JIS)),
    ("ms932", Charset::Known(SHIFT_JIS)),
    ("mskanji", Charset::Known(SHIFT_JIS)),
    ("windows932", Charset::Known(SHIFT_JIS)),
    ("windows31j", Charset::Known(SHIFT_JIS)),
    ("cswindows31j", Charset::Known(SHIFT_JIS)),
    ("sjis", Charset::Known(SHIFT_JIS)),
    ("xsjis", Charset::Known(SHIFT_JIS)),
    ("sjiswin", Charset::Known(SHIFT_JIS)),
    ("xmscp932", Charset::Known(SHIFT_JIS)),
    ("shiftjis", Charset::Known(SHIFT_JIS)),
    ("shiftjis2004", Charset::Known(SHIFT_JIS)),
    ("shiftjisx0213", Charset::Known(SHIFT_JIS)),
    ("eucjp", Charset::Known(EUC_JP)),
    ("xeucjp", Charset::Known(EUC_JP)),
    ("eucjpms", Charset::Known(EUC_JP)),
    ("eucjpwin", Charset::Known(EUC_JP)),
    ("eucjis2004", Charset::Known(EUC_JP)),
    ("eucjisx0213", Charset::Known(EUC_JP)),
    ("cp51932", Charset::Known(EUC_JP)),
    ("ujis", Charset::Known(EUC_JP)),
    ("jis", Charset::Iso2022Jp),
    ("jis7", Charset::Iso2022Jp),
    ("jis8", Charset::Iso2022Jp),
    ("csiso2022jp", Charset::Iso2022Jp),
    ("csiso2022jp2", Charset::Iso2022Jp),
    ("cp50220", Charset::Iso2022Jp),
    ("cp50221", Charset::Iso2022Jp),
    ("cp50222", Charset::Iso2022Jp),
    ("utf8", Charset::Known(UTF_8)),
    ("utf8mb4", Charset::Known(UTF_8)),
    ("cp65001", Charset::Known(UTF_8)),
    ("utf7", Charset::Utf7),
    ("csutf7", Charset::Utf7),
    ("xunicode20utf7", Charset::Utf7),
    ("unicode11utf7", Charset::Utf7),
    ("csunicode11utf7", Charset::Utf7),
    ("unicode11utf8", Charset::Known(UTF_8)),
    ("unicode20utf8", Charset::Known(UTF_8)),
    ("utf32", Charset::Utf32 { little: false }),
    ("utf32be", Charset::Utf32 { little: false }),
    ("utf32le", Charset::Utf32 { little: true }),
];

/// Finds the charset of a label: aliases of ours first, then the WHATWG table.
fn charset(label: &str) -> Option<Charset> {
    if label.eq_ignore_ascii_case("utf-8") {
        return Some(Charset::Known(UTF_8));
    }
    let squeezed: String = label
        .chars()
        .filter(|char| !matches!(char, ' ' | '\t' | '"' | '\'' | '-' | '_' | '.'))
        .map(|char| char.to_ascii_lowercase())
        .collect();
    if squeezed.starts_with("iso2022jp") {
        return Some(Charset::Iso2022Jp);
    }
    if let Some((_, charset)) = ALIASES.iter().find(|(alias, _)| *alias == squeezed) {
        return Some(*charset);
    }
    let plain = label.trim_matches(|char: char| char.is_ascii_whitespace() || char == '"' || char == '\'');
    Encoding::for_label(plain.as_bytes())
        .or_else(|| Encoding::for_label(plain.replace('_', "-").as_bytes()))
        .filter(|encoding| *encoding != REPLACEMENT)
        .map(Charset::Known)
}

/// Does this program decode what the label names?
#[must_use]
pub fn is_known(label: &str) -> bool {
    charset(label).is_some()
}

/// Decodes by one charset; the flag is true when nothing had to be replaced.
fn decode_as(charset: Charset, bytes: &[u8]) -> (String, bool) {
    match charset {
        Charset::Known(encoding) => {
            let (text, damaged) = encoding.decode_without_bom_handling(bytes);
            (text.into_owned(), !damaged)
        }
        Charset::Iso2022Jp => {
            let reading = iso2022jp::decode(bytes);
            (reading.text, !reading.damaged)
        }
        Charset::Utf7 => (utf7(bytes), true),
        Charset::Utf32 { little } => utf32(bytes, little),
    }
}

/// Decodes bytes whose charset is `declared`, or not declared at all.
///
/// Order of trials: byte order mark → escape sequences of ISO-2022-JP → strict UTF-8 → the declared label → UTF-16 without mark → detection among Japanese charsets.
/// Where the declared label and the evidence differ, both texts are given, the better one first.
#[must_use]
pub fn decode(bytes: &[u8], declared: Option<&str>) -> Decoded {
    let label = declared.map(str::trim).filter(|label| !label.is_empty());
    let named = label.and_then(charset);
    let unknown = label.is_some() && named.is_none();
    let mut texts = Vec::with_capacity(2);

    if let Some((charset, length)) = byte_order_mark(bytes) {
        texts.push(decode_as(charset, &bytes[length..]).0);
        if let Some(named) = named.filter(|named| *named != charset && !same_family(*named, charset)) {
            add(&mut texts, decode_as(named, bytes).0);
        }
        return Decoded { texts, unknown_label: false };
    }
    if iso2022jp::has_escapes(bytes) {
        let reading = iso2022jp::decode(bytes);
        texts.push(reading.text);
        if let Some(other) = reading.unclosed {
            add(&mut texts, other);
        } else if let Some(named) = named.filter(|named| *named != Charset::Iso2022Jp) {
            add(&mut texts, decode_as(named, bytes).0);
        }
        return Decoded { texts, unknown_label: false };
    }
    if bytes.is_ascii() {
        return ascii(bytes, named, unknown);
    }
    let utf8 = std::str::from_utf8(bytes).ok();
    if let Some(text) = utf8 {
        texts.push(text.to_owned());
        if let Some(named) = named.filter(|named| *named != Charset::Known(UTF_8)) {
            let (text, whole) = decode_as(named, bytes);
            if whole {
                add(&mut texts, text);
            }
        }
        return Decoded { texts, unknown_label: false };
    }
    let marked_less = utf16_without_mark(bytes);
    if let Some(named) = named {
        let (text, whole) = decode_as(named, bytes);
        let evidence = marked_less.unwrap_or_else(|| Charset::Known(detect(bytes, true)));
        if evidence == named {
            texts.push(text);
        } else {
            let (other, other_whole) = decode_as(evidence, bytes);
            if whole || !other_whole {
                texts.push(text);
                // A western guess against a whole Japanese text says nothing: almost any bytes are whole in a single-byte charset.
                if other_whole && evidence != Charset::Known(WINDOWS_1252) {
                    add(&mut texts, other);
                }
            } else {
                texts.push(other);
                add(&mut texts, text);
            }
        }
        return Decoded { texts, unknown_label: false };
    }
    if let Some(charset) = marked_less {
        texts.push(decode_as(charset, bytes).0);
    }
    let guess = detect(bytes, false);
    add(&mut texts, decode_as(Charset::Known(guess), bytes).0);
    // EUC-JP and Shift_JIS share most of their byte pairs; a short text without label may be either.
    for other in [EUC_JP, SHIFT_JIS] {
        if texts.len() == 1 && other != guess {
            let (text, whole) = decode_as(Charset::Known(other), bytes);
            if whole {
                add(&mut texts, text);
            }
        }
    }
    Decoded { texts, unknown_label: unknown }
}

/// Seven-bit text: usually itself, but UTF-7, UTF-16 and UTF-32 hide in it too.
fn ascii(bytes: &[u8], named: Option<Charset>, unknown: bool) -> Decoded {
    let plain = || String::from_utf8_lossy(bytes).into_owned();
    let mut texts = Vec::with_capacity(2);
    match named {
        Some(named @ (Charset::Utf7 | Charset::Utf32 { .. })) => {
            texts.push(decode_as(named, bytes).0);
            add(&mut texts, plain());
        }
        Some(named @ Charset::Known(encoding)) if encoding == UTF_16LE || encoding == UTF_16BE => {
            texts.push(decode_as(named, bytes).0);
            add(&mut texts, plain());
        }
        _ => match utf16_without_mark(bytes) {
            Some(charset) => {
                texts.push(decode_as(charset, bytes).0);
                add(&mut texts, plain());
            }
            None => texts.push(plain()),
        },
    }
    Decoded { texts, unknown_label: unknown }
}

/// Adds a second reading unless it says the same.
fn add(texts: &mut Vec<String>, text: String) {
    if texts.len() < 2 && !texts.contains(&text) {
        texts.push(text);
    }
}

/// `utf-16` as a label means either byte order once a mark says which.
fn same_family(one: Charset, other: Charset) -> bool {
    let wide = |charset| matches!(charset, Charset::Known(encoding) if encoding == UTF_16LE || encoding == UTF_16BE);
    (wide(one) && wide(other)) || matches!((one, other), (Charset::Utf32 { .. }, Charset::Utf32 { .. }))
}

/// The byte order mark at the beginning and its length (Unicode 23.8).
fn byte_order_mark(bytes: &[u8]) -> Option<(Charset, usize)> {
    match bytes {
        [0xFF, 0xFE, 0, 0, ..] => Some((Charset::Utf32 { little: true }, 4)),
        [0, 0, 0xFE, 0xFF, ..] => Some((Charset::Utf32 { little: false }, 4)),
        [0xEF, 0xBB, 0xBF, ..] => Some((Charset::Known(UTF_8), 3)),
        [0xFF, 0xFE, ..] => Some((Charset::Known(UTF_16LE), 2)),
        [0xFE, 0xFF, ..] => Some((Charset::Known(UTF_16BE), 2)),
        _ => None,
    }
}

/// UTF-16 whose mark is missing: NULs in every second place, or one high byte (the kana block 0x30, half-width forms 0xFF) in a third of them.
fn utf16_without_mark(bytes: &[u8]) -> Option<Charset> {
    let sample = &bytes[..bytes.len().min(64 * 1024) & !1];
    let pairs = sample.len() / 2;
    if pairs < 2 {
        return None;
    }
    let mut nul = [0_usize; 2];
    let mut high = [0_usize; 2];
    for (index, byte) in sample.iter().enumerate() {
        nul[index % 2] += usize::from(*byte == 0);
        high[index % 2] += usize::from(matches!(byte, 0x30 | 0xFF));
    }
    let order = |counts: [usize; 2], least: usize, most: usize| {
        if counts[1] * 100 >= pairs * least && counts[0] * 100 <= pairs * most {
            Some(UTF_16LE)
        } else if counts[0] * 100 >= pairs * least && counts[1] * 100 <= pairs * most {
            Some(UTF_16BE)
        } else {
            None
        }
    };
    if let Some(encoding) = order(nul, 20, 2) {
        return Some(Charset::Known(encoding));
    }
    let encoding = order(high, 30, 12).filter(|_| bytes.len().is_multiple_of(2))?;
    let (text, damaged) = encoding.decode_without_bom_handling(sample);
    let japanese = text.chars().filter(|char| is_japanese(*char)).count();
    (!damaged && japanese * 10 >= text.chars().count() * 8).then_some(Charset::Known(encoding))
}

/// Kana, kanji, full-width and half-width forms, CJK punctuation.
fn is_japanese(char: char) -> bool {
    matches!(char, '\u{3000}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF01}'..='\u{FF9F}' | '\r' | '\n')
}

/// Octets from the first one outside ASCII that show the charset of a longer text; the detector reads some ten megabytes a second.
const SHOWING: usize = 512 * 1024;

/// The most probable legacy charset, with Japan as the hint. When it is the only other reading, a western guess needs the whole text where
/// that could be Japanese.
fn detect(bytes: &[u8], only: bool) -> &'static Encoding {
    let guess = |bytes, last| {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(bytes, last);
        detector.guess(Some(b"jp"), Utf8Detection::Deny)
    };
    // The first octet outside ASCII begins a character in every charset, so nothing is cut apart.
    let first = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let rest = &bytes[first..];
    let Some(showing) = rest.get(..SHOWING) else { return guess(bytes, true) };
    let likely = guess(showing, false);
    let japanese = [EUC_JP, SHIFT_JIS];
    let settled = match fault(likely, rest) {
        None => japanese.contains(&likely) || !only || japanese.iter().all(|other| fault(other, rest).is_some()),
        // A guess with a fault where it was made is the detector's way to say that it is none of those it knows.
        Some(at) => at <= SHOWING,
    };
    if settled { likely } else { guess(bytes, true) }
}

/// Up to where the bytes are without a fault in this charset, if there is one; a last character that was cut off is none.
fn fault(encoding: &'static Encoding, bytes: &[u8]) -> Option<usize> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut units = [0_u16; 4096];
    let mut at = 0;
    loop {
        let (result, read, _) = decoder.decode_to_utf16_without_replacement(&bytes[at..], &mut units, false);
        at += read;
        match result {
            DecoderResult::InputEmpty => return None,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return Some(at),
        }
    }
}

/// A charset that start-up found not to decode.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("decode {label}: this build would read Japanese mail as gibberish")]
pub struct Blind {
    label: &'static str,
}

/// Proves at start-up that Japanese charsets decode in this build, with and without the help of the label.
///
/// # Errors
/// [`Blind`] names the first charset that does not.
pub fn self_test() -> Result<(), Blind> {
    const CASES: &[(&str, &[u8], &str)] = &[
        ("iso-2022-jp", b"\x1B$B4X=j\x1B(B 1", "関所 1"),
        ("shift_jis", b"\x8A\xD6\x8F\x8A 1", "関所 1"),
        ("euc-jp", b"\xB4\xD8\xBD\xEA 1", "関所 1"),
        ("utf-8", b"\xE9\x96\xA2\xE6\x89\x80 1", "関所 1"),
        ("cp932", b"\x87\x40\xFB\xFC", "①髙"),
    ];
    for (label, bytes, text) in CASES {
        if decode(bytes, Some(label)).best() != *text {
            return Err(Blind { label });
        }
    }
    if decode(CASES[0].1, None).best() != CASES[0].2 {
        return Err(Blind { label: "iso-2022-jp without a label" });
    }
    if !super::message::library_decodes_japanese() {
        return Err(Blind { label: "ISO-2022-JP and Shift_JIS in the MIME library" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "氏名 電話番号 山田太郎 ｱｲｳ 〒100-0001 ①髙﨑";

    fn check(bytes: &[u8], label: Option<&str>, best: &str) {
        assert_eq!(decode(bytes, label).best(), best, "label {label:?}");
    }

    #[test]
    fn the_start_up_proof_holds() {
        assert_eq!(self_test(), Ok(()));
    }

    #[test]
    fn labels_of_japanese_mail_are_known() {
        for label in [
            "cp932",
            "CP943C",
            "Windows-31J",
            "x-sjis",
            "MS932",
            "eucJP-ms",
            "CP50220",
            "cp50221",
            "ISO-2022-JP-MS",
            "iso-2022-jp-2",
            "ISO-2022-JP-2004",
            "unicode-1-1-utf-7",
            "utf8",
            "\"utf-8\"",
            "us-ascii",
            "ANSI_X3.4-1968",
            "gb2312",
            "ks_c_5601-1987",
            "big5",
        ] {
            assert!(is_known(label), "{label}");
        }
        assert!(!is_known("x-made-up"));
    }

    #[test]
    fn declared_and_undeclared_text_comes_back() {
        let (shift_jis, _, _) = SHIFT_JIS.encode(WORDS);
        let (euc, _, _) = EUC_JP.encode(WORDS);
        for (bytes, label) in [(&shift_jis, "cp932"), (&shift_jis, "MS_Kanji"), (&euc, "eucjp-ms")] {
            check(bytes, Some(label), WORDS);
        }
        check(&shift_jis, None, WORDS);
        check(&euc, None, WORDS);
        check(WORDS.as_bytes(), None, WORDS);
    }

    #[test]
    fn a_wrong_label_gives_both_readings() {
        let (shift_jis, _, _) = SHIFT_JIS.encode(WORDS);
        for label in ["iso-8859-1", "us-ascii", "utf-8", "euc-jp", "x-made-up"] {
            assert!(decode(&shift_jis, Some(label)).texts.contains(&WORDS.to_owned()), "Shift_JIS as {label}");
        }
        for label in ["iso-8859-1", "shift_jis", "us-ascii", "iso-2022-jp"] {
            assert!(decode(WORDS.as_bytes(), Some(label)).texts.contains(&WORDS.to_owned()), "UTF-8 as {label}");
        }
        let jis = b"\x1B$B4X=j\x1B(B";
        for label in ["us-ascii", "utf-8", "shift_jis"] {
            check(jis, Some(label), "関所");
        }
    }

    #[test]
    fn one_reading_when_there_is_no_doubt() {
        for (bytes, label) in [
            (&b"plain"[..], Some("us-ascii")),
            (b"plain", None),
            (WORDS.as_bytes(), Some("utf-8")),
            (WORDS.as_bytes(), None),
            (b"\x8A\xD6\x8F\x8A\x82\xCC\x8E\xA9\x95\xAA", Some("shift_jis")),
            (b"f\xFCr Gr\xFC\xDFe aus K\xF6ln", Some("iso-8859-1")),
        ] {
            assert_eq!(decode(bytes, label).texts.len(), 1, "{:?}", decode(bytes, label));
        }
    }

    #[test]
    fn wide_encodings_are_seen_with_and_without_a_mark() {
        let units: Vec<u16> = "山田 tel 090-0000-0000\r\n".encode_utf16().collect();
        let kana: Vec<u16> = "やまだたろうさとうはなこ".encode_utf16().collect();
        for units in [&units, &kana] {
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            let text = String::from_utf16(units).unwrap();
            check(&little, None, &text);
            check(&big, None, &text);
            check(&[&[0xFF, 0xFE], &little[..]].concat(), None, &text);
            check(&[&[0xFE, 0xFF], &big[..]].concat(), Some("utf-16"), &text);
        }
        let wide: Vec<u8> = "山田".chars().flat_map(|char| (char as u32).to_be_bytes()).collect();
        check(&wide, Some("utf-32"), "山田");
    }

    #[test]
    fn a_long_text_is_read_by_all_of_it_where_its_beginning_says_too_little() {
        let mut bytes = b"\xA9 2024\r\n".to_vec();
        bytes.extend(b"plain words of a long letter\r\n".repeat(SHOWING / 20));
        let (japanese, _, _) = SHIFT_JIS.encode("氏名 山田太郎 住所 滋賀県彦根市元町4番2号\r\n");
        bytes.extend(japanese.repeat(2_000));
        for label in [None, Some("iso-8859-1")] {
            assert!(decode(&bytes, label).texts.iter().any(|text| text.contains("山田太郎")), "{label:?}");
        }
    }

    #[test]
    fn utf7_is_read_and_unknown_labels_are_said() {
        check(b"+laJiQA- +- 1", Some("unicode-1-1-utf-7"), "関所 + 1");
        assert!(decode(b"+laJiQA-", Some("x-made-up")).unknown_label);
        assert!(!decode(b"plain", None).unknown_label);
    }
}
