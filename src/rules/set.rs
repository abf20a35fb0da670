//! A compiled rule set: what evaluation, inspection, history and pages need to know about the rules.
//! It refuses to be changed: a new text makes a new set.

use super::classes::{Class, Classes};
use super::condition::{Condition, Flag, Leaf, Measure, Test};
use super::example::Example;
use super::lists::Lists;
use super::then::Actions;
use super::verdict::Bilingual;
use super::window::WindowQuery;
use crate::address::Address;
use crate::config::error::{Problem, Source};
use crate::facts::Facts;
use crate::inspect::TextPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Is a rule applied?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not evaluated.
    Off,
    /// Recorded, not enforced.
    Observe,
    /// Enforced.
    #[default]
    Enforce,
}

/// What a rule's outcome is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole mail.
    #[default]
    Mail,
    /// The recipients its conditions mean; others may have the mail now.
    Recipient,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The stable id.
    pub id: String,
    /// The sentence for people.
    pub title: Bilingual,
    /// Is it applied?
    pub mode: Mode,
    /// What its outcome is about.
    pub scope: Scope,
    /// All its conditions.
    pub when: Condition,
    /// Its exceptions.
    pub unless: Option<Condition>,
    /// What happens.
    pub then: Actions,
    /// Does a condition ask for a window?
    pub(super) asks_window: bool,
    pub(super) source: Source,
    pub(super) span: Range<usize>,
}

impl Rule {
    /// The file it stands in.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// The line of its id.
    #[must_use]
    pub fn line(&self) -> usize {
        Problem::error(&self.source, self.span.clone(), "").line_column().0
    }
}

/// A compiled set of rules.
#[derive(Clone, Debug)]
pub struct RuleSet {
    pub(super) rules: Vec<Rule>,
    pub(super) lists: Lists,
    pub(super) classes: Classes,
    pub(super) patterns: Vec<TextPattern>,
    pub(super) windows: Vec<WindowQuery>,
    pub(super) examples: Vec<Example>,
    /// Warnings found while compiling; lint adds its own.
    pub(super) warnings: Vec<Problem>,
    pub(super) mentions: Mentions,
}

/// Which facts the rules ask for: first contact in any rule that is not off, the others in enforced ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mentions {
    pub first_contact: bool,
    pub inspection_failed: bool,
    pub recipients_unclear: bool,
    pub unreadable: bool,
}

impl RuleSet {
    /// The rules, in the order of files and lines.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of an id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// The examples written beside the rules.
    #[must_use]
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// What the inspection must look for in the text of a mail; several may share a key.
    #[must_use]
    pub fn text_patterns(&self) -> Vec<TextPattern> {
        self.patterns.clone()
    }

    /// The sums over a sender's recent mails that rules ask for.
    #[must_use]
    pub fn windows(&self) -> &[WindowQuery] {
        &self.windows
    }

    /// What this mail adds to a sum.
    #[must_use]
    pub fn contribution(&self, query: &WindowQuery, facts: &Facts) -> u64 {
        query.contribution(&self.classes, facts)
    }

    /// How far back history must be kept for the windows, in hours; 0 without windows.
    #[must_use]
    pub fn longest_window_hours(&self) -> u32 {
        self.windows.iter().map(|window| window.hours).max().unwrap_or(0)
    }

    /// Does a rule ask whether the sender wrote to a recipient before?
    #[must_use]
    pub fn uses_first_contact(&self) -> bool {
        self.mentions.first_contact
    }

    /// The domain patterns of the organisation itself.
    #[must_use]
    pub fn internal_patterns(&self) -> Vec<String> {
        self.lists.texts("internal")
    }

    /// Is the address the organisation's own?
    #[must_use]
    pub fn is_internal(&self, address: &Address) -> bool {
        self.classes.is_internal(address)
    }

    /// The classes of an address, by the words used in rules.
    #[must_use]
    pub fn class_names(&self, address: &Address) -> Vec<&'static str> {
        self.classes.of(address).iter().map(Class::as_str).collect()
    }

    /// The known domain that was probably meant, when the address's own is a look-alike of it.
    #[must_use]
    pub fn did_you_mean(&self, address: &Address) -> Option<String> {
        if self.classes.of(address).contains(Class::Lookalike) { self.classes.meant(address) } else { None }
    }
}

/// Calls `see` for every leaf of a condition.
pub(super) fn each_leaf<'c>(condition: &'c Condition, see: &mut impl FnMut(&'c Leaf)) {
    match condition {
        Condition::Leaf(leaf) => see(leaf),
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| each_leaf(part, see)),
        Condition::Not(part) => each_leaf(part, see),
    }
}

/// What the rules in force ask for, and the windows among it.
pub(super) fn survey(rules: &[Rule]) -> (Mentions, Vec<WindowQuery>) {
    let mut mentions = Mentions::default();
    let mut windows = Vec::new();
    for rule in rules.iter().filter(|rule| rule.mode != Mode::Off) {
        let enforced = rule.mode == Mode::Enforce;
        for condition in std::iter::once(&rule.when).chain(&rule.unless) {
            each_leaf(condition, &mut |leaf| match &leaf.test {
                Test::Number(Measure::FirstContact, _) => mentions.first_contact = true,
                Test::Flag(Flag::InspectionFailed, true) => mentions.inspection_failed |= enforced,
                Test::Flag(Flag::RecipientsUnclear, true) => mentions.recipients_unclear |= enforced,
                Test::Unreadable { .. } => mentions.unreadable |= enforced,
                Test::Window(queries) => windows.extend(queries.iter().map(|(query, _)| *query)),
                _ => {}
            });
        }
    }
    windows.sort_unstable();
    windows.dedup();
    (mentions, windows)
}
