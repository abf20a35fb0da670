//! Writes a store as version 1 of the tables kept it: bodies and details in clear. The statements are those of that version.
//! It refuses to use the program's own writer, which knows only the newest version.

use bytes::Bytes;
use sekisho::store::HeldMail;
use serde_json::json;
use sqlx::Connection;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const TABLES: [&str; 6] = [
    "CREATE TABLE body (mail TEXT PRIMARY KEY, bytes BIGINT NOT NULL, sha256 TEXT NOT NULL, content BLOB, file TEXT)",
    "CREATE TABLE held (id TEXT PRIMARY KEY, mail_key TEXT NOT NULL UNIQUE, state TEXT NOT NULL, sender_key TEXT NOT NULL,
        approvers TEXT NOT NULL, detail TEXT NOT NULL, recipients TEXT NOT NULL, decision TEXT, approvals TEXT NOT NULL,
        approved_repair TEXT, escalated BIGINT NOT NULL, revision BIGINT NOT NULL, created_ms BIGINT NOT NULL,
        expires_ms BIGINT NOT NULL, due_ms BIGINT NOT NULL, decided_ms BIGINT NOT NULL)",
    "CREATE TABLE outbox (id TEXT PRIMARY KEY, mail TEXT NOT NULL REFERENCES body (mail), sender TEXT,
        parameters TEXT NOT NULL, recipients TEXT NOT NULL, change TEXT NOT NULL, attempts BIGINT NOT NULL,
        warned BIGINT NOT NULL, created_ms BIGINT NOT NULL, due_ms BIGINT NOT NULL, leased BIGINT NOT NULL)",
    "CREATE TABLE notice (id TEXT PRIMARY KEY, mail TEXT NOT NULL, kind TEXT NOT NULL, occasion BIGINT NOT NULL,
        asked TEXT NOT NULL, about TEXT, attempts BIGINT NOT NULL, due_ms BIGINT NOT NULL, leased BIGINT NOT NULL,
        done_ms BIGINT NOT NULL, UNIQUE (mail, kind, occasion))",
    "CREATE TABLE history (mail_key TEXT NOT NULL, class TEXT NOT NULL, sender TEXT NOT NULL, at_ms BIGINT NOT NULL,
        persons BIGINT NOT NULL, visible_external BIGINT NOT NULL, external_recipients BIGINT NOT NULL,
        mails BIGINT NOT NULL, PRIMARY KEY (mail_key, class))",
    "CREATE TABLE audit (seq BIGINT PRIMARY KEY, at_ms BIGINT NOT NULL, mail TEXT NOT NULL, event TEXT NOT NULL,
        actor TEXT, rules TEXT NOT NULL, outcome TEXT NOT NULL, counts TEXT NOT NULL)",
];

/// Puts a store of version 1 with these mails in the place of what is in the folder.
pub async fn write(dir: &Path, mails: &[(&Option<HeldMail>, Bytes)]) {
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { fs::remove_dir_all(&entry).unwrap() } else { fs::remove_file(&entry).unwrap() }
    }
    fs::DirBuilder::new().mode(0o700).create(dir.join("bodies")).unwrap();
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join("store.db")).unwrap();
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}/store.db?mode=rwc", dir.display());
    let mut at = sqlx::AnyConnection::connect(&url).await.unwrap();
    sqlx::query("PRAGMA journal_mode = WAL").execute(&mut at).await.unwrap();
    let contact = "CREATE TABLE contact (sender TEXT NOT NULL, recipient TEXT NOT NULL, last_ms BIGINT NOT NULL,
        PRIMARY KEY (sender, recipient))";
    let version = "CREATE TABLE schema_version (version BIGINT NOT NULL)";
    for table in TABLES.into_iter().chain([contact, version, "INSERT INTO schema_version VALUES (1)"]) {
        sqlx::query(table).execute(&mut at).await.unwrap();
    }
    for (mail, body) in mails {
        let mail = mail.as_ref().unwrap();
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
        let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let file = (body.len() > 256 * 1024).then(|| format!("{:0>32}", mail.id.as_str().len()));
        if let Some(file) = &file {
            let path = dir.join("bodies").join(file);
            fs::write(&path, body).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        sqlx::query("INSERT INTO body (mail, bytes, sha256, content, file) VALUES ($1, $2, $3, $4, $5)")
            .bind(mail.id.as_str())
            .bind(i64::try_from(body.len()).unwrap())
            .bind(sum)
            .bind(file.is_none().then(|| body.to_vec()))
            .bind(file)
            .execute(&mut at)
            .await
            .unwrap();
        let detail = json!({
            "client": mail.client, "sender": mail.sender, "parameters": mail.parameters, "facts": mail.facts,
            "findings": mail.findings, "verdict": mail.verdict,
        });
        sqlx::query(
            "INSERT INTO held (id, mail_key, state, sender_key, approvers, detail, recipients, decision, approvals,
             approved_repair, escalated, revision, created_ms, expires_ms, due_ms, decided_ms)
             VALUES ($1, $2, 'held', $3, $4, $5, $6, NULL, '[]', NULL, 0, 1, $7, $8, $8, 0)",
        )
        .bind(mail.id.as_str())
        .bind(mail.key.0.as_str())
        .bind("clerk@city.example.jp")
        .bind("\n")
        .bind(detail.to_string())
        .bind(serde_json::to_string(&mail.recipients).unwrap())
        .bind(i64::try_from(mail.created_ms).unwrap())
        .bind(i64::try_from(mail.expires_ms).unwrap())
        .execute(&mut at)
        .await
        .unwrap();
    }
    at.close().await.unwrap();
}
