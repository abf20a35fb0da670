//! The store as its callers see it.
//! It refuses to look into tables where a method shows the same.
#![allow(clippy::unwrap_used, reason = "a failure while a test prepares is a failure of the test")]

#[path = "../keeping/mod.rs"]
mod keeping;

mod backup;
mod durability;
mod hold;
mod keep;
mod keys;
mod lease;
mod memory;
mod retention;
mod rotate;
mod sealed;
mod version1;

use keeping::{HOUR, NOW};
use sekisho::id::MailId;
use sekisho::plan::{Change, Copy};
use sekisho::rules::verdict::Repair;
use sekisho::store::{Actor, Decision, Options, OutboxItem, Role, Settlement, State, Store, Transition};
use std::fs;
use std::path::Path;

const LARGE: usize = 400 * 1024;

async fn open(dir: &Path) -> Store {
    Store::open(&Options { dir: dir.to_owned(), role: Role::Server, key_file: None }).await.unwrap()
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir.join("bodies")).unwrap().count()
}

fn settled(item: OutboxItem) -> Settlement {
    Settlement {
        item,
        open: Vec::new(),
        next_ms: NOW + HOUR,
        warned: false,
        said: Vec::new(),
        stuck: Vec::new(),
        reports: Vec::new(),
        audit: Vec::new(),
        now_ms: NOW,
    }
}

async fn release(store: &Store, mail: &MailId) -> bool {
    let held = store.held(mail).await.unwrap().unwrap();
    let transition = Transition {
        id: mail.clone(),
        revision: held.revision,
        from: vec![State::Held],
        to: State::Releasing,
        decision: Decision {
            by: Actor::Admin("root".to_owned()),
            repair: Some(Repair::AsIs),
            comment: String::new(),
            at_ms: NOW,
        },
        approvals: Vec::new(),
        copies: vec![Copy { recipients: held.recipients, change: Change::default() }],
        notices: Vec::new(),
        audit: Vec::new(),
        now_ms: NOW,
    };
    store.transition(transition).await.unwrap()
}
