//! The bytes of kept mails, sealed: small ones in their row, large ones as files that are complete and on the disk before their row is.
//! It refuses to hand out bytes that differ from those that were written, by checksum and by the seal.

use super::column;
use super::keyring::{InUse, Keyring};
use super::row::{Columns, int};
use super::seal::{CHUNK, DataKey, Purpose, TAG};
use super::secret::{hex, random};
use super::writer::Write as Job;
use super::{Store, StoreError};
use crate::id::MailId;
use aws_lc_rs::digest;
use bytes::Bytes;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyPool, Row};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Octets up to which a body stays in its row; files are faster above (a row is written twice: log, then table).
pub(super) const IN_ROW: usize = 256 * 1024;
/// Bodies that are being written.
pub(super) const DRAFT: &str = ".tmp";

/// Where bodies are.
#[derive(Clone)]
pub(super) struct Bodies {
    /// `None`: everything in rows.
    dir: Option<PathBuf>,
    keys: Arc<Keyring>,
}

/// A body that is safe as soon as its row is committed.
pub(super) struct Body {
    bytes: u64,
    sha256: String,
    content: Option<Vec<u8>>,
    file: Option<String>,
    /// Wrapped at the moment of the commit, with the master key that is in use then.
    key: DataKey,
    keys: Arc<Keyring>,
}

/// The columns of a body.
struct Stored {
    bytes: u64,
    sha256: String,
    content: Option<Vec<u8>>,
    file: Option<String>,
    data_key: Option<String>,
}

/// What [`Stored::read`] reads.
const COLUMNS: &str = "SELECT bytes, sha256, content, file, data_key FROM body WHERE mail = $1";

impl Stored {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            bytes: row.number("bytes")?,
            sha256: row.text("sha256")?,
            content: row.try_get("content")?,
            file: row.maybe_text("file")?,
            data_key: row.maybe_text("data_key")?,
        })
    }
}

impl Bodies {
    /// Bodies in rows only.
    pub(super) fn in_rows(keys: Arc<Keyring>) -> Self {
        Self { dir: None, keys }
    }

    /// Bodies in rows and in files of this folder, which is made when it is missing.
    pub(super) fn open(dir: &Path, keys: Arc<Keyring>) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| StoreError::file(dir, error))?;
        Ok(Self { dir: Some(dir.to_owned()), keys })
    }

    /// Bodies of a store that is only looked at.
    pub(super) fn look(dir: &Path, keys: Arc<Keyring>) -> Self {
        Self { dir: Some(dir.to_owned()), keys }
    }

    /// Prepares a body of two pieces: it is sealed here, and a large one is written and synced before any row names it. Only a chunk of a
    /// large one is copied at a time.
    pub(super) async fn prepare(&self, mail: &MailId, head: &Bytes, rest: &Bytes) -> Result<Body, StoreError> {
        let (mail, head, rest, keys) = (mail.clone(), head.clone(), rest.clone(), Arc::clone(&self.keys));
        let length = head.len() + rest.len();
        let bytes = length as u64;
        let key = DataKey::fresh()?;
        match &self.dir {
            Some(dir) if length > IN_ROW => {
                let dir = dir.clone();
                blocking(move || {
                    let name = hex(&random::<16>()?);
                    let sum = write(&dir, &name, &key, &mail, &[&head, &rest])?;
                    Ok(Body { bytes, sha256: sum, content: None, file: Some(name), key, keys })
                })
                .await
            }
            _ => {
                let mut content = Vec::with_capacity(length + TAG * (length / CHUNK + 1));
                key.seal(Purpose::Body, &mail, &[&head, &rest], |chunk| {
                    content.extend_from_slice(chunk);
                    Ok(())
                })
                .map_err(|error| StoreError::file(Path::new("body"), error))?;
                Ok(Body { bytes, sha256: sum(&content), content: Some(content), file: None, key, keys })
            }
        }
    }

    /// The bytes of a body; `None` when its file is not there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they are not the bytes that were written.
    async fn restore(&self, mail: &MailId, stored: Stored) -> Result<Option<Vec<u8>>, StoreError> {
        let (mail, keys, dir) = (mail.clone(), Arc::clone(&self.keys), self.dir.clone());
        if stored.file.is_some() {
            blocking(move || restore(dir.as_deref(), &keys, &mail, stored)).await
        } else {
            restore(None, &keys, &mail, stored)
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
}

impl Body {
    /// The file, if the body has one.
    pub(super) fn file(&self) -> Option<&String> {
        self.file.as_ref()
    }

    /// Puts the sealed form in the place of one that is as it came; gives the file to discard after the commit, or the own one when the
    /// row went or was sealed meanwhile.
    pub(super) async fn replace(&self, at: &mut AnyConnection, mail: &MailId) -> Result<Option<String>, StoreError> {
        let plain = sqlx::query("SELECT file FROM body WHERE mail = $1 AND data_key IS NULL")
            .bind(mail.as_str())
            .fetch_optional(&mut *at)
            .await?;
        let Some(plain) = plain else { return Ok(self.file.clone()) };
        let data_key = InUse::now(at, &self.keys).await?.wrap(&self.key, Purpose::Body, mail)?;
        sqlx::query("UPDATE body SET sha256 = $1, content = $2, file = $3, data_key = $4 WHERE mail = $5")
            .bind(self.sha256.as_str())
            .bind(self.content.as_deref())
            .bind(self.file.as_deref())
            .bind(data_key)
            .bind(mail.as_str())
            .execute(at)
            .await?;
        plain.maybe_text("file")
    }

    /// Writes the row; `false` when the mail has a body already, which then stays.
    pub(super) async fn insert(&self, at: &mut AnyConnection, mail: &MailId) -> Result<bool, StoreError> {
        let with = InUse::now(at, &self.keys).await?;
        self.insert_with(at, &with, mail).await
    }

    /// The same with the key that is in use, when the caller knows it.
    pub(super) async fn insert_with(
        &self,
        at: &mut AnyConnection,
        with: &InUse<'_>,
        mail: &MailId,
    ) -> Result<bool, StoreError> {
        let data_key = with.wrap(&self.key, Purpose::Body, mail)?;
        let done = sqlx::query(
            "INSERT INTO body (mail, bytes, sha256, content, file, data_key) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (mail) DO NOTHING",
        )
        .bind(mail.as_str())
        .bind(int(self.bytes))
        .bind(self.sha256.as_str())
        .bind(self.content.as_deref())
        .bind(self.file.as_deref())
        .bind(data_key)
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
        read(&self.read, &self.bodies, mail).await
    }

    /// Seals bodies and held mails of version 1, which are as they came; gives how many were. What does not read stays as it is, and the log
    /// says so.
    ///
    /// # Errors
    /// When the database cannot be read or written; what went before stays sealed.
    pub async fn seal_old(&self) -> Result<u64, StoreError> {
        let mut sealed = 0;
        let rows = sqlx::query("SELECT mail FROM body WHERE data_key IS NULL").fetch_all(&self.read).await?;
        for row in rows {
            let mail = row.id("mail")?;
            let bytes = match self.body(&mail).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!("failed to {error}: it stays unsealed");
                    continue;
                }
            };
            let body = self.bodies.prepare(&mail, &Bytes::new(), &bytes).await?;
            let file = self.writer.write(SealBody { mail, body }).await?;
            self.bodies.discard(file.into_iter().collect()).await;
            sealed += 1;
        }
        let rows = sqlx::query("SELECT id FROM held WHERE SUBSTR(detail, 1, 1) = '{'").fetch_all(&self.read).await?;
        for row in rows {
            let (mail, keys) = (row.id("id")?, Arc::clone(&self.keys));
            sealed += u64::from(self.writer.write(SealHeld { mail, keys }).await?);
        }
        Ok(sealed)
    }
}

/// Deleted octets of this connection are overwritten wherever they are, or (as usual) where it costs nothing.
async fn overwrite(at: &mut AnyConnection, everywhere: bool) -> Result<(), StoreError> {
    let pragma = if everywhere { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = FAST" };
    sqlx::query(pragma).execute(at).await?;
    Ok(())
}

struct SealBody {
    mail: MailId,
    body: Body,
}

impl Job for SealBody {
    /// A file to discard.
    type Out = Option<String>;

    async fn apply(&self, at: &mut AnyConnection) -> Result<Option<String>, StoreError> {
        overwrite(at, true).await?;
        let file = self.body.replace(at, &self.mail).await?;
        overwrite(at, false).await?;
        Ok(file)
    }
}

struct SealHeld {
    mail: MailId,
    keys: Arc<Keyring>,
}

impl Job for SealHeld {
    type Out = bool;

    async fn apply(&self, at: &mut AnyConnection) -> Result<bool, StoreError> {
        overwrite(at, true).await?;
        let row = sqlx::query("SELECT detail, recipients FROM held WHERE id = $1 AND SUBSTR(detail, 1, 1) = '{'")
            .bind(self.mail.as_str())
            .fetch_optional(&mut *at)
            .await?;
        if let Some(row) = &row {
            let (with, mail) = (InUse::now(at, &self.keys).await?, &self.mail);
            let detail = column::lock_text(&with, Purpose::Detail, mail, &row.text("detail")?)?;
            let recipients = column::lock_text(&with, Purpose::Recipients, mail, &row.text("recipients")?)?;
            sqlx::query("UPDATE held SET detail = $1, recipients = $2 WHERE id = $3")
                .bind(detail)
                .bind(recipients)
                .bind(self.mail.as_str())
                .execute(&mut *at)
                .await?;
        }
        overwrite(at, false).await?;
        Ok(row.is_some())
    }
}

/// The bytes of a mail.
pub(super) async fn read(pool: &AnyPool, bodies: &Bodies, mail: &MailId) -> Result<Option<Bytes>, StoreError> {
    let mut missing = None;
    loop {
        let row = sqlx::query(COLUMNS).bind(mail.as_str()).fetch_optional(pool).await?;
        let Some(row) = row else { return Ok(None) };
        let stored = Stored::read(&row)?;
        let file = stored.file.clone();
        if let Some(bytes) = bodies.restore(mail, stored).await? {
            return Ok(Some(bytes.into()));
        }
        // Either the file is lost, or it was released or sealed anew while we looked: then the row does not name it any more.
        if missing == file {
            return Err(StoreError::Damaged { mail: mail.clone(), why: "its file is missing" });
        }
        missing = file;
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

fn restore(dir: Option<&Path>, keys: &Keyring, mail: &MailId, stored: Stored) -> Result<Option<Vec<u8>>, StoreError> {
    let damaged = |why| StoreError::Damaged { mail: mail.clone(), why };
    let bytes = match (stored.file, stored.content) {
        (Some(name), _) => {
            let path = dir.ok_or_else(|| damaged("its file is missing"))?.join(name);
            match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(StoreError::file(&path, error)),
            }
        }
        (None, Some(content)) => content,
        (None, None) => return Err(damaged("it has no content")),
    };
    if sum(&bytes) != stored.sha256 {
        return Err(damaged("its checksum differs"));
    }
    let bytes = match stored.data_key {
        Some(column) => {
            let key = keys.unwrap(&column, Purpose::Body, mail)?;
            key.open(Purpose::Body, mail, bytes).map_err(|_| damaged("its seal is broken"))?
        }
        None => bytes,
    };
    if bytes.len() as u64 != stored.bytes {
        return Err(damaged("its length differs"));
    }
    Ok(Some(bytes))
}

/// Writes a sealed file that is either complete under its name and on the disk, or not there; gives the checksum of its octets.
fn write(dir: &Path, name: &str, key: &DataKey, mail: &MailId, pieces: &[&[u8]]) -> Result<String, StoreError> {
    let path = dir.join(name);
    let draft = dir.join(format!("{name}{DRAFT}"));
    let mut sum = digest::Context::new(&digest::SHA256);
    let mut fill = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        key.seal(Purpose::Body, mail, pieces, |chunk| {
            sum.update(chunk);
            file.write_all(chunk)
        })?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(dir)?.sync_all()
    };
    match fill() {
        Ok(()) => Ok(hex(sum.finish().as_ref())),
        Err(error) => {
            // Whatever cannot be removed now is swept at the next start.
            drop(fs::remove_file(&draft));
            drop(fs::remove_file(&path));
            Err(StoreError::file(&path, error))
        }
    }
}

/// Runs file work where it does not hold up the others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}
