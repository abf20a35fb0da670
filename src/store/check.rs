//! `store check`: is everything there that rows promise, does everything open, and may nobody else read it?
//! It refuses to change anything, and to call a store well of which it could not see a part.

use super::body::DRAFT;
use super::column::unlock;
use super::held::Detail;
use super::keyring::Keyring;
use super::look::{Look, free_bytes};
use super::row::Columns;
use super::schema::KNOWN;
use super::seal::Purpose;
use super::{Options, StoreError, notice, outbox};
use crate::id::MailId;
use crate::mail::envelope::Recipient;
use serde::Serialize;
use sqlx::any::AnyRow;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Mails looked at between two questions to the database.
const PAGE: i64 = 100;
/// A file without a row may be that of a mail that is being taken in; older ones are left over.
const YOUNG: Duration = Duration::from_mins(10);

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The version of the tables.
    pub schema: u64,
    /// Rows: held mails in whatever state, bodies, those of them that are sealed, and copies in the outbox.
    pub held: u64,
    pub bodies: u64,
    pub sealed: u64,
    pub outbox: u64,
    /// Octets free on its disk.
    pub free_bytes: u64,
    /// Ids of the master keys in the key file.
    pub keys: Vec<String>,
    /// What must be put right.
    pub problems: Vec<String>,
    /// What will be put right by itself, or should be known.
    pub remarks: Vec<String>,
}

impl Checked {
    fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }
}

/// Looks at the whole store; a guard may be running on it. `min_free` are octets that should be free.
///
/// # Errors
/// When it cannot be looked at; what is wrong with it is not an error but a problem in the answer.
pub async fn check(options: &Options, min_free: u64) -> Result<Checked, StoreError> {
    let mut out = Checked::default();
    let file = options.key_file();
    let keys = match Keyring::open(&file) {
        Ok(keys) => keys,
        Err(error) => {
            out.problem(format!("failed to {error}"));
            Keyring::none(&file)
        }
    };
    out.keys = keys.entries().iter().map(|entry| entry.id.clone()).collect();
    let look = Look::open(options, Arc::new(keys)).await?;
    out.schema = look.version;
    permissions(&look.dir, &mut out)?;
    out.free_bytes = free_bytes(&look.dir)?;
    if out.free_bytes < min_free {
        out.problem(format!(
            "only {} octets are free, fewer than min_free = {min_free}: no mail is taken",
            out.free_bytes
        ));
    }
    for line in look.words("SELECT integrity_check AS said FROM pragma_integrity_check LIMIT 20", "said").await? {
        if line != "ok" {
            out.problem(format!("the database is damaged: {line}"));
        }
    }
    let dangling = "SELECT DISTINCT \"table\" AS said FROM pragma_foreign_key_check";
    for table in look.words(dangling, "said").await? {
        out.problem(format!("rows of the table {table} name a mail without a body"));
    }
    if look.version < KNOWN {
        out.remark(format!("its schema version is {}; the guard brings it to {KNOWN} at its next start", look.version));
        return Ok(out);
    }
    master_keys(&look, &mut out).await?;
    bodies(&look, &mut out).await?;
    details(&look, &mut out).await?;
    out.outbox = rows(&look, OUTBOX, "the outbox holds a letter", outbox::item, &mut out).await?;
    rows(&look, NOTICES, "a notice waits", notice::notice, &mut out).await?;
    promises(&look, &mut out).await?;
    files(&look, &mut out).await?;
    Ok(out)
}

/// The folder and everything in it is for its owner; the lock holds nothing.
fn permissions(dir: &Path, out: &mut Checked) -> Result<(), StoreError> {
    let mut look = |path: &Path| {
        // A file that went away meanwhile is nobody's.
        if let Ok(metadata) = fs::symlink_metadata(path) {
            let mode = metadata.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 && !metadata.is_symlink() {
                out.problem(format!("others may use {} (mode {mode:o}); run: chmod go= {0}", path.display()));
            }
        }
    };
    look(dir);
    for folder in [dir.to_owned(), dir.join("bodies"), dir.join("keys")] {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(_) if folder != dir => continue,
            Err(error) => return Err(StoreError::file(&folder, error)),
        };
        for entry in entries.filter_map(Result::ok).filter(|entry| entry.file_name() != "lock") {
            look(&entry.path());
        }
    }
    Ok(())
}

async fn master_keys(look: &Look, out: &mut Checked) -> Result<(), StoreError> {
    let used = look.words("SELECT id FROM master_key ORDER BY serial", "id").await?;
    for id in used.iter().filter(|id| !out.keys.contains(id)) {
        out.problems.push(StoreError::KeyMissing { file: look.keys.file(), id: id.clone() }.to_string());
    }
    if used.len() > 1 || out.keys.iter().any(|id| !used.contains(id)) {
        out.remark("a change of the master key goes on or was interrupted; `sekisho store rotate-key` finishes it");
    }
    Ok(())
}

/// Every body is read, compared with its checksum and opened.
async fn bodies(look: &Look, out: &mut Checked) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let rows = sqlx::query(
            "SELECT mail, CAST(CASE WHEN data_key IS NULL THEN 0 ELSE 1 END AS BIGINT) AS sealed FROM body WHERE mail > $1
             ORDER BY mail LIMIT $2",
        )
        .bind(after.as_str())
        .bind(PAGE)
        .fetch_all(&look.read)
        .await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            after = row.text("mail")?;
            out.bodies += 1;
            out.sealed += row.number("sealed")?;
            match MailId::parse(&after) {
                Ok(mail) => {
                    if let Err(error) = look.body(&mail).await {
                        out.problem(format!("failed to {error}"));
                    }
                }
                Err(error) => out.problem(format!("body {after:?}: failed to {error}")),
            }
        }
    }
    if out.sealed < out.bodies {
        out.remark(format!(
            "{} bodies of an old version are not sealed yet; the guard does it",
            out.bodies - out.sealed
        ));
    }
    Ok(())
}

/// What is known about each held mail opens.
async fn details(look: &Look, out: &mut Checked) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let rows = sqlx::query("SELECT id, detail, recipients FROM held WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after.as_str())
            .bind(PAGE)
            .fetch_all(&look.read)
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            after = row.text("id")?;
            out.held += 1;
            let opened = row.id("id").and_then(|id| {
                let (detail, recipients) = (row.text("detail")?, row.text("recipients")?);
                let _: Detail = unlock(&look.keys, Purpose::Detail, &id, "detail", &detail)?;
                let _: Vec<Recipient> = unlock(&look.keys, Purpose::Recipients, &id, "recipients", &recipients)?;
                Ok(())
            });
            if let Err(error) = opened {
                out.problem(format!("held mail {after}: failed to {error}"));
            }
        }
    }
}

const OUTBOX: &str = "SELECT id, mail, sender, parameters, recipients, change, attempts, warned, created_ms, said
     FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";
const NOTICES: &str =
    "SELECT id, mail, kind, asked, about, attempts FROM notice WHERE done_ms = 0 AND id > $1 ORDER BY id LIMIT $2";

/// Rows that the guard reads to act on them: how many they are. One that it cannot read is left where it is.
async fn rows<T>(
    look: &Look,
    sql: &'static str,
    what: &str,
    read: impl Fn(&AnyRow) -> Result<T, StoreError>,
    out: &mut Checked,
) -> Result<u64, StoreError> {
    let (mut after, mut found) = (String::new(), 0);
    loop {
        let rows = sqlx::query(sql).bind(after.as_str()).bind(PAGE).fetch_all(&look.read).await?;
        if rows.is_empty() {
            return Ok(found);
        }
        for row in rows {
            after = row.text("id")?;
            found += 1;
            if let Err(error) = read(&row) {
                out.problem(format!("{what} that cannot be read, {after}: failed to {error}"));
            }
        }
    }
}

/// What one row promises about others.
async fn promises(look: &Look, out: &mut Checked) -> Result<(), StoreError> {
    let waiting = "SELECT id AS said FROM held WHERE state IN ('held', 'releasing')
         AND NOT EXISTS (SELECT 1 FROM body WHERE body.mail = held.id)";
    for id in look.words(waiting, "said").await? {
        out.problem(format!("held mail {id} waits, and its body is gone"));
    }
    let stuck = "SELECT id AS said FROM held WHERE state = 'releasing'
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.mail = held.id)";
    for id in look.words(stuck, "said").await? {
        out.problem(format!("held mail {id} is being released, and no copy of it is in the outbox"));
    }
    let copies = "SELECT DISTINCT mail AS said FROM outbox
         WHERE NOT EXISTS (SELECT 1 FROM body WHERE body.mail = outbox.mail)";
    for id in look.words(copies, "said").await? {
        out.problem(format!("a copy of mail {id} is in the outbox, and its body is gone"));
    }
    let needless = "SELECT mail AS said FROM body WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.mail = body.mail)
         AND NOT EXISTS (SELECT 1 FROM held WHERE held.id = body.mail AND held.state IN ('held', 'releasing'))
         AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.mail = body.mail AND notice.done_ms = 0)";
    let needless = look.words(needless, "said").await?.len();
    if needless > 0 {
        out.remark(format!("{needless} bodies are not needed any more; the guard removes them within an hour"));
    }
    Ok(())
}

/// Files that no row names.
async fn files(look: &Look, out: &mut Checked) -> Result<(), StoreError> {
    let dir = look.dir.join("bodies");
    let listed: Vec<_> = match fs::read_dir(&dir) {
        Ok(entries) => entries.filter_map(Result::ok).collect(),
        Err(error) => {
            out.problem(format!("failed to {}", StoreError::file(&dir, error)));
            return Ok(());
        }
    };
    // Asked after the folder was listed: a file that came in between is not in the list.
    let named = look.named().await?;
    let old = |entry: &fs::DirEntry| {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age > YOUNG)
    };
    let left = listed.iter().filter(|entry| {
        let name = entry.file_name();
        let known = name.to_str().is_some_and(|name| !name.ends_with(DRAFT) && named.contains(name));
        !known && old(entry)
    });
    let left = left.count();
    if left > 0 {
        out.remark(format!("{left} files of bodies belong to no mail; the guard removes them at its next start"));
    }
    Ok(())
}
