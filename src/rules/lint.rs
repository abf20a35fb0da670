//! What is accepted but probably not meant: rules that never matter, lists without use, searches that are slow, mails nobody thought of.
//! It refuses nothing: these are warnings, and the set works.

use super::condition::{AddressTest, Condition, Leaf, Test};
use super::number::Comparison;
use super::set::{Mode, Rule, RuleSet};
use super::verdict::Outcome;
use crate::config::error::{Problem, Source};

/// Domains and endings reserved for documentation and tests (RFC 2606, RFC 6761, and JPRS for `example.jp`).
const DOCUMENTATION: [&str; 5] = ["example.jp", "example.com", "example.org", "example.net", "test"];

/// All warnings about a set, in the order of files and lines.
#[must_use]
pub fn lint(set: &RuleSet) -> Vec<Problem> {
    let mut warnings = set.warnings.clone();
    lists(set, &mut warnings);
    for rule in &set.rules {
        if rule.mode == Mode::Off {
            warnings.push(warning(rule, format!("the rule `{}` is off", rule.id)));
            continue;
        }
        if let Some(reason) = impossible(rule) {
            let message = format!("the rule `{}` can never match: {reason}", rule.id);
            warnings.push(warning(rule, message));
        } else if let Some(other) = set.rules.iter().find(|other| shadows(other, rule)) {
            let message = format!("the rule `{}` never decides", rule.id);
            let help = format!(
                "`{}` ({}, line {}) matches whenever this one does and asks for `{}`",
                other.id,
                other.file(),
                other.line(),
                other.then.outcome.as_str()
            );
            warnings.push(warning(rule, message).with_help(help));
        }
    }
    defaults(set, &mut warnings);
    warnings.sort_by(|one, other| (one.file(), one.span().start).cmp(&(other.file(), other.span().start)));
    warnings.dedup();
    warnings
}

fn warning(rule: &Rule, message: String) -> Problem {
    Problem::warning(&rule.source, rule.span.clone(), message)
}

fn lists(set: &RuleSet, warnings: &mut Vec<Problem>) {
    for (name, list) in set.lists.iter() {
        let warn = |message: String| Problem::warning(&list.source, list.span.clone(), message);
        if !list.is_used() {
            let problem = warn(format!("the list `{name}` is not used"));
            warnings.push(problem.with_help(format!("rules use it as \"@{name}\"")));
        } else if list.entries.is_empty()
            && !set.warnings.iter().any(|known| known.span() == list.span && known.file() == list.source.file())
        {
            warnings.push(warn(format!("the list `{name}` has no entries")));
        }
    }
    let internal = set.lists.get("internal").into_iter().flat_map(|list| &list.entries);
    for entry in internal {
        let domain = entry.text.rsplit('@').next().unwrap_or("");
        let reserved = DOCUMENTATION.iter().find(|reserved| {
            domain == **reserved || domain.strip_suffix(*reserved).is_some_and(|rest| rest.ends_with('.'))
        });
        if let Some(reserved) = reserved {
            let message = format!("`internal` still names {reserved}, a domain for documentation");
            let problem = Problem::warning(&entry.source, entry.span.clone(), message);
            warnings.push(problem.with_help("put your organisation's own domains here"));
        }
    }
}

/// Mails that every set should have a rule for.
fn defaults(set: &RuleSet, warnings: &mut Vec<Problem>) {
    let place = set.rules.first().map_or_else(|| Source::new("rules", ""), |rule| rule.source.clone());
    let mentions = set.mentions;
    for (known, key, otherwise) in [
        (mentions.unreadable, "unreadable", "what could not be read passes like what was read"),
        (mentions.inspection_failed, "inspection_failed", "such a mail waits for an administrator"),
        (mentions.recipients_unclear, "recipients_unclear", "such a mail waits for its sender"),
    ] {
        if !known {
            let message = format!("no rule in force asks for `{key}`: {otherwise}");
            warnings.push(Problem::warning(&place, 0..0, message));
        }
    }
}

/// The leaves of a condition that must all hold; parts that are not plain conjunctions are given separately.
fn conjunction<'c>(condition: &'c Condition, leaves: &mut Vec<&'c Leaf>, others: &mut Vec<&'c Condition>) {
    match condition {
        Condition::Leaf(leaf) => leaves.push(leaf),
        Condition::All(parts) => parts.iter().for_each(|part| conjunction(part, leaves, others)),
        Condition::Any(_) | Condition::Not(_) => others.push(condition),
    }
}

/// Why a rule can never match, as far as its plain conditions show it.
fn impossible(rule: &Rule) -> Option<String> {
    let (mut leaves, mut others) = (Vec::new(), Vec::new());
    conjunction(&rule.when, &mut leaves, &mut others);
    for (index, leaf) in leaves.iter().enumerate() {
        match &leaf.test {
            Test::Number(measure, comparisons) => {
                if comparisons.iter().all(|one| one.range().is_none()) {
                    return Some(format!("no number is {} {}", leaf.key, leaf.wanted));
                }
                for other in &leaves[index + 1..] {
                    if let Test::Number(same, others) = &other.test
                        && same == measure
                        && !meet(comparisons, others)
                    {
                        return Some(format!("{} is never {} and {}", leaf.key, leaf.wanted, other.wanted));
                    }
                }
            }
            Test::Flag(flag, wanted) => {
                let opposite =
                    |other: &&Leaf| matches!(&other.test, Test::Flag(same, value) if same == flag && value != wanted);
                if leaves.iter().any(opposite) {
                    return Some(format!("{} is asked to be true and false", leaf.key));
                }
            }
            _ => {}
        }
    }
    let unless = rule.unless.as_ref().filter(|unless| implied(&leaves, &others, unless));
    unless.map(|_| "its exception holds whenever its conditions do".to_owned())
}

/// Is there a number for which one of each holds?
fn meet(ones: &[Comparison], others: &[Comparison]) -> bool {
    ones.iter().any(|one| {
        others.iter().any(|other| match (one.range(), other.range()) {
            (Some((from, to)), Some((low, high))) => from.max(low) <= to.min(high),
            _ => false,
        })
    })
}

/// Does the first rule make the second one pointless: it matches whenever the second does, asks for more, and the second adds nothing of its own?
fn shadows(first: &Rule, second: &Rule) -> bool {
    if first.id == second.id
        || first.mode != Mode::Enforce
        || second.mode != Mode::Enforce
        || first.scope != second.scope
    {
        return false;
    }
    let then = &second.then;
    let adds = !then.tags.is_empty() || !then.notify.is_empty() || !then.copy_to.is_empty() || then.rewrite.is_some();
    if adds || first.then.outcome <= then.outcome || then.outcome <= Outcome::Log {
        return false;
    }
    let (mut leaves, mut others) = (Vec::new(), Vec::new());
    conjunction(&second.when, &mut leaves, &mut others);
    let excepted_alike = match (&first.unless, &second.unless) {
        (None, _) => true,
        (Some(first), Some(second)) => same(first, second),
        (Some(_), None) => false,
    };
    excepted_alike && implied(&leaves, &others, &first.when)
}

/// Does the condition hold whenever all of these leaves and other parts do?
fn implied(leaves: &[&Leaf], others: &[&Condition], condition: &Condition) -> bool {
    match condition {
        Condition::Leaf(wide) => leaves.iter().any(|narrow| implies(&narrow.test, &wide.test, narrow, wide)),
        Condition::All(parts) => parts.iter().all(|part| implied(leaves, others, part)),
        Condition::Any(parts) => {
            parts.iter().any(|part| implied(leaves, others, part)) || others.iter().any(|other| same(other, condition))
        }
        Condition::Not(_) => others.iter().any(|other| same(other, condition)),
    }
}

fn implies(narrow: &Test, wide: &Test, narrow_leaf: &Leaf, wide_leaf: &Leaf) -> bool {
    match (narrow, wide) {
        (Test::Number(one, ones), Test::Number(other, others)) => {
            one == other && ones.iter().all(|one| others.iter().any(|other| one.implies(*other)))
        }
        (Test::From(one), Test::From(other))
        | (Test::To(one), Test::To(other))
        | (Test::ToAll(one), Test::ToAll(other)) => within(one, other),
        (Test::Unreadable { why, except }, Test::Unreadable { why: wider, except: fewer }) => {
            why.iter().all(|one| wider.contains(one)) && fewer.iter().all(|one| except.contains(one))
        }
        (Test::MailKind(ones), Test::MailKind(others)) => ones.iter().all(|one| others.contains(one)),
        (Test::Matched(ones), Test::Matched(others)) => ones.iter().all(|one| others.contains(one)),
        _ => narrow_leaf.key == wide_leaf.key && narrow_leaf.wanted == wide_leaf.wanted,
    }
}

/// Is every address that the first test means also meant by the second?
fn within(one: &AddressTest, other: &AddressTest) -> bool {
    one.words.iter().all(|word| {
        let outside = ["partner", "webmail", "carrier", "isp", "disposable", "lookalike", "personal"];
        let private = ["webmail", "carrier", "isp"];
        other.words.iter().any(|wide| {
            wide == word
                || (wide == "external" && outside.contains(&word.as_str()))
                || (wide == "personal" && private.contains(&word.as_str()))
        })
    })
}

/// Are two conditions written alike?
fn same(one: &Condition, other: &Condition) -> bool {
    match (one, other) {
        (Condition::Leaf(one), Condition::Leaf(other)) => one.key == other.key && one.wanted == other.wanted,
        (Condition::All(ones), Condition::All(others)) | (Condition::Any(ones), Condition::Any(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| same(one, other))
        }
        (Condition::Not(one), Condition::Not(other)) => same(one, other),
        _ => false,
    }
}
