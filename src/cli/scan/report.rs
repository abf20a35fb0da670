//! The answer of `scan --json`: its fields, its version and its published schema.
//! It refuses to change a field's meaning without a new version.

use crate::detect::Finding;
use crate::facts::Facts;
use crate::rules::RuleExplanation;
use crate::rules::verdict::Verdict;
use schemars::{JsonSchema, schema_for};
use serde::Serialize;

/// Grows when a field changes its meaning or goes; new fields may come without it.
pub(super) const VERSION: u32 = 1;

/// What `scan --json` says about one file.
#[derive(Serialize, JsonSchema)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// The file as it was named.
    pub file: String,
    /// Would the mail be held or blocked?
    pub would_be_stopped: bool,
    /// Everything known about the mail.
    pub facts: Facts,
    /// Examples of what was found, masked; `value` only with `--reveal`.
    pub findings: Vec<Finding>,
    /// The decision.
    pub verdict: Verdict,
    /// Every rule, and why it fired or not.
    pub rules: Vec<RuleExplanation>,
    /// Place and text of everything that was read; only with `--text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Vec<(String, String)>>,
}

/// The JSON Schema (draft 2020-12) of [`Report`].
#[must_use]
pub fn schema() -> String {
    serde_json::to_string_pretty(&schema_for!(Report)).unwrap_or_default()
}
