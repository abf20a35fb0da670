//! AUTH in a session (RFC 4954): asks for what a mechanism needs, hands the login to the caller, and passes the upstream's answer on.
//! It refuses a login in clear, in the middle of a mail or twice, and keeps nothing of it but the name.

use super::line::Line;
use super::{Receiver, State};
use crate::limits::AUTH_LINE;
use crate::smtp::auth::{Exchange, Mechanism, Progress};
use crate::smtp::reply::Reply;

impl Receiver {
    pub(super) fn auth(&mut self, argument: &[u8]) -> Result<(), Reply> {
        if self.settings.auth.is_empty() {
            return Err(Reply::new(503, "5.5.1", "Error: authentication not enabled"));
        }
        if !self.hello || !self.client.esmtp {
            return Err(Reply::new(503, "5.5.1", "Error: send EHLO first"));
        }
        if self.draft.is_some() {
            return Err(Reply::new(503, "5.5.1", "Error: MAIL transaction in progress"));
        }
        if self.client.login.is_some() {
            return Err(Reply::new(503, "5.5.1", "Error: already authenticated"));
        }
        if !self.client.tls {
            let text = "Encryption required for requested authentication mechanism";
            return Err(Reply::new(538, "5.7.11", text));
        }
        let mut words = argument.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let mechanism = words
            .next()
            .and_then(Mechanism::from_name)
            .filter(|mechanism| self.settings.auth.contains(mechanism))
            .ok_or_else(|| Reply::new(504, "5.5.4", "Error: unrecognized authentication mechanism"))?;
        let exchange = Exchange::new(mechanism);
        match (words.next(), words.next()) {
            (None, _) => self.ask(exchange),
            // RFC 4954 4: `=` is an initial response of no octets.
            (Some(b"="), None) => self.said(exchange, b"")?,
            (Some(response), None) if response.len() > AUTH_LINE => return Err(too_long()),
            (Some(response), None) => self.said(exchange, response)?,
            _ => return Err(Reply::new(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")),
        }
        Ok(())
    }

    fn ask(&mut self, exchange: Exchange) {
        self.reply(334, "", exchange.question());
        self.state = State::Exchange(exchange);
    }

    fn said(&mut self, exchange: Exchange, line: &[u8]) -> Result<(), Reply> {
        match exchange.take(line)? {
            Progress::Ask(exchange) => self.ask(exchange),
            Progress::Complete(login) => self.state = State::Credentials(login),
        }
        Ok(())
    }

    /// Takes the next line of an exchange; false when there is none.
    pub(super) fn read_message(&mut self) -> bool {
        let line = match self.take_line(AUTH_LINE + 2) {
            Line::Absent => return false,
            Line::Broken => return true,
            line => line,
        };
        let State::Exchange(exchange) = std::mem::replace(&mut self.state, State::Command) else { return true };
        let result = match line {
            Line::Text(line) if line == b"*" => Err(Reply::new(501, "5.7.0", "Authentication aborted")),
            Line::Text(line) => self.said(exchange, &line),
            _ => Err(too_long()),
        };
        if let Err(reply) = result {
            self.refuse(&reply);
        }
        true
    }

    /// Takes the line with which a client takes note of why an OAuth login failed (RFC 7628 3.2.3); false when there is none.
    pub(super) fn read_note(&mut self) -> bool {
        match self.take_line(AUTH_LINE + 2) {
            Line::Absent => return false,
            Line::Broken => {}
            Line::TooLong | Line::Text(_) => {
                self.state = State::Command;
                self.failed(&Reply::new(535, "5.7.8", "Error: authentication failed"));
            }
        }
        true
    }

    /// The upstream's answer to the login of [`super::Output::Authenticate`]; without a login in question it does nothing.
    /// A 334 is the reason of a failed OAuth login: it is passed on, the client's note is read, and then comes 535.
    pub fn authenticated(&mut self, now_ms: u64, reply: &Reply) {
        let State::Verify(mechanism, user) = &mut self.state else { return };
        let (mechanism, user) = (*mechanism, std::mem::take(user));
        self.state = State::Command;
        self.times.waiting = now_ms;
        match reply.code {
            235 => {
                self.client.login = Some(user);
                self.client.session = Some(self.settings.session);
                self.errors = 0;
                self.idle_commands = 0;
                reply.write(&mut self.out, false);
            }
            334 if mechanism.explains() => {
                reply.write(&mut self.out, false);
                self.state = State::Note;
            }
            421 => self.close(reply),
            _ if reply.is_failure() => self.failed(reply),
            _ => self.refuse(&Reply::new(454, "4.7.0", "Temporary authentication failure")),
        }
    }

    /// A login that failed. A password is not guessed here: after some of them the session ends.
    fn failed(&mut self, reply: &Reply) {
        self.failed_logins += usize::from(reply.is_permanent());
        self.refuse(reply);
        if self.failed_logins >= self.settings.limits.failed_logins && matches!(self.state, State::Command) {
            self.close(&Reply::new(421, "4.7.0", "Error: too many failed logins"));
        }
    }
}

fn too_long() -> Reply {
    Reply::new(500, "5.5.6", "Authentication exchange line is too long")
}
