//! Structure, names and text of mails as they are really sent in Japan, and of broken ones.
//! It refuses to test against the library alone: what is expected is what a reader of the mail must see.

use encoding_rs::{EUC_JP, SHIFT_JIS};
use sekisho::limits::Limits;
use sekisho::mail::message::{Message, Part};
use std::time::Instant;

const NEEDLE: &str = "氏名 山田太郎 電話 ０９０";
const JIS: &[u8] = b"\x1B$B;aL>\x1B(B \x1B$B;3EDB@O:\x1B(B \x1B$BEEOC\x1B(B \x1B$B#0#9#0\x1B(B";

fn parse(raw: &[u8]) -> Message {
    Message::parse(raw, &Limits::default())
}

/// Every text of every part and of the mails inside.
fn texts(message: &Message) -> Vec<String> {
    let mut all: Vec<String> = message.subject.clone();
    for part in &message.parts {
        all.extend(part.texts().texts);
        if !part.undecoded.is_empty() {
            all.push(String::from_utf8_lossy(&part.undecoded).into_owned());
        }
        all.extend(part.names.iter().cloned());
        all.extend(part.mail.iter().flat_map(|mail| texts(mail)));
    }
    all.extend(message.stray.iter().flat_map(|stray| sekisho::mail::charset::decode(stray, None).texts));
    all
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>().join("\r\n")
}

fn body(head: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("Subject: x\r\nMIME-Version: 1.0\r\n{head}\r\n").as_bytes(), bytes].concat()
}

#[test]
fn the_needle_is_found_under_every_charset_and_encoding() {
    let shift_jis = SHIFT_JIS.encode(NEEDLE).0.into_owned();
    let euc = EUC_JP.encode(NEEDLE).0.into_owned();
    let utf16: Vec<u8> = NEEDLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let plain =
        |label: &str| format!("Content-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: 8bit\r\n");
    let packed =
        |label: &str| format!("Content-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: base64\r\n");
    let utf7 = b"+bA9UDQ- +XHF1MFkqkM4- +lvuKcQ- +/xD/Gf8Q-";
    let printable = NEEDLE.bytes().fold(String::new(), |text, byte| text + &format!("={byte:02X}"));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("JIS", body(&plain("ISO-2022-JP"), JIS)),
        ("JIS without a label", body("", JIS)),
        ("JIS labelled us-ascii", body(&plain("us-ascii"), JIS)),
        ("JIS labelled UTF-8", body(&plain("utf-8"), JIS)),
        ("JIS labelled CP50220", body(&plain("CP50220"), JIS)),
        ("JIS labelled ISO-2022-JP-2004", body(&plain("ISO-2022-JP-2004"), JIS)),
        ("Shift_JIS", body(&plain("Shift_JIS"), &shift_jis)),
        ("Shift_JIS as cp932", body(&plain("cp932"), &shift_jis)),
        ("Shift_JIS as CP943C", body(&plain("CP943C"), &shift_jis)),
        ("Shift_JIS without a label", body("", &shift_jis)),
        ("Shift_JIS labelled ISO-2022-JP", body(&plain("ISO-2022-JP"), &shift_jis)),
        ("Shift_JIS labelled ISO-8859-1", body(&plain("iso-8859-1"), &shift_jis)),
        ("Shift_JIS with an unknown label", body(&plain("x-made-up"), &shift_jis)),
        ("EUC-JP as eucJP-ms", body(&plain("eucJP-ms"), &euc)),
        ("EUC-JP without a label", body("", &euc)),
        ("UTF-8", body(&plain("UTF-8"), NEEDLE.as_bytes())),
        ("UTF-8 without a label", body("", NEEDLE.as_bytes())),
        ("UTF-8 labelled Shift_JIS", body(&plain("Shift_JIS"), NEEDLE.as_bytes())),
        ("UTF-7", body(&plain("unicode-1-1-utf-7"), utf7)),
        ("UTF-16 in base64", body(&packed("utf-16le"), base64(&utf16).as_bytes())),
        ("JIS in base64", body(&packed("iso-2022-jp"), base64(JIS).as_bytes())),
        (
            "base64 with garbage",
            body(&packed("utf-8"), format!("!!{}\r\n** footer **", base64(NEEDLE.as_bytes())).as_bytes()),
        ),
        (
            "base64 in lower case name",
            body(
                "content-transfer-encoding: BASE64\r\ncontent-type: TEXT/PLAIN; CHARSET=UTF-8\r\n",
                base64(NEEDLE.as_bytes()).as_bytes(),
            ),
        ),
        (
            "quoted-printable",
            body(
                "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n",
                printable.as_bytes(),
            ),
        ),
        (
            "comment inside a folded type",
            body("Content-Type: text/plain;\r\n (comment) charset=(x)\r\n \"shift_jis\"\r\n", &shift_jis),
        ),
        (
            "HTML as bytes",
            body("Content-Type: text/html\r\n", &[b"<meta charset=shift_jis><p>".as_slice(), &shift_jis].concat()),
        ),
    ];
    for (name, raw) in cases {
        let message = parse(&raw);
        assert!(texts(&message).iter().any(|text| text.contains(NEEDLE)), "{name}: {:?}", texts(&message));
        assert!(message.parts.iter().any(|part| part.is_body), "{name}");
    }
}

#[test]
fn subjects_are_decoded() {
    for (subject, expected) in [
        (&b"=?ISO-2022-JP?B?GyRCTD5KbRsoQg==?="[..], "名簿"),
        (b"=?UTF-8?B?5ZCN?=\r\n =?UTF-8?B?57C/?=", "名簿"),
        (b"=?cp932?Q?=96=BC=95=EB?=", "名簿"),
        (b"\x96\xBC\x95\xEB", "名簿"),
        (b"\x1B$BL>Jm\x1B(B", "名簿"),
        ("名簿".as_bytes(), "名簿"),
    ] {
        let raw = [b"Subject: ", subject, b"\r\n\r\nx"].concat();
        assert!(parse(&raw).subject.contains(&expected.to_owned()), "{:?}", parse(&raw).subject);
    }
    assert_eq!(parse(b"From: a\r\n\r\nx").best_subject(), "");
}

const MIXED: &str = "From: Taro <taro@city.example.jp>\r\nSender: h@city.example.jp\r\nTo: a@x.test\r\nX-Mailer: =?UTF-8?B?5ZCN?=\r\nReceived: from secret\r\n\
Auto-Submitted: auto-replied\r\nList-Id: <l.city.example.jp>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
preamble\r\n--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nplain text\r\n--c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>html</p>\r\n--c--\r\n\
--b\r\nContent-Type: application/pdf; name=\"other.pdf\"\r\nContent-Disposition: attachment; filename=\"list.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nUERG\r\n\
--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n--d\r\n\r\ninner text\r\n--d--\r\n--b--\r\nepilogue\r\n";

fn one<'m>(message: &'m Message, section: &str) -> &'m Part {
    let found = message.parts.iter().find(|part| part.section == section);
    found.unwrap_or_else(|| panic!("no part {section}"))
}

#[test]
fn a_mixed_mail_is_taken_apart() {
    let message = parse(MIXED.as_bytes());
    assert!(!message.damage.any(), "{:?}", message.damage);
    let sections: Vec<(&str, &str, bool)> =
        message.parts.iter().map(|part| (part.section.as_str(), part.kind.as_str(), part.is_body)).collect();
    assert_eq!(
        sections,
        [
            ("1.1", "text/plain", true),
            ("1.2", "text/html", true),
            ("2", "application/pdf", false),
            ("3", "message/rfc822", false)
        ]
    );
    assert_eq!(one(&message, "1.1").bytes, b"plain text");
    assert_eq!(
        (one(&message, "2").bytes.as_slice(), one(&message, "2").names.as_slice()),
        (&b"PDF"[..], &["list.pdf".to_owned(), "other.pdf".to_owned()][..])
    );
    let inner = one(&message, "3").mail.as_deref().unwrap();
    assert_eq!((inner.best_subject(), inner.parts[0].bytes.as_slice()), ("inner", &b"inner text"[..]));
    assert_eq!(message.stray, [b"preamble\r\n".to_vec(), b"epilogue\r\n".to_vec()]);
    assert_eq!(
        message.from.iter().map(sekisho::address::Address::as_str).collect::<Vec<_>>(),
        ["taro@city.example.jp", "h@city.example.jp"]
    );
    assert_eq!(message.header("x-mailer").collect::<Vec<_>>(), ["名"]);
    assert_eq!(message.header("auto-submitted").collect::<Vec<_>>(), ["auto-replied"]);
    assert_eq!((message.header("to").count(), message.header("received").count()), (0, 0));
    assert!(
        message.types.iter().any(|kind| kind.name == "multipart/alternative" && kind.parameter("boundary").is_some())
    );
}

#[test]
fn lines_may_end_with_lf_alone() {
    let message = parse(MIXED.replace("\r\n", "\n").as_bytes());
    assert_eq!((message.parts.len(), message.damage.any()), (4, false));
}

#[test]
fn what_readers_take_differently_is_said_and_both_readings_are_kept() {
    let secret = base64("秘密の名簿".as_bytes());
    for (name, raw) in [
        (
            "no boundary parameter",
            "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n秘密の名簿\r\n--b--\r\n".to_string(),
        ),
        (
            "boundary not found",
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n--b\r\n\r\n秘密の名簿\r\n--b--\r\n".to_string(),
        ),
        (
            "two boundaries",
            format!(
                "Content-Type: multipart/mixed; boundary=x; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n{secret}\r\n--b--\r\n"
            ),
        ),
        ("two types", "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n秘密の名簿".to_string()),
        (
            "two encodings",
            format!("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\n{secret} 秘密の名簿"),
        ),
        ("unknown encoding", "Content-Transfer-Encoding: rot13\r\n\r\n秘密の名簿".to_owned()),
        ("base64 that is none", "Content-Transfer-Encoding: base64\r\n\r\n秘密の名簿".to_owned()),
        (
            "a delimiter within a line",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx --b\r\n\r\n秘密の名簿\r\n--b--\r\n"
                .to_owned(),
        ),
        (
            "no empty line in a part",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n秘密の名簿\r\n--b--\r\n".to_owned(),
        ),
        ("a header line without colon", "Subject: x\r\nno colon\r\n\r\n秘密の名簿".to_owned()),
        (
            "text first, then a type",
            format!("no colon\r\nContent-Transfer-Encoding: base64\r\n\r\n{secret}\r\n秘密の名簿"),
        ),
        ("a blank fold", "Subject: x\r\n \r\nContent-Type: text/plain\r\n\r\n秘密の名簿".to_owned()),
    ] {
        let message = parse(raw.as_bytes());
        assert!(message.damage.mime.is_some(), "{name}");
        assert!(texts(&message).iter().any(|text| text.contains("秘密の名簿")), "{name}: {:?}", message.parts);
    }
}

#[test]
fn sloppy_but_clear_mails_are_not_damaged() {
    for (name, raw) in [
        ("no closing delimiter", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"),
        (
            "inner without closing",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\ntext\r\n--b--\r\n",
        ),
        (
            "blanks behind the boundary",
            "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b  \r\n\r\ntext\r\n--b--\t\r\n",
        ),
        (
            "boundaries that begin alike",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\ntext\r\n--bb--\r\n--b--\r\n",
        ),
        ("base64 without padding", "Content-Transfer-Encoding: base64\r\n\r\ndGV4dA\r\n"),
        ("a stray = in quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\na = text\r\n"),
        ("the same type twice", "Content-Type: text/plain\r\nContent-Type: text/plain\r\n\r\ntext"),
        ("no header at all", "\r\ntext"),
        ("text from the first line on", "text\r\nmore: text\r\n\r\ntext\r\n"),
        ("the line of a mailbox file", "From a@b.test Fri\r\nSubject: x\r\n\r\ntext\r\n"),
        ("a blank in front", " text\r\nSubject: x\r\n\r\ntext\r\n"),
        ("a dot alone", ".\r\n"),
        ("an empty mail", ""),
        ("an empty multipart", "Content-Type: multipart/mixed; boundary=b\r\n\r\n"),
        ("an odd attached mail", "Content-Type: message/rfc822\r\n\r\nno colon\r\nSubject: x\r\n\r\ntext"),
        ("an empty part", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b\r\n\r\ntext\r\n--b--\r\n"),
    ] {
        let message = parse(raw.as_bytes());
        assert!(!message.damage.any(), "{name}: {:?} {:?}", message.damage, message.parts);
        assert!(!raw.contains("text\r\n") || texts(&message).iter().any(|text| text.contains("text")), "{name}");
    }
}

#[test]
fn an_encoded_multipart_and_an_encoded_mail_are_read() {
    let inner = "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n秘密\r\n--c--\r\n";
    let attached = format!(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        base64(inner.as_bytes())
    );
    let encoded = format!(
        "Content-Type: multipart/mixed; boundary=c\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        base64(b"--c\r\n\r\n\xE7\xA7\x98\xE5\xAF\x86\r\n--c--\r\n")
    );
    for raw in [attached, encoded] {
        assert!(texts(&parse(raw.as_bytes())).iter().any(|text| text == "秘密"), "{raw}");
    }
}

#[test]
fn depth_and_number_of_parts_are_bounded() {
    let limits = Limits::default();
    let level = |depth: i32| format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n");
    let mut raw: String = (0..3_000).map(level).collect::<Vec<_>>().concat();
    raw += "\r\ndeep secret";
    let message = parse(raw.as_bytes());
    assert!(message.damage.too_deep);
    assert!(texts(&message).iter().any(|text| text.contains("deep secret")));

    let nested = format!("{}\r\nsecret", "Content-Type: message/rfc822\r\n\r\n".repeat(3_000));
    assert!(parse(nested.as_bytes()).damage.too_deep);

    let many = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\nx\r\n".repeat(limits.mime_parts + 10)
    );
    let message = parse(many.as_bytes());
    assert!(message.damage.too_many_parts && message.parts.len() <= limits.mime_parts);

    let fields = format!("{}\r\nx", "X-A: b\r\n".repeat(limits.header_fields + 1));
    assert!(parse(fields.as_bytes()).damage.header_too_large);
}

#[test]
fn a_large_mail_is_read_quickly() {
    let text = base64(&vec![b'x'; 8 * 1024 * 1024]);
    let raw = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\n{text}\r\n--b--\r\n"
    );
    let started = Instant::now();
    let message = parse(raw.as_bytes());
    assert_eq!((message.parts[0].size, message.damage.any()), (8 * 1024 * 1024, false));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_are_read(raw in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = parse(&raw);
    }

    #[test]
    fn any_structure_is_read(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: multipart/digest; boundary=\"bb\"\r\n", "Content-Type: message/rfc822\r\n",
        "Content-Transfer-Encoding: base64\r\n", "\r\n", "--b\r\n", "--b--\r\n", "--bb\r\n", "--bb--", "QUJD\r\n", "text", " \r\n", "--", "Subject: x\n",
    ]), 0..40)) {
        let raw = pieces.concat();
        let message = parse(raw.as_bytes());
        for part in &message.parts {
            proptest::prop_assert!(part.depth <= 51);
        }
    }
}
