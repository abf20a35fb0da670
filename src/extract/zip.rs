//! Zip archives (APPNOTE 6.3.10): every entry of the central directory, and every entry the directory does not list.
//! It refuses to trust declared sizes: what comes out is counted, and each entry is judged by its content.

use super::archive::{self, drain};
use super::{Extracted, Why};
use crate::limits::Budget;
use ::zip::read::{ZipReadOptions, read_zipfile_from_stream_with_options};
use ::zip::result::ZipError;
use ::zip::{CompressionMethod, ZipArchive};
use memchr::memmem;
use std::io::{Cursor, Read};

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// Central headers beyond which a directory is not even listed (it would cost more memory than any real archive).
const MOST_HEADERS: usize = 200_000;
/// The end record lies in the last 64 KiB and a bit (APPNOTE 4.3.16).
const TAIL: usize = 66 * 1024;
/// Unlisted entries that are tried.
const MOST_UNLISTED: usize = 10_000;

/// An opened archive with its names decoded.
pub(super) struct Listing<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    names: Vec<String>,
}

impl<'a> Listing<'a> {
    /// Opens the central directory; `None` when there is none that can be read.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        if memmem::find_iter(bytes, CENTRAL).take(MOST_HEADERS + 1).count() > MOST_HEADERS {
            return None;
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
        let names = (0..archive.len())
            .map(|index| archive.by_index_data(index).map(|entry| archive::name(entry.name_raw())).unwrap_or_default())
            .collect();
        Some(Self { archive, names })
    }

    /// The names, in the order of the directory.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The first bytes of an entry, empty when it cannot be read.
    pub(super) fn start_of(&mut self, index: usize, length: u64) -> Vec<u8> {
        let mut start = Vec::new();
        if let Ok(entry) = self.archive.by_index(index) {
            // What was read before an error is still the start.
            let _ = entry.take(length).read_to_end(&mut start);
        }
        start
    }

    /// Packed size, whether it is encrypted, whether it is a folder.
    pub(super) fn about(&self, index: usize) -> (u64, bool, bool) {
        self.archive
            .by_index_data(index)
            .map_or((0, false, false), |entry| (entry.compressed_size(), entry.encrypted(), entry.is_dir()))
    }

    /// The content of an entry as a stream.
    pub(super) fn stream(&mut self, index: usize) -> Result<impl Read + '_, Why> {
        let method = self.archive.by_index_data(index).map(|entry| entry.compression());
        if !method.is_ok_and(|method| matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated)) {
            return Err(Why::Unsupported);
        }
        self.archive.by_index(index).map_err(|error| why(&error))
    }

    /// The content of an entry as far as the budget goes, and what is missing.
    pub(super) fn content(&mut self, index: usize, budget: &mut Budget) -> (Vec<u8>, Option<Why>) {
        let (packed, ..) = self.about(index);
        let allowance = budget.allowance(packed);
        match self.stream(index) {
            Ok(entry) => drain(entry, allowance, budget),
            Err(why) => (Vec::new(), Some(why)),
        }
    }

    /// Byte ranges that listed entries take up, sorted.
    fn taken(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut taken: Vec<(usize, usize)> = (0..self.archive.len())
            .filter_map(|index| {
                let entry = self.archive.by_index_data(index).ok()?;
                let start = usize::try_from(entry.header_start()).ok()?;
                let header = bytes.get(start..start + 30)?;
                let names = usize::from(u16::from_le_bytes([header[26], header[27]]))
                    + usize::from(u16::from_le_bytes([header[28], header[29]]));
                let size = usize::try_from(entry.compressed_size()).ok()?;
                Some((start, start.checked_add(30 + names)?.checked_add(size)?))
            })
            .collect();
        taken.sort_unstable();
        taken
    }
}

fn why(error: &ZipError) -> Why {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => Why::Encrypted,
        ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => Why::Unsupported,
        _ => Why::Damaged,
    }
}

/// Does an archive follow something else, such as a picture?
pub(super) fn has_trailing_archive(bytes: &[u8]) -> bool {
    if bytes.starts_with(LOCAL) {
        return false;
    }
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    memmem::rfind(tail, END).is_some()
        && memmem::find(bytes, CENTRAL).is_some()
        && Listing::open(bytes).is_some_and(|listing| !listing.names.is_empty())
}

/// Reads every entry of an archive.
pub(super) fn read(path: &str, bytes: &[u8], budget: &mut Budget, out: &mut Extracted) {
    let mut listing = Listing::open(bytes);
    let mut any = false;
    let mut encrypted = false;
    if let Some(listing) = &mut listing {
        any = !listing.names.is_empty();
        for index in 0..listing.names.len() {
            if budget.take_entry().is_err() {
                out.unread(path, Why::Limit);
                return;
            }
            let name = listing.names[index].clone();
            let (packed, sealed, is_folder) = listing.about(index);
            if is_folder && packed == 0 {
                continue;
            }
            if sealed {
                encrypted = true;
                archive::sealed(path, vec![name], packed, out);
                continue;
            }
            let (content, missing) = listing.content(index, budget);
            archive::entry(path, vec![name], &content, missing, budget, out);
        }
    }
    let taken = listing.map(|listing| listing.taken(bytes)).unwrap_or_default();
    let unlisted = unlisted(path, bytes, &taken, budget, out);
    let is_empty_archive = bytes.starts_with(END);
    // No directory: what was there was read entry by entry, but nobody knows whether that is all.
    if !encrypted && !is_empty_archive && (!any || unlisted > 0) {
        out.unread(path, Why::Damaged);
    }
}

/// Reads the entries that stand in the file but not in the directory of an archive that is read elsewhere.
pub(super) fn read_unlisted(path: &str, bytes: &[u8], listing: &Listing<'_>, budget: &mut Budget, out: &mut Extracted) {
    if unlisted(path, bytes, &listing.taken(bytes), budget, out) > 0 {
        out.unread(path, Why::Damaged);
    }
}

/// Reads entries that stand outside the listed ones: a cut-off archive, or two entries of one name.
fn unlisted(path: &str, bytes: &[u8], taken: &[(usize, usize)], budget: &mut Budget, out: &mut Extracted) -> usize {
    let mut at = 0;
    let mut ranges = taken.iter().peekable();
    let mut read = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memmem::find(rest, LOCAL)) {
        let start = at + found;
        at = start + 4;
        while ranges.peek().is_some_and(|(_, end)| *end <= start) {
            ranges.next();
        }
        if let Some((from, end)) = ranges.peek()
            && *from <= start
        {
            at = at.max(*end);
            continue;
        }
        let room = ranges.peek().map_or(bytes.len(), |(from, _)| *from);
        let Some(header) = bytes.get(start..start + 30) else { break };
        let short = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        // A real header: version at most 6.3, a known method, a name.
        if short(4) & 0xFF > 63 || short(8) > 99 || short(26) == 0 || short(26) > 4096 {
            continue;
        }
        if read >= MOST_UNLISTED || budget.take_entry().is_err() {
            out.unread(path, Why::Limit);
            return read;
        }
        read += 1;
        let Some(name) = bytes.get(start + 30..start + 30 + short(26)).map(archive::name) else { break };
        let data = (start + 30 + short(26) + short(28)).min(room);
        let streamed = short(6) & 8 != 0;
        let declared = u32::from_le_bytes([header[18], header[19], header[20], header[21]]) as usize;
        let packed = if streamed || declared > room - data { room - data } else { declared };
        if short(6) & 1 != 0 {
            archive::sealed(path, vec![name], packed as u64, out);
        } else if packed > 0 {
            let mut cursor = Cursor::new(&bytes[start..room]);
            let mut options = ZipReadOptions::new().ignore_crc32(true);
            if streamed {
                options = options.override_compressed_size(packed as u64);
            }
            let allowance = budget.allowance(packed as u64);
            let (content, missing) = match read_zipfile_from_stream_with_options(&mut cursor, options) {
                Ok(Some(stream)) => drain(stream, allowance, budget),
                Ok(None) => (Vec::new(), Some(Why::Damaged)),
                Err(error) => (Vec::new(), Some(why(&error))),
            };
            archive::entry(path, vec![name], &content, missing, budget, out);
        }
        if !streamed {
            at = at.max(data + packed);
        }
    }
    read
}
