//! Why a rule matched a mail, and why not: every condition with what it asks, what the mail has, and whether it held.
//! It refuses to change anything: it looks at the same facts as the evaluation.

use super::condition::Condition;
use super::set::{Mode, RuleSet};
use super::verdict::{Bilingual, Outcome};
use super::view::View;
use crate::facts::Facts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One rule against one mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleExplanation {
    /// The rule's id.
    pub rule: String,
    /// Its sentence.
    pub title: Bilingual,
    /// What it asks for.
    pub outcome: Outcome,
    /// Is it applied?
    pub mode: Mode,
    /// Did it match?
    pub matched: bool,
    /// All conditions, exceptions last.
    pub conditions: Vec<ConditionExplanation>,
}

/// One condition against one mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConditionExplanation {
    /// The key, with its place in nested tables: `persons`, `any[2].to`, `not.mail_kind`, `unless.from`.
    pub key: String,
    /// What the rule asks.
    pub wanted: String,
    /// What the mail has.
    pub found: String,
    /// Did this condition hold by itself?
    pub held: bool,
}

/// Explains every rule, in the order of files; rules that are off are left out.
#[must_use]
pub fn explain(set: &RuleSet, facts: &Facts) -> Vec<RuleExplanation> {
    let view = View::new(&set.classes, facts);
    let rules = set.rules.iter().filter(|rule| rule.mode != Mode::Off);
    rules
        .map(|rule| {
            let mut conditions = Vec::new();
            collect(&rule.when, &view, "", &mut conditions);
            if let Some(unless) = &rule.unless {
                collect(unless, &view, "unless.", &mut conditions);
            }
            RuleExplanation {
                rule: rule.id.clone(),
                title: rule.title.clone(),
                outcome: rule.then.outcome,
                mode: rule.mode,
                matched: view.holds(&rule.when) && !rule.unless.as_ref().is_some_and(|unless| view.holds(unless)),
                conditions,
            }
        })
        .collect()
}

fn collect(condition: &Condition, view: &View<'_>, place: &str, out: &mut Vec<ConditionExplanation>) {
    match condition {
        Condition::Leaf(leaf) => out.push(ConditionExplanation {
            key: format!("{place}{}", leaf.key),
            wanted: leaf.wanted.clone(),
            found: view.found(leaf),
            held: view.test(&leaf.test),
        }),
        Condition::All(parts) => parts.iter().for_each(|part| collect(part, view, place, out)),
        Condition::Any(parts) => {
            for (index, part) in parts.iter().enumerate() {
                collect(part, view, &format!("{place}any[{}].", index + 1), out);
            }
        }
        Condition::Not(part) => collect(part, view, &format!("{place}not."), out),
    }
}
