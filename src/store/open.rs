//! Opening and closing the store: one folder with the database, the large bodies and the key.
//! It refuses to run on a database that would acknowledge before the disk has it, or beside a second server.

use super::body::Bodies;
use super::keyring::Keyring;
use super::row::Columns;
use super::schema;
use super::secret::Secret;
use super::writer::Writer;
use super::{StoreError, notice, outbox};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Executor};
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that read.
const READERS: u32 = 4;

/// What to open.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the store; made with mode 0700 when it is missing.
    pub dir: PathBuf,
    /// As whom.
    pub role: Role,
    /// Where the master keys are; `None` for `keys/master.key` in the folder of the store.
    pub key_file: Option<PathBuf>,
}

impl Options {
    /// The key file.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.dir.join("keys/master.key"))
    }
}

/// Who opens a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one server on the folder: cleans up what a crash left, before it accepts anything.
    Server,
    /// A command beside it, which reads and decides but keeps no mail of its own.
    Tool,
}

/// The store. All methods may be called from many tasks at once.
pub struct Store {
    pub(super) read: AnyPool,
    pub(super) writer: Writer,
    pub(super) bodies: Bodies,
    pub(super) secret: Secret,
    pub(super) keys: Arc<Keyring>,
    /// Its folder; empty for a store in memory.
    pub(super) dir: PathBuf,
    /// Held while the server lives; the system frees it when the process ends in whatever way.
    _lock: Option<File>,
}

impl Store {
    /// Opens the store of a folder, brings its tables up to date, and as a server removes orphans and frees the leases of a predecessor.
    ///
    /// # Errors
    /// When the folder cannot be used, another server uses it, its schema is newer, or the database would not be durable.
    pub async fn open(options: &Options) -> Result<Self, StoreError> {
        let dir = &options.dir;
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| StoreError::file(dir, error))?;
        let dir = dir.canonicalize().map_err(|error| StoreError::file(dir, error))?;
        let lock = match options.role {
            Role::Server => Some(lock(&dir).await?),
            Role::Tool => None,
        };
        let database = dir.join("store.db");
        // Made here for its mode; the database gives its log the same.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&database)
            .map_err(|error| StoreError::file(&database, error))?;
        let url = format!("sqlite://{}?mode=rw", encoded(&database));
        let write = pool(&url, 1, WRITER).await?;
        schema::migrate(&mut *write.acquire().await?).await?;
        check(&mut *write.acquire().await?).await?;
        if options.role == Role::Server {
            // What a predecessor left in the log is moved now and not within the first commit, for which a client waits.
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&write).await?;
        }
        let read = pool(&url, READERS, READER).await?;
        let keys = Arc::new(Keyring::open(&options.key_file())?);
        let store = Self {
            read,
            writer: Writer::start(write, false),
            bodies: Bodies::open(&dir.join("bodies"), Arc::clone(&keys))?,
            secret: Secret::open(&dir)?,
            keys,
            dir,
            _lock: lock,
        };
        store.settle_keys(options.role == Role::Server).await?;
        if options.role == Role::Server {
            store.recover().await?;
        }
        Ok(store)
    }

    /// A store in memory, for tests: it lives as long as the value.
    ///
    /// # Errors
    /// When the database cannot be made.
    pub async fn memory() -> Result<Self, StoreError> {
        // One connection for all: every further one would open an empty database of its own.
        let pool = pool("sqlite::memory:", 1, "PRAGMA foreign_keys = ON").await?;
        schema::migrate(&mut *pool.acquire().await?).await?;
        let keys = Arc::new(Keyring::memory()?);
        let store = Self {
            read: pool.clone(),
            writer: Writer::start(pool, true),
            bodies: Bodies::in_rows(Arc::clone(&keys)),
            secret: Secret::fresh()?,
            keys,
            dir: PathBuf::new(),
            _lock: None,
        };
        store.settle_keys(true).await?;
        Ok(store)
    }

    /// A key for a purpose, the same as long as the store's key file is the same.
    #[must_use]
    pub fn derived_key(&self, purpose: &str) -> [u8; 32] {
        self.secret.derive(purpose)
    }

    /// Commits what was handed over, then closes; later calls fail with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.writer.close().await;
        self.read.close().await;
    }

    async fn recover(&self) -> Result<(), StoreError> {
        let rows = sqlx::query("SELECT file FROM body WHERE file IS NOT NULL").fetch_all(&self.read).await?;
        let named = rows.iter().map(|row| row.text("file")).collect::<Result<_, _>>()?;
        let swept = self.bodies.sweep(named).await?;
        let items = self.writer.write(outbox::FreeLeases).await?;
        let notices = self.writer.write(notice::FreeLeases).await?;
        tracing::info!(orphans = swept, outbox_leases = items, notice_leases = notices, "opened the store");
        Ok(())
    }
}

/// Deleted cells are overwritten, so that a wrapped key that is gone is gone from the file; the pages of large rows need not be, they hold
/// sealed octets. What a statement needs meanwhile is kept in memory: a confined guard can write nowhere but in its own folder.
/// `wal_autocheckpoint` in pages: senders and contents are digests, so commits touch pages all over the tables; with 16 MiB of log between two
/// checkpoints each page is written back once for many commits. `cache_size` in KiB when negative.
pub(super) const WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000; \
     PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000";
/// Each commit empties a reader's cache; mapped, the pages need not be copied again.
pub(super) const READER: &str =
    "PRAGMA query_only = ON; PRAGMA busy_timeout = 10000; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 16777216";

pub(super) async fn pool(url: &str, connections: u32, settings: &'static str) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    // Statements are not logged: their values come from mails.
    let options = AnyConnectOptions::from_str(url)?.disable_statement_logging();
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        // The database is in this process: there is nothing between us that could be lost.
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(30))
        .after_connect(move |at, _| {
            Box::pin(async move {
                at.execute(sqlx::raw_sql(settings)).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// A file system without shared memory, or a build of the database with other defaults, would show here.
async fn check(at: &mut AnyConnection) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT journal_mode FROM pragma_journal_mode").fetch_one(&mut *at).await?;
    let found = row.text("journal_mode")?;
    if found != "wal" {
        return Err(StoreError::Unsafe { setting: "journal_mode", found, wanted: "wal" });
    }
    let row = sqlx::query("SELECT synchronous FROM pragma_synchronous").fetch_one(&mut *at).await?;
    let found = row.number("synchronous")?;
    if found != 2 {
        return Err(StoreError::Unsafe { setting: "synchronous", found: found.to_string(), wanted: "2" });
    }
    Ok(())
}

/// How long a taken lock is waited for. A guard that is killed while it starts a worker leaves its open files to the half-made process, until
/// that becomes the worker and closes them; the next guard must not fail of that.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

async fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|error| StoreError::file(&path, error))?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(StoreError::file(&path, error)),
        }
    }
}

/// A path for the inside of a URL (RFC 3986 2.1 percent-encoding).
pub(super) fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
