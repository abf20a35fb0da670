//! Leases of outbox items and notices: one deliverer at a time, and nothing forgotten.
//! It refuses to wait for real time.

use super::{open, release, settled};
use crate::keeping::{HOUR, MINUTE, NOW, hold, new_hold, new_queued, recipients, terms, verdict};
use sekisho::plan::{Change, Copy};
use sekisho::rules::verdict::Decider;
use sekisho::store::{NoticeKind, Settlement, State, Store};

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
