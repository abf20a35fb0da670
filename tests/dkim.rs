//! The two DKIM scripts by which other tests prove that a clean mail passes byte for byte: they sign, they verify, they notice a change.
//! It refuses a key in the repository: openssl makes one for each run.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

use sekisho::cli::demo::incidents;
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
    // Debian's own interpreter: python3-dkim is installed for it alone.
    let mut child = Command::new("/usr/bin/python3")
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
