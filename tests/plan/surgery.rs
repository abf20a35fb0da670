//! Surgery that leaves no scar: header sections of arbitrary bytes, odd spellings of Bcc, recipient fields that programs read differently, signatures.
//! It refuses to trust our own readers alone: what a rewritten mail shows is also read by the MIME library and by Python's mail package.

use super::{internal, library, only, remove, rendered};
use bytes::Bytes;
use proptest::prelude::*;
use sekisho::address::Address;
use sekisho::mail::header::Header;
use sekisho::mail::recipients;
use sekisho::plan::{self, Change, Visible};
use sekisho::rules::verdict::Tag;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Names of fields that a rewriting may change or take out.
const NAMED: [&str; 16] = [
    "to",
    "cc",
    "bcc",
    "resent-to",
    "resent-cc",
    "resent-bcc",
    "apparently-to",
    "delivered-to",
    "original-recipient",
    "envelope-to",
    "x-envelope-to",
    "x-original-to",
    "x-delivered-to",
    "x-rcpt-to",
    "x-real-to",
    "x-apparently-to",
];

/// The lines of all fields that are not named, and the body.
fn rest(raw: &[u8]) -> Vec<Vec<u8>> {
    let header = Header::scan(raw);
    let fields = header.fields().iter().filter(|field| !NAMED.contains(&field.name.as_str()));
    fields.map(|field| header.whole(field).to_vec()).chain([raw[header.end()..].to_vec()]).collect()
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            &b"To: a@x.test, in@city.example.jp"[..], b"Cc: G: b@y.test, \"c, d\" <c@z.test>;", b"BCC : hidden@x.test", b"Resent-To: a@x.test",
            b"Delivered-To: a@x.test", b"X-Rcpt-To: a@x.test", b"tO:", b"Resent-Bcc: a@x.test",
        ]).prop_map(<[u8]>::to_vec),
        6 => prop::collection::vec(prop::sample::select(b"abcXYZ-_. \t:;,()<>\"=?\\\xE3\x81\x82\x1B$B\x80\xFF\x01".to_vec()), 0..40),
    ];
    let fold = prop::collection::vec(prop::sample::select(vec![&b" folded"[..], b"\tmore \xE9", b" ", b" x: y"]), 0..3);
    (name, fold).prop_map(|(first, folds)| {
        let first = if first.first().is_some_and(|byte| !matches!(byte, b' ' | b'\t')) {
            first
        } else {
            [b"X".to_vec(), first].concat()
        };
        let mut line = [first, b"\r\n".to_vec()].concat();
        for fold in folds {
            line.extend_from_slice(fold);
            line.extend_from_slice(b"\r\n");
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_that_are_not_named_stay_in_order_byte_for_byte(
        lines in prop::collection::vec(line(), 0..12),
        body in prop::collection::vec(any::<u8>(), 0..60),
        which in 0..3_usize,
    ) {
        let raw = [lines.concat(), b"\r\n".to_vec(), body].concat();
        let visible = match which {
            0 => Visible::Keep,
            1 => Visible::Remove(["a@x.test", "b@y.test", "c@z.test"].map(Address::new).to_vec()),
            _ => Visible::Only(Address::new("a@x.test")),
        };
        let out = plan::render(&Bytes::from(raw.clone()), &Change { visible, tags: vec![] }).concat();
        // A line that our readers find an address in is a trace, not a line that is not named.
        let traces = |line: &Vec<u8>| ["x.test", "y.test", "z.test"].iter().any(|domain| memchr::memmem::find(line, domain.as_bytes()).is_some());
        let (before, after) = (rest(&raw), rest(&out));
        let kept = |lines: Vec<Vec<u8>>| lines.into_iter().filter(|line| !traces(line)).collect::<Vec<_>>();
        prop_assert_eq!(kept(before), kept(after));
        let header = Header::scan(&out);
        prop_assert!(!header.fields().iter().any(|field| matches!(field.name.as_str(), "bcc" | "resent-bcc")));
    }
}

#[test]
fn bcc_goes_in_every_spelling() {
    for field in [
        "Bcc: s@x.test",
        "BCC:s@x.test",
        "bcc : s@x.test",
        "Bcc\t: s@x.test",
        "B cc: s@x.test",
        "Bcc:\r\n s@x.test,\r\n\tt@x.test",
        "Bcc: =?UTF-8?Q?s=40x.test?=",
        "Bcc: \"s@x.test\" <s@x.test>\r\nBcc: t@x.test",
        "Resent-Bcc: s@x.test",
        "RESENT-BCC : s@x.test",
        "Bcc:",
        "Bcc:\r\n \r\n s@x.test",
        "B\u{e9}cc: s@x.test",
        "Bcc: (comment",
        "Bcc: undisclosed-recipients:;",
    ] {
        let (before, after) =
            ("From: a@city.example.jp\r\nTo: b@city.example.jp\r\n", "Subject: x\r\n\r\nBcc: body\r\n");
        let raw = format!("{before}{field}\r\n{after}");
        for visible in [Visible::Keep, Visible::Remove(vec![Address::new("q@x.test")])] {
            let out = rendered(&raw, &Change { visible, tags: vec![] });
            assert_eq!(out, format!("{before}{after}"), "{field}");
        }
        assert_eq!(only(&raw, "b@city.example.jp"), format!("{before}{after}"), "{field}");
    }
}

/// Recipient fields that programs read differently, or hardly at all. Where our two readers do not agree the mail is held, and a person chooses;
/// so a rewriting must be safe in either case.
const ODD: [&str; 66] = [
    "To: a@x.test\r\n",
    "To: \"a@x.test\" <in@city.example.jp>\r\n",
    "To: <a@x.test> <in@city.example.jp>\r\n",
    "To: in@city.example.jp <a@x.test>\r\n",
    "To: a@x.test <in@city.example.jp>\r\n",
    "To: a@x.test in@city.example.jp\r\n",
    "To: a@x.test;in@city.example.jp\r\n",
    "To: in@city.example.jp(,a@x.test)\r\n",
    "To: in@city.example.jp (a@x.test\r\n",
    "To: a@x.(c)test\r\n",
    "To: a@x.(in@city.example.jp)test\r\n",
    "To: a@(c)x.test\r\n",
    "To: a(c)@x.test\r\n",
    "To: a@x.\r\n test\r\n",
    "To: a@x\r\n .test\r\n",
    "To: a@x .test\r\n",
    "To: a@\r\n x.test\r\n",
    "To: <a@x.te\r\n st>\r\n",
    "To: a\r\n @x.test\r\n",
    "To: <@city.example.jp:a@x.test>\r\n",
    "To: <@city.example.jp,@r.test:a@x.test>\r\n",
    "To: @city.example.jp:a@x.test\r\n",
    "To: a@x.test@city.example.jp\r\n",
    "To: <a@x.test@city.example.jp>\r\n",
    "To: \"a@x.test\"@city.example.jp\r\n",
    "To: \"in@city.example.jp\"@x.test\r\n",
    "To: \"a b\"@x.test\r\n",
    "To: \"a\\\"b\"@x.test, in@city.example.jp\r\n",
    "To: \"a,in@city.example.jp\" <b@x.test>\r\n",
    "To: \"x\\\" <in@city.example.jp>, \" <a@x.test>\r\n",
    "To: \"unclosed <a@x.test>, in@city.example.jp\r\n",
    "To: Team: a@x.test, in@city.example.jp;\r\n",
    "To: Team: a@x.test\r\n",
    "To: Team: Inner: a@x.test;, in@city.example.jp;\r\n",
    "To: Team:a@x.test;in@city.example.jp\r\n",
    "To: :a@x.test;\r\n",
    "To: undisclosed-recipients:; a@x.test\r\n",
    "To: undisclosed-recipients: a@x.test;\r\n",
    "To: =?UTF-8?Q?a=40x.test?=\r\n",
    "To: =?UTF-8?B?YUB4LnRlc3Q=?=\r\n",
    "To: =?UTF-8?Q?a=40x.test=2C?= in@city.example.jp\r\n",
    "To: =?UTF-8?Q?=3Ca=40x.test=3E?= <in@city.example.jp>\r\n",
    "To: =?UTF-8?Q?Yamada=2C?= <a@x.test>\r\n",
    "To: \"=?UTF-8?Q?a=40x.test?=\" <in@city.example.jp>\r\n",
    "To: =?utf-8?q?a?=@x.test\r\n",
    "To: <=?utf-8?q?a=40x.test?=>\r\n",
    "To: 山田 <a@x.test>\r\n",
    "To: 太郎@x.test\r\n",
    "To: a@例え.test\r\n",
    "To: a＠x.test, b@x.test\r\n",
    "To: a@[192.0.2.1], in@city.example.jp\r\n",
    "To: a@[IPv6:2001:db8::1]\r\n",
    "To: a@x.test.\r\n",
    "To: mailto:a@x.test\r\n",
    "To: <mailto:a@x.test>\r\n",
    "To: '<a@x.test>'\r\n",
    "To: in%here@city.example.jp, b@x.test\r\n",
    "To: a@x.test,\r\n\r\nin@city.example.jp\r\n",
    "To: ,,a@x.test,,\r\n",
    "To: a@x.test\u{7f}\r\n",
    "To: <a@x.test\r\nCc: in@city.example.jp>\r\n",
    "To : a@x.test\r\nto: in@city.example.jp\r\n",
    "T\u{f6}o: a@x.test\r\nTo: in@city.example.jp\r\n",
    "To: in@city.example.jp\r\nTo: a@x.test\r\nCC: b@x.test\r\nCc: in@city.example.jp\r\n",
    "Resent-To: a@x.test\r\nResent-Cc: b@x.test\r\nApparently-To: c@x.test\r\n",
    "To: in@city.example.jp\r\n \r\n a@x.test\r\n",
];

/// The header sections as Python's mail package reads them, by its new and its old interface: one line of addresses for each.
fn python(mails: &[Vec<u8>]) -> Vec<String> {
    const SCRIPT: &str = r"
import email, email.policy, email.utils, json, sys
for line in sys.stdin:
    raw = bytes.fromhex(line.strip())
    found = []
    for policy in (email.policy.default, email.policy.compat32):
        message = email.message_from_bytes(raw, policy=policy)
        for name in ('to', 'cc', 'bcc', 'resent-to', 'resent-cc', 'apparently-to'):
            try:
                values = message.get_all(name) or []
            except Exception:
                continue
            found += [address for _, address in email.utils.getaddresses([str(value) for value in values])]
            for value in values:
                for address in getattr(value, 'addresses', ()):
                    found.append(address.addr_spec)
    print(json.dumps(' '.join(found)))
";
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut hex = String::new();
    for mail in mails {
        for byte in mail {
            write!(hex, "{byte:02x}").unwrap();
        }
        hex.push('\n');
    }
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(hex.as_bytes()).unwrap());
    let run = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(run.status.success());
    String::from_utf8(run.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn no_reader_finds_an_outside_address_after_a_rewriting() {
    let outside = |text: &str| {
        ["x.test", "r.test", "192.0.2", "2001:db8", "xn--r8jz45g", "例え"].iter().any(|part| text.contains(part))
    };
    let mut mails = Vec::new();
    for fields in ODD {
        let raw = format!("From: s@city.example.jp\r\n{fields}Subject: s\r\n\r\nbody\r\n");
        mails.push(remove(&raw));
        mails.push(only(&raw, "in@city.example.jp"));
    }
    let read = python(&mails.iter().map(|mail| mail.clone().into_bytes()).collect::<Vec<_>>());
    assert_eq!(read.len(), mails.len());
    for (mail, python) in mails.iter().zip(&read) {
        let ours: Vec<_> = recipients::read(mail.as_bytes()).addresses;
        assert!(ours.iter().all(internal), "{ours:?} in\n{mail}");
        let theirs = library(mail.as_bytes());
        assert!(!theirs.iter().any(|key| outside(key)), "{theirs:?} in\n{mail}");
        assert!(!outside(python), "{python} in\n{mail}");
    }
}

#[test]
fn a_signature_over_what_changes_goes_and_others_stay() {
    let signed = |fields: &str| format!("DKIM-Signature: v=1; d=city.example.jp;\r\n h={fields}; bh=x; b=y\r\n");
    let rest = "From: s@city.example.jp\r\nTo: a@x.test\r\nSubject: s\r\n";
    for (fields, visible, tags, stays) in [
        ("from:to:subject", true, false, false),
        ("from : TO", true, false, false),
        ("from:subject", true, false, true),
        ("from:subject", true, true, false),
        ("from:subject:x-mark", false, true, false),
        ("from:bcc", false, false, false),
        ("from:to", false, false, true),
    ] {
        let raw = format!("{}Bcc: h@x.test\r\n{rest}\r\nbody\r\n", signed(fields));
        let change = Change {
            visible: if visible { Visible::Remove(vec![Address::new("a@x.test")]) } else { Visible::Keep },
            tags: if tags { vec![Tag::Subject("x".into()), Tag::Header("X-Mark".into(), "1".into())] } else { vec![] },
        };
        let out = rendered(&raw, &change);
        assert_eq!(out.contains("DKIM-Signature"), stays, "{fields}: {out}");
    }
    // Nothing of ours changes, so nothing of theirs goes.
    let raw = format!("DKIM-Signature: rubbish\r\n{rest}\r\nbody\r\n");
    assert_eq!(rendered(&raw, &Change::default()), raw);
}
