//! From facts to a verdict: every rule is evaluated, the strictest enforced outcome wins, what adds up is added up.
//! It refuses to fail and to let a mail pass that could not be inspected, whatever the rules say.

use super::condition::{Condition, Leaf};
use super::set::{Mode, Rule, RuleSet, Scope};
use super::verdict::{Bilingual, Decider, HoldTerms, Match, OnExpiry, Outcome, Reason, Repair, Verdict};
use super::view::View;
use crate::address::Address;
use crate::facts::Facts;
use std::collections::BTreeSet;

/// Decides about one mail.
#[must_use]
pub fn evaluate(set: &RuleSet, facts: &Facts) -> Verdict {
    let view = View::new(&set.classes, facts);
    let matched: Vec<&Rule> = set
        .rules
        .iter()
        .filter(|rule| rule.mode != Mode::Off)
        .filter(|rule| view.holds(&rule.when) && !rule.unless.as_ref().is_some_and(|unless| view.holds(unless)))
        .collect();
    let enforced: Vec<&Rule> = matched.iter().copied().filter(|rule| rule.mode == Mode::Enforce).collect();

    let mut verdict = Verdict::default();
    for rule in &matched {
        let mut reasons = Vec::new();
        collect_reasons(&rule.when, &view, &mut reasons);
        verdict.matches.push(Match {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            outcome: rule.then.outcome,
            observed: rule.mode == Mode::Observe,
            reasons,
        });
    }
    verdict.outcome = enforced.iter().map(|rule| rule.then.outcome).max().unwrap_or_default();
    add_up(&mut verdict, &enforced);
    keep(&mut verdict, &enforced, &view, facts);
    fail_closed(&mut verdict, set, facts);
    verdict.matches.sort_by_key(|one| std::cmp::Reverse(one.outcome));
    verdict
}

/// Everything that several rules may ask for together.
fn add_up(verdict: &mut Verdict, enforced: &[&Rule]) {
    for rule in enforced {
        let then = &rule.then;
        verdict.rewrite = verdict.rewrite.max(then.rewrite);
        push_new(&mut verdict.tags, &then.tags);
        push_new(&mut verdict.notify, &then.notify);
        push_new(&mut verdict.copy_to, &then.copy_to);
    }
    // A refusal in the dialogue tells the sender's program at once; one rule asking for it is enough.
    let mut blocks = enforced.iter().filter(|rule| rule.then.outcome == Outcome::Block).peekable();
    verdict.block_by_notice = blocks.peek().is_some() && blocks.all(|rule| rule.then.block_by_notice);
}

fn push_new<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
}

/// The terms under which the mail is kept, and whom it concerns.
fn keep(verdict: &mut Verdict, enforced: &[&Rule], view: &View<'_>, facts: &Facts) {
    let keeping: Vec<&Rule> = enforced
        .iter()
        .copied()
        .filter(|rule| rule.then.hold.is_some() || rule.then.outcome == Outcome::Block)
        .collect();
    if verdict.outcome != Outcome::Block {
        verdict.hold = merged_terms(&keeping, facts);
    }
    if !verdict.outcome.stops() {
        verdict.delay_ms = keeping.iter().filter_map(|rule| rule.then.delay_ms).max();
    }
    let partial = |rule: &&Rule| rule.scope == Scope::Recipient || rule.then.internal_now;
    if keeping.is_empty() || !keeping.iter().all(partial) {
        return;
    }
    let concerned: BTreeSet<String> = keeping.iter().flat_map(|rule| view.concerned(&rule.when)).collect();
    let all: BTreeSet<&str> = facts.recipients.iter().map(Address::key).collect();
    if all.iter().any(|key| !concerned.contains(*key)) {
        verdict.only_recipients = concerned.into_iter().filter(|key| all.contains(key.as_str())).collect();
    }
}

/// The terms of the strictest holds. Equal ones are joined: every approver of any, the most approvals, the shortest time, return before release.
/// A repair is offered only if each matching hold allows it; one that allows the mail as it is also allows hiding its recipients.
fn merged_terms(keeping: &[&Rule], facts: &Facts) -> Option<HoldTerms> {
    let strictest = keeping.iter().filter(|rule| rule.then.hold.is_some()).map(|rule| decides(rule)).max()?;
    let mut equals =
        keeping.iter().filter(|rule| decides(rule) == strictest).filter_map(|rule| rule.then.hold.as_ref());
    let mut terms = equals.next()?.clone();
    for other in equals {
        push_new(&mut terms.approvers, &other.approvers);
        push_new(&mut terms.escalate, &other.escalate);
        push_new(&mut terms.repairs, &other.repairs);
        terms.approvals = terms.approvals.max(other.approvals);
        // A delay has waited long enough only when the longest has.
        terms.expires_ms = if strictest == Outcome::Delay {
            terms.expires_ms.max(other.expires_ms)
        } else {
            terms.expires_ms.min(other.expires_ms)
        };
        terms.on_expiry = stricter_expiry(terms.on_expiry, other.on_expiry);
        terms.decider = terms.decider.max(other.decider);
    }
    let holds: Vec<&HoldTerms> = keeping.iter().filter_map(|rule| rule.then.hold.as_ref()).collect();
    if strictest > Outcome::Delay {
        for hold in holds.iter().filter(|hold| hold.decider != Decider::Nobody) {
            push_new(&mut terms.repairs, &hold.repairs);
        }
    }
    terms.repairs.retain(|repair| holds.iter().all(|hold| allows(hold, *repair)));
    terms.repairs.sort_by_key(|repair| *repair == Repair::Cancel);
    terms.escalate.sort_by_key(|step| step.after_ms);
    nobody_approves_himself(&mut terms, facts);
    Some(terms)
}

/// How strictly a rule's hold decides: a rule may also rewrite, which does not make a delay a hold.
fn decides(rule: &Rule) -> Outcome {
    match rule.then.hold.as_ref().map(|terms| terms.decider) {
        None => Outcome::Pass,
        Some(Decider::Nobody) => Outcome::Delay,
        Some(_) => rule.then.outcome,
    }
}

fn allows(hold: &HoldTerms, repair: Repair) -> bool {
    hold.repairs.contains(&repair)
        || match repair {
            Repair::Cancel => true,
            Repair::Bcc | Repair::Individual => hold.repairs.contains(&Repair::AsIs),
            Repair::AsIs => false,
        }
}

fn stricter_expiry(one: OnExpiry, other: OnExpiry) -> OnExpiry {
    let strictness = |expiry: OnExpiry| match expiry {
        OnExpiry::Release => 0,
        OnExpiry::Escalate => 1,
        OnExpiry::Return => 2,
    };
    if strictness(one) >= strictness(other) { one } else { other }
}

/// The sender is taken off the approvers; when nobody is left, an administrator decides.
fn nobody_approves_himself(terms: &mut HoldTerms, facts: &Facts) {
    if terms.decider != Decider::Approver {
        return;
    }
    let senders: BTreeSet<&str> = facts.sender.iter().chain(&facts.header_from).map(Address::key).collect();
    let other = |approver: &String| !senders.contains(Address::new(approver).key());
    terms.approvers.retain(other);
    for step in &mut terms.escalate {
        step.to.retain(other);
    }
    terms.escalate.retain(|step| !step.to.is_empty());
    let left = u32::try_from(terms.approvers.len()).unwrap_or(u32::MAX);
    if left == 0 {
        terms.decider = Decider::Admin;
    }
    terms.approvals = terms.approvals.min(left.max(1));
}

/// What holds without any rule: a mail that could not be inspected is never released by itself, and unclear recipients are only let pass by a rule that says so.
fn fail_closed(verdict: &mut Verdict, set: &RuleSet, facts: &Facts) {
    // Without a rule of its own such a mail is an administrator's, even when another rule would ask somebody milder.
    let settled =
        if set.mentions.inspection_failed { verdict.outcome.stops() } else { verdict.outcome >= Outcome::HoldAdmin };
    if let Some(cause) = facts.inspection_failed.as_ref().filter(|_| !settled) {
        let title = Bilingual {
            en: "The inspection could not be finished".to_owned(),
            ja: "検査を完了できませんでした".to_owned(),
        };
        hold_anyway(verdict, "builtin-inspection-failed", title, ("inspection_failed", cause), Decider::Admin);
    }
    if let Some(cause) =
        facts.recipients_unclear.as_ref().filter(|_| !set.mentions.recipients_unclear && !verdict.outcome.stops())
    {
        let title = Bilingual {
            en: "The recipient fields cannot be read without doubt".to_owned(),
            ja: "宛先欄を確実に読み取れません".to_owned(),
        };
        hold_anyway(verdict, "builtin-recipients-unclear", title, ("recipients_unclear", cause), Decider::Sender);
    }
}

fn hold_anyway(verdict: &mut Verdict, rule: &str, title: Bilingual, (key, found): (&str, &str), decider: Decider) {
    let (outcome, days) = if decider == Decider::Sender { (Outcome::HoldSender, 1) } else { (Outcome::HoldAdmin, 3) };
    verdict.outcome = outcome;
    verdict.delay_ms = None;
    verdict.only_recipients.clear();
    verdict.matches.push(Match {
        rule: rule.to_owned(),
        title,
        outcome,
        observed: false,
        reasons: vec![Reason { key: key.to_owned(), wanted: "true".to_owned(), found: found.to_owned() }],
    });
    verdict.hold = Some(HoldTerms {
        decider,
        repairs: vec![Repair::AsIs, Repair::Cancel],
        approvers: Vec::new(),
        approvals: 1,
        escalate: Vec::new(),
        expires_ms: days * 24 * 3_600_000,
        on_expiry: OnExpiry::Return,
    });
}

/// The leaves that made a condition hold, with what the mail has.
fn collect_reasons(condition: &Condition, view: &View<'_>, reasons: &mut Vec<Reason>) {
    match condition {
        Condition::Leaf(leaf) => reasons.push(reason(leaf, view)),
        Condition::All(parts) => parts.iter().for_each(|part| collect_reasons(part, view, reasons)),
        Condition::Any(parts) => {
            parts.iter().filter(|part| view.holds(part)).for_each(|part| collect_reasons(part, view, reasons));
        }
        Condition::Not(_) => {}
    }
}

fn reason(leaf: &Leaf, view: &View<'_>) -> Reason {
    Reason { key: leaf.key.clone(), wanted: leaf.wanted.clone(), found: view.found(leaf) }
}
