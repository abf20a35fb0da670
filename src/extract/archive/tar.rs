//! Tar archives: ustar and pax (POSIX.1-2017, pax 4.13), GNU's long names and sparse files, and the old form without a magic number.
//! It refuses to stop where an archive says that it ends: what stands behind the mark is read too.

use super::super::{Content, Extracted, Piece, Role, Why};
use super::{charset, entry, readings};
use crate::limits::Budget;
use memchr::memchr;
use std::borrow::Cow;

/// Everything in a tar is counted in blocks of this size.
const BLOCK: usize = 512;

/// One member, its name and content still in the archive.
struct Member<'a> {
    name: Cow<'a, [u8]>,
    /// Where a link leads.
    link: Option<Cow<'a, [u8]>>,
    content: &'a [u8],
    /// The archive ends inside it.
    cut: bool,
    /// It goes on in another volume, or came from one (GNU, type `M`).
    part: bool,
}

/// What extended headers say about the member that follows.
#[derive(Default)]
struct Extended<'a> {
    name: Option<&'a [u8]>,
    link: Option<&'a [u8]>,
    size: Option<u64>,
    /// GNU's sparse format 1.0: a map stands before the content.
    has_map: bool,
}

/// What a whole archive says.
#[derive(Default)]
struct Listing<'a> {
    members: Vec<Member<'a>>,
    /// Labels of volumes and comments.
    notes: Vec<&'a [u8]>,
    damaged: bool,
    too_many: bool,
}

/// Is this the header of a member? The checksum is the sum of all octets with itself blank; some old programs counted them signed.
pub(in super::super) fn is_header(bytes: &[u8]) -> bool {
    let Some(block) = bytes.get(..BLOCK) else { return false };
    let Some(claimed) = number(&block[148..156]).filter(|claimed| *claimed > 0) else { return false };
    let (mut sum, mut signed) = (8 * u64::from(b' '), 8 * i64::from(b' '));
    for (_, byte) in block.iter().enumerate().filter(|(at, _)| !(148..156).contains(at)) {
        sum += u64::from(*byte);
        signed += i64::from(byte.cast_signed());
    }
    block[0] != 0 && (claimed == sum || i64::try_from(claimed) == Ok(signed))
}

/// Reads every member; `missing` says that the archive itself was not wholly unpacked.
pub(in super::super) fn read(path: &str, bytes: &[u8], missing: Option<Why>, budget: &mut Budget, out: &mut Extracted) {
    let listing = list(bytes, budget.entries_left());
    let names = listing.members.iter().flat_map(|member| [Some(&member.name), member.link.as_ref()]).flatten();
    let charset = charset(names.map(AsRef::as_ref));
    for note in listing.notes {
        if budget.take_entry().is_err() {
            out.unread(path, Why::Limit);
            return;
        }
        for note in readings(note, charset) {
            out.text(path, Role::Property, note);
        }
    }
    for member in listing.members {
        if budget.take_entry().is_err() {
            out.unread(path, Why::Limit);
            return;
        }
        let names = readings(&member.name, charset);
        if let Some(link) = member.link {
            for name in names.into_iter().chain(readings(&link, charset)) {
                let piece = Piece { path: path.to_owned(), role: Role::FileName, content: Content::Text(name) };
                out.pieces.push(piece);
            }
            continue;
        }
        let lost = match missing {
            _ if member.part => Some(Why::Unsupported),
            Some(why) if member.cut => Some(why),
            _ => member.cut.then_some(Why::Damaged),
        };
        entry(path, names, member.content, lost, budget, out);
    }
    if listing.too_many {
        out.unread(path, Why::Limit);
    }
    if listing.damaged && missing.is_none() {
        out.unread(path, Why::Damaged);
    }
    if let Some(why) = missing {
        out.unread(path, why);
    }
}

/// Finds the members, from header to header.
fn list(bytes: &[u8], most: u64) -> Listing<'_> {
    let mut listing = Listing::default();
    let mut extended = Extended::default();
    let mut at = 0;
    let mut ended = false;
    while let Some(block) = bytes.get(at..) {
        if !is_header(block) {
            // Zeros fill the end; anything else lies between members, and the next header is searched for.
            ended |= is_blank(block) && !block.is_empty();
            listing.damaged |= !is_blank(block);
            at += BLOCK;
            continue;
        }
        if listing.members.len() as u64 >= most {
            listing.too_many = true;
            break;
        }
        let (header, mut data) = block.split_at(BLOCK);
        let kind = header[156];
        let is_meta = matches!(kind, b'x' | b'X' | b'g' | b'L' | b'K');
        let size = if is_meta { None } else { extended.size };
        let size = size.or_else(|| number(&header[124..136]));
        listing.damaged |= size.is_none();
        let mut size = usize::try_from(size.unwrap_or(0)).unwrap_or(usize::MAX);
        // Links, devices and folders have no content, though some programs write the size of what they lead to.
        if matches!(kind, b'1'..=b'6') && (data.is_empty() || is_header(data) || is_blank(data)) {
            size = 0;
        }
        let mut skipped = 0;
        if kind == b'S' {
            skipped = sparse_headers(header, data);
            data = data.get(skipped..).unwrap_or_default();
        }
        let cut = size > data.len();
        let mut content = &data[..size.min(data.len())];
        let padded = size.min(data.len()).div_ceil(BLOCK) * BLOCK;
        at = at.saturating_add(BLOCK + skipped).saturating_add(padded);
        match kind {
            b'x' | b'X' => listing.damaged |= cut | !records(content, &mut extended, &mut listing.notes),
            b'g' => listing.damaged |= cut | !records(content, &mut Extended::default(), &mut listing.notes),
            b'L' => (extended.name, listing.damaged) = (Some(until_zero(content)), listing.damaged | cut),
            b'K' => (extended.link, listing.damaged) = (Some(until_zero(content)), listing.damaged | cut),
            b'V' => listing.notes.push(until_zero(&header[..100])),
            _ => {
                let given = std::mem::take(&mut extended);
                let name = given.name.map_or_else(|| name_of(header), Cow::Borrowed);
                let link = given.link.map_or_else(|| Cow::Borrowed(until_zero(&header[157..257])), Cow::Borrowed);
                if given.has_map {
                    content = behind_map(content);
                }
                let is_link = matches!(kind, b'1' | b'2') && content.is_empty();
                // A folder's path stands in the names of what is in it (the old form has no type for it); a device holds nothing.
                let is_folder = matches!(kind, b'3'..=b'6') || name.ends_with(b"/");
                if !(is_folder && content.is_empty() && !cut) {
                    let link = is_link.then_some(link);
                    listing.members.push(Member { name, link, content, cut, part: kind == b'M' });
                }
            }
        }
    }
    // Without the mark of its end, or with a name and nothing of that name, something was cut off.
    listing.damaged |= !listing.too_many && (!ended || extended.name.is_some());
    listing
}

fn is_blank(data: &[u8]) -> bool {
    data.iter().take(BLOCK).all(|byte| *byte == 0)
}

/// A number in octal, or with the top bit set in two's complement over the rest of the field (GNU tar, "Extensions"); blank is 0.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let (first, rest) = field.split_first()?;
        return rest.iter().try_fold(u64::from(first & 0x7F), |value, byte| {
            value.checked_mul(256).map(|value| value | u64::from(*byte))
        });
    }
    let text = until_zero(field).trim_ascii();
    text.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8).map(|value| value | u64::from(byte - b'0')),
        _ => None,
    })
}

fn until_zero(field: &[u8]) -> &[u8] {
    &field[..memchr(0, field).unwrap_or(field.len())]
}

/// The name in the header: ustar has a prefix for it, and GNU keeps times in that place.
fn name_of(header: &[u8]) -> Cow<'_, [u8]> {
    let name = until_zero(&header[..100]);
    let prefix = until_zero(&header[345..500]);
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        return Cow::Owned([prefix, b"/", name].concat());
    }
    Cow::Borrowed(name)
}

/// Records of pax, `24 path=名簿.csv\n`, whose first number is their own length; `false` when they are broken.
fn records<'a>(mut rest: &'a [u8], extended: &mut Extended<'a>, notes: &mut Vec<&'a [u8]>) -> bool {
    while !until_zero(rest).is_empty() {
        let Some(blank) = memchr(b' ', &rest[..rest.len().min(20)]) else { return false };
        let length = std::str::from_utf8(&rest[..blank]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let Some(length) = length.filter(|length| *length > blank + 1 && *length <= rest.len()) else { return false };
        let (record, behind) = rest.split_at(length);
        rest = behind;
        let record = record[blank + 1..].strip_suffix(b"\n").unwrap_or(&record[blank + 1..]);
        let Some(equals) = memchr(b'=', record) else { return false };
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            // The name of a sparse file stands beside the one of what holds it.
            b"GNU.sparse.name" => extended.name = Some(value),
            b"path" if !extended.has_map || extended.name.is_none() => extended.name = Some(value),
            b"linkpath" => extended.link = Some(value),
            b"GNU.sparse.major" => extended.has_map = value == b"1",
            b"comment" => notes.push(value),
            b"size" => {
                extended.size = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                if extended.size.is_none() {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

/// Octets of GNU's further headers of a sparse file: each says in its octet 504 whether another follows, the first in 482.
fn sparse_headers(header: &[u8], data: &[u8]) -> usize {
    let mut length = 0;
    let mut more = header[482] != 0;
    while more && data.len() >= length + BLOCK {
        more = data[length + 504] != 0;
        length += BLOCK;
    }
    length
}

/// The content behind a sparse map: a count, that many pairs of numbers, each on a line, filled up to a block (GNU tar, "PAX 1.0").
fn behind_map(content: &[u8]) -> &[u8] {
    let mut ends = memchr::memchr_iter(b'\n', content);
    let count = ends.next().and_then(|end| std::str::from_utf8(&content[..end]).ok()?.parse::<usize>().ok());
    let last = match count {
        Some(0) => memchr(b'\n', content),
        Some(count) => count.checked_mul(2).and_then(|lines| ends.nth(lines - 1)),
        None => None,
    };
    last.and_then(|end| content.get((end + 1).div_ceil(BLOCK) * BLOCK..)).unwrap_or(content)
}
