//! Attempts, waits, ends: what becomes of each recipient.
//! It refuses to count a recipient who is neither delivered, reported nor open.

use super::{Server, accepted, deferred, outbox, refused, reporter};
use crate::keeping::{HOUR, MINUTE, NOW, events, hold, id, new_hold, new_queued, recipients, terms, verdict};
use sekisho::address::Address;
use sekisho::outbox::{Outbox, Patience, Round};
use sekisho::plan::{Change, Copy, Visible};
use sekisho::rules::verdict::{Decider, Repair};
use sekisho::store::{Actor, Decision, Event, NoticeKind, Options, Role, State, Store, Transition};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const DAY: u64 = 24 * HOUR;

#[tokio::test]
async fn a_copy_leaves_as_it_was_planned() {
    let (store, outbox, server) = outbox().await;
    let mut new = new_queued(1, &["one@mail.test"]);
    new.copies = vec![
        Copy { recipients: recipients(&["one@mail.test"]), change: Change::default() },
        Copy {
            recipients: recipients(&["two@mail.test"]),
            change: Change { visible: Visible::Only(Address::new("two@mail.test")), tags: Vec::new() },
        },
    ];
    new.parameters.envid = Some("QQ1".to_owned());
    new.parameters.size = Some(1);
    let body = new.body.clone();
    store.queue(new).await.unwrap();
    let round = outbox.run_once(NOW, &server).await.unwrap();
    assert_eq!(round, Round { items: 2, accepted: 2, deferred: 0, failed: 0 });
    let mut seen = server.take_seen();
    seen.sort_by_key(|one| one.recipients[0].address.clone());
    assert_eq!(seen[0].data, body);
    let changed = String::from_utf8(seen[1].data.clone()).unwrap();
    assert!(changed.contains("To: <two@mail.test>\r\n") && changed.ends_with("\r\n\r\nbody of 1\r\n"), "{changed}");
    for one in seen {
        assert_eq!(one.sender, Some(Address::new("clerk@city.example.jp")));
        assert_eq!(one.parameters.envid.as_deref(), Some("QQ1"));
        assert_eq!(one.parameters.size, Some(one.data.len() as u64), "SIZE is that of the copy");
    }
    assert_eq!(store.outbox_depth(NOW).await.unwrap(), (0, 0));
    assert_eq!(store.body(&id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn waits_grow_and_only_the_open_ones_are_tried_again() {
    let (store, outbox, server) = outbox().await;
    store.queue(new_queued(1, &["now@mail.test", "later@mail.test"])).await.unwrap();
    server.answer("later@mail.test", deferred());
    let mut now = NOW;
    for minutes in [1, 2, 5, 10, 20, 40, 60, 60] {
        assert_eq!(outbox.run_once(now, &server).await.unwrap().deferred, 1);
        let wait = minutes * MINUTE;
        assert_eq!(
            outbox.run_once(now + wait - 1, &server).await.unwrap(),
            Round::default(),
            "not before {minutes} min"
        );
        now += wait + wait / 10;
    }
    let seen = server.take_seen();
    assert_eq!(seen[0].recipients.len(), 2);
    assert!(seen[1..].iter().all(|one| one.recipients == recipients(&["later@mail.test"]) || one.sender.is_none()));
    server.answer("later@mail.test", accepted());
    assert_eq!(outbox.run_once(now, &server).await.unwrap().accepted, 1);
    assert_eq!(store.outbox_depth(now).await.unwrap(), (0, 0));
    assert_eq!(events(&store, &id(1)).await, [Event::Delivered, Event::Delivered]);
}

#[tokio::test]
async fn a_delay_is_told_once_and_the_end_is_told() {
    let (store, outbox, server) = outbox().await;
    store.queue(new_queued(1, &["later@mail.test"])).await.unwrap();
    server.answer("later@mail.test", deferred());
    let mut reports = Vec::new();
    let mut now = NOW;
    while now <= NOW + 6 * DAY {
        outbox.run_once(now, &server).await.unwrap();
        // Reports are in the outbox themselves and leave with the next round.
        outbox.run_once(now, &server).await.unwrap();
        for seen in server.take_seen() {
            if seen.sender.is_none() {
                let text = String::from_utf8(seen.data).unwrap();
                let action = if text.contains("Action: delayed") { "delayed" } else { "failed" };
                reports.push((action, (now - NOW) / HOUR));
                assert_eq!(seen.recipients, recipients(&["clerk@city.example.jp"]));
            }
        }
        now += 15 * MINUTE;
    }
    assert_eq!(reports, [("delayed", 4), ("failed", 120)]);
    assert_eq!(store.outbox_depth(now).await.unwrap(), (0, 0));
    assert_eq!(events(&store, &id(1)).await, [Event::Delayed, Event::Failed]);
}

#[tokio::test]
async fn a_report_never_causes_a_report() {
    let (store, outbox, server) = outbox().await;
    store.queue(new_queued(1, &["gone@mail.test"])).await.unwrap();
    let mut anonymous = new_queued(2, &["gone@mail.test"]);
    anonymous.sender = None;
    store.queue(anonymous).await.unwrap();
    server.answer("gone@mail.test", refused());
    server.answer("clerk@city.example.jp", refused());
    assert_eq!(outbox.run_once(NOW, &server).await.unwrap().failed, 2);
    assert_eq!(outbox.run_once(NOW, &server).await.unwrap(), Round { items: 1, accepted: 0, deferred: 0, failed: 1 });
    assert_eq!(outbox.run_once(NOW, &server).await.unwrap(), Round::default());
    assert_eq!(store.outbox_depth(NOW).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn a_failure_is_told_to_the_sender_and_names_its_own_copy_only() {
    let (store, outbox, server) = outbox().await;
    let mut new = new_queued(1, &[]);
    new.copies = ["visible@mail.test", "hidden@mail.test"]
        .map(|address| Copy { recipients: recipients(&[address]), change: Change::default() })
        .into();
    store.queue(new).await.unwrap();
    server.answer("hidden@mail.test", refused());
    server.answer("visible@mail.test", refused());
    outbox.run_once(NOW, &server).await.unwrap();
    server.take_seen();
    outbox.run_once(NOW, &server).await.unwrap();
    let reports = server.take_seen();
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert_eq!(report.recipients, recipients(&["clerk@city.example.jp"]));
        let text = String::from_utf8(report.data).unwrap();
        assert!(text.contains("hidden@mail.test") != text.contains("visible@mail.test"), "{text}");
    }
}

#[tokio::test]
async fn a_missing_answer_and_a_defect_are_temporary() {
    let (store, outbox, server) = outbox().await;
    store.queue(new_queued(1, &["one@mail.test", "two@mail.test"])).await.unwrap();
    server.short.store(true, Ordering::SeqCst);
    assert_eq!(outbox.run_once(NOW, &server).await.unwrap(), Round { items: 1, accepted: 1, deferred: 1, failed: 0 });
    server.panics.store(true, Ordering::SeqCst);
    let round = outbox.run_once(NOW + HOUR, &server).await.unwrap();
    assert_eq!(round, Round { items: 1, accepted: 0, deferred: 1, failed: 0 });
    server.panics.store(false, Ordering::SeqCst);
    assert_eq!(outbox.run_once(NOW + 2 * HOUR, &server).await.unwrap().accepted, 1);
    assert_eq!(store.outbox_depth(NOW).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn some_deliveries_run_at_once_but_not_all() {
    let (store, outbox, server) = outbox().await;
    for number in 0..12 {
        store.queue(new_queued(number, &["one@mail.test"])).await.unwrap();
    }
    server.slow_ms.store(20, Ordering::SeqCst);
    assert_eq!(outbox.run_once(NOW, &server).await.unwrap().accepted, 12);
    let most = server.most_at_once.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most}");
}

#[tokio::test]
async fn a_slow_delivery_keeps_its_lease() {
    let store = Arc::new(Store::memory().await.unwrap());
    let patience = Patience { lease_ms: 150, ..Patience::default() };
    let outbox = Arc::new(Outbox::new(Arc::clone(&store), reporter(), patience, 1));
    let server = Arc::new(Server::default());
    store.queue(new_queued(1, &["one@mail.test"])).await.unwrap();
    server.slow_ms.store(600, Ordering::SeqCst);
    let running = {
        let (outbox, server) = (Arc::clone(&outbox), Arc::clone(&server));
        tokio::spawn(async move { outbox.run_once(NOW, &server).await.unwrap() })
    };
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert!(store.claim_due(NOW + 400, 150, 10).await.unwrap().is_empty(), "still the first one's");
    assert_eq!(running.await.unwrap().accepted, 1);
}

#[tokio::test]
async fn what_was_accepted_is_not_sent_again_when_it_could_not_be_written_down() {
    use sqlx::Connection;
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: dir.path().to_owned(), role: Role::Server, key_file: None };
    let store = Arc::new(Store::open(&options).await.unwrap());
    let outbox = Arc::new(Outbox::new(Arc::clone(&store), reporter(), Patience::default(), 4));
    let server = Arc::new(Server::default());
    store.queue(new_queued(1, &["one@mail.test", "gone@mail.test"])).await.unwrap();
    server.answer("gone@mail.test", refused());
    server.slow_ms.store(300, Ordering::SeqCst);
    let url = format!("sqlite://{}/store.db", dir.path().display());
    let mut at = sqlx::AnyConnection::connect(&url).await.unwrap();
    let running = {
        let (outbox, server) = (Arc::clone(&outbox), Arc::clone(&server));
        tokio::spawn(async move { outbox.run_once(NOW, &server).await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    sqlx::query("ALTER TABLE audit RENAME TO audit_away").execute(&mut at).await.unwrap();
    assert!(running.await.unwrap().is_err());
    assert_eq!(server.take_seen().len(), 1);
    assert!(outbox.run_once(NOW + DAY, &server).await.is_err(), "nothing is claimed before the result is written");
    assert!(server.take_seen().is_empty());
    sqlx::query("ALTER TABLE audit_away RENAME TO audit").execute(&mut at).await.unwrap();
    let round = outbox.run_once(NOW + DAY, &server).await.unwrap();
    assert_eq!(round, Round { items: 1, accepted: 1, deferred: 0, failed: 0 }, "the report alone");
    let seen = server.take_seen();
    assert_eq!((seen.len(), &seen[0].sender), (1, &None));
    assert_eq!(store.outbox_depth(NOW).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn a_release_ends_when_its_copies_have_left_or_failed() {
    let (store, outbox, server) = outbox().await;
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Sender)))).await;
    let decision = Decision {
        by: Actor::Admin("root".to_owned()),
        repair: Some(Repair::AsIs),
        comment: String::new(),
        at_ms: NOW,
    };
    let copies = ["colleague@city.example.jp", "one@mail.test", "two@mail.test"]
        .map(|address| Copy { recipients: recipients(&[address]), change: Change::default() })
        .into();
    let transition = Transition {
        id: mail.clone(),
        revision: 1,
        from: vec![State::Held],
        to: State::Releasing,
        decision,
        approvals: Vec::new(),
        copies,
        notices: Vec::new(),
        audit: Vec::new(),
        now_ms: NOW,
    };
    assert!(store.transition(transition).await.unwrap());
    server.answer("one@mail.test", refused());
    server.answer("two@mail.test", deferred());
    outbox.run_once(NOW, &server).await.unwrap();
    assert_eq!(store.held(&mail).await.unwrap().unwrap().state, State::Releasing);
    server.answer("two@mail.test", accepted());
    outbox.run_once(NOW + HOUR, &server).await.unwrap();
    assert_eq!(store.held(&mail).await.unwrap().unwrap().state, State::Released);
    let notices = store.claim_notices(NOW + HOUR, MINUTE, 10).await.unwrap();
    assert_eq!(notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Decided]);
}

#[tokio::test]
async fn every_recipient_ends_delivered_or_reported() {
    let (store, outbox, server) = outbox().await;
    let mut dice = 12_345_u64;
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let all: Vec<String> = (0..60).map(|number| format!("p{number}@mail.test")).collect();
    for (number, group) in (0..).zip(all.chunks(4)) {
        let group: Vec<&str> = group.iter().map(String::as_str).collect();
        store.queue(new_queued(number, &group)).await.unwrap();
    }
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    let mut now = NOW;
    while now < NOW + 6 * DAY {
        for address in &all {
            let fate = match roll(10) {
                0 => accepted(),
                1 => refused(),
                _ => deferred(),
            };
            server.answer(address, fate);
        }
        outbox.run_once(now, &server).await.unwrap();
        for seen in server.take_seen() {
            if let Some(report) = seen.sender.is_none().then(|| String::from_utf8(seen.data).unwrap()) {
                for block in report.split("\r\n\r\n").filter(|block| block.contains("Action: failed")) {
                    let address = all.iter().find(|address| block.contains(&format!("rfc822; {address}\r\n"))).unwrap();
                    *ends.entry(address.clone()).or_default() += 1;
                }
            } else {
                let answers = server.answers.lock().unwrap();
                for recipient in seen.recipients {
                    if answers[recipient.address.key()] == accepted() {
                        *ends.entry(recipient.address.key().to_owned()).or_default() += 1;
                    }
                }
            }
        }
        now += 2 * HOUR;
    }
    outbox.run_once(now, &server).await.unwrap();
    assert_eq!(ends.len(), all.len());
    assert!(ends.values().all(|count| *count == 1), "{ends:?}");
    assert_eq!(store.outbox_depth(now).await.unwrap(), (0, 0));
}
