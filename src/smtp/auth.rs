//! A login as a client hands it in (RFC 4954): the mechanism, the name, and what must be said to the upstream, which alone decides.
//! It refuses to show, compare or keep a secret: `Debug` hides it, and nothing here outlives the exchange.

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
