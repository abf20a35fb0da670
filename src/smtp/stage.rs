//! The stages of a client's connection, and how long to wait in each: the one place where that patience is named.
//! It refuses to measure time itself.

use std::fmt;
use std::time::Duration;

/// Where a connection to an upstream stands: what was sent last and is not yet answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The greeting is awaited.
    Greeting,
    /// EHLO or HELO was sent.
    Hello,
    /// STARTTLS was sent.
    StartTls,
    /// The TLS handshake runs.
    Handshake,
    /// AUTH was sent.
    Authenticate,
    /// Nothing is awaited; a transaction may start.
    Ready,
    /// RSET was sent.
    Reset,
    /// MAIL was sent.
    Mail,
    /// RCPT was sent.
    Recipient,
    /// DATA was sent.
    Data,
    /// The mail is being sent; the final dot is not yet out.
    Text,
    /// The final dot was sent: until the answer nobody knows who has the mail.
    FinalDot,
    /// QUIT was sent.
    Quit,
    /// The connection cannot be used any more.
    Closed,
}

/// How long to wait for the upstream, stage by stage. The defaults are the minima of RFC 5321 4.5.3.2, as patience costs less than a mail
/// sent twice; the RFC names no time for connecting and for TLS, and five minutes there would stall every client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Connecting, and the TLS handshake.
    pub connect: Duration,
    /// The greeting (4.5.3.2.1).
    pub greeting: Duration,
    /// Any command but DATA (4.5.3.2.2, 4.5.3.2.3), and an idle connection.
    pub command: Duration,
    /// The reply to DATA (4.5.3.2.4).
    pub data: Duration,
    /// Each block of the mail (4.5.3.2.5).
    pub text: Duration,
    /// The reply to the final dot (4.5.3.2.6).
    pub final_dot: Duration,
    /// The reply to QUIT, for which nobody waits.
    pub quit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            greeting: Duration::from_mins(5),
            command: Duration::from_mins(5),
            data: Duration::from_mins(2),
            text: Duration::from_mins(3),
            final_dot: Duration::from_mins(10),
            quit: Duration::from_secs(10),
        }
    }
}

impl Patience {
    /// How long to wait in this stage.
    #[must_use]
    pub const fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Greeting => self.greeting,
            Stage::Handshake => self.connect,
            Stage::Data => self.data,
            Stage::Text => self.text,
            Stage::FinalDot => self.final_dot,
            Stage::Quit | Stage::Closed => self.quit,
            Stage::Hello
            | Stage::StartTls
            | Stage::Authenticate
            | Stage::Ready
            | Stage::Reset
            | Stage::Mail
            | Stage::Recipient => self.command,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Handshake => "TLS handshake",
            Self::Authenticate => "AUTH",
            Self::Ready => "idle connection",
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Text => "mail data",
            Self::FinalDot => "end of data",
            Self::Quit => "QUIT",
            Self::Closed => "closed connection",
        })
    }
}
