//! Reads and runs one dialog: lines of a client and what the receiver must say.
//! It refuses to leave any output of the receiver unasserted.
//!
//! | line | meaning |
//! |---|---|
//! | `# …` | comment; the first line names the clause or the attack |
//! | `set name value` | a setting: relay, tls, tls_required, tls_active, auth, auth_required, xclient, allowed, allowed_names, size, a limit, or an extension name with off |
//! | `C: text` | the client sends the text and CRLF |
//! | `c: text` | the client sends the text alone |
//! | `S: 250 2.1.0` | the next reply begins so (one reply may have several lines) |
//! | `S+ TEXT` / `S- TEXT` | the last reply has / has not this line |
//! | `S: close`, `S: tls`, `S: nothing` | the connection is closed, TLS starts (and succeeds), nothing more is said |
//! | `M: <sender> <rcpt>…` | a mail came with this envelope |
//! | `D: text` | the last mail's data is exactly this |
//! | `P: text` | the last mail's parameters (Debug) have this text |
//! | `A: 451 4.3.0 text` | how the next mail is answered (without: 250) |
//! | `L: 535 5.7.8 text` | how the next login is answered (without: 235) |
//! | `U: PLAIN user message` | a login came with this mechanism, this name and these messages (`...` at the end: and more) |
//! | `N: name` | TLS shows a verified certificate with this host name |
//! | `T: 300` | that many seconds pass in silence |
//! | `X: shutdown` | the service stops |
//!
//! In texts `\r \n \t \0 \\ \xNN` are octets, `\{n*text}` is the text n times.

use bytes::Bytes;
use sekisho::mail::envelope::Envelope;
use sekisho::smtp::auth::{Login, Mechanism};
use sekisho::smtp::receiver::{Output, Receiver, Settings};
use sekisho::smtp::reply::{Reply, ReplyReader};
use std::collections::VecDeque;

/// Settings of a well-meant relay.
pub fn settings() -> Settings {
    Settings { relay: true, session: 7, ..Settings::new("relay.test", "192.0.2.9".parse().unwrap()) }
}

/// The octets that a text with escapes stands for.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let code = &rest[at + 1..];
        rest = match code.as_bytes()[0] {
            b'r' => push(&mut out, b"\r", &code[1..]),
            b'n' => push(&mut out, b"\n", &code[1..]),
            b't' => push(&mut out, b"\t", &code[1..]),
            b'0' => push(&mut out, b"\0", &code[1..]),
            b'\\' => push(&mut out, b"\\", &code[1..]),
            b'x' => push(&mut out, &[u8::from_str_radix(&code[1..3], 16).unwrap()], &code[3..]),
            b'{' => {
                let end = code.find('}').unwrap();
                let (count, repeated) = code[1..end].split_once('*').unwrap();
                let run = unescape(repeated).repeat(count.parse().unwrap());
                push(&mut out, &run, &code[end + 1..])
            }
            other => panic!("escape {other}"),
        };
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn push<'a>(out: &mut Vec<u8>, octets: &[u8], rest: &'a str) -> &'a str {
    out.extend_from_slice(octets);
    rest
}

fn set(settings: &mut Settings, name: &str, value: &str) {
    let on = value == "on";
    let number = || value.parse::<u64>().unwrap();
    let count = || value.parse::<usize>().unwrap();
    match name {
        "relay" => settings.relay = on,
        "tls" => settings.tls_available = on,
        "tls_required" => settings.tls_required = on,
        "tls_active" => settings.tls_active = on,
        "pipelining" => settings.offered.pipelining = on,
        "8bitmime" => settings.offered.eight_bit_mime = on,
        "smtputf8" => settings.offered.smtputf8 = on,
        "dsn" => settings.offered.dsn = on,
        "size" if value == "off" => settings.offered.size = None,
        "size" => {
            settings.offered.size = Some(number());
            settings.limits.message_bytes = number();
        }
        "chunking" => settings.offered.chunking = on,
        "require_tls" => settings.offered.require_tls = on,
        "auth" => {
            settings.auth = value.split(' ').map(|name| Mechanism::from_name(name.as_bytes()).unwrap()).collect();
        }
        "auth_required" => settings.auth_required = on,
        "xclient" => settings.xclient = on,
        "allowed" => settings.allowed = vec![value.parse().unwrap()],
        "allowed_names" => settings.allowed_names = vec![value.to_owned()],
        "recipients" => settings.limits.recipients = count(),
        "command_bytes" => settings.limits.command_bytes = count(),
        "header_bytes" => settings.limits.header_bytes = count(),
        "header_fields" => settings.limits.header_fields = count(),
        "errors" => settings.limits.errors = count(),
        "idle_commands" => settings.limits.idle_commands = count(),
        "failed_logins" => settings.limits.failed_logins = count(),
        "commands_per_minute" => settings.limits.commands_per_minute = count(),
        "session_seconds" => settings.limits.session_seconds = number(),
        "data_seconds" => settings.limits.data_seconds = number(),
        "data_rate" => settings.limits.data_rate = number(),
        "transactions" => settings.limits.transactions = count(),
        other => panic!("setting {other}"),
    }
}

/// What the receiver put out.
#[derive(Debug)]
enum Event {
    Reply(Reply),
    Tls,
    Close,
}

struct Stage {
    receiver: Receiver,
    now_ms: u64,
    replies: ReplyReader,
    events: VecDeque<Event>,
    closed: bool,
    mails: VecDeque<(Envelope, Bytes)>,
    answers: VecDeque<Reply>,
    logins: VecDeque<Login>,
    verdicts: VecDeque<Reply>,
}

impl Stage {
    fn drain(&mut self) {
        loop {
            match self.receiver.next() {
                Output::Reply(octets) => {
                    assert!(octets.ends_with(b"\r\n"));
                    self.replies.feed(&octets);
                    while let Some(reply) = self.replies.next_reply().unwrap() {
                        self.events.push_back(Event::Reply(reply));
                    }
                }
                Output::StartTls => self.events.push_back(Event::Tls),
                Output::Mail(envelope, mail) => {
                    self.mails.push_back((*envelope, mail));
                    let answer = self.answers.pop_front().unwrap_or_else(|| Reply::new(250, "2.0.0", "Ok"));
                    self.receiver.answer(self.now_ms, &answer);
                }
                Output::Authenticate(login) => {
                    self.logins.push_back(*login);
                    let verdict = self.verdicts.pop_front().unwrap_or_else(|| Reply::new(235, "2.7.0", "welcome"));
                    self.receiver.authenticated(self.now_ms, &verdict);
                }
                Output::NeedInput => return,
                Output::Close => {
                    if !std::mem::replace(&mut self.closed, true) {
                        self.events.push_back(Event::Close);
                    }
                    return;
                }
            }
        }
    }

    fn client(&mut self, octets: &[u8], chunk: usize) {
        // Octet by octet is slow where a text is there to exceed a limit.
        let chunk = if octets.len() > 100_000 { chunk.max(1000) } else { chunk };
        for piece in octets.chunks(chunk) {
            self.receiver.feed(self.now_ms, piece);
            self.drain();
        }
    }
}

/// Runs a dialog; each text of the client is fed in pieces of `chunk` octets.
pub fn run(text: &str, chunk: usize) -> Result<(), String> {
    if !text.starts_with("# ") {
        return Err("the first line names no clause".to_owned());
    }
    let mut settings = settings();
    let mut stage: Option<Stage> = None;
    let mut last_reply: Option<Reply> = None;
    let mut last_mail: Option<(Envelope, Bytes)> = None;
    let mut assertions = 0;
    for (index, line) in text.lines().enumerate() {
        let fail = |reason: String| Err(format!("line {}: {line}: {reason}", index + 1));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(setting) = line.strip_prefix("set ") {
            let (name, value) = setting.split_once(' ').unwrap();
            set(&mut settings, name, value);
            continue;
        }
        let stage = stage.get_or_insert_with(|| {
            let mut stage = Stage {
                receiver: Receiver::new(settings.clone(), 0),
                now_ms: 0,
                replies: ReplyReader::default(),
                events: VecDeque::new(),
                closed: false,
                mails: VecDeque::new(),
                answers: VecDeque::new(),
                logins: VecDeque::new(),
                verdicts: VecDeque::new(),
            };
            // A dialog that begins with the client is one with a client that does not wait.
            if !line.starts_with('c') && !line.starts_with('C') {
                stage.drain();
            }
            stage
        });
        let (kind, rest) = line.split_at(2);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        assertions += usize::from(matches!(kind, "S:" | "S+" | "S-" | "M:" | "D:" | "P:" | "U:"));
        match kind {
            "C:" => stage.client(&[&unescape(rest)[..], b"\r\n"].concat(), chunk),
            "c:" => stage.client(&unescape(rest), chunk),
            "A:" => stage.answers.push_back(Reply::from_line(rest).unwrap()),
            "L:" => stage.verdicts.push_back(Reply::from_line(rest).unwrap()),
            "N:" => stage.receiver.certified(vec![rest.to_owned()]),
            "U:" => {
                let found = stage.logins.pop_front().map(|login| {
                    let messages = login.messages.iter().map(|message| message.escape_ascii().to_string());
                    let words = [login.mechanism.as_str().to_owned(), login.user.clone()];
                    words.into_iter().chain(messages).collect::<Vec<_>>().join(" ")
                });
                let fits = match rest.strip_suffix("...") {
                    Some(start) => found.as_ref().is_some_and(|found| found.starts_with(start)),
                    None => found.as_deref() == Some(rest),
                };
                if !fits {
                    return fail(format!("expected, found {found:?}"));
                }
            }
            "T:" => {
                stage.now_ms += rest.parse::<u64>().unwrap() * 1000;
                stage.receiver.timed_out(stage.now_ms);
                stage.drain();
            }
            "X:" if rest == "shutdown" => {
                stage.receiver.shutdown(stage.now_ms);
                stage.drain();
            }
            "S:" => match (rest, stage.events.pop_front()) {
                ("nothing", None) | ("close", Some(Event::Close)) => {}
                // What the client sent up to here came before the handshake.
                ("tls", Some(Event::Tls)) => stage.receiver.tls_started(stage.now_ms),
                (prefix, Some(Event::Reply(reply))) => {
                    let first = String::from_utf8_lossy(&reply.lines[0]).into_owned();
                    if !format!("{} {first}", reply.code).starts_with(prefix) || prefix == "nothing" {
                        return fail(format!("expected, found {}", reply.text_lossy()));
                    }
                    last_reply = Some(reply);
                }
                (_, other) => return fail(format!("expected, found {other:?}")),
            },
            "S+" | "S-" => {
                let found = last_reply.iter().flat_map(|reply| &reply.lines).any(|line| line == rest.as_bytes());
                if found != (kind == "S+") {
                    return fail(format!("expected, found {last_reply:?}"));
                }
            }
            "M:" => {
                last_mail = stage.mails.pop_front();
                let found = last_mail.as_ref().map(|(envelope, _)| {
                    let mut words =
                        vec![format!("<{}>", envelope.sender.as_ref().map_or("", |sender| sender.as_str()))];
                    words.extend(envelope.recipients.iter().map(|recipient| format!("<{}>", recipient.address)));
                    words.join(" ")
                });
                if found.as_deref() != Some(rest) {
                    return fail(format!("expected, found {found:?}"));
                }
            }
            "D:" => {
                let found = last_mail.as_ref().map(|(_, mail)| mail.to_vec());
                if found.as_deref() != Some(&unescape(rest)[..]) {
                    return fail(format!("expected, found {:?}", found.map(|mail| mail.escape_ascii().to_string())));
                }
            }
            "P:" => {
                let found = format!("{:?}", last_mail.as_ref().map(|(envelope, _)| envelope));
                if !found.contains(rest) {
                    return fail(format!("expected, found {found}"));
                }
            }
            _ => return fail("unknown line".to_owned()),
        }
    }
    match stage {
        _ if assertions == 0 => Err("the dialog asserts nothing".to_owned()),
        Some(stage) if !stage.events.is_empty() || !stage.mails.is_empty() || !stage.logins.is_empty() => {
            Err(format!("left over: {:?}, {} mails and {} logins", stage.events, stage.mails.len(), stage.logins.len()))
        }
        _ => Ok(()),
    }
}
