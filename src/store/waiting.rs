//! What waits in the outbox, for people: list it, have it tried at once, cancel it.
//! It refuses to touch an item that is being delivered at this moment, whoever asks.

use super::audit::{self, Event, NewAudit};
use super::body::{self, Body};
use super::outbox::{self, NewQueued, Queueing};
use super::row::{Columns, int};
use super::writer::Write;
use super::{Actor, OutboxItem, Store, StoreError, transition};
use crate::address::Address;
use crate::id::MailId;
use crate::rules::verdict::Outcome;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// The due time of what is not tried by itself.
pub(super) const NEVER: i64 = i64::MAX;

/// What the next server said about one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub address: Address,
    /// Epoch milliseconds.
    pub at_ms: u64,
    /// The reply on one line, printable ASCII.
    pub reply: String,
}

/// An item of the outbox as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub item: OutboxItem,
    /// Epoch milliseconds of the next attempt; of one that is being delivered, the end of its lease.
    pub due_ms: u64,
    /// Is it being delivered?
    pub leased: bool,
    /// Since when it is kept without being tried (epoch milliseconds), if it is.
    pub stuck_ms: Option<u64>,
}

impl Waiting {
    /// Is somebody delivering it at this moment (epoch milliseconds)?
    #[must_use]
    pub fn is_leaving(&self, now_ms: u64) -> bool {
        self.leased && self.due_ms > now_ms
    }
}

/// Which items to list, oldest first.
#[derive(Clone, Debug, Default)]
pub struct WaitingFilter {
    /// Only those that are stuck.
    pub stuck: bool,
    /// One item by its id, or all of a mail.
    pub id: Option<MailId>,
    /// Items behind this one, for the next page.
    pub after: Option<MailId>,
    /// At most so many.
    pub limit: u32,
}

/// The columns of an item with its state.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, mail, sender, parameters, recipients, change, attempts, warned, created_ms, said, due_ms, leased, ",
            "stuck_ms FROM outbox ",
            $rest
        )
    };
}

fn waiting(row: &AnyRow) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        item: outbox::item(row)?,
        due_ms: row.number("due_ms")?,
        leased: row.flag("leased")?,
        stuck_ms: Some(row.number("stuck_ms")?).filter(|since| *since > 0),
    })
}

/// Makes one item due.
struct Retry {
    id: MailId,
    now_ms: u64,
    audit: Vec<NewAudit>,
}

impl Write for Retry {
    type Out = bool;

    async fn apply(&self, at: &mut AnyConnection) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE outbox SET due_ms = $1, leased = 0, stuck_ms = 0 WHERE id = $2 AND (leased = 0 OR due_ms <= $1)",
        )
        .bind(int(self.now_ms))
        .bind(self.id.as_str())
        .execute(&mut *at)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        audit::add(at, &self.audit).await?;
        Ok(true)
    }
}

/// Takes one item out, with the report that tells its sender.
struct Cancel {
    id: MailId,
    mail: MailId,
    /// As it was read: whoever changed it since has its recipients.
    attempts: u32,
    report: Option<(Queueing, Body)>,
    audit: Vec<NewAudit>,
    now_ms: u64,
}

impl Write for Cancel {
    type Out = (bool, Vec<String>);

    async fn apply(&self, at: &mut AnyConnection) -> Result<Self::Out, StoreError> {
        let gone = sqlx::query("DELETE FROM outbox WHERE id = $1 AND attempts = $2 AND (leased = 0 OR due_ms <= $3)")
            .bind(self.id.as_str())
            .bind(i64::from(self.attempts))
            .bind(int(self.now_ms))
            .execute(&mut *at)
            .await?;
        let mut files = Vec::new();
        if gone.rows_affected() == 0 {
            files.extend(self.report.iter().filter_map(|(_, body)| body.file().cloned()));
            return Ok((false, files));
        }
        if let Some((queueing, body)) = &self.report {
            files.extend(outbox::insert(at, queueing, Some(body)).await?);
        }
        audit::add(at, &self.audit).await?;
        transition::finish_release(at, &self.mail, self.now_ms).await?;
        files.extend(body::release(at, &self.mail).await?);
        Ok((true, files))
    }
}

impl Store {
    /// Items of the outbox, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_outbox(&self, filter: &WaitingFilter) -> Result<Vec<Waiting>, StoreError> {
        let rows = sqlx::query(select!(
            "WHERE ($1 = 0 OR stuck_ms > 0) AND ($2 = '' OR id = $2 OR mail = $2) AND id > $3 ORDER BY id LIMIT $4"
        ))
        .bind(i64::from(filter.stuck))
        .bind(filter.id.as_ref().map_or("", MailId::as_str))
        .bind(filter.after.as_ref().map_or("", MailId::as_str))
        .bind(i64::from(filter.limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(waiting).collect()
    }

    /// How many items are stuck: nobody would be told if they were dropped.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_stuck(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) AS items FROM outbox WHERE stuck_ms > 0")
            .fetch_one(&self.read)
            .await?;
        row.number("items")
    }

    /// Makes an item due now; one that is stuck gets one more attempt. `false`, and nothing is written, when it is being delivered at
    /// this moment or gone.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn retry_outbox(&self, item: &OutboxItem, actor: Actor, now_ms: u64) -> Result<bool, StoreError> {
        let row = NewAudit::new(now_ms, Some(item.mail.clone()), Event::Retried, Outcome::Pass)
            .count("recipients", item.recipients.len() as u64)
            .by(actor);
        self.writer.write(Retry { id: item.id.clone(), now_ms, audit: vec![row] }).await
    }

    /// Takes an item out of the outbox, with the report that tells its sender, in one commit. `false`, and nothing is written, when it
    /// is being delivered at this moment, was tried since it was read, or is gone.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn cancel_outbox(
        &self,
        item: &OutboxItem,
        report: Option<NewQueued>,
        actor: Actor,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let row = NewAudit::new(now_ms, Some(item.mail.clone()), Event::Withdrawn, Outcome::Pass)
            .count("recipients", item.recipients.len() as u64)
            .count("reports", u64::from(report.is_some()))
            .by(actor);
        let report = match report {
            Some(report) => {
                let body = self.bodies.prepare(&report.id, &report.head, &report.body).await?;
                Some((Queueing::new(report, &self.secret)?, body))
            }
            None => None,
        };
        let (id, mail, attempts) = (item.id.clone(), item.mail.clone(), item.attempts);
        let (done, files) = self.writer.write(Cancel { id, mail, attempts, report, audit: vec![row], now_ms }).await?;
        self.bodies.discard(files).await;
        Ok(done)
    }

    /// Takes out what is stuck since before a moment (epoch milliseconds); nobody looked at it for as long as decided mails are kept.
    pub(super) async fn purge_stuck(&self, before_ms: u64, now_ms: u64) -> Result<u64, StoreError> {
        let rows = sqlx::query(select!("WHERE stuck_ms > 0 AND stuck_ms < $1 ORDER BY id LIMIT 1000"))
            .bind(int(before_ms))
            .fetch_all(&self.read)
            .await?;
        let mut gone = 0;
        for row in &rows {
            let item = outbox::item(row)?;
            gone += u64::from(self.cancel_outbox(&item, None, Actor::Expiry, now_ms).await?);
        }
        Ok(gone)
    }
}
