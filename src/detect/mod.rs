//! From text to findings, and from findings to distinct persons.
//! It refuses to know any allow-list or threshold: whether a finding matters is for the rules.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of personal or confidential data a finding is; the word is the key `data.KIND` of the rule language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    MyNumber,
    DriversLicense,
    Phone,
    PostalCode,
    Address,
    EmailAddress,
    BirthDate,
    BankAccount,
    CreditCard,
    Name,
    Health,
    Welfare,
    Grades,
    Discipline,
    Tax,
    Credential,
    ConfidentialMark,
}

impl Kind {
    /// tmp
    pub fn as_str(self) -> &'static str {
        "x"
    }
}
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
/// tmp
pub struct Subject<'a> {
    pub pieces: &'a [crate::extract::Piece],
    pub own: &'a [crate::address::Address],
    pub recipients: &'a [crate::address::Address],
    pub internal: &'a crate::address::DomainSet,
    pub reveal: bool,
}
/// tmp
pub fn detect(_s: &Subject) -> Detected {
    Detected::default()
}
