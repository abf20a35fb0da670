//! Keys of mails: those an older version wrote, which a store that is brought up to date still knows, and those of recent mails, in pages.
//! It refuses a store written by hand: the rows are the program's own, with the key put back to its old form.

use super::memory::window;
use super::open;
use crate::keeping::{NOW, hold, id, new_hold, terms, verdict};
use sekisho::address::Address;
use sekisho::rules::verdict::Decider;
use sekisho::store::{ANY, HistoryRow, MailGroup, MailKey, Record, Store, Sums};
use sqlx::Connection;
use std::collections::BTreeMap;

fn group(number: u16) -> MailGroup {
    MailGroup {
        content: MailKey(format!("{number:064x}")),
        mail: id(number),
        first_ms: NOW,
        last_ms: NOW + u64::from(number),
        windows: BTreeMap::new(),
        verdict: None,
    }
}

#[tokio::test]
async fn keys_of_recent_mails_are_given_page_by_page() {
    let store = Store::memory().await.unwrap();
    for number in [4, 1, 5, 3, 2] {
        store.record(Record { group: Some(group(number)), now_ms: NOW, ..Record::default() }).await.unwrap();
    }
    let (mut found, mut after) = (Vec::new(), MailKey(String::new()));
    loop {
        let page = store.mail_groups_since(NOW + 2, &after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last().cloned() else { break };
        found.extend(page);
        after = last;
    }
    assert_eq!(found, [2, 3, 4, 5].map(|number| group(number).content));
}

#[tokio::test]
async fn keys_that_held_the_content_too_become_ids() {
    let dir = tempfile::tempdir().unwrap();
    let sender = Address::new("clerk@city.example.jp");
    let sums = Sums { persons: 3, visible_external: 2, external_recipients: 2, mails: 1 };
    let store = open(dir.path()).await;
    for number in [1, 2] {
        let row = HistoryRow {
            key: group(number).key(),
            sender: sender.clone(),
            at_ms: NOW,
            adds: BTreeMap::from([(ANY.to_owned(), sums)]),
            sent: None,
        };
        store.record(Record { history: Some(row), now_ms: NOW, ..Record::default() }).await.unwrap();
    }
    let mut new = new_hold(3, verdict(terms(Decider::Sender)));
    new.key = group(3).key();
    let held = hold(&store, new).await;
    store.close().await;
    drop(store);

    sqlx::any::install_default_drivers();
    let mut at = sqlx::AnyConnection::connect(&format!("sqlite://{}/store.db", dir.path().display())).await.unwrap();
    for (table, number) in [("history", 1), ("history", 2), ("held", 3)] {
        let old = format!("{}-{}", group(number).content.0, group(number).mail);
        let update = format!("UPDATE {table} SET mail_key = $1 WHERE mail_key = $2");
        let changed = sqlx::query(sqlx::AssertSqlSafe(update)).bind(old).bind(group(number).key().0);
        assert_eq!(changed.execute(&mut at).await.unwrap().rows_affected(), 1);
    }
    sqlx::query("UPDATE schema_version SET version = 4").execute(&mut at).await.unwrap();
    at.close().await.unwrap();

    let store = open(dir.path()).await;
    assert_eq!(store.held_by_key(&group(3).key()).await.unwrap().map(|mail| mail.id), Some(held));
    assert_eq!(window(&store, &sender, NOW, ANY, None).await.mails, 2);
    assert_eq!(window(&store, &sender, NOW, ANY, Some(&group(1).key())).await.mails, 1, "its own row is left out");
}
