//! Which windows can still change the verdict on a mail, so that a sender's history is only read for mails it matters for.
//! It refuses to guess: a window counts as needed unless the rest of every rule that asks for it settles that rule without it.

use super::condition::{Condition, Test};
use super::set::{Mode, Rule, RuleSet, each_leaf};
use super::view::View;
use super::window::WindowQuery;
use crate::facts::Facts;

/// A condition of which the windows are not known yet (Kleene's strong logic of three values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    No,
    Open,
    Yes,
}

fn truth(condition: &Condition, view: &View<'_>) -> Truth {
    match condition {
        Condition::Leaf(leaf) if matches!(leaf.test, Test::Window(_)) => Truth::Open,
        Condition::Leaf(leaf) if view.test(&leaf.test) => Truth::Yes,
        Condition::Leaf(_) => Truth::No,
        Condition::All(parts) => parts.iter().map(|part| truth(part, view)).min().unwrap_or(Truth::Yes),
        Condition::Any(parts) => parts.iter().map(|part| truth(part, view)).max().unwrap_or(Truth::No),
        Condition::Not(part) => match truth(part, view) {
            Truth::No => Truth::Yes,
            Truth::Open => Truth::Open,
            Truth::Yes => Truth::No,
        },
    }
}

/// Can windows decide whether the rule matches, or stand among its reasons?
fn is_open(rule: &Rule, view: &View<'_>) -> bool {
    truth(&rule.when, view) > Truth::No && rule.unless.as_ref().is_none_or(|unless| truth(unless, view) < Truth::Yes)
}

/// Calls `see` for every window that the conditions of a rule ask for.
pub(super) fn each_window(when: &Condition, unless: Option<&Condition>, mut see: impl FnMut(&WindowQuery)) {
    for condition in std::iter::once(when).chain(unless) {
        each_leaf(condition, &mut |leaf| {
            if let Test::Window(queries) = &leaf.test {
                for (query, _) in queries {
                    see(query);
                }
            }
        });
    }
}

impl RuleSet {
    /// The windows that matter for this mail. All its other facts must be complete, those of time and first contact too.
    #[must_use]
    pub fn open_windows(&self, facts: &Facts) -> Vec<WindowQuery> {
        if self.windows.is_empty() {
            return Vec::new();
        }
        let view = View::new(&self.classes, facts);
        let mut needed = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.mode != Mode::Off) {
            if rule.asks_window && is_open(rule, &view) {
                each_window(&rule.when, rule.unless.as_ref(), |query| needed.push(*query));
            }
        }
        needed.sort_unstable();
        needed.dedup();
        needed
    }
}
