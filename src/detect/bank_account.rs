//! Accounts at Japanese banks and the post office bank.
//! It refuses digits without the words of an account: seven digits can be anything.
//!
//! *What it finds*: 普通/当座/貯蓄 or 口座番号 with up to 7 digits (8 at the post office bank), 記号・番号 pairs, such columns.
//! *Why it matters*: financial damage; one person is enough for the duty to report.
//! *Form and check digit (with source)*: bank 4, branch 3, account 7 digits, no public check digit (Zengin format); ゆうちょ 記号 5 digits, 番号 up to 8, ending in 1.
//! *What lifts it*: bank and branch names before it.
//! *What it must not take*: an invoice's own account as a person's (it has no personal holder), amounts, telephone numbers.
//! *Examples*: `関所銀行 本店 普通 1234567` certain, `口座番号：0012345` certain, `記号 10120 番号 12345671` certain.

use super::context::{Entity, Scan, Weight, Word};
use super::number::{Chain, Joint};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &[
    "口座番号",
    "口座no",
    "口座",
    "普通預金",
    "普通",
    "当座預金",
    "当座",
    "貯蓄預金",
    "(普)",
    "(当)",
    "account number",
    "account no",
    "ゆうちょ",
    "通帳番号",
    "記号番号",
    "記号",
];

/// Has the chain the form of an account number?
#[must_use]
pub fn form(chain: &Chain) -> bool {
    matches!(
        (chain.joint, chain.groups()),
        (Joint::None, [4..=8]) | (Joint::Hyphen | Joint::Space, [5, 6..=8] | [4, 3, 7] | [3, 7] | [5, 1, 6..=8])
    ) && !chain.plus
        && chain.digits().iter().any(|digit| *digit != 0)
}

/// The comparison form: without leading zeros.
#[must_use]
pub fn key(chain: &Chain) -> u64 {
    let digits = chain.digits();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    hash::of_bytes(&digits[zeros..])
}

/// Words of a bank, which lift the digits behind them.
pub const BANKS: &[&str] = &["銀行", "信用金庫", "信金", "信用組合", "農協", "支店", "労働金庫"];

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for chain in scan.chains.iter().filter(|chain| form(chain) && !chain.glued) {
        if !scan.before(chain.start, 120, |word| word == Word::Label(Kind::BankAccount)) {
            continue;
        }
        let (line_start, _) = scan.line(chain.start);
        let line = &scan.text[line_start..chain.start];
        let before =
            scan.text[..chain.start].trim_end_matches(|char: char| char.is_whitespace() || ":.(「第".contains(char));
        let bank = BANKS.iter().any(|word| line.contains(word));
        let groups = chain.groups();
        let full = matches!(groups, [6..=8] | [5, 6..=8] | [3, 7] | [4, 3, 7] | [5, 1, 6..=8]);
        let found = if ["口座番号", "口座no", "account number", "account no", "通帳番号", "記号番号"]
            .iter()
            .any(|word| ends_with(before, word))
            || ["普通預金", "当座預金", "貯蓄預金", "(普)", "(当)", "(普", "(当"]
                .iter()
                .any(|word| ends_with(before, word))
        {
            Some(Confidence::Certain)
        } else if ["普通", "当座", "口座"].iter().any(|word| ends_with(before, word)) {
            full.then_some(if bank { Confidence::Certain } else { Confidence::Likely })
        } else if ends_with(before, "番号") && line.contains("記号") {
            full.then_some(if chain.digits().last() == Some(&1) { Confidence::Certain } else { Confidence::Likely })
        } else if ends_with(before, "記号") && groups.len() == 2 {
            Some(Confidence::Certain)
        } else if bank && groups == [7] {
            Some(Confidence::Likely)
        } else {
            None
        };
        let counted = scan.text[chain.end..].starts_with(['円', '年', '件', '名', '人', '%']);
        if let Some(confidence) = found
            && !counted
            && !scan.stopped(chain.start)
        {
            out.push(Entity {
                kind: Kind::BankAccount,
                confidence,
                weight: Weight::Personal,
                hash: key(chain),
                start: chain.start,
                end: chain.end,
            });
        }
    }
}

/// Ends the text in this word, any case?
fn ends_with(text: &str, word: &str) -> bool {
    text.len() >= word.len()
        && text.is_char_boundary(text.len() - word.len())
        && text[text.len() - word.len()..].eq_ignore_ascii_case(word)
}
