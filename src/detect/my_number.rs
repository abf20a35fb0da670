//! My Number (個人番号), the 12-digit number of every resident of Japan.
//! It refuses to be sure without a label: one random 12-digit number in ten has a right check digit.
//!
//! *What it finds*: 12 digits, together or 4-4-4 with blanks or hyphens.
//! *Why it matters*: its handling is limited by law (番号法); one number outside the organisation is a reportable leak.
//! *Form and check digit (with source)*: see [`check_digit::my_number`]; ordinance No. 85 of 2014, article 5.
//! *What lifts it*: a label within 300 characters before it, a column heading, or three valid ones in one column.
//! *What it must not take*: slips and tracking numbers (4-4-4 too), corporate numbers (13 digits), masked values, filling examples.
//! *Examples*: `マイナンバー：6214 9832 0257` is certain, `621498320257` alone is weak, `お問い合わせ番号 6214-9832-0257` is nothing.

use super::check_digit;
use super::context::{Entity, Scan, Weight, Word};
use super::number::{Chain, Joint};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &[
    "マイナンバー",
    "マイナンバ",
    "個人番号",
    "共通番号",
    "社会保障・税番号",
    "my number",
    "mynumber",
    "individual number",
];

/// Bytes that 300 characters may take.
const REACH: usize = 900;

/// Has the chain the outer form?
#[must_use]
pub fn form(chain: &Chain) -> bool {
    chain.digits().len() == 12
        && !chain.plus
        && matches!((chain.joint, chain.groups()), (Joint::None, [12]) | (Joint::Hyphen | Joint::Space, [4, 4, 4]))
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| form(chain) && !chain.glued) {
        if !check_digit::my_number(chain.digits()) || scan.stopped(chain.start) {
            continue;
        }
        // A licence number has the same length: the nearest label decides.
        let other = scan.before_in_line(chain.start, 60, |word| {
            matches!(word, Word::Label(Kind::DriversLicense | Kind::EmploymentInsurance | Kind::CreditCard))
        });
        let labelled = scan.before(chain.start, REACH, |word| word == Word::Label(Kind::MyNumber));
        if other && !scan.before_in_line(chain.start, 60, |word| word == Word::Label(Kind::MyNumber)) {
            continue;
        }
        out.push(Entity {
            kind: Kind::MyNumber,
            confidence: if labelled { Confidence::Certain } else { Confidence::Weak },
            weight: if labelled { Weight::Identifier } else { Weight::None },
            hash: hash::of_bytes(chain.digits()),
            start: chain.start,
            end: chain.end,
        });
    }
}
