//! What each sender sent lately, as numbers: one row a mail and class of recipients, however many transactions carried it.
//! It refuses to keep addresses: senders are keyed hashes.

use super::many::Many;
use super::row::{Columns, int};
use super::secret::Secret;
use super::{MailKey, NewSent, Store, StoreError};
use crate::address::Address;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

/// The class under which a mail counts whatever its recipients are.
pub const ANY: &str = "any";

/// The numbers of one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// A mail counts once, however many of its transactions come; of each number the larger one stays.
    pub key: MailKey,
    pub sender: Address,
    /// Epoch milliseconds.
    pub at_ms: u64,
    /// What the mail adds, for each class of recipients that a window may ask for; [`ANY`] for windows without a class.
    pub adds: BTreeMap<String, Sums>,
    /// What it adds to the bounds of its sender and login, if there are any.
    pub sent: Option<NewSent>,
}

/// Sums over a window, or what one mail adds to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    pub persons: u64,
    pub visible_external: u64,
    pub external_recipients: u64,
    pub mails: u64,
}

/// The rows of one mail, with their senders and logins hashed.
pub(super) struct Kept {
    key: MailKey,
    rows: Vec<Row>,
}

struct Row {
    class: String,
    who: String,
    at_ms: u64,
    adds: Sums,
}

impl Kept {
    pub(super) fn new(row: HistoryRow, secret: &Secret) -> Self {
        let who = secret.hash(&row.sender);
        let usual = row.adds.into_iter();
        let usual = usual.map(|(class, adds)| Row { class, who: who.clone(), at_ms: row.at_ms, adds });
        let sent = row.sent.iter().flat_map(|sent| sent.whose.iter().map(move |whose| (sent, whose)));
        let sent = sent.map(|(sent, (class, name))| Row {
            class: (*class).to_owned(),
            who: secret.hash(name),
            at_ms: sent.at_ms,
            adds: sent.sums(),
        });
        let rows = usual.chain(sent).filter(|row| row.adds != Sums::default()).collect();
        Self { key: row.key, rows }
    }
}

static INSERT: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO history (mail_key, class, sender, at_ms, persons, visible_external, external_recipients, mails) VALUES",
        "?, ?, ?, ?, ?, ?, ?, ?",
        "ON CONFLICT (mail_key, class) DO UPDATE SET
         persons = CASE WHEN history.persons > excluded.persons THEN history.persons ELSE excluded.persons END,
         visible_external = CASE WHEN history.visible_external > excluded.visible_external
             THEN history.visible_external ELSE excluded.visible_external END,
         external_recipients = CASE WHEN history.external_recipients > excluded.external_recipients
             THEN history.external_recipients ELSE excluded.external_recipients END,
         mails = CASE WHEN history.mails > excluded.mails THEN history.mails ELSE excluded.mails END",
    )
});

/// Writes rows; of a mail that is there already the larger numbers stay.
pub(super) async fn insert(at: &mut AnyConnection, kept: &[&Kept]) -> Result<(), StoreError> {
    // One statement must not change a row twice: of two transactions of one mail the second goes into a round of its own.
    let mut rest: Vec<(&MailKey, &Row)> =
        kept.iter().flat_map(|kept| kept.rows.iter().map(|row| (&kept.key, row))).collect();
    while !rest.is_empty() {
        let mut seen = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|(key, row)| seen.insert((*key, row.class.as_str())));
        rest = later;
        for (piece, text) in INSERT.pieces(now.len()) {
            let mut query = sqlx::query(text);
            for (key, row) in &now[piece] {
                query = query
                    .bind(key.0.as_str())
                    .bind(row.class.as_str())
                    .bind(row.who.as_str())
                    .bind(int(row.at_ms))
                    .bind(int(row.adds.persons))
                    .bind(int(row.adds.visible_external))
                    .bind(int(row.adds.external_recipients))
                    .bind(int(row.adds.mails));
            }
            query.execute(&mut *at).await?;
        }
    }
    Ok(())
}

/// Takes a mail out that did not leave.
pub(super) async fn forget(at: &mut AnyConnection, key: &MailKey) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM history WHERE mail_key = $1").bind(key.0.as_str()).execute(at).await?;
    Ok(())
}

/// One window over what a sender sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Epoch milliseconds, inclusive.
    pub since_ms: u64,
    /// Epoch milliseconds, inclusive.
    pub until_ms: u64,
    /// The class of recipients, or [`ANY`].
    pub class: String,
}

/// Windows asked for in one statement.
const TOGETHER: usize = 8;

/// `SELECT` of the sums of so many windows, one row each. Sender and mail left out are `$1` and `$2`.
fn statement(windows: usize) -> String {
    let one = |number: usize| {
        format!(
            "SELECT {number} AS number, CAST(COALESCE(SUM(persons), 0) AS BIGINT) AS persons,
             CAST(COALESCE(SUM(visible_external), 0) AS BIGINT) AS visible_external,
             CAST(COALESCE(SUM(external_recipients), 0) AS BIGINT) AS external_recipients,
             CAST(COALESCE(SUM(mails), 0) AS BIGINT) AS mails
             FROM history WHERE sender = $1 AND mail_key <> $2 AND class = ${} AND at_ms >= ${} AND at_ms <= ${}",
            number * 3 + 3,
            number * 3 + 4,
            number * 3 + 5,
        )
    };
    (0..windows).map(one).collect::<Vec<_>>().join(" UNION ALL ")
}

/// The statements for one window up to [`TOGETHER`].
static STATEMENTS: LazyLock<Vec<String>> = LazyLock::new(|| (1..=TOGETHER).map(statement).collect());

impl Store {
    /// Sums over what a sender sent, for each of the windows. `except` leaves out the mail that is being judged, an earlier transaction
    /// of which may be in already.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn windows(
        &self,
        sender: &Address,
        windows: &[Window],
        except: Option<&MailKey>,
    ) -> Result<Vec<Sums>, StoreError> {
        let sender = self.secret.hash(sender);
        let mut found = Vec::with_capacity(windows.len());
        // Each statement is a way to another thread and back.
        for group in windows.chunks(TOGETHER) {
            let Some(text) = STATEMENTS.get(group.len() - 1) else { continue };
            let mut query =
                sqlx::query(text.as_str()).bind(sender.as_str()).bind(except.map_or("", |key| key.0.as_str()));
            for window in group {
                query = query.bind(window.class.as_str()).bind(int(window.since_ms)).bind(int(window.until_ms));
            }
            let mut sums = vec![Sums::default(); group.len()];
            for row in query.fetch_all(&self.read).await? {
                let number = usize::try_from(row.number("number")?).unwrap_or(usize::MAX);
                if let Some(sums) = sums.get_mut(number) {
                    *sums = Sums {
                        persons: row.number("persons")?,
                        visible_external: row.number("visible_external")?,
                        external_recipients: row.number("external_recipients")?,
                        mails: row.number("mails")?,
                    };
                }
            }
            found.append(&mut sums);
        }
        Ok(found)
    }
}
