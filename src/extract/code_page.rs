//! Windows code pages by their numbers, as the old office formats name them (MS-UCODEREF 2.2.1).
//! It refuses to call a text damaged: what a code page does not know becomes the replacement character.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, ISO_2022_JP, KOI8_R, MACINTOSH, SHIFT_JIS, UTF_8, UTF_16BE,
    UTF_16LE, WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255,
    WINDOWS_1256, WINDOWS_1257, WINDOWS_1258,
};

/// The encoding of a code page; unknown ones, those of DOS among them, are read as Windows 1252.
pub(super) fn encoding(number: u32) -> &'static Encoding {
    match number {
        // 10001 is the Macintosh's Japanese, which differs in a few signs only.
        932 | 943 | 10001 => SHIFT_JIS,
        936 | 10008 => GBK,
        949 | 1361 | 10003 => EUC_KR,
        950 | 10002 => BIG5,
        54936 => GB18030,
        51932 | 20932 => EUC_JP,
        50220..=50222 => ISO_2022_JP,
        1200 => UTF_16LE,
        1201 => UTF_16BE,
        65001 => UTF_8,
        874 => WINDOWS_874,
        1250 => WINDOWS_1250,
        1251 | 10007 => WINDOWS_1251,
        1253 => WINDOWS_1253,
        1254 => WINDOWS_1254,
        1255 => WINDOWS_1255,
        1256 => WINDOWS_1256,
        1257 => WINDOWS_1257,
        1258 => WINDOWS_1258,
        866 => IBM866,
        20866 => KOI8_R,
        10000 | 32768 => MACINTOSH,
        _ => WINDOWS_1252,
    }
}

/// The code page of a font's character set (MS-WMF 2.1.1.5), if it names one.
pub(super) fn of_charset(charset: u32) -> Option<u32> {
    Some(match charset {
        // 2: symbols, whose signs no code page has.
        0 | 2 => 1252,
        77 => 10000,
        78 | 128 => 932,
        129 => 949,
        130 => 1361,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    })
}

/// Do characters of this code page have two bytes?
pub(super) fn is_wide(number: u32) -> bool {
    matches!(number, 932 | 943 | 936 | 949 | 950 | 1361 | 51932 | 20932 | 54936 | 10001 | 10002 | 10003 | 10008)
}

/// Text of a code page; the flag is true when every byte had a meaning.
pub(super) fn decoded(bytes: &[u8], number: u32) -> (String, bool) {
    let (text, damaged) = encoding(number).decode_without_bom_handling(bytes);
    (text.into_owned(), !damaged)
}

/// UTF-16 in little-endian order, to its end.
pub(super) fn utf16(bytes: &[u8]) -> String {
    UTF_16LE.decode_without_bom_handling(bytes).0.into_owned()
}

/// Without what stands behind the first NUL.
pub(super) fn to_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_character_sets_name_encodings() {
        assert_eq!(decoded(b"\x8E\x52\x93\x63", 932), ("山田".to_owned(), true));
        assert_eq!(decoded(b"\x87\x40\xFB\xFC", 932).0, "①髙");
        assert_eq!(decoded(b"caf\xE9", 437).0, "café");
        assert!(!decoded(b"\x8E", 932).1);
        assert_eq!(of_charset(128), Some(932));
        assert_eq!(of_charset(1), None);
        assert!(is_wide(932) && !is_wide(1252));
        assert_eq!(utf16(b"a\0\x71\x5C"), "a山");
        assert_eq!(to_nul("ab\0c"), "ab");
    }
}
