//! The store as its callers see it: joins, leases, bodies, notices, history, audit and retention.
//! It refuses to look into tables where a method shows the same.

mod keeping;

use bytes::Bytes;
use keeping::{HOUR, MINUTE, NOW, addresses, events, hold, id, key, new_hold, new_queued, recipients, terms, verdict};
use sekisho::address::Address;
use sekisho::id::MailId;
use sekisho::plan::{Change, Copy};
use sekisho::rules::verdict::{Decider, Outcome, Repair};
use sekisho::store::{
    ANY, Actor, AuditFilter, Decision, Event, Held, HeldFilter, HistoryRow, NewAudit, NewNotice, NoticeKind, Options,
    OutboxItem, Purged, Record, Retention, Role, Settlement, State, Store, StoreError, Sums, Transition,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const LARGE: usize = 400 * 1024;

async fn open(dir: &Path) -> Store {
    Store::open(&Options { dir: dir.to_owned(), role: Role::Server }).await.unwrap()
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

#[tokio::test]
async fn a_held_mail_reads_back_as_it_was() {
    let store = Store::memory().await.unwrap();
    let mut new = new_hold(1, verdict(terms(Decider::Sender)));
    new.parameters.envid = Some("QQ314159".to_owned());
    new.recipients[1].notify = Some("NEVER".to_owned());
    let mail = hold(&store, new.clone()).await;
    let held = store.held(&mail).await.unwrap().unwrap();
    assert_eq!((held.state, held.revision, held.created_ms, held.expires_ms), (State::Held, 1, NOW, NOW + 24 * HOUR));
    assert_eq!((held.client, held.sender, held.parameters), (new.client, new.sender, new.parameters));
    assert_eq!((held.recipients, held.facts, held.verdict), (new.recipients, new.facts, new.verdict));
    assert_eq!(store.body(&mail).await.unwrap(), Some(new.body));
    assert_eq!(store.held_by_key(&key(1)).await.unwrap().unwrap().id, mail);
    assert_eq!(store.held(&id(2)).await.unwrap(), None);
    assert_eq!(store.body(&id(2)).await.unwrap(), None);
}

#[tokio::test]
async fn transactions_of_one_mail_join_with_one_notice() {
    let store = Store::memory().await.unwrap();
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Sender)))).await;
    for transaction in 2..10_u16 {
        let mut more = new_hold(transaction, verdict(terms(Decider::Sender)));
        more.key = key(1);
        let own = format!("p{transaction}@mail.test");
        more.recipients = recipients(&["ONE@mail.test", &own]);
        more.recipients[0].notify = Some("NEVER".to_owned());
        more.facts.recipients = addresses(&[&own]);
        assert_eq!(store.hold(more).await.unwrap(), Held::Joined(mail.clone()));
    }
    let held = store.held(&mail).await.unwrap().unwrap();
    assert_eq!(held.recipients.len(), 3 + 8);
    assert_eq!(held.recipients[1].notify, None, "a mailbox keeps the parameters it came with first");
    assert_eq!(held.facts.recipients.len(), 3 + 8);
    assert_eq!(store.list_held(&HeldFilter { limit: 10, ..HeldFilter::default() }).await.unwrap().len(), 1);
    assert_eq!(events(&store, &mail).await[..2], [Event::Held, Event::Joined]);
    assert!(
        store.claim_notices(NOW + 9_999, MINUTE, 10).await.unwrap().is_empty(),
        "the notice waits for the late ones"
    );
    let notices = store.claim_notices(NOW + 10_000, MINUTE, 10).await.unwrap();
    assert_eq!(notices.len(), 1);
    assert_eq!((notices[0].kind, &notices[0].mail), (NoticeKind::Held, &mail));
}

#[tokio::test]
async fn a_stricter_transaction_makes_the_hold_stricter_and_agreement_is_asked_for_again() {
    let store = Store::memory().await.unwrap();
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Sender)))).await;
    let mut strict = new_hold(2, verdict(terms(Decider::Approver)));
    strict.key = key(1);
    strict.recipients = recipients(&["third@mail.test"]);
    store.hold(strict).await.unwrap();
    let held = store.held(&mail).await.unwrap().unwrap();
    assert_eq!(held.verdict.outcome, Outcome::HoldApprover);
    assert_eq!(held.recipients.len(), 4);
    let notices = store.claim_notices(NOW + HOUR, MINUTE, 10).await.unwrap();
    assert_eq!(notices.len(), 1, "the notice of the milder hold is replaced: {notices:?}");

    let given = store.approve(&mail, held.revision, "boss@city.example.jp", Repair::Bcc, NOW).await.unwrap();
    assert_eq!(given, Some(1));
    let mut mild = new_hold(3, verdict(terms(Decider::Sender)));
    mild.key = key(1);
    mild.recipients = recipients(&["fourth@mail.test"]);
    store.hold(mild).await.unwrap();
    let held = store.held(&mail).await.unwrap().unwrap();
    assert_eq!(held.verdict.outcome, Outcome::HoldApprover, "a milder transaction relaxes nothing");
    assert_eq!((held.approvals.len(), held.approved_repair), (0, None), "agreement was to fewer recipients");
    let notices = store.claim_notices(NOW + 2 * HOUR, MINUTE, 10).await.unwrap();
    let again: Vec<_> = notices.iter().filter(|notice| notice.kind == NoticeKind::Escalated).collect();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].asked, ["boss@city.example.jp"]);
}

#[tokio::test]
async fn a_decided_mail_is_followed_and_nothing_is_written() {
    let store = Store::memory().await.unwrap();
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Sender)))).await;
    assert!(release(&store, &mail).await);
    let before = events(&store, &mail).await;
    let mut late = new_hold(2, verdict(terms(Decider::Sender)));
    late.key = key(1);
    late.now = vec![Copy { recipients: recipients(&["late@mail.test"]), change: Change::default() }];
    match store.hold(late).await.unwrap() {
        Held::Decided(held) => {
            assert_eq!((held.id, held.state), (mail.clone(), State::Releasing));
            assert_eq!(held.decision.unwrap().repair, Some(Repair::AsIs));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(events(&store, &mail).await, before);
    assert_eq!(store.outbox_depth(NOW).await.unwrap(), (1, 1));
}

#[tokio::test]
async fn a_decision_on_an_old_revision_is_not_made() {
    let store = Store::memory().await.unwrap();
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Sender)))).await;
    let seen = store.held(&mail).await.unwrap().unwrap();
    let mut more = new_hold(2, verdict(terms(Decider::Sender)));
    more.key = key(1);
    more.recipients = recipients(&["late@mail.test"]);
    store.hold(more).await.unwrap();
    assert_eq!(store.approve(&mail, seen.revision, "boss@city.example.jp", Repair::Bcc, NOW).await.unwrap(), None);
    assert!(release(&store, &mail).await);
    assert!(!release(&store, &mail).await, "the second release finds it released");
    assert_eq!(store.claim_due(NOW, MINUTE, 10).await.unwrap()[0].recipients.len(), 4);
}

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
async fn an_item_belongs_to_one_deliverer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let mut queued = new_queued(1, &["one@mail.test", "two@mail.test"]);
    queued.not_before_ms = NOW + MINUTE;
    store.queue(queued).await.unwrap();
    assert!(store.claim_due(NOW, MINUTE, 10).await.unwrap().is_empty(), "not before its time");
    let now = NOW + MINUTE;
    let first = store.claim_due(now, MINUTE, 10).await.unwrap().remove(0);
    assert_eq!((first.attempts, first.created_ms), (1, now));
    assert!(store.claim_due(now + MINUTE - 1, MINUTE, 10).await.unwrap().is_empty());
    store.extend_leases(std::slice::from_ref(&first), now + 2 * MINUTE).await.unwrap();
    assert!(store.claim_due(now + 2 * MINUTE - 1, MINUTE, 10).await.unwrap().is_empty());
    let second = store.claim_due(now + 2 * MINUTE, MINUTE, 10).await.unwrap().remove(0);
    assert_eq!(second.attempts, 2);
    assert!(!store.settle(settled(first)).await.unwrap(), "the lease of the first ran out");
    let rest = second.recipients[1..].to_vec();
    let settlement = Settlement { open: rest.clone(), warned: true, next_ms: now + HOUR, ..settled(second) };
    assert!(store.settle(settlement).await.unwrap());
    assert!(store.claim_due(now + HOUR - 1, MINUTE, 10).await.unwrap().is_empty());
    let third = store.claim_due(now + HOUR, HOUR, 10).await.unwrap().remove(0);
    assert_eq!((third.recipients, third.attempts, third.warned), (rest, 3, true));

    store.close().await;
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!(store.claim_due(now, MINUTE, 10).await.unwrap().len(), 1, "a new server frees the old one's leases");
}

#[tokio::test]
async fn a_release_is_complete_when_the_last_copy_is_gone() {
    let store = Store::memory().await.unwrap();
    let mut new = new_hold(1, verdict(terms(Decider::Sender)));
    new.now = vec![Copy { recipients: recipients(&["free@mail.test"]), change: Change::default() }];
    let mail = hold(&store, new).await;
    let early = store.claim_due(NOW, MINUTE, 10).await.unwrap().remove(0);
    assert!(store.settle(settled(early)).await.unwrap());
    assert_eq!(
        store.held(&mail).await.unwrap().unwrap().state,
        State::Held,
        "the copy that need not wait decides nothing"
    );
    assert!(release(&store, &mail).await);
    let item = store.claim_due(NOW, MINUTE, 10).await.unwrap().remove(0);
    assert!(store.settle(settled(item)).await.unwrap());
    assert_eq!(store.held(&mail).await.unwrap().unwrap().state, State::Released);
    let notices = store.claim_notices(NOW, MINUTE, 10).await.unwrap();
    assert_eq!(notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Decided]);
}

#[tokio::test]
async fn a_notice_comes_again_until_its_letters_are_queued_once() {
    let store = Store::memory().await.unwrap();
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Approver)))).await;
    let now = NOW + 10_000;
    let first = store.claim_notices(now, MINUTE, 10).await.unwrap().remove(0);
    assert!(store.claim_notices(now + MINUTE - 1, MINUTE, 10).await.unwrap().is_empty());
    let second = store.claim_notices(now + MINUTE, MINUTE, 10).await.unwrap().remove(0);
    assert_eq!((&second.id, second.attempts), (&first.id, 2));
    let letters = || vec![new_queued(7, &["clerk@city.example.jp"]), new_queued(8, &["boss@city.example.jp"])];
    assert!(store.notice_done(&second.id, letters(), now).await.unwrap());
    assert!(!store.notice_done(&first.id, letters(), now).await.unwrap());
    assert_eq!(store.outbox_depth(now).await.unwrap(), (2, 2));
    assert!(store.claim_notices(now + HOUR, MINUTE, 10).await.unwrap().is_empty());
    assert!(store.body(&mail).await.unwrap().is_some());
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
    for (since, class, except, want) in [
        (NOW, ANY, None, sums(12, 2, 100, 2)),
        (NOW - HOUR, ANY, None, sums(112, 3, 200, 3)),
        (NOW, ANY, Some(key(1)), sums(7, 1, 10, 1)),
        (NOW, "webmail", None, sums(0, 0, 50, 2)),
        (NOW, "carrier", None, sums(0, 0, 0, 0)),
        (NOW + 2 * HOUR, ANY, None, sums(0, 0, 0, 0)),
    ] {
        let found = store.window(&sender, since, class, except.as_ref()).await.unwrap();
        assert_eq!(found, want, "since {since}, {class}, except {except:?}");
    }
    assert_eq!(store.window(&Address::new("other@city.example.jp"), 0, ANY, None).await.unwrap(), Sums::default());

    for (number, to, counts) in [(11, State::Cancelled, 0), (12, State::Releasing, 1)] {
        let mut new = new_hold(number, verdict(terms(Decider::Sender)));
        let mut own = row(number, NOW, 1, 1);
        own.sender = Address::new("second@city.example.jp");
        new.history = Some(own.clone());
        let mail = hold(&store, new).await;
        assert_eq!(store.window(&own.sender, NOW, ANY, None).await.unwrap().mails, 1, "a held mail may leave yet");
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
        assert_eq!(store.window(&own.sender, NOW, ANY, None).await.unwrap().mails, counts, "{to:?}");
    }
}

#[tokio::test]
async fn contacts_are_known_by_sender_and_survive_spelling() {
    let store = Store::memory().await.unwrap();
    let (one, other) = (Address::new("a@city.example.jp"), Address::new("b@city.example.jp"));
    let all: Vec<Address> = (0..37).map(|number| Address::new(&format!("p{number}@mail.test"))).collect();
    assert_eq!(store.first_contact(&one, &all).await.unwrap(), all);
    store.remember_contacts(&one, &all[..20], NOW).await.unwrap();
    store.remember_contacts(&one, &all[10..21], NOW).await.unwrap();
    assert_eq!(store.first_contact(&one, &all).await.unwrap(), all[21..]);
    assert_eq!(
        store.first_contact(&one, &addresses(&["P3@MAIL.test", "new@mail.test"])).await.unwrap(),
        addresses(&["new@mail.test"])
    );
    assert_eq!(store.first_contact(&other, &all).await.unwrap(), all);
    let contacts = Some((other.clone(), all.clone()));
    store.record(Record { contacts, now_ms: NOW, ..Record::default() }).await.unwrap();
    assert!(store.first_contact(&other, &all).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let store = Store::memory().await.unwrap();
    for number in 1..=5 {
        let decider = if number == 4 { Decider::Approver } else { Decider::Sender };
        let mut new = new_hold(number, verdict(terms(decider)));
        if number == 5 {
            new.sender = Some(Address::new("other_clerk@city.example.jp"));
            new.verdict.hold.as_mut().unwrap().approvers = vec!["b%ss@city.example.jp".to_owned()];
        }
        hold(&store, new).await;
    }
    assert!(release(&store, &id(2)).await);
    let all = HeldFilter { limit: 10, ..HeldFilter::default() };
    for (filter, want) in [
        (all.clone(), vec![5, 4, 3, 2, 1]),
        (HeldFilter { limit: 2, ..all.clone() }, vec![5, 4]),
        (HeldFilter { before: Some(id(4)), limit: 2, ..all.clone() }, vec![3, 2]),
        (HeldFilter { state: Some(State::Held), ..all.clone() }, vec![5, 4, 3, 1]),
        (HeldFilter { state: Some(State::Expired), ..all.clone() }, vec![]),
        (HeldFilter { sender: Some(Address::new("CLERK@city.example.jp")), ..all.clone() }, vec![4, 3, 2, 1]),
        (HeldFilter { approver: Some(Address::new("Boss@city.example.jp")), ..all.clone() }, vec![4, 3, 2, 1]),
        (HeldFilter { approver: Some(Address::new("b%ss@city.example.jp")), ..all.clone() }, vec![5]),
        (HeldFilter { approver: Some(Address::new("deputy@city.example.jp")), ..all.clone() }, vec![]),
    ] {
        let found: Vec<MailId> = store.list_held(&filter).await.unwrap().into_iter().map(|mail| mail.id).collect();
        assert_eq!(found, want.into_iter().map(id).collect::<Vec<_>>(), "{filter:?}");
    }
    assert_eq!(store.count_held(State::Held).await.unwrap(), 4);
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

#[tokio::test]
async fn one_server_a_folder_and_tools_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).await;
    let again = Store::open(&Options { dir: dir.path().to_owned(), role: Role::Server }).await;
    assert!(matches!(again, Err(StoreError::InUse(_))));
    let tool = Store::open(&Options { dir: dir.path().to_owned(), role: Role::Tool }).await.unwrap();
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
    let newer = Store::open(&Options { dir: dir.path().to_owned(), role: Role::Server }).await;
    assert!(matches!(newer, Err(StoreError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn a_folder_with_a_difficult_name_works() {
    let dir = tempfile::tempdir().unwrap();
    let difficult = dir.path().join("関所 50%?#&");
    let store = open(&difficult).await;
    hold(&store, new_hold(1, verdict(terms(Decider::Sender)))).await;
    assert!(difficult.join("store.db").exists());
}
