//! Password protection of formats whose content is read elsewhere, told by their headers.
//! It refuses to try a password; it only says that one is needed.

use super::Kind;
use memchr::memmem;

/// Is the whole content, or any entry, under a password?
pub(super) fn is_sealed(kind: Kind, bytes: &[u8]) -> bool {
    match kind {
        // The trailer or the cross-reference stream's dictionary is never compressed (ISO 32000-2 7.6.1).
        Kind::Pdf => {
            memmem::find_iter(bytes, b"/Encrypt").any(|at| !bytes.get(at + 8).is_some_and(u8::is_ascii_alphabetic))
        }
        // Coder 06F10701 (AES-256 + SHA-256) in the header, whether the names are hidden or not.
        Kind::SevenZip => memmem::find(bytes, b"\x06\xF1\x07\x01").is_some(),
        Kind::Rar if bytes.starts_with(b"Rar!\x1A\x07\x01\0") => rar5(&bytes[8..]),
        Kind::Rar => rar4(bytes.get(7..).unwrap_or_default()),
        _ => false,
    }
}

/// RAR 1.5–4: flag 0x80 of the archive header hides the names, flag 0x04 of a file header the content.
fn rar4(mut rest: &[u8]) -> bool {
    for _ in 0..10_000 {
        let Some(header) = rest.get(..7) else { return false };
        let flags = u16::from_le_bytes([header[3], header[4]]);
        let size = usize::from(u16::from_le_bytes([header[5], header[6]]));
        match header[2] {
            0x73 if flags & 0x80 != 0 => return true,
            0x74 if flags & 0x04 != 0 => return true,
            _ => {}
        }
        let data = if flags & 0x8000 != 0 || header[2] == 0x74 {
            rest.get(7..11).map_or(0, |raw| u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) as usize)
        } else {
            0
        };
        let Some(next) = size.max(7).checked_add(data).and_then(|step| rest.get(step..)) else { return false };
        rest = next;
    }
    false
}

/// RAR 5: a header of type 4 hides the names; an extra record of type 1 in a file header hides the content.
fn rar5(mut rest: &[u8]) -> bool {
    for _ in 0..10_000 {
        let Some(mut cursor) = rest.get(4..) else { return false };
        let Some(size) = number(&mut cursor) else { return false };
        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= cursor.len()) else { return false };
        let (mut header, behind) = cursor.split_at(size);
        let (Some(kind), Some(flags)) = (number(&mut header), number(&mut header)) else { return false };
        if kind == 4 {
            return true;
        }
        let extra = if flags & 1 != 0 { number(&mut header).unwrap_or(0) } else { 0 };
        let data = if flags & 2 != 0 { number(&mut header).unwrap_or(0) } else { 0 };
        let extra = usize::try_from(extra).unwrap_or(0).min(header.len());
        let mut records = &header[header.len() - extra..];
        while let Some(length) = number(&mut records) {
            let Some(length) = usize::try_from(length).ok().filter(|length| *length <= records.len()) else { break };
            let (mut record, others) = records.split_at(length);
            if kind == 2 && number(&mut record) == Some(1) {
                return true;
            }
            records = others;
        }
        let Some(next) = usize::try_from(data).ok().and_then(|data| behind.get(data..)) else { return false };
        rest = next;
    }
    false
}

/// RAR 5's number: seven bits a byte, least first, the top bit says that more follow.
fn number(cursor: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = cursor.split_first()?;
        *cursor = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
