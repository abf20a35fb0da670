//! Telephone numbers of Japan.
//! It refuses to call a number a person's: an office has one too, and freephone numbers belong to nobody.
//!
//! *What it finds*: mobile 060/070/080/090, IP 050, fixed numbers of ten digits, +81 forms.
//! *Why it matters*: with a name it lets anybody call the person.
//! *Form and check digit (with source)*: no check digit; numbering plan of the Ministry of Internal Affairs and Communications (電気通信番号計画).
//! *What lifts it*: a label or column; hyphens in the places of the plan.
//! *What it must not take*: 0120/0800/0570/0990 numbers, order numbers, dates, fax numbers and switchboards in signatures (left out as a block).
//! *Examples*: `090-1234-5678` certain, `03(1234)5678` certain, `0312345678` weak without label, `0120-123-456` nothing.

use super::context::{Entity, Scan, Weight, Word};
use super::number::{Chain, Joint};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &[
    "電話番号",
    "電話",
    "でんわ",
    "tel",
    "phone",
    "mobile",
    "携帯電話",
    "携帯番号",
    "携帯",
    "けいたい",
    "自宅電話",
    "℡",
    "緊急連絡先",
    "telephone",
    "cell",
];

/// Who uses such a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Mobile or IP telephone: one person's.
    Mobile,
    /// A fixed line: a home or an office.
    Fixed,
}

/// Reads digits as a domestic number: the national digits with leading 0 as a number, and the line.
fn classify(digits: &[u8]) -> Option<Line> {
    match (digits, digits.len()) {
        ([0, 5..=9, 0, 1..=9, ..], 11) => Some(Line::Mobile),
        ([0, 1, 2, 0, ..] | [0, 8, 0, 0, ..] | [0, 5, 7, 0, ..] | [0, 9, 9, 0, ..] | [0, 1, 8, 0, ..], 10 | 11) => None,
        // The second digit of an area code is 1–9, and no area code is 0x0.
        ([0, 1..=9, second, ..], 10) if digits[1] == 3 || digits[1] == 6 || *second != 0 => Some(Line::Fixed),
        _ => None,
    }
}

/// A telephone number: its hash, its line and whether it is written as one.
#[derive(Clone, Copy, Debug)]
pub struct Phone {
    pub hash: u64,
    pub line: Line,
    /// With hyphens in the right places, or with +81.
    pub written: bool,
}

/// Reads a chain as a telephone number.
#[must_use]
pub fn parse(chain: &Chain) -> Option<Phone> {
    if matches!(chain.joint, Joint::Slash | Joint::Dot | Joint::Comma) {
        return None;
    }
    let digits = chain.digits();
    if chain.plus {
        let national = digits.strip_prefix(&[8, 1])?;
        let national = national.strip_prefix(&[0]).unwrap_or(national);
        let mut buffer = [0u8; 12];
        let count = national.len() + 1;
        buffer.get_mut(1..count)?.copy_from_slice(national);
        let line = classify(&buffer[..count])?;
        return Some(Phone { hash: hash::of_bytes(&buffer[..count]), line, written: true });
    }
    let line = classify(digits)?;
    let written = match (line, chain.groups()) {
        (_, [10 | 11]) => false,
        (Line::Mobile, [3, 4, 4] | [3, 8]) => true,
        (Line::Fixed, [2, 4, 4] | [3, 3, 4] | [4, 2, 4] | [5, 1, 4]) => true,
        _ => return None,
    };
    Some(Phone { hash: hash::of_bytes(digits), line, written })
}

/// Reads a chain in a telephone column, where spreadsheets lose the leading 0.
#[must_use]
pub fn parse_in_column(chain: &Chain) -> Option<Phone> {
    parse(chain).or_else(|| {
        let digits = chain.digits();
        if chain.joint != Joint::None || !matches!(digits.len(), 9 | 10) || digits[0] == 0 {
            return None;
        }
        let mut buffer = [0u8; 11];
        buffer[1..=digits.len()].copy_from_slice(digits);
        let full = &buffer[..=digits.len()];
        Some(Phone { hash: hash::of_bytes(full), line: classify(full)?, written: false })
    })
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| !chain.glued && matches!(chain.digits().len(), 10..=13)) {
        let Some(phone) = parse(chain) else { continue };
        if scan.stopped(chain.start) {
            continue;
        }
        let labelled = scan.before_in_line(chain.start, 40, |word| word == Word::Label(Kind::Phone));
        // Only the nearest words: a text may be one line of a million numbers.
        let near = scan.text.floor_char_boundary(chain.start.saturating_sub(60));
        let fax = scan.text[near..chain.start].trim_end_matches([' ', ':', '.', '番', '号', '　']).to_ascii_lowercase();
        if fax.ends_with("fax") || fax.ends_with("ファックス") || fax.ends_with("ファクス") {
            continue;
        }
        let confidence = match (phone.written, labelled, phone.line) {
            (true, ..) => Confidence::Certain,
            (false, true, _) | (false, false, Line::Mobile) => Confidence::Likely,
            (false, false, Line::Fixed) => Confidence::Weak,
        };
        out.push(Entity {
            kind: Kind::Phone,
            confidence,
            weight: match (phone.line, confidence) {
                (_, Confidence::Weak) => Weight::None,
                (Line::Mobile, _) => Weight::Personal,
                (Line::Fixed, _) => Weight::Soft,
            },
            hash: phone.hash,
            start: chain.start,
            end: chain.end,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::number;
    use super::*;

    #[test]
    fn numbers_of_the_plan() {
        let mut chains = Vec::new();
        for (text, line) in [
            ("090-1234-5678", Some(Line::Mobile)),
            ("+81-90-1234-5678", Some(Line::Mobile)),
            ("+81 3 1234 5678", Some(Line::Fixed)),
            ("050-1234-5678", Some(Line::Mobile)),
            ("03-1234-5678", Some(Line::Fixed)),
            ("0595-22-1234", Some(Line::Fixed)),
            ("0120-123-456", None),
            ("0570-012-345", None),
            ("2024-1234-56", None),
            ("00-1234-5678", None),
        ] {
            number::chains(text, &mut chains);
            assert_eq!(chains.first().and_then(parse).map(|phone| phone.line), line, "{text}");
        }
    }
}
