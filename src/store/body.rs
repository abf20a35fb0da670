//! The bytes of kept mails: small ones in their row, large ones as files that are complete and on the disk before their row is.
//! It refuses to hand out bytes whose checksum differs from the one that was written.

use super::row::{Columns, int};
use super::secret::{hex, random};
use super::{Store, StoreError};
use crate::id::MailId;
use aws_lc_rs::digest;
use bytes::Bytes;
use sqlx::{AnyConnection, Row};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Octets up to which a body stays in its row; files are faster above (a row is written twice: log, then table).
pub(super) const IN_ROW: usize = 256 * 1024;
/// Bodies that are being written.
const DRAFT: &str = ".tmp";

/// Where bodies are.
#[derive(Clone)]
pub(super) struct Bodies {
    /// `None`: everything in rows.
    dir: Option<PathBuf>,
}

/// A body that is safe as soon as its row is committed.
pub(super) struct Body {
    bytes: u64,
    sha256: String,
    content: Option<Bytes>,
    file: Option<String>,
}

impl Bodies {
    /// Bodies in rows only.
    pub(super) fn in_rows() -> Self {
        Self { dir: None }
    }

    /// Bodies in rows and in files of this folder, which is made when it is missing.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| StoreError::file(dir, error))?;
        Ok(Self { dir: Some(dir.to_owned()) })
    }

    /// Prepares a body: a large one is written and synced here, before any row names it.
    pub(super) async fn prepare(&self, bytes: &Bytes) -> Result<Body, StoreError> {
        let content = bytes.clone();
        match &self.dir {
            Some(dir) if bytes.len() > IN_ROW => {
                let dir = dir.clone();
                blocking(move || {
                    let name = hex(&random::<16>()?);
                    write(&dir, &name, &content)?;
                    Ok(Body { bytes: content.len() as u64, sha256: sum(&content), content: None, file: Some(name) })
                })
                .await
            }
            _ => Ok(Body { bytes: content.len() as u64, sha256: sum(&content), content: Some(content), file: None }),
        }
    }

    /// Removes files that no row names any more. A file that stays is an orphan, removed by the next sweep.
    pub(super) async fn discard(&self, files: Vec<String>) {
        let Some(dir) = self.dir.clone().filter(|_| !files.is_empty()) else {
            return;
        };
        let removed = blocking(move || {
            for name in files {
                let path = dir.join(name);
                fs::remove_file(&path).map_err(|error| StoreError::file(&path, error))?;
            }
            Ok(())
        })
        .await;
        if let Err(error) = removed {
            tracing::warn!(%error, "a body that is not needed any more stays until the next start");
        }
    }

    /// Removes drafts and files that no row names; only for a server that is the only one on the folder, before it accepts anything.
    pub(super) async fn sweep(&self, named: HashSet<String>) -> Result<u64, StoreError> {
        let Some(dir) = self.dir.clone() else {
            return Ok(0);
        };
        blocking(move || {
            let mut removed = 0;
            for entry in fs::read_dir(&dir).map_err(|error| StoreError::file(&dir, error))? {
                let entry = entry.map_err(|error| StoreError::file(&dir, error))?;
                if entry.file_name().to_str().is_none_or(|name| !named.contains(name)) {
                    fs::remove_file(entry.path()).map_err(|error| StoreError::file(&entry.path(), error))?;
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    async fn read(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(dir) = self.dir.clone() else {
            return Ok(None);
        };
        blocking(move || {
            let path = dir.join(name);
            match fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(StoreError::file(&path, error)),
            }
        })
        .await
    }
}

impl Body {
    /// The file, if the body has one.
    pub(super) fn file(&self) -> Option<&String> {
        self.file.as_ref()
    }

    /// Writes the row; `false` when the mail has a body already, which then stays.
    pub(super) async fn insert(&self, at: &mut AnyConnection, mail: &MailId) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO body (mail, bytes, sha256, content, file) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (mail) DO NOTHING",
        )
        .bind(mail.as_str())
        .bind(int(self.bytes))
        .bind(self.sha256.as_str())
        .bind(self.content.as_deref())
        .bind(self.file.as_deref())
        .execute(at)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Deletes the body when nothing needs it: no copy in the outbox, no mail that waits or leaves, no notice about it. Returns the file to discard after the commit.
pub(super) async fn release(at: &mut AnyConnection, mail: &MailId) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(
        "DELETE FROM body WHERE mail = $1
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.mail = $1)
         AND NOT EXISTS (SELECT 1 FROM held WHERE held.id = $1 AND held.state IN ('held', 'releasing'))
         AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.mail = $1 AND notice.done_ms = 0)
         RETURNING file",
    )
    .bind(mail.as_str())
    .fetch_optional(at)
    .await?;
    row.map_or(Ok(None), |row| row.maybe_text("file"))
}

impl Store {
    /// The bytes of a kept mail; `None` when there is no such mail or its bytes are not needed any more.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they are not the bytes that were written.
    pub async fn body(&self, mail: &MailId) -> Result<Option<Bytes>, StoreError> {
        let find = || {
            sqlx::query("SELECT bytes, sha256, content, file FROM body WHERE mail = $1")
                .bind(mail.as_str())
                .fetch_optional(&self.read)
        };
        let damaged = |why| StoreError::Damaged { mail: mail.clone(), why };
        let Some(row) = find().await? else {
            return Ok(None);
        };
        let bytes = match row.maybe_text("file")? {
            Some(name) => match self.bodies.read(name).await? {
                Some(bytes) => bytes,
                // Either the file is lost, or row and file were released while we looked.
                None if find().await?.is_some() => return Err(damaged("its file is missing")),
                None => return Ok(None),
            },
            None => row.try_get::<Option<Vec<u8>>, _>("content")?.ok_or_else(|| damaged("it has no content"))?,
        };
        if bytes.len() as u64 != row.number("bytes")? || sum(&bytes) != row.text("sha256")? {
            return Err(damaged("its checksum differs"));
        }
        Ok(Some(bytes.into()))
    }
}

/// Which prepared files are not needed after a write. On a full disk they go at once; after other errors it is not certain that
/// the rows are not there, so the files stay for the sweep at the next start.
pub(super) fn unused<T>(
    written: &Result<T, StoreError>,
    files: Vec<String>,
    of: impl FnOnce(&T) -> Vec<String>,
) -> Vec<String> {
    match written {
        Ok(out) => of(out),
        Err(StoreError::Full) => files,
        Err(_) => Vec::new(),
    }
}

/// SHA-256 as hex.
fn sum(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Writes a file that is either complete under its name and on the disk, or not there.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let path = dir.join(name);
    let draft = dir.join(format!("{name}{DRAFT}"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(bytes).map(|()| file))
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| File::open(dir)?.sync_all());
    written.map_err(|error| {
        // Whatever cannot be removed now is swept at the next start.
        drop(fs::remove_file(&draft));
        drop(fs::remove_file(&path));
        StoreError::file(&path, error)
    })
}

/// Runs file work where it does not hold up the others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}
