//! Basic pension numbers (基礎年金番号).
//! It refuses numbers without a label.
//!
//! *What it finds*: 4-6 digits behind 基礎年金番号, or ten digits in such a column.
//! *Why it matters*: it opens the pension account and is misused for impersonation.
//! *Form and check digit (with source)*: 4-6 digits (Japan Pension Service), no public check digit.
//! *What lifts it*: the label.
//! *What it must not take*: telephone numbers of ten digits.
//! *Examples*: `基礎年金番号 1234-567890` is certain.

use super::context::{Entity, Scan, Weight, Word};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &["基礎年金番号", "年金番号", "年金手帳", "pension number"];

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| matches!(chain.groups(), [4, 6] | [10] | [4, 3, 3]) && !chain.glued)
    {
        if scan.before_in_line(chain.start, 60, |word| word == Word::Label(Kind::PensionNumber))
            && !scan.stopped(chain.start)
        {
            out.push(Entity {
                kind: Kind::PensionNumber,
                confidence: Confidence::Certain,
                weight: Weight::Identifier,
                hash: hash::of_bytes(chain.digits()),
                start: chain.start,
                end: chain.end,
            });
        }
    }
}
