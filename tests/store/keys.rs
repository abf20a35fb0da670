//! Keys of mails as an older version wrote them: a store that is brought up to date still knows its mails.
//! It refuses a store written by hand: the rows are the program's own, with the key put back to its old form.

use super::memory::window;
use super::open;
use crate::keeping::{NOW, hold, id, new_hold, terms, verdict};
use sekisho::address::Address;
use sekisho::rules::verdict::Decider;
use sekisho::store::{ANY, HistoryRow, MailGroup, MailKey, Record, Sums};
use sqlx::Connection;
use std::collections::BTreeMap;

#[tokio::test]
async fn keys_that_held_the_content_too_become_ids() {
    let dir = tempfile::tempdir().unwrap();
    let group = |number: u16| MailGroup {
        content: MailKey(format!("{number:064x}")),
        mail: id(number),
        first_ms: NOW,
        last_ms: NOW,
        windows: BTreeMap::new(),
        verdict: None,
    };
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
