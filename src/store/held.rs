//! Held mails: taking one in, or joining a further transaction to it, and reading them back.
//! It refuses to hold one mail twice: the same key is the same mail, whatever transaction brings it.

use super::audit::{self, Event, NewAudit};
use super::body::{self, Body};
use super::column;
use super::history::{self, HistoryRow, Kept};
use super::join;
use super::keyring::{InUse, Keyring};
use super::notice::{self, NewNotice, NoticeKind};
use super::outbox::{self, Item};
use super::row::{Columns, int, word_list, word_pattern};
use super::seal::Purpose;
use super::together::{self, MailGroup};
use super::writer::Write;
use super::{Decision, HeldMail, MailKey, State, Store, StoreError};
use crate::address::Address;
use crate::detect::Finding;
use crate::facts::Facts;
use crate::id::MailId;
use crate::mail::envelope::{Client, MailParameters, Recipient};
use crate::plan::Copy;
use crate::rules::verdict::{Decider, Escalation, HoldTerms, Verdict};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use std::sync::Arc;

/// A mail to be kept for a decision.
#[derive(Clone, Debug)]
pub struct NewHold {
    /// Its id, unless it joins a mail that is held already.
    pub id: MailId,
    pub key: MailKey,
    pub client: Client,
    pub sender: Option<Address>,
    pub parameters: MailParameters,
    /// Those that wait.
    pub recipients: Vec<Recipient>,
    pub facts: Facts,
    pub findings: Vec<Finding>,
    pub verdict: Verdict,
    /// What stands in front of the body: the trace field of this hop. Apart, so that a large mail is not copied for it.
    pub head: Bytes,
    pub body: Bytes,
    /// Copies for recipients that need not wait; not queued when the mail turns out to be decided already.
    pub now: Vec<Copy>,
    /// Epoch milliseconds.
    pub now_ms: u64,
    /// Epoch milliseconds.
    pub expires_ms: u64,
    /// Milliseconds until the notice is due, so that recipients of late transactions are in it.
    pub settle_ms: u64,
    pub history: Option<HistoryRow>,
    /// What further transactions of the same mail have to know.
    pub group: Option<MailGroup>,
    /// For a transaction that joins, `Held` is written as `Joined`, with the id of the mail it joins.
    pub audit: Vec<NewAudit>,
}

/// What became of a mail that was to be held.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// It is held under the id it came with.
    New(MailId),
    /// Its recipients joined this mail, which is held already.
    Joined(MailId),
    /// The mail was decided already; nothing was written, and the caller follows the decision.
    Decided(Box<HeldMail>),
}

/// Which mails to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct HeldFilter {
    pub state: Option<State>,
    pub sender: Option<Address>,
    /// Mails that this approver or deputy was asked about.
    pub approver: Option<Address>,
    /// Mails older than this one, for the next page.
    pub before: Option<MailId>,
    /// At most so many.
    pub limit: u32,
}

/// What does not change by decisions.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Detail {
    pub client: Client,
    pub sender: Option<Address>,
    pub parameters: MailParameters,
    pub facts: Facts,
    pub findings: Vec<Finding>,
    pub verdict: Verdict,
}

/// The columns of a held mail, in the order of [`mail`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, mail_key, state, detail, recipients, decision, approvals, approved_repair, escalated, revision, ",
            "created_ms, expires_ms FROM held ",
            $rest
        )
    };
}

pub(super) struct Holding {
    pub new: NewHold,
    pub items: Vec<Item>,
    pub history: Option<Kept>,
    pub keys: Arc<Keyring>,
    body: Option<Body>,
}

pub(super) enum Placed {
    Held(Held, Option<String>),
    /// It is new, and nobody wrote its body yet.
    BodyNeeded,
}

impl Write for Arc<Holding> {
    type Out = Placed;

    async fn apply(&self, at: &mut AnyConnection) -> Result<Placed, StoreError> {
        if let Some(mail) = by_key(at, &self.keys, &self.new.key).await? {
            let unused = self.body.as_ref().and_then(Body::file).cloned();
            if mail.state != State::Held {
                return Ok(Placed::Held(Held::Decided(Box::new(mail)), unused));
            }
            let id = mail.id.clone();
            join::join(at, mail, self).await?;
            return Ok(Placed::Held(Held::Joined(id), unused));
        }
        let Some(body) = &self.body else {
            return Ok(Placed::BodyNeeded);
        };
        self.insert(at, body).await?;
        Ok(Placed::Held(Held::New(self.new.id.clone()), None))
    }
}

impl Holding {
    async fn insert(&self, at: &mut AnyConnection, body: &Body) -> Result<(), StoreError> {
        let new = &self.new;
        let detail = Detail {
            client: new.client.clone(),
            sender: new.sender.clone(),
            parameters: new.parameters.clone(),
            facts: new.facts.clone(),
            findings: new.findings.clone(),
            verdict: new.verdict.clone(),
        };
        let with = InUse::now(at, &self.keys).await?;
        body.insert_with(at, &with, &new.id).await?;
        let detail = column::lock(&with, Purpose::Detail, &new.id, &detail)?;
        let recipients = column::lock(&with, Purpose::Recipients, &new.id, &new.recipients)?;
        sqlx::query(
            "INSERT INTO held (id, mail_key, state, sender_key, approvers, detail, recipients, decision, approvals,
             approved_repair, escalated, revision, created_ms, expires_ms, due_ms, decided_ms)
             VALUES ($1, $2, 'held', $3, $4, $5, $6, NULL, '[]', NULL, 0, 1, $7, $8, $9, 0)",
        )
        .bind(new.id.as_str())
        .bind(new.key.0.as_str())
        .bind(new.sender.as_ref().map_or("", Address::key))
        .bind(approvers(new.verdict.hold.as_ref(), 0))
        .bind(detail)
        .bind(recipients)
        .bind(int(new.now_ms))
        .bind(int(new.expires_ms))
        .bind(int(due(new.now_ms, new.expires_ms, new.verdict.hold.as_ref(), 0)))
        .execute(&mut *at)
        .await?;
        outbox::insert_items(at, &new.id, &self.items).await?;
        if let Some(row) = &self.history {
            history::insert(at, &[row]).await?;
        }
        if let Some(group) = &new.group {
            together::keep(at, &[group]).await?;
        }
        let due_ms = new.now_ms.saturating_add(new.settle_ms);
        let notice = NewNotice::held(&new.id, NoticeKind::Held, due_ms);
        notice::insert(at, &notice, new.now_ms).await?;
        audit::add(at, &new.audit).await
    }
}

/// The escalation steps in the order of their times.
#[must_use]
pub(crate) fn steps(terms: &HoldTerms) -> Vec<&Escalation> {
    let mut steps: Vec<_> = terms.escalate.iter().collect();
    steps.sort_by_key(|step| step.after_ms);
    steps
}

/// When the clock has to look at a held mail again (epoch milliseconds): at its next escalation or when it expires.
#[must_use]
pub(crate) fn due(created_ms: u64, expires_ms: u64, terms: Option<&HoldTerms>, escalated: u32) -> u64 {
    let next = terms.and_then(|terms| steps(terms).get(escalated as usize).map(|step| step.after_ms));
    next.map_or(expires_ms, |after| expires_ms.min(created_ms.saturating_add(after)))
}

/// The column of people who may be asked: approvers, and the deputies of the steps taken.
pub(super) fn approvers(terms: Option<&HoldTerms>, escalated: u32) -> String {
    let Some(terms) = terms else {
        return word_list([]);
    };
    let deputies = steps(terms).into_iter().take(escalated as usize).flat_map(|step| &step.to);
    let approvers = terms.approvers.iter().filter(|_| terms.decider == Decider::Approver);
    let keys: Vec<_> = approvers.chain(deputies).map(|address| Address::new(address)).collect();
    word_list(keys.iter().map(Address::key))
}

/// Reads a row of [`select`].
pub(super) fn mail(row: &AnyRow, keys: &Keyring) -> Result<HeldMail, StoreError> {
    let id = row.id("id")?;
    let detail: Detail = column::unlock(keys, Purpose::Detail, &id, "detail", &row.text("detail")?)?;
    Ok(HeldMail {
        key: MailKey(row.text("mail_key")?),
        state: row.word("state")?,
        client: detail.client,
        sender: detail.sender,
        parameters: detail.parameters,
        recipients: column::unlock(keys, Purpose::Recipients, &id, "recipients", &row.text("recipients")?)?,
        facts: detail.facts,
        findings: detail.findings,
        verdict: detail.verdict,
        created_ms: row.number("created_ms")?,
        expires_ms: row.number("expires_ms")?,
        decision: row.maybe_json::<Decision>("decision")?,
        approvals: row.json("approvals")?,
        approved_repair: row.maybe_json("approved_repair")?,
        escalated: row.small("escalated")?,
        revision: row.number("revision")?,
        id,
    })
}

async fn by_key(at: &mut AnyConnection, keys: &Keyring, key: &MailKey) -> Result<Option<HeldMail>, StoreError> {
    let row = sqlx::query(select!("WHERE mail_key = $1")).bind(key.0.as_str()).fetch_optional(at).await?;
    row.as_ref().map(|row| mail(row, keys)).transpose()
}

pub(super) async fn by_id(at: &mut AnyConnection, keys: &Keyring, id: &MailId) -> Result<Option<HeldMail>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.as_str()).fetch_optional(at).await?;
    row.as_ref().map(|row| mail(row, keys)).transpose()
}

impl Store {
    /// Keeps a mail for a decision, or joins a further transaction of it; when it returns, that is on the disk.
    ///
    /// # Errors
    /// When nothing was written; the caller answers 451.
    pub async fn hold(&self, new: NewHold) -> Result<Held, StoreError> {
        let history = new.history.clone().map(|row| Kept::new(row, &self.secret));
        let items = Item::of(&new.now, new.sender.as_ref(), &new.parameters, new.now_ms, new.now_ms)?;
        let (id, head, bytes) = (new.id.clone(), new.head.clone(), new.body.clone());
        let known = sqlx::query("SELECT id FROM held WHERE mail_key = $1")
            .bind(new.key.0.as_str())
            .fetch_optional(&self.read)
            .await?;
        // A further transaction brings the same bytes again: they are not written a second time.
        let mut body = match known {
            Some(_) => None,
            None => Some(self.bodies.prepare(&id, &head, &bytes).await?),
        };
        let (mut new, mut items, mut history) = (new, items, history);
        loop {
            let file = body.as_ref().and_then(Body::file).cloned().into_iter().collect();
            let holding = Arc::new(Holding { new, items, history, keys: Arc::clone(&self.keys), body: body.take() });
            let written = self.writer.write(Arc::clone(&holding)).await;
            let unused = body::unused(&written, file, |placed| match placed {
                Placed::Held(_, unused) => unused.iter().cloned().collect(),
                Placed::BodyNeeded => Vec::new(),
            });
            self.bodies.discard(unused).await;
            match written? {
                Placed::Held(held, _) => return Ok(held),
                Placed::BodyNeeded => {
                    // The mail it would have joined was purged in between. The writer has let go of the job by now.
                    let back = Arc::into_inner(holding).ok_or(StoreError::Closed)?;
                    (new, items, history) = (back.new, back.items, back.history);
                    body = Some(self.bodies.prepare(&id, &head, &bytes).await?);
                }
            }
        }
    }

    /// One held mail, in whatever state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn held(&self, id: &MailId) -> Result<Option<HeldMail>, StoreError> {
        let row = sqlx::query(select!("WHERE id = $1")).bind(id.as_str()).fetch_optional(&self.read).await?;
        row.as_ref().map(|row| mail(row, &self.keys)).transpose()
    }

    /// The held mail of a key, in whatever state: what an earlier transaction of the same mail came to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn held_by_key(&self, key: &MailKey) -> Result<Option<HeldMail>, StoreError> {
        let row = sqlx::query(select!("WHERE mail_key = $1")).bind(key.0.as_str()).fetch_optional(&self.read).await?;
        row.as_ref().map(|row| mail(row, &self.keys)).transpose()
    }

    /// Held mails, newest first. One whose row is damaged is left out, and the log says so.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_held(&self, filter: &HeldFilter) -> Result<Vec<HeldMail>, StoreError> {
        Ok(self.list_held_and_damaged(filter).await?.0)
    }

    /// Held mails, newest first, and the ids of those whose rows are damaged.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_held_and_damaged(&self, filter: &HeldFilter) -> Result<(Vec<HeldMail>, Vec<MailId>), StoreError> {
        let rows = sqlx::query(select!(
            "WHERE ($1 = '' OR state = $1) AND ($2 = '' OR sender_key = $2) AND approvers LIKE $3 ESCAPE '\\'
             AND ($4 = '' OR id < $4) ORDER BY id DESC LIMIT $5"
        ))
        .bind(filter.state.map_or("", State::as_str))
        .bind(filter.sender.as_ref().map_or("", Address::key))
        .bind(filter.approver.as_ref().map_or_else(|| "%".to_owned(), |approver| word_pattern(approver.key())))
        .bind(filter.before.as_ref().map_or("", MailId::as_str))
        .bind(i64::from(filter.limit))
        .fetch_all(&self.read)
        .await?;
        let (mut mails, mut damaged) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in &rows {
            match mail(row, &self.keys) {
                Err(error) if error.is_about_row() => {
                    let id = row.id("id")?;
                    tracing::error!(mail = %id, %error, "a held mail cannot be listed, see `sekisho store check`");
                    damaged.push(id);
                }
                mail => mails.push(mail?),
            }
        }
        Ok((mails, damaged))
    }

    /// How many mails are in a state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_held(&self, state: State) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) AS mails FROM held WHERE state = $1")
            .bind(state.as_str())
            .fetch_one(&self.read)
            .await?;
        row.number("mails")
    }

    /// Held mails that the clock has to look at: expired ones, and those whose next escalation is due.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn due_holds(&self, now_ms: u64, limit: u32) -> Result<Vec<MailId>, StoreError> {
        let rows =
            sqlx::query("SELECT id FROM held WHERE state = 'held' AND due_ms <= $1 ORDER BY due_ms, id LIMIT $2")
                .bind(int(now_ms))
                .bind(i64::from(limit))
                .fetch_all(&self.read)
                .await?;
        rows.iter().map(|row| row.id("id")).collect()
    }
}

/// The audit rows of a transaction that joins.
pub(super) fn joined(rows: &[NewAudit], id: &MailId) -> Vec<NewAudit> {
    rows.iter()
        .cloned()
        .map(|mut row| {
            if row.event == Event::Held {
                row.event = Event::Joined;
            }
            row.mail = Some(id.clone());
            row
        })
        .collect()
}
