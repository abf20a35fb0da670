//! 7z archives (7zFormat.txt of the LZMA SDK): every block of every method that the crate has, entry by entry as it unpacks.
//! It refuses to unpack on behind a limit or an error: what stands behind it in the same block is named and said to be missing.

use super::super::{Extracted, Why};
use super::{drain, entry, sealed};
use crate::limits::Budget;
use sevenz_rust2::{Archive, ArchiveEntry, BlockDecoder, EncoderMethod, Error, Password};
use std::io::Cursor;

/// Kibibytes of an unpacked header, and of the dictionary it is packed with: 16 MiB (py7zr; 7-Zip takes 1) and a little.
const HEADER: usize = 17 * 1024;
/// Kibibytes that a decoder may look back; 7-Zip takes 256 MiB at most unless told. Memory grows with what comes out.
const WINDOW: usize = 257 * 1024;

/// Reads every entry of an archive.
pub(in super::super) fn read(path: &str, bytes: &[u8], budget: &mut Budget, out: &mut Extracted) {
    if budget.bytes_left() == 0 {
        out.unread(path, Why::Limit);
        return;
    }
    let mut source = Cursor::new(bytes);
    let nobody = Password::empty();
    let archive = match Archive::read_with_memory_limit(&mut source, &nobody, HEADER) {
        Ok(archive) => archive,
        Err(error) => {
            out.unread(path, why(&error));
            return;
        }
    };
    // Two thousand octets can list eight million folders.
    if budget.take_bytes((archive.files.len() * size_of::<ArchiveEntry>()) as u64).is_err() {
        out.unread(path, Why::Limit);
        return;
    }
    let mut blocks = Blocks { path, archive: &archive, budget, out };
    let complete = (0..archive.blocks.len()).all(|index| blocks.read(index, &mut source, &nobody));
    // Empty files lie in no block; folders stand in the names of what is in them.
    let empty = |file: &&ArchiveEntry| !file.has_stream() && !file.is_directory() && !file.is_anti_item();
    if complete {
        for file in archive.files.iter().filter(empty) {
            if !blocks.one(file, Vec::new(), None) {
                return;
            }
        }
    }
}

/// What is needed to read block after block.
struct Blocks<'a, 'b> {
    path: &'a str,
    archive: &'a Archive,
    budget: &'b mut Budget,
    out: &'b mut Extracted,
}

impl Blocks<'_, '_> {
    /// Reads one block; `false` when no further entry may be read.
    fn read(&mut self, index: usize, source: &mut Cursor<&[u8]>, nobody: &Password) -> bool {
        let archive = self.archive;
        let is_sealed = archive.blocks[index]
            .coders
            .iter()
            .any(|coder| coder.encoder_method_id() == EncoderMethod::ID_AES256_SHA256);
        let packed = self.packed(index);
        let decoder = BlockDecoder::new_with_memory_limit(1, WINDOW, index, archive, nobody, source);
        let first = archive.stream_map.block_first_file_index.get(index).copied().unwrap_or(0);
        let files = archive.files.get(first..first + decoder.entry_count()).unwrap_or_default();
        let mut next = 0;
        let mut spent = false;
        let mut missing = is_sealed.then_some(Why::Encrypted);
        if !is_sealed {
            let result = decoder.for_each_entries(&mut |file, reader| {
                next += 1;
                if !file.has_stream() {
                    return Ok(true);
                }
                let allowance = self.budget.allowance(packed);
                let (content, lost) = drain(reader, allowance, self.budget);
                missing = missing.or(lost);
                spent |= !self.one(file, content, lost);
                Ok(lost.is_none() && !spent)
            });
            missing = missing.or(result.err().map(|error| why(&error)));
        }
        if spent {
            return false;
        }
        let Some(why) = missing else { return true };
        let rest = files.get(next..).unwrap_or_default();
        if rest.is_empty() && !is_sealed && next == 0 {
            self.out.unread(self.path, why);
        }
        rest.iter().filter(|file| file.has_stream()).all(|file| self.one(file, Vec::new(), Some(why)))
    }

    /// Hands on one entry; `false` when there were too many.
    fn one(&mut self, file: &ArchiveEntry, content: Vec<u8>, missing: Option<Why>) -> bool {
        if self.budget.take_entry().is_err() {
            self.out.unread(self.path, Why::Limit);
            return false;
        }
        let names = vec![file.name().to_owned()];
        if missing == Some(Why::Encrypted) {
            sealed(self.path, names, file.size(), self.out);
        } else {
            entry(self.path, names, &content, missing, self.budget, self.out);
        }
        true
    }

    /// Octets that the streams of a block take up in the archive.
    fn packed(&self, block: usize) -> u64 {
        let first = self.archive.stream_map.block_first_pack_stream_index();
        let sizes = self.archive.pack_sizes();
        let from = first.get(block).copied().unwrap_or(0);
        let to = first.get(block + 1).copied().unwrap_or(sizes.len());
        sizes.get(from..to).unwrap_or_default().iter().fold(0, |sum: u64, size| sum.saturating_add(*size))
    }
}

fn why(error: &Error) -> Why {
    match error {
        Error::PasswordRequired | Error::MaybeBadPassword(_) => Why::Encrypted,
        // The crate is built without the cipher: it could only try passwords.
        Error::UnsupportedCompressionMethod(name) if *name == EncoderMethod::AES256_SHA256.name() => Why::Encrypted,
        Error::UnsupportedCompressionMethod(_)
        | Error::Unsupported(_)
        | Error::UnsupportedVersion { .. }
        | Error::ExternalUnsupported => Why::Unsupported,
        Error::MaxMemLimited { .. } => Why::Limit,
        _ => Why::Damaged,
    }
}
