//! Pictures: only how large they are, to tell a logo from a page.
//! It refuses to decode one; a picture that may hold text is reported as unread.

use super::kind::Kind;

/// Bytes below which a picture shown inside a mail or document is taken for decoration.
const SMALL_BYTES: usize = 10 * 1024;
/// Pixels a side below which it is.
const SMALL_SIDE: u32 = 150;

/// Is this picture too small to carry a page of text?
pub(super) fn is_small(kind: Kind, bytes: &[u8]) -> bool {
    bytes.len() < SMALL_BYTES
        || size(kind, bytes).is_some_and(|(width, height)| width < SMALL_SIDE && height < SMALL_SIDE)
}

/// Width and height in pixels, where the header says so in a fixed place.
fn size(kind: Kind, bytes: &[u8]) -> Option<(u32, u32)> {
    let little = |at: usize| bytes.get(at..at + 2).map(|raw| u32::from(u16::from_le_bytes([raw[0], raw[1]])));
    let big = |at: usize| bytes.get(at..at + 4).map(|raw| u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]]));
    match kind {
        Kind::Png => Some((big(16)?, big(20)?)),
        Kind::Gif => Some((little(6)?, little(8)?)),
        Kind::Bmp => Some((little(18)?, little(22)?)),
        Kind::Jpeg => jpeg(bytes),
        Kind::Webp => match bytes.get(12..16)? {
            b"VP8 " => Some((little(26)? & 0x3FFF, little(28)? & 0x3FFF)),
            b"VP8X" => {
                let side = |at: usize| Some(little(at)? + (u32::from(*bytes.get(at + 2)?) << 16) + 1);
                Some((side(24)?, side(27)?))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The start-of-frame segment (ITU-T T.81 B.2.2).
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    for _ in 0..1_000 {
        let [0xFF, marker, high, low] = *bytes.get(at..at + 4)? else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            let side = |at: usize| bytes.get(at..at + 2).map(|raw| u32::from(u16::from_be_bytes([raw[0], raw[1]])));
            return Some((side(at + 7)?, side(at + 5)?));
        }
        at += 2 + length.max(2);
    }
    None
}
