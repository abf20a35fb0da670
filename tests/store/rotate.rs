//! Changing the master key beside a server that works on, also when the change is killed again and again.
//! It refuses to stop the server, and counts every mail afterwards.

use super::open;
use super::sealed::{body, options, private};
use crate::keeping::{NOW, hold, id, new_hold, new_queued, terms, verdict};
use sekisho::id::MailId;
use sekisho::rules::verdict::Decider;
use sekisho::store::{Options, Role, Store, StoreError, check};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const KILLS: u64 = 10;

/// A configuration for commands on a store.
pub fn config(dir: &Path, state: &Path) -> PathBuf {
    let file = dir.join("sekisho.toml");
    let text = format!(
        "hostname = \"guard.example.jp\"\nstate = \"{}\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\n\
         [upstream]\nserver = \"127.0.0.1:9\"\n[store]\nmin_free = \"1MiB\"\n",
        state.display()
    );
    fs::write(&file, text).unwrap();
    file
}

/// `sekisho store …` on it.
pub fn command(config: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.env("SEKISHO_CONFIG", config).arg("store").args(words).stdin(Stdio::null());
    command
}

fn keys(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("keys/master.key")).unwrap();
    text.lines().filter(|line| line.starts_with("sekisho-key")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_new_key_opens_everything_and_the_old_one_is_gone() {
    let dir = private();
    let server = open(dir.path()).await;
    let mail = hold(&server, new_hold(1, verdict(terms(Decider::Sender)))).await;
    let before = keys(dir.path());
    let tool = Store::open(&Options { role: Role::Tool, ..options(dir.path()) }).await.unwrap();
    // One change at a time, beside the lock of the server; and no file is left that another user could not open.
    let other = fs::File::open(dir.path()).unwrap();
    other.try_lock().unwrap();
    assert!(matches!(tool.rotate_key().await, Err(StoreError::Rotating)));
    drop(other);
    let rotated = tool.rotate_key().await.unwrap();
    assert!(!dir.path().join("rotate.lock").exists());
    assert_eq!((rotated.bodies, rotated.held, rotated.resumed), (1, 1, false));
    let after = keys(dir.path());
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);
    // The server meets the new key by itself, for what was kept before and for what comes.
    assert!(server.body(&mail).await.unwrap().is_some() && server.held(&mail).await.unwrap().is_some());
    let second = hold(&server, new_hold(2, verdict(terms(Decider::Sender)))).await;
    assert!(tool.body(&second).await.unwrap().is_some());
    assert!(tool.rotate_key().await.unwrap().held == 2, "and again");
    let found = check(&options(dir.path()), 0).await.unwrap();
    assert_eq!((found.problems, found.remarks, found.sealed), (Vec::new(), Vec::new(), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_the_middle_lose_no_mail_and_the_next_call_finishes() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let config = config(dir.path(), &state);
    let server = Arc::new(open(&state).await);
    let mut first = Vec::new();
    for number in 0..300_u16 {
        let server = Arc::clone(&server);
        first.push(tokio::spawn(async move { hold(&server, new_hold(number, verdict(terms(Decider::Sender)))).await }));
    }
    for one in first {
        one.await.unwrap();
    }
    // Mail comes all the while.
    let over = Arc::new(AtomicBool::new(false));
    let taking = tokio::spawn({
        let (server, over) = (Arc::clone(&server), Arc::clone(&over));
        async move {
            let mut number = 1_000;
            while !over.load(Ordering::Relaxed) {
                let mut new = new_queued(number, &["one@mail.test"]);
                new.body = body(2_000);
                server.queue(new).await.unwrap();
                number += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            number
        }
    });
    let mut ended = 0;
    for kill in 0..KILLS {
        let mut child = command(&config, &["rotate-key"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(20 + 60 * kill)).await;
        ended += u64::from(child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(keys(&state).len() <= 3, "{:?}", keys(&state).len());
        assert!(server.body(&id(7)).await.unwrap().is_some());
    }
    let done = command(&config, &["rotate-key"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    over.store(true, Ordering::Relaxed);
    let last = taking.await.unwrap();
    println!("{KILLS} kills, {ended} changes were over before; {} mails came meanwhile", last - 1_000);
    assert!(ended < KILLS, "none was killed in the middle");
    assert_eq!(keys(&state).len(), 1, "one key is left");
    for number in (0..300).chain(1_000..last) {
        let mail: MailId = id(number);
        assert!(server.body(&mail).await.unwrap().is_some(), "{number}");
        assert_eq!(server.held(&mail).await.unwrap().is_some(), number < 300);
    }
    let found = check(&options(&state), 0).await.unwrap();
    assert_eq!((found.problems, found.keys.len()), (Vec::new(), 1));
    assert_eq!(server.outbox_depth(NOW).await.unwrap().0, u64::from(last - 1_000));
}
