//! One mail over many transactions: in whatever order they come, over several connections, with a retry and a restart in between.
//! It refuses to wait for real time: every step is given its moment, and a restart opens the same store anew.

use crate::failover::{at, options};
use crate::fake_upstream::{FakeUpstream, yes};
use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use bytes::Bytes;
use jiff::tz::TimeZone;
use sekisho::address::Address;
use sekisho::clock::Clock;
use sekisho::config::Rates;
use sekisho::config::file::Confine;
use sekisho::hold::{Action, Desk};
use sekisho::limits::Limits;
use sekisho::mail::envelope::{Client, Envelope, MailParameters, Recipient};
use sekisho::outbox::Reporter;
use sekisho::pipeline::{Metrics, Parts, Pipeline};
use sekisho::plan::Visible;
use sekisho::relay::Relay;
use sekisho::reload;
use sekisho::rules::RuleSet;
use sekisho::rules::verdict::Repair;
use sekisho::store::{Actor, HeldFilter, NoticeKind, Options, Role, State, Store, WaitingFilter};
use sekisho::worker::{self, Pool};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const NOW: u64 = 1_800_000_000_000;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const KEEP: u64 = 45 * MINUTE;
const SENDER: &str = "clerk@city.example.jp";

const RULES: &str = r#"
[lists]
internal = ["example.jp", "*.example.jp"]

[[rule]]
id    = "kept"
title = { en = "Kept", ja = "保留" }
when  = { to = "kept.test" }
then  = { hold = "sender", repairs = ["as_is", "bcc", "cancel"] }

[[rule]]
id    = "second-today"
title = { en = "The second mail of a day", ja = "本日2通目" }
when  = { to = "counted.test", window = { of = "mails", hours = 24, value = ">= 2" } }
then  = { hold = "sender", repairs = ["as_is", "cancel"] }

[[rule]]
id    = "dropped"
title = { en = "Dropped", ja = "破棄" }
when  = { to = "dropped.test" }
then  = { block = "notice" }
"#;

/// The guard without its sockets, on a folder that survives restarts.
struct Stage {
    dir: tempfile::TempDir,
    upstream: FakeUpstream,
    workers: Arc<Pool>,
    rules: Arc<ArcSwap<RuleSet>>,
    store: Arc<Store>,
    pipeline: Pipeline,
}

impl Stage {
    async fn new() -> Self {
        Self::before(FakeUpstream::start(yes)).await
    }

    async fn before(upstream: FakeUpstream) -> Self {
        // In memory where there is such a folder: what a crash of the machine would leave is not the question here.
        let shm = std::path::Path::new("/dev/shm");
        let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
        std::fs::create_dir(dir.path().join("rules")).unwrap();
        std::fs::write(dir.path().join("rules/rules.toml"), RULES).unwrap();
        let limits = Limits::default();
        let rules = reload::load(Some(&dir.path().join("rules")), &limits).unwrap();
        let options = worker::Options {
            program: env!("CARGO_BIN_EXE_sekisho").into(),
            count: 2,
            deadline: Duration::from_mins(1),
            mebibytes: limits.worker_mebibytes,
            confine: Confine::Auto,
        };
        let workers = Arc::new(Pool::new(options, reload::context(&rules, &limits)));
        let rules = Arc::new(ArcSwap::from_pointee(rules));
        let store = open(&dir).await;
        let pipeline = build(&store, &workers, &rules, upstream.port);
        Self { dir, upstream, workers, rules, store, pipeline }
    }

    /// Everything that is only in memory is lost.
    async fn restart(&mut self) {
        self.store.close().await;
        // The lock is freed with the last owner.
        self.store = Arc::new(Store::memory().await.unwrap());
        self.pipeline = build(&self.store, &self.workers, &self.rules, self.upstream.port);
        self.store = open(&self.dir).await;
        self.pipeline = build(&self.store, &self.workers, &self.rules, self.upstream.port);
    }

    fn at(&mut self, now_ms: u64) {
        self.pipeline.clock = Clock::Fixed(now_ms, TimeZone::UTC);
    }

    /// One transaction; the code of its answer.
    async fn send(&self, mail: &str, to: &[&str]) -> u16 {
        self.answer(mail, to).await.0
    }

    async fn answer(&self, mail: &str, to: &[&str]) -> (u16, String) {
        let envelope = Envelope {
            client: Client { helo: "pc.example.jp".to_owned(), esmtp: true, ..Client::new([127, 0, 0, 1].into()) },
            sender: Some(Address::new(SENDER)),
            parameters: MailParameters::default(),
            recipients: to.iter().map(|address| Recipient::new(address)).collect(),
        };
        // Each transaction passes other hops.
        let mail = format!("Received: from front.example.jp; for {} others\r\n{mail}", to.len());
        let reply = self.pipeline.accept(envelope, Bytes::from(mail)).await;
        (reply.code, reply.text_lossy())
    }

    /// Recipients of the held mails, each sorted, oldest mail first.
    async fn held(&self) -> Vec<Vec<String>> {
        let filter = HeldFilter { limit: 100, ..HeldFilter::default() };
        let mut mails = self.store.list_held(&filter).await.unwrap();
        mails.reverse();
        let sorted = |recipients: Vec<Recipient>| {
            let mut list: Vec<String> = recipients.iter().map(|one| one.address.key().to_owned()).collect();
            list.sort();
            list
        };
        mails.into_iter().map(|mail| sorted(mail.recipients)).collect()
    }

    /// The notices that are due at a moment; they are done with that.
    async fn notices(&self, now_ms: u64) -> Vec<NoticeKind> {
        let mut kinds = Vec::new();
        for notice in self.store.claim_notices(now_ms, MINUTE, 100).await.unwrap() {
            kinds.push(notice.kind);
            assert!(self.store.notice_done(&notice.id, Vec::new(), now_ms).await.unwrap());
        }
        kinds.sort();
        kinds
    }

    async fn decide(&self, action: Action, now_ms: u64) {
        let filter = HeldFilter { state: Some(State::Held), limit: 10, ..HeldFilter::default() };
        let id = self.store.list_held(&filter).await.unwrap().remove(0).id;
        let rules = Arc::clone(&self.rules);
        let desk = Desk::new(Arc::clone(&self.store), Arc::new(move |address| rules.load().is_internal(address)));
        desk.act(&id, Actor::Admin("root".to_owned()), action, now_ms).await.unwrap();
    }
}

async fn open(dir: &tempfile::TempDir) -> Arc<Store> {
    Arc::new(Store::open(&Options { dir: dir.path().join("state"), role: Role::Server, key_file: None }).await.unwrap())
}

/// The one place that knows what a pipeline is made of.
fn build(store: &Arc<Store>, workers: &Arc<Pool>, rules: &Arc<ArcSwap<RuleSet>>, port: u16) -> Pipeline {
    let relay = Relay::new(options(vec![at(port, 10)], Vec::new())).unwrap();
    Pipeline::new(Parts {
        hostname: "guard.example.jp".to_owned(),
        clock: Clock::Fixed(NOW, TimeZone::UTC),
        limits: Limits::default(),
        settle_ms: 10 * SECOND,
        keep_together_ms: KEEP,
        rules: Arc::clone(rules),
        workers: Arc::clone(workers),
        store: Arc::clone(store),
        relay: Arc::new(relay),
        bell: Arc::new(Notify::new()),
        metrics: Arc::new(Metrics::new()),
        reporter: Reporter {
            hostname: "guard.example.jp".to_owned(),
            from: Address::new("postmaster@example.jp"),
            zone: TimeZone::UTC,
        },
        secret: hmac::Key::new(hmac::HMAC_SHA256, &store.derived_key("mail keys")),
        hide_client: false,
        admins: Vec::new(),
        rates: Rates::default(),
        sealer: Arc::default(),
    })
}

/// A mail of this text; all have the same Message-ID, as a list that personalises may send them.
fn mail(text: &str) -> String {
    format!(
        "From: <{SENDER}>\r\nTo: a1@kept.test, a2@kept.test, a3@kept.test\r\nSubject: {text}\r\n\
         Message-ID: <same@example.jp>\r\n\r\n{text}\r\n"
    )
}

/// All orders of some things.
fn orders<T: Copy>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for at in 0..things.len() {
        let mut rest = things.to_vec();
        let first = rest.remove(at);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, first);
            order
        }));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_of_transactions_gives_the_same_holds_notices_and_recipients() {
    let mut stage = Stage::new().await;
    // Recipients overlap, and a last one needs no decision by himself.
    let transactions: [(usize, &[&str]); 4] = [
        (0, &["a1@kept.test", "a2@kept.test"]),
        (0, &["a2@kept.test", "a3@kept.test"]),
        (1, &["a1@kept.test"]),
        (1, &["a3@kept.test", "b@kept.test"]),
    ];
    for (round, order) in orders(&[0, 1, 2, 3]).into_iter().enumerate() {
        let mails = [mail(&format!("one of {round}")), mail(&format!("other of {round}"))];
        let start = NOW + round as u64 * 2 * KEEP;
        let before = stage.held().await.len();
        let (restart, failing) = (round % 4, round / 4 % 4);
        for (step, number) in order.iter().enumerate() {
            stage.at(start + step as u64 * SECOND);
            let (which, to) = transactions[*number];
            if step == failing {
                // The store is gone at this moment: 451, and the client comes again after a restart.
                stage.store.close().await;
                assert_eq!(stage.send(&mails[which], to).await, 451, "{order:?}");
                stage.restart().await;
                stage.at(start + step as u64 * SECOND);
            }
            if step == restart {
                stage.restart().await;
                stage.at(start + step as u64 * SECOND);
            }
            assert_eq!(stage.send(&mails[which], to).await, 250, "{order:?}");
        }
        let mut held = stage.held().await.split_off(before);
        held.sort();
        let want: [&[&str]; 2] =
            [&["a1@kept.test", "a2@kept.test", "a3@kept.test"], &["a1@kept.test", "a3@kept.test", "b@kept.test"]];
        assert_eq!(held, want, "{order:?}");
        assert_eq!(stage.notices(start + MINUTE).await, [NoticeKind::Held; 2], "{order:?}");
        // Late ones, after the notice: they join, and nobody is told twice.
        stage.at(start + 30 * MINUTE);
        assert_eq!(stage.send(&mails[0], &["late@mail.test"]).await, 250);
        stage.restart().await;
        stage.at(start + 31 * MINUTE);
        assert_eq!(stage.send(&mails[0], &["later@mail.test", "a1@kept.test"]).await, 250);
        assert_eq!(stage.held().await.len(), before + 2, "{order:?}");
        assert_eq!(stage.notices(start + 40 * MINUTE).await, [], "{order:?}");
    }
    assert!(stage.upstream.taken().is_empty(), "{:?}", stage.upstream.taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_at_the_same_moment_are_one_mail() {
    let stage = Stage::new().await;
    let mail = mail("at once");
    let to: Vec<String> = (0..9).map(|number| format!("p{number}@kept.test")).collect();
    let stage = Arc::new(stage);
    let mut sending = tokio::task::JoinSet::new();
    for to in to.clone() {
        let (stage, mail) = (Arc::clone(&stage), mail.clone());
        sending.spawn(async move { stage.send(&mail, &[&to]).await });
    }
    assert_eq!(sending.join_all().await, [250; 9]);
    assert_eq!(stage.held().await, [to]);
    assert_eq!(stage.notices(NOW + MINUTE).await, [NoticeKind::Held]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_transaction_follows_the_decision() {
    for restarts in [false, true] {
        let mut stage = Stage::new().await;
        for (text, action, leaves) in [
            ("released", Action::Release(Repair::Bcc), true),
            ("returned", Action::Return { comment: String::new() }, false),
        ] {
            stage.at(NOW);
            assert_eq!(stage.send(&mail(text), &["a1@kept.test"]).await, 250);
            stage.decide(action, NOW + SECOND).await;
            stage.notices(NOW + MINUTE).await;
            if restarts {
                stage.restart().await;
            }
            stage.at(NOW + 2 * MINUTE);
            // By itself this recipient would need no decision.
            let (code, words) = stage.answer(&mail(text), &["a1@kept.test", "late@mail.test"]).await;
            assert_eq!(code, 250);
            assert!(words.contains(if leaves { "was released" } else { "not delivered" }), "{words}");
            assert_eq!(stage.notices(NOW + HOUR).await, [], "{text}");
            let filter = WaitingFilter { limit: 10, ..WaitingFilter::default() };
            let waiting = stage.store.list_outbox(&filter).await.unwrap();
            let late = waiting.iter().find(|one| one.item.recipients == [Recipient::new("late@mail.test")]);
            if leaves {
                assert!(matches!(&late.unwrap().item.change.visible, Visible::Remove(_)), "{late:?}");
                for one in waiting {
                    let actor = Actor::Admin("root".to_owned());
                    assert!(stage.store.cancel_outbox(&one.item, None, actor, NOW).await.unwrap());
                }
            } else {
                assert!(waiting.is_empty(), "{waiting:?}");
            }
        }
        assert!(stage.upstream.taken().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_mail_much_later_is_a_new_one() {
    for restarts in [false, true] {
        let mut stage = Stage::new().await;
        let mail = mail("again");
        for (minutes, to, mails, told) in [
            (0, "a1@kept.test", 1, 1),
            (44, "a2@kept.test", 1, 0),
            (88, "a1@kept.test", 1, 0),
            (133, "a1@kept.test", 2, 1),
            (134, "a2@kept.test", 2, 0),
        ] {
            let now = NOW + minutes * MINUTE;
            if restarts {
                stage.restart().await;
            }
            stage.at(now);
            assert_eq!(stage.send(&mail, &[to]).await, 250);
            assert_eq!(stage.held().await.len(), mails, "after {minutes} minutes");
            assert_eq!(stage.notices(now + 10 * SECOND).await.len(), told, "after {minutes} minutes");
        }
        assert_eq!(stage.held().await, [["a1@kept.test", "a2@kept.test"]; 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sender_did_meanwhile_does_not_divide_a_mail() {
    // The first transaction of the first mail asks for the window, or the rest of the rule settles it without.
    for (restarts, begins) in
        [false, true].into_iter().flat_map(|restarts| ["p1@counted.test", "p1@plain.test"].map(|to| (restarts, to)))
    {
        let mut stage = Stage::new().await;
        let (first, second) = (mail("first today"), mail("second today"));
        assert_eq!(stage.send(&first, &[begins]).await, 250);
        stage.at(NOW + SECOND);
        assert_eq!(stage.send(&second, &["p1@counted.test"]).await, 250);
        assert_eq!(stage.held().await, [["p1@counted.test"]], "the second of the day is held");
        if restarts {
            stage.restart().await;
        }
        stage.at(NOW + 2 * SECOND);
        assert_eq!(stage.send(&first, &["p2@counted.test"]).await, 250);
        assert_eq!(stage.held().await.len(), 1, "the first passes in all its transactions");
        assert_eq!(stage.upstream.taken_for("p2@counted.test").len(), 1);
        stage.at(NOW + 3 * SECOND);
        assert_eq!(stage.send(&second, &["p2@counted.test"]).await, 250);
        assert_eq!(stage.held().await, [["p1@counted.test", "p2@counted.test"]]);
    }
}

fn later_first(_: &str, times: usize) -> &'static str {
    if times == 0 { "451 4.2.1 later" } else { "250 2.1.5 ok" }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_or_dropped_mail_stays_one_and_its_sender_is_told_once() {
    let mut stage = Stage::before(FakeUpstream::start(later_first)).await;
    let dropped = mail("dropped");
    for to in ["p1@dropped.test", "p2@dropped.test"] {
        let (code, words) = stage.answer(&dropped, &[to]).await;
        assert!(code == 250 && words.contains("not delivered"), "{words}");
    }
    stage.restart().await;
    let (code, words) = stage.answer(&dropped, &["fine@mail.test"]).await;
    assert!(code == 250 && words.contains("not delivered"), "one mail, one decision: {words}");
    assert_eq!(stage.notices(NOW + MINUTE).await, [NoticeKind::Blocked]);

    // What the mail server defers is asked again, and nothing is remembered of an attempt of which nobody took anything.
    let plain = mail("deferred");
    assert_eq!(stage.send(&plain, &["fine@mail.test"]).await, 451);
    stage.at(NOW + HOUR);
    assert_eq!(stage.send(&plain, &["fine@mail.test"]).await, 250);
    assert_eq!(stage.upstream.taken_for("fine@mail.test").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_comes_back_to_this_host_again_and_again_is_refused() {
    let stage = Stage::new().await;
    let hop = |host: &str| format!("Received: from cloud.example.com by {host} (x) with ESMTPS id 1;\r\n\tdate\r\n");
    for (own, others, code) in [(4, 90, 250), (5, 0, 554), (0, 98, 250), (0, 99, 554)] {
        let hops = hop("guard.example.jp").repeat(own) + &hop("other.example.com").repeat(others);
        let (answer, words) = stage.answer(&(hops + &mail("round and round")), &["fine@mail.test"]).await;
        assert_eq!(answer, code, "{own} and {others} hops: {words}");
        assert!(code == 250 || words.contains("5.4.6"), "{words}");
    }
    assert!(stage.notices(NOW + HOUR).await.is_empty());
}
