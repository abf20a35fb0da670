//! Signatures by DKIM: the scripts that sign and verify for other tests, and the guard's own signatures as two verifiers of other people see them.
//! It refuses a key in the repository: openssl makes one for each run.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

use bytes::Bytes;
use sekisho::cli::demo::fixtures::letter::{Letter, Program};
use sekisho::cli::demo::incidents;
use sekisho::config::dkim::{KeyError, SigningKey};
use sekisho::seal::{Sealer, Signer};
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Keys {
    _folder: tempfile::TempDir,
    private: PathBuf,
    public: PathBuf,
}

fn keys() -> Keys {
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = (folder.path().join("private.pem"), folder.path().join("public.pem"));
    for arguments in [
        vec!["genrsa".as_ref(), "-traditional".as_ref(), "-out".as_ref(), private.as_os_str(), "2048".as_ref()],
        vec![
            "rsa".as_ref(),
            "-in".as_ref(),
            private.as_os_str(),
            "-pubout".as_ref(),
            "-out".as_ref(),
            public.as_os_str(),
        ],
    ] {
        let run = Command::new("openssl").args(arguments).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
    Keys { _folder: folder, private, public }
}

/// Runs a script with a mail on its standard input: did it succeed, and what did it write?
fn script(name: &str, arguments: &[&str], mail: &[u8]) -> (bool, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/incidents/dkim").join(name);
    // Debian's own interpreters: the packages are installed for them alone.
    let mut child = Command::new(if Path::new(name).extension() == Some("pl".as_ref()) {
        "/usr/bin/perl"
    } else {
        "/usr/bin/python3"
    })
    .arg(path)
    .args(arguments)
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    child.stdin.take().unwrap().write_all(mail).unwrap();
    let run = child.wait_with_output().unwrap();
    (run.status.success(), run.stdout)
}

#[test]
fn a_signature_holds_until_a_byte_changes() {
    let keys = keys();
    let (private, public) = (keys.private.to_str().unwrap(), keys.public.to_str().unwrap());
    let verifies = |mail: &[u8]| script("verify.py", &[public], mail).0;
    for id in ["signature", "invoice", "meeting"] {
        let incident = incidents::must_pass().into_iter().find(|incident| incident.id == id).unwrap();
        for mail in &incident.mails {
            let (signed, bytes) = script("sign.py", &[private, "demo", "city.example.jp"], &mail.data);
            assert!(signed && bytes.starts_with(b"DKIM-Signature:") && bytes.ends_with(&mail.data), "{id}");
            assert!(verifies(&bytes), "{id}");
            let received =
                [b"Received: from a.example.jp by b.example.jp; Tue, 19 Sep 2023 16:12:00 +0900\r\n", &bytes[..]]
                    .concat();
            assert!(verifies(&received), "{id}: a field on top breaks nothing");
            assert!(!verifies(&mail.data), "{id}: there is no signature");
            let mut longer = bytes.clone();
            longer.extend_from_slice(b"x\r\n");
            assert!(!verifies(&longer), "{id}: a longer body breaks it");
            let subject = bytes.windows(9).rposition(|window| window == b"\nSubject:").unwrap();
            let mut respaced = bytes.clone();
            respaced.insert(subject + 9, b' ');
            assert!(!verifies(&respaced), "{id}: one blank in a signed field breaks it");
        }
    }
}

/// Arguments of openssl with the file to write: before the others, since the number of bits comes last.
fn made<'a>(arguments: &'a [&'a str], path: &'a OsStr) -> Vec<&'a OsStr> {
    let (command, rest) = arguments.split_first().unwrap();
    [OsStr::new(command), OsStr::new("-out"), path].into_iter().chain(rest.iter().map(OsStr::new)).collect()
}

/// A key in PEM by openssl, with its public half in a second file.
fn pair(folder: &Path, name: &str, arguments: &[&str]) -> (SigningKey, PathBuf) {
    let (private, public) = (folder.join(name), folder.join(format!("{name}.pub")));
    for arguments in [
        made(arguments, private.as_os_str()),
        vec![
            "pkey".as_ref(),
            "-in".as_ref(),
            private.as_os_str(),
            "-pubout".as_ref(),
            "-out".as_ref(),
            public.as_os_str(),
        ],
    ] {
        let run = Command::new("openssl").args(arguments).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
    (SigningKey::from_pem(&fs::read(&private).unwrap()).unwrap(), public)
}

fn sealed(signers: Vec<Signer>, mail: &[u8]) -> Vec<u8> {
    // Cut in the middle of the header, as a rewritten mail is.
    let whole = Bytes::copy_from_slice(mail);
    let pieces = vec![whole.slice(..mail.len() / 7), whole.slice(mail.len() / 7..)];
    Sealer::new(None, signers).seal(pieces, None, &[], 1_790_000_000_000).unwrap().concat()
}

#[test]
fn our_own_signatures_hold_for_other_verifiers_until_a_byte_changes() {
    let folder = tempfile::tempdir().unwrap();
    let pkcs1 = pair(folder.path(), "pkcs1", &["genrsa", "-traditional"]);
    let pkcs8 = pair(folder.path(), "pkcs8", &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let edwards = pair(folder.path(), "ed25519", &["genpkey", "-algorithm", "ED25519"]);
    let programs = [Program::Outlook, Program::Gmail, Program::Becky];
    for (program, (key, public)) in programs.into_iter().zip([&pkcs1, &pkcs8, &edwards]) {
        let mail = Letter::new(
            program,
            ("広報 山内", "koho@city.example.jp"),
            "Tue, 19 Sep 2023 16:12:00 +0900",
            "件名  二つの空白",
        )
        .to(["樋口 <higuchi@print.example.com>", "b@x.test"])
        .text("樋口様\n\n  字下げ  と  空白 \n.点\n\n\n")
        .attach("notes.txt", b"one \r\n.two\t\r\n\r\n".repeat(200))
        .finish()
        .data;
        let out = sealed(vec![Signer::new("city.example.jp", "own", key.clone())], &mail);
        assert!(out.starts_with(b"DKIM-Signature: v=1; a=") && out.ends_with(&mail), "{program:?}");
        let head = String::from_utf8_lossy(&out[..out.len() - mail.len()]).into_owned();
        assert!(head.split("\r\n").all(|line| line.len() <= 80), "{head}");
        let public = public.to_str().unwrap();
        let verifies = |mail: &[u8]| script("verify.py", &[public], mail).0;
        // The perl module knows RSA alone.
        assert!(key.algorithm() != "rsa-sha256" || script("verify.pl", &[public], &out).0, "{program:?}: {head}");
        assert!(verifies(&out), "{program:?}: {head}");
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(verifies(&[b"Received: from a by b; Tue, 19 Sep 2023 16:12:00 +0900\r\n", &out[..]].concat()));
        for (from, into) in [
            ("\nTo:", "\nTo: c@x.test\r\nTo:"),
            ("\nSubject:", "\nSubject: x\r\nSubject:"),
            ("\nFrom:", "\nFrom: c@x.test\r\nFrom:"),
            ("\nSubject:", "\nCc: c@x.test\r\nSubject:"),
            ("higuchi@", "higuchl@"),
            ("t=1790000000", "t=1790000001"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(!verifies(text.replacen(from, into, 1).as_bytes()), "{program:?}: {into}");
        }
        assert!(!verifies(&[&out[..], b"x\r\n"].concat()));
        // Blanks at line ends and folds are what relays may change.
        assert!(verifies(text.replacen("\nSubject: ", "\nSubject:\t ", 1).as_bytes()));
        // Signed once is enough.
        assert_eq!(sealed(vec![Signer::new("city.example.jp", "own", key.clone())], &out), out);
    }
}

#[test]
fn the_key_of_the_authors_domain_signs_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (rsa, rsa_public) = pair(folder.path(), "rsa", &["genrsa", "2048"]);
    let (edwards, edwards_public) = pair(folder.path(), "ed25519", &["genpkey", "-algorithm", "ED25519"]);
    let signers = || {
        vec![
            Signer::new("City.example.jp", "s1", rsa.clone()),
            Signer::new("city.example.jp", "s2", edwards.clone()),
            Signer::new("日本.example", "s3", rsa.clone()),
        ]
    };
    for (from, count, domain) in [
        ("From: a@CITY.example.jp", 2, "d=city.example.jp;"),
        ("From: a@dept.city.example.jp", 2, "d=city.example.jp;"),
        ("From: =?utf-8?q?a=40city.example.jp?= <a@日本.example>", 1, "d=xn--wgv71a.example;"),
        ("From: a@notcity.example.jp", 0, ""),
        ("From: a@example.jp", 0, ""),
        ("From: a@x.test\r\nFrom: a@city.example.jp", 0, ""),
        ("Sender: a@city.example.jp", 0, ""),
        ("From: a@city.example.jp\r\nDKIM-Signature: v=1; d = City.Example.JP; b=x", 0, ""),
        (
            "From: a@city.example.jp\r\nDKIM-Signature: v=1; d=other.example; i=d=city.example.jp",
            2,
            "d=city.example.jp;",
        ),
    ] {
        let out =
            String::from_utf8(sealed(signers(), format!("{from}\r\nTo: b@x.test\r\n\r\nbody\r\n").as_bytes())).unwrap();
        assert_eq!(out.matches("bh=").count(), count, "{from}: {out}");
        assert!(out.contains(domain), "{from}: {out}");
    }
    let both = sealed(signers(), b"From: a@city.example.jp\r\nTo: b@x.test\r\nSubject: s\r\nDate: x\r\n\r\n");
    let second = format!("s2={}", edwards_public.to_str().unwrap());
    assert!(script("verify.py", &[rsa_public.to_str().unwrap(), &second], &both).0, "an empty body, two signatures");
}

#[test]
fn what_is_no_key_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, error) in [
        (&["genrsa", "1024"][..], KeyError::Unusable),
        (&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], KeyError::Unusable),
    ] {
        let path = folder.path().join("key");
        let run = Command::new("openssl").args(made(arguments, path.as_os_str())).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        assert_eq!(SigningKey::from_pem(&fs::read(&path).unwrap()).err(), Some(error), "{arguments:?}");
    }
    for text in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert_eq!(SigningKey::from_pem(text.as_bytes()).err(), Some(KeyError::NoPem), "{text}");
    }
}
