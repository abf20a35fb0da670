//! The desk: who may do what, two people at once, and what the clock does.
//! It refuses to test plans; a simple one stands in for them.
#![allow(clippy::unwrap_used, reason = "a failure while a test prepares is a failure of the test")]

mod keeping;

use bytes::Bytes;
use keeping::{
    HOUR, MINUTE, NOW, events, hold, id, is_internal, key, new_hold, new_queued, recipients, terms, verdict,
};
use sekisho::address::Address;
use sekisho::hold::{ActError, Action, Denial, Desk, Outcome, Ticked};
use sekisho::id::MailId;
use sekisho::plan::Visible;
use sekisho::rules::verdict::{Decider, HoldTerms, OnExpiry, Repair, Rewriting};
use sekisho::store::{Actor, Event, Held, HeldFilter, NoticeKind, OutboxItem, State, Store};
use std::collections::BTreeSet;
use std::sync::Arc;

async fn desk() -> (Arc<Store>, Desk) {
    let store = Arc::new(Store::memory().await.unwrap());
    let desk = Desk::new(Arc::clone(&store), Arc::new(is_internal));
    (store, desk)
}

fn sender() -> Actor {
    Actor::Sender("clerk@city.example.jp".to_owned())
}

fn approver(name: &str) -> Actor {
    Actor::Approver(format!("{name}@city.example.jp"))
}

fn admin() -> Actor {
    Actor::Admin("root".to_owned())
}

fn back() -> Action {
    Action::Return { comment: "please use the portal".to_owned() }
}

async fn outbox(store: &Store) -> Vec<OutboxItem> {
    store.claim_due(NOW + 1_000 * HOUR, MINUTE, 100).await.unwrap()
}

/// What an attempt gives, in a word.
fn word(result: &Result<Outcome, ActError>) -> String {
    match result {
        Ok(Outcome::Released(repair)) => format!("released {repair:?}"),
        Ok(other) => format!("{other:?}").to_lowercase(),
        Err(ActError::NotAllowed { why }) => format!("{why:?}"),
        Err(ActError::AlreadyDecided { state, .. }) => format!("already {}", state.as_str()),
        Err(other) => format!("{other:?}"),
    }
}

#[tokio::test]
async fn everybody_may_do_his_own_part_only() {
    use Action::{Approve, Cancel, Release};
    use Decider::{Admin as AdminDecides, Approver as ApproverDecides, Nobody, Sender as SenderDecides};
    use Repair::{AsIs, Bcc, Individual};
    let stranger = || Actor::Sender("thief@city.example.jp".to_owned());
    let table: Vec<(Decider, Actor, Action, &str)> = vec![
        (SenderDecides, sender(), Release(Bcc), "released Bcc"),
        (SenderDecides, Actor::Sender("CLERK@City.example.jp".to_owned()), Release(Individual), "released Individual"),
        (SenderDecides, sender(), Release(AsIs), "RepairNotOffered"),
        (SenderDecides, sender(), Release(Repair::Cancel), "cancelled"),
        (SenderDecides, sender(), Cancel, "cancelled"),
        (SenderDecides, sender(), back(), "NotHisAction"),
        (SenderDecides, sender(), Approve(Bcc), "NotHisAction"),
        (SenderDecides, stranger(), Release(Bcc), "NotTheSender"),
        (SenderDecides, stranger(), Cancel, "NotTheSender"),
        (SenderDecides, approver("boss"), Approve(Bcc), "NotAnApprover"),
        (SenderDecides, approver("boss"), back(), "NotAnApprover"),
        (SenderDecides, admin(), Release(AsIs), "released AsIs"),
        (SenderDecides, Actor::Expiry, Release(Bcc), "Clock"),
        (Nobody, sender(), Release(Bcc), "released Bcc"),
        (Nobody, sender(), Release(AsIs), "RepairNotOffered"),
        (Nobody, sender(), Cancel, "cancelled"),
        (ApproverDecides, sender(), Release(Bcc), "NotHisDecision"),
        (ApproverDecides, sender(), Cancel, "cancelled"),
        (ApproverDecides, approver("boss"), Approve(Bcc), "released Bcc"),
        (ApproverDecides, approver("BOSS"), Release(Individual), "released Individual"),
        (ApproverDecides, approver("boss"), Approve(AsIs), "RepairNotOffered"),
        (ApproverDecides, approver("boss"), Approve(Repair::Cancel), "RepairNotOffered"),
        (ApproverDecides, approver("boss"), back(), "returned"),
        (ApproverDecides, approver("boss"), Cancel, "NotHisAction"),
        (ApproverDecides, approver("deputy"), Approve(Bcc), "NotAnApprover"),
        (ApproverDecides, approver("stranger"), Approve(Bcc), "NotAnApprover"),
        (ApproverDecides, admin(), Approve(AsIs), "released AsIs"),
        (ApproverDecides, admin(), back(), "returned"),
        (AdminDecides, sender(), Release(Bcc), "NotHisDecision"),
        (AdminDecides, sender(), Cancel, "cancelled"),
        (AdminDecides, approver("boss"), Approve(Bcc), "NotAnApprover"),
        (AdminDecides, admin(), Release(Individual), "released Individual"),
        (AdminDecides, admin(), Cancel, "cancelled"),
    ];
    for (number, (decider, actor, action, want)) in (0..).zip(table) {
        let (store, desk) = desk().await;
        let mail = hold(&store, new_hold(number, verdict(terms(decider)))).await;
        let case = format!("{decider:?} {actor:?} {action:?}");
        let seen = desk.view(&mail).await.unwrap();
        let offered = desk.choices(&seen, &actor, NOW).contains(&match &action {
            Action::Return { .. } => Action::Return { comment: String::new() },
            other => other.clone(),
        });
        let result = desk.act(&mail, actor.clone(), action.clone(), NOW + 1).await;
        assert_eq!(word(&result), want, "{case}");
        let roundabout = matches!(
            (&actor, &action),
            (_, Release(Repair::Cancel)) | (Actor::Approver(_), Release(_)) | (Actor::Admin(_), Approve(_))
        );
        assert!(roundabout || offered == result.is_ok(), "{case}: the page offers what the desk accepts");
        let held = store.held(&mail).await.unwrap().unwrap();
        if result.is_ok() {
            assert_ne!(held.state, State::Held, "{case}");
            assert_eq!(held.decision.unwrap().by, actor, "{case}");
            let again = desk.act(&mail, admin(), Cancel, NOW + 2).await;
            assert!(matches!(again, Err(ActError::AlreadyDecided { by: Some(by), .. }) if by == actor), "{case}");
        } else {
            assert_eq!((held.state, held.decision), (State::Held, None), "{case}");
            assert!(outbox(&store).await.is_empty(), "{case}");
            assert_eq!(events(&store, &mail).await, [Event::Held, Event::Denied], "{case}");
        }
    }
}

#[tokio::test]
async fn nobody_approves_his_own_mail_by_whatever_name() {
    type Disguise = fn(&mut sekisho::store::NewHold);
    let boss = "boss@city.example.jp";
    let disguises: [Disguise; 3] = [
        |new| new.sender = Some(Address::new("Boss@city.example.jp")),
        |new| new.facts.header_from = vec![Address::new("boss@CITY.example.jp")],
        |new| new.client.login = Some("boss@city.example.jp".to_owned()),
    ];
    for disguise in disguises {
        let (store, desk) = desk().await;
        let mut new = new_hold(1, verdict(terms(Decider::Approver)));
        disguise(&mut new);
        let mail = hold(&store, new).await;
        let result = desk.act(&mail, Actor::Approver(boss.to_owned()), Action::Approve(Repair::Bcc), NOW).await;
        assert_eq!(word(&result), "OwnMail");
        let result = desk.act(&mail, approver("chief"), Action::Approve(Repair::Bcc), NOW).await;
        assert_eq!(word(&result), "released Bcc");
    }
}

#[tokio::test]
async fn without_terms_only_an_administrator_decides() {
    let (store, desk) = desk().await;
    let mut new = new_hold(1, verdict(terms(Decider::Sender)));
    new.verdict.hold = None;
    let mail = hold(&store, new).await;
    assert_eq!(word(&desk.act(&mail, sender(), Action::Release(Repair::Bcc), NOW).await), "NotHisDecision");
    assert_eq!(word(&desk.act(&mail, approver("boss"), Action::Approve(Repair::Bcc), NOW).await), "NotHisDecision");
    assert_eq!(word(&desk.act(&mail, admin(), Action::Release(Repair::Bcc), NOW).await), "released Bcc");
    assert!(matches!(desk.act(&id(99), admin(), Action::Cancel, NOW).await, Err(ActError::NotFound)));
}

#[tokio::test]
async fn several_approvers_must_agree_to_the_same() {
    let (store, desk) = desk().await;
    let mail = hold(&store, new_hold(1, verdict(HoldTerms { approvals: 2, ..terms(Decider::Approver) }))).await;
    let approve = |name: &str, repair| desk.act(&mail, approver(name), Action::Approve(repair), NOW);
    let one_of_two = Outcome::Approved { given: 1, needed: 2 };
    assert_eq!(approve("boss", Repair::Bcc).await.unwrap(), one_of_two);
    assert_eq!(approve("Boss", Repair::Bcc).await.unwrap(), one_of_two, "twice the same is one");
    assert!(outbox(&store).await.is_empty());
    let other = approve("chief", Repair::Individual).await;
    assert!(matches!(other, Err(ActError::NotAllowed { why: Denial::OtherRepairAgreed })));
    assert_eq!(approve("chief", Repair::Bcc).await.unwrap(), Outcome::Released(Repair::Bcc));
    let held = desk.view(&mail).await.unwrap();
    assert_eq!(held.approvals, ["boss@city.example.jp", "chief@city.example.jp"]);
    assert_eq!(events(&store, &mail).await, [Event::Held, Event::Approved, Event::Denied, Event::Released]);
}

#[tokio::test]
async fn rewritings_apply_however_the_mail_leaves() {
    for (rewrite, chosen, made) in [
        (None, Repair::AsIs, Repair::AsIs),
        (Some(Rewriting::Bcc), Repair::AsIs, Repair::Bcc),
        (Some(Rewriting::Bcc), Repair::Individual, Repair::Individual),
        (Some(Rewriting::Individual), Repair::Bcc, Repair::Individual),
    ] {
        let (store, desk) = desk().await;
        let mut new = new_hold(1, verdict(terms(Decider::Admin)));
        new.verdict.rewrite = rewrite;
        let mail = hold(&store, new).await;
        let outcome = desk.act(&mail, admin(), Action::Release(chosen), NOW).await.unwrap();
        assert_eq!(outcome, Outcome::Released(made));
        let items = outbox(&store).await;
        let hides = items.iter().all(|item| item.change.visible != Visible::Keep);
        assert_eq!(hides, made != Repair::AsIs);
        assert_eq!(items.len(), if made == Repair::Individual { 3 } else { 1 });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_people_pressing_release_send_one_mail() {
    let (store, desk) = desk().await;
    let desk = Arc::new(desk);
    for round in 0..30 {
        let mail = hold(&store, new_hold(round, verdict(terms(Decider::Sender)))).await;
        let tasks: Vec<_> = [Repair::Bcc, Repair::Individual, Repair::Bcc]
            .map(|repair| {
                let (desk, mail) = (Arc::clone(&desk), mail.clone());
                tokio::spawn(async move { desk.act(&mail, sender(), Action::Release(repair), NOW).await })
            })
            .into();
        let mut done = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(outcome) => done.push(outcome),
                Err(ActError::AlreadyDecided { state: State::Releasing, by }) => assert_eq!(by, Some(sender())),
                Err(other) => panic!("{other}"),
            }
        }
        let items = outbox(&store).await;
        let own: Vec<_> = items.iter().filter(|item| item.mail == mail).collect();
        let expected = match done[..] {
            [Outcome::Released(Repair::Bcc)] => 1,
            [Outcome::Released(Repair::Individual)] => 3,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(own.len(), expected, "round {round}");
        let decision = desk.view(&mail).await.unwrap().decision.unwrap();
        assert_eq!(Outcome::Released(decision.repair.unwrap()), done[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recipient_who_joins_during_the_decision_is_not_missed() {
    let (store, desk) = desk().await;
    let desk = Arc::new(desk);
    let (mut joined, mut followed) = (0, 0);
    for round in 0..40_u16 {
        let mail = hold(&store, new_hold(round, verdict(terms(Decider::Sender)))).await;
        // The release is started before, between and behind the others.
        let mut release = None;
        let mut late = Vec::new();
        for number in 0..5_u16 {
            if number == round % 5 {
                let (desk, mail) = (Arc::clone(&desk), mail.clone());
                release =
                    Some(tokio::spawn(
                        async move { desk.act(&mail, sender(), Action::Release(Repair::Bcc), NOW).await },
                    ));
                continue;
            }
            let store = Arc::clone(&store);
            late.push(tokio::spawn(async move {
                let mut more = new_hold(1_000 + round * 5 + number, verdict(terms(Decider::Sender)));
                more.key = key(round);
                let address = format!("late{number}@mail.test");
                more.recipients = recipients(&[&address]);
                (address, store.hold(more).await.unwrap())
            }));
        }
        let release = release.unwrap();
        assert_eq!(release.await.unwrap().unwrap(), Outcome::Released(Repair::Bcc));
        let mut expected: BTreeSet<Address> =
            new_hold(round, verdict(terms(Decider::Sender))).recipients.into_iter().map(|one| one.address).collect();
        for task in late {
            match task.await.unwrap() {
                (address, Held::Joined(_)) => {
                    joined += 1;
                    expected.insert(Address::new(&address));
                }
                (_, Held::Decided(_)) => followed += 1,
                (_, Held::New(id)) => panic!("{id} is held a second time"),
            }
        }
        let reached: BTreeSet<Address> = outbox(&store)
            .await
            .into_iter()
            .filter(|item| item.mail == mail)
            .flat_map(|item| item.recipients)
            .map(|one| one.address)
            .collect();
        assert_eq!(reached, expected, "round {round}");
    }
    println!("{joined} joined before the decision, {followed} followed it");
    assert_eq!(joined + followed, 160);
    assert!(joined > 0 && followed > 0, "both ways were taken");
}

#[tokio::test]
async fn at_the_end_nothing_stays_silent() {
    use Decider::{Approver as ApproverDecides, Nobody, Sender as SenderDecides};
    use Repair::{AsIs, Bcc, Individual};
    let offers = |repairs: &[Repair]| repairs.to_vec();
    for (decider, on_expiry, repairs, state, repair) in [
        (SenderDecides, OnExpiry::Return, offers(&[Bcc, Repair::Cancel]), State::Expired, None),
        (
            SenderDecides,
            OnExpiry::Release,
            offers(&[Repair::Cancel, Individual, Bcc]),
            State::Releasing,
            Some(Individual),
        ),
        (SenderDecides, OnExpiry::Release, offers(&[Repair::Cancel]), State::Expired, None),
        (ApproverDecides, OnExpiry::Return, offers(&[AsIs]), State::Expired, None),
        (ApproverDecides, OnExpiry::Release, offers(&[AsIs]), State::Releasing, Some(AsIs)),
        (Nobody, OnExpiry::Return, offers(&[]), State::Releasing, Some(AsIs)),
        (Nobody, OnExpiry::Return, offers(&[AsIs, Repair::Cancel]), State::Releasing, Some(AsIs)),
        (Nobody, OnExpiry::Return, offers(&[Bcc]), State::Releasing, Some(Bcc)),
    ] {
        let case = format!("{decider:?} {on_expiry:?} {repairs:?}");
        let (store, desk) = desk().await;
        let terms = HoldTerms { repairs, on_expiry, escalate: Vec::new(), ..terms(decider) };
        let mail = hold(&store, new_hold(1, verdict(terms))).await;
        assert_eq!(desk.expire(NOW + 24 * HOUR - 1).await.unwrap(), Ticked::default(), "{case}");
        desk.expire(NOW + 24 * HOUR).await.unwrap();
        let held = desk.view(&mail).await.unwrap();
        let decision = held.decision.unwrap();
        assert_eq!((held.state, decision.by, decision.repair), (state, Actor::Expiry, repair), "{case}");
        assert_eq!(outbox(&store).await.is_empty(), repair.is_none(), "{case}");
        let kinds: Vec<_> = store
            .claim_notices(NOW + 24 * HOUR, MINUTE, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|notice| notice.kind)
            .collect();
        let told = if repair.is_none() { vec![NoticeKind::Decided] } else { vec![] };
        assert_eq!(kinds, told, "{case}: of a release the sender is told when the last copy has left");
        assert_eq!(desk.expire(NOW + 48 * HOUR).await.unwrap(), Ticked::default(), "{case}");
    }
}

#[tokio::test]
async fn a_decision_after_the_time_is_refused_even_before_the_clock_comes_round() {
    let (store, desk) = desk().await;
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Sender)))).await;
    let late = NOW + 24 * HOUR;
    assert!(desk.choices(&desk.view(&mail).await.unwrap(), &sender(), late).is_empty());
    let result = desk.act(&mail, sender(), Action::Release(Repair::Bcc), late).await;
    assert!(matches!(result, Err(ActError::Expired)));
    desk.expire(late).await.unwrap();
    let result = desk.act(&mail, admin(), Action::Release(Repair::Bcc), late).await;
    assert!(matches!(result, Err(ActError::Expired)));
}

#[tokio::test]
async fn deputies_are_asked_in_time_and_may_then_decide() {
    let (store, desk) = desk().await;
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Approver)))).await;
    let approve = |name: &str, now| desk.act(&mail, approver(name), Action::Approve(Repair::Bcc), now);
    let asked = async |now| -> Vec<Vec<String>> {
        let notices = store.claim_notices(now, 1_000 * HOUR, 10).await.unwrap();
        notices.into_iter().filter(|notice| notice.kind == NoticeKind::Escalated).map(|notice| notice.asked).collect()
    };
    assert_eq!(desk.expire(NOW + 4 * HOUR - 1).await.unwrap(), Ticked::default());
    assert_eq!(desk.expire(NOW + 4 * HOUR).await.unwrap().escalated, 1);
    assert_eq!(desk.expire(NOW + 4 * HOUR).await.unwrap(), Ticked::default(), "once");
    assert_eq!(asked(NOW + 4 * HOUR).await, [["deputy@city.example.jp"]]);
    assert_eq!(word(&approve("mayor", NOW + 5 * HOUR).await), "NotAnApprover", "not yet");
    let filter =
        HeldFilter { approver: Some(Address::new("deputy@city.example.jp")), limit: 10, ..HeldFilter::default() };
    assert_eq!(desk.list(&filter).await.unwrap().len(), 1);
    desk.expire(NOW + 9 * HOUR).await.unwrap();
    assert_eq!(asked(NOW + 9 * HOUR).await, [["mayor@city.example.jp"]]);
    assert_eq!(word(&approve("deputy", NOW + 9 * HOUR).await), "released Bcc");
}

#[tokio::test]
async fn a_server_that_was_down_takes_all_missed_steps_at_once() {
    let (store, desk) = desk().await;
    let mail = hold(&store, new_hold(1, verdict(terms(Decider::Approver)))).await;
    desk.expire(NOW + 20 * HOUR).await.unwrap();
    assert_eq!(desk.view(&mail).await.unwrap().escalated, 2);
    let notices = store.claim_notices(NOW + 20 * HOUR, MINUTE, 10).await.unwrap();
    let asked: Vec<_> = notices.into_iter().flat_map(|notice| notice.asked).collect();
    assert_eq!(asked, ["deputy@city.example.jp", "mayor@city.example.jp"]);
}

#[tokio::test]
async fn escalation_at_the_end_waits_once_more_and_then_returns() {
    let (store, desk) = desk().await;
    let terms = HoldTerms { on_expiry: OnExpiry::Escalate, ..terms(Decider::Sender) };
    let mail = hold(&store, new_hold(1, verdict(terms))).await;
    desk.expire(NOW + 24 * HOUR).await.unwrap();
    let held = desk.view(&mail).await.unwrap();
    assert_eq!((held.state, held.expires_ms), (State::Held, NOW + 48 * HOUR));
    let choices = desk.choices(&held, &approver("deputy"), NOW + 25 * HOUR);
    assert!(choices.contains(&Action::Approve(Repair::Bcc)), "{choices:?}");
    assert_eq!(desk.expire(NOW + 48 * HOUR - 1).await.unwrap(), Ticked::default());
    assert_eq!(desk.expire(NOW + 48 * HOUR).await.unwrap().expired, 1);
    assert_eq!(desk.view(&mail).await.unwrap().state, State::Expired);
    assert_eq!(events(&store, &mail).await, [Event::Held, Event::Escalated, Event::Expired]);
}

#[tokio::test]
async fn many_holds_expire_in_one_go() {
    let (store, desk) = desk().await;
    for number in 0..250 {
        hold(&store, new_hold(number, verdict(terms(Decider::Sender)))).await;
    }
    let ticked = desk.expire(NOW + 24 * HOUR).await.unwrap();
    assert_eq!((ticked.expired, ticked.escalated, ticked.released), (250, 0, 0));
    assert_eq!(store.count_held(State::Expired).await.unwrap(), 250);
}

#[tokio::test]
async fn a_returned_mail_keeps_its_bytes_until_the_sender_is_told() {
    let (store, desk) = desk().await;
    let mail: MailId = hold(&store, new_hold(1, verdict(terms(Decider::Approver)))).await;
    desk.act(&mail, approver("boss"), back(), NOW + 1).await.unwrap();
    let held = desk.view(&mail).await.unwrap();
    assert_eq!(held.decision.unwrap().comment, "please use the portal");
    let notice = store.claim_notices(NOW + 1, MINUTE, 10).await.unwrap().remove(0);
    assert_eq!(notice.kind, NoticeKind::Decided);
    let bytes = store.body(&mail).await.unwrap().unwrap();
    assert_eq!(bytes, Bytes::from("Subject: 1\r\n\r\nbody of 1\r\n"));
    assert!(store.notice_done(&notice.id, vec![new_queued(5, &["clerk@city.example.jp"])], NOW + 1).await.unwrap());
    assert_eq!(store.body(&mail).await.unwrap(), None);
}
