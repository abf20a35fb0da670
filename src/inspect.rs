//! One mail in, facts and findings out: runs reading, extracting and detecting in this order.
//! It refuses to judge, to look at a clock or to open anything; it runs inside a worker process.

use crate::detect::Finding;
use crate::facts::Facts;
use crate::limits::Limits;
use serde::{Deserialize, Serialize};

/// What an inspection must know about the organisation and its rule set; sent to a worker once per rule set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Domain patterns of the organisation itself (`DomainSet` syntax), whose addresses are not outside data.
    pub internal: Vec<String>,
    /// Text conditions of the rule set; the keys of those that match come back in `Facts::matched`.
    pub patterns: Vec<TextPattern>,
    /// All bounds.
    pub limits: Limits,
}

/// One text condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPattern {
    /// The key to report.
    pub key: String,
    /// Which text it looks at.
    pub scope: TextScope,
    /// A regular expression in the syntax of the crate `regex`, over NFKC-folded lower-cased text when `folded`.
    pub regex: String,
    /// Fold the text first (plain words), or look at it as it is (`/…/`).
    pub folded: bool,
}

/// Which text a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextScope {
    /// The body.
    Body,
    /// Everything extracted: subject, body, attachments, names, properties.
    Text,
}

/// What the caller wants besides the facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// The text that was read, with places.
    pub text: bool,
    /// Values of findings unmasked.
    pub reveal: bool,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The facts; the caller adds time, windows and first contact.
    pub facts: Facts,
    /// Examples, masked.
    pub findings: Vec<Finding>,
    /// `path` and text of every piece, when wanted.
    pub text: Vec<(String, String)>,
}
