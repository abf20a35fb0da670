//! Insurer, symbol and number of health insurance cards.
//! It refuses numbers without a label.
//!
//! *What it finds*: insurer numbers with a right check digit behind 保険者番号; 記号・番号 behind 被保険者証 or 保険証.
//! *Why it matters*: a proof of identity, and health data by its context.
//! *Form and check digit (with source)*: 8 digits (law 2, prefecture 2, insurer 3, check 1) or 6; [`check_digit::insurer`].
//! *What lifts it*: the check digit.
//! *What it must not take*: the insurer number as a person: thousands share it.
//! *Examples*: `保険者番号 33120015` is certain; `被保険者証 記号 12 番号 3456` is likely and names a person.

use super::check_digit;
use super::context::{Entity, Scan, Weight, Word};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &[
    "保険者番号",
    "被保険者番号",
    "被保険者証番号",
    "被保険者証",
    "健康保険証",
    "保険証",
    "被保険者記号",
    "健康保険",
    "insurance number",
];

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| chain.groups().len() <= 2 && !chain.glued && !chain.plus) {
        if !scan.before_in_line(chain.start, 60, |word| word == Word::Label(Kind::HealthInsurance)) {
            continue;
        }
        let before = scan.text[..chain.start].trim_end_matches([' ', '　', ':', '第']);
        let own = ["番号", "番"].iter().any(|word| before.ends_with(word)) && !before.ends_with("保険者番号")
            || before.ends_with("被保険者番号");
        let insurer = before.ends_with("保険者番号") && !before.ends_with("被保険者番号");
        let found = if insurer && check_digit::insurer(chain.digits()) {
            Some((Confidence::Certain, Weight::None))
        } else if own && (1..=10).contains(&chain.digits().len()) {
            Some((Confidence::Likely, Weight::Identifier))
        } else {
            None
        };
        if let Some((confidence, weight)) = found {
            out.push(Entity {
                kind: Kind::HealthInsurance,
                confidence,
                weight,
                hash: hash::of(&scan.text[scan.line(chain.start).0..chain.end]),
                start: chain.start,
                end: chain.end,
            });
        }
    }
}
