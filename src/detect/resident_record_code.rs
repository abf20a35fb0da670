//! Resident record codes (住民票コード).
//! It refuses numbers without a label.
//!
//! *What it finds*: eleven digits behind 住民票コード or in such a column.
//! *Why it matters*: the key of a resident in the basic register network.
//! *Form and check digit (with source)*: eleven digits, ten random and one check digit (ordinance No. 35 of 1999, article 1); the formula is not used here.
//! *What lifts it*: the label.
//! *What it must not take*: mobile numbers of eleven digits.
//! *Examples*: `住民票コード 12345678901` is certain.

use super::context::{Entity, Scan, Weight, Word};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &["住民票コード", "住基コード"];

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| chain.digits().len() == 11 && !chain.glued) {
        if scan.before_in_line(chain.start, 60, |word| word == Word::Label(Kind::ResidentRecordCode))
            && !scan.stopped(chain.start)
        {
            out.push(Entity {
                kind: Kind::ResidentRecordCode,
                confidence: Confidence::Certain,
                weight: Weight::Identifier,
                hash: hash::of_bytes(chain.digits()),
                start: chain.start,
                end: chain.end,
            });
        }
    }
}
