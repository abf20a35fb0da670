//! The folder itself: groups of jobs, bodies of all sizes, other processes, other versions.
//! It refuses to rely on anything but what a restart finds.

use super::{LARGE, files, open, release, settled};
use crate::keeping::{HOUR, MINUTE, NOW, hold, id, key, new_hold, new_queued, recipients, terms, verdict};
use bytes::Bytes;
use sekisho::plan::{Change, Copy};
use sekisho::rules::verdict::Decider;
use sekisho::store::{
    Actor, AuditFilter, Decision, NewNotice, NoticeKind, Options, Record, Role, State, Store, StoreError, Transition,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_job_does_not_sink_the_others_of_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).await);
    hold(&store, new_hold(0, verdict(terms(Decider::Sender)))).await;
    let mut tasks = Vec::new();
    for number in 1..=60_u16 {
        let mut new = new_hold(number, verdict(terms(Decider::Sender)));
        if number % 20 == 0 {
            // The id of another mail: the database refuses the row.
            new.id = id(0);
        }
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move { (number, store.hold(new).await) }));
    }
    for task in tasks {
        let (number, held) = task.await.unwrap();
        assert_eq!(held.is_ok(), number % 20 != 0, "{number}: {held:?}");
        let found = store.held_by_key(&key(number)).await.unwrap();
        assert_eq!(found.is_some(), number % 20 != 0, "{number}");
    }
    let rows = store.audit(&AuditFilter { limit: 1_000, ..AuditFilter::default() }).await.unwrap();
    let numbers: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(numbers, (1..=58).collect::<Vec<_>>(), "failed jobs leave no gap");
}

#[tokio::test]
async fn bodies_of_all_sizes_read_back_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let sizes = [0, 1, 256 * 1024, 256 * 1024 + 1, 3 * 1024 * 1024];
    for (number, size) in (1..).zip(sizes) {
        let mut new = new_hold(number, verdict(terms(Decider::Sender)));
        new.body = Bytes::from(vec![u8::try_from(number).unwrap(); size]);
        hold(&store, new).await;
    }
    assert_eq!(files(dir.path()), 2);
    fs::write(dir.path().join("bodies/left.tmp"), b"half").unwrap();
    fs::write(dir.path().join("bodies/0123456789abcdef"), b"orphan").unwrap();
    store.close().await;
    assert!(matches!(store.held(&id(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.record(Record::default()).await, Err(StoreError::Closed)));
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!(files(dir.path()), 2, "orphans are swept");
    for (number, size) in (1..).zip(sizes) {
        let body = store.body(&id(number)).await.unwrap().unwrap();
        assert_eq!(body, vec![u8::try_from(number).unwrap(); size]);
    }
}

#[tokio::test]
async fn changed_bytes_are_never_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let mut new = new_hold(1, verdict(terms(Decider::Sender)));
    new.body = Bytes::from(vec![b'x'; LARGE]);
    hold(&store, new).await;
    let file = fs::read_dir(dir.path().join("bodies")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    bytes[LARGE / 2] = b'y';
    fs::write(&file, bytes).unwrap();
    assert!(matches!(store.body(&id(1)).await, Err(StoreError::Damaged { .. })));
    fs::remove_file(&file).unwrap();
    assert!(matches!(store.body(&id(1)).await, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_body_stays_as_long_as_anything_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let mut queued = new_queued(1, &["one@mail.test"]);
    queued.body = Bytes::from(vec![b'x'; LARGE]);
    queued.copies.push(Copy { recipients: recipients(&["two@mail.test"]), change: Change::default() });
    store.queue(queued.clone()).await.unwrap();
    assert_eq!(files(dir.path()), 1);
    // A second transaction of the same mail brings the bytes again: one file stays.
    store.queue(queued).await.unwrap();
    assert_eq!(files(dir.path()), 1);
    let items = store.claim_due(NOW, MINUTE, 10).await.unwrap();
    assert_eq!(items.len(), 4);
    for (left, item) in (0..4).rev().zip(items) {
        assert!(store.settle(settled(item)).await.unwrap());
        assert_eq!(store.body(&id(1)).await.unwrap().is_some(), left > 0);
        assert_eq!(files(dir.path()), usize::from(left > 0));
    }

    // Nothing needs a body without copies: all that is left of such a mail is what happened to it.
    let mut refused = new_queued(3, &["gone@mail.test"]);
    refused.copies.clear();
    for bytes in [10, LARGE] {
        refused.body = Bytes::from(vec![b'x'; bytes]);
        store.queue(refused.clone()).await.unwrap();
        assert_eq!((store.body(&id(3)).await.unwrap(), files(dir.path())), (None, 0));
    }

    // A returned mail is needed until the notice about it is done.
    let mail = hold(&store, new_hold(2, verdict(terms(Decider::Sender)))).await;
    let transition = Transition {
        id: mail.clone(),
        revision: 1,
        from: vec![State::Held],
        to: State::Returned,
        decision: Decision { by: Actor::Expiry, repair: None, comment: String::new(), at_ms: NOW },
        approvals: Vec::new(),
        copies: Vec::new(),
        notices: vec![NewNotice::held(&mail, NoticeKind::Decided, NOW)],
        audit: Vec::new(),
        now_ms: NOW,
    };
    assert!(store.transition(transition).await.unwrap());
    assert!(store.body(&mail).await.unwrap().is_some());
    let notices = store.claim_notices(NOW + HOUR, MINUTE, 10).await.unwrap();
    assert_eq!(notices.len(), 1, "the notice of the hold was withdrawn: {notices:?}");
    assert!(store.notice_done(&notices[0].id, Vec::new(), NOW).await.unwrap());
    assert_eq!(store.body(&mail).await.unwrap(), None);
}

#[tokio::test]
async fn one_server_a_folder_and_tools_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).await;
    let again = Store::open(&Options { dir: dir.path().to_owned(), role: Role::Server, key_file: None }).await;
    assert!(matches!(again, Err(StoreError::InUse(_))));
    let tool = Store::open(&Options { dir: dir.path().to_owned(), role: Role::Tool, key_file: None }).await.unwrap();
    let mail = hold(&first, new_hold(1, verdict(terms(Decider::Sender)))).await;
    assert!(release(&tool, &mail).await);
    assert_eq!(first.held(&mail).await.unwrap().unwrap().state, State::Releasing);
    let rows = first.audit(&AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(rows.len(), 1);
    drop(first);
    open(dir.path()).await;
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_refused() {
    use sqlx::Connection;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.close().await;
    drop(store);
    let url = format!("sqlite://{}/store.db", dir.path().display());
    let mut at = sqlx::AnyConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE schema_version SET version = 99").execute(&mut at).await.unwrap();
    at.close().await.unwrap();
    let newer = Store::open(&Options { dir: dir.path().to_owned(), role: Role::Server, key_file: None }).await;
    assert!(matches!(newer, Err(StoreError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn a_folder_with_a_difficult_name_works_and_is_for_the_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let difficult = dir.path().join("関所 50%?#&");
    let store = open(&difficult).await;
    hold(&store, new_hold(1, verdict(terms(Decider::Sender)))).await;
    for entry in fs::read_dir(&difficult).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "lock") {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} is for the owner only", entry.file_name());
    }
    assert!(difficult.join("store.db-wal").exists());
}
