//! Numbers of Japanese driver's licences.
//! It refuses numbers without a label: the check digit is unofficial and 12 digits are common.
//!
//! *What it finds*: 12 digits behind 免許証番号, 運転免許 or in such a column.
//! *Why it matters*: a number that proves identity; with name and birth date it serves for impersonation.
//! *Form and check digit (with source)*: 2 commission, 2 year, 6 serial, 1 check, 1 reissue; [`check_digit::drivers_license`] (formula unofficial).
//! *What lifts it*: a right check digit lifts likely to certain.
//! *What it must not take*: 12-digit numbers without label, My Numbers under their own label.
//! *Examples*: `運転免許証番号 第301234567890号` is likely.

use super::check_digit;
use super::context::{Entity, Scan, Weight, Word};
use super::number::Chain;
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &[
    "運転免許証番号",
    "運転免許証",
    "運転免許番号",
    "免許証番号",
    "免許証の番号",
    "免許証no",
    "免許番号",
    "運転免許",
    "driver's license",
    "driver's licence",
    "drivers license",
    "driver license",
    "license number",
    "licence number",
];

/// Confidence of a labelled chain, if it has the form.
#[must_use]
pub fn confidence(chain: &Chain) -> Option<Confidence> {
    let commission = chain.group(0) / 10u32.pow(u32::from(chain.groups()[0].clamp(2, 10)) - 2);
    if chain.digits().len() != 12 || chain.groups()[0] < 2 || !(10..=97).contains(&commission) {
        return None;
    }
    Some(if check_digit::drivers_license(chain.digits()) { Confidence::Certain } else { Confidence::Likely })
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| chain.digits().len() == 12 && chain.groups().len() <= 4) {
        let labelled = scan.before(chain.start, 90, |word| word == Word::Label(Kind::DriversLicense));
        if let Some(confidence) = confidence(chain)
            && labelled
            && !scan.stopped(chain.start)
        {
            out.push(Entity {
                kind: Kind::DriversLicense,
                confidence,
                weight: Weight::Identifier,
                hash: hash::of_bytes(chain.digits()),
                start: chain.start,
                end: chain.end,
            });
        }
    }
}
