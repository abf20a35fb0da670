//! A copy of the store that is consistent while the guard runs: the database as of one moment, and every body that it names.
//! It refuses to call a copy complete before it was opened and every mail in it was read.

use super::check::{Checked, check};
use super::keyring::Keyring;
use super::look::Look;
use super::open::{WRITER, encoded, pool};
use super::rotate::alone;
use super::row::Columns;
use super::{Options, Role, StoreError};
use serde::Serialize;
use sqlx::Connection;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Copies tried without holding anybody up; then the guard waits for one.
const TRIES: u32 = 4;

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Where it is.
    pub dir: PathBuf,
    /// Body files, and those of them that share their octets with the store (hard links).
    pub files: u64,
    pub linked: u64,
    /// What the check of the copy found.
    pub checked: Checked,
}

/// Copies the store into a new folder; with `keys`, the key files too. The folder appears complete under its name, or not at all.
///
/// # Errors
/// When the folder exists, or anything cannot be copied.
pub async fn backup(options: &Options, to: &Path, keys: bool) -> Result<Backup, StoreError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(StoreError::file(to, ErrorKind::AlreadyExists.into()));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    let draft = PathBuf::from(name);
    let folder = |dir: &Path| DirBuilder::new().mode(0o700).create(dir).map_err(|error| StoreError::file(dir, error));
    // The keys that are copied are those of the rows that are.
    let _alone = alone(&options.dir)?;
    folder(&draft)?;
    let done = async {
        folder(&draft.join("bodies"))?;
        let look = Look::open(options, Arc::new(Keyring::open(&options.key_file())?)).await?;
        let mut copy = Copying { look, draft: draft.clone(), there: HashSet::new(), linked: 0 };
        copy.all(options).await?;
        if keys {
            folder(&draft.join("keys"))?;
            secret(&options.key_file(), &draft.join("keys/master.key"))?;
            secret(&options.dir.join("history.key"), &draft.join("history.key"))?;
        }
        sync(&draft.join("bodies"))?;
        sync(&draft)?;
        let of = Options { dir: draft.clone(), role: Role::Tool, key_file: Some(options.key_file()) };
        let checked = check(&of, 0).await?;
        fs::rename(&draft, to).map_err(|error| StoreError::file(to, error))?;
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent)?;
        }
        Ok(Backup { dir: to.to_owned(), files: copy.there.len() as u64, linked: copy.linked, checked })
    };
    let done = done.await;
    if done.is_err() {
        // What cannot be removed carries a name that says that it is not complete.
        let _ = fs::remove_dir_all(&draft);
    }
    done
}

struct Copying {
    look: Look,
    draft: PathBuf,
    /// Names of body files that are in the copy.
    there: HashSet<String>,
    linked: u64,
}

impl Copying {
    /// A body file never changes, and goes only after its row. So a copy is complete when each file that its database names was copied before
    /// or after the database; a file that came and went between the two is missing, and the database is copied again.
    async fn all(&mut self, options: &Options) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            self.files().await?;
            if self.database().await? {
                return Ok(());
            }
        }
        // Mail comes and goes faster than it can be copied: nothing changes while this transaction is open.
        let url = format!("sqlite://{}?mode=rw", encoded(&options.dir.join("store.db")));
        let write = pool(&url, 1, WRITER).await?;
        let mut at = write.acquire().await?;
        let still = at.begin_with("BEGIN IMMEDIATE").await?;
        self.files().await?;
        let complete = self.database().await?;
        still.rollback().await?;
        drop(at);
        write.close().await;
        if complete { Ok(()) } else { Err(StoreError::file(&self.draft, io::Error::other("a body is missing"))) }
    }

    /// Copies every body file that rows name now.
    async fn files(&mut self) -> Result<(), StoreError> {
        for name in self.look.named().await? {
            self.file(&name)?;
        }
        Ok(())
    }

    /// Copies one body file, or finds that it is gone.
    fn file(&mut self, name: &str) -> Result<bool, StoreError> {
        if self.there.contains(name) {
            return Ok(true);
        }
        let (from, to) = (self.look.dir.join("bodies").join(name), self.draft.join("bodies").join(name));
        match fs::hard_link(&from, &to) {
            Ok(()) => self.linked += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            // Another file system, or one without hard links.
            Err(_) => match fs::copy(&from, &to).and_then(|_| File::open(&to)?.sync_all()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(StoreError::file(&to, error)),
            },
        }
        self.there.insert(name.to_owned());
        Ok(true)
    }

    /// Copies the database as of now; `false` when a body that it names could not be had.
    async fn database(&mut self) -> Result<bool, StoreError> {
        let to = self.draft.join("store.db");
        match fs::remove_file(&to) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::file(&to, error)),
            _ => {}
        }
        // Made here for its mode; an empty file is a database without tables.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&to)
            .map_err(|error| StoreError::file(&to, error))?;
        let text = String::from_utf8(to.as_os_str().as_bytes().to_vec());
        let text = text.map_err(|_| StoreError::file(&to, io::Error::other("its name is not UTF-8")))?;
        let mut at = self.look.read.acquire().await?;
        sqlx::query("PRAGMA query_only = OFF").execute(&mut *at).await?;
        let copied = sqlx::query("VACUUM INTO $1").bind(text).execute(&mut *at).await;
        sqlx::query("PRAGMA query_only = ON").execute(&mut *at).await?;
        drop(at);
        copied?;
        sync(&to)?;
        let url = format!("sqlite://{}?mode=ro", encoded(&to));
        let copy = pool(&url, 1, "PRAGMA query_only = ON").await?;
        let rows = sqlx::query("SELECT file FROM body WHERE file IS NOT NULL").fetch_all(&copy).await?;
        copy.close().await;
        let named = rows.iter().map(|row| row.text("file")).collect::<Result<HashSet<_>, _>>()?;
        let mut complete = true;
        for name in &named {
            complete &= self.file(name)?;
        }
        if complete {
            // What went meanwhile is not part of the copy.
            for name in self.there.extract_if(|name| !named.contains(name)) {
                let path = self.draft.join("bodies").join(name);
                fs::remove_file(&path).map_err(|error| StoreError::file(&path, error))?;
            }
        }
        Ok(complete)
    }
}

/// Copies a key file, for its owner only.
fn secret(from: &Path, to: &Path) -> Result<(), StoreError> {
    let bytes = zeroize::Zeroizing::new(fs::read(from).map_err(|error| StoreError::file(from, error))?);
    super::secret::publish(to, &bytes)
}

fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| StoreError::file(path, error))
}
