//! Clean mails signed with DKIM pass byte for byte: straight, and behind a Postfix, which adds a field of its own.
//! It refuses to trust one proof: the bytes are compared, and dkimpy and Mail::DKIM verify what arrived.

use crate::client::send;
use crate::guard::{Guard, Setup};
use crate::postfix::Postfix;
use crate::sink::{Sink, without_received};
use sekisho::cli::demo::fixtures::letter::{Letter, Program};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn openssl(arguments: &[&str]) {
    let run = Command::new("openssl").args(arguments).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

pub fn keys(dir: &Path) -> (PathBuf, PathBuf) {
    let (private, public) = (dir.join("private.pem"), dir.join("public.pem"));
    openssl(&["genrsa", "-traditional", "-out", private.to_str().unwrap(), "2048"]);
    openssl(&["rsa", "-in", private.to_str().unwrap(), "-pubout", "-out", public.to_str().unwrap()]);
    (private, public)
}

/// Runs a script of the folder for DKIM with a mail on its standard input: did it succeed, and what did it write?
pub fn script(name: &str, arguments: &[&str], mail: &[u8]) -> (bool, Vec<u8>) {
    run("/usr/bin/python3", name, arguments, mail)
}

/// Does every signature hold for the second verifier, Mail::DKIM?
pub fn perl(public: &str, mail: &[u8]) -> bool {
    run("/usr/bin/perl", "verify.pl", &[public], mail).0
}

fn run(program: &str, name: &str, arguments: &[&str], mail: &[u8]) -> (bool, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/incidents/dkim").join(name);
    let mut child =
        Command::new(program).arg(path).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(mail).unwrap();
    let run = child.wait_with_output().unwrap();
    (run.status.success(), run.stdout)
}

#[test]
fn a_signed_mail_passes_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (private, public) = keys(dir.path());
    let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
    let sink = Sink::start();
    let guard = Guard::start(&Setup::before(sink.port()));
    let front = Postfix::start(guard.smtp, "").unwrap();
    let programs = [Program::Outlook, Program::Gmail, Program::Thunderbird, Program::Becky, Program::Telephone];
    for (number, program) in programs.into_iter().enumerate() {
        for (port, hops) in [(guard.smtp, 1), (front.port, 2)] {
            let sender = format!("koho{number}{hops}@city.example.jp");
            let mail =
                Letter::new(program, ("広報 山内", &sender), "Tue, 19 Sep 2023 16:12:00 +0900", "広報紙の紙質について")
                    .to(["樋口 <higuchi@print.example.com>"])
                    .text("樋口様\n\nいつもお世話になっております。\n.先頭に点のある行\n\n広報 山内\n")
                    .attach("notes.txt", b"one\r\n.two\r\n".repeat(500))
                    .finish();
            let (done, signed) = script("sign.py", &[private, "demo", "city.example.jp"], &mail.data);
            assert!(done && signed.starts_with(b"DKIM-Signature:"));
            assert_eq!(send(port, &sender, &mail.recipients, &signed), Some(250), "{program:?} over {hops}");
            let arrived = sink.wait_for(&sender, 1).remove(0).data;
            assert!(without_received(&arrived, hops) == signed, "{program:?} over {hops}: every byte is as it was");
            assert!(script("verify.py", &[public], &arrived).0, "{program:?} over {hops}: the signature holds");
            assert!(perl(public, &arrived), "{program:?} over {hops}: and so says the second verifier");
            let mut changed = arrived.to_vec();
            changed.extend_from_slice(b"x\r\n");
            assert!(!script("verify.py", &[public], &changed).0, "and a change would have broken it");
        }
    }
}
