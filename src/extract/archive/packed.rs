//! One file behind a compressor: gzip (RFC 1952), bzip2, xz (its file format 1.2.1) and Zstandard (RFC 8878); a tar in it is opened at the same place.
//! It refuses to unpack first and count later: each stream stops at the allowance, and streams behind one another count as entries.

use super::super::disguise;
use super::super::kind::{self, Kind};
use super::super::{Extracted, PartInput, Role, Why};
use super::{counted, entry, name, tar};
use crate::limits::Budget;
use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;
use std::io::Read;

/// Octets that a decoder may look back; xz -9 takes 64 MiB, zstd --long 128 MiB. Memory grows with what comes out, not with what is claimed.
const WINDOW: u64 = 128 * 1024 * 1024;

/// The name and comment that gzip keeps of the file (RFC 1952 2.3.1).
#[derive(Default)]
struct Header {
    name: Option<String>,
    comment: Option<String>,
}

/// Unpacks a compressed file and reads what is in it.
pub(in super::super) fn read(kind: Kind, input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    let path = &input.path;
    let allowance = budget.allowance(input.bytes.len() as u64);
    let mut content = Vec::new();
    let mut header = Header::default();
    let mut missing = streams(kind, input.bytes, allowance, &mut content, &mut header, budget);
    if let Some(why) = counted(&mut content, allowance, budget) {
        missing = Some(why);
    }
    if kind::of(&content).kind == Kind::Tar {
        if let Some(comment) = header.comment {
            out.text(path, Role::Property, comment);
        }
        tar::read(path, &content, missing, budget, out);
        return;
    }
    let mut names: Vec<String> = header.name.into_iter().collect();
    for outer in &input.names {
        let inner = without_extension(outer);
        if !names.contains(&inner) {
            names.push(inner);
        }
    }
    if let Some(comment) = header.comment {
        out.text(&format!("{path}!{}", names.first().map_or("", String::as_str)), Role::Property, comment);
    }
    entry(path, names, &content, missing, budget, out);
}

/// The name under which programs write what they unpack.
fn without_extension(name: &str) -> String {
    let name = name.rsplit(['/', '\\', '!']).next().unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && disguise::is_compressor(end) => stem.to_owned(),
        _ => name.to_owned(),
    }
}

/// Unpacks one stream behind the other (RFC 1952 2.2, RFC 8878 3, xz 2: they are one file); zeros may fill up what lies between and behind.
fn streams(
    kind: Kind,
    mut rest: &[u8],
    allowance: u64,
    content: &mut Vec<u8>,
    header: &mut Header,
    budget: &mut Budget,
) -> Option<Why> {
    let mut first = true;
    while first || !rest.is_empty() {
        // What follows a stream and is none was put there by something else.
        if !first && !begins(kind, rest) {
            return Some(Why::Damaged);
        }
        if !first && budget.take_entry().is_err() {
            return Some(Why::Limit);
        }
        let room = allowance.saturating_add(1).saturating_sub(content.len() as u64);
        let result = stream(kind, &mut rest, room, content, first.then_some(&mut *header));
        if content.len() as u64 > allowance {
            return Some(Why::Limit);
        }
        if let Err(why) = result {
            return Some(why);
        }
        first = false;
        rest = &rest[rest.iter().take_while(|byte| **byte == 0).count()..];
    }
    None
}

/// Does a stream of this kind begin here?
fn begins(kind: Kind, rest: &[u8]) -> bool {
    match kind {
        // Frames that decoders skip (RFC 8878 3.1.2) may stand between others.
        Kind::Zstd => is_skippable(rest) || kind::of(rest).kind == Kind::Zstd,
        _ => rest.starts_with(match kind {
            Kind::Gzip => b"\x1F\x8B",
            Kind::Bzip2 => b"BZh",
            _ => b"\xFD7zXZ\0",
        }),
    }
}

fn is_skippable(rest: &[u8]) -> bool {
    matches!(rest, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..])
}

/// Unpacks one stream, no further than the room, and moves behind it.
fn stream(
    kind: Kind,
    rest: &mut &[u8],
    room: u64,
    content: &mut Vec<u8>,
    header: Option<&mut Header>,
) -> Result<(), Why> {
    match kind {
        Kind::Gzip => {
            let mut decoder = GzDecoder::new(*rest);
            if let (Some(header), Some(found)) = (header, decoder.header()) {
                // ISO 8859-1 by RFC 1952 2.3.1, in truth what the sender's system writes.
                header.name = found.filename().filter(|raw| !raw.is_empty()).map(name);
                header.comment = found.comment().map(name);
            }
            let result = (&mut decoder).take(room).read_to_end(content);
            *rest = decoder.into_inner();
            result.map_err(|_| Why::Damaged)?;
        }
        Kind::Bzip2 => {
            let mut decoder = BzDecoder::new(*rest);
            let result = (&mut decoder).take(room).read_to_end(content);
            *rest = decoder.into_inner();
            result.map_err(|_| Why::Damaged)?;
        }
        Kind::Zstd if is_skippable(rest) => {
            let length = rest.get(4..8).ok_or(Why::Damaged)?;
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
            *rest = length.checked_add(8).and_then(|length| rest.get(length..)).ok_or(Why::Damaged)?;
        }
        Kind::Zstd => {
            let decoder = StreamingDecoder::new_with_max_window_size(&mut *rest, WINDOW);
            decoder.map_err(|_| Why::Damaged)?.take(room).read_to_end(content).map_err(|_| Why::Damaged)?;
        }
        _ => {
            let limit = u32::try_from(WINDOW / 1024).unwrap_or(u32::MAX);
            let decoder = XzReader::new_mem_limit(&mut *rest, false, limit);
            decoder.take(room).read_to_end(content).map_err(|error| match error.kind() {
                std::io::ErrorKind::OutOfMemory => Why::Limit,
                std::io::ErrorKind::Unsupported => Why::Unsupported,
                _ => Why::Damaged,
            })?;
        }
    }
    Ok(())
}
