//! The client side, one fault at a time: each stage times each fault, and the fates that follow.
//! It refuses to accept a fault that ends without a fate for every recipient.

use crate::upstream::{ALL, Act, Upstream, mail, one, plain, run, short, three, word};
use bytes::Bytes;
use sekisho::smtp::sender::{Credentials, Output, Sender, SenderError, Tls, Verified};
use sekisho::smtp::stage::Stage;

#[test]
fn each_stage_times_each_fault() {
    use Act::{Drop, Say, SayAndDrop, Silence};
    let r2 = "RCPT TO:<r2";
    for (script, fates, end) in [
        (&[][..], "250 250 250", "ready"),
        // Before the transaction
        (&[("greeting", Say("554 5.7.1 no"))], "d451 d451 d451", "refused"),
        (&[("greeting", Say("421 4.3.2 busy"))], "d421 d421 d421", "refused"),
        (&[("greeting", Say("250 what"))], "d451 d451 d451", "unexpected"),
        (&[("greeting", Say("HTTP/1.1 400 Bad Request"))], "d451 d451 d451", "garbage"),
        (&[("greeting", Drop)], "d451 d451 d451", "lost"),
        (&[("EHLO", Say("421 4.3.2 busy"))], "d421 d421 d421", "refused"),
        (&[("EHLO", Say("451 4.3.2 busy"))], "d451 d451 d451", "refused"),
        (&[("EHLO", Drop)], "d451 d451 d451", "lost"),
        (&[("EHLO", Silence)], "d451 d451 d451", "late"),
        (&[("EHLO", Say("502 what")), ("HELO", Say("502 what"))], "d451 d451 d451", "refused"),
        // MAIL
        (&[("MAIL", Say("550 5.7.1 no"))], "r550 r550 r550", "ready"),
        (&[("MAIL", Say("451 4.3.0 later"))], "d451 d451 d451", "ready"),
        (&[("MAIL", Say("421 4.3.0 later"))], "d421 d421 d421", "refused"),
        (&[("MAIL", Say("354 what"))], "d451 d451 d451", "unexpected"),
        (&[("MAIL", Say("what"))], "d451 d451 d451", "garbage"),
        (&[("MAIL", Drop)], "d451 d451 d451", "lost"),
        (&[("MAIL", Silence)], "d451 d451 d451", "late"),
        // RCPT
        (&[(r2, Say("571 5.7.1 no"))], "250 r571 250", "ready"),
        (&[(r2, Say("450 4.2.1 later"))], "250 d450 250", "ready"),
        (&[(r2, Say("251 2.1.5 forwarded"))], "250 250 250", "ready"),
        (&[(r2, Say("552 too many recipients"))], "250 d552 250", "ready"),
        (&[(r2, Say("552 5.2.2 mailbox full"))], "250 r552 250", "ready"),
        (&[("RCPT TO:<r1", Say("552 too large"))], "r552 250 250", "ready"),
        (&[("RCPT TO:<r1", Say("550 5.1.1 no")), (r2, SayAndDrop("421 4.3.2 bye"))], "r550 d421 d421", "refused"),
        (&[("RCPT TO:<r1", Say("550 5.1.1 no")), (r2, Drop)], "r550 d451 d451", "lost"),
        (&[(r2, Silence)], "d451 d451 d451", "late"),
        (&[(r2, Say("354 what"))], "d451 d451 d451", "unexpected"),
        (&[("RCPT", Say("550 1")), ("RCPT", Say("451 2")), ("RCPT", Say("553 3"))], "r550 d451 r553", "ready"),
        // DATA
        (&[("DATA", Say("554 5.5.1 no"))], "r554 r554 r554", "ready"),
        (&[("DATA", Say("451 4.3.0 later")), (r2, Say("550 no"))], "d451 r550 d451", "ready"),
        (&[("DATA", Say("421 4.3.0 later")), (r2, Say("550 no"))], "d421 r550 d421", "refused"),
        (&[("DATA", Say("250 what"))], "d451 d451 d451", "unexpected"),
        (&[("DATA", Drop)], "d451 d451 d451", "lost"),
        (&[("DATA", Silence)], "d451 d451 d451", "late"),
        // The final dot
        (&[(".", Say("550 5.7.1 spam")), (r2, Say("450 later"))], "r550 d450 r550", "ready"),
        (&[(".", Say("452 4.3.1 full"))], "d452 d452 d452", "ready"),
        (&[(".", SayAndDrop("421 4.3.2 bye"))], "d421 d421 d421", "refused"),
        (&[(".", Drop), (r2, Say("550 no"))], "d451 r550 d451 ?", "lost"),
        (&[(".", Silence)], "d451 d451 d451 ?", "late"),
        (&[(".", Say("what"))], "d451 d451 d451 ?", "garbage"),
        (&[(".", Say("354 what"))], "d451 d451 d451 ?", "unexpected"),
    ] {
        for ehlo in [ALL, "8BITMIME"] {
            let (found, found_end, _) = one(ehlo, script, three());
            assert_eq!((found.as_str(), word(&found_end)), (fates, end), "{ehlo:?} {script:?}");
        }
    }
}

/// The faults of the columns below.
const COLUMNS: [Act; 9] = [
    Act::Drop,
    Act::Silence,
    Act::SayAndDrop("421 4.3.2 bye"),
    Act::Say("421 4.3.2 bye"),
    Act::Say("451 4.3.0 later"),
    Act::Say("554 5.7.1 no"),
    Act::Say("354 what"),
    Act::Say("what"),
    Act::Say("250-what\r\n550 what"),
];

#[test]
fn every_cell_of_stage_times_fault_ends_in_a_fate() {
    // Drop, silence, 421 and gone, 421, 451, 554, 354 (at DATA: 250), no reply at all, two codes in one reply.
    let before = "d451 lost|d451 late|d421 refused|d421 refused|d451 refused|d451 refused|d451 unexpected|d451 garbage|d451 garbage";
    let decided =
        "d451 lost|d451 late|d421 refused|d421 refused|d451 ready|r554 ready|d451 unexpected|d451 garbage|d451 garbage";
    for (stage, row) in [
        ("greeting", before),
        // RFC 5321 3.2: a refused EHLO is followed by HELO.
        ("EHLO", &before.replacen("d451 refused|d451 unexpected", "250 ready|d451 unexpected", 1)),
        ("HELO", before),
        ("STARTTLS", before),
        ("AUTH", before),
        ("RSET", before),
        ("MAIL", decided),
        ("RCPT", decided),
        ("DATA", decided),
        (
            ".",
            "d451 ? lost|d451 ? late|d421 refused|d421 refused|d451 ready|r554 ready|d451 ? unexpected|d451 ? garbage|d451 ? garbage",
        ),
    ] {
        let cells: Vec<&str> = row.split('|').collect();
        assert_eq!(cells.len(), COLUMNS.len());
        for (cell, act) in cells.into_iter().zip(COLUMNS) {
            for pipelining in ["PIPELINING\n", ""] {
                let act = match (stage, act) {
                    ("DATA", Act::Say("354 what")) => Act::Say("250 what"),
                    (_, act) => act,
                };
                let mut script = vec![(stage, act)];
                let mut settings = plain();
                let mut mails = vec![mail(&["r1@out.test"], "x\r\n")];
                match stage {
                    "HELO" => script.push(("EHLO", Act::Say("502 what"))),
                    "STARTTLS" => settings.tls = Tls::Required,
                    "AUTH" => {
                        settings.tls_active = Some(Verified(true));
                        settings.credentials =
                            Some(Credentials::Own { user: "user".to_owned(), password: "pass".to_owned() });
                    }
                    // A reset is due when the mail before stopped behind MAIL.
                    "RSET" => {
                        script.push(("DATA", Act::Say("451 4.3.0 later")));
                        mails.push(mail(&["r1@out.test"], "x\r\n"));
                    }
                    _ => {}
                }
                let count = mails.len();
                let mut upstream = Upstream::new(&format!("{pipelining}8BITMIME\nSTARTTLS\nAUTH PLAIN"), &script);
                let (results, end) = run(settings, &mut upstream, mails);
                assert_eq!(results.len(), count, "{stage} {act:?}: one result for each mail");
                let found = format!("{} {}", results.last().unwrap(), word(&end));
                assert_eq!(found, cell, "{stage} {act:?} {pipelining:?}");
                // Nobody is told of success without a mail, and nobody has the mail who was told of another end before the final dot.
                let taken = upstream.mails.iter().filter(|mail| !mail.is_empty()).count();
                assert!(taken <= 1 && (!found.starts_with("250") || taken == 1), "{stage} {act:?}");
                assert!(taken == 0 || stage == "." || found.starts_with("250"), "{stage} {act:?}");
            }
        }
    }
}

#[test]
fn a_break_in_the_middle_of_a_mail_is_no_unknown_outcome() {
    use Act::{Drop, Say, SayAndDrop};
    let text = "x".repeat(998) + "\r\n";
    for (act, fates, end) in [
        (Drop, "d451", "lost"),
        (Say("552 5.3.4 too large"), "r552", "refused"),
        (SayAndDrop("552 5.3.4 too large"), "r552", "refused"),
        (SayAndDrop("421 4.3.2 bye"), "d421", "refused"),
        (Say("250 what"), "d451", "unexpected"),
    ] {
        // Several pieces, so that the sender can notice before the final dot.
        let mut mail = mail(&["r1@out.test"], "");
        mail.data = (0..600).map(|_| Bytes::from(text.clone())).collect();
        let mut upstream = Upstream::new(ALL, &[("text", act)]);
        let mut sender = Sender::new(plain());
        sender.start(mail);
        sender.feed(b"220 up.test\r\n");
        let mut results = Vec::new();
        let found_end = loop {
            match sender.next() {
                Output::Send(octets) => {
                    let (said, gone) = upstream.answer(&octets);
                    sender.feed(&said);
                    if gone {
                        sender.lost();
                    }
                }
                Output::Done { fates, unknown } => results.push(short(&fates, unknown)),
                end => break end,
            }
        };
        assert_eq!((results, word(&found_end)), (vec![fates.to_owned()], end), "{act:?}");
        assert!(upstream.mails.is_empty(), "{act:?}");
    }
}

#[test]
fn a_refused_mail_is_never_delivered_empty() {
    let script = [
        ("RCPT", Act::Say("550 1")),
        ("RCPT", Act::Say("550 2")),
        ("RCPT", Act::Say("550 3")),
        ("DATA", Act::Say("354 go on all the same")),
        (".", Act::Say("554 no recipients")),
    ];
    let (fates, end, upstream) = one(ALL, &script, three());
    assert_eq!((fates.as_str(), word(&end)), ("r550 r550 r550", "ready"));
    assert_eq!(upstream.mails, [b""]);
    // Without pipelining DATA is not even said.
    let (fates, _, upstream) = one("8BITMIME", &script, three());
    assert_eq!(fates, "r550 r550 r550");
    assert!(!upstream.commands.iter().any(|command| command == "DATA"));
}

#[test]
fn what_is_sent_is_exact() {
    for (ehlo, commands) in [
        (
            ALL,
            "EHLO relay.test|MAIL FROM:<a@in.test> SIZE=20|RCPT TO:<r1@out.test>|RCPT TO:<r2@out.test>|RCPT TO:<r3@out.test>|DATA",
        ),
        (
            "X",
            "EHLO relay.test|MAIL FROM:<a@in.test>|RCPT TO:<r1@out.test>|RCPT TO:<r2@out.test>|RCPT TO:<r3@out.test>|DATA",
        ),
    ] {
        let (_, _, upstream) = one(ehlo, &[], three());
        assert_eq!(upstream.commands.join("|"), commands);
        assert_eq!(upstream.mails, [b"Subject: x\r\n\r\n..dot\r\n"]);
        assert_eq!(upstream.batch, if ehlo == ALL { 5 } else { 1 });
    }
}

#[test]
fn a_server_without_ehlo_is_asked_with_helo() {
    let (fates, _, upstream) = one(ALL, &[("EHLO", Act::Say("500 what"))], three());
    assert_eq!(fates, "250 250 250");
    assert_eq!(upstream.commands[1..3], ["HELO relay.test", "MAIL FROM:<a@in.test>"]);
}

#[test]
fn one_connection_carries_many_mails_and_resets_what_is_open() {
    let mut upstream = Upstream::new(
        ALL,
        &[("DATA", Act::Say("451 4.3.0 later")), ("MAIL", Act::Say("250 ok")), ("MAIL", Act::Say("550 no"))],
    );
    let (results, end) = run(plain(), &mut upstream, vec![three(), three(), three()]);
    assert_eq!((results.join("|"), end), ("d451 d451 d451|r550 r550 r550|250 250 250".to_owned(), Output::Ready));
    let resets: Vec<usize> = upstream
        .commands
        .iter()
        .enumerate()
        .filter(|(_, command)| *command == "RSET")
        .map(|(index, _)| index)
        .collect();
    // Behind the first mail (MAIL stood), not behind the second (MAIL was refused).
    assert_eq!(resets, [6], "{:?}", upstream.commands);
}

#[test]
fn a_reset_that_is_due_survives_a_mail_refused_here() {
    let mut upstream = Upstream::new(ALL, &[("DATA", Act::Say("451 4.3.0 later"))]);
    let (results, _) = run(plain(), &mut upstream, vec![three(), mail(&["r1@out.test"], "bare\n"), three()]);
    assert_eq!(results, ["d451 d451 d451", "r554", "250 250 250"]);
    assert_eq!(upstream.commands.iter().filter(|command| *command == "RSET").count(), 1);
}

#[test]
fn batches_stay_small_and_every_recipient_has_his_fate() {
    let names: Vec<String> = (0..421).map(|number| format!("r{number}@out.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (fates, end, upstream) = one(ALL, &[("RCPT TO:<r400", Act::Say("550 5.1.1 no"))], mail(&names, "x\r\n"));
    let expected: Vec<&str> = (0..421).map(|number| if number == 400 { "r550" } else { "250" }).collect();
    assert_eq!((fates, end), (expected.join(" "), Output::Ready));
    assert!((32..=64).contains(&upstream.batch), "{}", upstream.batch);
    // When MAIL is refused, the recipients of later batches are not named any more.
    let (fates, _, upstream) = one(ALL, &[("MAIL", Act::Say("550 5.7.1 no"))], mail(&names, "x\r\n"));
    assert_eq!(fates, vec!["r550"; 421].join(" "));
    assert_eq!(upstream.commands.len(), 1 + 64);
}

#[test]
fn an_idle_connection_notices_that_the_upstream_leaves() {
    let mut sender = Sender::new(plain());
    sender.feed(b"220 up\r\n");
    assert!(matches!(sender.next(), Output::Send(_)));
    sender.feed(b"250 up\r\n");
    assert_eq!((sender.next(), sender.next(), sender.stage()), (Output::Ready, Output::NeedInput, Stage::Ready));
    sender.feed(b"421 4.4.2 idle\r\n");
    assert!(matches!(sender.next(), Output::Failed(SenderError::Refused { stage: Stage::Ready, .. })));
    sender.start(three());
    assert!(
        matches!(sender.next(), Output::Done { unknown: false, fates } if short(&fates, false) == "d421 d421 d421")
    );
    assert!(matches!(sender.next(), Output::Failed(_)));
}

#[test]
fn quit_is_said_and_answered() {
    for lost in [false, true] {
        let mut sender = Sender::new(plain());
        sender.feed(b"220 up\r\n");
        assert!(matches!(sender.next(), Output::Send(_)));
        sender.feed(b"250 up\r\n");
        assert_eq!(sender.next(), Output::Ready);
        sender.quit();
        assert_eq!(sender.next(), Output::Send(Bytes::from_static(b"QUIT\r\n")));
        assert_eq!((sender.next(), sender.stage()), (Output::NeedInput, Stage::Quit));
        if lost {
            sender.lost();
        } else {
            sender.feed(b"221 bye\r\n");
        }
        assert_eq!(sender.next(), Output::Closed);
    }
}
