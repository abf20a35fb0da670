//! The compare-and-set of held mails: a decision is written together with its copies, notices and audit rows, or not at all.
//! It refuses a decision on a mail that changed since the decider read it.

use super::audit::{self, Event, NewAudit};
use super::held::{approvers, by_id, due};
use super::keyring::Keyring;
use super::notice::{self, NewNotice, NoticeKind};
use super::outbox::{self, Item};
use super::row::{int, json};
use super::writer::Write;
use super::{Decision, HeldMail, State, Store, StoreError, body, history};
use crate::id::MailId;
use crate::plan::Copy;
use crate::rules::verdict::Repair;
use sqlx::AnyConnection;
use std::sync::Arc;

/// A decision to write.
#[derive(Clone, Debug)]
pub struct Transition {
    pub id: MailId,
    /// The revision it was decided on.
    pub revision: u64,
    /// States it may be in.
    pub from: Vec<State>,
    pub to: State,
    pub decision: Decision,
    /// Approvers who agreed, the deciding one included.
    pub approvals: Vec<String>,
    /// Copies that leave, when `to` is `Releasing`.
    pub copies: Vec<Copy>,
    pub notices: Vec<NewNotice>,
    pub audit: Vec<NewAudit>,
    /// Epoch milliseconds.
    pub now_ms: u64,
}

/// More people are asked.
#[derive(Clone, Debug)]
pub struct Escalated {
    pub id: MailId,
    /// The revision it was decided on.
    pub revision: u64,
    /// Steps taken from now on.
    pub escalated: u32,
    /// Epoch milliseconds.
    pub expires_ms: u64,
    pub notices: Vec<NewNotice>,
    pub audit: Vec<NewAudit>,
    /// Epoch milliseconds.
    pub now_ms: u64,
}

/// Reads the mail if it still is what the caller saw.
async fn current(
    at: &mut AnyConnection,
    keys: &Keyring,
    id: &MailId,
    revision: u64,
) -> Result<Option<HeldMail>, StoreError> {
    Ok(by_id(at, keys, id).await?.filter(|mail| mail.revision == revision))
}

async fn add_notices(at: &mut AnyConnection, notices: &[NewNotice], now_ms: u64) -> Result<(), StoreError> {
    for new in notices {
        notice::insert(at, new, now_ms).await?;
    }
    Ok(())
}

/// A change with the keys to read the mail it is about.
struct With<T>(T, Arc<Keyring>);

impl Write for With<Transition> {
    /// Did it happen, and files to discard.
    type Out = (bool, Option<String>);

    async fn apply(&self, at: &mut AnyConnection) -> Result<Self::Out, StoreError> {
        let Self(this, keys) = self;
        let Some(mail) = current(at, keys, &this.id, this.revision).await? else {
            return Ok((false, None));
        };
        if !this.from.contains(&mail.state) {
            return Ok((false, None));
        }
        let changed = sqlx::query(
            "UPDATE held SET state = $1, decision = $2, approvals = $3, decided_ms = $4, revision = revision + 1
             WHERE id = $5 AND state = $6 AND revision = $7",
        )
        .bind(this.to.as_str())
        .bind(json(&this.decision)?)
        .bind(json(&this.approvals)?)
        .bind(int(this.now_ms))
        .bind(this.id.as_str())
        .bind(mail.state.as_str())
        .bind(int(this.revision))
        .execute(&mut *at)
        .await?;
        if changed.rows_affected() != 1 {
            return Ok((false, None));
        }
        // Those whom a rule names are told of the hold even so.
        if mail.verdict.notify.is_empty() {
            notice::withdraw(at, &this.id, this.now_ms).await?;
        }
        add_notices(at, &this.notices, this.now_ms).await?;
        audit::add(at, &this.audit).await?;
        if this.to.leaves() {
            let sender = mail.sender.as_ref();
            let items = Item::of(&this.copies, sender, &mail.parameters, this.now_ms, this.now_ms)?;
            outbox::insert_items(at, &this.id, &items).await?;
        } else {
            history::forget(at, &mail.key).await?;
        }
        Ok((true, body::release(at, &this.id).await?))
    }
}

impl Write for With<Escalated> {
    type Out = bool;

    async fn apply(&self, at: &mut AnyConnection) -> Result<bool, StoreError> {
        let Self(this, keys) = self;
        let Some(mail) = current(at, keys, &this.id, this.revision).await?.filter(|mail| mail.state == State::Held)
        else {
            return Ok(false);
        };
        let terms = mail.verdict.hold.as_ref();
        sqlx::query(
            "UPDATE held SET escalated = $1, expires_ms = $2, due_ms = $3, approvers = $4, revision = revision + 1
             WHERE id = $5",
        )
        .bind(i64::from(this.escalated))
        .bind(int(this.expires_ms))
        .bind(int(due(mail.created_ms, this.expires_ms, terms, this.escalated)))
        .bind(approvers(terms, this.escalated))
        .bind(this.id.as_str())
        .execute(&mut *at)
        .await?;
        add_notices(at, &this.notices, this.now_ms).await?;
        audit::add(at, &this.audit).await?;
        Ok(true)
    }
}

/// One approver's agreement.
struct Approval {
    id: MailId,
    revision: u64,
    approver: String,
    repair: Repair,
    audit: Vec<NewAudit>,
}

impl Write for With<Approval> {
    type Out = Option<u32>;

    async fn apply(&self, at: &mut AnyConnection) -> Result<Option<u32>, StoreError> {
        let Self(this, keys) = self;
        let Some(mail) = current(at, keys, &this.id, this.revision).await?.filter(|mail| mail.state == State::Held)
        else {
            return Ok(None);
        };
        let mut approvals = mail.approvals;
        if !approvals.contains(&this.approver) {
            approvals.push(this.approver.clone());
            audit::add(at, &this.audit).await?;
        }
        sqlx::query("UPDATE held SET approvals = $1, approved_repair = $2, revision = revision + 1 WHERE id = $3")
            .bind(json(&approvals)?)
            .bind(json(&mail.approved_repair.unwrap_or(this.repair))?)
            .bind(this.id.as_str())
            .execute(&mut *at)
            .await?;
        Ok(Some(u32::try_from(approvals.len()).unwrap_or(u32::MAX)))
    }
}

/// Makes a releasing mail released when its last copy is gone, and tells the sender.
pub(super) async fn finish_release(at: &mut AnyConnection, id: &MailId, now_ms: u64) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE held SET state = 'released', revision = revision + 1 WHERE id = $1 AND state = 'releasing'
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.mail = $1)",
    )
    .bind(id.as_str())
    .execute(&mut *at)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    notice::insert(at, &NewNotice::held(id, NoticeKind::Decided, now_ms), now_ms).await
}

impl Store {
    /// The single compare-and-set: `false`, and nothing is written, when the mail is not in one of the states or changed since.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn transition(&self, transition: Transition) -> Result<bool, StoreError> {
        let (done, file) = self.writer.write(With(transition, Arc::clone(&self.keys))).await?;
        self.bodies.discard(file.into_iter().collect()).await;
        Ok(done)
    }

    /// Asks more people; `false`, and nothing is written, when the mail is decided or changed since.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn escalate(&self, escalated: Escalated) -> Result<bool, StoreError> {
        self.writer.write(With(escalated, Arc::clone(&self.keys))).await
    }

    /// Writes down that an approver agrees (once, however often he says so), and how many agree now; `None` when the mail is
    /// decided or changed since the revision he saw.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn approve(
        &self,
        id: &MailId,
        revision: u64,
        approver: &str,
        repair: Repair,
        now_ms: u64,
    ) -> Result<Option<u32>, StoreError> {
        let Some(mail) = self.held(id).await? else {
            return Ok(None);
        };
        let row = NewAudit::new(now_ms, Some(id.clone()), Event::Approved, mail.verdict.outcome)
            .by(super::Actor::Approver(approver.to_owned()));
        let approval = Approval { id: id.clone(), revision, approver: approver.to_owned(), repair, audit: vec![row] };
        self.writer.write(With(approval, Arc::clone(&self.keys))).await
    }
}
