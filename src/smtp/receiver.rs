//! The server side of SMTP without a socket: one session, octets in, replies and complete mails out.
//! It refuses to answer for a mail (the caller does), to go on before it was answered, and to guess where a command or a mail ends.

mod dialogue;

use super::command::Command;
use super::data::{DataFault, Decoder};
use super::extensions::Extensions;
use super::reply::Reply;
use crate::address::Address;
use crate::limits::Limits;
use crate::mail::envelope::{Client, Envelope, MailParameters, Recipient};
use bytes::Bytes;
use memchr::memchr;
use std::collections::HashSet;
use std::net::IpAddr;

/// Commands in a row that move no mail before each counts as an error (an EHLO, NOOP, RSET, VRFY or HELP flood).
const IDLE_COMMANDS: usize = 100;
/// Recipients refused as too many before each counts as an error: a pipelining client has sent them before it can see the first refusal.
const OVERSHOOT: usize = 1_000;
/// Octets of one over-long command line that are read on before the session is closed.
const OVERLONG: usize = 1024 * 1024;

/// What is known when a client connects.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name in the greeting.
    pub hostname: String,
    /// Extensions we offer; `starttls` counts only where `tls_available`.
    pub offered: Extensions,
    pub limits: Limits,
    /// The client's network address.
    pub client: IpAddr,
    /// May this client send mail through us? Decided by network before the session; false refuses every recipient.
    pub relay: bool,
    /// Is there a certificate for STARTTLS?
    pub tls_available: bool,
    /// Must the client use TLS before it sends mail (RFC 3207 4)?
    pub tls_required: bool,
    /// Is the connection encrypted from the start (RFC 8314 3)?
    pub tls_active: bool,
}

/// What the caller has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these octets: the replies to all commands read so far.
    Reply(Bytes),
    /// Start TLS as a server now, then call [`Receiver::tls_started`]; close the connection when the handshake fails.
    StartTls,
    /// A complete mail in canonical form; call [`Receiver::answer`].
    Mail(Box<Envelope>, Bytes),
    /// Read more and [`Receiver::feed`] it; meanwhile keep to [`Receiver::deadline`].
    NeedInput,
    /// Close the connection. This is the last output and stays so.
    Close,
}

/// A transaction between MAIL and the end of its data.
#[derive(Debug, Default)]
struct Draft {
    sender: Option<Address>,
    parameters: MailParameters,
    recipients: Vec<Recipient>,
    known: HashSet<String>,
    /// Recipients that were refused, too many, or broken.
    refused: usize,
    overshoot: usize,
}

#[derive(Debug)]
enum State {
    /// The greeting is still to be said.
    Greeting,
    Command,
    Data(Decoder),
    /// A mail is complete and not yet handed out.
    Complete(Vec<u8>),
    /// The caller has the mail.
    Answer,
    /// STARTTLS was accepted and not yet handed out.
    StartTls,
    /// The caller does the handshake.
    Handshake,
    Closing,
}

/// One SMTP session, server side.
#[derive(Debug)]
pub struct Receiver {
    settings: Settings,
    state: State,
    /// Octets not yet read as commands, from `head` on.
    input: Vec<u8>,
    head: usize,
    /// The current line is longer than the limit; so many octets of it are gone.
    overlong: usize,
    out: Vec<u8>,
    client: Client,
    hello: bool,
    draft: Option<Draft>,
    errors: usize,
    idle_commands: usize,
    transactions: usize,
    last_input_ms: u64,
    leaving: bool,
    full: bool,
}

impl Receiver {
    /// A session that has just begun; drain [`Receiver::next`] for the greeting.
    #[must_use]
    pub fn new(settings: Settings, now_ms: u64) -> Self {
        let client =
            Client { ip: settings.client, helo: String::new(), esmtp: false, tls: settings.tls_active, login: None };
        Self {
            settings,
            state: State::Greeting,
            input: Vec::new(),
            head: 0,
            overlong: 0,
            out: Vec::new(),
            client,
            hello: false,
            draft: None,
            errors: 0,
            idle_commands: 0,
            transactions: 0,
            last_input_ms: now_ms,
            leaving: false,
            full: false,
        }
    }

    /// Takes octets of the client. Between [`Output::Mail`] and its answer they are only stored, so the caller does not read then.
    pub fn feed(&mut self, now_ms: u64, bytes: &[u8]) {
        self.last_input_ms = now_ms;
        match &mut self.state {
            // What comes in clear between the reply to STARTTLS and the handshake is never looked at (CVE-2011-0411).
            State::StartTls | State::Handshake | State::Closing => {}
            State::Data(decoder) if self.head == self.input.len() && !decoder.ended() => {
                let used = decoder.feed(bytes);
                self.store(&bytes[used..]);
            }
            _ => self.store(bytes),
        }
    }

    /// Is there too little room to keep a mail? Then each MAIL is answered with 452 (RFC 5321 4.3.2) until there is.
    pub fn storage_full(&mut self, full: bool) {
        self.full = full;
    }

    /// The next thing to do; call it until [`Output::NeedInput`] or [`Output::Close`].
    #[expect(clippy::should_implement_trait, reason = "a session never ends by itself; `Close` stays")]
    pub fn next(&mut self) -> Output {
        loop {
            match &mut self.state {
                State::Greeting => self.greet(),
                State::Command if self.leaving => self.close(&Reply::new(421, "4.3.2", "Service shutting down")),
                State::Command => {
                    if !self.read_command() {
                        return self.flushed().unwrap_or(Output::NeedInput);
                    }
                }
                State::Data(decoder) => {
                    if !decoder.ended() {
                        let used = decoder.feed(&self.input[self.head..]);
                        self.head += used;
                    }
                    if !decoder.ended() {
                        return self.flushed().unwrap_or(Output::NeedInput);
                    }
                    self.end_data();
                }
                State::Complete(mail) => {
                    if !self.out.is_empty() {
                        return Output::Reply(std::mem::take(&mut self.out).into());
                    }
                    let mail = Bytes::from(std::mem::take(mail));
                    self.state = State::Answer;
                    return Output::Mail(Box::new(self.envelope()), mail);
                }
                State::StartTls => {
                    return self.flushed().unwrap_or_else(|| {
                        self.state = State::Handshake;
                        Output::StartTls
                    });
                }
                State::Answer | State::Handshake => return self.flushed().unwrap_or(Output::NeedInput),
                State::Closing => return self.flushed().unwrap_or(Output::Close),
            }
        }
    }

    /// The caller's reply to the mail it got. Without a mail to answer it does nothing.
    pub fn answer(&mut self, reply: &Reply) {
        if !matches!(self.state, State::Answer) {
            return;
        }
        let utf8 = self.draft.take().is_some_and(|draft| draft.parameters.smtputf8);
        self.state = State::Command;
        if reply.is_positive() {
            self.errors = 0;
            self.idle_commands = 0;
        }
        reply.write(&mut self.out, utf8);
        if reply.code == 421 {
            self.state = State::Closing;
        }
    }

    /// The TLS handshake succeeded: everything the client said before is forgotten (RFC 3207 4.2).
    pub fn tls_started(&mut self) {
        if matches!(self.state, State::Handshake) {
            self.client.tls = true;
            self.client.helo.clear();
            self.client.esmtp = false;
            self.hello = false;
            self.state = State::Command;
        }
    }

    /// When the session is over unless octets come, in the caller's milliseconds; `None` while the caller has a mail to answer.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let waits = matches!(self.state, State::Answer | State::Complete(_));
        (!waits).then(|| self.last_input_ms.saturating_add(self.settings.limits.idle_seconds.saturating_mul(1000)))
    }

    /// Was the client silent for too long? Then the session says so and ends (RFC 5321 4.5.3.2.7); drain [`Receiver::next`].
    pub fn timed_out(&mut self, now_ms: u64) -> bool {
        let late = self.deadline().is_some_and(|deadline| now_ms >= deadline);
        if late && !matches!(self.state, State::Closing) {
            self.close(&Reply::new(421, "4.4.2", "Error: timeout exceeded"));
        }
        late
    }

    /// The service stops (RFC 5321 3.8): 421 now, or after the mail that is being received.
    pub fn shutdown(&mut self) {
        self.leaving = true;
    }

    /// Is a mail being received or waiting for its answer?
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Data(_) | State::Complete(_) | State::Answer)
    }

    /// Who is connected, as far as it said.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn store(&mut self, bytes: &[u8]) {
        if self.head == self.input.len() {
            self.input.clear();
            self.head = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    fn flushed(&mut self) -> Option<Output> {
        (!self.out.is_empty()).then(|| Output::Reply(std::mem::take(&mut self.out).into()))
    }

    fn reply(&mut self, code: u16, enhanced: &str, text: &str) {
        Reply::new(code, enhanced, text).write(&mut self.out, false);
    }

    fn close(&mut self, reply: &Reply) {
        reply.write(&mut self.out, false);
        self.state = State::Closing;
        self.draft = None;
        self.input = Vec::new();
        self.head = 0;
    }

    fn greet(&mut self) {
        if self.head < self.input.len() {
            // RFC 5321 3.1: the client waits for the greeting. One that does not is a robot or another protocol.
            self.close(&Reply::new(554, "5.5.0", "Error: SMTP protocol synchronization"));
        } else {
            let text = format!("{} ESMTP", self.settings.hostname);
            self.reply(220, "", &text);
            self.state = State::Command;
        }
    }

    /// Refuses a command; too many of them end the session.
    fn refuse(&mut self, reply: &Reply) {
        reply.write(&mut self.out, false);
        self.errors += 1;
        if self.errors >= self.settings.limits.errors && matches!(self.state, State::Command) {
            self.close(&Reply::new(421, "4.7.0", "Error: too many errors"));
        }
    }

    /// Takes one line out of the input and performs it; false when there is none.
    fn read_command(&mut self) -> bool {
        let rest = &self.input[self.head..];
        let limit = self.settings.limits.command_bytes;
        let Some(end) = memchr(b'\n', rest) else {
            if rest.len() > limit {
                // The last octet stays: it may be the CR of the ending.
                self.overlong += rest.len() - 1;
                self.head = self.input.len() - 1;
            }
            if self.overlong > OVERLONG {
                self.close(&Reply::new(421, "4.7.0", "Error: line too long"));
                return true;
            }
            return false;
        };
        if end == 0 || rest[end - 1] != b'\r' {
            // Whether this ends the line, two programs see differently; after it nothing can be trusted to be a command.
            self.close(&Reply::new(500, "5.5.2", "Error: bare <LF> received"));
            return true;
        }
        let line = rest[..end - 1].to_vec();
        self.head += end + 1;
        if std::mem::take(&mut self.overlong) > 0 || end + 1 > limit {
            self.refuse(&Reply::new(500, "5.5.2", "Error: line too long"));
            return true;
        }
        match Command::parse(&line) {
            Ok(command) => {
                if let Err(reply) = self.perform(command) {
                    self.refuse(&reply);
                }
            }
            Err(reply) => self.refuse(&reply),
        }
        true
    }

    /// At the true end of data: hand the mail out or refuse it.
    fn end_data(&mut self) {
        let State::Data(decoder) = std::mem::replace(&mut self.state, State::Command) else { return };
        let fault = match decoder.finish() {
            Ok(mail) => {
                self.state = State::Complete(mail);
                return;
            }
            Err(fault) => fault,
        };
        self.draft = None;
        self.refuse(&match fault {
            DataFault::TooLarge => Reply::new(552, "5.3.4", "Error: message size exceeds fixed limit"),
            DataFault::Nul => Reply::new(550, "5.6.0", "Error: NUL character in message"),
            DataFault::BareCr => Reply::new(550, "5.6.0", "Error: bare <CR> received"),
            DataFault::BareLf => Reply::new(550, "5.6.0", "Error: bare <LF> received"),
        });
    }

    fn envelope(&mut self) -> Envelope {
        // The parameters stay: they say how the answer may be written.
        let draft = self.draft.get_or_insert_default();
        draft.known.clear();
        Envelope {
            client: self.client.clone(),
            sender: draft.sender.take(),
            parameters: draft.parameters.clone(),
            recipients: std::mem::take(&mut draft.recipients),
        }
    }
}
