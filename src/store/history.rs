//! What each sender sent lately, as numbers: one row a mail and class of recipients, however many transactions carried it.
//! It refuses to keep addresses: senders are keyed hashes.

use super::row::{Columns, int};
use super::secret::Secret;
use super::{MailKey, SENT_BY_LOGIN, Store, StoreError};
use crate::address::Address;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use std::collections::BTreeMap;

/// The class under which a mail counts whatever its recipients are.
pub const ANY: &str = "any";

/// The numbers of one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// A mail counts once, however many of its transactions come; of each number the larger one stays.
    pub key: MailKey,
    pub sender: Address,
    /// The login it came with, which is counted under a class of its own.
    pub login: Option<String>,
    /// Epoch milliseconds.
    pub at_ms: u64,
    /// What the mail adds, for each class of recipients that a window may ask for; [`ANY`] for windows without a class.
    pub adds: BTreeMap<String, Sums>,
}

/// Sums over a window, or what one mail adds to them.
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
    login: Option<String>,
}

impl Kept {
    pub(super) fn new(row: HistoryRow, secret: &Secret) -> Self {
        let sender = secret.hash(&row.sender);
        let login = row.login.as_deref().map(|login| secret.hash(&Address::new(login)));
        Self { row, sender, login }
    }
}

/// Adds the numbers, or raises those that are there.
pub(super) async fn insert(at: &mut AnyConnection, kept: &Kept) -> Result<(), StoreError> {
    let row = &kept.row;
    for (class, adds) in &row.adds {
        let counted = if class == SENT_BY_LOGIN { kept.login.as_deref() } else { Some(kept.sender.as_str()) };
        let Some(sender) = counted.filter(|_| *adds != Sums::default()) else { continue };
        sqlx::query(
            "INSERT INTO history (mail_key, class, sender, at_ms, persons, visible_external, external_recipients, mails)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (mail_key, class) DO UPDATE SET
             persons = CASE WHEN history.persons > excluded.persons THEN history.persons ELSE excluded.persons END,
             visible_external = CASE WHEN history.visible_external > excluded.visible_external
                 THEN history.visible_external ELSE excluded.visible_external END,
             external_recipients = CASE WHEN history.external_recipients > excluded.external_recipients
                 THEN history.external_recipients ELSE excluded.external_recipients END,
             mails = CASE WHEN history.mails > excluded.mails THEN history.mails ELSE excluded.mails END",
        )
        .bind(row.key.0.as_str())
        .bind(class.as_str())
        .bind(sender)
        .bind(int(row.at_ms))
        .bind(int(adds.persons))
        .bind(int(adds.visible_external))
        .bind(int(adds.external_recipients))
        .bind(int(adds.mails))
        .execute(&mut *at)
        .await?;
    }
    Ok(())
}

/// Takes a mail out that did not leave.
pub(super) async fn forget(at: &mut AnyConnection, key: &MailKey) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM history WHERE mail_key = $1").bind(key.0.as_str()).execute(at).await?;
    Ok(())
}

impl Store {
    /// Sums over what a sender sent since a moment (epoch milliseconds, inclusive) to a class of recipients, or to [`ANY`].
    /// `except` leaves out the mail that is being judged, an earlier transaction of which may be in already.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn window(
        &self,
        sender: &Address,
        since_ms: u64,
        class: &str,
        except: Option<&MailKey>,
    ) -> Result<Sums, StoreError> {
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(persons), 0) AS BIGINT) AS persons,
             CAST(COALESCE(SUM(visible_external), 0) AS BIGINT) AS visible_external,
             CAST(COALESCE(SUM(external_recipients), 0) AS BIGINT) AS external_recipients,
             CAST(COALESCE(SUM(mails), 0) AS BIGINT) AS mails
             FROM history WHERE sender = $1 AND class = $2 AND at_ms >= $3 AND mail_key <> $4",
        )
        .bind(self.secret.hash(sender))
        .bind(class)
        .bind(int(since_ms))
        .bind(except.map_or("", |key| key.0.as_str()))
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
