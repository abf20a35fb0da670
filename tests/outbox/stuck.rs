//! What nobody could be told about stays in the outbox and is shown; an administrator has it tried again, or cancels it.
//! It refuses a letter that vanishes because its own delivery failed.

use super::{Server, accepted, deferred, outbox, refused, reply, reporter};
use crate::keeping::{HOUR, MINUTE, NOW, events, id, new_queued, recipients};
use sekisho::outbox::{Round, cancel};
use sekisho::smtp::sender::Fate;
use sekisho::store::{Actor, AuditFilter, Event, Retention, Store, Waiting, WaitingFilter};
use std::sync::Arc;

const DAY: u64 = 24 * HOUR;

async fn all(store: &Store) -> Vec<Waiting> {
    store.list_outbox(&WaitingFilter { limit: 100, ..WaitingFilter::default() }).await.unwrap()
}

async fn stuck(store: &Store) -> Vec<Waiting> {
    store.list_outbox(&WaitingFilter { stuck: true, limit: 100, ..WaitingFilter::default() }).await.unwrap()
}

fn root() -> Actor {
    Actor::Admin("root".to_owned())
}

/// The next server refuses a mail for a reason that holds for its report too.
async fn with_a_stuck_report(server: &Arc<Server>) -> (Arc<Store>, sekisho::outbox::Outbox) {
    let (store, outbox, _) = outbox().await;
    store.queue(new_queued(1, &["住民@mail.test"])).await.unwrap();
    let no_utf8 = || Fate::Refused(reply(553, "5.6.7 SMTPUTF8 needed to deliver to <clerk@city.example.jp>"));
    server.answer("住民@mail.test", no_utf8());
    server.answer("clerk@city.example.jp", no_utf8());
    assert_eq!(outbox.run_once(NOW, server).await.unwrap().failed, 1);
    assert_eq!(outbox.run_once(NOW, server).await.unwrap().failed, 1);
    (store, outbox)
}

#[tokio::test]
async fn a_report_that_dies_of_the_cause_it_reports_is_kept_and_shown() {
    let server = Arc::new(Server::default());
    let (store, outbox) = with_a_stuck_report(&server).await;
    assert_eq!(store.outbox_depth(NOW).await.unwrap(), (0, 0), "nothing is tried by itself");
    assert_eq!(store.outbox_stuck().await.unwrap(), 1);
    let kept = stuck(&store).await.remove(0);
    assert_eq!((kept.item.sender.as_ref(), kept.stuck_ms, kept.leased), (None, Some(NOW), false));
    assert_eq!(kept.item.recipients, recipients(&["clerk@city.example.jp"]));
    assert_eq!(kept.item.said[0].reply, "553 5.6.7 SMTPUTF8 needed to deliver to <clerk@city.example.jp>");
    assert_eq!(events(&store, &kept.item.mail).await, [Event::Queued, Event::Stuck]);
    let body = String::from_utf8(store.body(&kept.item.mail).await.unwrap().unwrap().to_vec()).unwrap();
    assert!(body.contains("Action: failed"), "its words are still there: {body}");
    for days in 1..10 {
        assert_eq!(outbox.run_once(NOW + days * DAY, &server).await.unwrap(), Round::default());
    }
    assert_eq!(store.outbox_stuck().await.unwrap(), 1);

    // The cause is gone, and somebody has it tried again.
    server.answer("clerk@city.example.jp", accepted());
    server.take_seen();
    assert!(store.retry_outbox(&kept.item, root(), NOW + 10 * DAY).await.unwrap());
    assert_eq!(outbox.run_once(NOW + 10 * DAY, &server).await.unwrap().accepted, 1);
    assert_eq!(server.take_seen().len(), 1);
    assert!(all(&store).await.is_empty());
    assert_eq!(store.body(&kept.item.mail).await.unwrap(), None);
    let trail = events(&store, &kept.item.mail).await;
    assert_eq!(trail, [Event::Queued, Event::Stuck, Event::Retried, Event::Delivered]);
}

#[tokio::test]
async fn a_stuck_letter_that_fails_again_stays_stuck() {
    let server = Arc::new(Server::default());
    let (store, outbox) = with_a_stuck_report(&server).await;
    for (days, fate) in [(1, refused()), (9, deferred())] {
        server.answer("clerk@city.example.jp", fate);
        let item = stuck(&store).await.remove(0).item;
        assert!(store.retry_outbox(&item, root(), NOW + days * DAY).await.unwrap());
        assert_eq!(outbox.run_once(NOW + days * DAY, &server).await.unwrap().failed, 1);
        assert_eq!(store.outbox_stuck().await.unwrap(), 1, "day {days}");
    }
}

#[tokio::test]
async fn only_those_who_failed_are_stuck_and_the_others_are_tried_on() {
    let (store, outbox, server) = outbox().await;
    let mut notice = new_queued(1, &["one@city.example.jp", "two@city.example.jp", "three@city.example.jp"]);
    notice.sender = None;
    store.queue(notice).await.unwrap();
    server.answer("one@city.example.jp", refused());
    server.answer("two@city.example.jp", deferred());
    let round = outbox.run_once(NOW, &server).await.unwrap();
    assert_eq!(round, Round { items: 1, accepted: 1, deferred: 1, failed: 1 });
    assert_eq!(stuck(&store).await[0].item.recipients, recipients(&["one@city.example.jp"]));
    assert_eq!(store.outbox_depth(NOW).await.unwrap(), (1, 0));
    server.answer("two@city.example.jp", accepted());
    assert_eq!(outbox.run_once(NOW + HOUR, &server).await.unwrap().accepted, 1);
    assert_eq!(all(&store).await.len(), 1);
}

#[tokio::test]
async fn what_is_stuck_for_as_long_as_decided_mails_are_kept_goes_with_an_audit_row() {
    let server = Arc::new(Server::default());
    let (store, _) = with_a_stuck_report(&server).await;
    let mail = stuck(&store).await.remove(0).item.mail;
    let keep = Retention { decided_ms: 30 * DAY, audit_ms: 400 * DAY, history_ms: 400 * DAY, contacts_ms: 400 * DAY };
    assert_eq!(store.purge(NOW + 30 * DAY, &keep).await.unwrap().stuck, 0);
    assert_eq!(store.purge(NOW + 30 * DAY + 1, &keep).await.unwrap().stuck, 1);
    assert!(all(&store).await.is_empty());
    assert_eq!(store.body(&mail).await.unwrap(), None);
    let filter = AuditFilter { mail: Some(mail), event: Some(Event::Withdrawn), limit: 1, ..AuditFilter::default() };
    assert_eq!(store.audit(&filter).await.unwrap()[0].actor, Some(Actor::Expiry));
}

#[tokio::test]
async fn each_recipient_keeps_what_was_said_about_him() {
    let (store, outbox, server) = outbox().await;
    store.queue(new_queued(1, &["full@mail.test", "busy@mail.test", "fine@mail.test"])).await.unwrap();
    server.answer("full@mail.test", Fate::Deferred(reply(452, "4.2.2 mailbox full|4.2.2 again")));
    server.answer("busy@mail.test", deferred());
    outbox.run_once(NOW, &server).await.unwrap();
    let item = all(&store).await.remove(0).item;
    assert_eq!((item.attempts, item.recipients.len()), (1, 2));
    let said: Vec<_> = item.said.iter().map(|said| (said.address.key(), said.at_ms, said.reply.as_str())).collect();
    assert_eq!(
        said,
        [("full@mail.test", NOW, "452 4.2.2 mailbox full 4.2.2 again"), ("busy@mail.test", NOW, "451 4.3.0 try later")]
    );
}

#[tokio::test]
async fn cancelling_tells_the_sender_unless_it_is_quiet() {
    for (quietly, notify, told) in
        [(false, None, true), (true, None, false), (false, Some("NEVER"), false), (false, Some("DELAY"), false)]
    {
        let (store, outbox, server) = outbox().await;
        let mut new = new_queued(1, &["one@mail.test"]);
        new.copies[0].recipients[0].notify = notify.map(str::to_owned);
        new.parameters.ret = Some("FULL".to_owned());
        store.queue(new).await.unwrap();
        server.answer("one@mail.test", deferred());
        outbox.run_once(NOW, &server).await.unwrap();
        let item = all(&store).await.remove(0).item;
        let done = cancel(&store, &reporter(), &item, root(), quietly, NOW + 1).await.unwrap();
        assert_eq!(done, Some(told), "{quietly} {notify:?}");
        assert_eq!(cancel(&store, &reporter(), &item, root(), quietly, NOW + 1).await.unwrap(), None, "it is gone");
        assert_eq!(store.body(&id(1)).await.unwrap(), None);
        server.take_seen();
        outbox.run_once(NOW + DAY, &server).await.unwrap();
        let seen = server.take_seen();
        assert_eq!(seen.len(), usize::from(told), "{quietly} {notify:?}");
        for report in seen {
            let text = String::from_utf8(report.data).unwrap();
            assert!(
                text.contains("Action: failed\r\nStatus: 5.0.0\r\n") && !text.contains("Diagnostic-Code"),
                "{text}"
            );
            assert!(text.contains("Subject: 1") && !text.contains("body of 1"), "the header is enough: {text}");
        }
        let filter = AuditFilter { event: Some(Event::Withdrawn), limit: 9, ..AuditFilter::default() };
        let rows = store.audit(&filter).await.unwrap();
        assert_eq!((rows.len(), &rows[0].actor, rows[0].counts["reports"]), (1, &Some(root()), u64::from(told)));
    }
}

#[tokio::test]
async fn what_is_being_delivered_is_left_alone() {
    let (store, _, _) = outbox().await;
    store.queue(new_queued(1, &["one@mail.test"])).await.unwrap();
    let read = all(&store).await.remove(0).item;
    let claimed = store.claim_due(NOW, MINUTE, 1).await.unwrap().remove(0);
    let leaving = all(&store).await.remove(0);
    assert!(leaving.is_leaving(NOW + 1));
    for item in [&read, &claimed] {
        assert_eq!(cancel(&store, &reporter(), item, root(), false, NOW + 1).await.unwrap(), None);
        assert!(!store.retry_outbox(item, root(), NOW + 1).await.unwrap());
    }
    assert_eq!(all(&store).await, [leaving]);
    // Its lease ran out: whoever had it is gone.
    assert!(store.retry_outbox(&claimed, root(), NOW + MINUTE).await.unwrap());
    assert_eq!(cancel(&store, &reporter(), &read, root(), true, NOW + MINUTE).await.unwrap(), None, "tried since");
    assert_eq!(cancel(&store, &reporter(), &claimed, root(), true, NOW + MINUTE).await.unwrap(), Some(false));
    assert!(all(&store).await.is_empty());
}

#[tokio::test]
async fn items_leave_in_the_order_they_came_also_after_a_restart() {
    use sekisho::store::{Options, Role};
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: dir.path().to_owned(), role: Role::Server, key_file: None };
    let store = Store::open(&options).await.unwrap();
    for number in 1..=6 {
        let mut new = new_queued(number, &["one@mail.test"]);
        (new.now_ms, new.not_before_ms) = (NOW + u64::from(number), NOW + u64::from(number));
        store.queue(new).await.unwrap();
    }
    let mails = |items: Vec<sekisho::store::OutboxItem>| items.into_iter().map(|item| item.mail).collect::<Vec<_>>();
    assert_eq!(mails(store.claim_due(NOW + 10, MINUTE, 2).await.unwrap()), [id(1), id(2)]);
    store.close().await;
    drop(store);
    let store = Store::open(&options).await.unwrap();
    let due = mails(store.claim_due(NOW + 10, MINUTE, 10).await.unwrap());
    assert_eq!(due, [1, 2, 3, 4, 5, 6].map(id), "those that were leased come first again");
}

#[tokio::test]
async fn a_result_is_written_while_another_delivery_goes_on() {
    use std::sync::atomic::Ordering;
    let (store, outbox, server) = outbox().await;
    store.queue(new_queued(1, &["slow@mail.test"])).await.unwrap();
    server.slow_ms.store(2_000, Ordering::SeqCst);
    let running = {
        let (outbox, server) = (outbox.clone(), Arc::clone(&server));
        tokio::spawn(async move { outbox.run_once(NOW, &server).await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    server.slow_ms.store(0, Ordering::SeqCst);
    store.queue(new_queued(2, &["fast@mail.test"])).await.unwrap();
    assert_eq!(outbox.run_once(NOW, &server).await.unwrap().accepted, 1);
    assert_eq!(all(&store).await.len(), 1, "the fast one is settled, the slow one still leaving");
    assert_eq!(running.await.unwrap().unwrap().accepted, 1);
    assert!(all(&store).await.is_empty());
}
