//! Copies of a store that works on, and what `store check` says about good and bad ones.
//! It refuses to believe a copy: it is opened, and every mail in it is read.

use super::rotate::{command, config};
use super::sealed::{body, options};
use super::{LARGE, open, settled};
use crate::keeping::{HOUR, MINUTE, NOW, hold, id, new_hold, new_queued, terms, verdict};
use sekisho::rules::verdict::Decider;
use sekisho::store::{HeldFilter, Options, Store, backup};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_copy_under_load_has_a_body_for_each_row() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let server = Arc::new(open(&state).await);
    for number in 0..20 {
        let mut new = new_hold(number, verdict(terms(Decider::Sender)));
        new.body = body(if number % 4 == 0 { LARGE } else { 2_000 });
        hold(&server, new).await;
    }
    // Large mails come and go as fast as they can.
    let over = Arc::new(AtomicBool::new(false));
    let churn: Vec<_> = (1..=2_u16)
        .map(|turn| {
            let (server, over) = (Arc::clone(&server), Arc::clone(&over));
            tokio::spawn(async move {
                let mut mails = 0_u16;
                while !over.load(Ordering::Relaxed) {
                    let mut new = new_queued(turn * 20_000 + mails, &["one@mail.test"]);
                    new.body = body(LARGE);
                    server.queue(new).await.unwrap();
                    for item in server.claim_due(NOW, HOUR, 1).await.unwrap() {
                        assert!(server.settle(settled(item)).await.unwrap());
                    }
                    mails += 1;
                }
                mails
            })
        })
        .collect();
    for number in 0..4 {
        let to = dir.path().join(format!("copy{number}"));
        let done = backup(&options(&state), &to, false).await.unwrap();
        assert_eq!(done.checked.problems, Vec::<String>::new());
        assert!(!to.join("keys").exists() && !to.join("history.key").exists());
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o700);
        let files = fs::read_dir(to.join("bodies")).unwrap().count() as u64;
        assert_eq!((files, done.checked.held), (done.files, 20));

        let copy =
            Store::open(&Options { key_file: Some(state.join("keys/master.key")), ..options(&to) }).await.unwrap();
        for number in 0..20 {
            let want = body(if number % 4 == 0 { LARGE } else { 2_000 });
            assert_eq!(copy.body(&id(number)).await.unwrap(), Some(want));
        }
        for item in copy.claim_due(NOW * 2, MINUTE, 1_000).await.unwrap() {
            assert_eq!(copy.body(&item.mail).await.unwrap(), Some(body(LARGE)), "copy {number}");
        }
        let waiting = HeldFilter { limit: 100, ..HeldFilter::default() };
        assert_eq!(copy.list_held(&waiting).await.unwrap().len(), 20);
        copy.close().await;
    }
    over.store(true, Ordering::Relaxed);
    let mut mails = 0;
    for one in churn {
        mails += one.await.unwrap();
    }
    println!("4 copies while {mails} large mails came and went");
    assert!(mails > 8);
}

#[tokio::test]
async fn the_command_copies_checks_and_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let config = config(dir.path(), &state);
    let nothing = command(&config, &["check"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2), "there is no store yet");
    let server = open(&state).await;
    let mut new = new_hold(1, verdict(terms(Decider::Sender)));
    new.body = body(LARGE);
    let mail = hold(&server, new).await;
    let said = |words: &[&str]| {
        let output = command(&config, words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    };
    let (code, text) = said(&["check"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1, 1 of them sealed") && text.contains("all is well"), "{text}");

    let copy = dir.path().join("copy");
    let (code, text) = said(&["backup", copy.to_str().unwrap(), "--with-keys"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = said(&["backup", copy.to_str().unwrap()]);
    assert_eq!(code, Some(2), "never over a folder that is there: {text}");
    let restored = open(&copy).await;
    assert_eq!(restored.body(&mail).await.unwrap(), Some(body(LARGE)), "a copy with keys is a store");
    assert_eq!(server.derived_key("notice links"), restored.derived_key("notice links"));

    // One octet of a body, a file for everybody, and a file that is gone.
    let file = fs::read_dir(state.join("bodies")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&file).unwrap();
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    // Not in place: the copy shares the octets.
    fs::remove_file(&file).unwrap();
    fs::write(&file, changed).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, text) = said(&["check", "--json"]);
    assert_eq!(code, Some(1), "{text}");
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let problems = found["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{text}");
    assert!(text.contains("checksum") && text.contains("mode 644"), "{text}");
    fs::remove_file(&file).unwrap();
    let (code, text) = said(&["check"]);
    assert!(code == Some(1) && text.contains("its file is missing"), "{text}");
}
