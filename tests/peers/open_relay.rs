//! Strangers get nothing carried, in whatever form they ask; who may relay is decided for each listener by the address of the client.
//! It refuses to trust replies alone: the mail server behind must have seen nothing.

use crate::fake_upstream::{FakeUpstream, yes};
use crate::guard::{Guard, PATIENCE, Setup};
use crate::postfix::free_port;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// One client that says lines and reads whole replies.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(at: &str) -> Self {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { stream: BufReader::new(stream) };
        assert_eq!(client.reply(), 220);
        assert_eq!(client.say("EHLO stranger.test"), 250);
        client
    }

    fn say(&mut self, line: &str) -> u16 {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> u16 {
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 3, "the connection was closed");
            if line.as_bytes()[3] == b' ' {
                return line[..3].parse().unwrap();
            }
        }
    }

    /// A whole mail; the code that ended it.
    fn mail(&mut self, from: &str, to: &str) -> u16 {
        for line in [format!("MAIL FROM:{from}"), format!("RCPT TO:{to}"), "DATA".to_owned()] {
            let code = self.say(&line);
            if code >= 400 {
                return code;
            }
        }
        self.say(&format!("From: {from}\r\nTo: {to}\r\nSubject: relay\r\n\r\ntext\r\n."))
    }
}

#[test]
fn nobody_else_is_carried_in_whatever_form_he_asks() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup { listener: "allowed = [\"192.0.2.0/24\"]", ..Setup::before(upstream.port) });
    let at = format!("127.0.0.1:{}", guard.smtp);
    let forms: Vec<(&str, &str)> = include_str!("open-relay.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(char::is_whitespace).unwrap())
        .map(|(from, to)| (from, to.trim()))
        .collect();
    assert!(forms.len() >= 36, "{}", forms.len());
    for (from, to) in forms {
        let code = Client::connect(&at).mail(from, to);
        assert!((500..600).contains(&code), "MAIL FROM:{from} RCPT TO:{to} was answered {code}");
    }
    // Who is connected is seen on the connection; a stranger cannot say that he is somebody else.
    let mut client = Client::connect(&at);
    for claim in ["XCLIENT ADDR=192.0.2.1 NAME=inside.example.jp", "XFORWARD ADDR=192.0.2.1"] {
        let code = client.say(claim);
        assert!((500..600).contains(&code), "{claim} was answered {code}");
    }
    assert!(client.mail("<a@example.jp>", "<victim@out.test>") >= 500);
    assert!(upstream.taken().is_empty(), "{:?}", upstream.taken());
}

#[test]
fn each_listener_has_its_own_list_and_mapped_addresses_are_what_they_stand_for() {
    let upstream = FakeUpstream::start(yes);
    let (closed, both, six) = (free_port().unwrap(), free_port().unwrap(), free_port().unwrap());
    let more = format!(
        "[[listener]]\nlisten = \"127.0.0.1:{closed}\"\nallowed = []\n\
         [[listener]]\nlisten = \"[::]:{both}\"\nallowed = [\"127.0.0.0/8\"]\n\
         [[listener]]\nlisten = \"[::]:{six}\"\nallowed = [\"::1\"]\n"
    );
    let guard = Guard::start(&Setup { more: &more, ..Setup::before(upstream.port) });
    // A client of IPv4 on a socket of IPv6 comes as ::ffff:127.0.0.1 (RFC 4291 2.5.5.2).
    for (at, carried) in [
        (format!("127.0.0.1:{}", guard.smtp), true),
        (format!("127.0.0.1:{closed}"), false),
        (format!("127.0.0.1:{both}"), true),
        (format!("[::1]:{both}"), false),
        (format!("127.0.0.1:{six}"), false),
        (format!("[::1]:{six}"), true),
    ] {
        let code = Client::connect(&at).mail("<clerk@city.example.jp>", "<one@out.test>");
        assert_eq!(code < 300, carried, "{at}: {code}");
    }
    assert_eq!(upstream.taken().len(), 3);
}
