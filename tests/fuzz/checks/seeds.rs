//! Where each target begins: the dialogs of the protocol tests and the mails of the demonstration, cut to what the target reads.
//! It refuses files of its own for that: what the tests know already is enough.

use super::script::unescape;
use super::session::BURST;
use sekisho::cli::demo::fixtures::calendar::invitation;
use sekisho::cli::demo::fixtures::tnef::{addressed, message};
use sekisho::cli::demo::fixtures::{biff, cfb, msg, rtf};
use sekisho::cli::demo::incidents;
use sekisho::mail::header::Header;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Mails above this teach a fuzzer nothing and slow it down.
const SMALL: usize = 24 * 1024;

/// First inputs of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "command" => dialogs().iter().map(|said| [&[0], said.as_slice()].concat()).collect(),
        "data" => mails().into_iter().chain(dialogs().iter().filter_map(|said| behind(said, b"DATA\r\n"))).collect(),
        "header" => mails()
            .into_iter()
            .flat_map(|mail| [0x20, 0x21, 0x22].map(|choice| [&[choice], mail.as_slice()].concat()))
            .collect(),
        "message" => mails(),
        "address" => addresses(),
        "reply" => replies(),
        "report" => reports(),
        "calendar" => calendars(),
        "archive" => archives(),
        "tnef" => streams(),
        "legacy" => documents(),
        _ => Vec::new(),
    }
}

/// The files of a folder of the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|above| {
        let folder = above.join(folder);
        folder.is_dir().then_some(folder)
    });
    let Some(folder) = folder else { return Vec::new() };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

/// The small ones of the archives that the extractor's tests read.
fn archives() -> Vec<Vec<u8>> {
    let files = files("tests/extract/files");
    let archives = files.iter().filter(|path| path.extension().is_none_or(|end| end != "py"));
    let read = archives.map(|path| std::fs::read(path).expect("an archive")).filter(|bytes| bytes.len() < 2_200);
    read.map(|bytes| [&[0], bytes.as_slice()].concat()).collect()
}

/// What the clients of all dialogs say.
fn dialogs() -> Vec<Vec<u8>> {
    let files = files("tests/dialogs");
    let texts = files.iter().filter(|path| path.extension().is_some_and(|end| end == "smtp"));
    let said = texts.map(|path| {
        let mut said = Vec::new();
        for line in std::fs::read_to_string(path).expect("a dialog").lines() {
            match line.split_at_checked(2) {
                Some(("C:", text)) => {
                    said.extend([&unescape(text.strip_prefix(' ').unwrap_or(text))[..], b"\r\n"].concat());
                }
                Some(("c:", text)) => said.extend(unescape(text.strip_prefix(' ').unwrap_or(text))),
                Some(("S:", " tls")) => said.extend_from_slice(BURST),
                _ => {}
            }
        }
        said
    });
    said.filter(|said| said.len() < SMALL).collect()
}

/// Old office documents: those of the extractor's tests, and some written here.
fn documents() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|above| {
        let folder = above.join("tests/extract/legacy");
        folder.is_dir().then_some(folder)
    });
    let file =
        |name: &str| folder.as_ref().and_then(|folder| std::fs::read(folder.join(name)).ok()).unwrap_or_default();
    let book = biff::Book::new().sheet("名簿").texts(&["氏名", "電話"]).texts(&["山田太郎", "090-0000-0001"]);
    let rows = [["氏名", "電話"], ["山田太郎", "090-0000-0001"]];
    let text = |how| rtf::Document::new(how).paragraph("前").table(rows).paragraph("後").finish();
    let inner = msg::Message::new().text(msg::SUBJECT, "中").file("a.rtf", &text(rtf::Written::Hex));
    let packed = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
    let message =
        msg::Message::new().code_page(932).text(msg::BODY, "本文").bytes(msg::RTF, packed).message("転送", inner);
    vec![
        file("letter.doc"),
        file("letter.rtf"),
        file("book.xls"),
        cfb::compound(&[("PowerPoint Document", &file("talk.powerpoint"))]),
        book.stream(),
        cfb::compound(&[
            ("ObjectPool/_1/Workbook", &book.stream()),
            ("ObjectPool/_2/\u{1}Ole10Native", b"\x04\0\0\0abcd"),
        ]),
        book.finish(),
        text(rtf::Written::Hex),
        text(rtf::Written::Unicode),
        b"{\\rtf1\\fromhtml1 {\\*\\htmltag64 <p>}\\htmlrtf x\\htmlrtf0 a}".to_vec(),
        message.finish(),
    ]
}

fn behind(said: &[u8], words: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(said, words).map(|at| said[at + words.len()..].to_vec())
}

fn mails() -> Vec<Vec<u8>> {
    /// Made once: some have pictures and spreadsheets in them.
    static MAILS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        // `cargo test` makes do with the ordinary ones, which are quicker to make.
        let leaks = if option_env!("CARGO_BIN_EXE_sekisho").is_some() { Vec::new() } else { incidents::all() };
        let all = leaks.into_iter().chain(incidents::must_pass());
        all.flat_map(|incident| incident.mails).map(|mail| mail.data).filter(|mail| mail.len() < SMALL).collect()
    });
    MAILS.clone()
}

fn addresses() -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for mail in mails() {
        let header = Header::scan(&mail);
        found.extend(
            header
                .fields()
                .iter()
                .filter(|field| matches!(field.name.as_str(), "to" | "cc" | "from"))
                .map(|field| header.value(field).to_vec()),
        );
    }
    for said in dialogs() {
        for words in [&b"RCPT TO:"[..], b"MAIL FROM:"] {
            found.extend(
                behind(&said, words).map(|rest| rest.split(|byte| *byte == b'\r').next().unwrap_or_default().to_vec()),
            );
        }
    }
    found
}

fn replies() -> Vec<Vec<u8>> {
    let greeting = "220 mail.test ESMTP\r\n250-mail.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES\r\n";
    let ready = "220 2.0.0 go ahead\r\n\x00|\x00250-mail.test\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 AUTH PLAIN\r\n";
    let taken = "250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n250 2.0.0 taken\r\n";
    let mixed = "250 2.1.0 ok\r\n550 5.1.1 nobody\r\n451 4.2.0 later\r\n250 ok\r\n354 go on\r\n452-4.3.1 full\r\n452 4.3.1 full\r\n";
    let mut all = Vec::new();
    for choice in [0_u8, 1, 2, 0x0d, 0x11, 0x45, 0x81] {
        for text in [
            format!("{greeting}{taken}"),
            format!("{greeting}{mixed}"),
            format!("{greeting}{ready}235 2.7.0 ok\r\n{taken}"),
            format!("220 x\r\n500 what?\r\n250 x\r\n{taken}"),
            format!("{greeting}421 4.3.2 bye\r\n"),
            format!("{greeting}250 ok\r\n552 5.5.3 too many\r\n250 ok\r\n354 \r\n554 no\r\n"),
        ] {
            all.push([&[choice], text.as_bytes()].concat());
        }
    }
    all
}

fn calendars() -> Vec<Vec<u8>> {
    let people = ["mailto:b@out.test", "mailto:c@in.test", "mailto:d@far.test"];
    let mut all: Vec<Vec<u8>> = (0..people.len())
        .map(|count| {
            invitation("a@in.test", &people[..count], "20261127T010000Z", "20261127T020000Z", "会議", "room")
                .into_bytes()
        })
        .collect();
    for line in [
        "ATTENDEE;CN=\"B, b@out.test\";ROLE=REQ-PARTICIPANT:mailto:b@out.test",
        "ATTENDEE;CN=C;DELEGATED-TO=\"mailto:b@out.test\":mailto:c@in.test",
        "ORGANIZER;SENT-BY=\"mailto:b@out.test\":mailto:a@in.test",
        "ORGANIZER:MAILTO:b@out.test",
        "ATTENDEE;EMAIL=b@out.test:urn:uuid:1",
        "X-MS-OLK-SENDER:mailto:b@out.test",
        "attendee:mai\r\n lto:b@o\r\n\tut.test",
        "ATTENDEE;CN=b%40out.test:mailto:b%40out.test",
    ] {
        all.push(format!("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\n{line}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n").into_bytes());
    }
    all
}

fn streams() -> Vec<Vec<u8>> {
    let classes = ["IPM.Note", "IPM.Microsoft Mail.Note", "IPM.Schedule.Meeting.Request", ""];
    let mut all: Vec<Vec<u8>> = classes.iter().map(|class| message(class, "題".as_bytes())).collect();
    for class in classes {
        for people in [&["b@out.test"][..], &[], &["b@out.test", "c@in.test", "d@far.test"]] {
            all.push(addressed(class, people));
        }
    }
    all
}

fn reports() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mails = mails();
    for (number, mail) in mails.iter().take(12).enumerate() {
        let ret = ["", " RET=FULL", " RET=HDRS ENVID=QQ+2B1", " SMTPUTF8 BODY=8BITMIME"][number % 4];
        let (recipient, reply) = [
            ("<b@out.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+2B@out.test", "552 5.2.2 full\r\n"),
            ("<\"b b\"@out.test>", "451-4.2.0 a\r\n451 4.2.0 b\r\n"),
            ("<利用者@例え.test> ORCPT=utf-8;利用者@例え.test", "550 5.1.1 宛先がありません\r\n"),
            ("<b@out.test> NOTIFY=SUCCESS", "251 2.1.5 forwarded\r\n"),
        ][number / 3];
        let head = format!("<a@in.test>{ret}");
        all.push([head.as_bytes(), &[0xff], recipient.as_bytes(), &[0xff], reply.as_bytes(), &[0xff], mail].concat());
    }
    all
}
