//! The client side against an upstream that answers from a script, one fault at a time: each stage times each fault, and the fates that follow.
//! It refuses to accept a fault that ends without a fate for every recipient.

use bytes::Bytes;
use sekisho::address::Address;
use sekisho::mail::envelope::{MailParameters, Recipient};
use sekisho::smtp::sender::{Credentials, Fate, Output, Sender, SenderError, Settings, Tls, Transaction, Verified};
use sekisho::smtp::stage::Stage;

/// What the upstream does instead of its ordinary reply.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Says this (CRLF is added).
    Say(&'static str),
    /// Closes the connection.
    Drop,
    /// Says this and closes the connection.
    SayAndDrop(&'static str),
    /// Says nothing until the sender's patience ends.
    Silence,
}

/// A server in memory.
#[derive(Debug)]
struct Upstream {
    ehlo: String,
    /// Prefix of a command (or `greeting`, `text`, `.`) and what happens then; each once, the first that fits.
    script: Vec<(&'static str, Act)>,
    input: Vec<u8>,
    in_text: bool,
    commands: Vec<String>,
    mails: Vec<Vec<u8>>,
    tls: bool,
    /// The most commands that came in one go.
    batch: usize,
}

const ALL: &str = "PIPELINING\nSIZE 1000000\n8BITMIME\nSMTPUTF8\nDSN";

impl Upstream {
    fn new(ehlo: &str, script: &[(&'static str, Act)]) -> Self {
        Self {
            ehlo: ehlo.to_owned(),
            script: script.to_vec(),
            input: Vec::new(),
            in_text: false,
            commands: Vec::new(),
            mails: Vec::new(),
            tls: false,
            batch: 0,
        }
    }

    fn act(&mut self, event: &str) -> Option<Act> {
        let index = self.script.iter().position(|(prefix, _)| event.starts_with(prefix))?;
        Some(self.script.remove(index).1)
    }

    /// Answers what came: octets, and "is the connection gone?", or `None` for silence.
    fn answer(&mut self, octets: &[u8]) -> (Vec<u8>, bool) {
        self.input.extend_from_slice(octets);
        let mut out = Vec::new();
        let before = self.commands.len();
        loop {
            let (event, ordinary) = if self.in_text {
                let end = if self.input.starts_with(b".\r\n") {
                    Some(0)
                } else {
                    self.input.windows(5).position(|window| window == b"\r\n.\r\n").map(|at| at + 2)
                };
                match end {
                    Some(end) => {
                        self.mails.push(self.input[..end].to_vec());
                        self.input.drain(..end + 3);
                        self.in_text = false;
                        (".".to_owned(), "250 2.0.0 queued".to_owned())
                    }
                    None if self.input.is_empty() => break,
                    None => match self.act("text") {
                        Some(act) => {
                            return match act {
                                Act::Say(text) => ([out, format!("{text}\r\n").into_bytes()].concat(), false),
                                Act::SayAndDrop(text) => ([out, format!("{text}\r\n").into_bytes()].concat(), true),
                                Act::Drop => (out, true),
                                Act::Silence => (out, false),
                            };
                        }
                        None => break,
                    },
                }
            } else {
                let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else { break };
                let line: Vec<u8> = self.input.drain(..=end).collect();
                let line = String::from_utf8(line).unwrap();
                let line = line.strip_suffix("\r\n").unwrap().to_owned();
                self.commands.push(line.clone());
                let ordinary = match line.split(' ').next().unwrap() {
                    "EHLO" if self.tls => format!("250-up.test\n{}", self.ehlo.replace("STARTTLS", "X-TLS")),
                    "EHLO" => format!("250-up.test\n{}", self.ehlo),
                    "DATA" => "354 go on".to_owned(),
                    "STARTTLS" => "220 go on".to_owned(),
                    "AUTH" if line.starts_with("AUTH LOGIN") => "334 VXNlcm5hbWU6".to_owned(),
                    "AUTH" => "235 2.7.0 welcome".to_owned(),
                    "QUIT" => "221 bye".to_owned(),
                    "dXNlcg==" => "334 UGFzc3dvcmQ6".to_owned(),
                    "cGFzcw==" => "235 2.7.0 welcome".to_owned(),
                    _ => "250 2.0.0 Ok".to_owned(),
                };
                (line, ordinary)
            };
            match self.act(&event) {
                None => {
                    self.in_text = ordinary.starts_with("354");
                    out.extend(lines(&ordinary));
                }
                Some(Act::Say(text)) => {
                    self.in_text = text.starts_with("354");
                    out.extend_from_slice(text.as_bytes());
                    out.extend_from_slice(b"\r\n");
                }
                Some(Act::Drop) => return (out, true),
                Some(Act::SayAndDrop(text)) => {
                    out.extend_from_slice(text.as_bytes());
                    out.extend_from_slice(b"\r\n");
                    return (out, true);
                }
                Some(Act::Silence) => return (out, false),
            }
        }
        self.batch = self.batch.max(self.commands.len() - before);
        (out, false)
    }
}

/// `250-a\nB\nC` as the lines of one reply.
fn lines(text: &str) -> Vec<u8> {
    let mut parts: Vec<&str> = text.split('\n').filter(|part| !part.is_empty()).collect();
    if parts.len() == 1 {
        return format!("{}\r\n", parts[0].replacen('-', " ", usize::from(parts[0].starts_with("250-")))).into_bytes();
    }
    let first = parts.remove(0);
    let last = parts.len() - 1;
    let mut out = format!("{first}\r\n");
    for (index, part) in parts.iter().enumerate() {
        out.push_str(&format!("250{}{part}\r\n", if index == last { ' ' } else { '-' }));
    }
    out.into_bytes()
}

fn plain() -> Settings {
    Settings { hostname: "relay.test".to_owned(), tls: Tls::Never, tls_active: None, credentials: None }
}

fn mail(recipients: &[&str], text: &str) -> Transaction {
    Transaction {
        sender: Some(Address::new("a@in.test")),
        parameters: MailParameters::default(),
        recipients: recipients.iter().map(|address| Recipient::new(address)).collect(),
        data: vec![Bytes::copy_from_slice(text.as_bytes())],
    }
}

fn three() -> Transaction {
    mail(&["r1@out.test", "r2@out.test", "r3@out.test"], "Subject: x\r\n\r\n.dot\r\n")
}

/// Fates in short: `250`, `d451`, `r550`, with `?` behind when the outcome is unknown.
fn short(fates: &[Fate], unknown: bool) -> String {
    let mut words: Vec<String> = fates
        .iter()
        .map(|fate| match fate {
            Fate::Accepted(reply) => format!("{}", reply.code),
            Fate::Deferred(reply) => format!("d{}", reply.code),
            Fate::Refused(reply) => format!("r{}", reply.code),
        })
        .collect();
    if unknown {
        words.push("?".to_owned());
    }
    words.join(" ")
}

/// Sends the mails one after the other; the results in short, and how the connection ended.
fn run(settings: Settings, upstream: &mut Upstream, mails: Vec<Transaction>) -> (Vec<String>, Output) {
    let mut sender = Sender::new(settings);
    let mut mails = mails.into_iter();
    let mut results = Vec::new();
    sender.start(mails.next().unwrap());
    let mut to_sender = match upstream.act("greeting") {
        None => b"220 up.test ESMTP\r\n".to_vec(),
        Some(Act::Say(text)) => format!("{text}\r\n").into_bytes(),
        Some(_) => {
            sender.lost();
            Vec::new()
        }
    };
    let mut gone = false;
    loop {
        sender.feed(&std::mem::take(&mut to_sender));
        if gone {
            sender.lost();
        }
        loop {
            match sender.next() {
                Output::Send(octets) => {
                    if !gone {
                        let (said, closed) = upstream.answer(&octets);
                        to_sender.extend(said);
                        gone |= closed;
                    }
                }
                Output::NeedInput if to_sender.is_empty() && !gone => sender.timed_out(),
                Output::NeedInput => break,
                Output::StartTls => {
                    upstream.tls = true;
                    sender.tls_started(Verified(true));
                }
                Output::Done { fates, unknown } => results.push(short(&fates, unknown)),
                Output::Ready => match mails.next() {
                    Some(next) => sender.start(next),
                    None => return (results, Output::Ready),
                },
                end @ (Output::Failed(_) | Output::Closed) => return (results, end),
            }
        }
    }
}

fn one(ehlo: &str, script: &[(&'static str, Act)], mail: Transaction) -> (String, Output, Upstream) {
    let mut upstream = Upstream::new(ehlo, script);
    let (mut results, end) = run(plain(), &mut upstream, vec![mail]);
    assert_eq!(results.len(), 1, "{results:?} {end:?}");
    (results.remove(0), end, upstream)
}

/// How a connection ended, in a word.
fn word(end: &Output) -> &'static str {
    match end {
        Output::Ready => "ready",
        Output::Closed => "closed",
        Output::Failed(SenderError::Refused { .. }) => "refused",
        Output::Failed(SenderError::Unexpected { .. }) => "unexpected",
        Output::Failed(SenderError::Reply(_)) => "garbage",
        Output::Failed(SenderError::Lost(_)) => "lost",
        Output::Failed(SenderError::TimedOut(_)) => "late",
        Output::Failed(_) => "failed",
        _ => "?",
    }
}

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
    let credentials = || Some(Credentials { user: "user".to_owned(), password: "pass".to_owned() });
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
