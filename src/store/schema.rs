//! The tables, as a list of versions that is applied forwards only, each in one transaction.
//! It refuses a store of a newer program, and SQL that only one database engine understands.

use super::StoreError;
use super::row::{Columns, int};
use sqlx::{AnyConnection, Connection};

/// One entry per version, never edited once released: a change is a new entry.
const VERSIONS: &[&[&str]] = &[FIRST, TOGETHER, SEALED, COVERED, IN_TIME];

/// Version 1.
const FIRST: &[&str] = &[
    "CREATE TABLE body (
        mail TEXT PRIMARY KEY,
        bytes BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        content BLOB,
        file TEXT
    )",
    "CREATE TABLE held (
        id TEXT PRIMARY KEY,
        mail_key TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        sender_key TEXT NOT NULL,
        approvers TEXT NOT NULL,
        detail TEXT NOT NULL,
        recipients TEXT NOT NULL,
        decision TEXT,
        approvals TEXT NOT NULL,
        approved_repair TEXT,
        escalated BIGINT NOT NULL,
        revision BIGINT NOT NULL,
        created_ms BIGINT NOT NULL,
        expires_ms BIGINT NOT NULL,
        due_ms BIGINT NOT NULL,
        decided_ms BIGINT NOT NULL
    )",
    "CREATE INDEX held_due ON held (state, due_ms)",
    "CREATE INDEX held_sender ON held (sender_key, id)",
    "CREATE TABLE outbox (
        id TEXT PRIMARY KEY,
        mail TEXT NOT NULL REFERENCES body (mail),
        sender TEXT,
        parameters TEXT NOT NULL,
        recipients TEXT NOT NULL,
        change TEXT NOT NULL,
        attempts BIGINT NOT NULL,
        warned BIGINT NOT NULL,
        created_ms BIGINT NOT NULL,
        due_ms BIGINT NOT NULL,
        leased BIGINT NOT NULL
    )",
    "CREATE INDEX outbox_due ON outbox (due_ms)",
    "CREATE INDEX outbox_mail ON outbox (mail)",
    "CREATE TABLE notice (
        id TEXT PRIMARY KEY,
        mail TEXT NOT NULL,
        kind TEXT NOT NULL,
        occasion BIGINT NOT NULL,
        asked TEXT NOT NULL,
        about TEXT,
        attempts BIGINT NOT NULL,
        due_ms BIGINT NOT NULL,
        leased BIGINT NOT NULL,
        done_ms BIGINT NOT NULL,
        UNIQUE (mail, kind, occasion)
    )",
    "CREATE INDEX notice_due ON notice (done_ms, due_ms)",
    "CREATE TABLE history (
        mail_key TEXT NOT NULL,
        class TEXT NOT NULL,
        sender TEXT NOT NULL,
        at_ms BIGINT NOT NULL,
        persons BIGINT NOT NULL,
        visible_external BIGINT NOT NULL,
        external_recipients BIGINT NOT NULL,
        mails BIGINT NOT NULL,
        PRIMARY KEY (mail_key, class)
    )",
    "CREATE INDEX history_sender ON history (sender, class, at_ms)",
    "CREATE INDEX history_at ON history (at_ms)",
    "CREATE TABLE contact (
        sender TEXT NOT NULL,
        recipient TEXT NOT NULL,
        last_ms BIGINT NOT NULL,
        PRIMARY KEY (sender, recipient)
    )",
    "CREATE INDEX contact_last ON contact (last_ms)",
    "CREATE TABLE audit (
        seq BIGINT PRIMARY KEY,
        at_ms BIGINT NOT NULL,
        mail TEXT NOT NULL,
        event TEXT NOT NULL,
        actor TEXT,
        rules TEXT NOT NULL,
        outcome TEXT NOT NULL,
        counts TEXT NOT NULL
    )",
    "CREATE INDEX audit_at ON audit (at_ms)",
    "CREATE INDEX audit_mail ON audit (mail)",
];

/// What the next server said last, letters that are stuck, and what the transactions of one mail have in common.
const TOGETHER: &[&str] = &[
    "ALTER TABLE outbox ADD COLUMN said TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE outbox ADD COLUMN stuck_ms BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE contact ADD COLUMN first_ms BIGINT NOT NULL DEFAULT 0",
    "CREATE TABLE mail_group (
        mail_key TEXT PRIMARY KEY,
        mail TEXT NOT NULL,
        first_ms BIGINT NOT NULL,
        last_ms BIGINT NOT NULL,
        windows TEXT NOT NULL,
        strictness BIGINT NOT NULL,
        verdict TEXT
    )",
    "CREATE INDEX mail_group_last ON mail_group (last_ms)",
];

/// Sealed bodies, the master keys they need, and what administrators were told once.
const SEALED: &[&str] = &[
    // The wrapped data key; NULL is a body of version 1, which is as it came. A sealed body's checksum is that of its sealed octets.
    "ALTER TABLE body ADD COLUMN data_key TEXT",
    "CREATE TABLE master_key (
        id TEXT PRIMARY KEY,
        serial BIGINT NOT NULL,
        current BIGINT NOT NULL
    )",
    "CREATE TABLE told (
        subject TEXT NOT NULL,
        occasion BIGINT NOT NULL,
        at_ms BIGINT NOT NULL,
        PRIMARY KEY (subject, occasion)
    )",
];

/// A sender's windows are summed up for every mail: with all columns in the index the rows themselves, which lie apart, are not read.
const COVERED: &[&str] = &[
    "DROP INDEX IF EXISTS history_sender",
    "CREATE INDEX history_sender ON history
        (sender, class, at_ms, mail_key, persons, visible_external, external_recipients, mails)",
];

/// The key of a mail is the id of its first transaction alone, no longer behind the 64 digits of its content: rows of mails that come together
/// are written to the same pages.
const IN_TIME: &[&str] = &[
    "UPDATE history SET mail_key = SUBSTR(mail_key, 66) WHERE LENGTH(mail_key) = 91",
    "UPDATE held SET mail_key = SUBSTR(mail_key, 66) WHERE LENGTH(mail_key) = 91",
];

/// The newest version that this program knows.
pub(super) const KNOWN: u64 = VERSIONS.len() as u64;

/// The version of the tables, without changing them; 0 when there are none.
pub(super) async fn version(at: &mut AnyConnection) -> Result<u64, StoreError> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'";
    if sqlx::query(tables).fetch_optional(&mut *at).await?.is_none() {
        return Ok(0);
    }
    let row = sqlx::query("SELECT version FROM schema_version").fetch_optional(&mut *at).await?;
    row.map_or(Ok(0), |row| row.number("version"))
}

/// Brings the tables to the newest version; returns that version.
///
/// # Errors
/// [`StoreError::Newer`] for a store of a newer program; errors of the database, after which the store is as before.
pub(super) async fn migrate(at: &mut AnyConnection) -> Result<u64, StoreError> {
    let known = KNOWN;
    let mut step = at.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)").execute(&mut *step).await?;
    let found = if let Some(row) = sqlx::query("SELECT version FROM schema_version").fetch_optional(&mut *step).await? {
        row.number("version")?
    } else {
        sqlx::query("INSERT INTO schema_version (version) VALUES (0)").execute(&mut *step).await?;
        0
    };
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(VERSIONS.len());
    for statement in VERSIONS.iter().skip(done).copied().flatten().copied() {
        sqlx::query(statement).execute(&mut *step).await?;
    }
    sqlx::query("UPDATE schema_version SET version = $1").bind(int(known)).execute(&mut *step).await?;
    step.commit().await?;
    Ok(known)
}
