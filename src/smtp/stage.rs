//! The stages of a client's connection: how long to wait in each, and what it means when the connection breaks there.
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

impl Stage {
    /// How long to wait for the upstream: the minima of RFC 5321 4.5.3.2, as patience costs less than a mail sent twice.
    #[must_use]
    pub const fn patience(self) -> Duration {
        match self {
            Self::Data => Duration::from_mins(2),
            Self::Text => Duration::from_mins(3),
            Self::FinalDot => Duration::from_mins(10),
            Self::Quit | Self::Closed => Duration::from_secs(10),
            _ => Duration::from_mins(5),
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
