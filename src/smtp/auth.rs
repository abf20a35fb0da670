//! A login as a client hands it in (RFC 4954): the mechanism, the name, and what must be said to the upstream, which alone decides.
//! It refuses to show, compare or keep a secret: `Debug` hides it, and nothing here outlives the exchange.

use super::reply::Reply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// The mechanisms that are carried through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// The old two-question mechanism (draft-murchison-sasl-login).
    Login,
    /// RFC 7628.
    OAuthBearer,
    /// The older form of the same, of Google and Microsoft.
    XOAuth2,
}

impl Mechanism {
    /// All that are carried through, the better ones first.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Login, Self::OAuthBearer, Self::XOAuth2];

    /// The mechanism of this name, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| name.eq_ignore_ascii_case(mechanism.as_str().as_bytes()))
    }

    /// Does a refusal come as a 334 with a reason, which the client must answer before it is told (RFC 7628 3.2.3)?
    #[must_use]
    pub fn explains(self) -> bool {
        matches!(self, Self::OAuthBearer | Self::XOAuth2)
    }

    /// The name in `AUTH` and in EHLO.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }
}

/// What a client said to log in, complete and decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// How it was said.
    pub mechanism: Mechanism,
    /// The name it wants to be known by: the authentication identity, or the authorization identity of the OAuth mechanisms.
    pub user: String,
    /// The client's messages in their order, out of base64: one, but for LOGIN, which has name and password.
    pub messages: Vec<Vec<u8>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Login").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// The server's half of an exchange: asks, and collects what the client says, until nothing is missing. It has no `Debug`: it holds secrets.
pub struct Exchange {
    mechanism: Mechanism,
    messages: Vec<Vec<u8>>,
}

/// What comes after a message of the client.
pub enum Progress {
    /// Ask again with [`Exchange::question`].
    Ask(Exchange),
    /// Everything is said.
    Complete(Box<Login>),
}

impl Exchange {
    /// An exchange in which nothing has been said.
    #[must_use]
    pub fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, messages: Vec::new() }
    }

    /// The text of the next 334, in base64.
    #[must_use]
    pub fn question(&self) -> &'static str {
        match (self.mechanism, self.messages.len()) {
            (Mechanism::Login, 0) => "VXNlcm5hbWU6",
            (Mechanism::Login, _) => "UGFzc3dvcmQ6",
            _ => "",
        }
    }

    /// Takes one line of the client, still in base64 (RFC 4954 4).
    ///
    /// # Errors
    /// The reply that ends the exchange.
    pub fn take(mut self, line: &[u8]) -> Result<Progress, Reply> {
        let message =
            STANDARD.decode(line).map_err(|_| Reply::new(501, "5.5.2", "Error: cannot decode this as base64"))?;
        self.messages.push(message);
        if self.mechanism == Mechanism::Login && self.messages.len() < 2 {
            return Ok(Progress::Ask(self));
        }
        let user = name(self.mechanism, &self.messages[0])
            .filter(|name| !name.is_empty() && name.len() <= 320 && !name.contains(char::is_control))
            .ok_or_else(|| Reply::new(501, "5.5.2", "Error: this is no message of the mechanism"))?;
        Ok(Progress::Complete(Box::new(Login { mechanism: self.mechanism, user, messages: self.messages })))
    }
}

/// The name in the first message of a mechanism.
fn name(mechanism: Mechanism, message: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(message).ok()?;
    match mechanism {
        // RFC 4616 2: [authzid] NUL authcid NUL passwd.
        Mechanism::Plain => {
            let mut parts = text.split('\0');
            let (_, user, password) = (parts.next()?, parts.next()?, parts.next()?);
            (parts.next().is_none() && !password.is_empty()).then(|| user.to_owned())
        }
        Mechanism::Login => Some(text.to_owned()),
        // RFC 7628 3.1 and RFC 5801 4: `n,a=user@example.com,` and pairs behind %x01.
        Mechanism::OAuthBearer => {
            let (header, _) = text.split_once('\x01')?;
            let mut parts = header.split(',');
            let (flag, user, end) = (parts.next()?, parts.next()?, parts.next()?);
            let known = matches!(flag, "n" | "y") && end.is_empty() && parts.next().is_none();
            let user = user.strip_prefix("a=").filter(|_| known)?;
            Some(user.replace("=2C", ",").replace("=3D", "="))
        }
        Mechanism::XOAuth2 => Some(text.split_once('\x01')?.0.strip_prefix("user=")?.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name in a login of these messages, or the code that refuses it.
    fn user(mechanism: Mechanism, messages: &[&[u8]]) -> Result<String, u16> {
        let mut exchange = Exchange::new(mechanism);
        for message in messages {
            match exchange.take(STANDARD.encode(message).as_bytes()).map_err(|reply| reply.code)? {
                Progress::Ask(next) => exchange = next,
                Progress::Complete(login) => {
                    assert_eq!(login.messages, messages);
                    return Ok(login.user);
                }
            }
        }
        Err(334)
    }

    #[test]
    fn the_name_is_read_from_each_mechanism() {
        for (mechanism, messages, expected) in [
            (Mechanism::Plain, &[&b"\0taro\0secret"[..]][..], Ok("taro")),
            (Mechanism::Plain, &["boss\0taro@example.jp\0ひみつ".as_bytes()], Ok("taro@example.jp")),
            (Mechanism::Plain, &[b""], Err(501)),
            (Mechanism::Plain, &[b"\0taro"], Err(501)),
            (Mechanism::Plain, &[b"\0taro\0"], Err(501)),
            (Mechanism::Plain, &[b"\0\0secret"], Err(501)),
            (Mechanism::Plain, &[b"\0taro\0sec\0ret"], Err(501)),
            (Mechanism::Plain, &[b"\0ta\nro\0secret"], Err(501)),
            (Mechanism::Plain, &[b"\0taro\0\xff"], Err(501)),
            (Mechanism::Login, &[b"taro"], Err(334)),
            (Mechanism::Login, &[b"taro", b"secret"], Ok("taro")),
            (Mechanism::Login, &[b"taro", b""], Ok("taro")),
            (Mechanism::Login, &[b"", b"secret"], Err(501)),
            (Mechanism::OAuthBearer, &[b"n,a=taro@example.jp,\x01auth=Bearer t\x01\x01"], Ok("taro@example.jp")),
            (Mechanism::OAuthBearer, &[b"n,a=ta=2Cro,\x01auth=Bearer t\x01\x01"], Ok("ta,ro")),
            (Mechanism::OAuthBearer, &[b"n,,\x01auth=Bearer t\x01\x01"], Err(501)),
            (Mechanism::OAuthBearer, &[b"taro"], Err(501)),
            (Mechanism::XOAuth2, &[b"user=taro@example.jp\x01auth=Bearer t\x01\x01"], Ok("taro@example.jp")),
            (Mechanism::XOAuth2, &[b"auth=Bearer t\x01\x01"], Err(501)),
        ] {
            let found = user(mechanism, messages);
            assert_eq!(found, expected.map(str::to_owned), "{mechanism:?} {}", messages[0].escape_ascii());
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for line in [&b"AHRhcm8Ac2VjcmV0="[..], b"AHRhcm8Ac2VjcmV", b"****", b"=", b"AHRh cm8A", b"\xff"] {
            let refused = Exchange::new(Mechanism::Plain).take(line).err().map(|reply| reply.code);
            assert_eq!(refused, Some(501), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_login_does_not_show_its_secret() {
        let login =
            Login { mechanism: Mechanism::Plain, user: "taro".into(), messages: vec![b"\0taro\0secret".to_vec()] };
        let shown = format!("{login:?}");
        assert!(shown.contains("Plain") && !shown.contains("secret") && !shown.contains("115"), "{shown}");
    }
}
