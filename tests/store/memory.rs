//! History, contacts, audit trail and retention.
//! It refuses to look into tables where a method shows the same.

use super::{release, settled};
use crate::keeping::{HOUR, MINUTE, NOW, addresses, hold, id, key, new_hold, recipients, terms, verdict};
use sekisho::address::Address;
use sekisho::id::MailId;
use sekisho::plan::{Change, Copy};
use sekisho::rules::verdict::{Decider, Outcome};
use sekisho::store::{
    ANY, Actor, AuditFilter, Decision, Event, HeldFilter, HistoryRow, MailKey, NewAudit, Purged, Record, Retention,
    State, Store, Sums, Transition, Window,
};
use std::collections::BTreeMap;

/// One window.
pub async fn window(store: &Store, sender: &Address, since_ms: u64, class: &str, except: Option<&MailKey>) -> Sums {
    let asked = [Window { since_ms, until_ms: u64::MAX, class: class.to_owned() }];
    store.windows(sender, &asked, except).await.unwrap().remove(0)
}

#[tokio::test]
async fn records_that_are_written_together_are_as_if_written_one_by_one() {
    let store = Store::memory().await.unwrap();
    let sender = Address::new("clerk@city.example.jp");
    // Sixty mails of two transactions each, all at the same moment: the writer commits them in groups, two of a mail often in the same one.
    let records = (0..120u16).map(|number| {
        let sums = Sums {
            persons: u64::from(1 + number % 2),
            external_recipients: u64::from(number % 2),
            mails: 1,
            ..Sums::default()
        };
        let history = HistoryRow {
            key: key(number / 2),
            sender: sender.clone(),
            at_ms: NOW,
            adds: BTreeMap::from([(ANY.to_owned(), sums), ("webmail".to_owned(), sums)]),
            sent: None,
        };
        let audit = NewAudit::new(NOW, Some(id(number + 1)), Event::Relayed, Outcome::Pass)
            .count("accepted", u64::from(number));
        store.record(Record { audit: vec![audit], history: Some(history), now_ms: NOW, ..Record::default() })
    });
    for result in futures(records).await {
        result.unwrap();
    }
    let want = Sums { persons: 120, visible_external: 0, external_recipients: 60, mails: 60 };
    for class in [ANY, "webmail"] {
        assert_eq!(window(&store, &sender, NOW, class, None).await, want, "{class}");
    }
    let rows = store.audit(&AuditFilter { limit: 1_000, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=120).collect::<Vec<_>>());
    let mut mails: Vec<_> = rows.iter().map(|row| (row.counts["accepted"], row.mail.clone())).collect();
    mails.sort();
    assert_eq!(mails, (0..120).map(|number| (u64::from(number), Some(id(number + 1)))).collect::<Vec<_>>());
}

/// Runs all at the same time.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, done) in running.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(output) = one.as_mut().poll(context) {
                *done = Some(output);
            }
        }
        if running.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn windows_count_a_mail_once_and_forget_what_did_not_leave() {
    let store = Store::memory().await.unwrap();
    let sender = Address::new("Clerk@city.example.jp");
    let row = |number, at_ms, persons, external| HistoryRow {
        key: key(number),
        sender: Address::new("clerk@CITY.example.jp"),
        at_ms,
        adds: BTreeMap::from([
            (ANY.to_owned(), Sums { persons, visible_external: 1, external_recipients: external, mails: 1 }),
            (
                "webmail".to_owned(),
                Sums { persons: 0, visible_external: 0, external_recipients: external / 2, mails: 1 },
            ),
            ("carrier".to_owned(), Sums::default()),
        ]),
        sent: None,
    };
    for row in [row(1, NOW, 5, 50), row(1, NOW, 3, 90), row(2, NOW + HOUR, 7, 10), row(3, NOW - HOUR, 100, 100)] {
        store.record(Record { history: Some(row), now_ms: NOW, ..Record::default() }).await.unwrap();
    }
    let sums = |persons, visible_external, external_recipients, mails| Sums {
        persons,
        visible_external,
        external_recipients,
        mails,
    };
    // Nineteen at once, more than one statement holds: each answer stands where its window stood.
    let classes = [ANY, "webmail", "carrier"].into_iter().cycle().take(19);
    let asked: Vec<Window> =
        classes.map(|class| Window { since_ms: NOW, until_ms: u64::MAX, class: class.to_owned() }).collect();
    let many = store.windows(&sender, &asked, None).await.unwrap();
    let each = [sums(12, 2, 100, 2), sums(0, 0, 50, 2), Sums::default()];
    assert_eq!(many, each.into_iter().cycle().take(19).collect::<Vec<_>>());
    for (since, class, except, want) in [
        (NOW, ANY, None, sums(12, 2, 100, 2)),
        (NOW - HOUR, ANY, None, sums(112, 3, 200, 3)),
        (NOW, ANY, Some(key(1)), sums(7, 1, 10, 1)),
        (NOW, "webmail", None, sums(0, 0, 50, 2)),
        (NOW, "carrier", None, sums(0, 0, 0, 0)),
        (NOW + 2 * HOUR, ANY, None, sums(0, 0, 0, 0)),
    ] {
        let found = window(&store, &sender, since, class, except.as_ref()).await;
        assert_eq!(found, want, "since {since}, {class}, except {except:?}");
    }
    assert_eq!(window(&store, &Address::new("other@city.example.jp"), 0, ANY, None).await, Sums::default());

    for (number, to, counts) in [(11, State::Cancelled, 0), (12, State::Releasing, 1)] {
        let mut new = new_hold(number, verdict(terms(Decider::Sender)));
        let mut own = row(number, NOW, 1, 1);
        own.sender = Address::new("second@city.example.jp");
        new.history = Some(own.clone());
        let mail = hold(&store, new).await;
        assert_eq!(window(&store, &own.sender, NOW, ANY, None).await.mails, 1, "a held mail may leave yet");
        let transition = Transition {
            id: mail,
            revision: 1,
            from: vec![State::Held],
            to,
            decision: Decision { by: Actor::Expiry, repair: None, comment: String::new(), at_ms: NOW },
            approvals: Vec::new(),
            copies: vec![Copy { recipients: recipients(&["one@mail.test"]), change: Change::default() }],
            notices: Vec::new(),
            audit: Vec::new(),
            now_ms: NOW,
        };
        assert!(store.transition(transition).await.unwrap());
        assert_eq!(window(&store, &own.sender, NOW, ANY, None).await.mails, counts, "{to:?}");
    }
}

#[tokio::test]
async fn contacts_are_known_by_sender_and_survive_spelling() {
    let store = Store::memory().await.unwrap();
    let (one, other) = (Address::new("a@city.example.jp"), Address::new("b@city.example.jp"));
    let all: Vec<Address> = (0..37).map(|number| Address::new(&format!("p{number}@mail.test"))).collect();
    assert_eq!(store.first_contact(&one, &all, NOW + 1).await.unwrap(), all);
    store.remember_contacts(&one, &all[..20], NOW).await.unwrap();
    store.remember_contacts(&one, &all[10..21], NOW).await.unwrap();
    assert_eq!(store.first_contact(&one, &all, NOW + 1).await.unwrap(), all[21..]);
    assert_eq!(
        store.first_contact(&one, &addresses(&["P3@MAIL.test", "new@mail.test"]), NOW + 1).await.unwrap(),
        addresses(&["new@mail.test"])
    );
    assert_eq!(store.first_contact(&other, &all, NOW + 1).await.unwrap(), all);
    let contacts = Some((other.clone(), all.clone()));
    store.record(Record { contacts, now_ms: NOW, ..Record::default() }).await.unwrap();
    assert!(store.first_contact(&other, &all, NOW + 1).await.unwrap().is_empty());
    store.remember_contacts(&other, &all, NOW + HOUR).await.unwrap();
    assert_eq!(store.first_contact(&other, &all, NOW).await.unwrap(), all, "as it was when the mail began");
    assert!(store.first_contact(&other, &all, NOW + 1).await.unwrap().is_empty(), "the first time is kept");
}

#[tokio::test]
async fn the_trail_is_numbered_filtered_and_says_when_it_was_shortened() {
    let store = Store::memory().await.unwrap();
    for number in 1..=6_u16 {
        let event = if number % 2 == 0 { Event::Relayed } else { Event::Blocked };
        let mut row = NewAudit::new(NOW + u64::from(number) * HOUR, Some(id(number % 3)), event, Outcome::Tag)
            .count("recipients", 7)
            .by(Actor::Approver("boss@city.example.jp".to_owned()));
        row.rules = vec!["r1".to_owned()];
        store.record(Record { audit: vec![row], now_ms: NOW, ..Record::default() }).await.unwrap();
    }
    let all = AuditFilter { limit: 100, ..AuditFilter::default() };
    for (filter, want) in [
        (all.clone(), vec![1, 2, 3, 4, 5, 6]),
        (AuditFilter { after_seq: 2, limit: 2, ..all.clone() }, vec![3, 4]),
        (AuditFilter { since_ms: NOW + 2 * HOUR, until_ms: Some(NOW + 4 * HOUR), ..all.clone() }, vec![2, 3]),
        (AuditFilter { mail: Some(id(0)), ..all.clone() }, vec![3, 6]),
        (AuditFilter { event: Some(Event::Blocked), ..all.clone() }, vec![1, 3, 5]),
    ] {
        let found: Vec<u64> = store.audit(&filter).await.unwrap().iter().map(|row| row.seq).collect();
        assert_eq!(found, want, "{filter:?}");
    }
    let first = store.audit(&all).await.unwrap().remove(0);
    assert_eq!((first.mail, first.event, first.outcome), (Some(id(1)), Event::Blocked, Outcome::Tag));
    assert_eq!(first.counts, BTreeMap::from([("recipients".to_owned(), 7)]));
    assert_eq!(
        (first.rules, first.actor),
        (vec!["r1".to_owned()], Some(Actor::Approver("boss@city.example.jp".to_owned())))
    );

    let retention = Retention { decided_ms: HOUR, audit_ms: HOUR, history_ms: HOUR, contacts_ms: HOUR };
    let purged = store.purge(NOW + 7 * HOUR, &retention).await.unwrap();
    assert_eq!(purged, Purged { audit: 5, ..Purged::default() });
    let rows = store.audit(&all).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.seq, row.event)).collect::<Vec<_>>(),
        [(6, Event::Relayed), (7, Event::Purged)]
    );
    assert_eq!(rows[1].counts["audit_rows"], 5);
}

#[tokio::test]
async fn retention_removes_what_is_over_and_nothing_else() {
    let store = Store::memory().await.unwrap();
    for number in 1..=3 {
        hold(&store, new_hold(number, verdict(terms(Decider::Sender)))).await;
    }
    assert!(release(&store, &id(2)).await);
    assert!(release(&store, &id(3)).await);
    let items = store.claim_due(NOW, MINUTE, 10).await.unwrap();
    let item = items.into_iter().find(|item| item.mail == id(3)).unwrap();
    assert!(store.settle(settled(item)).await.unwrap());
    store.remember_contacts(&Address::new("a@city.example.jp"), &addresses(&["b@mail.test"]), NOW).await.unwrap();
    let retention = Retention { decided_ms: HOUR, audit_ms: 1_000 * HOUR, history_ms: HOUR, contacts_ms: HOUR };
    let purged = store.purge(NOW + 2 * HOUR, &retention).await.unwrap();
    assert_eq!((purged.held, purged.contacts), (0, 1), "a notice about the released mail is still due");
    for notice in store.claim_notices(NOW + HOUR, MINUTE, 10).await.unwrap() {
        assert!(store.notice_done(&notice.id, Vec::new(), NOW).await.unwrap());
    }
    let purged = store.purge(NOW + 2 * HOUR, &retention).await.unwrap();
    assert_eq!(purged.held, 1);
    let left: Vec<MailId> = store
        .list_held(&HeldFilter { limit: 10, ..HeldFilter::default() })
        .await
        .unwrap()
        .into_iter()
        .map(|mail| mail.id)
        .collect();
    assert_eq!(left, [id(2), id(1)], "what waits or leaves stays");
}
