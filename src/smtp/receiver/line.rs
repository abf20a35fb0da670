//! Lines of a client: where one ends, how long it may be, and what is done with a command.
//! It refuses to go on behind a line whose end two programs could see differently, and behind one that announces octets it does not count.

use super::Receiver;
use crate::limits::{AUTH_LINE, OVERLONG};
use crate::smtp::command::{Command, is_bdat};
use crate::smtp::reply::Reply;
use memchr::memchr;

/// A line of the client.
pub(super) enum Line {
    /// It is not complete.
    Absent,
    /// It ended, and was longer than the limit.
    TooLong,
    /// What the client sends cannot be read as lines; the session is closed.
    Broken,
    Text(Vec<u8>),
}

impl Receiver {
    /// Takes one line of at most `limit` octets with its CRLF out of the input.
    pub(super) fn take_line(&mut self, limit: usize) -> Line {
        let rest = &self.input[self.head..];
        let found = memchr(b'\n', rest);
        let length = found.map_or(rest.len(), |end| end + 1);
        if length > limit && self.overlong == 0 && is_bdat(rest) {
            self.bdat(None, None);
            return Line::Broken;
        }
        let Some(end) = found else {
            if length > limit {
                // The last octet stays: it may be the CR of the ending.
                self.overlong += length - 1;
                self.head = self.input.len() - 1;
            }
            if self.overlong > OVERLONG {
                self.close(&Reply::new(421, "4.7.0", "Error: line too long"));
                return Line::Broken;
            }
            return Line::Absent;
        };
        if end == 0 || rest[end - 1] != b'\r' {
            // Whether this ends the line, two programs see differently; after it nothing can be trusted to be a command.
            self.close(&Reply::new(500, "5.5.2", "Error: bare <LF> received"));
            return Line::Broken;
        }
        let line = rest[..end - 1].to_vec();
        // A line may be a secret of a login; it does not stay in a buffer.
        self.input[self.head..self.head + length].fill(0);
        self.head += length;
        self.times.waiting = self.times.input;
        if std::mem::take(&mut self.overlong) > 0 || length > limit { Line::TooLong } else { Line::Text(line) }
    }

    /// Takes one command out of the input and performs it; false when there is none.
    pub(super) fn read_command(&mut self) -> bool {
        // RFC 4954 4: a line with an initial response may be longer than others.
        if self.overlong == 0 {
            let verb = self.input[self.head..].get(..5);
            self.auth_line = verb.is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        }
        let auth = self.auth_line;
        let limit = self.settings.limits.command_bytes;
        let limit = if auth && !self.offered.auth.is_empty() { limit.max(AUTH_LINE + 32) } else { limit };
        let line = match self.take_line(limit) {
            Line::Absent => return false,
            Line::Broken => return true,
            Line::TooLong => Err(Reply::new(500, if auth { "5.5.6" } else { "5.5.2" }, "Error: line too long")),
            Line::Text(line) => Ok(line),
        };
        if self.times.hurried(&self.settings.limits) {
            self.close(&Reply::new(421, "4.7.0", "Error: too many commands in a minute"));
            return true;
        }
        let waited = !std::mem::take(&mut self.data_refused);
        let result = match &line {
            Ok(line) => Command::parse(line),
            Err(reply) => Err(reply.clone()),
        };
        match result {
            Ok(command) => {
                if let Err(reply) = self.perform(command) {
                    self.data_refused = matches!(command, Command::Data);
                    self.refuse(&reply);
                }
            }
            // Behind a refused DATA come commands, if the client has read the reply. If not, this is the text of its mail, in which
            // somebody else may have put what looks like commands.
            Err(_) if !waited && !line.as_deref().is_ok_and(begins_with_verb) => {
                self.close(&Reply::new(554, "5.5.0", "Error: SMTP protocol synchronization"));
            }
            Err(reply) => {
                self.data_refused = line.is_ok_and(|line| begins_as_data(&line));
                self.refuse(&reply);
            }
        }
        true
    }
}

/// Is the first word of letters only, as every verb is and no header field?
fn begins_with_verb(line: &[u8]) -> bool {
    line.split(|byte| *byte == b' ')
        .next()
        .is_some_and(|word| !word.is_empty() && word.iter().all(u8::is_ascii_alphabetic))
}

/// Is this a line `DATA` with something behind it?
fn begins_as_data(line: &[u8]) -> bool {
    line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"DATA "))
}
