//! Retention over many stories: after a purge nothing older stays, and nothing that is needed goes.
//! It refuses hand-picked cases: what happens to each mail is drawn, from a fixed seed.

use super::{LARGE, files, open, release, settled};
use crate::keeping::{HOUR, NOW, hold, id, new_hold, new_queued, terms, verdict};
use sekisho::rules::verdict::Decider;
use sekisho::store::{
    Actor, AuditFilter, Decision, Event, HeldFilter, NewNotice, NoticeKind, Retention, State, Transition,
};
use std::collections::BTreeMap;

const MAILS: u16 = 60;

/// A row of numbers that look random and are the same in each run (Knuth, MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test]
async fn after_a_purge_nothing_older_stays_and_nothing_needed_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let mut dice = Dice(20_261_128);
    // When each mail was decided, and whether its notice about that is done.
    let mut decided: BTreeMap<u16, (u64, bool)> = BTreeMap::new();
    for number in 0..MAILS {
        // One after the other, as the clock goes: the trail is cut at its beginning only.
        let at = NOW + u64::from(number) * HOUR / 3;
        let mut new = new_hold(number, verdict(terms(Decider::Sender)));
        new.body = super::sealed::body(if dice.below(5) == 0 { LARGE } else { 1_000 });
        new.now_ms = at;
        new.audit[0].at_ms = at;
        let mail = hold(&store, new).await;
        match dice.below(4) {
            0 => {}
            1 => assert!(release(&store, &mail).await),
            _ => {
                let now_ms = at + dice.below(10) * HOUR;
                let transition = Transition {
                    id: mail.clone(),
                    revision: 1,
                    from: vec![State::Held],
                    to: State::Returned,
                    decision: Decision { by: Actor::Expiry, repair: None, comment: String::new(), at_ms: now_ms },
                    approvals: Vec::new(),
                    copies: Vec::new(),
                    notices: vec![NewNotice::held(&mail, NoticeKind::Decided, now_ms)],
                    audit: Vec::new(),
                    now_ms,
                };
                assert!(store.transition(transition).await.unwrap());
                decided.insert(number, (now_ms, false));
            }
        }
    }
    let mut queued = new_queued(500, &["one@mail.test"]);
    queued.body = super::sealed::body(LARGE);
    store.queue(queued).await.unwrap();
    for notice in store.claim_notices(NOW * 2, HOUR, 1_000).await.unwrap() {
        let number = (0..MAILS).find(|number| id(*number) == notice.mail).unwrap();
        if notice.kind == NoticeKind::Decided && dice.below(3) > 0 {
            assert!(store.notice_done(&notice.id, Vec::new(), NOW).await.unwrap());
            decided.get_mut(&number).unwrap().1 = true;
        }
    }
    for hours in [5, 12, 20, 30, 60] {
        let now_ms = NOW + hours * HOUR;
        let retention = Retention { decided_ms: 8 * HOUR, audit_ms: 10 * HOUR, history_ms: HOUR, contacts_ms: HOUR };
        store.purge(now_ms, &retention).await.unwrap();
        let left: Vec<_> = store.list_held(&HeldFilter { limit: 1_000, ..HeldFilter::default() }).await.unwrap();
        for number in 0..MAILS {
            let is_there = left.iter().any(|mail| mail.id == id(number));
            let goes = decided.get(&number).is_some_and(|(at, done)| *done && *at < now_ms - 8 * HOUR);
            assert_eq!(is_there, !goes, "mail {number} after {hours} hours: {:?}", decided.get(&number));
            let needed = decided.get(&number).is_none_or(|(_, done)| !done);
            assert_eq!(store.body(&id(number)).await.unwrap().is_some(), needed, "body {number} after {hours} hours");
        }
        assert!(store.body(&id(500)).await.unwrap().is_some(), "what is in the outbox stays");
        let rows = store.audit(&AuditFilter { limit: u32::MAX, ..AuditFilter::default() }).await.unwrap();
        assert!(rows.iter().all(|row| row.at_ms >= now_ms - 10 * HOUR), "after {hours} hours");
        let numbers: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a gap only at the beginning: {numbers:?}");
        if rows.is_empty() || rows[0].seq > 1 {
            assert!(rows.iter().any(|row| row.event == Event::Purged), "a shorter trail says so");
        }
    }
    let copies = store.claim_due(NOW * 2, HOUR, 1_000).await.unwrap();
    for item in copies {
        assert!(store.settle(settled(item)).await.unwrap());
    }
    let waiting = store.list_held(&HeldFilter { limit: 1_000, ..HeldFilter::default() }).await.unwrap();
    let large = {
        let mut large = 0;
        for mail in &waiting {
            large += usize::from(store.body(&mail.id).await.unwrap().is_some_and(|body| body.len() > 256 * 1024));
        }
        large
    };
    assert_eq!(files(dir.path()), large, "a file for each large body that is needed, and no other");
}
