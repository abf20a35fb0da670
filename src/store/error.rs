//! What can go wrong while keeping: every case means that nothing was written, so the caller answers 451 and loses nothing.
//! It refuses to carry content of a mail in its texts.

use crate::id::MailId;
use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what was asked; the texts fit behind "failed to".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space, quota or file size is left.
    #[error("write to the store: the disk is full")]
    Full,
    /// Another process holds the database, for longer than a client should wait.
    #[error("write to the store: another process holds it")]
    Busy,
    /// The store was closed, or its writer ended.
    #[error("use the store: it is closed")]
    Closed,
    /// A second server on one folder.
    #[error("open the store in {0}: another server is using it")]
    InUse(PathBuf),
    /// Written by a newer program.
    #[error("open the store: its schema version {found} is newer than {known}, the newest this program knows")]
    Newer { found: u64, known: u64 },
    /// The database does not keep what it acknowledges on this file system.
    #[error("open the store: the database has {setting} = {found} instead of {wanted}")]
    Unsafe { setting: &'static str, found: String, wanted: &'static str },
    /// The body is not what was written.
    #[error("read the body of mail {mail}: {why}")]
    Damaged { mail: MailId, why: &'static str },
    /// A row is not what this program writes.
    #[error("read column {column} of a row: {why}")]
    Row { column: &'static str, why: String },
    /// A value cannot be written as JSON.
    #[error("encode a row: {0}")]
    Encode(#[source] serde_json::Error),
    /// A file of the store.
    #[error("use {path}: {source}")]
    File { path: PathBuf, source: io::Error },
    /// The key file has the wrong length.
    #[error("read the key in {0}: it does not hold 32 bytes")]
    Key(PathBuf),
    /// A master key that rows name is not in the key file.
    #[error(
        "find the key {id} in {file}: bring the key file back from where its copy is kept. Nothing was changed; without that key the mails \
         that are kept cannot be read"
    )]
    KeyMissing { file: PathBuf, id: String },
    /// Others may read the master keys.
    #[error("use the keys in {file}: others may read them (mode {mode:o}); run: chmod 600 {file}")]
    KeyOpen { file: PathBuf, mode: u32 },
    /// A line of the key file is not what this program writes.
    #[error("read {file}, line {line}: {why}. Bring the key file back from where its copy is kept")]
    KeyLine { file: PathBuf, line: usize, why: &'static str },
    /// Another command changes the master key, or copies the store.
    #[error("begin: another command is changing the master key or copying the store; try again when it is done")]
    Rotating,
    /// The system gives no random bytes.
    #[error("get random bytes from the system")]
    Random,
    /// Anything else the database says.
    #[error("query the store: {0}")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Is it about one row alone, so that the others can still be read?
    #[must_use]
    pub fn is_about_row(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Row { .. })
    }

    /// An error of a file; a full disk is told apart.
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full,
            _ => Self::File { path: path.to_owned(), source },
        }
    }
}

/// SQLite result codes; the low octet of an extended code is the code it extends.
const SQLITE_BUSY: u32 = 5;
const SQLITE_FULL: u32 = 13;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = match &error {
            sqlx::Error::PoolClosed => return Self::Closed,
            sqlx::Error::PoolTimedOut => return Self::Busy,
            sqlx::Error::Database(said) => said.code().and_then(|code| code.parse::<u32>().ok()),
            _ => None,
        };
        match code.map(|code| code & 0xff) {
            Some(SQLITE_BUSY) => Self::Busy,
            Some(SQLITE_FULL) => Self::Full,
            _ => Self::Database(error),
        }
    }
}
