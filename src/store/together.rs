//! What the transactions of one mail have in common, kept as long as further ones may come, so that a restart in between changes nothing.
//! It refuses to keep a recipient: numbers, the verdict and its reasons are enough for the transactions to agree.

use super::many::Many;
use super::row::{Columns, int, json};
use super::{MailKey, Store, StoreError};
use crate::id::MailId;
use crate::rules::verdict::Verdict;
use sqlx::AnyConnection;
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

/// How long a row is kept, in milliseconds; the time within which transactions are one mail is shorter.
const KEEP_MS: u64 = 2 * 24 * 3_600_000;

/// One mail, whatever number of transactions bring it.
#[derive(Clone, Debug, PartialEq)]
pub struct MailGroup {
    /// Of sender and content.
    pub content: MailKey,
    /// The id of its first transaction.
    pub mail: MailId,
    /// Epoch milliseconds.
    pub first_ms: u64,
    /// The last transaction, epoch milliseconds.
    pub last_ms: u64,
    /// What the sender's earlier mails added up to when the first transaction came, for each window that a rule asks for.
    pub windows: BTreeMap<String, u64>,
    /// The strictest verdict so far, if it is more than to pass.
    pub verdict: Option<Verdict>,
}

impl MailGroup {
    /// The key of the mail, which is the id of its first transaction: the same content that comes again later, as a mail of its own, has
    /// another one. Keys follow the time, so that rows of mails that come together lie together.
    #[must_use]
    pub fn key(&self) -> MailKey {
        MailKey(self.mail.to_string())
    }
}

static KEEP: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO mail_group (mail_key, mail, first_ms, last_ms, windows, strictness, verdict) VALUES",
        "?, ?, ?, ?, ?, ?, ?",
        "ON CONFLICT (mail_key) DO UPDATE SET
         verdict = CASE WHEN excluded.mail <> mail_group.mail OR excluded.strictness >= mail_group.strictness
             THEN excluded.verdict ELSE mail_group.verdict END,
         strictness = CASE WHEN excluded.mail <> mail_group.mail OR excluded.strictness >= mail_group.strictness
             THEN excluded.strictness ELSE mail_group.strictness END,
         mail = excluded.mail, first_ms = excluded.first_ms, last_ms = excluded.last_ms, windows = excluded.windows
         WHERE excluded.first_ms >= mail_group.first_ms",
    )
});

/// Writes what transactions add; of two verdicts the stricter one stays.
pub(super) async fn keep(at: &mut AnyConnection, groups: &[&MailGroup]) -> Result<(), StoreError> {
    // One statement must not change a row twice: of two transactions of one mail the second goes into a round of its own.
    let mut rest = groups.to_vec();
    while !rest.is_empty() {
        let mut seen = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|group| seen.insert(&group.content));
        rest = later;
        for (piece, text) in KEEP.pieces(now.len()) {
            let mut query = sqlx::query(text);
            for group in &now[piece] {
                let strictness = group.verdict.as_ref().map_or(0, |verdict| verdict.outcome as i64);
                query = query
                    .bind(group.content.0.as_str())
                    .bind(group.mail.as_str())
                    .bind(int(group.first_ms))
                    .bind(int(group.last_ms))
                    .bind(json(&group.windows)?)
                    .bind(strictness)
                    .bind(group.verdict.as_ref().map(json).transpose()?);
            }
            query.execute(&mut *at).await?;
        }
    }
    Ok(())
}

impl Store {
    /// What the transactions of this content that came last left.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn mail_group(&self, content: &MailKey) -> Result<Option<MailGroup>, StoreError> {
        let row = sqlx::query("SELECT mail, first_ms, last_ms, windows, verdict FROM mail_group WHERE mail_key = $1")
            .bind(content.0.as_str())
            .fetch_optional(&self.read)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(MailGroup {
            content: content.clone(),
            mail: row.id("mail")?,
            first_ms: row.number("first_ms")?,
            last_ms: row.number("last_ms")?,
            windows: row.json("windows")?,
            verdict: row.maybe_json("verdict")?,
        }))
    }

    /// The contents of which a transaction came since a moment (epoch milliseconds), at most so many, in the order of their keys behind one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn mail_groups_since(
        &self,
        since_ms: u64,
        after: &MailKey,
        limit: u32,
    ) -> Result<Vec<MailKey>, StoreError> {
        let page = "SELECT mail_key FROM mail_group WHERE mail_key > $1 AND last_ms >= $2 ORDER BY mail_key LIMIT $3";
        let rows = sqlx::query(page)
            .bind(after.0.as_str())
            .bind(int(since_ms))
            .bind(i64::from(limit))
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|row| row.text("mail_key").map(MailKey)).collect()
    }

    /// The moment (epoch milliseconds) before which rows are not needed any more.
    pub(super) fn groups_before(now_ms: u64) -> u64 {
        now_ms.saturating_sub(KEEP_MS)
    }
}
