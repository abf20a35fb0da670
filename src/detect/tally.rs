//! Keeps the counts and the first examples of each kind while a mail is inspected.
//! It refuses to keep values: examples are masked as they come, unless the caller asked to see them.

use super::distinct::Distinct;
use super::mask::mask;
use super::{Confidence, Count, Finding, Kind};
use std::collections::BTreeMap;

/// Examples kept of each kind.
pub const EXAMPLES: usize = 20;

/// Counts and examples of one mail.
#[derive(Debug, Default)]
pub struct Tally {
    kinds: BTreeMap<Kind, (Distinct, usize)>,
    findings: Vec<Finding>,
    reveal: bool,
}

impl Tally {
    /// An empty tally; with `reveal` the examples carry their values.
    #[must_use]
    pub fn new(reveal: bool) -> Self {
        Self { reveal, ..Self::default() }
    }

    /// Takes a value. The place is only asked for when the value becomes an example.
    pub fn see(&mut self, kind: Kind, confidence: Confidence, hash: u64, value: &str, place: impl FnOnce() -> String) {
        let (distinct, examples) = self.kinds.entry(kind).or_default();
        if distinct.add(hash, confidence) && *examples < EXAMPLES {
            *examples += 1;
            self.findings.push(Finding {
                kind,
                confidence,
                place: place(),
                masked: mask(kind, value),
                value: self.reveal.then(|| value.to_owned()),
            });
        }
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Kind, Count> {
        self.kinds.iter().map(|(kind, (distinct, _))| (*kind, distinct.count())).collect()
    }

    /// The examples, in the order of kinds.
    #[must_use]
    pub fn into_findings(self) -> Vec<Finding> {
        let mut findings = self.findings;
        findings.sort_by_key(|finding| finding.kind);
        findings
    }
}
