//! Two clients of other people, swaks and Python's smtplib: TLS both ways, pipelining, SMTPUTF8, DSN, 8BITMIME, and who may not relay.
//! It refuses to judge by the client alone: what the server behind was told is looked at, line by line.

use crate::client::{letter, owned};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::guard::{Guard, Setup};
use crate::tls;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs swaks; its transcript and exit code.
fn swaks(arguments: &[&str]) -> (String, i32) {
    let run =
        Command::new("swaks").args(arguments).args(["--timeout", "30"]).stdin(Stdio::null()).output().expect("swaks");
    (
        String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr),
        run.status.code().unwrap(),
    )
}

fn guard(upstream: u16, listener: &str) -> Guard {
    let mut guard = Guard::prepare(&Setup { listener, more: tls::SECTION, ..Setup::before(upstream) });
    tls::certificate(&guard.path(""), "guard.example.jp", "guard");
    guard.launch();
    guard
}

#[test]
fn swaks_speaks_tls_both_ways_and_pipelines() {
    let upstream = FakeUpstream::start(yes);
    for (listener, how, with) in [
        ("tls = \"starttls\"\nrequire_tls = true", "--tls", "ESMTPS"),
        ("tls = \"implicit\"", "--tls-on-connect", "ESMTPS"),
    ] {
        let guard = guard(upstream.port, listener);
        let to = format!("{}@mail.test", how.trim_start_matches('-'));
        let ca = guard.path("guard.pem");
        let port = guard.smtp.to_string();
        let plain = ["--server", "127.0.0.1", "--port", &port, "--from", "clerk@city.example.jp", "--to", &to];
        let verified = ["--tls-verify", "--tls-ca-path", ca.to_str().unwrap(), "--pipeline"];
        let (said, code) = swaks(&[&plain[..], &[how], &verified].concat());
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("TLS started"), "{said}");
        let taken = upstream.wait_for(&to);
        let top = String::from_utf8_lossy(&taken.data).into_owned();
        assert!(top.contains(&format!("(sekisho) with {with} id ")), "{top}");
        if how == "--tls" {
            // Pipelined together: all three commands before the first answer to them.
            let commands = said.find("MAIL FROM").unwrap()..said.find("DATA\n").unwrap();
            assert!(!said[commands].contains("<~  250"), "{said}");
            let (said, code) = swaks(&plain);
            assert_ne!(code, 0, "no mail in clear text: {said}");
            assert!(said.contains(" 530 5.7.0"), "{said}");
        }
    }
    assert_eq!(upstream.taken().len(), 2);
}

#[test]
fn swaks_from_elsewhere_may_not_relay() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup { listener: "allowed = [\"192.0.2.0/24\"]", ..Setup::before(upstream.port) });
    let port = guard.smtp.to_string();
    for to in ["a@mail.test", "b@example.jp"] {
        let (said, code) =
            swaks(&["--server", "127.0.0.1", "--port", &port, "--from", "clerk@city.example.jp", "--to", to]);
        assert_eq!(code, 24, "swaks says that no recipient was taken: {said}");
        assert!(said.contains(" 554 5.7.1 "), "{said}");
    }
    assert!(upstream.taken().is_empty());
}

/// Runs a program of a few lines in Python with these words and a mail on its standard input.
fn python(program: &str, words: &[&str], mail: &[u8]) -> Output {
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", program])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(mail).unwrap();
    child.wait_with_output().unwrap()
}

const CLIENT: &str = r"
import smtplib, ssl, sys
port, ca, sender, recipient, mail_options, rcpt_options = sys.argv[1:]
client = smtplib.SMTP('127.0.0.1', int(port), timeout=30)
client.starttls(context=ssl.create_default_context(cafile=ca))
client.ehlo()
print(sorted(client.esmtp_features))
client.sendmail(sender, [recipient], sys.stdin.buffer.read(), mail_options.split(), rcpt_options.split())
client.quit()
";

fn send(guard: &Guard, ca: &Path, from: &str, to: &str, mail: &str, rcpt: &str, data: &[u8]) {
    let port = guard.smtp.to_string();
    let run = python(CLIENT, &[&port, ca.to_str().unwrap(), from, to, mail, rcpt], data);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let offered = String::from_utf8_lossy(&run.stdout).into_owned();
    for keyword in ["8bitmime", "dsn", "enhancedstatuscodes", "pipelining", "size", "smtputf8"] {
        assert!(offered.contains(&format!("'{keyword}'")), "{keyword} in {offered}");
    }
    assert!(!offered.contains("starttls"), "not offered again within TLS: {offered}");
}

#[test]
fn parameters_are_carried_to_the_server_behind() {
    let upstream = FakeUpstream::start(yes);
    let guard = guard(upstream.port, "tls = \"starttls\"");
    let ca = guard.path("guard.pem");
    let from = "clerk@city.example.jp";

    let to = "dsn@mail.test";
    let data = letter(from, &owned(&[to]), 1);
    let (ret, notify) =
        ("RET=HDRS ENVID=QQ+2B314159", "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;first+2Bdsn@mail.test");
    send(&guard, &ca, from, to, &format!("BODY=8BITMIME {ret}"), notify, &data);
    let taken = upstream.wait_for(to);
    for word in ret.split(' ').chain(["BODY=8BITMIME"]) {
        assert!(taken.mail.split(' ').any(|other| other == word), "{word} in {}", taken.mail);
    }
    assert!(taken.mail.starts_with("MAIL FROM:<clerk@city.example.jp> "), "{}", taken.mail);
    assert_eq!(taken.rcpt, [format!("RCPT TO:<{to}> {notify}")]);
    assert!(taken.data.ends_with(&data), "eight bits and the dots in front arrive as they were");

    let (from, to) = ("窓口@city.example.jp", "利用者@mail.test");
    let data = letter(from, &owned(&[to]), 2);
    send(&guard, &ca, from, to, "SMTPUTF8 BODY=8BITMIME", "NOTIFY=NEVER", &data);
    let taken = upstream.wait_for(to);
    assert!(taken.mail.starts_with("MAIL FROM:<窓口@city.example.jp> "), "{}", taken.mail);
    assert!(taken.mail.split(' ').any(|word| word == "SMTPUTF8"), "{}", taken.mail);
    assert_eq!(taken.rcpt, [format!("RCPT TO:<{to}> NOTIFY=NEVER")]);
    let top = String::from_utf8_lossy(&taken.data).into_owned();
    assert!(top.contains("(sekisho) with UTF8SMTPS id "), "{top}");
    assert!(taken.data.ends_with(&data));
}
