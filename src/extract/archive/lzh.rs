//! LZH archives (LHA's header levels 0 to 3, by its `header.doc.euc`, with UNLHA32's Unicode names): `-lh0-` to `-lh7-`, `-lz4-`, `-lz5-`, `-lzs-`.
//! It refuses to stop at a broken header: the next one is searched for, and the archive is damaged.

use super::super::{Content, Extracted, Piece, Role, Why};
use super::{charset, counted, entry, readings};
use crate::limits::Budget;
use delharc::decode::{DecoderAny, LhaDecodeReader};
use delharc::header::LhaHeader;
use delharc::stub_io::Read;
use encoding_rs::UTF_16LE;
use memchr::memmem;

/// Octets in which a header must end; level 3 could claim four gibibytes.
const LONGEST_HEADER: usize = 70_000;
/// Extended headers: name, folder, comment, and the first two in UTF-16.
const NAME: u8 = 0x01;
const FOLDER: u8 = 0x02;
const COMMENT: u8 = 0x3F;
const WIDE_NAME: u8 = 0x44;
const WIDE_FOLDER: u8 = 0x45;

/// One member, its content still packed.
struct Member<'a> {
    header: LhaHeader,
    packed: &'a [u8],
    cut: bool,
}

/// Reads every member of an archive.
pub(in super::super) fn read(path: &str, bytes: &[u8], budget: &mut Budget, out: &mut Extracted) {
    let (members, complete) = list(bytes, budget.entries_left());
    let names: Vec<Vec<u8>> = members.iter().map(|member| name_of(&member.header)).collect();
    let charset = charset(names.iter().map(Vec::as_slice));
    for (member, raw) in members.into_iter().zip(names) {
        if budget.take_entry().is_err() {
            out.unread(path, Why::Limit);
            return;
        }
        let mut names: Vec<String> = wide_name(&member.header).into_iter().collect();
        names.extend(readings(&raw, charset).into_iter().filter(|name| !name.is_empty()));
        names.dedup();
        if let Some(comment) = extra(&member.header, COMMENT) {
            for comment in readings(comment, charset) {
                out.text(path, Role::Property, comment);
            }
        }
        if member.header.is_directory() {
            // A link is a folder whose name says where it leads, behind a bar.
            for name in names.into_iter().filter(|name| name.contains('|')) {
                let piece = Piece { path: path.to_owned(), role: Role::FileName, content: Content::Text(name) };
                out.pieces.push(piece);
            }
            continue;
        }
        let allowance = budget.allowance(member.packed.len() as u64);
        let (mut content, lost) = unpacked(member, allowance);
        let lost = counted(&mut content, allowance, budget).or(lost);
        entry(path, names, &content, lost, budget, out);
    }
    if let Err(why) = complete {
        out.unread(path, why);
    }
}

/// Finds the members, from header to header; the archive ends with a zero.
fn list(bytes: &[u8], most: u64) -> (Vec<Member<'_>>, Result<(), Why>) {
    let mut members = Vec::new();
    let mut complete = Ok(());
    let mut tries = 0;
    let mut at = 0_usize;
    loop {
        let window = &bytes[at..bytes.len().min(at.saturating_add(LONGEST_HEADER))];
        let mut rest = window;
        match LhaHeader::read(&mut rest) {
            Ok(Some(header)) => {
                if members.len() as u64 >= most {
                    return (members, Err(Why::Limit));
                }
                at += window.len() - rest.len();
                let size = usize::try_from(header.compressed_size).unwrap_or(usize::MAX);
                let left = &bytes[at..];
                let cut = size > left.len();
                members.push(Member { header, packed: &left[..size.min(left.len())], cut });
                at += size.min(left.len());
            }
            Ok(None) if bytes.get(at) == Some(&0) && is_padding(&bytes[at..]) => return (members, complete),
            // The end without its mark, something behind the mark, or a broken header.
            _ => {
                complete = Err(Why::Damaged);
                tries += 1;
                if tries > most {
                    return (members, Err(Why::Limit));
                }
                let Some(next) = next_header(bytes, at + 1) else { return (members, complete) };
                at = next;
            }
        }
    }
}

/// Zeros, or the filling of old transfers (XMODEM's 0x1A).
fn is_padding(rest: &[u8]) -> bool {
    rest.iter().all(|byte| matches!(byte, 0 | 0x1A))
}

/// Where a method (`-lh5-`) stands that a header could have, two octets behind its start.
fn next_header(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from + 2;
    let rest = bytes.get(start..)?;
    memmem::find_iter(rest, b"-l")
        .find(|at| matches!(rest.get(at + 2..at + 5), Some([b'h' | b'z', _, b'-'])))
        .map(|at| start + at - 2)
}

fn unpacked(member: Member<'_>, allowance: u64) -> (Vec<u8>, Option<Why>) {
    let decoder = DecoderAny::new_from_header(&member.header, member.packed);
    if !decoder.is_supported() {
        return (Vec::new(), Some(Why::Unsupported));
    }
    let mut reader = LhaDecodeReader::default();
    reader.begin_with_header_and_decoder(member.header, decoder);
    let mut content = Vec::new();
    // Of the chunk in which an error comes, nothing is known.
    let mut chunk = [0; 512];
    while content.len() as u64 <= allowance {
        match reader.read_all(&mut chunk) {
            Ok(0) => {
                let whole = !member.cut && reader.crc_is_ok();
                return (content, (!whole).then_some(Why::Damaged));
            }
            Ok(count) => content.extend_from_slice(&chunk[..count]),
            Err(_) => return (content, Some(Why::Damaged)),
        }
    }
    (content, None)
}

/// The content of an extended header.
fn extra(header: &LhaHeader, kind: u8) -> Option<&[u8]> {
    header.iter_extra().find(|extra| extra.first() == Some(&kind)).and_then(|extra| extra.get(1..))
}

/// Folder and name as written; 0xFF stands between folders.
fn name_of(header: &LhaHeader) -> Vec<u8> {
    let name = extra(header, NAME).unwrap_or(&header.filename);
    let mut whole = extra(header, FOLDER).unwrap_or_default().to_vec();
    whole.extend_from_slice(name);
    for byte in &mut whole {
        if *byte == 0xFF {
            *byte = b'/';
        }
    }
    whole
}

/// Folder and name in UTF-16, where 0xFFFF stands between folders.
fn wide_name(header: &LhaHeader) -> Option<String> {
    let name = extra(header, WIDE_NAME)?;
    let folder = extra(header, WIDE_FOLDER).unwrap_or_default();
    let decode = |raw: &[u8]| UTF_16LE.decode_without_bom_handling(raw).0.replace('\u{FFFF}', "/");
    Some(decode(folder) + &decode(name))
}
