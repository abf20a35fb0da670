//! Several mail servers behind, one of which fails: who gets the mail, and who is left alone for a while.
//! It refuses a mail that arrives twice, and one that goes elsewhere after its data were sent.

use crate::fake_upstream::{Behaviour, FakeUpstream, Fault, PASSWORD};
use crate::postfix::free_port;
use bytes::Bytes;
use sekisho::address::Address;
use sekisho::limits::Limits;
use sekisho::mail::envelope::{MailParameters, Recipient};
use sekisho::relay::{LogInAgain, Options, Place, Policy, Relay, RelayTls, Reuse, Server, TlsFiles};
use sekisho::smtp::auth::{Login, Mechanism};
use sekisho::smtp::sender::{Fate, Transaction};
use sekisho::smtp::stage::Patience;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub fn server(place: Place, priority: u16, policy: Policy) -> Server {
    let tls = RelayTls::new(policy, false, None, &TlsFiles::default()).unwrap();
    Server { place, priority, tls, credentials: None }
}

/// A server of this process.
pub fn at(port: u16, priority: u16) -> Server {
    server(Place::Host { host: "127.0.0.1".to_owned(), port }, priority, Policy::Off)
}

/// How long a silent server is waited for here.
const SHORT: Duration = Duration::from_secs(2);

/// A relay that is soon impatient.
pub fn relay(servers: Vec<Server>, resolvers: Vec<SocketAddr>) -> Relay {
    let patience = Patience { connect: SHORT, greeting: SHORT, command: SHORT, data: SHORT, ..Patience::default() };
    Relay::new(Options { patience, ..options(servers, resolvers) }).unwrap()
}

pub fn options(servers: Vec<Server>, resolvers: Vec<SocketAddr>) -> Options {
    Options {
        servers,
        hostname: "guard.example.jp".to_owned(),
        connections: 10,
        reuse: Reuse { mails: 3, ..Reuse::default() },
        patience: Patience::default(),
        log_in_clear: true,
        resolvers,
    }
}

pub fn letter(to: &[&str]) -> Transaction {
    Transaction {
        sender: Some(Address::new("clerk@city.example.jp")),
        parameters: MailParameters::default(),
        recipients: to.iter().map(|address| Recipient::new(address)).collect(),
        data: vec![Bytes::from_static(b"Subject: x\r\n\r\nwords\r\n")],
    }
}

pub fn codes(fates: &[Fate]) -> Vec<String> {
    let code = |fate: &Fate| match fate {
        Fate::Accepted(reply) => reply.code.to_string(),
        Fate::Deferred(reply) => format!("d{}", reply.code),
        Fate::Refused(reply) => format!("r{}", reply.code),
    };
    fates.iter().map(code).collect()
}

/// Refuses one address for good and another one for now.
fn picky(address: &str, _: usize) -> &'static str {
    match address {
        "gone@mail.test" => "550 5.1.1 no such user",
        _ => "250 2.1.5 ok",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_before_the_data_is_passed_over() {
    for (event, fault) in [
        ("connect", Fault::Drop),
        ("connect", Fault::Silence),
        ("connect", Fault::Say("421 4.3.2 busy")),
        ("connect", Fault::Say("554 5.3.2 closed")),
        ("EHLO", Fault::SayAndDrop("421 4.3.2 busy")),
        ("EHLO", Fault::Reset),
        ("MAIL", Fault::Drop),
        ("MAIL", Fault::SayAndDrop("421 4.3.2 bye")),
        ("RCPT TO:<b@", Fault::SayAndDrop("421 4.3.2 bye")),
        ("RCPT TO:<b@", Fault::Silence),
        ("DATA", Fault::Drop),
        ("DATA", Fault::SayAndDrop("421 4.3.2 bye")),
    ] {
        let first = FakeUpstream::start(picky);
        let second = FakeUpstream::start(crate::fake_upstream::yes);
        first.fault(event, fault);
        let relay = relay(vec![at(second.port, 20), at(first.port, 10)], Vec::new());
        let fates = relay.transact(letter(&["gone@mail.test", "a@mail.test", "b@mail.test"])).await;
        // Who was refused for good stays refused; in one transaction it depends on where it broke.
        let asked_first = first.lines().iter().any(|line| line.starts_with("RCPT TO:<b@"));
        let expected = if asked_first { ["r550", "250", "250"] } else { ["250", "250", "250"] };
        assert_eq!(codes(&fates), expected, "{event} {fault:?}");
        assert_eq!((first.taken().len(), second.taken().len()), (0, 1), "{event} {fault:?}");
        assert_eq!(second.taken()[0].rcpt.len(), if asked_first { 2 } else { 3 });
        // It rests now: the next mail does not ask it.
        let lines = first.lines().len();
        assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["250"]);
        assert_eq!(first.lines().len(), lines, "{event} {fault:?}");
        relay.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_data_nobody_else_is_asked() {
    for (event, fault, code, taken) in [
        (". a@", Fault::Drop, "d451", 0),
        (". a@", Fault::Reset, "d451", 0),
        (". a@", Fault::TakeAndReset, "d451", 1),
        (". a@", Fault::SayAndDrop("421 4.3.2 bye"), "d421", 0),
        (". a@", Fault::Say("451 4.3.0 later"), "d451", 0),
        (". a@", Fault::Say("554 5.7.1 no"), "r554", 0),
        ("text a@", Fault::Drop, "d451", 0),
        // A reply of the server is an answer, not a failure of the server.
        ("MAIL", Fault::Say("451 4.3.0 later"), "d451", 0),
        ("RCPT", Fault::Say("450 4.2.1 greylisted"), "d450", 0),
        ("DATA", Fault::Say("554 5.7.1 no"), "r554", 0),
    ] {
        let first = FakeUpstream::start(picky);
        let second = FakeUpstream::start(picky);
        first.fault(event, fault);
        let relay = relay(vec![at(first.port, 10), at(second.port, 20)], Vec::new());
        assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), [code], "{event} {fault:?}");
        assert_eq!((first.taken().len(), second.connections()), (taken, 0), "{event} {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_rests_and_is_asked_when_nobody_else_is_left() {
    let gone = free_port().unwrap();
    let second = FakeUpstream::start(picky);
    let both = relay(vec![at(gone, 10), at(second.port, 20)], Vec::new());
    for _ in 0..3 {
        assert_eq!(codes(&both.transact(letter(&["a@mail.test"])).await), ["250"]);
    }
    assert!(both.reachable().await);
    let alone = relay(vec![at(gone, 10)], Vec::new());
    let fates = alone.transact(letter(&["a@mail.test", "b@mail.test"])).await;
    assert_eq!(codes(&fates), ["d451", "d451"]);
    assert!(!alone.reachable().await);
    // It rests, but it is the only one: as soon as it is back it gets the mail.
    let back = FakeUpstream::on(gone, picky, None);
    assert_eq!(codes(&alone.transact(letter(&["a@mail.test"])).await), ["250"]);
    assert_eq!(back.taken().len(), 1);
    assert!(alone.reachable().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_servers_share_and_connections_are_used_again_within_limits() {
    let (one, two) = (FakeUpstream::start(picky), FakeUpstream::start(picky));
    let shared = relay(vec![at(one.port, 10), at(two.port, 10)], Vec::new());
    for _ in 0..12 {
        assert_eq!(codes(&shared.transact(letter(&["a@mail.test"])).await), ["250"]);
    }
    // Six mails each, three over one connection.
    assert_eq!([one.taken().len(), two.taken().len()], [6, 6]);
    assert_eq!([one.connections(), two.connections()], [2, 2]);
    shared.close().await;
    let quits = |server: &FakeUpstream| server.lines().iter().filter(|line| *line == "QUIT").count();
    crate::guard::wait("each connection to be closed politely", || {
        ([quits(&one), quits(&two)] == [2, 2]).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_lacks_is_not_offered() {
    let full = FakeUpstream::start(picky);
    let poor = FakeUpstream::with(Behaviour { ehlo: "SIZE 1000\n8BITMIME\nREQUIRETLS", ..Behaviour::default() });
    let relay = relay(vec![at(full.port, 10), at(poor.port, 20)], Vec::new());
    assert!(relay.offer(&Limits::default()).await.smtputf8, "the other one was not heard yet");
    assert!(relay.reachable().await && relay.reachable().await);
    let offered = relay.offer(&Limits::default()).await;
    assert!(offered.eight_bit_mime && !offered.smtputf8 && !offered.dsn);
    assert_eq!(offered.size, Some(1_000));
    assert!(!offered.require_tls, "never without verified TLS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_may_comes_down_to_clear_text_and_only_on_a_new_connection() {
    for (policy, code, connections) in [(Policy::May, "250", 2), (Policy::Encrypt, "d451", 1), (Policy::Off, "250", 1)]
    {
        let upstream = FakeUpstream::with(Behaviour { ehlo: "STARTTLS\n8BITMIME", ..Behaviour::default() });
        let place = Place::Host { host: "127.0.0.1".to_owned(), port: upstream.port };
        let relay = relay(vec![server(place, 10, policy)], Vec::new());
        assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), [code], "{policy:?}");
        assert_eq!(upstream.connections(), connections, "{policy:?}");
        if policy == Policy::Encrypt {
            assert!(!upstream.lines().iter().any(|line| line.starts_with("MAIL")), "nothing in clear");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requiretls_never_goes_where_it_is_not_kept() {
    let upstream = FakeUpstream::with(Behaviour { ehlo: "REQUIRETLS\n8BITMIME", ..Behaviour::default() });
    let relay = relay(vec![at(upstream.port, 10)], Vec::new());
    let mut mail = letter(&["a@mail.test"]);
    mail.parameters.require_tls = true;
    let fates = relay.transact(mail).await;
    assert!(matches!(&fates[0], Fate::Refused(reply) if reply.enhanced() == Some("5.7.30")), "{fates:?}");
    assert!(!upstream.lines().iter().any(|line| line.starts_with("MAIL")));
}

fn login(mechanism: Mechanism, user: &str, password: &str) -> Login {
    let messages = match mechanism {
        Mechanism::Plain => vec![format!("\0{user}\0{password}").into_bytes()],
        Mechanism::Login => vec![user.as_bytes().to_vec(), password.as_bytes().to_vec()],
        Mechanism::OAuthBearer => vec![format!("n,a={user},\x01auth=Bearer {password}\x01\x01").into_bytes()],
        Mechanism::XOAuth2 => vec![format!("user={user}\x01auth=Bearer {password}\x01\x01").into_bytes()],
    };
    Login { mechanism, user: user.to_owned(), messages }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_judged_by_the_server_and_its_connection_is_lent_to_nobody() {
    let ehlo = "PIPELINING\n8BITMIME\nAUTH PLAIN LOGIN OAUTHBEARER XOAUTH2";
    let upstream = FakeUpstream::with(Behaviour { ehlo, demands_login: true, ..Behaviour::default() });
    let relay = relay(vec![at(upstream.port, 10)], Vec::new());
    assert_eq!(relay.offer(&Limits::default()).await.auth, ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]);
    for (session, mechanism) in
        [(1, Mechanism::Plain), (2, Mechanism::Login), (3, Mechanism::OAuthBearer), (4, Mechanism::XOAuth2)]
    {
        let refused = relay.log_in(session, login(mechanism, "clerk@city.example.jp", "wrong")).await;
        assert_eq!(refused.code, 535, "{mechanism:?}");
        assert_eq!(refused.lines, [&b"5.7.8 the fake says no"[..], b"5.7.8 ask the desk"], "{mechanism:?}");
        assert_eq!(relay.transact_for(session, letter(&["a@mail.test"])).await, Err(LogInAgain), "{mechanism:?}");
    }
    assert_eq!(relay.log_in(1, login(Mechanism::Plain, "clerk@city.example.jp", PASSWORD)).await.code, 235);
    assert_eq!(relay.log_in(4, login(Mechanism::XOAuth2, "boss@city.example.jp", PASSWORD)).await.code, 235);
    for _ in 0..4 {
        assert_eq!(codes(&relay.transact_for(1, letter(&["a@mail.test"])).await.unwrap()), ["250"]);
    }
    let taken = upstream.taken();
    assert!(taken.iter().all(|mail| mail.login.as_deref() == Some("clerk@city.example.jp")));
    assert!(taken.iter().all(|mail| mail.connection == taken[0].connection), "one connection for the whole session");
    // The upstream's check of senders applies, and its words come back.
    let fates = relay.transact_for(4, letter(&["a@mail.test"])).await.unwrap();
    assert!(matches!(&fates[0], Fate::Refused(reply) if reply.code == 553 && reply.lines.len() == 2), "{fates:?}");
    // Mails without a session never use these connections.
    assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["r530"]);
    // The connection dies: without a login of our own the client has to come again.
    upstream.fault("RSET", Fault::Drop);
    upstream.fault("MAIL", Fault::Drop);
    assert_eq!(relay.transact_for(1, letter(&["a@mail.test"])).await, Err(LogInAgain));
    relay.end_session(4);
    assert_eq!(relay.transact_for(4, letter(&["a@mail.test"])).await, Err(LogInAgain));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_does_not_rest_a_good_server() {
    let ehlo = "PIPELINING\n8BITMIME\nAUTH PLAIN";
    let clear = |servers, log_in_clear| {
        let patience = Patience { command: SHORT, ..Patience::default() };
        Relay::new(Options { patience, log_in_clear, ..options(servers, Vec::new()) }).unwrap()
    };
    for (fault, log_in_clear, code) in [
        // No server may be told a password in clear.
        (None, false, 454),
        (Some(Fault::Drop), true, 235),
        (Some(Fault::Reset), true, 235),
        (Some(Fault::Silence), true, 235),
        (Some(Fault::Say("334 ")), true, 235),
        (Some(Fault::Say("421 4.7.0 too many failed logins")), true, 235),
        (Some(Fault::SayAndDrop("421 4.7.0 too many failed logins")), true, 235),
    ] {
        let [first, second] = [0, 0].map(|_| FakeUpstream::with(Behaviour { ehlo, ..Behaviour::default() }));
        if let Some(fault) = fault {
            first.fault("AUTH", fault);
        }
        let relay = clear(vec![at(first.port, 10), at(second.port, 20)], log_in_clear);
        let reply = relay.log_in(1, login(Mechanism::Plain, "clerk@city.example.jp", PASSWORD)).await;
        assert_eq!((reply.code, first.faults_left()), (code, 0), "{fault:?}");
        // The next mail still goes to the first one.
        assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["250"], "{fault:?}");
        assert_eq!((first.taken().len(), second.taken().len()), (1, 0), "{fault:?}");
        relay.close().await;
    }
    let verified = || server(Place::Host { host: "127.0.0.1".to_owned(), port: 9 }, 10, Policy::Verify);
    for (servers, log_in_clear, carries) in
        [(vec![at(9, 10)], false, false), (vec![at(9, 10)], true, true), (vec![at(9, 10), verified()], false, true)]
    {
        assert_eq!(clear(servers, log_in_clear).carries_logins(), carries);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_login_stands_in_for_a_session_that_died() {
    let upstream =
        FakeUpstream::with(Behaviour { ehlo: "8BITMIME\nAUTH LOGIN", demands_login: true, ..Behaviour::default() });
    let own = Server { credentials: Some(("guard".to_owned(), PASSWORD.to_owned())), ..at(upstream.port, 10) };
    let relay = relay(vec![own], Vec::new());
    assert_eq!(relay.log_in(1, login(Mechanism::Login, "clerk@city.example.jp", PASSWORD)).await.code, 235);
    assert_eq!(relay.log_in(2, login(Mechanism::Plain, "clerk@city.example.jp", PASSWORD)).await.code, 504);
    upstream.fault("MAIL", Fault::Drop);
    assert_eq!(codes(&relay.transact_for(1, letter(&["a@mail.test"])).await.unwrap()), ["250"]);
    assert_eq!(upstream.taken()[0].login.as_deref(), Some("guard"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_hangs_is_given_up_in_the_time_that_is_set() {
    let upstream = FakeUpstream::start(picky);
    let relay = relay(vec![at(upstream.port, 10)], Vec::new());
    upstream.fault("MAIL", Fault::Silence);
    let started = Instant::now();
    assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["d451"]);
    assert!((Duration::from_secs(1)..Duration::from_secs(20)).contains(&started.elapsed()), "{:?}", started.elapsed());
}
