//! How much a sender, or a login, handed in lately; and whether the writer still answers.
//! It refuses to count a mail twice: its transactions share one row, and the mail that is being judged is told apart.

use super::row::{Columns, int};
use super::writer::Write;
use super::{MailKey, Store, StoreError, Sums};
use crate::address::Address;
use sqlx::AnyConnection;

/// The class of history rows that count every mail and all its recipients for its sender.
pub const SENT: &str = "sent";
/// The same, for the login it came with.
pub const SENT_BY_LOGIN: &str = "sent by login";

/// What a mail adds to the bounds of those whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSent {
    /// [`SENT`] with its sender, [`SENT_BY_LOGIN`] with its login.
    pub whose: Vec<(&'static str, Address)>,
    /// When it was let in, epoch milliseconds: a mail that was asked to come later counts from when it came.
    pub at_ms: u64,
    /// All its recipients that are known.
    pub recipients: u64,
}

impl NewSent {
    /// As columns of the history: all recipients stand where others have outside ones.
    pub(super) fn sums(&self) -> Sums {
        Sums { mails: 1, external_recipients: self.recipients, ..Sums::default() }
    }
}

/// What was handed in within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Mails, without the one that is being judged.
    pub mails: u64,
    /// Their recipients.
    pub recipients: u64,
    /// An earlier transaction of the mail that is being judged was taken.
    pub begun: bool,
}

/// A change of nothing, which the writer must still come to.
struct Nothing;

impl Write for Nothing {
    type Out = ();

    async fn apply(&self, _: &mut AnyConnection) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Store {
    /// What a sender ([`SENT`]) or a login ([`SENT_BY_LOGIN`]) handed in since a moment (epoch milliseconds, inclusive).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sent(&self, who: &Address, class: &str, since_ms: u64, judged: &MailKey) -> Result<Sent, StoreError> {
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(CASE WHEN mail_key = $1 THEN 0 ELSE mails END), 0) AS BIGINT) AS mails,
             CAST(COALESCE(SUM(CASE WHEN mail_key = $1 THEN 0 ELSE external_recipients END), 0) AS BIGINT) AS recipients,
             CAST(COALESCE(SUM(CASE WHEN mail_key = $1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS begun
             FROM history WHERE sender = $2 AND class = $3 AND at_ms >= $4",
        )
        .bind(judged.0.as_str())
        .bind(self.secret.hash(who))
        .bind(class)
        .bind(int(since_ms))
        .fetch_one(&self.read)
        .await?;
        Ok(Sent { mails: row.number("mails")?, recipients: row.number("recipients")?, begun: row.number("begun")? > 0 })
    }

    /// Comes back when the writer has come to it, which it does as long as it lives; what it answers does not matter.
    pub async fn answers(&self) {
        drop(self.writer.write(Nothing).await);
    }
}
