//! The tree of records of a presentation (MS-PPT 2.3.1), gone through without recursion.
//! It refuses to go below a depth that no program writes, and to leave a container by a length that exceeds it.

use super::super::little_endian::{u16_at, u32_at};

/// Containers in containers.
const DEEPEST: usize = 256;
/// Not marked as a container, and one: the data behind a tag's name (MS-PPT 2.11.25).
const BINARY_TAG: u16 = 0x138B;

/// What one step meets.
pub(super) enum Step<'a> {
    /// A container begins; its number, instance and place.
    Open {
        kind: u16,
        instance: u16,
        at: usize,
    },
    /// The container that was opened last ends.
    Close,
    Atom {
        kind: u16,
        instance: u16,
        data: &'a [u8],
    },
}

/// Goes through a stream once.
pub(super) struct Records<'a> {
    stream: &'a [u8],
    at: usize,
    ends: Vec<usize>,
    /// A record exceeds what holds it.
    pub damaged: bool,
    /// Containers that were passed over.
    pub too_deep: bool,
}

impl<'a> Records<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Self { stream, at: 0, ends: Vec::new(), damaged: false, too_deep: false }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let end = self.ends.last().copied().unwrap_or(self.stream.len());
        let at = self.at;
        if end.saturating_sub(at) < 8 {
            self.ends.pop()?;
            // A few bytes that are no record belong to the container.
            self.at = end;
            return Some(Step::Close);
        }
        let (head, kind, length) =
            (u16_at(self.stream, at)?, u16_at(self.stream, at + 2)?, u32_at(self.stream, at + 4)?);
        let start = at + 8;
        let claimed = usize::try_from(length).ok().and_then(|length| start.checked_add(length)).unwrap_or(usize::MAX);
        self.damaged |= claimed > end;
        let stop = claimed.min(end);
        let instance = head >> 4;
        if head & 0xF == 0xF || kind == BINARY_TAG {
            if self.ends.len() < DEEPEST {
                self.ends.push(stop);
                self.at = start;
                return Some(Step::Open { kind, instance, at });
            }
            self.too_deep = true;
        }
        self.at = stop;
        Some(Step::Atom { kind, instance, data: &self.stream[start..stop] })
    }
}
