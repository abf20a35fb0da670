//! Master keys: the key file, and the table that says which key is in use, so that a server and a rotation beside it agree.
//! It refuses a key file that others may read, a line it cannot read, and to replace a key that is missing by a new one.

use super::row::{Columns, int};
use super::seal::{DataKey, LENGTH, MasterKey, Purpose};
use super::secret::{hex, publish, random};
use super::writer::Write as Job;
use super::{Store, StoreError};
use crate::id::MailId;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use sqlx::AnyConnection;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// The first word of each line with a key.
const WORD: &str = "sekisho-key";
/// What stands above the keys.
const HEADING: &str = "# Master keys of the sekisho store. Whoever has this file and the store can read kept mails; without it nobody can.\n\
     # Keep a copy of it apart from the backups of the store. `sekisho store rotate-key` changes it.\n";

/// One key of the file.
#[derive(Clone)]
pub(super) struct Entry {
    /// Counts up; a later key has the higher number.
    pub serial: u64,
    /// Made from the key itself, so that a wrong key cannot pass for the right one.
    pub id: String,
    text: Zeroizing<String>,
    key: Arc<MasterKey>,
}

impl Entry {
    fn new(serial: u64, key: &[u8; LENGTH]) -> Result<Self, StoreError> {
        let name = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"sekisho key id");
        Ok(Self {
            serial,
            id: hex(&name.as_ref()[..8]),
            text: Zeroizing::new(BASE64.encode(key)),
            key: Arc::new(MasterKey::new(key)?),
        })
    }

    fn fresh(serial: u64) -> Result<Self, StoreError> {
        Self::new(serial, &Zeroizing::new(random()?))
    }
}

/// The master keys that are known.
pub(super) struct Keyring {
    /// `None` for a store in memory.
    file: Option<PathBuf>,
    keys: RwLock<Vec<Entry>>,
}

impl Keyring {
    /// The keyring of a store that is never written.
    pub(super) fn memory() -> Result<Self, StoreError> {
        Ok(Self { file: None, keys: RwLock::new(vec![Entry::fresh(1)?]) })
    }

    /// Reads the key file; a file that is not there is an empty keyring.
    pub(super) fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self { keys: RwLock::new(read(file)?), file: Some(file.to_owned()) })
    }

    /// A keyring without keys, in place of a file that cannot be used.
    pub(super) fn none(file: &Path) -> Self {
        Self { file: Some(file.to_owned()), keys: RwLock::default() }
    }

    /// Where the keys are, for messages.
    pub(super) fn file(&self) -> PathBuf {
        self.file.clone().unwrap_or_default()
    }

    /// All keys, the oldest first.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the first key; a file that appeared meanwhile is read instead.
    fn create(&self) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Some(dir) = file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| StoreError::file(dir, error))?;
        }
        publish(file, text(&[Entry::fresh(1)?]).as_bytes())?;
        self.reload()
    }

    /// Reads the file again.
    pub(super) fn reload(&self) -> Result<(), StoreError> {
        if let Some(file) = &self.file {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = read(file)?;
        }
        Ok(())
    }

    /// Writes the file anew: complete, for its owner only, and in one step.
    pub(super) fn replace(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        // A link stays a link.
        let file = file.canonicalize().map_err(|error| StoreError::file(file, error))?;
        let dir = file.parent().unwrap_or_else(|| Path::new("/"));
        let draft = file.with_extension(format!("{}.tmp", hex(&random::<8>()?)));
        let written = fs::metadata(&file).and_then(|before| {
            let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            new.write_all(text(entries).as_bytes())?;
            // An administrator changes the key of a guard that runs as another user.
            let now = new.metadata()?;
            if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
                chown(&draft, Some(before.uid()), Some(before.gid()))?;
            }
            new.sync_all()?;
            fs::rename(&draft, &file)?;
            File::open(dir)?.sync_all()
        });
        written.map_err(|error| {
            // It holds keys: it must not stay. When it cannot be removed, the error says where it may be.
            let _ = fs::remove_file(&draft);
            StoreError::file(&file, error)
        })?;
        self.reload()
    }

    /// A key of this id; the file is read again for one that is not known.
    fn find(&self, id: &str) -> Result<Entry, StoreError> {
        let known = |keys: Vec<Entry>| keys.into_iter().find(|entry| entry.id == id);
        if let Some(found) = known(self.entries()) {
            return Ok(found);
        }
        self.reload()?;
        known(self.entries()).ok_or_else(|| StoreError::KeyMissing { file: self.file(), id: id.to_owned() })
    }

    /// The data key as a column keeps it: the id of the master key, a dot, and the wrapped key.
    pub(super) fn wrap(&self, id: &str, key: &DataKey, purpose: Purpose, mail: &MailId) -> Result<String, StoreError> {
        let wrapped = self.find(id)?.key.wrap(key, purpose, mail)?;
        Ok(format!("{id}.{}", BASE64.encode(wrapped)))
    }

    /// The data key of such a column.
    pub(super) fn unwrap(&self, column: &str, purpose: Purpose, mail: &MailId) -> Result<DataKey, StoreError> {
        let damaged = || StoreError::Damaged { mail: mail.clone(), why: "its key does not open" };
        let (id, wrapped) = column.split_once('.').ok_or_else(damaged)?;
        let wrapped = BASE64.decode(wrapped).map_err(|_| damaged())?;
        self.find(id)?.key.unwrap(&wrapped, purpose, mail).map_err(|_| damaged())
    }
}

/// A new key behind these.
pub(super) fn next(entries: &[Entry]) -> Result<Entry, StoreError> {
    Entry::fresh(entries.iter().map(|entry| entry.serial).max().unwrap_or(0) + 1)
}

fn text(entries: &[Entry]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(HEADING.to_owned());
    // Room for all lines at once: a growing text would leave copies of keys behind.
    text.reserve(entries.len() * 128);
    for entry in entries {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{WORD} {} {} {}", entry.serial, entry.id, *entry.text);
    }
    text
}

fn read(file: &Path) -> Result<Vec<Entry>, StoreError> {
    let mode = match fs::metadata(file) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::file(file, error)),
    };
    if mode & 0o077 != 0 {
        return Err(StoreError::KeyOpen { file: file.to_owned(), mode });
    }
    let text = Zeroizing::new(fs::read_to_string(file).map_err(|error| StoreError::file(file, error))?);
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why| StoreError::KeyLine { file: file.to_owned(), line: number, why };
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [WORD, serial, id, key] = words[..] else {
            return Err(wrong("it is not `sekisho-key NUMBER ID KEY`"));
        };
        let serial = serial.parse().map_err(|_| wrong("its number cannot be read"))?;
        let key = Zeroizing::new(BASE64.decode(key).map_err(|_| wrong("its key is not base64"))?);
        let key: &[u8; LENGTH] = key.as_slice().try_into().map_err(|_| wrong("its key does not have 32 octets"))?;
        let entry = Entry::new(serial, key)?;
        if entry.id != id {
            return Err(wrong("the key was changed: it does not belong to its id"));
        }
        entries.push(entry);
    }
    entries.sort_by_key(|entry| entry.serial);
    Ok(entries)
}

/// The id of the key that wraps now; `None` before the first one.
pub(super) async fn current(at: &mut AnyConnection) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT id FROM master_key WHERE current = 1").fetch_optional(at).await?;
    row.map(|row| row.text("id")).transpose()
}

/// The key that is in use inside one transaction, whatever was in use when the bytes were sealed.
pub(super) struct InUse<'k> {
    keys: &'k Keyring,
    id: String,
}

impl<'k> InUse<'k> {
    /// Asks the database, which one writer changes at a time: what is written in this transaction is wrapped with this key.
    pub(super) async fn now(at: &mut AnyConnection, keys: &'k Keyring) -> Result<Self, StoreError> {
        let missing = || StoreError::KeyMissing { file: keys.file(), id: "of the first start".to_owned() };
        Ok(Self { keys, id: current(at).await?.ok_or_else(missing)? })
    }

    /// As [`Keyring::wrap`].
    pub(super) fn wrap(&self, key: &DataKey, purpose: Purpose, mail: &MailId) -> Result<String, StoreError> {
        self.keys.wrap(&self.id, key, purpose, mail)
    }
}

/// Takes a key into use.
pub(super) struct Use {
    pub id: String,
    pub serial: u64,
}

impl Job for Use {
    type Out = ();

    async fn apply(&self, at: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query("UPDATE master_key SET current = 0").execute(&mut *at).await?;
        sqlx::query(
            "INSERT INTO master_key (id, serial, current) VALUES ($1, $2, 1)
             ON CONFLICT (id) DO UPDATE SET current = excluded.current",
        )
        .bind(self.id.as_str())
        .bind(int(self.serial))
        .execute(&mut *at)
        .await?;
        Ok(())
    }
}

impl Store {
    /// At the start: the key in use is there, or it is the first start and a key is made.
    pub(super) async fn settle_keys(&self, create: bool) -> Result<(), StoreError> {
        let row = sqlx::query("SELECT id FROM master_key WHERE current = 1").fetch_optional(&self.read).await?;
        if let Some(row) = row {
            return self.keys.find(&row.text("id")?).map(|_| ());
        }
        if !create {
            return Ok(());
        }
        if self.keys.entries().is_empty() {
            self.keys.create()?;
        }
        let entries = self.keys.entries();
        let missing = || StoreError::KeyMissing { file: self.keys.file(), id: "of the first start".to_owned() };
        let newest = entries.last().ok_or_else(missing)?;
        self.writer.write(Use { id: newest.id.clone(), serial: newest.serial }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_for_its_owner_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys/master.key");
        let keys = Keyring::open(&file).unwrap();
        assert!(keys.entries().is_empty());
        keys.create().unwrap();
        let first = keys.entries();
        keys.create().unwrap();
        assert_eq!(keys.entries()[0].id, first[0].id, "made once");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let both = [first[0].clone(), next(&first).unwrap()];
        keys.replace(&both).unwrap();
        let again = Keyring::open(&file).unwrap().entries();
        let shown =
            |entries: &[Entry]| entries.iter().map(|entry| (entry.serial, entry.id.clone())).collect::<Vec<_>>();
        assert_eq!(shown(&again), shown(&both));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("keys")).unwrap().count(), 1, "no draft stays");

        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let open = Keyring::open(&file).err().unwrap();
        assert!(matches!(open, StoreError::KeyOpen { mode: 0o640, .. }));
        assert!(open.to_string().contains("chmod 600"), "{open}");
    }

    #[test]
    fn a_line_that_does_not_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("master.key");
        let good = Entry::fresh(1).unwrap();
        let other = Entry::fresh(1).unwrap();
        for (line, why) in [
            ("nonsense".to_owned(), "it is not"),
            (format!("{WORD} x {} {}", good.id, *good.text), "number"),
            (format!("{WORD} 1 {} !", good.id), "base64"),
            (format!("{WORD} 1 {} AAAA", good.id), "32 octets"),
            (format!("{WORD} 1 {} {}", good.id, *other.text), "changed"),
        ] {
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file).unwrap();
            fs::write(&file, format!("# comment\n\n{line}\n")).unwrap();
            let error = Keyring::open(&file).err().unwrap().to_string();
            assert!(error.contains("line 3") && error.contains(why), "{error}");
        }
    }
}
