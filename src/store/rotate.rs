//! Changing the master key while the guard runs: a new key is added, every data key is wrapped anew, and only then the old key goes.
//! It refuses to remove a key that anything still needs, and begins no second change before an interrupted one is finished.

use super::column::rewrap;
use super::keyring::{self, Keyring, Use};
use super::row::Columns;
use super::seal::Purpose;
use super::writer::Write;
use super::{Store, StoreError};
use serde::Serialize;
use sqlx::AnyConnection;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

/// Rows of one commit: the guard beside it waits no longer than for one of its own groups.
const BATCH: i64 = 100;

/// What a change of the master key did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The id of the key in use from now on.
    pub key: String,
    /// Was it the end of a change that had been interrupted?
    pub resumed: bool,
    /// Bodies and held mails whose data keys were wrapped anew.
    pub bodies: u64,
    pub held: u64,
}

/// A few rows of one table, behind the last one seen.
struct Rewrap {
    keys: Arc<Keyring>,
    to: String,
    held: bool,
    after: String,
}

impl Write for Rewrap {
    /// The last row seen, if there was any, and how many were changed.
    type Out = (Option<String>, u64);

    async fn apply(&self, at: &mut AnyConnection) -> Result<Self::Out, StoreError> {
        let select = if self.held {
            "SELECT id AS mail, detail AS one, recipients AS other FROM held WHERE id > $1 ORDER BY id LIMIT $2"
        } else {
            "SELECT mail, data_key AS one, NULL AS other FROM body WHERE mail > $1 ORDER BY mail LIMIT $2"
        };
        let update = if self.held {
            "UPDATE held SET detail = COALESCE($1, detail), recipients = COALESCE($2, recipients) WHERE id = $3"
        } else {
            "UPDATE body SET data_key = COALESCE($1, $2, data_key) WHERE mail = $3"
        };
        let purposes = if self.held { [Purpose::Detail, Purpose::Recipients] } else { [Purpose::Body; 2] };
        let rows = sqlx::query(select).bind(self.after.as_str()).bind(BATCH).fetch_all(&mut *at).await?;
        let (mut last, mut changed) = (None, 0);
        for row in rows {
            let mail = row.id("mail")?;
            let mut new = [None, None];
            for ((new, column), purpose) in new.iter_mut().zip(["one", "other"]).zip(purposes) {
                if let Some(text) = row.maybe_text(column)? {
                    *new = rewrap(&self.keys, &self.to, purpose, &mail, &text)?;
                }
            }
            if new.iter().any(Option::is_some) {
                changed += 1;
                let [one, other] = new;
                sqlx::query(update).bind(one).bind(other).bind(mail.as_str()).execute(&mut *at).await?;
            }
            last = Some(mail.into());
        }
        Ok((last, changed))
    }
}

/// Forgets the keys that are not in use, unless a row needs one.
struct Retire;

impl Write for Retire {
    type Out = bool;

    async fn apply(&self, at: &mut AnyConnection) -> Result<bool, StoreError> {
        let Some(current) = keyring::current(at).await? else { return Ok(false) };
        let needed = sqlx::query(
            "SELECT 1 AS needed WHERE EXISTS (SELECT 1 FROM body WHERE data_key NOT LIKE $1)
             OR EXISTS (SELECT 1 FROM held WHERE SUBSTR(detail, 1, 1) <> '{' AND detail NOT LIKE $1)
             OR EXISTS (SELECT 1 FROM held WHERE SUBSTR(recipients, 1, 1) <> '[' AND recipients NOT LIKE $1)",
        )
        .bind(format!("{current}.%"))
        .fetch_optional(&mut *at)
        .await?;
        if needed.is_none() {
            sqlx::query("DELETE FROM master_key WHERE current = 0").execute(at).await?;
        }
        Ok(needed.is_none())
    }
}

/// While it lives, no other command changes the key, nor copies what is wrapped with it. The folder itself is locked: a lock file that
/// root made could not be opened by the user of the service.
pub(super) fn alone(dir: &Path) -> Result<File, StoreError> {
    let lock = File::open(dir).map_err(|error| StoreError::file(dir, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Rotating),
        Err(TryLockError::Error(error)) => Err(StoreError::file(dir, error)),
    }
}

impl Store {
    /// Takes a new master key into use, wraps every data key with it and removes the old one. A server may run beside it: what it keeps
    /// meanwhile is wrapped with the key that is in use at the moment of its commit. Killed at any moment, it is finished by the next call.
    ///
    /// # Errors
    /// When the key file or the database cannot be written, or a data key does not open; the old key stays then.
    pub async fn rotate_key(&self) -> Result<Rotated, StoreError> {
        let _alone = alone(&self.dir)?;
        // Another change may have ended since the file was read.
        self.keys.reload()?;
        let rows =
            sqlx::query("SELECT id, serial, current FROM master_key ORDER BY serial").fetch_all(&self.read).await?;
        let mut known = Vec::new();
        let mut used = None;
        for row in &rows {
            known.push(row.text("id")?);
            if row.flag("current")? {
                used = Some((row.text("id")?, row.number("serial")?));
            }
        }
        let missing = || StoreError::KeyMissing { file: self.keys.file(), id: "of the first start".to_owned() };
        let (current, serial) = used.ok_or_else(missing)?;
        let mut entries = self.keys.entries();
        // A key in the file that is not in use yet: the last change ended before its key was taken into use.
        let waiting = entries.iter().find(|entry| entry.serial > serial && !known.contains(&entry.id)).cloned();
        // A key that is not in use any more: it ended before it was removed.
        let left = known.len() > 1 || entries.iter().any(|entry| entry.serial < serial && entry.id != current);
        let resumed = waiting.is_some() || left;
        let key = if left && waiting.is_none() {
            current
        } else {
            let new = match waiting {
                Some(new) => new,
                None => {
                    let new = keyring::next(&entries)?;
                    entries.push(new.clone());
                    self.keys.replace(&entries)?;
                    new
                }
            };
            self.writer.write(Use { id: new.id.clone(), serial: new.serial }).await?;
            new.id
        };
        let mut rotated = Rotated { key: key.clone(), resumed, ..Rotated::default() };
        loop {
            rotated.bodies += self.rewrap(&key, false).await?;
            rotated.held += self.rewrap(&key, true).await?;
            if self.writer.write(Retire).await? {
                break;
            }
        }
        entries.retain(|entry| entry.id == key);
        self.keys.replace(&entries)?;
        Ok(rotated)
    }

    async fn rewrap(&self, to: &str, held: bool) -> Result<u64, StoreError> {
        let (mut after, mut all) = (String::new(), 0);
        loop {
            let job = Rewrap { keys: Arc::clone(&self.keys), to: to.to_owned(), held, after };
            let (last, changed) = self.writer.write(job).await?;
            all += changed;
            match last {
                Some(last) => after = last,
                None => return Ok(all),
            }
        }
    }
}
