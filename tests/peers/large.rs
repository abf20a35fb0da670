//! A large mail to many, each with a copy of his own: the copies share what they have in common.
//! It refuses to guess: the kernel says how much memory the guard ever had.

use crate::client::{letter, send};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::guard::{Guard, Setup, wait};
use std::time::Duration;

const SENDER: &str = "clerk@city.example.jp";
const RULES: &str = r#"
[lists]
internal = ["example.jp", "*.example.jp"]

[[rule]]
id    = "each"
title = { en = "One by one", ja = "1通ずつ送ります" }
when  = { to = "each.test" }
then  = "individual"
"#;
const RECIPIENTS: usize = 30;
const MEBIBYTES: usize = 4;

/// The most memory that a process ever had, in MiB (proc(5), `VmHWM`).
fn most_memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[test]
fn copies_of_a_large_mail_share_its_bytes() {
    // All are slow, so that all copies are on their way together.
    let upstream = FakeUpstream::on(0, yes, Some(("each.test", Duration::from_secs(3))));
    let guard = Guard::start(&Setup { rules: Some(RULES), ..Setup::before(upstream.port) });
    let to: Vec<String> = (0..RECIPIENTS).map(|number| format!("p{number}@each.test")).collect();
    let mut data = letter(SENDER, &to, 1);
    let words = [&b"words of no meaning ".repeat(45)[..], b"\r\n"].concat();
    data.extend_from_slice(&words.repeat(MEBIBYTES * 1024 * 1024 / words.len()));
    let before = most_memory(guard.pid());
    assert_eq!(send(guard.smtp, SENDER, &to, &data), Some(250));
    wait("all copies", || (upstream.taken().len() == RECIPIENTS).then_some(()));
    for (number, address) in to.iter().enumerate() {
        let [copy] = upstream.taken_for(address).try_into().unwrap();
        let header = String::from_utf8_lossy(&copy.data[..2_000]).into_owned();
        assert!(header.contains(&format!("To: {address}\r\n")), "{number}: {header}");
        assert!(copy.data.len() > MEBIBYTES * 1024 * 1024 - 100 && copy.data.ends_with(&words));
    }
    let more = most_memory(guard.pid()) - before;
    assert!(more < RECIPIENTS * MEBIBYTES / 2, "{more} MiB for {RECIPIENTS} copies of {MEBIBYTES} MiB");
}
