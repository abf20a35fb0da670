//! The outbox: copies that wait for their next attempt, each with its own recipients, leased to one deliverer at a time.
//! It refuses to drop a recipient: a settlement names those still open, and the others leave it together with their report.

use super::audit::{self, NewAudit};
use super::body::{self, Body};
use super::contact::{self, Contacts};
use super::history::{self, HistoryRow, Kept};
use super::notice::{self, NewNotice};
use super::row::{Columns, int, json, readable};
use super::secret::{Secret, new_id};
use super::together::{self, MailGroup};
use super::waiting::{NEVER, Said};
use super::writer::Write;
use super::{OutboxItem, Store, StoreError, transition};
use crate::address::Address;
use crate::id::MailId;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::plan::Copy;
use bytes::Bytes;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// A mail to be delivered from the outbox.
#[derive(Clone, Debug)]
pub struct NewQueued {
    pub id: MailId,
    /// What stands in front of the body: the trace field of this hop. Apart, so that a large mail is not copied for it.
    pub head: Bytes,
    /// The bytes as they came; each copy says how it differs.
    pub body: Bytes,
    pub copies: Vec<Copy>,
    pub sender: Option<Address>,
    pub parameters: MailParameters,
    /// Epoch milliseconds.
    pub now_ms: u64,
    /// Epoch milliseconds; the first attempt is not made before.
    pub not_before_ms: u64,
    pub history: Option<HistoryRow>,
    /// Recipients to remember for `first_contact`.
    pub contacts: Vec<Address>,
    pub notices: Vec<NewNotice>,
    /// What further transactions of the same mail have to know.
    pub group: Option<MailGroup>,
    pub audit: Vec<NewAudit>,
}

/// The same without the bytes.
pub(super) struct Queueing {
    id: MailId,
    items: Vec<Item>,
    history: Option<Kept>,
    contacts: Option<Contacts>,
    notices: Vec<NewNotice>,
    group: Option<MailGroup>,
    audit: Vec<NewAudit>,
    now_ms: u64,
}

/// One row to write.
pub(super) struct Item {
    id: MailId,
    sender: Option<String>,
    parameters: String,
    recipients: String,
    change: String,
    created_ms: u64,
}

impl Item {
    /// One item for each copy.
    pub(super) fn of(
        copies: &[Copy],
        sender: Option<&Address>,
        parameters: &MailParameters,
        now_ms: u64,
        not_before_ms: u64,
    ) -> Result<Vec<Self>, StoreError> {
        copies
            .iter()
            .filter(|copy| !copy.recipients.is_empty())
            .map(|copy| {
                Ok(Self {
                    id: new_id(now_ms)?,
                    sender: sender.map(|address| address.as_str().to_owned()),
                    parameters: json(parameters)?,
                    recipients: json(&copy.recipients)?,
                    change: json(&copy.change)?,
                    created_ms: now_ms.max(not_before_ms),
                })
            })
            .collect()
    }
}

impl Queueing {
    pub(super) fn new(new: NewQueued, secret: &Secret) -> Result<Self, StoreError> {
        let items = Item::of(&new.copies, new.sender.as_ref(), &new.parameters, new.now_ms, new.not_before_ms)?;
        let contacts = new.sender.filter(|_| !new.contacts.is_empty());
        Ok(Self {
            id: new.id,
            items,
            history: new.history.map(|row| Kept::new(row, secret)),
            contacts: contacts.map(|sender| Contacts::new(&sender, &new.contacts, secret)),
            notices: new.notices,
            group: new.group,
            audit: new.audit,
            now_ms: new.now_ms,
        })
    }
}

/// Writes the items of a mail whose body row is there.
pub(super) async fn insert_items(at: &mut AnyConnection, mail: &MailId, items: &[Item]) -> Result<(), StoreError> {
    for item in items {
        sqlx::query(
            "INSERT INTO outbox (id, mail, sender, parameters, recipients, change, attempts, warned, created_ms, due_ms, leased)
             VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $7, 0)",
        )
        .bind(item.id.as_str())
        .bind(mail.as_str())
        .bind(item.sender.as_deref())
        .bind(item.parameters.as_str())
        .bind(item.recipients.as_str())
        .bind(item.change.as_str())
        .bind(int(item.created_ms))
        .execute(&mut *at)
        .await?;
    }
    Ok(())
}

/// Writes body, items and everything that goes with them; returns a file to discard after the commit.
pub(super) async fn insert(
    at: &mut AnyConnection,
    queueing: &Queueing,
    body: Option<&Body>,
) -> Result<Option<String>, StoreError> {
    let new = match body {
        Some(body) => body.insert(at, &queueing.id).await?,
        None => true,
    };
    insert_items(at, &queueing.id, &queueing.items).await?;
    if let Some(row) = &queueing.history {
        history::insert(at, &[row]).await?;
    }
    if let Some(contacts) = &queueing.contacts {
        contact::remember(at, contacts, queueing.now_ms).await?;
    }
    for new in &queueing.notices {
        notice::insert(at, new, queueing.now_ms).await?;
    }
    if let Some(group) = &queueing.group {
        together::keep(at, &[group]).await?;
    }
    audit::add(at, &queueing.audit).await?;
    Ok(body.and_then(Body::file).filter(|_| !new).cloned())
}

struct Queue(Vec<(Queueing, Option<Body>)>);

impl Write for Queue {
    /// Files to discard.
    type Out = Vec<String>;

    async fn apply(&self, at: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
        let mut files = Vec::new();
        for (queueing, body) in &self.0 {
            files.extend(insert(at, queueing, body.as_ref()).await?);
        }
        Ok(files)
    }
}

struct Claim {
    now_ms: u64,
    lease_ms: u64,
    limit: u32,
}

impl Write for Claim {
    type Out = Vec<OutboxItem>;

    async fn apply(&self, at: &mut AnyConnection) -> Result<Vec<OutboxItem>, StoreError> {
        let rows = sqlx::query(
            "UPDATE outbox SET attempts = attempts + 1, leased = 1, due_ms = $1 WHERE id IN
             (SELECT id FROM outbox WHERE due_ms <= $2 ORDER BY due_ms, id LIMIT $3)
             RETURNING id, mail, sender, parameters, recipients, change, attempts, warned, created_ms, said",
        )
        .bind(int(self.now_ms.saturating_add(self.lease_ms)))
        .bind(int(self.now_ms))
        .bind(i64::from(self.limit))
        .fetch_all(at)
        .await?;
        let mut items = readable(&rows, "outbox", item);
        // RETURNING has no order of its own; ids begin with their time.
        items.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(items)
    }
}

pub(super) fn item(row: &AnyRow) -> Result<OutboxItem, StoreError> {
    Ok(OutboxItem {
        id: row.id("id")?,
        mail: row.id("mail")?,
        sender: row.maybe_text("sender")?.map(|text| Address::new(&text)),
        parameters: row.json("parameters")?,
        recipients: row.json("recipients")?,
        change: row.json("change")?,
        attempts: row.small("attempts")?,
        warned: row.flag("warned")?,
        created_ms: row.number("created_ms")?,
        said: row.json("said")?,
    })
}

/// Frees the leases of a server that is gone.
pub(super) struct FreeLeases;

impl Write for FreeLeases {
    type Out = u64;

    async fn apply(&self, at: &mut AnyConnection) -> Result<u64, StoreError> {
        let done = sqlx::query("UPDATE outbox SET leased = 0, due_ms = 0 WHERE leased = 1").execute(at).await?;
        Ok(done.rows_affected())
    }
}

/// Longer leases for items (id, attempt) that are still being delivered.
struct Extend {
    items: Vec<(MailId, u32)>,
    until_ms: u64,
}

impl Write for Extend {
    type Out = ();

    async fn apply(&self, at: &mut AnyConnection) -> Result<(), StoreError> {
        for (id, attempts) in &self.items {
            sqlx::query("UPDATE outbox SET due_ms = $1 WHERE id = $2 AND attempts = $3 AND leased = 1")
                .bind(int(self.until_ms))
                .bind(id.as_str())
                .bind(i64::from(*attempts))
                .execute(&mut *at)
                .await?;
        }
        Ok(())
    }
}

/// What one attempt came to.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The item as it was claimed.
    pub item: OutboxItem,
    /// Recipients still open; the others are accepted, or in one of the reports.
    pub open: Vec<Recipient>,
    /// Epoch milliseconds of the next attempt, if any recipient is open.
    pub next_ms: u64,
    /// Has the sender been told of the delay, now or before?
    pub warned: bool,
    /// What the next server said about those open and those stuck.
    pub said: Vec<Said>,
    /// Recipients who failed for good and about whom nobody can be told: they are kept, and not tried again by themselves.
    pub stuck: Vec<Recipient>,
    /// Delivery reports.
    pub reports: Vec<NewQueued>,
    pub audit: Vec<NewAudit>,
    /// Epoch milliseconds.
    pub now_ms: u64,
}

struct Settling {
    item: OutboxItem,
    open: String,
    done: bool,
    next_ms: u64,
    warned: bool,
    said: String,
    /// Id and recipients of the item that keeps those who are stuck.
    stuck: Option<(MailId, String)>,
    reports: Vec<(Queueing, Body)>,
    audit: Vec<NewAudit>,
    now_ms: u64,
}

impl Write for Settling {
    type Out = (bool, Vec<String>);

    async fn apply(&self, at: &mut AnyConnection) -> Result<Self::Out, StoreError> {
        let id = self.item.id.as_str();
        let attempt = i64::from(self.item.attempts);
        let changed = if self.done {
            sqlx::query("DELETE FROM outbox WHERE id = $1 AND attempts = $2")
                .bind(id)
                .bind(attempt)
                .execute(&mut *at)
                .await?
        } else {
            sqlx::query(
                "UPDATE outbox SET recipients = $1, due_ms = $2, warned = $3, said = $4, leased = 0
                 WHERE id = $5 AND attempts = $6",
            )
            .bind(self.open.as_str())
            .bind(int(self.next_ms))
            .bind(i64::from(self.warned))
            .bind(self.said.as_str())
            .bind(id)
            .bind(attempt)
            .execute(&mut *at)
            .await?
        };
        let mut files = Vec::new();
        if changed.rows_affected() == 0 {
            // The lease ran out and somebody else has the item: his settlement counts.
            files.extend(self.reports.iter().filter_map(|(_, body)| body.file().cloned()));
            return Ok((false, files));
        }
        if let Some((id, recipients)) = &self.stuck {
            self.keep_stuck(at, id, recipients).await?;
        }
        for (queueing, body) in &self.reports {
            files.extend(insert(at, queueing, Some(body)).await?);
        }
        audit::add(at, &self.audit).await?;
        if self.done {
            transition::finish_release(at, &self.item.mail, self.now_ms).await?;
            files.extend(body::release(at, &self.item.mail).await?);
        }
        Ok((true, files))
    }
}

impl Settling {
    /// An item of their own for those who are stuck: it is never due by itself.
    async fn keep_stuck(&self, at: &mut AnyConnection, id: &MailId, recipients: &str) -> Result<(), StoreError> {
        let item = &self.item;
        sqlx::query(
            "INSERT INTO outbox (id, mail, sender, parameters, recipients, change, attempts, warned, created_ms, due_ms,
             leased, said, stuck_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, 0, $10, $11)",
        )
        .bind(id.as_str())
        .bind(item.mail.as_str())
        .bind(item.sender.as_ref().map(Address::as_str))
        .bind(json(&item.parameters)?)
        .bind(recipients)
        .bind(json(&item.change)?)
        .bind(i64::from(item.attempts))
        .bind(int(item.created_ms))
        .bind(NEVER)
        .bind(self.said.as_str())
        .bind(int(self.now_ms.max(1)))
        .execute(at)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Keeps a mail and its copies for delivery; when it returns, they are on the disk.
    ///
    /// # Errors
    /// When nothing was written; the caller answers 451.
    pub async fn queue(&self, new: NewQueued) -> Result<(), StoreError> {
        self.queue_all(vec![new]).await
    }

    /// Keeps several mails and their copies in one commit: all or none. Of one without copies no bytes are kept, since nothing would ever
    /// remove them.
    ///
    /// # Errors
    /// When nothing was written; the caller answers 451.
    pub async fn queue_all(&self, all: Vec<NewQueued>) -> Result<(), StoreError> {
        let mut mails = Vec::with_capacity(all.len());
        for new in all {
            let bytes = (new.head.clone(), new.body.clone());
            mails.push((Queueing::new(new, &self.secret)?, bytes));
        }
        let mut queue = Vec::with_capacity(mails.len());
        let mut files = Vec::new();
        for (queueing, (head, bytes)) in mails {
            let body = if queueing.items.is_empty() {
                None
            } else {
                match self.bodies.prepare(&queueing.id, &head, &bytes).await {
                    Ok(body) => Some(body),
                    Err(error) => {
                        self.bodies.discard(files).await;
                        return Err(error);
                    }
                }
            };
            files.extend(body.as_ref().and_then(Body::file).cloned());
            queue.push((queueing, body));
        }
        let written = self.writer.write(Queue(queue)).await;
        let unused = body::unused(&written, files, Vec::clone);
        self.bodies.discard(unused).await;
        written.map(|_| ())
    }

    /// Takes items that are due; each comes again after `lease_ms` unless it is settled or its lease extended by then.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn claim_due(&self, now_ms: u64, lease_ms: u64, limit: u32) -> Result<Vec<OutboxItem>, StoreError> {
        self.writer.write(Claim { now_ms, lease_ms, limit }).await
    }

    /// Keeps items leased until a moment (epoch milliseconds), while their delivery goes on.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn extend_leases(&self, items: &[OutboxItem], until_ms: u64) -> Result<(), StoreError> {
        let items = items.iter().map(|item| (item.id.clone(), item.attempts)).collect();
        self.writer.write(Extend { items, until_ms }).await
    }

    /// Writes down what an attempt came to, with its reports, in one commit. The last item of a releasing mail makes it released.
    /// `false`, and nothing is written, when the item is not the caller's any more.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn settle(&self, settlement: Settlement) -> Result<bool, StoreError> {
        let Settlement { item, open, next_ms, warned, said, stuck, reports, audit, now_ms } = settlement;
        let mut prepared = Vec::with_capacity(reports.len());
        for report in reports {
            let body = self.bodies.prepare(&report.id, &report.head, &report.body).await?;
            prepared.push((Queueing::new(report, &self.secret)?, body));
        }
        let settling = Settling {
            item,
            open: json(&open)?,
            done: open.is_empty(),
            next_ms,
            warned,
            said: json(&said)?,
            stuck: if stuck.is_empty() { None } else { Some((new_id(now_ms)?, json(&stuck)?)) },
            reports: prepared,
            audit,
            now_ms,
        };
        let (current, files) = self.writer.write(settling).await?;
        self.bodies.discard(files).await;
        Ok(current)
    }

    /// Items in the outbox that are tried by themselves, and how many of them are due now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_depth(&self, now_ms: u64) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query(
            "SELECT CAST(COUNT(*) AS BIGINT) AS all_items,
             CAST(COALESCE(SUM(CASE WHEN due_ms <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS due FROM outbox
             WHERE stuck_ms = 0",
        )
        .bind(int(now_ms))
        .fetch_one(&self.read)
        .await?;
        Ok((row.number("all_items")?, row.number("due")?))
    }
}
