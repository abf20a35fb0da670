//! What is known when a client connects: who it is, what it may do, what is offered to it, and all bounds.
//! It refuses by default: without more, a client may look and not relay.

use crate::limits::Limits;
use crate::network::Network;
use crate::smtp::auth::Mechanism;
use crate::smtp::extensions::Extensions;
use std::net::IpAddr;

/// The settings of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name in the greeting.
    pub hostname: String,
    /// Extensions we offer; STARTTLS counts only where `tls_available`, AUTH only for the mechanisms of `auth`.
    pub offered: Extensions,
    pub limits: Limits,
    /// The client's network address.
    pub client: IpAddr,
    /// May this client send mail through us by its address? Without it a login or a certificate may still allow it.
    pub relay: bool,
    /// The networks that may relay: asked again when XCLIENT names another address.
    pub allowed: Vec<Network>,
    /// The host names that may relay with a verified certificate, in lower case.
    pub allowed_names: Vec<String>,
    /// Is there a certificate for STARTTLS?
    pub tls_available: bool,
    /// Must the client use TLS before it sends mail (RFC 3207 4)?
    pub tls_required: bool,
    /// Is the connection encrypted from the start (RFC 8314 3)?
    pub tls_active: bool,
    /// Mechanisms of AUTH that the caller can have verified; none: there is no AUTH. They are offered under TLS only.
    pub auth: Vec<Mechanism>,
    /// Must the client log in before it sends mail (RFC 4954 6), whatever its address?
    pub auth_required: bool,
    /// May this client say for whom it speaks (XCLIENT, XFORWARD)?
    pub xclient: bool,
    /// The number of this session, unique while the program runs.
    pub session: u64,
}

impl Settings {
    /// A client of this address that may not relay, with the default limits and every extension that needs nothing else.
    #[must_use]
    pub fn new(hostname: &str, client: IpAddr) -> Self {
        let limits = Limits::default();
        Self {
            hostname: hostname.to_owned(),
            offered: Extensions::ours(limits.message_bytes),
            limits,
            client,
            relay: false,
            allowed: Vec::new(),
            allowed_names: Vec::new(),
            tls_available: false,
            tls_required: false,
            tls_active: false,
            auth: Vec::new(),
            auth_required: false,
            xclient: false,
            session: 0,
        }
    }
}
