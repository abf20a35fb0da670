//! What happens to held mails by the clock: deputies are asked, delayed mails leave, and at the end nothing stays silent.
//! It refuses to release what the rules do not let go, and to keep anything for ever.

use super::act::{TRIES, Way, release, row};
use super::permission::by_itself;
use super::{ActError, Desk};
use crate::id::MailId;
use crate::rules::verdict::{Decider, HoldTerms, OnExpiry};
use crate::store::{Actor, Escalated, Event, HeldMail, NewNotice, State, steps};

/// Mails looked at in one go.
const BATCH: u32 = 100;

/// What the clock did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    pub expired: u64,
    pub released: u64,
    pub escalated: u64,
}

enum Done {
    Expired,
    Released,
    Escalated,
    /// It was decided meanwhile, or nothing is due.
    Nothing,
    /// It changed since it was read.
    Again,
}

impl Desk {
    /// Does everything that is due. One mail that fails does not hold up the others; it is tried again the next time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn expire(&self, now_ms: u64) -> Result<Ticked, ActError> {
        let mut ticked = Ticked::default();
        loop {
            let due = self.store.due_holds(now_ms, BATCH).await?;
            let before = ticked;
            for id in &due {
                match self.tick(id, now_ms).await {
                    Ok(Done::Expired) => ticked.expired += 1,
                    Ok(Done::Released) => ticked.released += 1,
                    Ok(Done::Escalated) => ticked.escalated += 1,
                    Ok(Done::Nothing | Done::Again) => {}
                    Err(error) => {
                        tracing::error!(mail = %id, %error, "failed to act on a held mail whose time has come");
                    }
                }
            }
            // A full batch of failures must not spin.
            if due.len() < BATCH as usize || ticked == before {
                return Ok(ticked);
            }
        }
    }

    async fn tick(&self, id: &MailId, now_ms: u64) -> Result<Done, ActError> {
        for _ in 0..TRIES {
            let mail = self.view(id).await?;
            if mail.state != State::Held {
                return Ok(Done::Nothing);
            }
            match self.once(&mail, now_ms).await? {
                Done::Again => {}
                done => return Ok(done),
            }
        }
        Err(ActError::Busy)
    }

    async fn once(&self, mail: &HeldMail, now_ms: u64) -> Result<Done, ActError> {
        let terms = mail.verdict.hold.as_ref();
        if now_ms < mail.expires_ms {
            return match terms {
                Some(terms) => self.ask_deputies(mail, terms, now_ms).await,
                None => Ok(Done::Nothing),
            };
        }
        if let Some(terms) = terms {
            let leaves = terms.decider == Decider::Nobody || terms.on_expiry == OnExpiry::Release;
            if let Some(repair) = by_itself(terms).filter(|_| leaves) {
                let (way, _) = release(mail, repair, None);
                return self.left(mail, way, now_ms, Done::Released).await;
            }
            if terms.on_expiry == OnExpiry::Escalate && mail.escalated as usize <= terms.escalate.len() {
                return self.overtime(mail, terms, now_ms).await;
            }
        }
        let way =
            Way { to: State::Expired, event: Event::Expired, repair: None, comment: String::new(), approvals: None };
        self.left(mail, way, now_ms, Done::Expired).await
    }

    async fn left(&self, mail: &HeldMail, way: Way, now_ms: u64, done: Done) -> Result<Done, ActError> {
        Ok(if self.leave(mail, Actor::Expiry, way, now_ms).await? { done } else { Done::Again })
    }

    /// Takes all escalation steps whose time has come.
    async fn ask_deputies(&self, mail: &HeldMail, terms: &HoldTerms, now_ms: u64) -> Result<Done, ActError> {
        let age = now_ms.saturating_sub(mail.created_ms);
        let steps = steps(terms);
        let taken = steps.iter().filter(|step| step.after_ms <= age).count();
        let before = mail.escalated as usize;
        if taken <= before {
            return Ok(Done::Nothing);
        }
        let asked = steps.iter().take(taken).skip(before).flat_map(|step| step.to.clone()).collect();
        self.escalate(mail, taken, mail.expires_ms, asked, now_ms).await
    }

    /// The first time that a mail to be escalated expires, everybody who may decide is asked, and it waits once more as long. One
    /// step more than there are marks it, so that the second time is the end.
    async fn overtime(&self, mail: &HeldMail, terms: &HoldTerms, now_ms: u64) -> Result<Done, ActError> {
        let steps = steps(terms);
        let approvers = terms.approvers.iter().filter(|_| terms.decider == Decider::Approver);
        let asked = approvers.chain(steps.iter().flat_map(|step| &step.to)).cloned().collect();
        let expires_ms = now_ms.saturating_add(terms.expires_ms);
        self.escalate(mail, steps.len() + 1, expires_ms, asked, now_ms).await
    }

    async fn escalate(
        &self,
        mail: &HeldMail,
        taken: usize,
        expires_ms: u64,
        mut asked: Vec<String>,
        now_ms: u64,
    ) -> Result<Done, ActError> {
        asked.sort();
        asked.dedup();
        let audit = row(mail, Event::Escalated, now_ms).by(Actor::Expiry).count("asked", asked.len() as u64);
        let escalated = Escalated {
            id: mail.id.clone(),
            revision: mail.revision,
            escalated: u32::try_from(taken).unwrap_or(u32::MAX),
            expires_ms,
            notices: vec![NewNotice::ask(&mail.id, mail.revision + 1, asked, now_ms)],
            audit: vec![audit],
            now_ms,
        };
        Ok(if self.store.escalate(escalated).await? { Done::Escalated } else { Done::Again })
    }
}
