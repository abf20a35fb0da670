//! The mail server behind fails in every way it can, and the guard is stopped while mails are on their way: nothing is lost.
//! It refuses to accept a mail that arrived twice where once was possible.

use crate::client::{letter, owned, send};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::guard::{Guard, PATIENCE, Setup, wait};
use crate::postfix::{Postfix, free_port};
use crate::web;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Mails to `kept.test` are held, those to `hidden.test` leave through the outbox, the others while the client waits.
pub const RULES: &str = r#"
[lists]
internal = ["example.jp", "*.example.jp"]

[[rule]]
id    = "kept"
title = { en = "Kept", ja = "保留" }
when  = { to = "kept.test" }
then  = { hold = "sender", repairs = ["as_is", "cancel"] }

[[rule]]
id    = "hidden"
title = { en = "Hidden", ja = "Bccにします" }
when  = { to = "hidden.test" }
then  = "bcc"
"#;

const SENDER: &str = "clerk@city.example.jp";

fn answers(address: &str, times: usize) -> &'static str {
    match address {
        "gone@mail.test" => "550 5.1.1 no such user",
        "later@mail.test" if times < 2 => "451 4.2.1 mailbox busy",
        _ => "250 2.1.5 ok",
    }
}

#[test]
fn what_the_next_server_refuses_is_reported_and_what_it_defers_comes_later() {
    let upstream = FakeUpstream::start(answers);
    let guard =
        Guard::start(&Setup { rules: Some(RULES), more: "[outbox]\nretry = \"1s\"", ..Setup::before(upstream.port) });
    let to = owned(&["one@mail.test", "gone@mail.test", "two@mail.test", "later@mail.test"]);
    let data = letter(SENDER, &to, 1);
    let came = [b"Bcc: hidden@mail.test\r\n", data.as_slice()].concat();
    assert_eq!(send(guard.smtp, SENDER, &to, &came), Some(250));
    let first = upstream.wait_for("one@mail.test");
    assert_eq!(first.rcpt.len(), 2, "{:?}", first.rcpt);
    assert!(first.data.ends_with(&data), "{}", String::from_utf8_lossy(&first.data));

    let report = upstream.wait_for(SENDER);
    assert!(report.mail.starts_with("MAIL FROM:<>"), "a report cannot be answered: {}", report.mail);
    let text = String::from_utf8_lossy(&report.data);
    for part in ["multipart/report", "report-type=delivery-status", "rfc822;gone@mail.test", "Action: failed", "5.1.1"]
    {
        assert!(text.replace("; ", ";").contains(&part.replace("; ", ";")), "{part} in\n{text}");
    }
    assert!(!text.contains("rfc822;later@mail.test") && !text.contains("rfc822; later@mail.test"), "{text}");

    assert!(!text.contains("hidden"), "a report shows no Bcc field: {text}");

    let late = upstream.wait_for("later@mail.test");
    assert_eq!(late.rcpt.len(), 1);
    assert_eq!(late.data, first.data, "the same mail, with the one Received field it got when it came");
    std::thread::sleep(Duration::from_millis(2_500));
    for once in ["one@mail.test", "two@mail.test", "later@mail.test", SENDER] {
        assert_eq!(upstream.taken_for(once).len(), 1, "{once}");
    }
    assert_eq!(upstream.taken_for("gone@mail.test").len(), 0);
    assert_eq!(upstream.taken().len(), 3);

    // When nobody is taken, the client hears it and no report is needed: it still has the mail.
    let gone = owned(&["gone@mail.test"]);
    assert_eq!(send(guard.smtp, SENDER, &gone, &letter(SENDER, &gone, 2)), Some(550));
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(upstream.taken().len(), 3);
}

#[test]
fn a_mail_server_in_front_keeps_what_cannot_go_on() {
    let port = free_port().unwrap();
    let guard = Guard::start(&Setup { rules: Some(RULES), ..Setup::before(port) });
    let front = Postfix::start(guard.smtp, "").unwrap();
    let to = owned(&["one@mail.test"]);
    let data = letter(SENDER, &to, 1);
    assert_eq!(send(guard.smtp, SENDER, &to, &letter(SENDER, &to, 2)), Some(451));
    let health = wait("the guard to see that its mail server is away", || {
        let health = web::get(&format!("http://127.0.0.1:{}/healthz", guard.status));
        (health.status == 503).then_some(health.body)
    });
    assert_eq!(health, "the mail server behind is not reachable\n");

    assert_eq!(send(front.port, SENDER, &to, &data), Some(250));
    wait("Postfix to be told 451", || {
        (front.log().contains("status=deferred") && front.log().contains("said: 451")).then_some(())
    });
    assert_eq!(front.queued(), 1);
    let upstream = FakeUpstream::on(port, yes, None);
    assert!(front.flush().unwrap());
    let taken = upstream.wait_for("one@mail.test");
    assert!(taken.data.ends_with(&data));
    wait("Postfix to be empty", || (front.queued() == 0).then_some(()));
    assert_eq!(upstream.taken().len(), 1);
    wait("the guard to be well again", || {
        (web::get(&format!("http://127.0.0.1:{}/healthz", guard.status)).status == 200).then_some(())
    });
}

#[test]
fn a_slow_delivery_holds_up_no_other() {
    let upstream = FakeUpstream::on(0, yes, Some(("slow@hidden", Duration::from_secs(15))));
    let guard = Guard::start(&Setup { rules: Some(RULES), ..Setup::before(upstream.port) });
    let slow = owned(&["slow@hidden.test"]);
    assert_eq!(send(guard.smtp, SENDER, &slow, &letter(SENDER, &slow, 1)), Some(250));
    std::thread::sleep(Duration::from_secs(1));
    let fast = owned(&["fast@hidden.test"]);
    let sent = Instant::now();
    assert_eq!(send(guard.smtp, SENDER, &fast, &letter(SENDER, &fast, 2)), Some(250));
    upstream.wait_for("fast@hidden.test");
    assert!(sent.elapsed() < Duration::from_secs(8), "{:?}", sent.elapsed());
    assert!(upstream.taken_for("slow@hidden.test").is_empty());
}

/// Clients that send at the same time, and mails of each.
const CLIENTS: usize = 8;
const MAILS: usize = 12;
const KINDS: [(&str, &str); 4] =
    [("plain", "mail.test"), ("slow", "mail.test"), ("list", "hidden.test"), ("hold", "kept.test")];

/// What clients were told about each address until they heard 250; `None` when they heard nothing.
type Told = BTreeMap<String, Vec<Option<u16>>>;

/// Many clients send until each mail is taken, and meanwhile the guard is stopped and started again.
fn stop_in_the_middle(guard: &mut Guard) -> Told {
    let port = guard.smtp;
    let sent = AtomicUsize::new(0);
    let told: Mutex<Told> = Mutex::default();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (sent, told) = (&sent, &told);
            scope.spawn(move || {
                for number in 0..MAILS {
                    let (kind, domain) = KINDS[number % KINDS.len()];
                    let address = format!("{kind}-{client}-{number}@{domain}");
                    let to = vec![address.clone()];
                    let data = letter(SENDER, &to, client * 100 + number);
                    let start = Instant::now();
                    loop {
                        let answer = send(port, SENDER, &to, &data);
                        told.lock().unwrap().entry(address.clone()).or_default().push(answer);
                        sent.fetch_add(1, Ordering::SeqCst);
                        if answer == Some(250) {
                            break;
                        }
                        assert!(start.elapsed() < PATIENCE, "{address}: {answer:?}");
                        std::thread::sleep(Duration::from_millis(200));
                    }
                }
            });
        }
        wait("mails to be on their way", || (sent.load(Ordering::SeqCst) >= CLIENTS * MAILS / 4).then_some(()));
        // Some only keep a connection open; nobody waits for them.
        let idle = [guard.smtp, guard.page, guard.status].map(|port| TcpStream::connect(("127.0.0.1", port)).unwrap());
        std::thread::sleep(Duration::from_millis(100));
        let asked = Instant::now();
        guard.signal("TERM");
        assert_eq!(guard.ended(), Some(0), "an orderly stop");
        assert!(asked.elapsed() < Duration::from_secs(15), "the stop took {:?}", asked.elapsed());
        drop(idle);
        assert!(!guard.listens());
        guard.launch();
    });
    let told = told.into_inner().unwrap();
    assert_eq!(told.len(), CLIENTS * MAILS);
    assert!(told.values().any(|answers| answers.len() > 1), "the stop came in the middle");
    told
}

#[test]
fn a_stop_in_the_middle_loses_and_doubles_nothing() {
    let upstream = FakeUpstream::on(0, yes, Some(("slow", Duration::from_millis(400))));
    let mut guard = Guard::start(&Setup { rules: Some(RULES), ..Setup::before(upstream.port) });
    let told = stop_in_the_middle(&mut guard);
    let (kept, left): (Told, Told) = told.into_iter().partition(|(address, _)| address.starts_with("hold"));
    assert_eq!(guard.held().len(), kept.len(), "each is held once, also when its client had to ask again");
    for (address, answers) in left {
        upstream.wait_for(&address);
        // An orderly stop answers what it has handed on before it ends.
        assert_eq!(upstream.taken_for(&address).len(), 1, "{address}: {answers:?}");
    }
}
