//! What each sender sent lately, as numbers: one row a mail, however many transactions carried it.
//! It refuses to keep addresses: senders are keyed hashes.

use super::row::{Columns, int, word_list, word_pattern};
use super::secret::Secret;
use super::{MailKey, Store, StoreError};
use crate::address::Address;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

/// The numbers of one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// A row of the same key is not added twice; of each number the larger one stays.
    pub key: MailKey,
    pub sender: Address,
    /// Classes of its recipients (`external`, `webmail` …), for windows that look at one class.
    pub classes: Vec<String>,
    /// Epoch milliseconds.
    pub at_ms: u64,
    pub persons: u64,
    pub visible_external: u64,
    pub external_recipients: u64,
}

/// Sums over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    pub persons: u64,
    pub visible_external: u64,
    pub external_recipients: u64,
    pub mails: u64,
}

/// A row with its sender hashed.
pub(super) struct Kept {
    row: HistoryRow,
    sender: String,
}

impl Kept {
    pub(super) fn new(row: HistoryRow, secret: &Secret) -> Self {
        let sender = secret.hash(&row.sender);
        Self { row, sender }
    }
}

/// Adds the row, or raises the numbers of the one that is there.
pub(super) async fn insert(at: &mut AnyConnection, kept: &Kept) -> Result<(), StoreError> {
    let row = &kept.row;
    sqlx::query(
        "INSERT INTO history (mail_key, sender, classes, at_ms, persons, visible_external, external_recipients)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (mail_key) DO UPDATE SET
         classes = CASE WHEN history.classes = excluded.classes THEN history.classes
             ELSE history.classes || excluded.classes END,
         persons = CASE WHEN history.persons > excluded.persons THEN history.persons ELSE excluded.persons END,
         visible_external = CASE WHEN history.visible_external > excluded.visible_external
             THEN history.visible_external ELSE excluded.visible_external END,
         external_recipients = CASE WHEN history.external_recipients > excluded.external_recipients
             THEN history.external_recipients ELSE excluded.external_recipients END",
    )
    .bind(row.key.0.as_str())
    .bind(kept.sender.as_str())
    .bind(word_list(row.classes.iter().map(String::as_str)))
    .bind(int(row.at_ms))
    .bind(int(row.persons))
    .bind(int(row.visible_external))
    .bind(int(row.external_recipients))
    .execute(at)
    .await?;
    Ok(())
}

/// Takes a mail out that did not leave.
pub(super) async fn forget(at: &mut AnyConnection, key: &MailKey) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM history WHERE mail_key = $1").bind(key.0.as_str()).execute(at).await?;
    Ok(())
}

impl Store {
    /// Sums over what a sender sent since a moment (epoch milliseconds, inclusive), to any class or to one. `except` leaves out
    /// the mail that is being judged, when an earlier transaction of it is in already.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn window(
        &self,
        sender: &Address,
        since_ms: u64,
        to: Option<&str>,
        except: Option<&MailKey>,
    ) -> Result<Sums, StoreError> {
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(persons), 0) AS BIGINT) AS persons,
             CAST(COALESCE(SUM(visible_external), 0) AS BIGINT) AS visible_external,
             CAST(COALESCE(SUM(external_recipients), 0) AS BIGINT) AS external_recipients,
             CAST(COUNT(*) AS BIGINT) AS mails
             FROM history WHERE sender = $1 AND at_ms >= $2 AND mail_key <> $3 AND classes LIKE $4 ESCAPE '\\'",
        )
        .bind(self.secret.hash(sender))
        .bind(int(since_ms))
        .bind(except.map_or("", |key| key.0.as_str()))
        .bind(to.map_or_else(|| "%".to_owned(), word_pattern))
        .fetch_one(&self.read)
        .await?;
        Ok(Sums {
            persons: row.number("persons")?,
            visible_external: row.number("visible_external")?,
            external_recipients: row.number("external_recipients")?,
            mails: row.number("mails")?,
        })
    }
}
