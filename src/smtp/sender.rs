//! The client side of SMTP without a socket: one connection from greeting to QUIT, many transactions, per-recipient results.
//! It refuses to turn several results into one, and to send anything but canonical CRLF lines with dots stuffed.

pub use super::authenticate::Credentials;
use super::authenticate::Exchange;
use super::extensions::Extensions;
use super::reply::{Reply, ReplyError, ReplyReader};
use super::stage::Stage;
pub use super::transaction::Transaction;
use super::transaction::{Running, Step, failure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The upstream took responsibility (250 after the data).
    Accepted(Reply),
    /// A temporary failure (4xx, or the connection broke before the answer): to be tried again.
    Deferred(Reply),
    /// A permanent failure (5xx).
    Refused(Reply),
}

/// Whether to use STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all (also for connections encrypted from the start).
    Never,
    /// When it is offered (RFC 7435).
    WhenOffered,
    /// No transaction without it.
    Required,
}

/// What is known when the connection opens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name for EHLO.
    pub hostname: String,
    pub tls: Tls,
    /// For implicit TLS (RFC 8314): is it encrypted already, and was the certificate verified?
    pub tls_active: Option<Verified>,
    /// Sent only over TLS with a verified certificate, unless `log_in_clear`.
    pub credentials: Option<Credentials>,
    /// May credentials go over this connection as it is? Only ever for the loopback.
    pub log_in_clear: bool,
}

/// Was the certificate of the upstream verified against its name?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified(pub bool);

/// What the caller has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these octets.
    Send(Bytes),
    /// Start TLS as a client now, then call [`Sender::tls_started`].
    StartTls,
    /// Read more and [`Sender::feed`] it; meanwhile keep to the patience of [`Sender::stage`].
    NeedInput,
    /// [`Sender::start`] may be called; the caller may also keep the connection for later, or [`Sender::quit`].
    Ready,
    /// The transaction ended: one fate a recipient, in their order. `unknown`: the deferred ones may have the mail, as the connection broke between
    /// the final dot and its answer.
    Done { fates: Vec<Fate>, unknown: bool },
    /// The connection cannot be used; a running transaction was [`Output::Done`] before. This is the last output and stays so.
    Failed(SenderError),
    /// QUIT was answered. This is the last output and stays so.
    Closed,
}

/// Why a connection cannot be used; each text follows "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    #[error("{0}")]
    Reply(#[from] ReplyError),
    /// The upstream refuses the session, or ends it with 421.
    #[error("use the upstream, which answered to {stage}: {}", reply.text_lossy())]
    Refused { stage: Stage, reply: Reply },
    /// A reply that has no meaning at this stage.
    #[error("understand the upstream, which answered to {stage}: {}", reply.text_lossy())]
    Unexpected { stage: Stage, reply: Reply },
    #[error("use TLS with the upstream, which does not offer it")]
    NoStartTls,
    /// Octets came in clear behind the reply to STARTTLS (CVE-2021-38371).
    #[error("use TLS with the upstream, which sent more in clear after its answer to STARTTLS")]
    ClearText,
    #[error("log in to the upstream: the connection is not encrypted with a verified certificate")]
    CredentialsInClear,
    #[error("log in to the upstream: it does not offer the mechanism")]
    NoMechanism,
    #[error("log in to the upstream: user name or password has a character that cannot be sent")]
    BadCredentials,
    /// The connection was closed or broke.
    #[error("keep the connection to the upstream: lost at {0}")]
    Lost(Stage),
    #[error("get an answer of the upstream in time: {0}")]
    TimedOut(Stage),
}

/// The parts of a connection outside of transactions.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    /// STARTTLS was taken and is not yet handed out.
    Upgrade,
    Handshake,
    /// AUTH was said.
    Authenticate(Exchange),
    /// Transactions one after the other; the flag says whether [`Output::Ready`] was handed out.
    Open {
        told: bool,
    },
    Quit,
    Closed,
    Failed(SenderError),
}

/// One connection to an upstream.
#[derive(Debug)]
pub struct Sender {
    settings: Settings,
    state: State,
    input: ReplyReader,
    output: VecDeque<Bytes>,
    offers: Extensions,
    encrypted: Option<Verified>,
    waiting: Option<Transaction>,
    running: Option<Running>,
    done: Option<(Vec<Fate>, bool)>,
    needs_reset: bool,
    welcome: Option<Reply>,
}

impl Sender {
    /// A connection that has just opened; drain [`Sender::next`].
    #[must_use]
    pub fn new(mut settings: Settings) -> Self {
        settings.hostname.retain(|char| char.is_ascii_graphic());
        Self {
            encrypted: settings.tls_active,
            settings,
            state: State::Greeting,
            input: ReplyReader::default(),
            output: VecDeque::new(),
            offers: Extensions::default(),
            waiting: None,
            running: None,
            done: None,
            needs_reset: false,
            welcome: None,
        }
    }

    /// Takes a mail to send, at once or as soon as the connection is ready. One at a time: it replaces a mail that has not begun.
    pub fn start(&mut self, transaction: Transaction) {
        self.waiting = Some(transaction);
    }

    /// Ends the connection politely (RFC 5321 4.1.1.10) when no transaction runs.
    pub fn quit(&mut self) {
        if matches!(self.state, State::Open { .. }) && self.running.is_none() {
            self.say("QUIT\r\n".to_owned());
            self.state = State::Quit;
        }
    }

    /// Takes octets of the upstream.
    pub fn feed(&mut self, bytes: &[u8]) {
        match self.state {
            State::Failed(_) | State::Closed => {}
            State::Upgrade | State::Handshake => self.fail(SenderError::ClearText),
            _ => self.input.feed(bytes),
        }
    }

    /// The TLS handshake succeeded. What the upstream said before is forgotten (RFC 3207 4.2).
    pub fn tls_started(&mut self, verified: Verified) {
        if self.state == State::Handshake {
            self.encrypted = Some(verified);
            self.offers = Extensions::default();
            self.input.clear();
            self.ehlo();
        }
    }

    /// The connection was closed or broke. A complete refusal that came before counts.
    pub fn lost(&mut self) {
        self.broken(SenderError::Lost);
    }

    /// The upstream was silent for longer than the patience of its stage; close the connection.
    pub fn timed_out(&mut self) {
        self.broken(SenderError::TimedOut);
    }

    /// What is awaited now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match &self.state {
            State::Greeting => Stage::Greeting,
            State::Ehlo | State::Helo => Stage::Hello,
            State::StartTls | State::Upgrade => Stage::StartTls,
            State::Handshake => Stage::Handshake,
            State::Authenticate(_) => Stage::Authenticate,
            State::Open { .. } => self.running.as_ref().map_or(Stage::Ready, Running::stage),
            State::Quit => Stage::Quit,
            State::Closed | State::Failed(_) => Stage::Closed,
        }
    }

    /// The extensions of the upstream, as far as known.
    #[must_use]
    pub fn offers(&self) -> &Extensions {
        &self.offers
    }

    /// The reply that let us in, when there was a login.
    #[must_use]
    pub fn welcome(&self) -> Option<&Reply> {
        self.welcome.as_ref()
    }

    /// Is the connection encrypted, and with a verified certificate?
    #[must_use]
    pub fn encrypted(&self) -> Option<Verified> {
        self.encrypted
    }

    /// The next thing to do; call it until [`Output::NeedInput`], [`Output::Ready`], [`Output::Failed`] or [`Output::Closed`].
    #[expect(clippy::should_implement_trait, reason = "a connection never ends by itself; `Failed` stays")]
    pub fn next(&mut self) -> Output {
        loop {
            if let Some(bytes) = self.output.pop_front() {
                return Output::Send(bytes);
            }
            if let Some((fates, unknown)) = self.done.take() {
                return Output::Done { fates, unknown };
            }
            match &self.state {
                State::Failed(error) => {
                    let error = error.clone();
                    return self.never_began(&error).unwrap_or(Output::Failed(error));
                }
                State::Closed => return self.never_began(&SenderError::Lost(Stage::Closed)).unwrap_or(Output::Closed),
                State::Upgrade => {
                    self.state = State::Handshake;
                    return Output::StartTls;
                }
                _ => {}
            }
            match self.input.next_reply() {
                Err(error) => self.fail(error.into()),
                Ok(Some(reply)) => self.reply(reply),
                Ok(None) => {
                    if let Some(output) = self.go_on() {
                        return output;
                    }
                }
            }
        }
    }

    /// Without a reply at hand: what can be sent, or what is awaited.
    fn go_on(&mut self) -> Option<Output> {
        let State::Open { told } = &mut self.state else {
            return Some(Output::NeedInput);
        };
        if let Some(running) = &mut self.running {
            return match running.step(&self.offers) {
                Step::Send(commands) => Some(Output::Send(commands.into())),
                Step::Piece(piece) => Some(Output::Send(piece)),
                Step::Wait => Some(Output::NeedInput),
                Step::Done => {
                    self.conclude(None);
                    None
                }
            };
        }
        if let Some(transaction) = self.waiting.take() {
            *told = false;
            let verified = self.encrypted == Some(Verified(true));
            self.running = Some(Running::new(transaction, &self.offers, verified, self.needs_reset));
            return None;
        }
        if *told {
            return Some(Output::NeedInput);
        }
        *told = true;
        Some(Output::Ready)
    }

    fn reply(&mut self, reply: Reply) {
        match &mut self.state {
            State::Greeting if reply.code == 220 => self.ehlo(),
            State::Ehlo if reply.is_positive() => {
                self.offers = Extensions::from_ehlo(&reply);
                self.greeted();
            }
            // RFC 5321 3.2: a server that does not know EHLO is asked with HELO. Then there is no TLS and no login.
            State::Ehlo if reply.is_permanent() && self.settings.tls != Tls::Required => {
                self.say(format!("HELO {}\r\n", self.settings.hostname));
                self.state = State::Helo;
            }
            State::Helo if reply.is_positive() => {
                self.offers = Extensions::default();
                self.greeted();
            }
            State::StartTls if reply.code == 220 => {
                if self.input.is_empty() {
                    self.state = State::Upgrade;
                } else {
                    self.fail(SenderError::ClearText);
                }
            }
            State::StartTls if reply.code != 421 && self.settings.tls == Tls::WhenOffered => self.log_in(),
            State::Authenticate(exchange) if reply.code == 334 => match exchange.answer() {
                Some(line) => self.output.push_back(Bytes::copy_from_slice(line.as_bytes())),
                None => self.fail(SenderError::Unexpected { stage: Stage::Authenticate, reply }),
            },
            State::Authenticate(_) if reply.is_positive() => {
                self.welcome = Some(reply);
                self.settings.credentials = None;
                self.state = State::Open { told: false };
            }
            State::Open { .. } => self.transaction_reply(reply),
            State::Quit => self.state = State::Closed,
            _ => {
                let stage = self.stage();
                self.fail(misfit(stage, reply));
            }
        }
    }

    fn transaction_reply(&mut self, reply: Reply) {
        let Some(running) = &mut self.running else {
            // Nothing was asked: the upstream says 421 and goes, or is out of step.
            self.fail(misfit(Stage::Ready, reply));
            return;
        };
        if let Err((stage, reply)) = running.reply(reply) {
            // Also an answer in the middle of the mail: to send the final dot now could deliver half of it.
            // What is no answer to the final dot leaves open who has the mail.
            let unknown = stage == Stage::FinalDot && running.took_any() && !reply.is_failure();
            running.decide(&failure_of(stage, reply.clone()));
            self.conclude(None);
            self.done.as_mut().into_iter().for_each(|done| done.1 = unknown);
            self.fail(misfit(stage, reply));
        }
    }

    fn greeted(&mut self) {
        if self.encrypted.is_some() || self.settings.tls == Tls::Never {
            self.log_in();
        } else if self.offers.starttls {
            self.say("STARTTLS\r\n".to_owned());
            self.state = State::StartTls;
        } else if self.settings.tls == Tls::Required {
            self.fail(SenderError::NoStartTls);
        } else {
            self.log_in();
        }
    }

    fn log_in(&mut self) {
        let Some(who) = &self.settings.credentials else {
            self.state = State::Open { told: false };
            return;
        };
        if self.encrypted != Some(Verified(true)) && !self.settings.log_in_clear {
            self.fail(SenderError::CredentialsInClear);
            return;
        }
        match Exchange::begin(who, &self.offers.auth) {
            Ok((line, exchange)) => {
                self.output.push_back(Bytes::copy_from_slice(line.as_bytes()));
                self.state = State::Authenticate(exchange);
            }
            Err(error) => self.fail(error),
        }
    }

    fn ehlo(&mut self) {
        self.say(format!("EHLO {}\r\n", self.settings.hostname));
        self.state = State::Ehlo;
    }

    fn say(&mut self, line: String) {
        self.output.push_back(line.into());
    }

    fn broken(&mut self, error: fn(Stage) -> SenderError) {
        if matches!(self.state, State::Closed | State::Failed(_)) {
            return;
        }
        // A refusal that arrived before the end says more than the end.
        while let Ok(Some(reply)) = self.input.next_reply() {
            self.reply(reply);
            self.output.clear();
        }
        if self.state == State::Quit {
            self.state = State::Closed;
        } else {
            self.fail(error(self.stage()));
        }
    }

    /// Ends the running transaction; recipients without fate are deferred for the reason given.
    fn conclude(&mut self, reason: Option<&SenderError>) {
        let Some(mut running) = self.running.take() else { return };
        let unknown = reason.is_some() && running.unknown();
        if let Some(error) = reason {
            running.decide(&deferred(error));
        }
        self.needs_reset = running.needs_reset();
        self.done = Some((running.into_fates(), unknown));
    }

    fn fail(&mut self, error: SenderError) {
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        self.conclude(Some(&error));
        self.output.clear();
        self.state = State::Failed(error);
    }

    /// A mail given for a connection that failed before it began: deferred, nothing was sent.
    fn never_began(&mut self, error: &SenderError) -> Option<Output> {
        let transaction = self.waiting.take()?;
        Some(Output::Done { fates: vec![deferred(error); transaction.recipients.len()], unknown: false })
    }
}

fn deferred(error: &SenderError) -> Fate {
    Fate::Deferred(match error {
        SenderError::Refused { reply, .. } if reply.is_transient() => reply.clone(),
        SenderError::TimedOut(stage) => Reply::new(451, "4.4.2", &format!("No answer to {stage} in time")),
        SenderError::Lost(stage) => Reply::new(451, "4.4.2", &format!("Connection lost at {stage}")),
        other => Reply::new(451, "4.4.0", &format!("Failed to {other}")),
    })
}

/// A reply that ends the connection: a refusal, or one that has no meaning there.
fn misfit(stage: Stage, reply: Reply) -> SenderError {
    if reply.is_failure() { SenderError::Refused { stage, reply } } else { SenderError::Unexpected { stage, reply } }
}

/// What such a reply means for recipients without a fate: only a refusal of the data itself is final.
fn failure_of(stage: Stage, reply: Reply) -> Fate {
    match stage {
        Stage::Text if reply.is_permanent() => failure(reply),
        _ if reply.is_transient() => failure(reply),
        _ => deferred(&misfit(stage, reply)),
    }
}
