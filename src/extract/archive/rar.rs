//! RAR archives (RARLAB's technical notes for 1.5 to 4 and for 5): names, comments, links, what is encrypted, and files that are only stored.
//! It refuses to unpack: a packed file is named and said to be unread, with everything that its header tells.

use super::super::little_endian::{u16_at, u32_at};
use super::super::{Content, Extracted, Piece, Role, Why};
use super::{charset, entry, readings, sealed};
use crate::limits::Budget;
use memchr::memchr;

/// The mark of format 5; the older one lacks its last two octets.
const MARK: &[u8] = b"Rar!\x1A\x07\x01\0";

/// A file as its header tells it.
struct File<'a> {
    name: Name<'a>,
    link: Option<&'a [u8]>,
    packed: &'a [u8],
    is_sealed: bool,
    is_stored: bool,
    is_folder: bool,
    /// It began in the volume before, or goes on in the next.
    is_part: bool,
    cut: bool,
}

enum Name<'a> {
    /// In the charset of the system that packed it, or UTF-8.
    Raw(&'a [u8]),
    Wide(String),
}

/// What an archive's headers tell.
#[derive(Default)]
struct Listing<'a> {
    files: Vec<File<'a>>,
    comments: Vec<&'a [u8]>,
    /// Files, or what says something beside them, that are left unread at the archive's own place.
    missing: Vec<Why>,
}

/// Reads every file of an archive that its headers give.
pub(in super::super) fn read(path: &str, bytes: &[u8], budget: &mut Budget, out: &mut Extracted) {
    let most = budget.entries_left();
    let listing = match bytes.strip_prefix(MARK) {
        Some(rest) => five(rest, most),
        None => four(bytes.get(7..).unwrap_or_default(), most),
    };
    let raw = listing.files.iter().filter_map(|file| match file.name {
        Name::Raw(name) => Some(name),
        Name::Wide(_) => None,
    });
    let charset = charset(raw);
    for comment in listing.comments {
        if budget.take_entry().is_err() {
            out.unread(path, Why::Limit);
            return;
        }
        for comment in readings(comment, charset) {
            out.text(path, Role::Property, comment);
        }
    }
    for file in listing.files {
        if budget.take_entry().is_err() {
            out.unread(path, Why::Limit);
            return;
        }
        let names = match file.name {
            Name::Raw(raw) => readings(raw, charset),
            Name::Wide(name) => vec![name],
        };
        if let Some(link) = file.link {
            for name in names.into_iter().chain(readings(link, charset)) {
                let piece = Piece { path: path.to_owned(), role: Role::FileName, content: Content::Text(name) };
                out.pieces.push(piece);
            }
        } else if file.is_sealed {
            sealed(path, names, file.packed.len() as u64, out);
        } else if !file.is_folder {
            let lost =
                if file.is_part || !file.is_stored { Some(Why::Unsupported) } else { file.cut.then_some(Why::Damaged) };
            entry(path, names, if file.is_stored { file.packed } else { &[] }, lost, budget, out);
        }
    }
    for why in listing.missing {
        out.unread(path, why);
    }
}

/// RAR 5: checksum, size, type, flags, then what the type has, an extra area at the end of the header, and data behind it.
fn five(mut rest: &[u8], most: u64) -> Listing<'_> {
    let mut listing = Listing::default();
    loop {
        let Some((kind, file, behind)) = block_of_five(rest, &mut listing) else {
            // Only the last block, which says that the archive ends, may be the last.
            listing.missing.push(Why::Damaged);
            return listing;
        };
        if kind == 4 {
            listing.missing.push(Why::Encrypted);
            return listing;
        }
        if kind == 5 {
            return listing;
        }
        if let Some(file) = file {
            if listing.files.len() as u64 >= most {
                listing.missing.push(Why::Limit);
                return listing;
            }
            listing.files.push(file);
        }
        rest = behind;
    }
}

/// One block: its type, the file if it is one, and what follows.
fn block_of_five<'a>(rest: &'a [u8], listing: &mut Listing<'a>) -> Option<(u64, Option<File<'a>>, &'a [u8])> {
    let mut cursor = rest.get(4..)?;
    let size = usize::try_from(number(&mut cursor)?).ok()?;
    let (mut header, behind) = cursor.split_at_checked(size)?;
    let (kind, flags) = (number(&mut header)?, number(&mut header)?);
    let extra = if flags & 1 != 0 { number(&mut header)? } else { 0 };
    let size = if flags & 2 != 0 { number(&mut header)? } else { 0 };
    let (mut header, extra) = header.split_at_checked(header.len().checked_sub(usize::try_from(extra).ok()?)?)?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let (packed, behind) = behind.split_at(size.min(behind.len()));
    match kind {
        // Flag 1 of the archive: a volume of several.
        1 if number(&mut header)? & 1 != 0 => listing.missing.push(Why::Unsupported),
        2 | 3 => {
            let mut file = file_of_five(header, extra, packed)?;
            file.is_part = flags & 0x18 != 0;
            file.cut = packed.len() < size;
            if kind == 2 {
                return Some((kind, Some(file), behind));
            }
            let is_comment = matches!(file.name, Name::Raw(b"CMT"));
            let is_stream = matches!(file.name, Name::Raw(b"STM"));
            if is_comment && file.is_stored && !file.is_sealed {
                listing.comments.push(packed);
            } else if is_comment || is_stream {
                listing.missing.push(Why::Unsupported);
            }
        }
        _ => {}
    }
    Some((kind, None, behind))
}

fn file_of_five<'a>(mut header: &'a [u8], mut extra: &'a [u8], packed: &'a [u8]) -> Option<File<'a>> {
    let flags = number(&mut header)?;
    let (_size, _attributes) = (number(&mut header)?, number(&mut header)?);
    // Time and checksum.
    header = header.get(if flags & 2 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 }..)?;
    let method = number(&mut header)? >> 7 & 7;
    let _system = number(&mut header)?;
    let name = text(&mut header)?;
    let mut file = File {
        name: Name::Raw(name),
        link: None,
        packed,
        is_sealed: false,
        is_stored: method == 0,
        is_folder: flags & 1 != 0,
        is_part: false,
        cut: false,
    };
    while let Some(length) = number(&mut extra) {
        let Some((mut record, others)) = extra.split_at_checked(usize::try_from(length).ok()?) else { break };
        match number(&mut record) {
            Some(1) => file.is_sealed = true,
            // A link: its type, flags, and where it leads.
            Some(5) => {
                let _ = (number(&mut record), number(&mut record));
                file.link = text(&mut record);
            }
            _ => {}
        }
        extra = others;
    }
    Some(file)
}

/// RAR 5's number: seven bits an octet, least first, the top bit says that more follow.
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

/// A text behind its length.
fn text<'a>(cursor: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(cursor)?).ok()?;
    let (text, rest) = cursor.split_at_checked(length)?;
    *cursor = rest;
    Some(text)
}

/// RAR 1.5 to 4: checksum, type, flags, size of the header; data follows when a flag or the type says so.
fn four(mut rest: &[u8], most: u64) -> Listing<'_> {
    let mut listing = Listing::default();
    while !rest.is_empty() {
        let header = rest.get(..7).and_then(|raw| Some((raw[2], u16_at(raw, 3)?, usize::from(u16_at(raw, 5)?))));
        let Some((kind, flags, header)) = header.and_then(|(kind, flags, size)| {
            rest.split_at_checked(size).filter(|_| size >= 7).map(|(header, _)| (kind, flags, header))
        }) else {
            listing.missing.push(Why::Damaged);
            return listing;
        };
        let has_data = flags & 0x8000 != 0 || matches!(kind, 0x74 | 0x7A);
        let mut size = if has_data { u32_at(header, 7).map_or(0, u64::from) } else { 0 };
        if matches!(kind, 0x74 | 0x7A) && flags & 0x100 != 0 {
            size |= u32_at(header, 32).map_or(0, u64::from) << 32;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let behind = &rest[header.len()..];
        let (packed, behind) = behind.split_at(size.min(behind.len()));
        match kind {
            0x73 if flags & 0x80 != 0 => {
                listing.missing.push(Why::Encrypted);
                return listing;
            }
            // A volume of several.
            0x73 if flags & 1 != 0 => listing.missing.push(Why::Unsupported),
            0x74 => {
                let Some(mut file) = file_of_four(header, flags, packed) else {
                    listing.missing.push(Why::Damaged);
                    return listing;
                };
                file.cut = packed.len() < size;
                if listing.files.len() as u64 >= most {
                    listing.missing.push(Why::Limit);
                    return listing;
                }
                listing.files.push(file);
            }
            // Comments are packed: the old block, and the one in a block of services.
            0x75 => listing.missing.push(Why::Unsupported),
            0x7A if header.get(32..).is_some_and(|name| name.starts_with(b"CMT")) => {
                listing.missing.push(Why::Unsupported);
            }
            0x7B => return listing,
            0x72..=0x7A => {}
            _ => {
                listing.missing.push(Why::Damaged);
                return listing;
            }
        }
        rest = behind;
    }
    listing
}

fn file_of_four<'a>(header: &'a [u8], flags: u16, packed: &'a [u8]) -> Option<File<'a>> {
    let method = *header.get(25)?;
    let length = usize::from(u16_at(header, 26)?);
    let start = if flags & 0x100 != 0 { 40 } else { 32 };
    let raw = header.get(start..start + length)?;
    // With flag 0x200 a zero divides the name in the system's charset from the way to make the Unicode one of it; alone it is UTF-8.
    let name = match memchr(0, raw) {
        Some(end) if flags & 0x200 != 0 => Name::Wide(wide(&raw[..end], &raw[end + 1..])),
        _ => Name::Raw(raw),
    };
    Some(File {
        name,
        link: None,
        packed,
        is_sealed: flags & 4 != 0,
        is_stored: method == 0x30,
        is_folder: flags & 0xE0 == 0xE0,
        is_part: flags & 3 != 0,
        cut: false,
    })
}

/// The Unicode name: two bits for each character or run say whether it is given low, with the common high octet, whole, or copied.
fn wide(name: &[u8], code: &[u8]) -> String {
    let mut code = code.iter().copied();
    let high = u16::from(code.next().unwrap_or(0)) << 8;
    let mut units: Vec<u16> = Vec::new();
    let copy = |units: &mut Vec<u16>, length: u8, change: Option<u8>| {
        for _ in 0..usize::from(length) + 2 {
            let Some(byte) = name.get(units.len()) else { break };
            units.push(match change {
                Some(change) => u16::from(byte.wrapping_add(change)) | high,
                None => u16::from(*byte),
            });
        }
    };
    while let Some(flags) = code.next() {
        for shift in [6, 4, 2, 0] {
            let Some(byte) = code.next() else { break };
            match flags >> shift & 3 {
                0 => units.push(u16::from(byte)),
                1 => units.push(u16::from(byte) | high),
                2 => units.push(u16::from(byte) | u16::from(code.next().unwrap_or(0)) << 8),
                _ if byte & 0x80 != 0 => copy(&mut units, byte & 0x7F, code.next()),
                _ => copy(&mut units, byte, None),
            }
        }
    }
    String::from_utf16_lossy(&units)
}
