//! The audit trail: numbered rows that are only ever added, and the cheap commit for mails that pass.
//! It refuses personal values: ids of mails and rules, actors, outcomes and counts, nothing from a mail.

use super::contact::{self, Contacts};
use super::history::{self, HistoryRow, Kept};
use super::many::Many;
use super::notice::{self, NewNotice};
use super::row::{Columns, int, json};
use super::together::{self, MailGroup};
use super::writer::Write;
use super::{Actor, Store, StoreError};
use crate::address::Address;
use crate::id::MailId;
use crate::rules::verdict::Outcome;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Passed on while the client waited.
    Relayed,
    /// Accepted into the outbox.
    Queued,
    /// Accepted and kept for a decision.
    Held,
    /// A further transaction of a held mail.
    Joined,
    /// A further transaction of a mail that was decided already.
    Followed,
    /// Refused in the dialogue by a rule.
    Blocked,
    /// Accepted and not delivered, by a rule.
    Discarded,
    /// Refused by the next mail server in the dialogue.
    Refused,
    /// Answered with a temporary failure.
    Deferred,
    /// One of several approvers agreed.
    Approved,
    /// An approver's or administrator's attempt that was not allowed.
    Denied,
    /// Deputies were asked.
    Escalated,
    /// Decided: it leaves.
    Released,
    /// Decided: given back.
    Returned,
    /// Decided: taken back by the sender.
    Cancelled,
    /// Its time ran out.
    Expired,
    /// A copy from the outbox was taken by the next mail server.
    Delivered,
    /// A copy from the outbox is late; the sender was told when he wants to be.
    Delayed,
    /// Recipients of a copy from the outbox failed for good.
    Failed,
    /// Recipients failed for good and nobody can be told: the copy is kept in the outbox and shown.
    Stuck,
    /// An administrator had a copy in the outbox tried at once.
    Retried,
    /// An administrator cancelled a copy in the outbox.
    Withdrawn,
    /// Old rows were removed.
    Purged,
}

impl Event {
    /// The word in the database, logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relayed => "relayed",
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Joined => "joined",
            Self::Followed => "followed",
            Self::Blocked => "blocked",
            Self::Discarded => "discarded",
            Self::Refused => "refused",
            Self::Deferred => "deferred",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Escalated => "escalated",
            Self::Released => "released",
            Self::Returned => "returned",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Delivered => "delivered",
            Self::Delayed => "delayed",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Retried => "retried",
            Self::Withdrawn => "withdrawn",
            Self::Purged => "purged",
        }
    }
}

/// A row to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// Epoch milliseconds.
    pub at_ms: u64,
    /// The mail, if it is about one.
    pub mail: Option<MailId>,
    pub event: Event,
    /// Who did it, if a person or the clock did.
    pub actor: Option<Actor>,
    /// Ids of the rules that matched.
    pub rules: Vec<String>,
    /// The verdict's outcome.
    pub outcome: Outcome,
    /// Numbers by name (`recipients`, `visible_external`, `persons` …).
    pub counts: BTreeMap<String, u64>,
}

impl NewAudit {
    /// A row without actor, rules and counts.
    #[must_use]
    pub fn new(at_ms: u64, mail: Option<MailId>, event: Event, outcome: Outcome) -> Self {
        Self { at_ms, mail, event, actor: None, rules: Vec::new(), outcome, counts: BTreeMap::new() }
    }

    /// With a number.
    #[must_use]
    pub fn count(mut self, name: &str, value: u64) -> Self {
        self.counts.insert(name.to_owned(), value);
        self
    }

    /// With an actor.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }
}

/// A row as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Counts up by one from 1; a gap at the beginning is what retention removed, any other gap is tampering.
    pub seq: u64,
    /// Epoch milliseconds.
    pub at_ms: u64,
    pub mail: Option<MailId>,
    pub event: Event,
    pub actor: Option<Actor>,
    pub rules: Vec<String>,
    pub outcome: Outcome,
    pub counts: BTreeMap<String, u64>,
}

/// Which rows to read, oldest first.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Rows behind this number.
    pub after_seq: u64,
    /// Epoch milliseconds, inclusive.
    pub since_ms: u64,
    /// Epoch milliseconds, exclusive.
    pub until_ms: Option<u64>,
    pub mail: Option<MailId>,
    pub event: Option<Event>,
    /// At most so many rows.
    pub limit: u32,
}

/// Everything to remember about a mail that is not kept.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub audit: Vec<NewAudit>,
    /// For sliding windows; only what left or may leave.
    pub history: Option<HistoryRow>,
    /// Sender and recipients, when a rule asks for first contacts.
    pub contacts: Option<(Address, Vec<Address>)>,
    /// Epoch milliseconds.
    pub now_ms: u64,
    pub notices: Vec<NewNotice>,
    /// What further transactions of the same mail have to know.
    pub group: Option<MailGroup>,
}

/// What a [`Record`] comes to in the database.
pub(super) struct Recording {
    audit: Vec<NewAudit>,
    history: Option<Kept>,
    contacts: Option<Contacts>,
    notices: Vec<NewNotice>,
    group: Option<MailGroup>,
    now_ms: u64,
}

impl Write for Recording {
    type Out = ();

    async fn apply(&self, at: &mut AnyConnection) -> Result<(), StoreError> {
        record_all(at, &[self]).await
    }

    fn recording(&self) -> Option<(&Recording, ())> {
        Some((self, ()))
    }
}

/// Writes what is to be remembered of many mails.
pub(super) async fn record_all(at: &mut AnyConnection, all: &[&Recording]) -> Result<(), StoreError> {
    let histories: Vec<&Kept> = all.iter().filter_map(|each| each.history.as_ref()).collect();
    history::insert(at, &histories).await?;
    for each in all {
        if let Some(contacts) = &each.contacts {
            contact::remember(at, contacts, each.now_ms).await?;
        }
        for new in &each.notices {
            notice::insert(at, new, each.now_ms).await?;
        }
    }
    let groups: Vec<&MailGroup> = all.iter().filter_map(|each| each.group.as_ref()).collect();
    together::keep(at, &groups).await?;
    let rows: Vec<&NewAudit> = all.iter().flat_map(|each| &each.audit).collect();
    add_all(at, &rows).await
}

/// The numbers follow each other because there is one writer and a failed transaction takes its numbers back.
static INSERT: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO audit (seq, at_ms, mail, event, actor, rules, outcome, counts)
         SELECT (SELECT COALESCE(MAX(seq), 0) FROM audit) + new.column1, new.column2, new.column3, new.column4, new.column5, new.column6,
         new.column7, new.column8 FROM (VALUES",
        "#, CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT)",
        ") AS new",
    )
});

/// Adds rows.
pub(super) async fn add(at: &mut AnyConnection, rows: &[NewAudit]) -> Result<(), StoreError> {
    add_all(at, &rows.iter().collect::<Vec<_>>()).await
}

async fn add_all(at: &mut AnyConnection, rows: &[&NewAudit]) -> Result<(), StoreError> {
    for (piece, text) in INSERT.pieces(rows.len()) {
        let mut query = sqlx::query(text);
        for row in &rows[piece] {
            query = query
                .bind(int(row.at_ms))
                .bind(row.mail.as_ref().map_or("", MailId::as_str))
                .bind(row.event.as_str())
                .bind(row.actor.as_ref().map(json).transpose()?)
                .bind(json(&row.rules)?)
                .bind(row.outcome.as_str())
                .bind(json(&row.counts)?);
        }
        query.execute(&mut *at).await?;
    }
    Ok(())
}

impl Store {
    /// Commits audit rows, the history row and notices of a mail that is not kept, before its reply. This is the way of nearly every mail.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn record(&self, record: Record) -> Result<(), StoreError> {
        let Record { audit, history, contacts, now_ms, notices, group } = record;
        let history = history.map(|row| Kept::new(row, &self.secret));
        let contacts = contacts.map(|(sender, recipients)| Contacts::new(&sender, &recipients, &self.secret));
        self.writer.write(Recording { audit, history, contacts, notices, group, now_ms }).await
    }

    /// Reads the trail.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, at_ms, mail, event, actor, rules, outcome, counts FROM audit
             WHERE seq > $1 AND at_ms >= $2 AND at_ms < $3 AND ($4 = '' OR mail = $4) AND ($5 = '' OR event = $5)
             ORDER BY seq LIMIT $6",
        )
        .bind(int(filter.after_seq))
        .bind(int(filter.since_ms))
        .bind(int(filter.until_ms.unwrap_or(u64::MAX)))
        .bind(filter.mail.as_ref().map_or("", MailId::as_str))
        .bind(filter.event.map_or("", Event::as_str))
        .bind(i64::from(filter.limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(AuditRow {
                    seq: row.number("seq")?,
                    at_ms: row.number("at_ms")?,
                    mail: if row.text("mail")?.is_empty() { None } else { Some(row.id("mail")?) },
                    event: row.word("event")?,
                    actor: row.maybe_json("actor")?,
                    rules: row.json("rules")?,
                    outcome: row.word("outcome")?,
                    counts: row.json("counts")?,
                })
            })
            .collect()
    }
}
