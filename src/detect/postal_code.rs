//! Japanese postal codes.
//! It refuses to make a person of one: a code covers a whole town.
//!
//! *What it finds*: `〒100-0001`, a code in front of an address, codes in a column.
//! *Why it matters*: it completes an address.
//! *Form and check digit (with source)*: seven digits 3-4, no check digit (Japan Post, since 1998).
//! *What lifts it*: the mark 〒, a label or column, an address right behind it.
//! *What it must not take*: any other 3-4 number (`123-4567` alone is weak), parts of longer numbers.
//! *Examples*: `〒100-0001` certain, `100-0001 東京都…` likely.

use super::context::{Entity, Scan, Weight, Word};
use super::number::{Chain, Joint};
use super::{Confidence, Kind, hash};

/// Has the chain the form?
#[must_use]
pub fn form(chain: &Chain) -> bool {
    matches!((chain.joint, chain.groups()), (Joint::Hyphen | Joint::Space, [3, 4]) | (Joint::None, [7])) && !chain.plus
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| form(chain) && !chain.glued) {
        let before = scan.text[..chain.start].trim_end_matches([' ', '　', ':']);
        let marked = before.ends_with('〒') || before.ends_with("郵便番号");
        let address = scan.behind(chain.end, 8, |word| word == Word::Prefecture);
        let confidence = match (marked, address, chain.joint) {
            (true, ..) => Confidence::Certain,
            (false, true, _) => Confidence::Likely,
            (false, false, Joint::Hyphen) => Confidence::Weak,
            _ => continue,
        };
        out.push(Entity {
            kind: Kind::PostalCode,
            confidence,
            weight: Weight::None,
            hash: hash::of_bytes(chain.digits()),
            start: chain.start,
            end: chain.end,
        });
    }
}
