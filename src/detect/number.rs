//! Cuts text into chains of digit groups (`090-1234-5678`, `1990/4/1`, `1234 5678 9012`) in one pass, for all detectors of numbers.
//! It refuses to interpret a chain, and never joins groups over a line end.

/// The most digits a chain keeps; longer ones are no number of any kind known here.
pub const MAX_DIGITS: usize = 20;
const MAX_GROUPS: usize = 6;

/// What stands between the groups of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// One group alone.
    None,
    /// `-`, or brackets as in `03(1234)5678`.
    Hyphen,
    /// One blank.
    Space,
    Slash,
    Dot,
    Comma,
}

/// Digit groups that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Byte offset of the first digit.
    pub start: usize,
    /// Byte offset behind the last digit.
    pub end: usize,
    /// What joins the groups.
    pub joint: Joint,
    /// A `+` stands in front.
    pub plus: bool,
    /// A letter or another number stands directly beside it, as in `ABC-123` or `v1`.
    pub glued: bool,
    digits: [u8; MAX_DIGITS],
    count: u8,
    groups: [u8; MAX_GROUPS],
    group_count: u8,
}

impl Chain {
    /// The digits as values 0–9; empty when there are more than [`MAX_DIGITS`].
    #[must_use]
    pub fn digits(&self) -> &[u8] {
        self.digits.get(..self.count as usize).unwrap_or(&[])
    }

    /// Lengths of the groups.
    #[must_use]
    pub fn groups(&self) -> &[u8] {
        &self.groups[..self.group_count as usize]
    }

    /// The digits as one number; for up to 19 digits.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.digits().iter().fold(0u64, |all, digit| all.wrapping_mul(10).wrapping_add(u64::from(*digit)))
    }

    /// The value of one group.
    #[must_use]
    pub fn group(&self, index: usize) -> u32 {
        let start: usize = self.groups[..index].iter().map(|len| *len as usize).sum();
        let len = self.groups.get(index).map_or(0, |len| *len as usize);
        self.digits()
            .get(start..start + len)
            .unwrap_or(&[])
            .iter()
            .fold(0u32, |all, digit| all.wrapping_mul(10).wrapping_add(u32::from(*digit)))
    }

    fn new(start: usize) -> Self {
        Self {
            start,
            end: start,
            joint: Joint::None,
            plus: false,
            glued: false,
            digits: [0; MAX_DIGITS],
            count: 0,
            groups: [0; MAX_GROUPS],
            group_count: 0,
        }
    }

    /// Adds a group; false when there is no room for it.
    fn push(&mut self, group: &[u8], end: usize) -> bool {
        let count = self.count as usize;
        if self.group_count as usize == MAX_GROUPS {
            return false;
        }
        if count + group.len() > MAX_DIGITS {
            // Too long to be kept: remembered as "no digits", so that nothing takes a part of it for a number.
            if self.group_count > 0 {
                return false;
            }
            self.groups[0] = u8::MAX;
        } else {
            for (slot, byte) in self.digits[count..].iter_mut().zip(group) {
                *slot = byte - b'0';
            }
            self.count += u8::try_from(group.len()).unwrap_or(0);
            self.groups[self.group_count as usize] = u8::try_from(group.len()).unwrap_or(u8::MAX);
        }
        self.group_count += 1;
        self.end = end;
        true
    }
}

/// All chains of folded text, in order.
pub fn chains(text: &str, out: &mut Vec<Chain>) {
    out.clear();
    each(text, |chain| out.push(chain));
}

/// The chains of running text that a detector of values can use. Of those glued to a letter that is a licence number, the digits of a residence
/// card, and a house number behind a blank or a Japanese letter; hexadecimal or base64 has a million others.
pub fn useful_chains(text: &str, out: &mut Vec<Chain>) {
    out.clear();
    each(text, |chain| {
        let before = chain.start.checked_sub(1).map(|at| text.as_bytes()[at]);
        let house = before.is_some_and(|byte| byte == b' ' || !byte.is_ascii());
        if !chain.glued || house || matches!(chain.digits().len(), 8 | 12) {
            out.push(chain);
        }
    });
}

fn each(text: &str, mut found: impl FnMut(Chain)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(u8::is_ascii_digit) {
        let start = at + offset;
        let mut end = group_end(bytes, start);
        let mut chain = Chain::new(start);
        chain.push(&bytes[start..end], end);
        chain.plus = start > 0 && bytes[start - 1] == b'+';
        let mut joined = true;
        while joined {
            joined = false;
            if let Some((joint, next)) = joint_at(bytes, end, chain.joint) {
                let next_end = group_end(bytes, next);
                let fits = chain.joint == Joint::None || chain.joint == joint;
                // `1 090-1234-5678`: the blank ends the chain, the hyphens are the number's own.
                let blank_before_other = joint == Joint::Space
                    && !chain.plus
                    && joint_at(bytes, next_end, Joint::None).is_some_and(|(other, _)| other != Joint::Space);
                if fits && !blank_before_other && chain.push(&bytes[next..next_end], next_end) {
                    chain.joint = joint;
                    end = next_end;
                    joined = true;
                }
            }
        }
        chain.glued = glued(bytes, start, end);
        if chain.joint == Joint::Space && !chain.plus && !known_blank_form(chain.groups()) {
            let mut position = start;
            for _ in 0..chain.group_count {
                while !bytes[position].is_ascii_digit() {
                    position += 1;
                }
                let stop = group_end(bytes, position);
                let mut single = Chain::new(position);
                single.push(&bytes[position..stop], stop);
                single.glued = glued(bytes, position, stop);
                found(single);
                position = stop;
            }
        } else {
            found(chain);
        }
        at = end;
    }
}

/// Groupings written with blanks: My Number, cards, telephone numbers, postal codes.
fn known_blank_form(groups: &[u8]) -> bool {
    matches!(
        groups,
        [4, 4, 4] | [4, 4, 4, 4] | [4, 6, 5] | [3, 4, 4] | [2, 4, 4] | [3, 3, 4] | [4, 2, 4] | [3, 4] | [4, 7, 1]
    )
}

fn group_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |len| start + len)
}

/// The joint behind a group and the start of the next group.
fn joint_at(bytes: &[u8], end: usize, current: Joint) -> Option<(Joint, usize)> {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let first = *bytes.get(end)?;
    let (joint, next) = match first {
        b'-' => (Joint::Hyphen, end + 1),
        b'/' => (Joint::Slash, end + 1),
        b'.' => (Joint::Dot, end + 1),
        b',' => (Joint::Comma, end + 1),
        b'(' => (Joint::Hyphen, end + 1),
        b')' if matches!(bytes.get(end + 1), Some(b'-' | b' ')) => (Joint::Hyphen, end + 2),
        b')' => (Joint::Hyphen, end + 1),
        // `090 - 1234 - 5678`
        b' ' if bytes.get(end + 1) == Some(&b'-') && bytes.get(end + 2) == Some(&b' ') && digit(end + 3) => {
            (Joint::Hyphen, end + 3)
        }
        b' ' => (if current == Joint::Hyphen { Joint::None } else { Joint::Space }, end + 1),
        _ => return None,
    };
    (joint != Joint::None && digit(next)).then_some((joint, next))
}

fn glued(bytes: &[u8], start: usize, end: usize) -> bool {
    let word = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let before = start > 0
        && (word(bytes[start - 1])
            || (matches!(bytes[start - 1], b'-' | b'.' | b'/' | b'#' | b'%' | b'=' | b'&')
                && start > 1
                && (bytes[start - 2].is_ascii_alphanumeric() || bytes[start - 2] == b'/')
                && bytes[start - 1] != b'='));
    let after = bytes.get(end).is_some_and(|byte| word(*byte))
        || (matches!(bytes.get(end), Some(b'-' | b'.' | b'/'))
            && bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric));
    before || after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_cut_where_people_cut_them() {
        let mut out = Vec::new();
        for (text, want) in [
            ("tel 090-1234-5678.", vec![(vec![3u8, 4, 4], Joint::Hyphen)]),
            ("1 090-1234-5678", vec![(vec![1], Joint::None), (vec![3, 4, 4], Joint::Hyphen)]),
            ("03(1234)5678", vec![(vec![2, 4, 4], Joint::Hyphen)]),
            ("(03) 1234-5678", vec![(vec![2, 4, 4], Joint::Hyphen)]),
            ("1234 5678 9012", vec![(vec![4, 4, 4], Joint::Space)]),
            ("12 345", vec![(vec![2], Joint::None), (vec![3], Joint::None)]),
            ("1990/4/1", vec![(vec![4, 1, 1], Joint::Slash)]),
            ("1,234,567円", vec![(vec![1, 3, 3], Joint::Comma)]),
            ("090 - 1234 - 5678", vec![(vec![3, 4, 4], Joint::Hyphen)]),
        ] {
            chains(text, &mut out);
            let got: Vec<(Vec<u8>, Joint)> = out.iter().map(|chain| (chain.groups().to_vec(), chain.joint)).collect();
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn hexadecimal_leaves_next_to_no_chains_and_all_that_a_detector_uses_stay() {
        let mut out = Vec::new();
        useful_chains(&"3f9a1c77e0b2d456a9".repeat(10_000), &mut out);
        assert!(out.is_empty(), "{}", out.len());
        for text in ["1", "a 12b", "町3a", "AB12345678CD", "x123456789012", "tel 090-1234-5678."] {
            useful_chains(text, &mut out);
            assert_eq!(out.len(), 1, "{text}");
        }
    }

    #[test]
    fn letters_beside_a_number_are_seen_and_long_numbers_are_no_numbers() {
        let mut out = Vec::new();
        chains("AB1234-5678 123456789012345678901234567890", &mut out);
        assert!(out[0].glued);
        assert!(out[1].digits().is_empty());
    }
}
