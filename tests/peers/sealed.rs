//! What the guard puts on top of mails that leave: its own signatures after a rewriting, and the stamp by which a mail that comes back is known.
//! It refuses to take the guard's word: two verifiers that are not ours read the signatures, and the stamp is tried from outside.

use crate::client::{owned, send};
use crate::guard::{Guard, Setup, wait};
use crate::signed::{keys, perl, script};
use crate::sink::{Sink, header, text};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const RULES: &str = r#"
[lists]
internal = ["city.example.jp"]

[[rule]]
id    = "many"
title = { en = "Many outside addresses", ja = "多数の宛先" }
when  = { visible_external = ">= 2" }
then  = { bcc = true }

[[rule]]
id    = "ask"
title = { en = "Asks the sender", ja = "差出人に確認" }
when  = { subject = "secret" }
then  = { hold = "sender", repairs = ["as_is", "cancel"] }
"#;

const BODY: &str = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n会議の  件です。\r\n.dot\r\n\r\n";

fn mail(sender: &str, to: &str, subject: &str) -> Vec<u8> {
    format!("From: 広報 <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Tue, 19 Sep 2023 16:12:00 +0900\r\nMessage-ID: <{sender}.{subject}>\r\n{BODY}")
        .into_bytes()
}

/// A guard with a signing key and a stamp, both in files of its own folder.
fn guard(upstream: u16) -> (Guard, tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let (private, public) = keys(dir.path());
    let secret = dir.path().join("stamp.key");
    fs::write(&secret, "0123456789abcdef0123456789abcdef\n").unwrap();
    for file in [&private, &secret] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let more = format!(
        "[[dkim]]\ndomain = \"city.example.jp\"\nselector = \"own\"\nkey = \"{}\"\n[stamp]\nenabled = true\nkey_file = \"{}\"\n",
        private.display(),
        secret.display()
    );
    let guard = Guard::start(&Setup { rules: Some(RULES), more: &more, ..Setup::before(upstream) });
    (guard, dir, public.to_str().unwrap().to_owned())
}

#[test]
fn a_rewritten_mail_is_signed_anew_and_a_signed_one_is_left_alone() {
    let sink = Sink::start();
    let (guard, dir, public) = guard(sink.port());
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let (other, other_public) = keys(&foreign);
    let (other, other_public) = (other.to_str().unwrap(), other_public.to_str().unwrap());
    for (sender, to, signer, expected, key) in [
        ("rewritten@city.example.jp", "a@x.test, b@y.test", Some("city.example.jp"), 1, &*public),
        ("clean@city.example.jp", "a@x.test", Some("city.example.jp"), 1, other_public),
        ("unsigned@city.example.jp", "a@x.test", None, 1, &*public),
        ("stranger@city.example.com", "a@x.test", None, 0, &*public),
    ] {
        let mut data = mail(sender, to, "hello");
        if let Some(domain) = signer {
            data = script("sign.py", &[other, "theirs", domain], &data).1;
        }
        assert_eq!(send(guard.smtp, sender, &owned(&["a@x.test", "b@y.test"]), &data), Some(250), "{sender}");
        let arrived = sink.wait_for(sender, 1).remove(0).data;
        let head = String::from_utf8_lossy(header(&arrived)).into_owned();
        assert_eq!(head.matches("DKIM-Signature:").count(), expected, "{sender}: {head}");
        assert_eq!(head.contains("undisclosed-recipients"), to.contains(','), "{sender}: {head}");
        if expected > 0 {
            assert!(script("verify.py", &[key], &arrived).0, "{sender}: {head}");
            assert!(perl(key, &arrived), "{sender}: {head}");
            // Our own signature leaves no room for a second To; that of the script does.
            let second =
                if key == other_public { ("\nTo: a", "\nTo: c") } else { ("\nTo: ", "\nTo: c@z.test\r\nTo: ") };
            for (from, into) in [second, ("hello", "Hello"), (".dot", ".dots")] {
                let changed = String::from_utf8(arrived.to_vec()).unwrap().replacen(from, into, 1);
                assert!(!script("verify.py", &[key], changed.as_bytes()).0, "{sender}: {into}");
            }
        }
    }
}

#[test]
fn a_mail_that_comes_back_with_its_stamp_is_not_asked_about_again() {
    let sink = Sink::start();
    let (guard, _dir, _) = guard(sink.port());
    let (sender, to) = ("loop@city.example.jp", owned(&["a@x.test", "hidden@y.test"]));
    let first = mail(sender, "a@x.test", "secret");
    assert_eq!(send(guard.smtp, sender, &to, &first), Some(250));
    let id = wait("the held mail", || guard.held().pop()).0;
    assert!(guard.command(&["held", "release", &id]).status.success());
    let stamped = sink.wait_for(sender, 1).remove(0).data;
    let head = String::from_utf8_lossy(header(&stamped)).into_owned();
    assert_eq!(head.matches("X-Sekisho-Checked: v1;").count(), 1, "{head}");
    assert!(!head.contains("hidden@") && stamped.ends_with(BODY.as_bytes()));

    // As a cloud hands it back: with fields of its own, for one recipient at a time.
    let back = [
        b"Received: from cloud.test by edge.test; Tue, 19 Sep 2023 16:13:00 +0900\r\nX-MS-Exchange-Organization-SCL: -1\r\nARC-Seal: i=1; a=x\r\n",
        &stamped[..],
    ]
    .concat();
    for (number, recipient) in to.iter().enumerate() {
        assert_eq!(send(guard.smtp, sender, std::slice::from_ref(recipient), &back), Some(250));
        let arrived = sink.wait_for(sender, number + 2).pop().unwrap().data;
        assert!(arrived.ends_with(&back), "it passes as it is, below one field: {}", text(&arrived));
        assert!(guard.held().is_empty());
    }
    // For somebody else, with another content, or with a stamp of somebody's own making it is asked about like any other.
    let changed = String::from_utf8(back.clone()).unwrap().replace("会議の", "極秘の");
    let forged = [
        b"X-Sekisho-Checked: v1; t=1790000000; mac=AAAAAAAAAAAAAAAAAAAAAA; r=AAAAAAAAAAA\r\n",
        &mail(sender, "a@x.test", "secret plan")[..],
    ]
    .concat();
    for (count, (recipient, data)) in
        [("other@y.test", &back[..]), ("a@x.test", changed.as_bytes()), ("a@x.test", &forged)].into_iter().enumerate()
    {
        assert_eq!(send(guard.smtp, sender, &owned(&[recipient]), data), Some(250));
        wait("one more held mail", || (guard.held().len() > count).then_some(()));
    }
    assert_eq!(sink.from(sender).len(), 3);
}
