//! Delivery reports as another program reads them.
//! It refuses to compare whole texts: each rule of the standard is one check.

use super::{Server, accepted, outbox, refused, reply, reporter};
use crate::keeping::{NOW, id, new_queued};
use bytes::Bytes;
use mail_parser::{Message, MessageParser, MimeHeaders};
use sekisho::address::Address;
use sekisho::mail::envelope::{MailParameters, Recipient};
use sekisho::outbox::{Disposition, Letter, Report, Reported, report};
use sekisho::smtp::sender::Fate;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const MAIL: &str = "From: clerk@city.example.jp\r\nTo: one@mail.test\r\nSubject: hello\r\n\r\nsecret body\r\n";

fn failed(address: &str) -> Reported {
    Reported {
        recipient: Recipient::new(address),
        disposition: Disposition::Failed(reply(550, "5.1.1 unknown user|5.1.1 really")),
    }
}

/// A report of one mail with these parameters and recipients.
fn compose(mail: &[u8], parameters: &MailParameters, sender: Option<&str>, recipients: &[Reported]) -> Option<Letter> {
    let sender = sender.map(Address::new);
    report(
        &reporter(),
        &Report {
            id: &id(77),
            sender: sender.as_ref(),
            parameters,
            mail: &[Bytes::copy_from_slice(mail)],
            recipients,
            arrived_ms: NOW - 3_600_000,
            now_ms: NOW,
        },
    )
}

fn simple(recipients: &[Reported]) -> Option<Letter> {
    compose(MAIL.as_bytes(), &MailParameters::default(), Some("clerk@city.example.jp"), recipients)
}

fn parse(letter: &Letter) -> Message<'_> {
    for line in letter.bytes.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 999 && (line.is_empty() || line.ends_with(b"\r")), "{}", String::from_utf8_lossy(line));
    }
    MessageParser::default().parse(&letter.bytes[..]).unwrap()
}

/// The type and the decoded content of a part.
fn part(message: &Message<'_>, number: usize) -> (String, String) {
    let part = message.parts.iter().skip(1).filter(|part| !part.is_multipart()).nth(number).unwrap();
    let kind = part.content_type().unwrap();
    let kind = format!("{}/{}", kind.ctype(), kind.subtype().unwrap());
    (kind, String::from_utf8_lossy(part.contents()).into_owned())
}

#[test]
fn a_failure_is_a_report_in_three_parts() {
    let parameters = MailParameters { envid: Some("QQ+2B1".to_owned()), ..MailParameters::default() };
    let mut gone = failed("one@mail.test");
    gone.recipient.orcpt = Some("rfc822;o+2Bne@mail.test".to_owned());
    let letter = compose(MAIL.as_bytes(), &parameters, Some("clerk@city.example.jp"), &[gone]).unwrap();
    assert_eq!(letter.to, Address::new("clerk@city.example.jp"));
    assert_eq!((letter.parameters.eight_bit, letter.parameters.smtputf8), (false, false));
    assert!(letter.bytes.is_ascii());
    let message = parse(&letter);
    let kind = message.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
    assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
    assert!(message.subject().unwrap().contains("配信できません"));
    assert_eq!(message.header("Auto-Submitted").unwrap().as_text(), Some("auto-replied"));
    assert_eq!(message.from().unwrap().first().unwrap().address(), Some("MAILER-DAEMON@guard.city.example.jp"));
    assert_eq!(message.date().unwrap().to_timestamp() * 1_000, i64::try_from(NOW).unwrap());
    let (kind, text) = part(&message, 0);
    assert_eq!(kind, "text/plain");
    assert!(text.contains("配信できませんでした") && text.contains("could not be delivered"), "{text}");
    assert!(text.contains("one@mail.test") && text.contains("550 5.1.1 unknown user"), "{text}");
    let (kind, status) = part(&message, 1);
    assert_eq!(kind, "message/delivery-status");
    let (about, recipient) = status.split_once("\r\n\r\n").unwrap();
    for line in ["Original-Envelope-Id: QQ+1", "Reporting-MTA: dns; guard.city.example.jp"] {
        assert!(about.lines().any(|found| found == line), "{line}: {status}");
    }
    for line in [
        "Original-Recipient: rfc822; o+ne@mail.test",
        "Final-Recipient: rfc822; one@mail.test",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 unknown user 5.1.1 really",
    ] {
        assert!(recipient.lines().any(|found| found == line), "{line}: {status}");
    }
    let (kind, header) = part(&message, 2);
    assert_eq!(kind, "text/rfc822-headers");
    assert!(header.contains("Subject: hello") && !header.contains("secret body"), "{header}");
}

#[test]
fn notify_decides_who_is_told() {
    let failure = Disposition::Failed(reply(550, "5.0.0 no"));
    let expired = Disposition::Expired(reply(451, "4.0.0 later"));
    let delayed = Disposition::Delayed { reply: reply(451, "4.0.0 later"), until_ms: NOW };
    let relayed = Disposition::Relayed(reply(250, "ok"));
    for (notify, told) in [
        (None, [true, true, true, false]),
        (Some("NEVER"), [false, false, false, false]),
        (Some("never"), [false, false, false, false]),
        (Some("FAILURE"), [true, true, false, false]),
        (Some("DELAY"), [false, false, true, false]),
        (Some("SUCCESS"), [false, false, false, true]),
        (Some("success,Failure,DELAY"), [true, true, true, true]),
    ] {
        for (disposition, told) in [&failure, &expired, &delayed, &relayed].into_iter().zip(told) {
            let recipient = Recipient { notify: notify.map(str::to_owned), ..Recipient::new("one@mail.test") };
            let reported = Reported { recipient, disposition: disposition.clone() };
            assert_eq!(simple(&[reported]).is_some(), told, "{notify:?} {disposition:?}");
        }
    }
    assert_eq!(compose(MAIL.as_bytes(), &MailParameters::default(), None, &[failed("one@mail.test")]), None);
    assert_eq!(simple(&[]), None);
}

#[test]
fn those_who_want_no_report_are_not_named_in_one() {
    let mut silent = failed("silent@mail.test");
    silent.recipient.notify = Some("NEVER".to_owned());
    let letter = simple(&[silent, failed("one@mail.test")]).unwrap();
    let message = parse(&letter);
    for number in 0..3 {
        assert!(!part(&message, number).1.contains("silent"), "part {number}");
    }
}

#[test]
fn actions_and_status_codes_follow_the_standard() {
    let delayed = |text| Disposition::Delayed { reply: reply(451, text), until_ms: NOW + 86_400_000 };
    for (disposition, action, status) in [
        (Disposition::Failed(reply(550, "5.7.1 policy")), "failed", "5.7.1"),
        (Disposition::Failed(reply(550, "no code")), "failed", "5.0.0"),
        (Disposition::Failed(reply(550, "4.7.1 wrong class")), "failed", "5.0.0"),
        (Disposition::Failed(reply(550, "5.7.1111 too long")), "failed", "5.0.0"),
        (Disposition::Failed(reply(554, "")), "failed", "5.0.0"),
        (Disposition::Expired(reply(451, "4.2.1 full")), "failed", "4.4.7"),
        (delayed("4.2.1 full"), "delayed", "4.2.1"),
        (Disposition::Relayed(reply(250, "2.1.5 ok")), "relayed", "2.1.5"),
    ] {
        let recipient =
            Recipient { notify: Some("SUCCESS,FAILURE,DELAY".to_owned()), ..Recipient::new("one@mail.test") };
        let case = format!("{disposition:?}");
        let letter = simple(&[Reported { recipient, disposition }]).unwrap();
        let status_part = part(&parse(&letter), 1).1;
        assert!(status_part.contains(&format!("Action: {action}\r\n")), "{case}: {status_part}");
        assert!(status_part.contains(&format!("Status: {status}\r\n")), "{case}: {status_part}");
        assert_eq!(status_part.contains("Will-Retry-Until: "), action == "delayed", "{case}");
    }
}

#[test]
fn ret_decides_what_comes_back() {
    let full = MailParameters { ret: Some("full".to_owned()), ..MailParameters::default() };
    let headers = MailParameters { ret: Some("HDRS".to_owned()), ..MailParameters::default() };
    let delayed = Reported {
        recipient: Recipient::new("one@mail.test"),
        disposition: Disposition::Delayed { reply: reply(451, "4.0.0"), until_ms: NOW },
    };
    let large = format!("{MAIL}{}", "0123456789\r\n".repeat(100_000));
    let utf8 = MAIL.replace("hello", "こんにちは");
    let bare = MAIL.replace("secret body\r\n", "secret\nbody");
    let long = MAIL.replace("secret body", &"x".repeat(999));
    for (case, mail, parameters, reported, kind, eight_bit) in [
        ("full", MAIL, &full, failed("one@mail.test"), "message/rfc822", false),
        ("headers", MAIL, &headers, failed("one@mail.test"), "text/rfc822-headers", false),
        ("delay", MAIL, &full, delayed, "text/rfc822-headers", false),
        ("large", &large, &full, failed("one@mail.test"), "text/rfc822-headers", false),
        ("eight bit", &utf8, &full, failed("one@mail.test"), "message/rfc822", true),
        ("eight bit header", &utf8, &headers, failed("one@mail.test"), "text/rfc822-headers", false),
        ("bare LF", &bare, &full, failed("one@mail.test"), "text/rfc822-headers", false),
        ("long line", &long, &full, failed("one@mail.test"), "text/rfc822-headers", false),
        ("no body", "Subject: hello\r\n", &full, failed("one@mail.test"), "message/rfc822", false),
        ("empty", "", &headers, failed("one@mail.test"), "text/rfc822-headers", false),
        ("no header", "\r\nsecret body\r\n", &headers, failed("one@mail.test"), "text/rfc822-headers", false),
    ] {
        let letter = compose(mail.as_bytes(), parameters, Some("clerk@city.example.jp"), &[reported]).unwrap();
        let message = parse(&letter);
        assert_eq!(part(&message, 2).0, kind, "{case}");
        assert_eq!(letter.parameters.eight_bit, eight_bit, "{case}");
        assert_eq!(letter.bytes.is_ascii(), !eight_bit, "{case}");
        let whole = letter.bytes.windows(6).any(|text| text == b"secret");
        assert_eq!(whole, kind == "message/rfc822" && mail.contains("secret"), "{case}");
        if mail.contains("hello") || mail.contains("こんにちは") {
            let back = part(&message, 2).1;
            assert!(back.contains("hello") || back.contains("こんにちは"), "{case}: {back}");
        }
    }
}

#[test]
fn foreign_text_cannot_add_a_field_or_a_part() {
    let boundary = format!("report_{}", id(77));
    let parameters = MailParameters { envid: Some("a+0D+0AX-Evil:+201".to_owned()), ..MailParameters::default() };
    let mut gone = Reported {
        recipient: Recipient::new("\"a\r\nX-Evil: 2\"@mail.test"),
        disposition: Disposition::Failed(reply(550, "5.0.0 no\r\nX-Evil: 3|\u{1b}[2J日本語\r\n\r\nX-Evil: 4")),
    };
    gone.recipient.orcpt = Some("rfc822;a+0AX-Evil:+205".to_owned());
    let mail = MAIL.replace("hello", "hello\r\nX-Mine: yes");
    let letter = compose(mail.as_bytes(), &parameters, Some("clerk@city.example.jp"), &[gone]).unwrap();
    let text = String::from_utf8(letter.bytes.to_vec()).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("X-Evil")), "{text}");
    assert_eq!(text.matches(&format!("--{boundary}")).count(), 4, "three parts and the end");
    assert!(!text.contains('\u{1b}'));
    let message = parse(&letter);
    let status = part(&message, 1).1;
    assert_eq!(status.split("\r\n\r\n").filter(|block| !block.trim().is_empty()).count(), 2, "{status}");
}

#[test]
fn addresses_beyond_ascii_stay_readable_for_old_servers() {
    let letter = compose(
        MAIL.as_bytes(),
        &MailParameters { smtputf8: true, ret: Some("FULL".to_owned()), ..MailParameters::default() },
        Some("係員@city.example.jp"),
        &[failed("住民@mail.test")],
    )
    .unwrap();
    assert!(letter.parameters.smtputf8, "its own recipient needs it");
    let status = part(&parse(&letter), 1).1;
    assert!(status.contains("Final-Recipient: utf-8; \\x{4F4F}\\x{6C11}@mail.test"), "{status}");
    assert!(status.is_ascii());
}

#[test]
fn a_report_about_a_mail_with_smtputf8_needs_no_smtputf8_itself() {
    let mail = MAIL.replace("one@mail.test", "住民@mail.test");
    let mut gone = failed("住民@mail.test");
    gone.recipient.orcpt = Some("utf-8;\\x{4F4F}民@mail.test".to_owned());
    for (ret, kind) in [(None, "message/global-headers"), (Some("FULL"), "message/global")] {
        let parameters = MailParameters { smtputf8: true, ret: ret.map(str::to_owned), ..MailParameters::default() };
        let letter =
            compose(mail.as_bytes(), &parameters, Some("clerk@city.example.jp"), std::slice::from_ref(&gone)).unwrap();
        assert!(letter.bytes.is_ascii(), "seven bits pass everywhere");
        assert_eq!((letter.parameters.smtputf8, letter.parameters.eight_bit), (false, false));
        let text = String::from_utf8(letter.bytes.to_vec()).unwrap();
        assert!(text.contains(&format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n")), "{text}");
        let status = part(&parse(&letter), 1).1;
        assert!(status.contains("Original-Recipient: utf-8; \\x{4F4F}\\x{6C11}@mail.test"), "{status}");
    }
}

#[test]
fn content_that_was_refused_does_not_come_back_whole() {
    let full = MailParameters { ret: Some("FULL".to_owned()), ..MailParameters::default() };
    for (said, kind) in [
        ("5.1.1 unknown user", "message/rfc822"),
        ("5.7.1 looks like spam", "text/rfc822-headers"),
        ("5.3.4 too large", "text/rfc822-headers"),
        ("5.6.3 eight bits", "text/rfc822-headers"),
    ] {
        let gone =
            Reported { recipient: Recipient::new("one@mail.test"), disposition: Disposition::Failed(reply(554, said)) };
        let letter = compose(MAIL.as_bytes(), &full, Some("clerk@city.example.jp"), &[gone]).unwrap();
        assert_eq!(part(&parse(&letter), 2).0, kind, "{said}");
    }
}

#[test]
fn a_clerk_reads_which_mail_who_and_why() {
    let mail = MAIL.replace("hello", "=?UTF-8?B?44GK55+l44KJ44Gb?=");
    let full = Reported {
        recipient: Recipient::new("two@mail.test"),
        disposition: Disposition::Failed(reply(552, "5.2.2 over quota")),
    };
    let parameters = MailParameters::default();
    let reported = [failed("one@mail.test"), full];
    let letter = compose(mail.as_bytes(), &parameters, Some("clerk@city.example.jp"), &reported).unwrap();
    let text = part(&parse(&letter), 0).1;
    for words in [
        "件名 / Subject: お知らせ",
        "この宛先は存在しません",
        "There is no such address",
        "メールボックスがいっぱい",
        "The mailbox is full",
        "the server said: 552 5.2.2 over quota",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[tokio::test]
async fn success_is_ours_to_tell_only_when_the_next_server_cannot() {
    for (no_dsn, notify, told) in [(false, Some("SUCCESS"), false), (true, Some("SUCCESS"), true), (true, None, false)]
    {
        let (store, outbox, server): (_, _, Arc<Server>) = outbox().await;
        server.no_dsn.store(no_dsn, Ordering::SeqCst);
        let mut new = new_queued(1, &["one@mail.test"]);
        new.copies[0].recipients[0].notify = notify.map(str::to_owned);
        store.queue(new).await.unwrap();
        outbox.run_once(NOW, &server).await.unwrap();
        server.take_seen();
        outbox.run_once(NOW, &server).await.unwrap();
        let reports = server.take_seen();
        assert_eq!(reports.len(), usize::from(told), "{no_dsn} {notify:?}");
        for report in reports {
            assert!(String::from_utf8(report.data).unwrap().contains("Action: relayed"));
        }
    }
}

#[tokio::test]
async fn one_report_tells_several_fates_of_one_copy() {
    let (store, outbox, server) = outbox().await;
    store.queue(new_queued(1, &["fine@mail.test", "gone@mail.test", "full@mail.test"])).await.unwrap();
    server.answer("fine@mail.test", accepted());
    server.answer("gone@mail.test", refused());
    server.answer("full@mail.test", Fate::Refused(reply(552, "5.2.2 mailbox full")));
    outbox.run_once(NOW, &server).await.unwrap();
    server.take_seen();
    outbox.run_once(NOW, &server).await.unwrap();
    let reports = server.take_seen();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].sender, None);
    let text = String::from_utf8(reports[0].data.clone()).unwrap();
    assert!(text.contains("Status: 5.1.1") && text.contains("Status: 5.2.2"));
    assert!(!text.contains("fine@mail.test"));
}
