//! A store that is only looked at, beside a running guard or without one: for checks and backups.
//! It refuses to write a row, to bring tables up to date, and to make anything that is missing.

use super::body::{self, Bodies};
use super::keyring::Keyring;
use super::open::{READER, encoded, pool};
use super::row::Columns;
use super::schema::{KNOWN, version};
use super::{Options, StoreError};
use crate::id::MailId;
use bytes::Bytes;
use rustix::fs::statvfs;
use sqlx::AnyPool;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A store to look at.
pub(super) struct Look {
    pub read: AnyPool,
    pub bodies: Bodies,
    pub keys: Arc<Keyring>,
    pub dir: PathBuf,
    /// The version of its tables; not newer than this program knows.
    pub version: u64,
}

impl Look {
    /// Opens it; `keys` are those of its key file, or none when that cannot be used.
    pub(super) async fn open(options: &Options, keys: Arc<Keyring>) -> Result<Self, StoreError> {
        let dir = options.dir.canonicalize().map_err(|error| StoreError::file(&options.dir, error))?;
        let url = format!("sqlite://{}?mode=ro", encoded(&dir.join("store.db")));
        let read = pool(&url, 1, READER).await?;
        let version = version(&mut *read.acquire().await?).await?;
        if version > KNOWN {
            return Err(StoreError::Newer { found: version, known: KNOWN });
        }
        let bodies = Bodies::look(&dir.join("bodies"), Arc::clone(&keys));
        Ok(Self { read, bodies, keys, dir, version })
    }

    /// The bytes of a mail, as [`super::Store::body`].
    pub(super) async fn body(&self, mail: &MailId) -> Result<Option<Bytes>, StoreError> {
        body::read(&self.read, &self.bodies, mail).await
    }

    /// Names of files that rows name now.
    pub(super) async fn named(&self) -> Result<HashSet<String>, StoreError> {
        let rows = sqlx::query("SELECT file FROM body WHERE file IS NOT NULL").fetch_all(&self.read).await?;
        rows.iter().map(|row| row.text("file")).collect()
    }

    /// The words of a statement that gives one column.
    pub(super) async fn words(&self, sql: &'static str, column: &'static str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(sql).fetch_all(&self.read).await?;
        rows.iter().map(|row| row.text(column)).collect()
    }
}

/// Octets that are free for an ordinary user on the file system of a path.
///
/// # Errors
/// When the system does not tell.
pub fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    let told = statvfs(path).map_err(|error| StoreError::file(path, error.into()))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}
