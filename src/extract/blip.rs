//! Pictures inside the streams of old office documents (MS-ODRAW 2.2.23), found by their records.
//! It refuses to decode one; a picture that may hold text is reported as unread.

use super::kind::{self, Kind};
use super::little_endian::{u16_at, u32_at};
use super::{Extracted, Why, image};
use memchr::memchr_iter;

/// Pictures of one document that are reported one by one.
const MOST: usize = 100;

/// Reports every picture that is not small.
pub(super) fn report<'a>(path: &str, streams: impl IntoIterator<Item = &'a [u8]>, out: &mut Extracted) {
    let mut number = 0;
    for stream in streams {
        let mut behind = 0;
        // The high byte of the record types 0xF01A to 0xF02A.
        for at in memchr_iter(0xF0, stream) {
            let Some(start) = at.checked_sub(3).filter(|start| *start >= behind) else { continue };
            let Some((length, picture)) = blip(&stream[start..]) else { continue };
            behind = start + 8 + length;
            number += 1;
            let kind = match kind::of(picture).kind {
                kind if kind.is_image() => kind,
                _ => Kind::Emf,
            };
            if !image::is_small(kind, picture) && number <= MOST {
                out.unread(&format!("{path}!picture{number}"), Why::Image);
            }
        }
    }
}

/// The length of the record that begins here and its picture, if it is one: type and instance belong together.
fn blip(record: &[u8]) -> Option<(usize, &[u8])> {
    let instance = u16_at(record, 0)? >> 4;
    let length = usize::try_from(u32_at(record, 4)?).ok()?;
    let (known, two_ids, head) = match u16_at(record, 2)? {
        0xF01A => (matches!(instance, 0x3D4 | 0x3D5), instance == 0x3D5, 34),
        0xF01B => (matches!(instance, 0x216 | 0x217), instance == 0x217, 34),
        0xF01C => (matches!(instance, 0x542 | 0x543), instance == 0x543, 34),
        0xF01D | 0xF02A => (matches!(instance, 0x46A | 0x46B | 0x6E2 | 0x6E3), matches!(instance, 0x46B | 0x6E3), 1),
        0xF01E => (matches!(instance, 0x6E0 | 0x6E1), instance == 0x6E1, 1),
        0xF01F => (matches!(instance, 0x7A8 | 0x7A9), instance == 0x7A9, 1),
        0xF029 => (matches!(instance, 0x6E4 | 0x6E5), instance == 0x6E5, 1),
        _ => return None,
    };
    if !known {
        return None;
    }
    // Behind the header one or two checksums of sixteen bytes, then what the picture's kind needs.
    let skipped = 16 + if two_ids { 16 } else { 0 } + head;
    let rest = record.get(8..)?;
    let picture = rest[..length.min(rest.len())].get(skipped..)?;
    Some((length, picture))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_reported_and_a_logo_is_not() {
        let record = |size: usize| {
            let mut record = vec![0, 0x6E, 0x1E, 0xF0];
            record.extend_from_slice(&u32::try_from(size + 17).unwrap().to_le_bytes());
            record.extend_from_slice(&[0; 17]);
            record.extend_from_slice(b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\x04\0\0\0\x04\0");
            record.resize(8 + 17 + size, 0xF0);
            record
        };
        let mut out = Extracted::default();
        let stream = [vec![0xF0; 9], record(100), record(20_000)].concat();
        report("a.doc", [stream.as_slice()], &mut out);
        assert_eq!(out.unreadable.len(), 1);
        assert_eq!((out.unreadable[0].path.as_str(), out.unreadable[0].why), ("a.doc!picture2", Why::Image));
    }
}
