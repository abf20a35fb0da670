//! From text to findings, and from findings to distinct persons.
//! It refuses to know any allow-list or threshold: whether a finding matters is for the rules.

use crate::address::{Address, DomainSet};
use crate::extract::{Content, Piece, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

// Kinds, one a file
pub mod address;
pub mod archive_password;
pub mod bank_account;
pub mod belief;
pub mod birth_date;
pub mod confidential_mark;
pub mod credential;
pub mod credit_card;
pub mod crime;
pub mod discipline;
pub mod drivers_license;
pub mod email_address;
pub mod employment_insurance;
pub mod family;
pub mod grades;
pub mod health;
pub mod health_insurance;
pub mod my_number;
pub mod name;
pub mod passport;
pub mod pension_number;
pub mod phone;
pub mod postal_code;
pub mod residence_card;
pub mod resident_record_code;
pub mod tax;
pub mod welfare;
// What they share
pub mod check_digit;
pub mod context;
mod dictionary;
mod distinct;
mod gazetteer;
mod hash;
mod kind;
mod mask;
mod name_search;
pub mod normalize;
pub mod number;
// From values to persons
mod column;
mod layout;
mod ledger;
mod person;
mod prose;
mod signature;
mod table;
mod tally;

pub use kind::Kind;

use context::Word;
use ledger::Ledger;

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    Weak,
    Likely,
    Certain,
}

/// One example of what was found; counts are in [`Count`], only the first examples of a kind are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// The kind.
    pub kind: Kind,
    /// How sure it is.
    pub confidence: Confidence,
    /// Where it stands: `名簿.zip!5年生.xlsx!Sheet1!C12`, `body line 3`.
    pub place: String,
    /// The value with all but a few characters masked; safe in notices and logs.
    pub masked: String,
    /// The value itself: only filled when the caller asked for it (`sekisho scan --reveal`), never stored, logged or mailed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Distinct values of one kind; `certain` ones are also counted in `likely`, and those in `weak`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Count {
    pub weak: u64,
    pub likely: u64,
    pub certain: u64,
}

impl Count {
    /// The count at this confidence or above.
    #[must_use]
    pub fn at_least(&self, confidence: Confidence) -> u64 {
        match confidence {
            Confidence::Weak => self.weak,
            Confidence::Likely => self.likely,
            Confidence::Certain => self.certain,
        }
    }
}

/// Distinct persons of one mail; the sender's and the recipients' own data are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Persons {
    /// All of them.
    pub total: u64,
    /// Those with sensitive data (health, welfare, grades, discipline, tax …).
    pub sensitive: u64,
    /// Those with financial data (card, account).
    pub financial: u64,
    /// The number is an estimate, since there were more than can be told apart exactly.
    pub estimated: bool,
}

/// Everything the detectors say about one mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Detected {
    /// Distinct values by kind.
    pub data: BTreeMap<Kind, Count>,
    /// The first examples of each kind, masked.
    pub findings: Vec<Finding>,
    /// Distinct persons.
    pub persons: Persons,
    /// Accounts whose credentials (ID with password, token, key) are in the mail.
    pub credentials: u64,
    /// The strongest confidential mark, as written (`社外秘`, `Confidential`).
    pub confidential: Option<String>,
}

/// What is inspected, and whose data does not count.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Everything that was read.
    pub pieces: &'a [Piece],
    /// The sender's addresses (envelope and From).
    pub own: &'a [Address],
    /// The recipients' addresses.
    pub recipients: &'a [Address],
    /// The organisation.
    pub internal: &'a DomainSet,
    /// Put values into the findings.
    pub reveal: bool,
}

/// Finds everything in one mail.
#[must_use]
pub fn detect(subject: &Subject<'_>) -> Detected {
    let mut ledger = Ledger::new(subject);
    // Bodies first: who is greeted and who signs is known before attachments are counted.
    let first = |piece: &&Piece| matches!(piece.role, Role::Subject | Role::Body);
    let order = subject.pieces.iter().filter(first).chain(subject.pieces.iter().filter(|piece| !first(piece)));
    for piece in order {
        match &piece.content {
            Content::Text(text) => prose::read(&mut ledger, &piece.path, piece.role, text),
            Content::Table(rows) => {
                let sensitive = title(&mut ledger, &piece.path);
                table::read(&mut ledger, &piece.path, rows, sensitive);
            }
        }
    }
    ledger.close()
}

/// What the names of file and sheet say about everybody in it: `生活保護受給者名簿.xlsx`.
fn title(ledger: &mut Ledger<'_>, path: &str) -> Option<Kind> {
    let folded = normalize::fold(path);
    ledger.buffers.scan(&folded).words.iter().find_map(|hit| match hit.word {
        Word::Sensitive(kind) => Some(kind),
        _ => None,
    })
}
