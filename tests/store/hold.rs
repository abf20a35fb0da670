//! Held mails: what goes in comes out, transactions join, decisions on old knowledge are refused.
//! It refuses to decide by permission; that is the desk's test.

use super::release;
use crate::keeping::{HOUR, MINUTE, NOW, addresses, events, hold, id, key, new_hold, recipients, terms, verdict};
use sekisho::address::Address;
use sekisho::id::MailId;
use sekisho::plan::{Change, Copy};
use sekisho::rules::verdict::{Decider, Outcome, Repair};
use sekisho::store::{Event, Held, HeldFilter, NoticeKind, State, Store};

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

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let store = Store::memory().await.unwrap();
    for number in 1..=5 {
        let decider = if number >= 4 { Decider::Approver } else { Decider::Sender };
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
        (HeldFilter { approver: Some(Address::new("Boss@city.example.jp")), ..all.clone() }, vec![4]),
        (HeldFilter { approver: Some(Address::new("b%ss@city.example.jp")), ..all.clone() }, vec![5]),
        (HeldFilter { approver: Some(Address::new("deputy@city.example.jp")), ..all.clone() }, vec![]),
    ] {
        let found: Vec<MailId> = store.list_held(&filter).await.unwrap().into_iter().map(|mail| mail.id).collect();
        assert_eq!(found, want.into_iter().map(id).collect::<Vec<_>>(), "{filter:?}");
    }
    assert_eq!(store.count_held(State::Held).await.unwrap(), 4);
}
