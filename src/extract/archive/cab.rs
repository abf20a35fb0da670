//! Cabinets (MS-CAB): stored, MSZIP (MS-MCI) and LZX (MS-PATCH 2) folders, cut into their files; names in UTF-8 or CP932.
//! It refuses to trust that files of a folder do not overlap: what is read twice is counted twice.

use super::super::little_endian::{u16_at, u32_at};
use super::super::{Extracted, Why};
use super::{charset, counted, entry, readings};
use crate::limits::Budget;
use flate2::{Decompress, FlushDecompress, Status};
use lzxd::{Lzxd, WindowSize};
use memchr::memchr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Octets that one block of data may unpack to (MS-CAB 2.4).
const BLOCK: usize = 32 * 1024;
/// Flags of the header: it continues a cabinet, is continued by one, has reserved areas (MS-CAB 2.1).
const CONTINUES: u16 = 1;
const CONTINUED: u16 = 2;
const RESERVES: u16 = 4;
/// Folder numbers of files that began in the cabinet before, go on in the one behind, or both (MS-CAB 2.3).
const FROM_BEFORE: u16 = 0xFFFD;
const GOES_ON: u16 = 0xFFFE;
const THROUGH: u16 = 0xFFFF;
/// The name is UTF-8 (MS-CAB 2.3, `_A_NAME_IS_UTF`).
const IS_UTF8: u16 = 0x80;

/// A cabinet's parts, as far as they are there.
struct Cabinet<'a> {
    bytes: &'a [u8],
    folders: Vec<Folder>,
    files: Vec<File<'a>>,
    /// Octets reserved in each block of data.
    reserved: usize,
    is_part: bool,
    damaged: bool,
    /// Octets of data that are not unpacked yet: folders that lie on one another are no work for ever.
    left: usize,
}

#[derive(Clone, Copy)]
struct Folder {
    start: usize,
    blocks: u16,
    method: u16,
}

struct File<'a> {
    name: &'a [u8],
    is_utf8: bool,
    folder: u16,
    start: usize,
    size: usize,
}

/// Reads every file of a cabinet.
pub(in super::super) fn read(path: &str, bytes: &[u8], budget: &mut Budget, out: &mut Extracted) {
    let Some(mut cabinet) = Cabinet::open(bytes, budget.entries_left()) else {
        out.unread(path, Why::Damaged);
        return;
    };
    let charset = charset(cabinet.files.iter().filter(|file| !file.is_utf8).map(|file| file.name));
    let last = cabinet.folders.len().saturating_sub(1);
    let mut files = std::mem::take(&mut cabinet.files);
    // One folder is unpacked at a time.
    files.sort_by_key(|file| folder_of(file, last));
    let mut unpacked: Option<(usize, Vec<u8>, Option<Why>)> = None;
    // What files may take before they overlap.
    let mut free = 0;
    for file in files {
        if budget.take_entry().is_err() {
            out.unread(path, Why::Limit);
            return;
        }
        let index = folder_of(&file, last);
        if unpacked.as_ref().is_none_or(|(known, ..)| *known != index) {
            let (content, missing) = cabinet.unpack(index, budget);
            free = content.len();
            unpacked = Some((index, content, missing));
        }
        let Some((_, content, missing)) = &unpacked else { continue };
        let is_part = matches!(file.folder, FROM_BEFORE | GOES_ON | THROUGH);
        let from = if matches!(file.folder, FROM_BEFORE | THROUGH) { content.len() } else { file.start };
        let rest = content.get(from..).unwrap_or_default();
        let mut content = &rest[..file.size.min(rest.len())];
        let cut = content.len() < file.size;
        let mut lost = if cut { missing.or(Some(Why::Damaged)) } else { missing.filter(|why| *why == Why::Damaged) };
        if is_part {
            lost = Some(Why::Unsupported);
        }
        let again = content.len().saturating_sub(free);
        free = free.saturating_sub(content.len());
        if budget.take_bytes(again as u64).is_err() {
            content = &[];
            lost = Some(Why::Limit);
        }
        let names = if file.is_utf8 {
            vec![String::from_utf8_lossy(file.name).into_owned()]
        } else {
            readings(file.name, charset)
        };
        entry(path, names, content, lost, budget, out);
    }
    if cabinet.damaged {
        out.unread(path, Why::Damaged);
    }
    if cabinet.is_part {
        out.unread(path, Why::Unsupported);
    }
}

/// The folder that a file lies in, also when it lies in several cabinets.
fn folder_of(file: &File<'_>, last: usize) -> usize {
    match file.folder {
        FROM_BEFORE | THROUGH => 0,
        GOES_ON => last,
        index => usize::from(index),
    }
}

impl<'a> Cabinet<'a> {
    /// Reads the header, the folders and the files (MS-CAB 2.1 to 2.3).
    fn open(bytes: &'a [u8], most: u64) -> Option<Self> {
        let folder_count = u16_at(bytes, 26)?;
        let file_count = u16_at(bytes, 28)?;
        let flags = u16_at(bytes, 30)?;
        let mut at = 36;
        let (mut of_folder, mut reserved) = (0, 0);
        if flags & RESERVES != 0 {
            let of_header = usize::from(u16_at(bytes, 36)?);
            of_folder = usize::from(*bytes.get(38)?);
            reserved = usize::from(*bytes.get(39)?);
            at = 40 + of_header;
        }
        let texts = 2 * (u32::from(flags & CONTINUES != 0) + u32::from(flags & CONTINUED != 0));
        for _ in 0..texts {
            at += memchr(0, bytes.get(at..)?)? + 1;
        }
        let mut cabinet = Self {
            bytes,
            folders: Vec::new(),
            files: Vec::new(),
            reserved,
            is_part: flags & (CONTINUES | CONTINUED) != 0,
            damaged: false,
            left: bytes.len(),
        };
        for _ in 0..folder_count {
            let (Some(start), Some(blocks), Some(method)) =
                (size_at(bytes, at), u16_at(bytes, at + 4), u16_at(bytes, at + 6))
            else {
                cabinet.damaged = true;
                break;
            };
            cabinet.folders.push(Folder { start, blocks, method });
            at += 8 + of_folder;
        }
        let mut at = size_at(bytes, 16)?;
        for count in 0..u64::from(file_count) {
            // One more than may be read, so that the reader sees that there are too many.
            if count > most {
                break;
            }
            let Some(file) = file(bytes, at) else {
                cabinet.damaged = true;
                break;
            };
            at += 16 + file.name.len() + 1;
            cabinet.files.push(file);
        }
        Some(cabinet)
    }

    /// Unpacks a folder block by block, as far as the budget goes.
    fn unpack(&mut self, index: usize, budget: &mut Budget) -> (Vec<u8>, Option<Why>) {
        let Some(folder) = self.folders.get(index).copied() else { return (Vec::new(), Some(Why::Damaged)) };
        let Some(mut method) = Method::of(folder.method) else { return (Vec::new(), Some(Why::Unsupported)) };
        let mut content = Vec::new();
        let mut missing = None;
        let mut packed = 0;
        let mut at = folder.start;
        for number in 0..folder.blocks {
            let Some((data, size, sound)) = block(self.bytes, at, self.reserved) else {
                missing = Some(Why::Damaged);
                break;
            };
            // A block without a size goes on in the next cabinet.
            if size == 0 && self.is_part && number + 1 == folder.blocks {
                missing = Some(Why::Unsupported);
                break;
            }
            let Some(left) = self.left.checked_sub(8 + self.reserved + data.len()) else {
                missing = Some(Why::Damaged);
                break;
            };
            self.left = left;
            packed += data.len() as u64;
            if (content.len() + size) as u64 > budget.allowance(packed) {
                missing = Some(Why::Limit);
                break;
            }
            let whole = size <= BLOCK && method.unpack(data, size, &mut content);
            if !whole || !sound {
                missing = Some(Why::Damaged);
            }
            if !whole {
                break;
            }
            at += 8 + self.reserved + data.len();
        }
        let spent = counted(&mut content, u64::MAX, budget);
        (content, spent.or(missing))
    }
}

/// A place or a size.
fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    u32_at(bytes, at).map(|size| size as usize)
}

/// An entry for a file (MS-CAB 2.3).
fn file(bytes: &[u8], at: usize) -> Option<File<'_>> {
    let (size, start) = (size_at(bytes, at)?, size_at(bytes, at + 4)?);
    let (folder, attributes) = (u16_at(bytes, at + 8)?, u16_at(bytes, at + 14)?);
    let rest = bytes.get(at + 16..)?;
    let name = &rest[..memchr(0, rest)?];
    Some(File { name, is_utf8: attributes & IS_UTF8 != 0, folder, start, size })
}

/// A block of data, its unpacked size, and whether its checksum is right; 0 is none (MS-CAB 2.4, 3.1).
fn block(bytes: &[u8], at: usize, reserved: usize) -> Option<(&[u8], usize, bool)> {
    let sum = u32_at(bytes, at)?;
    let (packed, size) = (u16_at(bytes, at + 4)?, u16_at(bytes, at + 6)?);
    let start = at + 8 + reserved;
    let data = bytes.get(start..start + usize::from(packed))?;
    let header = checksum(bytes.get(at + 4..start)?, checksum(data, 0));
    Some((data, usize::from(size), sum == 0 || sum == header))
}

/// Four octets at a time, least first; of what is left over, the first octet weighs most (MS-CAB 3.1).
fn checksum(data: &[u8], seed: u32) -> u32 {
    let mut words = data.chunks_exact(4);
    let sum = words.by_ref().fold(seed, |sum, word| sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    sum ^ words.remainder().iter().fold(0, |rest, byte| rest << 8 | u32::from(*byte))
}

/// How the blocks of a folder are packed (MS-CAB 2.2, `typeCompress`); Quantum is not known here.
enum Method {
    Stored,
    Mszip(Box<Decompress>),
    Lzx(Box<Lzxd>),
}

impl Method {
    fn of(method: u16) -> Option<Self> {
        Some(match (method & 0xF, method >> 8) {
            (0, _) => Self::Stored,
            (1, _) => Self::Mszip(Box::new(Decompress::new(false))),
            (3, bits) => Self::Lzx(Box::new(Lzxd::new(match bits {
                15 => WindowSize::KB32,
                16 => WindowSize::KB64,
                17 => WindowSize::KB128,
                18 => WindowSize::KB256,
                19 => WindowSize::KB512,
                20 => WindowSize::MB1,
                21 => WindowSize::MB2,
                _ => return None,
            }))),
            _ => return None,
        })
    }

    /// Unpacks a block behind what is there; `false` when it is broken, and then as much as came out stays.
    fn unpack(&mut self, data: &[u8], size: usize, content: &mut Vec<u8>) -> bool {
        match self {
            Self::Stored => {
                content.extend_from_slice(data);
                data.len() == size
            }
            Self::Mszip(inflate) => {
                let Some(data) = data.strip_prefix(b"CK") else { return false };
                inflate.reset(false);
                // Each block may look back into the one before it (MS-MCI 2.1).
                let window = &content[content.len().saturating_sub(BLOCK)..];
                if !window.is_empty() && inflate.set_dictionary(window).is_err() {
                    return false;
                }
                let mut out = vec![0; size];
                let status = inflate.decompress(data, &mut out, FlushDecompress::Finish);
                let made = usize::try_from(inflate.total_out()).unwrap_or(0).min(size);
                content.extend_from_slice(&out[..made]);
                made == size && matches!(status, Ok(Status::StreamEnd))
            }
            Self::Lzx(window) => {
                // The crate asserts what a block says about itself.
                match catch_unwind(AssertUnwindSafe(|| window.decompress_next(data, size).map(<[u8]>::to_vec))) {
                    Ok(Ok(out)) => {
                        content.extend_from_slice(&out[..size.min(out.len())]);
                        out.len() >= size
                    }
                    _ => false,
                }
            }
        }
    }
}
