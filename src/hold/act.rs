//! One decision by one person: checked, planned, and written by a compare-and-set on what was checked.
//! It refuses a plan that would leave a recipient out, and writes down every attempt that was not allowed.

use super::permission::{Allowed, check, effective, overdue};
use super::{ActError, Action, Desk, Outcome};
use crate::address::Address;
use crate::id::MailId;
use crate::plan::{self, Copy};
use crate::rules::verdict::Repair;
use crate::store::{Actor, Decision, Event, HeldMail, NewAudit, NewNotice, NoticeKind, Record, State, Transition};
use std::collections::HashSet;

/// How often a decision is tried on a mail that changes meanwhile (each try fails only when somebody else succeeded).
pub(super) const TRIES: usize = 100;

/// The way out of a held mail.
pub(super) struct Way {
    pub to: State,
    pub event: Event,
    pub repair: Option<Repair>,
    pub comment: String,
    /// Approvers who agree, when that is what decides.
    pub approvals: Option<Vec<String>>,
}

impl Desk {
    /// Does what somebody wants, if he may and nobody was faster.
    ///
    /// # Errors
    /// [`ActError`]; then nothing has changed.
    pub async fn act(&self, id: &MailId, actor: Actor, action: Action, now_ms: u64) -> Result<Outcome, ActError> {
        for _ in 0..TRIES {
            let mail = self.view(id).await?;
            open(&mail, &actor, now_ms)?;
            let allowed = match check(&mail, &actor, &action) {
                Ok(allowed) => allowed,
                Err(why) => {
                    let row = row(&mail, Event::Denied, now_ms).by(actor);
                    self.store.record(Record { audit: vec![row], now_ms, ..Record::default() }).await?;
                    return Err(ActError::NotAllowed { why });
                }
            };
            if let Some(outcome) = self.perform(&mail, &actor, allowed, now_ms).await? {
                return Ok(outcome);
            }
        }
        Err(ActError::Busy)
    }

    /// `None`: the mail changed since it was read.
    async fn perform(
        &self,
        mail: &HeldMail,
        actor: &Actor,
        allowed: Allowed,
        now_ms: u64,
    ) -> Result<Option<Outcome>, ActError> {
        let simple = |to, event, comment| Way { to, event, repair: None, comment, approvals: None };
        let (way, outcome) = match allowed {
            Allowed::Cancel => (simple(State::Cancelled, Event::Cancelled, String::new()), Outcome::Cancelled),
            Allowed::Return(comment) => (simple(State::Returned, Event::Returned, comment), Outcome::Returned),
            Allowed::Release(repair) => release(mail, repair, None),
            Allowed::Approve { approver, repair, needed } => {
                let mut approvals = mail.approvals.clone();
                if !approvals.contains(&approver) {
                    approvals.push(approver.clone());
                }
                if approvals.len() < needed as usize {
                    let given = self.store.approve(&mail.id, mail.revision, &approver, repair, now_ms).await?;
                    return Ok(given.map(|given| Outcome::Approved { given, needed }));
                }
                release(mail, repair, Some(approvals))
            }
        };
        Ok(self.leave(mail, actor.clone(), way, now_ms).await?.then_some(outcome))
    }

    /// Writes the way out; `false` when the mail changed since it was read.
    pub(super) async fn leave(&self, mail: &HeldMail, actor: Actor, way: Way, now_ms: u64) -> Result<bool, ActError> {
        let copies = match way.repair {
            Some(repair) if way.to.leaves() => self.copies(mail, repair)?,
            _ => Vec::new(),
        };
        let notices = if way.to.leaves() {
            // The store adds the notice when the last copy has left.
            Vec::new()
        } else {
            vec![NewNotice::held(&mail.id, NoticeKind::Decided, now_ms)]
        };
        let row = row(mail, way.event, now_ms).by(actor.clone()).count("copies", copies.len() as u64);
        let transition = Transition {
            id: mail.id.clone(),
            revision: mail.revision,
            from: vec![State::Held],
            to: way.to,
            decision: Decision { by: actor, repair: way.repair, comment: way.comment, at_ms: now_ms },
            approvals: way.approvals.unwrap_or_else(|| mail.approvals.clone()),
            copies,
            notices,
            audit: vec![row],
            now_ms,
        };
        Ok(self.store.transition(transition).await?)
    }

    fn copies(&self, mail: &HeldMail, repair: Repair) -> Result<Vec<Copy>, ActError> {
        let is_internal = self.is_internal.as_ref();
        let rewritten = matches!(effective(repair, mail.verdict.rewrite), Repair::Bcc | Repair::Individual);
        if rewritten && plan::shows_anyway(&mail.facts, &is_internal) {
            return Err(ActError::Shown);
        }
        let copies = plan::released(&mail.verdict, repair, &mail.recipients, &mail.facts.visible, &is_internal);
        let reached: HashSet<&Address> =
            copies.iter().flat_map(|copy| &copy.recipients).map(|recipient| &recipient.address).collect();
        if mail.recipients.iter().all(|recipient| reached.contains(&recipient.address)) {
            Ok(copies)
        } else {
            Err(ActError::Unreachable)
        }
    }
}

/// Is the mail still to be decided?
fn open(mail: &HeldMail, actor: &Actor, now_ms: u64) -> Result<(), ActError> {
    match mail.state {
        State::Held if overdue(mail, actor, now_ms) => Err(ActError::Expired),
        State::Held => Ok(()),
        State::Expired => Err(ActError::Expired),
        state => {
            Err(ActError::AlreadyDecided { state, by: mail.decision.as_ref().map(|decision| decision.by.clone()) })
        }
    }
}

pub(super) fn release(mail: &HeldMail, repair: Repair, approvals: Option<Vec<String>>) -> (Way, Outcome) {
    let repair = effective(repair, mail.verdict.rewrite);
    let way =
        Way { to: State::Releasing, event: Event::Released, repair: Some(repair), comment: String::new(), approvals };
    (way, Outcome::Released(repair))
}

/// An audit row about a held mail, with the rules that matched.
pub(super) fn row(mail: &HeldMail, event: Event, now_ms: u64) -> NewAudit {
    let mut row = NewAudit::new(now_ms, Some(mail.id.clone()), event, mail.verdict.outcome)
        .count("recipients", mail.recipients.len() as u64);
    row.rules = mail.verdict.matches.iter().filter(|found| !found.observed).map(|found| found.rule.clone()).collect();
    row
}
