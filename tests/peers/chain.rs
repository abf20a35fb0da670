//! TLS from end to end between mail servers, and an offer that is never more than the server behind can take.
//! It refuses to send anything in clear text where the configuration asks for a verified server.

use crate::client::{letter, owned, send};
use crate::fake_upstream::{Behaviour, FakeUpstream, yes};
use crate::guard::{Guard, Setup, wait};
use crate::postfix::Postfix;
use crate::sink::{Sink, header};
use crate::tls;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

const SENDER: &str = "clerk@city.example.jp";

/// `tls = "verify"` for a server with this name.
fn verified(name: &str) -> String {
    format!("tls = \"verify\"\nname = \"{name}\"\nca = \"behind.pem\"")
}

#[test]
fn mail_goes_from_server_to_server_over_tls() {
    let sink = Sink::start();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = tls::certificate(dir.path(), "mail.example.jp", "behind");
    let behind = Postfix::start(
        sink.port(),
        &format!(
            "smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\nsmtpd_tls_received_header = yes",
            certificate.display(),
            key.display()
        ),
    )
    .unwrap();
    let guard = |relay: &str| {
        let listener = "tls = \"starttls\"\nrequire_tls = true";
        let mut guard = Guard::prepare(&Setup { listener, relay, more: tls::SECTION, ..Setup::before(behind.port) });
        tls::certificate(&guard.path(""), "guard.example.jp", "guard");
        std::fs::copy(&certificate, guard.path("behind.pem")).unwrap();
        guard.launch();
        guard
    };
    let right = guard(&verified("localhost"));
    let front = Postfix::start(right.smtp, "smtp_tls_security_level = encrypt").unwrap();
    let to = owned(&["one@mail.test"]);
    assert_eq!(send(front.port, SENDER, &to, &letter(SENDER, &to, 1)), Some(250));
    let arrived = sink.wait_for(SENDER, 1).remove(0).data;
    let top = String::from_utf8_lossy(header(&arrived)).into_owned();
    assert!(top.contains("(using TLSv1.3 with cipher "), "the guard spoke TLS to the server behind:\n{top}");
    assert!(top.contains("(sekisho) with ESMTPS id "), "the server in front spoke TLS to the guard:\n{top}");

    // Another name is in the certificate than the one that is asked for: nothing leaves, and the mail stays in front.
    let wrong = guard(&verified("elsewhere.example.jp"));
    let front = Postfix::start(wrong.smtp, "smtp_tls_security_level = encrypt").unwrap();
    assert_eq!(send(front.port, SENDER, &to, &letter(SENDER, &to, 2)), Some(250));
    wait("Postfix to be put off", || front.log().contains("said: 451").then_some(()));
    assert_eq!(front.queued(), 1);
    assert!(wrong.log().contains("start TLS with the mail server"), "{}", wrong.log());
    assert_eq!(sink.from(SENDER).len(), 1);
}

#[test]
fn a_server_that_demands_a_certificate_is_shown_ours() {
    let sink = Sink::start();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = tls::certificate(dir.path(), "mail.example.jp", "behind");
    let (own, own_key) = tls::certificate(dir.path(), "guard.example.jp", "own");
    let demanding = format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\nsmtpd_tls_req_ccert = yes\n\
         smtpd_tls_CAfile = {}\nsmtpd_tls_loglevel = 1",
        certificate.display(),
        key.display(),
        own.display()
    );
    let behind = Postfix::start(sink.port(), &demanding).unwrap();
    let shown = format!("certificate = \"{}\"\nkey = \"{}\"", own.display(), own_key.display());
    let to = owned(&["one@mail.test"]);
    for (number, more, code) in [(1, "", 451), (2, shown.as_str(), 250)] {
        let guard = Guard::start(&Setup { relay: &format!("tls = \"encrypt\"\n{more}"), ..Setup::before(behind.port) });
        assert_eq!(send(guard.smtp, SENDER, &to, &letter(SENDER, &to, number)), Some(code), "{}", guard.log());
    }
    sink.wait_for(SENDER, 1);
    assert!(behind.log().contains("Trusted TLS connection established from"), "{}", behind.log());
}

#[test]
fn who_asks_to_hear_of_success_hears_it_from_the_last_that_can_tell() {
    let first = FakeUpstream::start(yes);
    let port = first.port;
    let guard = Guard::start(&Setup::before(port));
    let stream = TcpStream::connect(("127.0.0.1", guard.smtp)).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let mut say = |line: &str, end: &str| {
        (&stream).write_all(format!("{line}\r\n").as_bytes()).unwrap();
        replies.find(|reply| reply.starts_with(end)).unwrap()
    };
    say("EHLO client.example.jp", "250 ");
    // The server that would have told the sender is replaced by one that cannot (RFC 3461 5.2.2).
    drop(first);
    let second = wait("the port", || {
        let at = ([127, 0, 0, 1], port).into();
        std::net::TcpListener::bind(at).ok().map(drop)?;
        Some(FakeUpstream::with(Behaviour { at, ehlo: "PIPELINING\nSIZE 104857600\n8BITMIME", ..Behaviour::default() }))
    });
    say(&format!("MAIL FROM:<{SENDER}> ENVID=QQ314159"), "250 ");
    say("RCPT TO:<one@mail.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;uno@mail.test", "250 ");
    say("RCPT TO:<two@mail.test>", "250 ");
    say("DATA", "354 ");
    say("From: <clerk@city.example.jp>\r\nTo: <one@mail.test>\r\nSubject: x\r\n\r\nx\r\n.", "250 ");
    let mail = second.wait_for("one@mail.test");
    assert!(!mail.rcpt.iter().any(|line| line.contains("NOTIFY")), "{:?}", mail.rcpt);
    let report = String::from_utf8(second.wait_for(SENDER).data).unwrap();
    for line in [
        "Original-Envelope-Id: QQ314159",
        "Original-Recipient: rfc822; uno@mail.test",
        "Final-Recipient: rfc822; one@mail.test",
        "Action: relayed",
        "Status: 2.",
    ] {
        assert!(report.contains(line), "{line}:\n{report}");
    }
    assert!(!report.contains("two@mail.test"), "who did not ask is not told of:\n{report}");
}

/// The keywords in the answer to EHLO.
fn offered(port: u16) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"EHLO client.example.jp\r\nQUIT\r\n").unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap).filter(|line| line.starts_with("250"));
    let mut keywords: Vec<String> = lines.skip(1).map(|line| line[4..].to_owned()).collect();
    keywords.sort();
    keywords
}

#[test]
fn no_more_is_offered_than_the_server_behind_takes() {
    let sink = Sink::start();
    for (settings, expected) in [
        ("", vec!["8BITMIME", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "PIPELINING", "SIZE 10240000", "SMTPUTF8"]),
        (
            "message_size_limit = 100000\nsmtpd_discard_ehlo_keywords = dsn, smtputf8",
            vec!["8BITMIME", "CHUNKING", "ENHANCEDSTATUSCODES", "PIPELINING", "SIZE 100000"],
        ),
    ] {
        let behind = Postfix::start(sink.port(), settings).unwrap();
        let guard = Guard::start(&Setup::before(behind.port));
        assert_eq!(offered(guard.smtp), expected);
        let to = owned(&["one@mail.test"]);
        let mut large = letter(SENDER, &to, 1);
        large.extend_from_slice(&b"words of no meaning at all\r\n".repeat(10_000));
        let taken = settings.is_empty();
        // The client library announces no SIZE, so the mail is refused at its end.
        assert_eq!(send(guard.smtp, SENDER, &to, &large), Some(if taken { 250 } else { 552 }));
    }
}
