//! The client side and what an upstream offers: nothing is sent that it cannot take, nothing secret in clear, nothing altered.
//! It refuses to accept a silent change of a mail.

use crate::upstream::{ALL, Act, Upstream, mail, one, plain, run, three, word};
use bytes::Bytes;
use sekisho::address::Address;
use sekisho::mail::envelope::Recipient;
use sekisho::smtp::auth::{Login, Mechanism};
use sekisho::smtp::sender::{Credentials, Output, Sender, SenderError, Settings, Tls, Transaction, Verified};

#[test]
fn what_the_upstream_lacks_is_refused_and_never_altered() {
    let base = || mail(&["r1@out.test"], "Subject: x\r\n\r\n");
    let with = |change: &dyn Fn(&mut Transaction)| {
        let mut mail = base();
        change(&mut mail);
        mail
    };
    let eight_bit = |mail: &mut Transaction| mail.data.push(Bytes::from("日本\r\n"));
    let utf8 = |mail: &mut Transaction| mail.parameters.smtputf8 = true;
    for (what, transaction, ehlo, fates, command) in [
        ("8-bit text", with(&eight_bit), "PIPELINING", "r554", None),
        ("8-bit text", with(&eight_bit), "8BITMIME", "250", Some("MAIL FROM:<a@in.test> BODY=8BITMIME")),
        ("declared, 7-bit", with(&|mail| mail.parameters.eight_bit = true), "X", "250", Some("MAIL FROM:<a@in.test>")),
        ("declared, ASCII", with(&utf8), "8BITMIME", "250", Some("MAIL FROM:<a@in.test>")),
        ("declared, ASCII", with(&utf8), "8BITMIME\nSMTPUTF8", "250", Some("MAIL FROM:<a@in.test> SMTPUTF8")),
        (
            "declared, used",
            with(&|mail| {
                utf8(mail);
                eight_bit(mail);
            }),
            "8BITMIME",
            "r550",
            None,
        ),
        ("sender", with(&|mail| mail.sender = Some(Address::new("太郎@in.test"))), "8BITMIME", "r550", None),
        (
            "one recipient",
            with(&|mail| mail.recipients.push(Recipient::new("花子@out.test"))),
            "8BITMIME",
            "250 r553",
            Some("MAIL FROM:<a@in.test>"),
        ),
        (
            "one recipient",
            with(&|mail| mail.recipients.push(Recipient::new("花子@out.test"))),
            "8BITMIME\nSMTPUTF8",
            "250 250",
            Some("MAIL FROM:<a@in.test> SMTPUTF8"),
        ),
        ("size", base(), "SIZE 13", "r552", None),
        ("size", base(), "SIZE 14", "250", Some("MAIL FROM:<a@in.test> SIZE=14")),
        ("size", base(), "SIZE 0", "250", Some("MAIL FROM:<a@in.test> SIZE=14")),
        ("bare LF", mail(&["r1@out.test"], "a\nb\r\n"), ALL, "r554", None),
        ("open line", mail(&["r1@out.test"], "a"), ALL, "r554", None),
        ("injection", mail(&["r1@out.test>\r\nRCPT TO:<evil@out.test"], "a\r\n"), ALL, "r553", None),
        ("injection", mail(&["r1@out.test> NOTIFY=NEVER"], "a\r\n"), ALL, "r553", None),
        ("injection", with(&|mail| mail.sender = Some(Address::new("a@in.test>\r\nQUIT"))), ALL, "r553", None),
        ("injection", with(&|mail| mail.parameters.envid = Some("x\r\nQUIT".to_owned())), ALL, "r553", None),
        ("injection", with(&|mail| mail.recipients[0].orcpt = Some("rfc822;x\r\nQUIT".to_owned())), ALL, "r553", None),
    ] {
        let (found, end, upstream) = one(ehlo, &[], transaction);
        assert_eq!((found.as_str(), &end), (fates, &Output::Ready), "{what} {ehlo}");
        assert_eq!(upstream.commands.get(1).map(String::as_str), command, "{what} {ehlo}");
    }
}

#[test]
fn dsn_parameters_go_where_dsn_is_offered() {
    let transaction = || {
        let mut mail = mail(&["r1@out.test"], "x\r\n");
        mail.parameters.ret = Some("HDRS".to_owned());
        mail.parameters.envid = Some("QQ+2B".to_owned());
        mail.recipients[0].notify = Some("SUCCESS,delay".to_owned());
        mail.recipients[0].orcpt = Some("rfc822;R1@out.test".to_owned());
        mail
    };
    for (ehlo, mail, rcpt) in [
        (
            "DSN",
            "MAIL FROM:<a@in.test> RET=HDRS ENVID=QQ+2B",
            "RCPT TO:<r1@out.test> NOTIFY=SUCCESS,delay ORCPT=rfc822;R1@out.test",
        ),
        ("X", "MAIL FROM:<a@in.test>", "RCPT TO:<r1@out.test>"),
    ] {
        let (_, _, upstream) = one(ehlo, &[], transaction());
        assert_eq!(upstream.commands[1..3], [mail, rcpt]);
    }
}

fn tls(policy: Tls) -> Settings {
    Settings { tls: policy, ..plain() }
}

#[test]
fn starttls_by_policy() {
    let offer = "STARTTLS\nPIPELINING";
    for (policy, ehlo, script, fates, end, encrypted) in [
        (Tls::WhenOffered, offer, &[][..], "250 250 250", "ready", true),
        (Tls::Required, offer, &[], "250 250 250", "ready", true),
        (Tls::Never, offer, &[], "250 250 250", "ready", false),
        (Tls::WhenOffered, "X", &[], "250 250 250", "ready", false),
        (Tls::Required, "X", &[], "d451 d451 d451", "failed", false),
        (Tls::Required, offer, &[("EHLO", Act::Say("500 what"))], "d451 d451 d451", "refused", false),
        (Tls::WhenOffered, offer, &[("STARTTLS", Act::Say("454 4.7.0 not now"))], "250 250 250", "ready", false),
        (Tls::Required, offer, &[("STARTTLS", Act::Say("454 4.7.0 not now"))], "d454 d454 d454", "refused", false),
        // CVE-2021-38371: what came in clear behind 220 is a protocol error, never read as coming through TLS.
        (
            Tls::WhenOffered,
            offer,
            &[("STARTTLS", Act::Say("220 go\r\n250-evil\r\n250 AUTH PLAIN"))],
            "d451 d451 d451",
            "failed",
            false,
        ),
        (Tls::Required, offer, &[("STARTTLS", Act::Say("220 go\r\n2"))], "d451 d451 d451", "failed", false),
    ] {
        let mut upstream = Upstream::new(ehlo, script);
        let (results, found) = run(tls(policy), &mut upstream, vec![three()]);
        assert_eq!((results, word(&found)), (vec![fates.to_owned()], end), "{policy:?} {ehlo} {script:?}");
        assert_eq!(upstream.tls, encrypted, "{policy:?} {ehlo} {script:?}");
        let hellos = upstream.commands.iter().filter(|command| command.starts_with("EHLO")).count();
        assert_eq!(hellos, 1 + usize::from(encrypted));
    }
}

#[test]
fn octets_during_the_handshake_are_an_error() {
    let mut sender = Sender::new(tls(Tls::Required));
    sender.start(three());
    sender.feed(b"220 up\r\n");
    assert!(matches!(sender.next(), Output::Send(_)));
    sender.feed(b"250-up\r\n250 STARTTLS\r\n");
    assert!(matches!(sender.next(), Output::Send(_)));
    sender.feed(b"220 go\r\n");
    assert_eq!(sender.next(), Output::StartTls);
    sender.feed(b"250 evil\r\n");
    assert!(matches!(sender.next(), Output::Done { .. }));
    assert_eq!(sender.next(), Output::Failed(SenderError::ClearText));
}

#[test]
fn passwords_go_through_verified_tls_only() {
    let credentials = || Some(Credentials::Own { user: "user".to_owned(), password: "pass".to_owned() });
    for (tls_active, ehlo, script, end, sent) in [
        (Some(Verified(true)), "AUTH LOGIN PLAIN", &[][..], "ready", Some("AUTH PLAIN AHVzZXIAcGFzcw==")),
        (Some(Verified(true)), "AUTH LOGIN", &[], "ready", Some("AUTH LOGIN|dXNlcg==|cGFzcw==")),
        (Some(Verified(true)), "AUTH CRAM-MD5", &[], "failed", None),
        (Some(Verified(true)), "X", &[], "failed", None),
        (Some(Verified(false)), "AUTH PLAIN", &[], "failed", None),
        (None, "AUTH PLAIN", &[], "failed", None),
        (
            Some(Verified(true)),
            "AUTH PLAIN",
            &[("AUTH", Act::Say("535 5.7.8 wrong"))],
            "refused",
            Some("AUTH PLAIN AHVzZXIAcGFzcw=="),
        ),
        (
            Some(Verified(true)),
            "AUTH PLAIN",
            &[("AUTH", Act::Say("334 more"))],
            "unexpected",
            Some("AUTH PLAIN AHVzZXIAcGFzcw=="),
        ),
        (Some(Verified(true)), "AUTH LOGIN", &[("dXNl", Act::Say("535 no"))], "refused", Some("AUTH LOGIN|dXNlcg==")),
    ] {
        let mut upstream = Upstream::new(ehlo, script);
        let settings = Settings { tls_active, credentials: credentials(), ..plain() };
        let (results, found) = run(settings, &mut upstream, vec![three()]);
        assert_eq!(word(&found), end, "{ehlo} {script:?}");
        assert_eq!(results, [if end == "ready" { "250 250 250" } else { "d451 d451 d451" }]);
        let until =
            upstream.commands.iter().position(|command| command.starts_with("MAIL")).unwrap_or(upstream.commands.len());
        assert_eq!(upstream.commands[1..until].join("|"), sent.unwrap_or_default(), "{ehlo} {script:?}");
    }
    assert!(!format!("{:?}", credentials()).contains("pass\""));
}

#[test]
fn a_password_goes_in_clear_only_where_that_is_allowed() {
    let credentials = Credentials::Own { user: "user".to_owned(), password: "pass".to_owned() };
    let settings = Settings { credentials: Some(credentials), log_in_clear: true, ..plain() };
    let mut upstream = Upstream::new("AUTH PLAIN", &[]);
    let (results, _) = run(settings, &mut upstream, vec![three()]);
    assert_eq!((results[0].as_str(), upstream.commands[1].as_str()), ("250 250 250", "AUTH PLAIN AHVzZXIAcGFzcw=="));
}

#[test]
fn a_clients_login_is_said_as_it_came_and_the_last_reply_decides() {
    let carried = |mechanism, messages: &[&str]| {
        let messages = messages.iter().map(|message| message.as_bytes().to_vec()).collect();
        Some(Credentials::Carried(Login { mechanism, user: "user".to_owned(), messages }))
    };
    for (credentials, script, said, end) in [
        (carried(Mechanism::Plain, &["\0user\0pass"]), &[][..], "AUTH PLAIN AHVzZXIAcGFzcw==", "ready"),
        (carried(Mechanism::Login, &["user", "pass"]), &[], "AUTH LOGIN|dXNlcg==|cGFzcw==", "ready"),
        (
            carried(Mechanism::Login, &["user", "pass"]),
            &[("cGFzcw==", Act::Say("535-5.7.8 no\r\n535 5.7.8 ask the desk"))],
            "AUTH LOGIN|dXNlcg==|cGFzcw==",
            "refused",
        ),
        // The reason of a refused token is acknowledged; then comes the refusal (RFC 7628 3.2.3).
        (
            carried(Mechanism::OAuthBearer, &["n,,"]),
            &[("AUTH", Act::Say("334 eyJ9")), ("AQ==", Act::Say("535 5.7.8 no"))],
            "AUTH OAUTHBEARER biws|AQ==",
            "refused",
        ),
        (
            carried(Mechanism::XOAuth2, &["user="]),
            &[
                ("EHLO", Act::Say("250-up.test\r\n250 AUTH XOAUTH2")),
                ("AUTH", Act::Say("334 eyJ9")),
                ("", Act::Say("535 no")),
            ],
            "AUTH XOAUTH2 dXNlcj0=|",
            "refused",
        ),
        (
            carried(Mechanism::Plain, &["\0user\0pass"]),
            &[("AUTH", Act::Say("334 more"))],
            "AUTH PLAIN AHVzZXIAcGFzcw==",
            "unexpected",
        ),
    ] {
        let mut upstream = Upstream::new("AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2", script);
        let settings = Settings { tls_active: Some(Verified(true)), credentials, ..plain() };
        let mut sender = Sender::new(settings);
        sender.feed(b"220 up.test\r\n");
        let found = loop {
            match sender.next() {
                Output::Send(octets) => sender.feed(&upstream.answer(&octets).0),
                Output::Ready => break "ready",
                Output::Failed(error) => break word(&Output::Failed(error)),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((upstream.commands[1..].join("|").as_str(), found), (said, end));
        assert_eq!(sender.welcome().map(|reply| reply.code), (end == "ready").then_some(235));
    }
}

#[test]
fn requiretls_is_said_over_verified_tls_to_servers_that_keep_it() {
    for (tls_active, ehlo, fates, command) in [
        (Some(Verified(true)), "REQUIRETLS", "250", Some("MAIL FROM:<a@in.test> REQUIRETLS")),
        (Some(Verified(true)), "8BITMIME", "r550", None),
        (Some(Verified(false)), "REQUIRETLS", "r550", None),
        (None, "REQUIRETLS", "r550", None),
    ] {
        let mut transaction = mail(&["r1@out.test"], "x\r\n");
        transaction.parameters.require_tls = true;
        let mut upstream = Upstream::new(ehlo, &[]);
        let (results, _) = run(Settings { tls_active, ..plain() }, &mut upstream, vec![transaction]);
        assert_eq!(results, [fates], "{tls_active:?} {ehlo}");
        assert_eq!(upstream.commands.get(1).map(String::as_str), command, "{tls_active:?} {ehlo}");
    }
}
