//! Numbers of payment cards.
//! It refuses to be sure of published test numbers and of unlabelled digit strings.
//!
//! *What it finds*: 14–16 digits of the issuers' ranges, together, 4-4-4-4 or 4-6-5.
//! *Why it matters*: financial damage; one person is enough for the duty to report.
//! *Form and check digit (with source)*: ISO/IEC 7812-1, Luhn ([`check_digit::luhn`]).
//! *What lifts it*: a label (カード番号, card), a column, or the printed grouping.
//! *What it must not take*: test numbers (weak), order and slip numbers, numbers with a wrong check digit.
//! *Examples*: `カード番号 4539-1488-0343-6467` certain; `4111 1111 1111 1111` weak.

use super::check_digit;
use super::context::{Entity, Scan, Weight, Word};
use super::number::{Chain, Joint};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &[
    "クレジットカード番号",
    "クレジットカード",
    "クレカ",
    "カード番号",
    "カードno",
    "カードnumber",
    "デビットカード",
    "card number",
    "card no",
    "credit card",
    "visa",
    "mastercard",
    "master card",
    "jcb",
    "amex",
    "american express",
    "diners",
    "pan:",
];

/// Numbers the issuers and payment services publish for tests.
const TEST: &[u64] = &[
    4_111_111_111_111_111,
    4_242_424_242_424_242,
    4_012_888_888_881_881,
    4_000_000_000_000_002,
    5_555_555_555_554_444,
    5_105_105_105_105_100,
    378_282_246_310_005,
    371_449_635_398_431,
    3_530_111_333_300_000,
    3_566_002_020_360_505,
    6_011_111_111_111_117,
    6_011_000_990_139_424,
    30_569_309_025_904,
    38_520_000_023_237,
    4_000_000_000_000_000,
    4_222_222_222_222_220,
    5_431_111_111_111_111,
    5_200_828_282_828_210,
    4_000_056_655_665_556,
];

/// Digits of an issuer's range with a right check digit.
#[must_use]
pub fn valid(digits: &[u8]) -> bool {
    let head = digits.iter().take(4).fold(0u32, |all, digit| all * 10 + u32::from(*digit));
    let range = match digits.len() {
        16 => {
            (4000..5000).contains(&head)
                || (5100..5600).contains(&head)
                || (2221..=2720).contains(&head)
                || (3528..=3589).contains(&head)
                || head == 6011
                || (6440..6600).contains(&head)
                || (6200..6300).contains(&head)
        }
        15 => (3400..3500).contains(&head) || (3700..3800).contains(&head),
        14 => (3000..3060).contains(&head) || (3600..3700).contains(&head) || (3800..4000).contains(&head),
        _ => false,
    };
    range && check_digit::luhn(digits) && !digits[6..].iter().all(|digit| *digit == 0)
}

/// Is it a published test number?
#[must_use]
pub fn is_test(chain: &Chain) -> bool {
    TEST.contains(&chain.value())
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| !chain.glued && matches!(chain.digits().len(), 14..=16)) {
        let grouped = matches!(
            (chain.joint, chain.groups()),
            (Joint::Hyphen | Joint::Space, [4, 4, 4, 4] | [4, 6, 5] | [4, 6, 4])
        );
        if !(grouped || chain.joint == Joint::None) || !valid(chain.digits()) || scan.stopped(chain.start) {
            continue;
        }
        let labelled = scan.before(chain.start, 120, |word| word == Word::Label(Kind::CreditCard));
        let confidence = match (is_test(chain), labelled, grouped) {
            (true, ..) | (false, false, false) => Confidence::Weak,
            (false, true, _) => Confidence::Certain,
            (false, false, true) => Confidence::Likely,
        };
        out.push(Entity {
            kind: Kind::CreditCard,
            confidence,
            weight: if confidence == Confidence::Weak { Weight::None } else { Weight::Personal },
            hash: hash::of_bytes(chain.digits()),
            start: chain.start,
            end: chain.end,
        });
    }
}
