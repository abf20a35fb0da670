//! Compound files (MS-CFB): storages and streams, as far as the bytes of the file carry them.
//! It refuses to follow a chain longer than the file and to reserve what a header claims; a damaged table costs its streams, not the file.

use super::Why;
use super::little_endian::{u16_at, u32_at};
use crate::limits::Budget;

/// Size of a directory entry (MS-CFB 2.6.1), and of a sector of the mini stream (2.2).
const ENTRY: usize = 128;
const MINI: usize = 64;
/// Streams shorter than this lie in the mini stream (MS-CFB 2.2).
const CUTOFF: u64 = 4096;
/// Sector numbers from here on are marks, not places (MS-CFB 2.1).
const MARKS: u32 = 0xFFFF_FFFA;
/// No entry (MS-CFB 2.6.1).
const NONE: u32 = 0xFFFF_FFFF;

/// One storage or stream.
pub(super) struct Entry {
    pub name: String,
    pub is_stream: bool,
    /// The storage that holds it; the root holds itself.
    parent: usize,
    start: u32,
    size: u64,
    left: u32,
    right: u32,
    child: u32,
}

/// An opened file.
pub(super) struct Compound<'a> {
    bytes: &'a [u8],
    sector: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini: Vec<u8>,
    entries: Vec<Entry>,
    /// Children of each entry, in the order of the directory.
    children: Vec<Vec<usize>>,
    /// Something in tables or directory is broken.
    pub damaged: bool,
}

/// The root storage.
pub(super) const ROOT: usize = 0;

impl<'a> Compound<'a> {
    /// Opens a file; `None` when it has no directory.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..512).filter(|header| header.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"))?;
        // MS-CFB 2.2: sectors of 512 bytes in version 3, of 4096 in version 4; some writers use others.
        let shift = u16_at(header, 30)?;
        let sector = if (7..=16).contains(&shift) { 1_usize << shift } else { 512 };
        let mut compound = Self {
            bytes,
            sector,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini: Vec::new(),
            entries: Vec::new(),
            children: Vec::new(),
            damaged: false,
        };
        compound.fat = compound.read_fat(header);
        let directory = compound.chain(u32_at(header, 48)?, u64::MAX);
        compound.read_directory(&directory);
        if compound.entries.is_empty() {
            return None;
        }
        let (start, size) = (compound.entries[ROOT].start, compound.entries[ROOT].size);
        let mini_fat = compound.chain(u32_at(header, 60)?, u64::MAX);
        compound.mini_fat = words(&mini_fat);
        compound.mini = compound.chain(start, size);
        Some(compound)
    }

    /// Sectors that the file has, the last one perhaps in part.
    fn sectors(&self) -> usize {
        self.bytes.len().saturating_sub(1) / self.sector
    }

    /// A sector; the header takes the place of one.
    fn sector(&self, number: u32) -> Option<&'a [u8]> {
        let start = usize::try_from(number).ok()?.checked_add(1)?.checked_mul(self.sector)?;
        let end = start.checked_add(self.sector)?.min(self.bytes.len());
        self.bytes.get(start..end).filter(|sector| !sector.is_empty())
    }

    /// The table of next sectors (MS-CFB 2.3), found through 109 places in the header and the chain of further ones (2.5).
    fn read_fat(&mut self, header: &[u8]) -> Vec<u32> {
        let most = self.sectors();
        let mut places = words(&header[76..512]);
        let mut next = u32_at(header, 68).unwrap_or(NONE);
        let mut steps = 0;
        while next < MARKS && steps < most {
            let Some(sector) = self.sector(next) else {
                self.damaged = true;
                break;
            };
            let mut further = words(sector);
            next = further.pop().unwrap_or(NONE);
            places.append(&mut further);
            steps += 1;
        }
        let mut fat = Vec::new();
        for place in places.into_iter().filter(|place| *place < MARKS) {
            // Longer than the file has sectors: what it says about places behind the end does not matter.
            if fat.len() >= most {
                break;
            }
            let before = fat.len();
            match self.sector(place) {
                Some(sector) => fat.extend(words(sector)),
                None => self.damaged = true,
            }
            fat.resize(before + self.sector / 4, NONE);
        }
        fat.truncate(most);
        fat
    }

    /// The bytes of a chain of sectors, to `size` or to its end; a chain that turns back ends after as many steps as there are sectors.
    fn chain(&self, start: u32, size: u64) -> Vec<u8> {
        let mut content = Vec::new();
        let mut next = start;
        let mut steps = 0;
        while next < MARKS && steps < self.sectors() && (content.len() as u64) < size {
            let Some(sector) = self.sector(next) else { break };
            content.extend_from_slice(sector);
            next = usize::try_from(next).ok().and_then(|at| self.fat.get(at)).copied().unwrap_or(NONE);
            steps += 1;
        }
        content.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        content
    }

    /// The same in the mini stream (MS-CFB 2.4).
    fn mini_chain(&self, start: u32, size: u64) -> Vec<u8> {
        let mut content = Vec::new();
        let mut next = start;
        let mut steps = 0;
        while next < MARKS && steps <= self.mini.len() / MINI && (content.len() as u64) < size {
            let Some(at) = usize::try_from(next).ok().and_then(|next| next.checked_mul(MINI)) else { break };
            let Some(sector) = self.mini.get(at..self.mini.len().min(at + MINI)) else { break };
            content.extend_from_slice(sector);
            next = usize::try_from(next).ok().and_then(|at| self.mini_fat.get(at)).copied().unwrap_or(NONE);
            steps += 1;
        }
        content.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        content
    }

    /// The entries, then the tree that says which storage holds which (MS-CFB 2.6.4); every entry is visited once at most.
    fn read_directory(&mut self, directory: &[u8]) {
        // Unused entries keep their places, since links are numbers of places.
        self.entries = directory.chunks_exact(ENTRY).map(|raw| self.entry(raw)).collect();
        let count = self.entries.len();
        self.children = vec![Vec::new(); count];
        if count == 0 {
            return;
        }
        let mut seen = vec![false; count];
        seen[ROOT] = true;
        let mut waiting = vec![(self.entries[ROOT].child, ROOT)];
        while let Some((number, parent)) = waiting.pop() {
            let Some(index) = usize::try_from(number).ok().filter(|index| *index < count) else {
                self.damaged |= number != NONE;
                continue;
            };
            if std::mem::replace(&mut seen[index], true) {
                self.damaged = true;
                continue;
            }
            let entry = &mut self.entries[index];
            entry.parent = parent;
            waiting.push((entry.left, parent));
            waiting.push((entry.right, parent));
            if !entry.is_stream {
                waiting.push((entry.child, index));
            }
        }
        for (index, seen) in seen.iter().enumerate().skip(1) {
            // What nothing leads to is still in the file; the root, which is every entry's parent at first, gets it.
            if *seen || !self.entries[index].name.is_empty() {
                self.children[self.entries[index].parent].push(index);
            }
        }
    }

    /// One entry; an unused one has no name.
    fn entry(&self, raw: &[u8]) -> Entry {
        let kind = raw[66];
        let length = usize::from(u16::from_le_bytes([raw[64], raw[65]])).clamp(2, 64) - 2;
        let units: Vec<u16> =
            raw[..length].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let name = if matches!(kind, 1 | 2 | 5) { String::from_utf16_lossy(&units) } else { String::new() };
        let link = |at| u32_at(raw, at).unwrap_or(NONE);
        let mut size = u64::from(link(120));
        if self.sector > 512 {
            // Only version 4 has more than 32 bits (MS-CFB 2.6.3).
            size |= u64::from(link(124)) << 32;
        }
        Entry {
            name: name.trim_end_matches('\0').to_owned(),
            is_stream: kind == 2,
            parent: ROOT,
            start: link(116),
            size,
            left: link(68),
            right: link(72),
            child: link(76),
        }
    }

    /// What a storage holds.
    pub(super) fn children(&self, storage: usize) -> impl Iterator<Item = (usize, &Entry)> {
        self.children.get(storage).into_iter().flatten().map(|index| (*index, &self.entries[*index]))
    }

    /// Bytes that the streams of a storage claim, those of its storages left out.
    pub(super) fn size(&self, storage: usize) -> u64 {
        self.children(storage)
            .filter(|(_, entry)| entry.is_stream)
            .fold(0, |sum, (_, entry)| sum.saturating_add(entry.size))
    }

    /// A stream in a storage; names are compared without case (MS-CFB 2.6.4).
    pub(super) fn find(&self, storage: usize, name: &str) -> Option<usize> {
        self.children(storage)
            .find(|(_, entry)| entry.is_stream && entry.name.eq_ignore_ascii_case(name))
            .map(|(index, _)| index)
    }

    /// A storage in a storage.
    pub(super) fn find_storage(&self, storage: usize, name: &str) -> Option<usize> {
        self.children(storage)
            .find(|(_, entry)| !entry.is_stream && entry.name.eq_ignore_ascii_case(name))
            .map(|(index, _)| index)
    }

    /// The content of a stream as far as file and budget go, and what is missing of it.
    pub(super) fn content(&self, index: usize, budget: &mut Budget) -> (Vec<u8>, Option<Why>) {
        let Some(entry) = self.entries.get(index) else { return (Vec::new(), Some(Why::Damaged)) };
        let allowance = budget.allowance(self.bytes.len() as u64);
        let size = entry.size.min(allowance);
        let content =
            if entry.size < CUTOFF { self.mini_chain(entry.start, size) } else { self.chain(entry.start, size) };
        let spent = budget.take_bytes(content.len() as u64).is_err();
        let missing = if spent || (content.len() as u64 == allowance && entry.size > allowance) {
            Some(Why::Limit)
        } else if (content.len() as u64) < entry.size {
            Some(Why::Damaged)
        } else {
            None
        };
        (content, missing)
    }

    /// The content of a stream of this name in a storage, if there is one.
    pub(super) fn stream(&self, storage: usize, name: &str, budget: &mut Budget) -> Option<(Vec<u8>, Option<Why>)> {
        self.find(storage, name).map(|index| self.content(index, budget))
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|raw| u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]])).collect()
}
