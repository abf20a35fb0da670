//! The words around a value: labels that lift it, stop words that drop it, and the scan of a text that all detectors of kinds share.
//! It refuses to find values itself; each kind has its own file, with its own words.

use super::number::{self, Chain};
use super::{Confidence, Kind, dictionary};

/// What a known word says about the text beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A label of a kind of number or date.
    Label(Kind),
    /// A word that makes its person sensitive.
    Sensitive(Kind),
    /// The number beside it is of another sort: order, slip, tracking, registration, part number.
    Stop,
    /// The value beside it is an example.
    Sample,
    /// One of the 47 prefectures.
    Prefecture,
    /// A company, office, school.
    Organisation,
    /// A department or a business contact.
    Business,
    /// A confidential mark; the number is its rank in `confidential_mark::MARKS`.
    Mark(u8),
    /// A label of a password.
    Password,
    /// A label of an account name.
    Account,
    /// Words of a protected attachment.
    Archive,
    /// Words of a web meeting or a wireless network, whose pass codes are no accounts.
    Meeting,
    /// The known prefix of a key or token.
    Secret,
}

/// A known word in a text.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    pub start: usize,
    pub end: usize,
    pub word: Word,
}

/// What a found value says about the person beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Identifies a person by itself (My Number, licence).
    Identifier,
    /// Belongs to a private person (address, mobile number, birth date, account).
    Personal,
    /// As often belongs to an office (fixed telephone, mail address).
    Soft,
    /// Says nothing about a person.
    None,
}

/// A value found in a text.
#[derive(Clone, Copy, Debug)]
pub struct Entity {
    pub kind: Kind,
    pub confidence: Confidence,
    pub weight: Weight,
    /// Hash of the normalised value.
    pub hash: u64,
    pub start: usize,
    pub end: usize,
}

/// A folded text with its digit chains and known words.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'t> {
    pub text: &'t str,
    pub chains: &'t [Chain],
    pub words: &'t [Hit],
}

/// Reused buffers of a scan.
#[derive(Debug, Default)]
pub struct Buffers {
    chains: Vec<Chain>,
    words: Vec<Hit>,
}

impl Buffers {
    /// Scans folded text once for digit chains and known words.
    pub fn scan<'t>(&'t mut self, text: &'t str) -> Scan<'t> {
        number::useful_chains(text, &mut self.chains);
        self.words.clear();
        let dictionary = &*dictionary::DICTIONARY;
        for found in dictionary.automaton.find_iter(text) {
            let word = dictionary.words[found.pattern().as_usize()];
            if bounded(text, found.start(), found.end()) {
                self.words.push(Hit { start: found.start(), end: found.end(), word });
            }
        }
        Scan { text, chains: &self.chains, words: &self.words }
    }
}

impl Scan<'_> {
    /// Does a word of this class end before `at`, at most `window` bytes away, with nothing else of interest asked?
    #[must_use]
    pub fn before(&self, at: usize, window: usize, wanted: impl Fn(Word) -> bool) -> bool {
        let end = self.words.partition_point(|hit| hit.start < at);
        self.words[..end].iter().rev().take_while(|hit| hit.end + window >= at).any(|hit| wanted(hit.word))
    }

    /// Does a word of this class start behind `at`, at most `window` bytes away?
    #[must_use]
    pub fn behind(&self, at: usize, window: usize, wanted: impl Fn(Word) -> bool) -> bool {
        let start = self.words.partition_point(|hit| hit.start < at);
        self.words[start..].iter().take_while(|hit| hit.start <= at + window).any(|hit| wanted(hit.word))
    }

    /// The bounds of the line that holds a position; of a longer line no more than 2,000 octets to either side, since a text may be one line.
    #[must_use]
    pub fn line(&self, at: usize) -> (usize, usize) {
        const LOOK: usize = 2_000;
        let first = self.text.floor_char_boundary(at.saturating_sub(LOOK));
        let last = self.text.floor_char_boundary((at + LOOK).min(self.text.len()));
        let bytes = self.text.as_bytes();
        let start = memchr::memrchr(b'\n', &bytes[first..at]).map_or(first, |found| first + found + 1);
        let end = memchr::memchr(b'\n', &bytes[at..last]).map_or(last, |found| at + found);
        (start, end)
    }

    /// Is a word of this class on the same line before `at` (within `window` bytes)?
    #[must_use]
    pub fn before_in_line(&self, at: usize, window: usize, wanted: impl Fn(Word) -> bool) -> bool {
        let (start, _) = self.line(at);
        self.before(at, window.min(at - start), wanted)
    }

    /// Is the number at `at` an order, slip, part number, or an example?
    #[must_use]
    pub fn stopped(&self, at: usize) -> bool {
        let (start, _) = self.line(at);
        let end = self.words.partition_point(|hit| hit.start < at);
        self.words[..end]
            .iter()
            .rev()
            .take_while(|hit| hit.end + 60 >= at && hit.start >= start)
            .find(|hit| matches!(hit.word, Word::Stop | Word::Sample | Word::Label(_)))
            .is_some_and(|hit| matches!(hit.word, Word::Stop | Word::Sample))
    }
}

/// Latin words must stand alone (`tel` is not in `hotel`); Japanese words have no such bounds.
fn bounded(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    // `example` in `www.example.jp` is a part of a domain and says nothing about the value beside it.
    let dot =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| matches!(byte, b'.' | b'@' | b'-'));
    if letter(start)
        && letter(end - 1)
        && (dot(start.checked_sub(1)) || (dot(Some(end)) && letter(end + 1)))
        && !prefix(&bytes[start..end])
    {
        return false;
    }
    !(letter(start) && start > 0 && letter(start - 1))
        && !(letter(end - 1) && letter(end) && !prefix(&bytes[start..end]))
}

/// Token prefixes go on with letters.
fn prefix(word: &[u8]) -> bool {
    matches!(word.last(), Some(b'_' | b'-')) || word == b"AKIA" || word == b"ASIA" || word == b"AIza"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_builds_and_finds_whole_words() {
        let mut buffers = Buffers::default();
        let scan = buffers.scan("マイナンバー 1234 hotel TEL 03");
        assert!(scan.words.iter().any(|hit| hit.word == Word::Label(Kind::MyNumber)));
        assert_eq!(scan.words.iter().filter(|hit| hit.word == Word::Label(Kind::Phone)).count(), 1);
        assert!(scan.before(20, 60, |word| word == Word::Label(Kind::MyNumber)));
    }
}
