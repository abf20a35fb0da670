//! The server side of SMTP without a socket: one session, octets in, replies and complete mails out.
//! It refuses to answer for a mail (the caller does), to go on before it was answered, and to guess where a command or a mail ends.

mod chunks;
mod dialogue;
mod line;
mod login;
mod patience;
mod settings;
mod xclient;

use super::auth::{Exchange, Login, Mechanism};
use super::data::{Bounds, DataFault, Decoder};
use super::extensions::{Extensions, least_size};
use super::reply::Reply;
use crate::address::Address;
use crate::mail::envelope::{Client, Envelope, Forwarded, MailParameters, Recipient};
use bytes::Bytes;
use chunks::{Chunk, Chunks};
use patience::Times;
pub use settings::Settings;
use std::collections::HashSet;
use std::fmt;

/// Octets of room for commands that a waiting session keeps.
const IDLE_INPUT: usize = 1024;

/// What the caller has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these octets: the replies to all commands read so far.
    Reply(Bytes),
    /// Start TLS as a server now, then call [`Receiver::tls_started`]; close the connection when the handshake fails.
    StartTls,
    /// A complete login; ask the upstream and call [`Receiver::authenticated`].
    Authenticate(Box<Login>),
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
    chunks: Chunks,
}

enum State {
    /// The greeting is still to be said.
    Greeting,
    Command,
    /// The client's next message of a login is awaited.
    Exchange(Exchange),
    /// A login is complete and not yet handed out.
    Credentials(Box<Login>),
    /// The caller has the login of this name.
    Verify(Mechanism, String),
    /// The client takes note of why its login failed.
    Note,
    Data(Box<Decoder>),
    Chunk(Chunk),
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
pub struct Receiver {
    settings: Settings,
    /// What is offered now.
    offered: Extensions,
    /// Does the address allow to relay?
    relay: bool,
    state: State,
    /// Octets not yet read as commands, from `head` on.
    input: Vec<u8>,
    head: usize,
    /// The current line is longer than the limit; so many octets of it are gone.
    overlong: usize,
    /// The current line began with AUTH, also when its beginning is gone.
    auth_line: bool,
    out: Vec<u8>,
    client: Client,
    forwarded: Option<Box<Forwarded>>,
    hello: bool,
    draft: Option<Draft>,
    /// DATA was refused; a client that did not wait for the reply sends text now.
    data_refused: bool,
    errors: usize,
    idle_commands: usize,
    failed_logins: usize,
    transactions: usize,
    times: Times,
    /// The service stops, since then (the caller's milliseconds).
    leaving: Option<u64>,
    full: bool,
}

/// Input and state may hold secrets of a login, so neither is shown.
impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Receiver").field("client", &self.client).field("draft", &self.draft).finish_non_exhaustive()
    }
}

impl Receiver {
    /// A session that has just begun; drain [`Receiver::next`] for the greeting.
    #[must_use]
    pub fn new(settings: Settings, now_ms: u64) -> Self {
        let mut receiver = Self {
            offered: Extensions::default(),
            relay: settings.relay,
            state: State::Greeting,
            input: Vec::new(),
            head: 0,
            overlong: 0,
            auth_line: false,
            out: Vec::new(),
            client: Client { tls: settings.tls_active, ..Client::new(settings.client) },
            forwarded: None,
            hello: false,
            draft: None,
            data_refused: false,
            errors: 0,
            idle_commands: 0,
            failed_logins: 0,
            transactions: 0,
            times: Times::new(now_ms),
            leaving: None,
            full: false,
            settings,
        };
        receiver.offer();
        receiver
    }

    /// Takes octets of the client. Between [`Output::Mail`] and its answer they are only stored, so the caller does not read then.
    pub fn feed(&mut self, now_ms: u64, bytes: &[u8]) {
        self.times.input = now_ms;
        let empty = self.head == self.input.len();
        match &mut self.state {
            // What comes in clear between the reply to STARTTLS and the handshake is never looked at (CVE-2011-0411).
            State::StartTls | State::Handshake | State::Closing => {}
            State::Data(decoder) if empty && !decoder.ended() => {
                let used = decoder.feed(bytes);
                self.store(&bytes[used..]);
            }
            State::Chunk(chunk) if empty => {
                let used = Self::take_chunk(chunk, self.draft.as_mut(), bytes);
                self.store(&bytes[used..]);
            }
            _ => {
                if empty && self.overlong == 0 {
                    self.times.waiting = now_ms;
                }
                self.store(bytes);
            }
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
                State::Command | State::Exchange(_) | State::Note if self.leaving.is_some() => {
                    self.close(&going());
                }
                State::Command => {
                    if !self.read_command() {
                        return self.flushed().unwrap_or(Output::NeedInput);
                    }
                }
                State::Exchange(_) => {
                    if !self.read_message() {
                        return self.flushed().unwrap_or(Output::NeedInput);
                    }
                }
                State::Note => {
                    if !self.read_note() {
                        return self.flushed().unwrap_or(Output::NeedInput);
                    }
                }
                State::Credentials(login) => {
                    if !self.out.is_empty() {
                        return Output::Reply(std::mem::take(&mut self.out).into());
                    }
                    let verify = State::Verify(login.mechanism, login.user.clone());
                    if let State::Credentials(login) = std::mem::replace(&mut self.state, verify) {
                        return Output::Authenticate(login);
                    }
                }
                State::Chunk(chunk) => {
                    self.head += Self::take_chunk(chunk, self.draft.as_mut(), &self.input[self.head..]);
                    if chunk.left > 0 {
                        return self.flushed().unwrap_or(Output::NeedInput);
                    }
                    self.end_chunk();
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
                State::Answer | State::Verify(..) | State::Handshake => {
                    return self.flushed().unwrap_or(Output::NeedInput);
                }
                State::Closing => return self.flushed().unwrap_or(Output::Close),
            }
        }
    }

    /// The caller's reply to the mail it got. Without a mail to answer it does nothing.
    pub fn answer(&mut self, now_ms: u64, reply: &Reply) {
        if !matches!(self.state, State::Answer) {
            return;
        }
        let utf8 = self.draft.take().is_some_and(|draft| draft.parameters.smtputf8);
        self.forwarded = None;
        self.state = State::Command;
        self.times.waiting = now_ms;
        if reply.is_positive() {
            self.times.accepted(now_ms);
            self.errors = 0;
            self.idle_commands = 0;
        }
        reply.write(&mut self.out, utf8);
        if reply.code == 421 {
            self.state = State::Closing;
        }
    }

    /// The TLS handshake succeeded: everything the client said before is forgotten (RFC 3207 4.2).
    pub fn tls_started(&mut self, now_ms: u64) {
        if matches!(self.state, State::Handshake) {
            self.client = Client {
                tls: true,
                certified: std::mem::take(&mut self.client.certified),
                ..Client::new(self.client.ip)
            };
            self.forwarded = None;
            self.hello = false;
            self.state = State::Command;
            self.times.waiting = now_ms;
            self.offer();
        }
    }

    /// The client showed a certificate that was verified; these are the host names in it.
    pub fn certified(&mut self, names: Vec<String>) {
        self.client.certified = names;
    }

    /// The service stops (RFC 5321 3.8): 421 now, or after the mail that is being received, which has [`STOP_SECONDS`] to end.
    ///
    /// [`STOP_SECONDS`]: crate::limits::STOP_SECONDS
    pub fn shutdown(&mut self, now_ms: u64) {
        self.leaving = Some(now_ms);
    }

    /// Is a mail being received or waiting for its answer?
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Data(_) | State::Chunk(_) | State::Complete(_) | State::Answer)
    }

    /// The number of this session.
    #[must_use]
    pub fn session(&self) -> u64 {
        self.settings.session
    }

    /// Who is connected, as far as it said.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn store(&mut self, bytes: &[u8]) {
        if self.head == self.input.len() {
            self.release();
        }
        self.input.extend_from_slice(bytes);
    }

    /// Forgets input that was read; a large buffer is given back, as most sessions wait most of the time.
    fn release(&mut self) {
        self.head = 0;
        self.input.clear();
        self.input.shrink_to(IDLE_INPUT);
    }

    fn offer(&mut self) {
        let (client, settings) = (&self.client, &self.settings);
        let auth: &[Mechanism] = if client.tls { &settings.auth } else { &[] };
        self.offered = settings.offered.now(settings.tls_available && !client.tls, client.tls, auth);
    }

    fn may_relay(&self) -> bool {
        let names = &self.settings.allowed_names;
        self.relay || self.client.login.is_some() || self.client.certified.iter().any(|name| names.contains(name))
    }

    fn size_limit(&self) -> u64 {
        least_size(self.settings.limits.message_bytes, self.settings.offered.size.unwrap_or(0))
    }

    fn bounds(&self) -> Bounds {
        let mail = self.size_limit();
        Bounds {
            mail: if mail == 0 { u64::MAX } else { mail },
            header: self.settings.limits.header_bytes,
            fields: self.settings.limits.header_fields,
        }
    }

    /// Octets of the mail that is being received.
    fn octets(&self) -> u64 {
        match (&self.state, &self.draft) {
            (State::Data(decoder), _) => decoder.octets(),
            (_, Some(Draft { chunks: Chunks::Open(decoder), .. })) => decoder.octets(),
            _ => 0,
        }
    }

    fn flushed(&mut self) -> Option<Output> {
        if self.head == self.input.len() {
            self.release();
        }
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
            self.welcome();
        }
    }

    fn welcome(&mut self) {
        let text = format!("{} ESMTP", self.settings.hostname);
        self.reply(220, "", &text);
        self.state = State::Command;
    }

    /// Refuses a command; too many of them end the session.
    fn refuse(&mut self, reply: &Reply) {
        reply.write(&mut self.out, false);
        self.errors += 1;
        if self.errors >= self.settings.limits.errors && matches!(self.state, State::Command) {
            self.close(&Reply::new(421, "4.7.0", "Error: too many errors"));
        }
    }

    /// At the true end of data: hand the mail out or refuse it.
    fn end_data(&mut self) {
        let State::Data(decoder) = std::mem::replace(&mut self.state, State::Command) else { return };
        let doubt = decoder.ended_in_doubt();
        let fault = match decoder.finish() {
            Ok(mail) => {
                self.state = State::Complete(mail);
                return;
            }
            Err(fault) => fault,
        };
        self.refuse_mail(fault);
        if doubt && matches!(self.state, State::Command) {
            self.close(&Reply::new(421, "4.7.0", "Error: end of data in doubt"));
        }
    }

    fn refuse_mail(&mut self, fault: DataFault) {
        self.draft = None;
        self.forwarded = None;
        self.refuse(&match fault {
            DataFault::TooLarge => Reply::new(552, "5.3.4", "Error: message size exceeds fixed limit"),
            DataFault::HeaderTooLarge => Reply::new(552, "5.3.4", "Error: header section exceeds fixed limit"),
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
            client: Client { forwarded: self.forwarded.clone(), ..self.client.clone() },
            sender: draft.sender.take(),
            parameters: draft.parameters.clone(),
            recipients: std::mem::take(&mut draft.recipients),
        }
    }
}

/// The service stops.
fn going() -> Reply {
    Reply::new(421, "4.3.2", "Service shutting down")
}
