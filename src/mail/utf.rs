//! Unicode forms that encoding_rs leaves out: UTF-7 and UTF-32, both still seen in mail.
//! It refuses to fail: what does not decode stays as it is or becomes U+FFFD.

use super::transfer::base64_value;

/// UTF-7 (RFC 2152), lenient: what does not decode stays as it is.
pub(super) fn utf7(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'+' {
            out.push(char::from(first));
            continue;
        }
        if let [b'-', tail @ ..] = rest {
            out.push('+');
            rest = tail;
            continue;
        }
        let mut bits = 0_u32;
        let mut count = 0_u32;
        let mut units = Vec::new();
        while let Some((&byte, tail)) = rest.split_first() {
            let Some(value) = base64_value(byte) else { break };
            rest = tail;
            bits = (bits << 6) | u32::from(value);
            count += 6;
            if count >= 16 {
                count -= 16;
                units.push(u16::try_from((bits >> count) & 0xFFFF).unwrap_or_default());
                bits &= (1 << count) - 1;
            }
        }
        if let [b'-', tail @ ..] = rest {
            rest = tail;
        }
        out.push_str(&String::from_utf16_lossy(&units));
    }
    out
}

/// UTF-32 in one byte order.
pub(super) fn utf32(bytes: &[u8], little: bool) -> (String, bool) {
    let mut whole = bytes.len().is_multiple_of(4);
    let text = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|unit| {
            let code = if little { u32::from_le_bytes(*unit) } else { u32::from_be_bytes(*unit) };
            char::from_u32(code).unwrap_or_else(|| {
                whole = false;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    (text, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_survive_damage() {
        for (bytes, text) in
            [(&b"a+-b"[..], "a+b"), (b"+laJiQA-x", "関所x"), (b"+laJiQA x", "関所 x"), (b"1 + 1", "1  1"), (b"+", "")]
        {
            assert_eq!(utf7(bytes), text);
        }
        assert_eq!(utf32(&[0, 0, 0x95, 0xA2, 0, 0x11, 0xFF, 0xFF, 0, 0x11, 0, 0], false).0.chars().next(), Some('関'));
        assert_eq!(utf32(&[0xFF, 0xFF, 0xFF, 0xFF, 1], true), ("\u{FFFD}".to_owned(), false));
    }
}
