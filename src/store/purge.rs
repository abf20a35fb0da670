//! Retention: what is decided and old goes, a few hundred rows at a time so that nobody waits for it.
//! It refuses to remove a mail that waits or leaves, and to shorten the audit trail without a row that says so.

use super::audit::{self, Event, NewAudit};
use super::row::{Columns, int};
use super::writer::Write;
use super::{Store, StoreError};
use crate::rules::verdict::Outcome;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

/// What was told once is remembered at least so long (two years): longer than a certificate lives.
const TOLD_MS: u64 = 2 * 366 * 86_400_000;
/// Rows of one commit.
const BATCH: u64 = 500;

/// How long things are kept after they are over, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Decided mails, from their decision; notices that were sent, from then.
    pub decided_ms: u64,
    /// Audit rows.
    pub audit_ms: u64,
    /// History rows; longer than the longest window.
    pub history_ms: u64,
    /// Pairs of sender and recipient, from the last mail.
    pub contacts_ms: u64,
}

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    pub held: u64,
    pub notices: u64,
    pub audit: u64,
    pub history: u64,
    pub contacts: u64,
    /// Bodies that nothing needed.
    pub bodies: u64,
    /// What was common to the transactions of a mail.
    pub groups: u64,
    /// Letters that were stuck for as long as decided mails are kept.
    pub stuck: u64,
}

/// Rows of the trail go in the order of their numbers, so that a gap is only at the beginning.
const PURGE_TRAIL: &str = "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit
     WHERE seq < COALESCE((SELECT MIN(seq) FROM audit WHERE at_ms >= $1), (SELECT MAX(seq) + 1 FROM audit)) ORDER BY seq LIMIT $2)";
/// How many [`PURGE_TRAIL`] removes.
const COUNT_TRAIL: &str = "SELECT COUNT(*) AS goes FROM (SELECT seq FROM audit
     WHERE seq < COALESCE((SELECT MIN(seq) FROM audit WHERE at_ms >= $1), (SELECT MAX(seq) + 1 FROM audit)) ORDER BY seq LIMIT $2) AS old";

struct Batch {
    sql: &'static str,
    before_ms: u64,
    /// Say it in the audit trail.
    at_ms: Option<u64>,
}

impl Write for Batch {
    type Out = u64;

    async fn apply(&self, at: &mut AnyConnection) -> Result<u64, StoreError> {
        if let Some(at_ms) = self.at_ms {
            let row = sqlx::query(COUNT_TRAIL).bind(int(self.before_ms)).bind(int(BATCH)).fetch_one(&mut *at).await?;
            let goes = row.number("goes")?;
            if goes == 0 {
                return Ok(0);
            }
            // Before the others go: numbers go on, also when all rows are old.
            let row = NewAudit::new(at_ms, None, Event::Purged, Outcome::Pass).count("audit_rows", goes);
            audit::add(at, &[row]).await?;
        }
        Ok(sqlx::query(self.sql).bind(int(self.before_ms)).bind(int(BATCH)).execute(&mut *at).await?.rows_affected())
    }
}

struct Needless;

impl Write for Needless {
    /// The file of each body that went, if it had one.
    type Out = Vec<Option<String>>;

    async fn apply(&self, at: &mut AnyConnection) -> Result<Self::Out, StoreError> {
        let rows = sqlx::query(
            "DELETE FROM body WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.mail = body.mail)
             AND NOT EXISTS (SELECT 1 FROM held WHERE held.id = body.mail AND held.state IN ('held', 'releasing'))
             AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.mail = body.mail AND notice.done_ms = 0)
             RETURNING file",
        )
        .fetch_all(at)
        .await?;
        rows.iter().map(|row| row.maybe_text("file")).collect()
    }
}

impl Store {
    /// Removes what is older than the retention.
    ///
    /// # Errors
    /// When the database cannot be written; what went before stays gone.
    pub async fn purge(&self, now_ms: u64, retention: &Retention) -> Result<Purged, StoreError> {
        let decided = now_ms.saturating_sub(retention.decided_ms);
        let held = "DELETE FROM held WHERE id IN (SELECT id FROM held
             WHERE state IN ('released', 'returned', 'expired', 'cancelled') AND decided_ms < $1
             AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.mail = held.id AND notice.done_ms = 0) LIMIT $2)";
        let notices = "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE done_ms > 0 AND done_ms < $1
             AND NOT EXISTS (SELECT 1 FROM held WHERE held.id = notice.mail AND held.state = 'held') LIMIT $2)";
        let history = "DELETE FROM history WHERE (mail_key, class) IN
             (SELECT mail_key, class FROM history WHERE at_ms < $1 LIMIT $2)";
        let contacts = "DELETE FROM contact WHERE (sender, recipient) IN
             (SELECT sender, recipient FROM contact WHERE last_ms < $1 LIMIT $2)";
        let told = "DELETE FROM told WHERE (subject, occasion) IN
             (SELECT subject, occasion FROM told WHERE at_ms < $1 LIMIT $2)";
        self.batches(told, now_ms.saturating_sub(retention.audit_ms.max(TOLD_MS)), None).await?;
        let groups = "DELETE FROM mail_group WHERE mail_key IN
             (SELECT mail_key FROM mail_group WHERE last_ms < $1 LIMIT $2)";
        Ok(Purged {
            stuck: self.purge_stuck(decided, now_ms).await?,
            groups: self.batches(groups, Self::groups_before(now_ms), None).await?,
            held: self.batches(held, decided, None).await?,
            notices: self.batches(notices, decided, None).await?,
            audit: self.batches(PURGE_TRAIL, now_ms.saturating_sub(retention.audit_ms), Some(now_ms)).await?,
            history: self.batches(history, now_ms.saturating_sub(retention.history_ms), None).await?,
            contacts: self.batches(contacts, now_ms.saturating_sub(retention.contacts_ms), None).await?,
            bodies: self.needless().await?,
        })
    }

    /// Bodies that nothing needs any more should have gone with the last row that needed them; this makes sure.
    async fn needless(&self) -> Result<u64, StoreError> {
        let files = self.writer.write(Needless).await?;
        let gone = files.len() as u64;
        self.bodies.discard(files.into_iter().flatten().collect()).await;
        Ok(gone)
    }

    async fn batches(&self, sql: &'static str, before_ms: u64, at_ms: Option<u64>) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let gone = self.writer.write(Batch { sql, before_ms, at_ms }).await?;
            all += gone;
            if gone < BATCH {
                return Ok(all);
            }
        }
    }
}
