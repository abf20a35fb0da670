//! Property sets (MS-OLEPS): title, author, company and whatever else a document says about itself.
//! It refuses to interpret a property; every text among them is given, a line each.

use super::code_page;
use super::little_endian::{u16_at, u32_at};

/// Properties of one set, and texts of one property, that are read at most.
const MOST: usize = 10_000;
/// Times that the bytes of a stream may be decoded in all: no honest set says a thing twice.
const TIMES: usize = 4;

/// The texts of a property set stream.
pub(super) fn texts(stream: &[u8]) -> String {
    let mut out = String::new();
    let mut room = stream.len() * TIMES;
    // MS-OLEPS 2.21: one or two sets, each at an offset behind its name.
    let sets = u32_at(stream, 24).unwrap_or(0).min(2);
    for set in 0..sets as usize {
        let Some(offset) = u32_at(stream, 44 + set * 20) else { break };
        if let Some(bytes) = usize::try_from(offset).ok().and_then(|offset| stream.get(offset..)) {
            read_set(bytes, &mut out, &mut room);
        }
    }
    out
}

/// MS-OLEPS 2.20: size, count, then ids and offsets.
fn read_set(set: &[u8], out: &mut String, room: &mut usize) {
    let count = u32_at(set, 4).map_or(0, |count| count as usize).min(MOST).min(set.len() / 8);
    let property = |index: usize| Some((u32_at(set, 8 + index * 8)?, u32_at(set, 12 + index * 8)? as usize));
    let code_page = (0..count)
        .filter_map(property)
        .find(|(id, _)| *id == 1)
        .and_then(|(_, at)| u16_at(set, at.checked_add(4)?))
        .map_or(1252, u32::from);
    for (id, at) in (0..count).filter_map(property) {
        let Some(bytes) = set.get(at..) else { continue };
        match id {
            // The names of a user's own properties (MS-OLEPS 2.17), the code page.
            0 => dictionary(bytes, code_page, out, room),
            1 => {}
            _ => value(bytes, code_page, out, room),
        }
    }
}

/// A typed value (MS-OLEPS 2.15): texts, and vectors of texts.
fn value(bytes: &[u8], code_page: u32, out: &mut String, room: &mut usize) {
    let Some(kind) = u32_at(bytes, 0) else { return };
    let mut rest = bytes.get(4..).unwrap_or_default();
    let count = if kind & 0x1000 == 0 {
        1
    } else {
        let count = u32_at(rest, 0).unwrap_or(0);
        rest = rest.get(4..).unwrap_or_default();
        count
    };
    for _ in 0..(count as usize).min(MOST) {
        let mut kind = kind & 0xFFF;
        if kind == 0x0C {
            // A variant says its type each time.
            kind = u32_at(rest, 0).unwrap_or(0);
            rest = rest.get(4..).unwrap_or_default();
        }
        let length = u32_at(rest, 0).unwrap_or(0) as usize;
        let Some(left) = room.checked_sub(4 + length.min(rest.len())) else { return };
        *room = left;
        let (text, taken) = match kind {
            0x1E => {
                let raw = rest.get(4..).unwrap_or_default();
                let raw = &raw[..length.min(raw.len())];
                // Counts of texts in 8-bit are padded to four bytes except inside vectors; what is shown does not depend on it.
                (code_page::decoded(raw, code_page).0, length.saturating_add(4))
            }
            0x1F => {
                let raw = rest.get(4..).unwrap_or_default();
                let raw = &raw[..length.saturating_mul(2).min(raw.len())];
                // A length beyond the end ends the list.
                (code_page::utf16(raw), raw.len().next_multiple_of(4) + 4)
            }
            3 => (String::new(), 4),
            _ => return,
        };
        let text = code_page::to_nul(&text).trim();
        if !text.is_empty() {
            out.push_str(text);
            out.push('\n');
        }
        rest = rest.get(taken..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
    }
}

fn dictionary(bytes: &[u8], code_page: u32, out: &mut String, room: &mut usize) {
    let count = u32_at(bytes, 0).unwrap_or(0) as usize;
    let mut rest = bytes.get(4..).unwrap_or_default();
    for _ in 0..count.min(MOST) {
        let Some(length) = u32_at(rest, 4).map(|length| length as usize) else { return };
        let wide = code_page == 1200;
        let size = if wide { length.saturating_mul(2) } else { length };
        let Some(raw) = rest.get(8..).and_then(|rest| rest.get(..size)) else { return };
        let Some(left) = room.checked_sub(8 + size) else { return };
        *room = left;
        let text = if wide { code_page::utf16(raw) } else { code_page::decoded(raw, code_page).0 };
        out.push_str(code_page::to_nul(&text));
        out.push('\n');
        let taken = 8 + if wide { raw.len().next_multiple_of(4) } else { size };
        rest = rest.get(taken..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_type_are_found() {
        let mut set = Vec::new();
        let values: [&[u8]; 3] = [
            b"\x02\0\0\0\xA4\x03\0\0",
            b"\x1E\0\0\0\x05\0\0\0\x8E\x52\x93\x63\0\0\0\0",
            b"\x1F\x10\0\0\x02\0\0\0\x02\0\0\0\x71\x5C\0\0\x02\0\0\0A\0\0\0",
        ];
        let mut at = 8 + 3 * 8_u32;
        set.extend_from_slice(&[0, 0, 0, 0, 3, 0, 0, 0]);
        for (id, value) in [1_u32, 2, 3].into_iter().zip(values) {
            set.extend_from_slice(&id.to_le_bytes());
            set.extend_from_slice(&at.to_le_bytes());
            at += u32::try_from(value.len()).unwrap();
        }
        set.extend(values.concat());
        let mut stream = vec![0; 48];
        stream[24] = 1;
        stream[44] = 48;
        stream.extend(set);
        assert_eq!(texts(&stream), "山田\n山\nA\n");
        for end in 0..stream.len() {
            let _ = texts(&stream[..end]);
        }
    }
}
