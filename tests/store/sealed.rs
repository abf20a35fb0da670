//! What the disk shows: nothing of a mail, and nothing that was changed is handed out.
//! It refuses to take the store's word; files and rows are looked at from outside.

use super::{LARGE, open, release, settled};
use crate::keeping::{HOUR, MINUTE, NOW, hold, id, key, new_hold, new_queued, terms, verdict};
use bytes::Bytes;
use sekisho::id::MailId;
use sekisho::rules::verdict::Decider;
use sekisho::store::{Held, HeldFilter, Options, Role, Store, StoreError, check};
use sqlx::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const CHUNK: usize = 1024 * 1024;
const WORDS: &[u8] = b"the words of the mail that nobody may read";

pub fn options(dir: &Path) -> Options {
    Options { dir: dir.to_owned(), role: Role::Server, key_file: None }
}

/// A folder for its owner only, as a state folder is.
pub fn private() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    dir
}

fn key_file(dir: &Path) -> PathBuf {
    dir.join("keys/master.key")
}

/// A body of this length with the words at its beginning and end.
pub fn body(length: usize) -> Bytes {
    let mut bytes = WORDS.repeat(length / WORDS.len() + 1);
    bytes.truncate(length);
    bytes.into()
}

async fn database(dir: &Path) -> sqlx::AnyConnection {
    sqlx::any::install_default_drivers();
    sqlx::AnyConnection::connect(&format!("sqlite://{}/store.db", dir.display())).await.unwrap()
}

async fn keep(store: &Store, number: u16, length: usize) -> MailId {
    let mut new = new_hold(number, verdict(terms(Decider::Sender)));
    new.body = body(length);
    hold(store, new).await
}

/// The only body file that is there.
fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(dir.join("bodies")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    files[0].clone()
}

async fn damaged(store: &Store, mail: &MailId) -> bool {
    matches!(store.body(mail).await, Err(StoreError::Damaged { .. }))
}

#[tokio::test]
async fn the_disk_shows_nothing_of_a_held_mail() {
    let dir = private();
    let store = open(dir.path()).await;
    for (number, length) in [(1, 5_000), (2, LARGE)] {
        keep(&store, number, length).await;
    }
    let held = store.held(&id(1)).await.unwrap().unwrap();
    assert_eq!(held.recipients.len(), 3);
    store.close().await;
    for path in [dir.path().join("store.db"), only_file(dir.path())] {
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() > 5_000);
        for words in [&WORDS[..20], b"one@mail.test", b"192.0.2.1"] {
            assert!(!bytes.windows(words.len()).any(|window| window == words), "{} in {path:?}", words.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_decided_mail_leaves_no_key_to_its_body() {
    let dir = private();
    let store = open(dir.path()).await;
    let mut queued = new_queued(1, &["one@mail.test"]);
    queued.body = body(LARGE);
    store.queue(queued).await.unwrap();
    let kept = fs::read(only_file(dir.path())).unwrap();
    let mut at = database(dir.path()).await;
    let wrapped: (String,) = sqlx::query_as("SELECT data_key FROM body").fetch_one(&mut at).await.unwrap();
    at.close().await.unwrap();
    let item = store.claim_due(NOW, MINUTE, 1).await.unwrap().remove(0);
    assert!(store.settle(settled(item)).await.unwrap());
    store.close().await;
    drop(store);
    // Whoever still has the octets of the file has no key: it was overwritten, not only forgotten.
    assert!(kept.len() > LARGE);
    let rest = fs::read(dir.path().join("store.db")).unwrap();
    assert!(!rest.windows(wrapped.0.len()).any(|window| window == wrapped.0.as_bytes()));
}

#[tokio::test]
async fn every_change_of_a_body_file_is_found() {
    let dir = private();
    let store = open(dir.path()).await;
    let mail = keep(&store, 1, 2 * CHUNK + 1_000).await;
    assert_eq!(store.body(&mail).await.unwrap().unwrap(), body(2 * CHUNK + 1_000));
    let file = only_file(dir.path());
    let whole = fs::read(&file).unwrap();
    let one = CHUNK + 16;
    assert_eq!(whole.len(), 2 * one + 1_000 + 16);
    let flipped = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        bytes
    };
    let cases = [
        ("a bit of the first chunk", flipped(5)),
        ("a bit of a tag", flipped(one - 1)),
        ("a bit of the last chunk", flipped(whole.len() - 20)),
        ("chunks in another order", [&whole[one..2 * one], &whole[..one], &whole[2 * one..]].concat()),
        ("a cut in the last chunk", whole[..whole.len() - 1].to_vec()),
        ("no last chunk", whole[..2 * one].to_vec()),
        ("something behind the end", [&whole[..], b"x"].concat()),
        ("an empty file", Vec::new()),
    ];
    for checksum in [true, false] {
        for (what, bytes) in &cases {
            fs::write(&file, bytes).unwrap();
            if !checksum {
                // A thief who writes to the database too makes the checksum right; the seal still tells.
                let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
                let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                let mut at = database(dir.path()).await;
                sqlx::query("UPDATE body SET sha256 = $1").bind(sum).execute(&mut at).await.unwrap();
            }
            assert!(damaged(&store, &mail).await, "{what}, checksum {checksum}");
            let found = check(&options(dir.path()), 0).await.unwrap();
            assert!(found.problems.iter().any(|problem| problem.contains(mail.as_str())), "{what}: {found:?}");
        }
    }
}

#[tokio::test]
async fn bodies_and_details_of_two_mails_cannot_be_exchanged() {
    let dir = private();
    let store = open(dir.path()).await;
    for number in [1, 2] {
        keep(&store, number, 3_000).await;
    }
    let mut at = database(dir.path()).await;
    // Everything of the rows but the id of the mail changes its place, wrapped keys included.
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut at).await.unwrap();
    for (from, to) in [(id(1).to_string(), "x".to_owned()), (id(2).to_string(), id(1).to_string())] {
        sqlx::query("UPDATE body SET mail = $1 WHERE mail = $2").bind(to).bind(from).execute(&mut at).await.unwrap();
    }
    sqlx::query("UPDATE body SET mail = $1 WHERE mail = 'x'").bind(id(2).to_string()).execute(&mut at).await.unwrap();
    assert!(damaged(&store, &id(1)).await && damaged(&store, &id(2)).await);
    sqlx::query("UPDATE held SET detail = (SELECT detail FROM held WHERE id = $1) WHERE id = $2")
        .bind(id(1).to_string())
        .bind(id(2).to_string())
        .execute(&mut at)
        .await
        .unwrap();
    assert!(store.held(&id(1)).await.unwrap().is_some());
    assert!(matches!(store.held(&id(2)).await, Err(StoreError::Damaged { .. })));
    let found = check(&options(dir.path()), 0).await.unwrap();
    assert_eq!(found.problems.len(), 3, "{found:?}");
}

#[tokio::test]
async fn without_the_key_nothing_starts_and_nothing_is_lost() {
    let dir = private();
    let elsewhere = private();
    let store = open(dir.path()).await;
    let mail = keep(&store, 1, LARGE).await;
    store.close().await;
    drop(store);
    let file = key_file(dir.path());
    let away = elsewhere.path().join("away.key");
    fs::rename(&file, &away).unwrap();
    let missing = Store::open(&options(dir.path())).await.err().unwrap().to_string();
    assert!(missing.contains(file.to_str().unwrap()) && missing.contains("bring the key file back"), "{missing}");
    assert!(!file.exists(), "no new key takes its place");
    let found = check(&options(dir.path()), 0).await.unwrap();
    assert!(found.problems.iter().any(|problem| problem.contains("bring the key file back")), "{found:?}");

    // The key of another store.
    let other = private();
    open(other.path()).await.close().await;
    fs::copy(key_file(other.path()), &file).unwrap();
    let wrong = Store::open(&options(dir.path())).await.err().unwrap();
    assert!(matches!(wrong, StoreError::KeyMissing { .. }), "{wrong}");

    fs::set_permissions(&away, fs::Permissions::from_mode(0o644)).unwrap();
    let named = Options { key_file: Some(away.clone()), ..options(dir.path()) };
    let open_to_all = Store::open(&named).await.err().unwrap();
    assert!(matches!(open_to_all, StoreError::KeyOpen { mode: 0o644, .. }), "{open_to_all}");
    fs::set_permissions(&away, fs::Permissions::from_mode(0o600)).unwrap();
    let store = Store::open(&named).await.unwrap();
    assert_eq!(store.body(&mail).await.unwrap().unwrap(), body(LARGE), "all is there with the key");
}

#[tokio::test]
async fn a_store_of_version_1_is_read_and_sealed() {
    let dir = private();
    let store = open(dir.path()).await;
    for (number, length) in [(1, 3_000), (2, LARGE)] {
        keep(&store, number, length).await;
    }
    let before = [store.held(&id(1)).await.unwrap(), store.held(&id(2)).await.unwrap()];
    store.close().await;
    drop(store);
    super::version1::write(dir.path(), &[(&before[0], body(3_000)), (&before[1], body(LARGE))]).await;
    let shown = |dir: &Path| {
        let mut all = fs::read(dir.join("store.db")).unwrap();
        all.extend(fs::read(only_file(dir)).unwrap());
        all.windows(WORDS.len()).any(|window| window == WORDS)
    };
    assert!(shown(dir.path()), "version 1 kept mails as they came");
    let found = check(&options(dir.path()), 0).await.unwrap();
    assert_eq!((found.schema, &found.problems), (1, &Vec::new()));
    assert!(found.remarks.iter().any(|remark| remark.contains("schema version is 1")), "{found:?}");

    let store = open(dir.path()).await;
    for (number, length) in [(1, 3_000), (2, LARGE)] {
        assert_eq!(store.body(&id(number)).await.unwrap().unwrap(), body(length), "read as it is");
        assert_eq!(store.held(&id(number)).await.unwrap(), before[usize::from(number) - 1]);
    }
    // A late transaction still joins, and a decision still is made.
    let mut late = new_hold(3, verdict(terms(Decider::Sender)));
    late.key = key(1);
    assert_eq!(store.hold(late).await.unwrap(), Held::Joined(id(1)));
    assert!(release(&store, &id(1)).await);
    assert_eq!(store.seal_old().await.unwrap(), 3, "two bodies, and the held mail that nobody touched");
    assert_eq!(store.seal_old().await.unwrap(), 0);
    for (number, length) in [(1, 3_000), (2, LARGE)] {
        assert_eq!(store.body(&id(number)).await.unwrap().unwrap(), body(length));
    }
    assert_eq!(store.held(&id(2)).await.unwrap(), before[1]);
    store.close().await;
    drop(store);
    assert!(!shown(dir.path()), "nothing of it stays in clear");
    let found = check(&options(dir.path()), 0).await.unwrap();
    assert_eq!((found.bodies, found.sealed, &found.problems), (2, 2, &Vec::new()));
    assert!(found.schema > 1);
}

#[tokio::test]
async fn a_damaged_row_does_not_hide_the_others() {
    let dir = private();
    let store = open(dir.path()).await;
    for number in 1..=3 {
        keep(&store, number, 100).await;
    }
    let mut at = database(dir.path()).await;
    let damage = sqlx::query("UPDATE held SET detail = detail || '!' WHERE id = $1").bind(id(2).as_str().to_owned());
    assert_eq!(damage.execute(&mut at).await.unwrap().rows_affected(), 1);
    at.close().await.unwrap();
    assert!(matches!(store.held(&id(2)).await, Err(StoreError::Damaged { .. })));
    let (mails, damaged) =
        store.list_held_and_damaged(&HeldFilter { limit: 10, ..HeldFilter::default() }).await.unwrap();
    assert_eq!(mails.into_iter().map(|mail| mail.id).collect::<Vec<_>>(), [id(3), id(1)]);
    assert_eq!(damaged, [id(2)]);
}

#[tokio::test]
async fn a_damaged_letter_or_notice_does_not_keep_the_others_back() {
    let dir = private();
    let store = open(dir.path()).await;
    for number in 1..=3 {
        store.queue(new_queued(number, &["one@mail.test"])).await.unwrap();
        keep(&store, 10 + number, 100).await;
    }
    let mut at = database(dir.path()).await;
    for (damage, id) in [
        ("UPDATE outbox SET recipients = '[' WHERE mail = $1", id(2)),
        ("UPDATE notice SET kind = 'none' WHERE mail = $1", id(12)),
    ] {
        let damage = sqlx::query(damage).bind(id.as_str().to_owned());
        assert_eq!(damage.execute(&mut at).await.unwrap().rows_affected(), 1);
    }
    at.close().await.unwrap();
    let mut letters: Vec<_> =
        store.claim_due(NOW * 2, HOUR, 10).await.unwrap().into_iter().map(|letter| letter.mail).collect();
    // Letters of one millisecond have no order among themselves.
    letters.sort();
    assert_eq!(letters, [id(1), id(3)]);
    let mut notices: Vec<_> =
        store.claim_notices(NOW * 2, HOUR, 10).await.unwrap().into_iter().map(|notice| notice.mail).collect();
    notices.sort();
    assert_eq!(notices, [id(11), id(13)]);
    let found = check(&options(dir.path()), 0).await.unwrap();
    assert_eq!((found.outbox, found.problems.len()), (3, 2), "{:?}", found.problems);
    assert!(found.problems[0].contains("recipients"), "{:?}", found.problems);
    assert!(found.problems[1].contains("kind"), "{:?}", found.problems);
}
