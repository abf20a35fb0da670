//! An upstream in memory that answers from a script, and a loop that drives a sender against it.
//! It refuses to judge; the fates it writes down are asserted by the tests that use it.

use bytes::Bytes;
use sekisho::address::Address;
use sekisho::mail::envelope::{MailParameters, Recipient};
use sekisho::smtp::sender::{Fate, Output, Sender, SenderError, Settings, Tls, Transaction, Verified};

/// What the upstream does instead of its ordinary reply.
#[derive(Clone, Copy, Debug)]
pub enum Act {
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
pub struct Upstream {
    pub ehlo: String,
    /// Prefix of a command (or `greeting`, `text`, `.`) and what happens then; each once, the first that fits.
    pub script: Vec<(&'static str, Act)>,
    pub input: Vec<u8>,
    pub in_text: bool,
    pub commands: Vec<String>,
    pub mails: Vec<Vec<u8>>,
    pub tls: bool,
    /// The most commands that came in one go.
    pub batch: usize,
}

pub const ALL: &str = "PIPELINING\nSIZE 1000000\n8BITMIME\nSMTPUTF8\nDSN";

impl Upstream {
    pub fn new(ehlo: &str, script: &[(&'static str, Act)]) -> Self {
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

    pub fn act(&mut self, event: &str) -> Option<Act> {
        let index = self.script.iter().position(|(prefix, _)| event.starts_with(prefix))?;
        Some(self.script.remove(index).1)
    }

    /// Answers what came: octets, and "is the connection gone?", or `None` for silence.
    pub fn answer(&mut self, octets: &[u8]) -> (Vec<u8>, bool) {
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
                    "AUTH" | "cGFzcw==" => "235 2.7.0 welcome".to_owned(),
                    "QUIT" => "221 bye".to_owned(),
                    "dXNlcg==" => "334 UGFzc3dvcmQ6".to_owned(),
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
pub fn lines(text: &str) -> Vec<u8> {
    let mut parts: Vec<&str> = text.split('\n').filter(|part| !part.is_empty()).collect();
    if parts.len() == 1 {
        return format!("{}\r\n", parts[0].replacen('-', " ", usize::from(parts[0].starts_with("250-")))).into_bytes();
    }
    let first = parts.remove(0);
    let last = parts.len() - 1;
    let mut out = format!("{first}\r\n");
    for (index, part) in parts.iter().enumerate() {
        out.push_str(if index == last { "250 " } else { "250-" });
        out.push_str(part);
        out.push_str("\r\n");
    }
    out.into_bytes()
}

pub fn plain() -> Settings {
    Settings {
        hostname: "relay.test".to_owned(),
        tls: Tls::Never,
        tls_active: None,
        credentials: None,
        log_in_clear: false,
    }
}

pub fn mail(recipients: &[&str], text: &str) -> Transaction {
    Transaction {
        sender: Some(Address::new("a@in.test")),
        parameters: MailParameters::default(),
        recipients: recipients.iter().map(|address| Recipient::new(address)).collect(),
        data: vec![Bytes::copy_from_slice(text.as_bytes())],
    }
}

pub fn three() -> Transaction {
    mail(&["r1@out.test", "r2@out.test", "r3@out.test"], "Subject: x\r\n\r\n.dot\r\n")
}

/// Fates in short: `250`, `d451`, `r550`, with `?` behind when the outcome is unknown.
pub fn short(fates: &[Fate], unknown: bool) -> String {
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
pub fn run(settings: Settings, upstream: &mut Upstream, mails: Vec<Transaction>) -> (Vec<String>, Output) {
    let mut sender = Sender::new(settings);
    let mut mails = mails.into_iter();
    let mut results = Vec::new();
    sender.start(mails.next().unwrap());
    let act = upstream.act("greeting");
    let mut gone = matches!(act, Some(Act::Drop | Act::SayAndDrop(_)));
    let mut to_sender = match act {
        None => b"220 up.test ESMTP\r\n".to_vec(),
        Some(Act::Say(text) | Act::SayAndDrop(text)) => format!("{text}\r\n").into_bytes(),
        Some(Act::Drop | Act::Silence) => Vec::new(),
    };
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

pub fn one(ehlo: &str, script: &[(&'static str, Act)], mail: Transaction) -> (String, Output, Upstream) {
    let mut upstream = Upstream::new(ehlo, script);
    let (mut results, end) = run(plain(), &mut upstream, vec![mail]);
    assert_eq!(results.len(), 1, "{results:?} {end:?}");
    (results.remove(0), end, upstream)
}

/// How a connection ended, in a word.
pub fn word(end: &Output) -> &'static str {
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
