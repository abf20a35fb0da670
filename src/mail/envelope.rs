//! The envelope of one SMTP transaction: who sends, who receives, and every parameter that must travel on verbatim.
//! It refuses to interpret parameters it only carries (DSN, RFC 3461) and never drops one.

use crate::address::Address;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Everything known about one transaction besides the mail's own bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who connected.
    pub client: Client,
    /// The reverse-path (RFC 5321 4.1.2); `None` is the null reverse-path `<>`.
    pub sender: Option<Address>,
    /// Parameters of MAIL FROM.
    pub parameters: MailParameters,
    /// Recipients in the order they came, without repetition of the same text.
    pub recipients: Vec<Recipient>,
}

/// The connected client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its network address.
    pub ip: IpAddr,
    /// The name it gave in EHLO or HELO.
    pub helo: String,
    /// Did it say EHLO (ESMTP), not HELO?
    pub esmtp: bool,
    /// Is the connection encrypted?
    pub tls: bool,
    /// The name it authenticated as, if it did.
    pub login: Option<String>,
    /// The number of its session, once it has logged in: the upstream connection that took its login is kept under it. It means nothing
    /// after the session and is not stored.
    #[serde(skip)]
    pub session: Option<u64>,
    /// The host names in its verified certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certified: Vec<String>,
    /// What a trusted relay said about the client it got the mail from (XFORWARD). It is a record, not a permission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Box<Forwarded>>,
}

impl Client {
    /// A client that has said nothing yet.
    #[must_use]
    pub fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            helo: String::new(),
            esmtp: false,
            tls: false,
            login: None,
            session: None,
            certified: Vec::new(),
            forwarded: None,
        }
    }

    /// The address the mail began its way from: what a trusted relay in front forwarded, or the client itself.
    #[must_use]
    pub fn origin(&self) -> IpAddr {
        self.forwarded.as_ref().and_then(|forwarded| forwarded.ip).unwrap_or(self.ip)
    }
}

/// The client of the client, as XFORWARD names it; everything may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// ADDR.
    pub ip: Option<IpAddr>,
    /// NAME: its host name.
    pub name: Option<String>,
    /// HELO.
    pub helo: Option<String>,
    /// IDENT: how the relay in front calls the mail in its logs.
    pub ident: Option<String>,
}

/// Parameters of MAIL FROM, kept as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailParameters {
    /// BODY=8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// REQUIRETLS (RFC 8689): no hop without verified TLS.
    #[serde(default)]
    pub require_tls: bool,
    /// SIZE=n in octets (RFC 1870).
    pub size: Option<u64>,
    /// RET=FULL|HDRS (RFC 3461 4.3), the value as it came.
    pub ret: Option<String>,
    /// ENVID=xtext (RFC 3461 4.4), still encoded.
    pub envid: Option<String>,
}

/// One RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The forward-path's mailbox; its text is what came between the angle brackets and travels on verbatim.
    pub address: Address,
    /// NOTIFY=… (RFC 3461 4.1), the value as it came.
    pub notify: Option<String>,
    /// ORCPT=… (RFC 3461 4.2), the value as it came, still encoded.
    pub orcpt: Option<String>,
}

impl Recipient {
    /// A recipient without parameters.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self { address: Address::new(address), notify: None, orcpt: None }
    }
}
