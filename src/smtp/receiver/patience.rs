//! How long a client may take: for a command, for a mail, for a session without mail, and how many commands in a minute.
//! It refuses to wait for a client that only drips: every octet moves the end of its time by no more than it is worth.

use super::{Receiver, State, going};
use crate::limits::{Limits, STOP_SECONDS};
use crate::smtp::reply::Reply;

/// The milliseconds of a minute.
const MINUTE: u64 = 60_000;

/// When the things happened that a session is measured by, in the caller's milliseconds.
#[derive(Debug)]
pub(super) struct Times {
    /// The last octets came.
    pub input: u64,
    /// The receiver began to wait for the command that is now awaited, or its first octet came.
    pub waiting: u64,
    /// The text of the mail began.
    pub data: u64,
    /// The session began, or the last mail was accepted.
    pub mail: u64,
    minute: u64,
    commands: usize,
}

impl Times {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { input: now_ms, waiting: now_ms, data: now_ms, mail: now_ms, minute: now_ms, commands: 0 }
    }

    /// A mail was accepted: the session has shown what it is for.
    pub(super) fn accepted(&mut self, now_ms: u64) {
        self.mail = now_ms;
        self.commands = 0;
    }

    /// Counts a command; true when there were too many in this minute.
    pub(super) fn hurried(&mut self, limits: &Limits) -> bool {
        if self.input.saturating_sub(self.minute) >= MINUTE {
            self.minute = self.input;
            self.commands = 0;
        }
        self.commands += 1;
        self.commands > limits.commands_per_minute
    }
}

fn after(start: u64, seconds: u64) -> u64 {
    start.saturating_add(seconds.saturating_mul(1000))
}

impl Receiver {
    /// When the session is over unless more comes, in the caller's milliseconds; `None` while the caller has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let limits = &self.settings.limits;
        match &self.state {
            State::Answer | State::Complete(_) | State::Credentials(_) | State::Verify(..) => None,
            State::Data(_) | State::Chunk(_) => {
                let octets = self.octets().min(limits.message_bytes.max(1024 * 1024));
                let whole =
                    after(self.times.data, limits.data_seconds.saturating_add(octets / limits.data_rate.max(1)));
                let stop = self.leaving.map_or(u64::MAX, |since| after(since, STOP_SECONDS));
                Some(whole.min(after(self.times.input, limits.idle_seconds)).min(stop))
            }
            _ => {
                let whole = after(self.times.mail, limits.session_seconds);
                Some(whole.min(after(self.times.waiting, limits.idle_seconds)))
            }
        }
    }

    /// Did the client take too long? Then the session says so and ends (RFC 5321 4.5.3.2.7); drain [`Receiver::next`].
    pub fn timed_out(&mut self, now_ms: u64) -> bool {
        let late = self.deadline().is_some_and(|deadline| now_ms >= deadline);
        if late && !matches!(self.state, State::Closing) {
            let timeout = || Reply::new(421, "4.4.2", "Error: timeout exceeded");
            self.close(&self.leaving.map_or_else(timeout, |_| going()));
        }
        late
    }
}
