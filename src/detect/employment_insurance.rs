//! Employment insurance numbers of insured persons (雇用保険被保険者番号).
//! It refuses numbers without a label.
//!
//! *What it finds*: 4-6-1 digits behind the label, or eleven digits in such a column.
//! *Why it matters*: with name and birth date it serves for impersonation.
//! *Form and check digit (with source)*: 4-6-1 digits (Ministry of Health, Labour and Welfare forms), check digit not public.
//! *What lifts it*: the label.
//! *What it must not take*: mobile numbers of eleven digits.
//! *Examples*: `雇用保険被保険者番号 1234-567890-1` is certain.

use super::context::{Entity, Scan, Weight, Word};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &["雇用保険被保険者番号", "雇用保険番号", "雇用保険"];

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| matches!(chain.groups(), [4, 6, 1] | [11]) && !chain.glued) {
        if scan.before_in_line(chain.start, 60, |word| word == Word::Label(Kind::EmploymentInsurance))
            && !scan.stopped(chain.start)
        {
            out.push(Entity {
                kind: Kind::EmploymentInsurance,
                confidence: Confidence::Certain,
                weight: Weight::Identifier,
                hash: hash::of_bytes(chain.digits()),
                start: chain.start,
                end: chain.end,
            });
        }
    }
}
