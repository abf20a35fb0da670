//! The client side of AUTH (RFC 4954): which mechanism is said, and which line answers each question of the server.
//! It refuses to say a password in clear, to log in by a mechanism that was not offered, and to keep a secret after it was said.

use super::auth::{Login, Mechanism};
use super::sender::SenderError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// The longest command line with its CRLF (RFC 5321 4.5.3.1.4); a longer initial response waits for the server's question (RFC 4954 4).
const LINE: usize = 512;

/// Who logs in; its `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The guard itself, by PLAIN or LOGIN.
    Own { user: String, password: String },
    /// A client of the guard, by its own mechanism and messages.
    Carried(Login),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own { user, .. } => out.debug_struct("Own").field("user", user).finish_non_exhaustive(),
            Self::Carried(login) => login.fmt(out),
        }
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        match self {
            Self::Own { password, .. } => password.zeroize(),
            Self::Carried(login) => login.messages.zeroize(),
        }
    }
}

/// An exchange that runs: lines still to say, one for each 334.
#[derive(PartialEq, Eq)]
pub(super) struct Exchange {
    lines: VecDeque<Zeroizing<String>>,
    /// What to say to a question behind the last one: the OAuth mechanisms so ask for a sign that their error text was seen.
    last: Option<&'static str>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Exchange").field("lines", &self.lines.len()).finish_non_exhaustive()
    }
}

impl Exchange {
    /// The AUTH command (with its CRLF) and what follows it, by what the upstream offers.
    pub(super) fn begin(who: &Credentials, offered: &[String]) -> Result<(Zeroizing<String>, Self), SenderError> {
        let (mechanism, messages) = match who {
            Credentials::Own { user, password } => own(user, password, offered)?,
            Credentials::Carried(login) => {
                let messages = login.messages.iter().map(|message| Zeroizing::new(message.clone())).collect();
                (login.mechanism, messages)
            }
        };
        let name = mechanism.as_str();
        if !offered.iter().any(|other| other == name) {
            return Err(SenderError::NoMechanism);
        }
        let mut lines: VecDeque<Zeroizing<String>> =
            messages.iter().map(|message| Zeroizing::new(STANDARD.encode(message.as_slice()) + "\r\n")).collect();
        let mut first = Zeroizing::new(format!("AUTH {name}\r\n"));
        // LOGIN knows no initial response. An empty one is written as `=` (RFC 4954 4).
        if mechanism != Mechanism::Login
            && let Some(initial) = lines.front()
        {
            let text = if initial.as_str() == "\r\n" { "=\r\n" } else { initial.as_str() };
            let whole = Zeroizing::new(format!("AUTH {name} {text}"));
            if whole.len() <= LINE {
                first = whole;
                lines.pop_front();
            }
        }
        let last = match mechanism {
            Mechanism::OAuthBearer => Some("AQ==\r\n"),
            Mechanism::XOAuth2 => Some("\r\n"),
            Mechanism::Plain | Mechanism::Login => None,
        };
        Ok((first, Self { lines, last }))
    }

    /// The line that answers a question (334); `None` when there is nothing left to say.
    pub(super) fn answer(&mut self) -> Option<Zeroizing<String>> {
        self.lines.pop_front().or_else(|| self.last.take().map(|line| Zeroizing::new(line.to_owned())))
    }
}

type Said = (Mechanism, Vec<Zeroizing<Vec<u8>>>);

fn own(user: &str, password: &str, offered: &[String]) -> Result<Said, SenderError> {
    if user.is_empty() || user.contains('\0') || password.contains('\0') {
        return Err(SenderError::BadCredentials);
    }
    let plain = offered.iter().any(|name| name == Mechanism::Plain.as_str());
    Ok(if plain {
        // RFC 4616 2.
        (Mechanism::Plain, vec![Zeroizing::new(format!("\0{user}\0{password}").into_bytes())])
    } else {
        (Mechanism::Login, [user, password].map(|text| Zeroizing::new(text.as_bytes().to_vec())).to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mechanism: Mechanism, messages: &[&[u8]], questions: usize) -> Vec<String> {
        let messages = messages.iter().map(|message| message.to_vec()).collect();
        let who = Credentials::Carried(Login { mechanism, user: "taro".to_owned(), messages });
        let offered = ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"].map(str::to_owned);
        let (first, mut exchange) = Exchange::begin(&who, &offered).unwrap();
        let answers = (0..questions).map_while(|_| exchange.answer());
        std::iter::once(first).chain(answers).map(|line| line.trim_end_matches("\r\n").to_owned()).collect()
    }

    #[test]
    fn each_mechanism_says_its_lines_and_no_more() {
        let token = b"n,a=taro@city.example.jp,\x01auth=Bearer abc\x01\x01";
        let coded = STANDARD.encode(token);
        for (mechanism, messages, lines) in [
            (Mechanism::Plain, &[&b"\0taro\0pass"[..]][..], &["AUTH PLAIN AHRhcm8AcGFzcw=="][..]),
            (Mechanism::Plain, &[b""], &["AUTH PLAIN ="]),
            (Mechanism::Login, &[b"taro", b"pass"], &["AUTH LOGIN", "dGFybw==", "cGFzcw=="]),
            // RFC 7628 3.2.3: %x01 says that the error was seen.
            (Mechanism::OAuthBearer, &[token], &[&format!("AUTH OAUTHBEARER {coded}"), "AQ=="]),
            (Mechanism::XOAuth2, &[token], &[&format!("AUTH XOAUTH2 {coded}"), ""]),
        ] {
            assert_eq!(said(mechanism, messages, 5), lines, "{mechanism:?}");
        }
    }

    #[test]
    fn a_long_token_waits_for_its_question() {
        let token = vec![b'x'; 2_000];
        let coded = STANDARD.encode(&token);
        assert_eq!(said(Mechanism::XOAuth2, &[&token], 5), ["AUTH XOAUTH2", &coded, ""]);
        // The command line ends at 512 octets with its CRLF: `AUTH PLAIN ` and 499 more.
        for (octets, lines) in [(372, 1), (375, 2)] {
            assert_eq!(said(Mechanism::Plain, &[&vec![b'x'; octets]], 5).len(), lines, "{octets}");
        }
    }
}
