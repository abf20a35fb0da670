//! Notices that are due to people: one row for each mail, kind and occasion, until its letters are in the outbox.
//! It refuses to compose anything, and to lose a notice between the decision and its letters.

use super::body::{self, Body};
use super::outbox::{self, NewQueued, Queueing};
use super::row::{Columns, int, json, readable};
use super::secret::new_id;
use super::writer::Write;
use super::{Store, StoreError};
use crate::address::Address;
use crate::detect::Finding;
use crate::facts::Facts;
use crate::id::MailId;
use crate::rules::verdict::Verdict;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// What people are to be told about; who they are is decided when the letters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A mail waits.
    Held,
    /// These people are asked to decide too, or again.
    Escalated,
    /// What became of a held mail: released (when its last copy is gone), returned, cancelled, expired.
    Decided,
    /// A mail was accepted and discarded (`block = "notice"`).
    Blocked,
    /// A mail was sent, and a rule names people to tell.
    Sent,
    /// A mail was refused in the dialogue, and a rule names people to tell.
    Refused,
}

impl NoticeKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Escalated => "escalated",
            Self::Decided => "decided",
            Self::Blocked => "blocked",
            Self::Sent => "sent",
            Self::Refused => "refused",
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
    /// The same notice of the same occasion is sent once: 0, or for those that may come again the revision of the mail.
    pub occasion: u64,
    /// Who is asked, for [`NoticeKind::Escalated`].
    pub asked: Vec<String>,
    /// `None` for a held mail, whose row says everything.
    pub about: Option<About>,
    /// Epoch milliseconds.
    pub due_ms: u64,
}

impl NewNotice {
    /// About a held mail.
    #[must_use]
    pub fn held(mail: &MailId, kind: NoticeKind, due_ms: u64) -> Self {
        Self { mail: mail.clone(), kind, occasion: 0, asked: Vec::new(), about: None, due_ms }
    }

    /// About a mail that is not held.
    #[must_use]
    pub fn about(mail: &MailId, kind: NoticeKind, about: About, due_ms: u64) -> Self {
        Self { about: Some(about), ..Self::held(mail, kind, due_ms) }
    }

    /// Asks people on the occasion of a revision of a held mail.
    #[must_use]
    pub fn ask(mail: &MailId, revision: u64, asked: Vec<String>, due_ms: u64) -> Self {
        Self { occasion: revision, asked, ..Self::held(mail, NoticeKind::Escalated, due_ms) }
    }
}

/// A notice that was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub id: MailId,
    pub mail: MailId,
    pub kind: NoticeKind,
    /// Who is asked, for [`NoticeKind::Escalated`].
    pub asked: Vec<String>,
    pub about: Option<About>,
    /// Claims so far, this one included.
    pub attempts: u32,
}

/// Adds a notice unless the same one was added before. One that waits still learns what a further transaction of its mail tells.
pub(super) async fn insert(at: &mut AnyConnection, new: &NewNotice, now_ms: u64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO notice (id, mail, kind, occasion, asked, about, attempts, due_ms, leased, done_ms)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, 0) ON CONFLICT (mail, kind, occasion) DO UPDATE SET
         about = excluded.about WHERE notice.done_ms = 0 AND notice.leased = 0 AND excluded.about IS NOT NULL",
    )
    .bind(new_id(now_ms)?.as_str())
    .bind(new.mail.as_str())
    .bind(new.kind.as_str())
    .bind(int(new.occasion))
    .bind(json(&new.asked)?)
    .bind(new.about.as_ref().map(json).transpose()?)
    .bind(int(new.due_ms))
    .execute(at)
    .await?;
    Ok(())
}

/// Drops what asks for a decision and was not sent yet: the mail is decided.
pub(super) async fn withdraw(at: &mut AnyConnection, mail: &MailId, now_ms: u64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE notice SET done_ms = $1, leased = 0 WHERE mail = $2 AND done_ms = 0 AND kind IN ('held', 'escalated')",
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
             RETURNING id, mail, kind, asked, about, attempts",
        )
        .bind(int(self.now_ms.saturating_add(self.lease_ms)))
        .bind(int(self.now_ms))
        .bind(i64::from(self.limit))
        .fetch_all(at)
        .await?;
        Ok(readable(&rows, "notice", notice))
    }
}

pub(super) fn notice(row: &AnyRow) -> Result<Notice, StoreError> {
    Ok(Notice {
        id: row.id("id")?,
        mail: row.id("mail")?,
        kind: row.word("kind")?,
        asked: row.json("asked")?,
        about: row.maybe_json("about")?,
        attempts: row.small("attempts")?,
    })
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
    letters: Vec<(Queueing, Body)>,
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
            files.extend(self.letters.iter().filter_map(|(_, body)| body.file().cloned()));
            return Ok((false, files));
        };
        for (queueing, body) in &self.letters {
            files.extend(outbox::insert(at, queueing, Some(body)).await?);
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

    /// Ends a notice: its letters go to the outbox in the same commit, so each is sent once. `false`, and nothing is queued, when
    /// it was ended before.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn notice_done(&self, notice: &MailId, letters: Vec<NewQueued>, now_ms: u64) -> Result<bool, StoreError> {
        let mut prepared = Vec::with_capacity(letters.len());
        for letter in letters {
            let body = self.bodies.prepare(&letter.id, &letter.head, &letter.body).await?;
            prepared.push((Queueing::new(letter, &self.secret)?, body));
        }
        let (done, files) = self.writer.write(Done { notice: notice.clone(), letters: prepared, now_ms }).await?;
        self.bodies.discard(files).await;
        Ok(done)
    }
}
