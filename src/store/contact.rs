//! Who wrote to whom before, as pairs of keyed hashes.
//! It refuses to keep a readable address, so the table is no address book for a thief.

use super::row::{Columns, int};
use super::secret::Secret;
use super::writer::Write;
use super::{Store, StoreError};
use crate::address::Address;
use sqlx::AnyConnection;
use std::collections::{BTreeSet, HashSet};

/// Recipients of one statement.
const GROUP: usize = 8;

/// A sender and recipients, hashed and distinct.
pub(super) struct Contacts {
    sender: String,
    recipients: Vec<String>,
}

impl Contacts {
    pub(super) fn new(sender: &Address, recipients: &[Address], secret: &Secret) -> Self {
        let distinct: BTreeSet<String> = recipients.iter().map(|address| secret.hash(address)).collect();
        Self { sender: secret.hash(sender), recipients: distinct.into_iter().collect() }
    }
}

struct Remember {
    contacts: Contacts,
    now_ms: u64,
}

impl Write for Remember {
    type Out = ();

    async fn apply(&self, at: &mut AnyConnection) -> Result<(), StoreError> {
        remember(at, &self.contacts, self.now_ms).await
    }
}

pub(super) async fn remember(at: &mut AnyConnection, contacts: &Contacts, now_ms: u64) -> Result<(), StoreError> {
    let groups = contacts.recipients.chunks_exact(GROUP);
    for recipient in groups.remainder() {
        sqlx::query(
            "INSERT INTO contact (sender, first_ms, last_ms, recipient) VALUES ($1, $2, $2, $3)
             ON CONFLICT (sender, recipient) DO UPDATE SET last_ms = excluded.last_ms",
        )
        .bind(contacts.sender.as_str())
        .bind(int(now_ms))
        .bind(recipient.as_str())
        .execute(&mut *at)
        .await?;
    }
    for group in groups {
        let mut query = sqlx::query(
            "INSERT INTO contact (sender, first_ms, last_ms, recipient) VALUES ($1, $2, $2, $3), ($1, $2, $2, $4),
             ($1, $2, $2, $5), ($1, $2, $2, $6), ($1, $2, $2, $7), ($1, $2, $2, $8), ($1, $2, $2, $9), ($1, $2, $2, $10)
             ON CONFLICT (sender, recipient) DO UPDATE SET last_ms = excluded.last_ms",
        )
        .bind(contacts.sender.as_str())
        .bind(int(now_ms));
        for recipient in group {
            query = query.bind(recipient.as_str());
        }
        query.execute(&mut *at).await?;
    }
    Ok(())
}

impl Store {
    /// Those of the recipients that this sender did not write to before a moment (epoch milliseconds), in their order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn first_contact(
        &self,
        sender: &Address,
        recipients: &[Address],
        before_ms: u64,
    ) -> Result<Vec<Address>, StoreError> {
        let sender = self.secret.hash(sender);
        let hashes: Vec<String> = recipients.iter().map(|address| self.secret.hash(address)).collect();
        let mut known = HashSet::new();
        for group in hashes.chunks(GROUP) {
            let mut query = sqlx::query(
                "SELECT recipient FROM contact WHERE sender = $1 AND first_ms < $2
                 AND recipient IN ($3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(sender.as_str())
            .bind(int(before_ms));
            for place in 0..GROUP {
                query = query.bind(group.get(place).map_or("", String::as_str));
            }
            for row in query.fetch_all(&self.read).await? {
                known.insert(row.text("recipient")?);
            }
        }
        Ok(recipients
            .iter()
            .zip(&hashes)
            .filter(|(_, hash)| !known.contains(*hash))
            .map(|(address, _)| address.clone())
            .collect())
    }

    /// Remembers that a sender wrote to these recipients.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn remember_contacts(
        &self,
        sender: &Address,
        recipients: &[Address],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let contacts = Contacts::new(sender, recipients, &self.secret);
        self.writer.write(Remember { contacts, now_ms }).await
    }
}
