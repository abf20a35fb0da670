//! Who may do what with a held mail. Pure, so that pages offer exactly what the desk accepts.
//! It refuses in doubt: without terms only an administrator decides, and nobody approves his own mail.

use super::Action;
use crate::address::Address;
use crate::rules::verdict::{Decider, HoldTerms, OnExpiry, Repair, Rewriting};
use crate::store::{Actor, HeldMail, steps};
use std::fmt;

/// Why somebody may not do something; the texts fit behind "because".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Not the sender of this mail.
    NotTheSender,
    /// Nobody asked him to approve this mail.
    NotAnApprover,
    /// He sent it himself.
    OwnMail,
    /// The rules leave the decision to somebody else.
    NotHisDecision,
    /// The rules do not offer this repair.
    RepairNotOffered,
    /// The approvers before him agreed to another repair.
    OtherRepairAgreed,
    /// This action is for others: senders cancel, approvers approve or return.
    NotHisAction,
    /// The clock acts by itself only.
    Clock,
}

impl fmt::Display for Denial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotTheSender => "only its sender may do this",
            Self::NotAnApprover => "only those who were asked to approve it may do this",
            Self::OwnMail => "nobody approves his own mail",
            Self::NotHisDecision => "the rules leave this decision to somebody else",
            Self::RepairNotOffered => "the rules do not offer this way of sending",
            Self::OtherRepairAgreed => "the approvers before agreed to another way of sending",
            Self::NotHisAction => "this action is not open to this person",
            Self::Clock => "the clock acts by itself only",
        })
    }
}

/// An action that is allowed, in its final form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Release(Repair),
    /// One of so many approvals.
    Approve {
        approver: String,
        repair: Repair,
        needed: u32,
    },
    Return(String),
    Cancel,
}

/// May this person do this?
pub(super) fn check(mail: &HeldMail, actor: &Actor, action: &Action) -> Result<Allowed, Denial> {
    // Sending with "do not send" is taking back.
    let action = match action {
        Action::Release(Repair::Cancel) => &Action::Cancel,
        other => other,
    };
    match actor {
        Actor::Admin(_) => admin(action),
        Actor::Sender(name) => sender(mail, &Address::new(name), action),
        Actor::Approver(name) => approver(mail, &Address::new(name), action),
        Actor::Expiry => Err(Denial::Clock),
    }
}

fn admin(action: &Action) -> Result<Allowed, Denial> {
    match action {
        Action::Approve(Repair::Cancel) => Err(Denial::RepairNotOffered),
        Action::Release(repair) | Action::Approve(repair) => Ok(Allowed::Release(*repair)),
        Action::Return { comment } => Ok(Allowed::Return(comment.clone())),
        Action::Cancel => Ok(Allowed::Cancel),
    }
}

fn sender(mail: &HeldMail, name: &Address, action: &Action) -> Result<Allowed, Denial> {
    if mail.sender.as_ref() != Some(name) {
        return Err(Denial::NotTheSender);
    }
    match action {
        // Not sending is always safe.
        Action::Cancel => Ok(Allowed::Cancel),
        Action::Release(repair) => {
            let terms = mail.verdict.hold.as_ref().ok_or(Denial::NotHisDecision)?;
            let offered = match terms.decider {
                Decider::Sender => terms.repairs.contains(repair),
                // A delayed mail leaves by itself; he may send it now in the same way.
                Decider::Nobody => terms.repairs.contains(repair) || by_itself(terms) == Some(*repair),
                Decider::Approver | Decider::Admin => return Err(Denial::NotHisDecision),
            };
            if offered { Ok(Allowed::Release(*repair)) } else { Err(Denial::RepairNotOffered) }
        }
        Action::Return { .. } | Action::Approve(_) => Err(Denial::NotHisAction),
    }
}

fn approver(mail: &HeldMail, name: &Address, action: &Action) -> Result<Allowed, Denial> {
    let terms = mail.verdict.hold.as_ref().ok_or(Denial::NotHisDecision)?;
    if !was_asked(mail, terms, name) {
        return Err(Denial::NotAnApprover);
    }
    if is_author(mail, name) {
        return Err(Denial::OwnMail);
    }
    match action {
        Action::Return { comment } => Ok(Allowed::Return(comment.clone())),
        Action::Release(repair) | Action::Approve(repair) => {
            if !offered(terms).contains(repair) {
                return Err(Denial::RepairNotOffered);
            }
            if mail.approved_repair.is_some_and(|agreed| agreed != *repair) {
                return Err(Denial::OtherRepairAgreed);
            }
            Ok(Allowed::Approve { approver: name.key().to_owned(), repair: *repair, needed: terms.approvals.max(1) })
        }
        Action::Cancel => Err(Denial::NotHisAction),
    }
}

/// Was this person asked: as an approver, or as a deputy by a step that was taken?
fn was_asked(mail: &HeldMail, terms: &HoldTerms, name: &Address) -> bool {
    let approvers = terms.approvers.iter().filter(|_| terms.decider == Decider::Approver);
    let deputies = steps(terms).into_iter().take(mail.escalated as usize).flat_map(|step| &step.to);
    approvers.chain(deputies).any(|asked| Address::new(asked) == *name)
}

/// Is this person the one who wrote or sent the mail, by envelope, header or login?
fn is_author(mail: &HeldMail, name: &Address) -> bool {
    let login = mail.client.login.as_deref().map(Address::new);
    mail.sender.as_ref() == Some(name) || login.as_ref() == Some(name) || mail.facts.header_from.contains(name)
}

/// The ways of sending that an approver may agree to; without any named, as it is.
fn offered(terms: &HoldTerms) -> Vec<Repair> {
    let sending: Vec<_> = terms.repairs.iter().copied().filter(|repair| *repair != Repair::Cancel).collect();
    if sending.is_empty() { vec![Repair::AsIs] } else { sending }
}

/// How a mail leaves when its time is over and nobody chose: in the first way the rules offer. A delayed mail without any offer leaves
/// as it is; another one does not leave.
pub(super) fn by_itself(terms: &HoldTerms) -> Option<Repair> {
    let first = terms.repairs.iter().copied().find(|repair| *repair != Repair::Cancel);
    first.or((terms.decider == Decider::Nobody).then_some(Repair::AsIs))
}

/// The repair that really is made: rewritings of matching rules apply however the mail leaves.
#[must_use]
pub fn effective(repair: Repair, rewrite: Option<Rewriting>) -> Repair {
    match (repair, rewrite) {
        (Repair::AsIs, Some(Rewriting::Bcc)) => Repair::Bcc,
        (Repair::AsIs | Repair::Bcc, Some(Rewriting::Individual)) => Repair::Individual,
        (other, _) => other,
    }
}

/// Has the time for decisions run out, though the clock has not yet come round to say so?
pub(super) fn overdue(mail: &HeldMail, actor: &Actor, now_ms: u64) -> bool {
    let returns = mail
        .verdict
        .hold
        .as_ref()
        .is_none_or(|terms| terms.decider != Decider::Nobody && terms.on_expiry == OnExpiry::Return);
    returns && now_ms >= mail.expires_ms && !matches!(actor, Actor::Admin(_))
}

/// What this person may choose for this mail now; empty when he can do nothing.
#[must_use]
pub fn choices(mail: &HeldMail, actor: &Actor, now_ms: u64) -> Vec<Action> {
    if mail.state != crate::store::State::Held || overdue(mail, actor, now_ms) {
        return Vec::new();
    }
    let sending = [Repair::Bcc, Repair::Individual, Repair::AsIs];
    let order = mail.verdict.hold.as_ref().map(|terms| terms.repairs.as_slice()).unwrap_or_default();
    let named = order.iter().copied().filter(|repair| *repair != Repair::Cancel);
    let others = sending.into_iter().filter(|repair| !order.contains(repair));
    let approver = matches!(actor, Actor::Approver(_));
    let send =
        named.chain(others).map(|repair| if approver { Action::Approve(repair) } else { Action::Release(repair) });
    let rest = [Action::Return { comment: String::new() }, Action::Cancel];
    send.chain(rest).filter(|action| check(mail, actor, action).is_ok()).collect()
}
