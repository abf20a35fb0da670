//! Clients that are not wrong, or not wrong enough: all in one packet, octet by octet, half closed, line ends split, silent in the middle.
//! It refuses to lose a mail that was answered, or to take one that was not finished.

use crate::client::letter;
use crate::fake_upstream::{FakeUpstream, yes};
use crate::guard::{Guard, Setup, wait};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(crate::guard::PATIENCE)).unwrap();
    stream
}

/// The greeting.
fn greeted(port: u16) -> TcpStream {
    let mut stream = connect(port);
    let mut octet = [0];
    while octet != *b"\n" {
        stream.read_exact(&mut octet).unwrap();
    }
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    // A reset after the last reply is an end too.
    let _ = stream.read_to_end(&mut said);
    String::from_utf8(said).unwrap()
}

fn codes(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.as_bytes().get(3) != Some(&b'-')).map(|line| &line[..3]).collect()
}

/// A whole session for one recipient.
fn session(to: &str, number: usize) -> Vec<u8> {
    let from = "clerk@city.example.jp";
    let mail = String::from_utf8(letter(from, &[to.to_owned()], number)).unwrap().replace("\r\n.", "\r\n..");
    format!("EHLO c.test\r\nMAIL FROM:<{from}> BODY=8BITMIME\r\nRCPT TO:<{to}>\r\nDATA\r\n{mail}.\r\nQUIT\r\n")
        .into_bytes()
}

#[test]
fn however_a_session_is_cut_its_mail_arrives_once() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup::before(upstream.port));
    let all = ["250", "250", "250", "354", "250", "221"];

    // All in one packet, commands and text together (RFC 2920 3.1 forbids it behind DATA; programs do it).
    let mut stream = greeted(guard.smtp);
    stream.write_all(&session("packet@mail.test", 1)).unwrap();
    assert_eq!(codes(&rest(stream)), all);

    // The same, and the client closes its side at once, as netcat does.
    let mut stream = greeted(guard.smtp);
    stream.write_all(&session("half@mail.test", 2)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(codes(&rest(stream)), all);

    // Octet by octet.
    let mut stream = greeted(guard.smtp);
    for octet in session("octet@mail.test", 3) {
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!(codes(&rest(stream)), all);

    // Every line end split between CR and LF, and the last dot alone.
    let mut stream = greeted(guard.smtp);
    for piece in session("split@mail.test", 4).split_inclusive(|octet| *octet == b'\r') {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(codes(&rest(stream)), all);

    for (name, number) in [("packet", 1), ("half", 2), ("octet", 3), ("split", 4)] {
        let to = format!("{name}@mail.test");
        let taken = upstream.taken_for(&to);
        assert_eq!(taken.len(), 1, "{name}");
        assert!(taken[0].data.ends_with(&letter("clerk@city.example.jp", &[to], number)), "{name}");
    }
}

#[test]
fn what_was_not_finished_does_not_leave() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup::before(upstream.port));
    let whole = session("none@mail.test", 1);
    let dot = memchr::memmem::find(&whole, b"\r\n.\r\nQUIT").unwrap();
    // Cut within the text, before the dot, and between the dot and its line end.
    for end in [dot / 2, dot + 2, dot + 3, dot + 4] {
        let mut stream = greeted(guard.smtp);
        stream.write_all(&whole[..end]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(codes(&rest(stream)).iter().filter(|code| **code == "250").count() <= 3, "cut at {end}");
    }
    // A client that speaks before it is greeted is a robot (RFC 5321 3.1); it may be greeted or refused, but all of it or nothing happens.
    let mut stream = connect(guard.smtp);
    stream.write_all(&session("early@mail.test", 2)).unwrap();
    let said = rest(stream);
    let taken = codes(&said).last() == Some(&"221");
    assert_eq!(upstream.taken_for("early@mail.test").len(), usize::from(taken), "{said}");
    assert!(upstream.taken_for("none@mail.test").is_empty());
}

#[test]
fn swaks_finds_its_way_through_every_protocol_it_knows() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup::before(upstream.port));
    let port = guard.smtp.to_string();
    for (number, options) in
        [&["--protocol", "SMTP"][..], &["--protocol", "ESMTP"], &["--pipeline"], &["--data", "Subject: none\\n\\nx\\n"]]
            .iter()
            .enumerate()
    {
        let to = format!("swaks{number}@mail.test");
        let run = Command::new("swaks")
            .args([
                "--server",
                "127.0.0.1",
                "--port",
                &port,
                "--from",
                "clerk@city.example.jp",
                "--to",
                &to,
                "--timeout",
                "30",
            ])
            .args(*options)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(run.status.success(), "{options:?}: {}", String::from_utf8_lossy(&run.stdout));
        wait("the mail", || (upstream.taken_for(&to).len() == 1).then_some(()));
        let taken = upstream.wait_for(&to);
        let top = String::from_utf8_lossy(&taken.data).into_owned();
        let with = if options == &["--protocol", "SMTP"] { " with SMTP id " } else { " with ESMTP id " };
        assert!(top.contains(with), "{top}");
    }
}
