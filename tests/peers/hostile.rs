//! The guard under load that means harm: mails built to be dear, and hundreds of clients that do nothing or next to nothing.
//! It refuses to time anything on a busy machine; `tests/hostile` sets larger numbers and demands the times as well.

use crate::client::{letter, owned, send};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::guard::{Guard, PATIENCE, Setup, wait};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SENDER: &str = "clerk@city.example.jp";
const HEADER: &str = "From: <clerk@city.example.jp>\r\nTo: <one@mail.test>\r\nSubject: x\r\nMIME-Version: 1.0\r\n";

/// A number of the environment.
fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Are times demanded too?
fn strict() -> bool {
    std::env::var_os("SEKISHO_HOSTILE_STRICT").is_some()
}

/// The most memory that a process ever had, in MiB.
fn peak(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().map_or(0, |text| text.parse::<u64>().unwrap() / 1024)
}

/// Process ids of its workers.
fn workers(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The text of a mail as it goes over the wire, repeated pieces not yet written out: text, and how often.
type Pieces = Vec<(String, usize)>;

fn monsters() -> Vec<(&'static str, Pieces)> {
    let line = |text: &str| (format!("{text}\r\n"), 1);
    let mut nested = String::from(HEADER);
    for depth in 0..1_000 {
        let _ = write!(nested, "Content-Type: multipart/mixed; boundary=\"b{depth}\"\r\n\r\n--b{depth}\r\n");
    }
    let mut mails = String::from(HEADER);
    for _ in 0..1_000 {
        mails.push_str("Content-Type: message/rfc822\r\n\r\n");
    }
    let parts = format!("{HEADER}Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    vec![
        (
            "10 MB of header fields",
            vec![(HEADER.into(), 1), (format!("X-Long: {}\r\n", "x".repeat(990)), 10_000), line("")],
        ),
        (
            "one header field of 10 MB",
            vec![(HEADER.into(), 1), line("X-Long:"), (format!(" {}\r\n", "x".repeat(990)), 10_000), line("")],
        ),
        ("100,000 header lines", vec![(HEADER.into(), 1), ("X: y\r\n".into(), 100_000), line("")]),
        (
            "100,000 addresses in To",
            vec![("To:\r\n".into(), 1), (" someone@mail.test,\r\n".into(), 100_000), line(" x@mail.test"), line("")],
        ),
        (
            "100,000 encoded words in Subject",
            vec![(HEADER.into(), 1), line("Subject:"), (" =?utf-8?B?6Zai5omA?=\r\n".into(), 100_000), line("")],
        ),
        ("1,000 nested parts", vec![(nested, 1), line("Content-Type: text/plain"), line(""), line("inside")]),
        ("1,000 nested mails", vec![(mails, 1), line("Content-Type: text/plain"), line(""), line("inside")]),
        (
            "10,000 parts",
            vec![(parts.clone(), 1), ("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".into(), 10_000), line("--b--")],
        ),
        ("10,000 parts without content", vec![(parts, 1), ("--b\r\n\r\n".into(), 10_000), line("--b--")]),
        (
            "a line of 100 MB",
            vec![(HEADER.into(), 1), line(""), ("y".repeat(1_000_000), number("SEKISHO_HOSTILE_LINE", 55)), line("")],
        ),
    ]
}

struct Session {
    stream: TcpStream,
    input: BufReader<TcpStream>,
}

impl Session {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let input = BufReader::new(stream.try_clone().unwrap());
        let mut session = Self { stream, input };
        session.reply();
        session
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.input.read_line(&mut line).unwrap() > 0, "the guard closed the connection");
            if line.as_bytes()[3] != b'-' {
                return line.trim_end().to_owned();
            }
        }
    }

    fn command(&mut self, text: &str) -> String {
        self.stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// As far as 354.
    fn begin(port: u16) -> Self {
        let mut session = Self::open(port);
        for (command, code) in [
            ("EHLO c.test", "250"),
            ("MAIL FROM:<clerk@city.example.jp>", "250"),
            ("RCPT TO:<one@mail.test>", "250"),
            ("DATA", "354"),
        ] {
            let reply = session.command(command);
            assert!(reply.starts_with(code), "{command}: {reply}");
        }
        session
    }
}

#[test]
fn monsters_are_refused_or_held() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup::before(upstream.port));
    let pid = guard.pid();
    let mut slow = Vec::new();
    for (name, pieces) in monsters() {
        let mut session = Session::begin(guard.smtp);
        for (text, times) in &pieces {
            let at_once = (256 * 1024 / text.len()).clamp(1, *times);
            let block = text.repeat(at_once);
            for _ in 0..times / at_once {
                session.stream.write_all(block.as_bytes()).unwrap();
            }
            session.stream.write_all(text.repeat(times % at_once).as_bytes()).unwrap();
        }
        let begun = Instant::now();
        let reply = session.command(".");
        let took = begun.elapsed();
        let of_workers = workers(pid).iter().map(|pid| peak(pid)).max().unwrap_or(0);
        let own = peak(&pid.to_string());
        println!("{name}: {} ms, guard {own} MiB, largest worker {of_workers} MiB: {reply}", took.as_millis());
        assert!(
            reply.starts_with('4') || reply.starts_with('5') || reply.contains("kept for a decision"),
            "{name}: {reply}"
        );
        assert!(took < PATIENCE, "{name}: {took:?}");
        assert!(own < 400 && of_workers < 1_024, "{name}: guard {own} MiB, worker {of_workers} MiB");
        if took > Duration::from_secs(1) {
            slow.push(format!("{name}: {} ms", took.as_millis()));
        }
        session.command("QUIT");
    }
    assert!(upstream.taken_for("one@mail.test").is_empty(), "none of them left");
    assert!(slow.is_empty() || !strict(), "{slow:?}");
    let to = owned(&["two@mail.test"]);
    assert_eq!(send(guard.smtp, SENDER, &to, &letter(SENDER, &to, 1)), Some(250), "and then an ordinary one");
    upstream.wait_for("two@mail.test");
}

/// Sends ordinary mails one after the other over one connection; how long each took from MAIL to its answer, shortest first.
fn ordinary(port: u16, first: usize, mails: usize) -> Vec<Duration> {
    let mut session = Session::open(port);
    assert!(session.command("EHLO c.test").starts_with("250"));
    let mut took = Vec::new();
    for number in first..first + mails {
        let to = format!("p{number}@mail.test");
        let mail =
            String::from_utf8(letter(SENDER, std::slice::from_ref(&to), number)).unwrap().replace("\r\n.", "\r\n..");
        let begun = Instant::now();
        for (command, code) in [
            (format!("MAIL FROM:<{SENDER}>"), "250"),
            (format!("RCPT TO:<{to}>"), "250"),
            ("DATA".into(), "354"),
            (mail + ".", "250"),
        ] {
            let reply = session.command(&command);
            assert!(reply.starts_with(code), "{reply}");
        }
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took
}

fn percentile(sorted: &[Duration], part: usize) -> Duration {
    sorted[(sorted.len() * part / 100).min(sorted.len() - 1)]
}

#[test]
fn idle_and_slow_clients_do_not_hold_up_the_others() {
    let (idle, slow, mails) =
        (number("SEKISHO_HOSTILE_IDLE", 80), number("SEKISHO_HOSTILE_SLOW", 80), number("SEKISHO_HOSTILE_MAILS", 20));
    let upstream = FakeUpstream::start(yes);
    // One client leaves a quarter to the others.
    let limits = format!("[limits]\nconnections = {}", 2 * (idle + slow) + 20);
    let guard = Guard::start(&Setup { more: &limits, ..Setup::before(upstream.port) });
    ordinary(guard.smtp, 0, mails / 4 + 1);
    let alone = ordinary(guard.smtp, 1_000_000, mails);

    let resting: Vec<Session> = (0..idle).map(|_| Session::open(guard.smtp)).collect();
    let mut dripping: Vec<Session> = (0..slow).map(|_| Session::begin(guard.smtp)).collect();
    let over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&over);
    let drip = std::thread::spawn(move || {
        let text = format!("{HEADER}\r\n{}", "one octet after the other, and no end ".repeat(500));
        let mut sent = 0;
        for octet in text.as_bytes() {
            for session in &mut dripping {
                session.stream.write_all(&[*octet]).unwrap();
                sent += 1;
            }
            if until.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        (dripping, sent)
    });
    let crowded = ordinary(guard.smtp, 2_000_000, mails);
    over.store(true, Ordering::Relaxed);
    let (dripping, sent) = drip.join().unwrap();
    println!(
        "{mails} mails, alone: p50 {:?} p99 {:?}; with {idle} idle and {slow} slow clients ({sent} octets dripped): p50 {:?} p99 {:?}; guard {} MiB",
        percentile(&alone, 50),
        percentile(&alone, 99),
        percentile(&crowded, 50),
        percentile(&crowded, 99),
        peak(&guard.pid().to_string())
    );
    assert_eq!(crowded.len(), mails);
    assert!(!strict() || percentile(&crowded, 99) <= percentile(&alone, 99) * 2, "more than twice as slow");
    // Whoever is left unfinished leaves nothing behind.
    drop((resting, dripping));
    let to = owned(&["last@mail.test"]);
    wait("a free place", || (send(guard.smtp, SENDER, &to, &letter(SENDER, &to, 1)) == Some(250)).then_some(()));
    assert!(upstream.taken_for("one@mail.test").is_empty());
}
