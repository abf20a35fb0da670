//! Notices that are due to people: one row for each mail, kind and reader, until its mail is in the outbox.
//! It refuses to compose anything, and to lose a notice between the decision and its mail.

use super::body::{self, Body};
use super::outbox::{self, NewQueued, Queueing};
use super::row::{Columns, int, json};
use super::secret::new_id;
use super::writer::Write;
use super::{Store, StoreError};
use crate::address::Address;
use crate::detect::Finding;
use crate::facts::Facts;
use crate::id::MailId;
use crate::rules::verdict::{Decider, Verdict};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// To the sender: the mail waits, for him or for somebody else (see the terms of the verdict).
    HoldSender,
    /// To an approver or deputy: please decide.
    HoldApprover,
    /// To the sender: what became of the held mail.
    Result,
    /// To the sender: the mail was discarded by a rule with `block = "notice"`.
    Blocked,
    /// To whom a rule names in `notify`.
    RuleNotify,
}

impl NoticeKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::HoldSender => "hold_sender",
            Self::HoldApprover => "hold_approver",
            Self::Result => "result",
            Self::Blocked => "blocked",
            Self::RuleNotify => "rule_notify",
        }
    }
}

/// What a notice needs to know about a mail that is not held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub sender: Option<Address>,
    pub facts: Facts,
    pub findings: Vec<Finding>,
    pub verdict: Verdict,
    /// Epoch milliseconds.
    pub created_ms: u64,
}

/// A notice to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct NewNotice {
    pub mail: MailId,
    pub kind: NoticeKind,
    pub to: Address,
    /// `None` for a held mail, whose row says everything.
    pub about: Option<About>,
    /// Epoch milliseconds.
    pub due_ms: u64,
}

/// A notice that was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub id: MailId,
    pub mail: MailId,
    pub kind: NoticeKind,
    pub to: Address,
    pub about: Option<About>,
    /// Claims so far, this one included.
    pub attempts: u32,
}

/// The notices that a new hold calls for: the sender is told in any case, approvers are asked; a sender is never asked to approve his own mail.
pub(super) fn of_hold(mail: &MailId, sender: Option<&Address>, verdict: &Verdict, due_ms: u64) -> Vec<NewNotice> {
    let new = |kind, to: Address| NewNotice { mail: mail.clone(), kind, to, about: None, due_ms };
    let mut notices: Vec<_> = sender.map(|to| new(NoticeKind::HoldSender, to.clone())).into_iter().collect();
    if let Some(terms) = verdict.hold.as_ref().filter(|terms| terms.decider == Decider::Approver) {
        let approvers = terms.approvers.iter().map(|approver| Address::new(approver));
        notices.extend(approvers.filter(|to| Some(to) != sender).map(|to| new(NoticeKind::HoldApprover, to)));
    }
    notices
}

/// Adds a notice unless the same one was added before.
pub(super) async fn insert(at: &mut AnyConnection, new: &NewNotice, now_ms: u64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO notice (id, mail, kind, recipient, recipient_key, about, attempts, due_ms, leased, done_ms)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, 0) ON CONFLICT (mail, kind, recipient_key) DO NOTHING",
    )
    .bind(new_id(now_ms)?.as_str())
    .bind(new.mail.as_str())
    .bind(new.kind.as_str())
    .bind(new.to.as_str())
    .bind(new.to.key())
    .bind(new.about.as_ref().map(json).transpose()?)
    .bind(int(new.due_ms))
    .execute(at)
    .await?;
    Ok(())
}

/// Sends the hold notices of a mail again, to approvers whose agreement was undone.
pub(super) async fn renew(at: &mut AnyConnection, mail: &MailId, to: &str, due_ms: u64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE notice SET done_ms = 0, leased = 0, attempts = 0, due_ms = $1
         WHERE mail = $2 AND kind = 'hold_approver' AND recipient_key = $3",
    )
    .bind(int(due_ms))
    .bind(mail.as_str())
    .bind(Address::new(to).key())
    .execute(at)
    .await?;
    Ok(())
}

/// Drops hold notices that were not sent yet: the mail is decided.
pub(super) async fn withdraw(at: &mut AnyConnection, mail: &MailId, now_ms: u64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE notice SET done_ms = $1 WHERE mail = $2 AND done_ms = 0 AND kind IN ('hold_sender', 'hold_approver')",
    )
    .bind(int(now_ms.max(1)))
    .bind(mail.as_str())
    .execute(at)
    .await?;
    Ok(())
}

struct Claim {
    now_ms: u64,
    lease_ms: u64,
    limit: u32,
}

impl Write for Claim {
    type Out = Vec<Notice>;

    async fn apply(&self, at: &mut AnyConnection) -> Result<Vec<Notice>, StoreError> {
        let rows = sqlx::query(
            "UPDATE notice SET attempts = attempts + 1, leased = 1, due_ms = $1 WHERE id IN
             (SELECT id FROM notice WHERE done_ms = 0 AND due_ms <= $2 ORDER BY due_ms LIMIT $3)
             RETURNING id, mail, kind, recipient, about, attempts",
        )
        .bind(int(self.now_ms.saturating_add(self.lease_ms)))
        .bind(int(self.now_ms))
        .bind(i64::from(self.limit))
        .fetch_all(at)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Notice {
                    id: row.id("id")?,
                    mail: row.id("mail")?,
                    kind: row.word("kind")?,
                    to: Address::new(&row.text("recipient")?),
                    about: row.maybe_json("about")?,
                    attempts: row.small("attempts")?,
                })
            })
            .collect()
    }
}

/// Frees the leases of a server that is gone.
pub(super) struct FreeLeases;

impl Write for FreeLeases {
    type Out = u64;

    async fn apply(&self, at: &mut AnyConnection) -> Result<u64, StoreError> {
        let done = sqlx::query("UPDATE notice SET leased = 0, due_ms = 0 WHERE leased = 1 AND done_ms = 0")
            .execute(at)
            .await?;
        Ok(done.rows_affected())
    }
}

struct Done {
    notice: MailId,
    mail: Option<(Queueing, Body)>,
    now_ms: u64,
}

impl Write for Done {
    type Out = (bool, Vec<String>);

    async fn apply(&self, at: &mut AnyConnection) -> Result<Self::Out, StoreError> {
        let row = sqlx::query(
            "UPDATE notice SET done_ms = $1, leased = 0, about = NULL WHERE id = $2 AND done_ms = 0 RETURNING mail",
        )
        .bind(int(self.now_ms.max(1)))
        .bind(self.notice.as_str())
        .fetch_optional(&mut *at)
        .await?;
        let mut files = Vec::new();
        let Some(row) = row else {
            files.extend(self.mail.as_ref().and_then(|(_, body)| body.file().cloned()));
            return Ok((false, files));
        };
        if let Some((queueing, body)) = &self.mail {
            files.extend(outbox::insert(at, queueing, body).await?);
        }
        files.extend(body::release(at, &row.id("mail")?).await?);
        Ok((true, files))
    }
}

impl Store {
    /// Takes notices that are due; each comes again after `lease_ms` unless it is done by then.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn claim_notices(&self, now_ms: u64, lease_ms: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
        self.writer.write(Claim { now_ms, lease_ms, limit }).await
    }

    /// The notice needs no mail (any more); `false` when it was done before.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn notice_done(&self, notice: &MailId, now_ms: u64) -> Result<bool, StoreError> {
        self.finish(Done { notice: notice.clone(), mail: None, now_ms }).await
    }

    /// The notice's own mail goes to the outbox in the same commit that ends the notice, so it is sent once; `false`, and
    /// nothing is queued, when it was done before.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn notice_queued(&self, notice: &MailId, mail: NewQueued) -> Result<bool, StoreError> {
        let body = self.bodies.prepare(&mail.body).await?;
        let now_ms = mail.now_ms;
        let queueing = Queueing::new(mail, &self.secret)?;
        self.finish(Done { notice: notice.clone(), mail: Some((queueing, body)), now_ms }).await
    }

    async fn finish(&self, done: Done) -> Result<bool, StoreError> {
        let (done, files) = self.writer.write(done).await?;
        self.bodies.discard(files).await;
        Ok(done)
    }
}
