//! Where a mail may go: the configured servers, their addresses, and the order in which they are asked.
//! It refuses to guess: a server whose name cannot be resolved is left out, and said; a name that was known before stays known.

use super::RelayTls;
#[cfg(feature = "mx")]
use super::mx::Mx;
use super::tls::{Policy, RelayTlsError};
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the addresses of a host are used before it is asked for again.
const HOST_AGE: Duration = Duration::from_secs(30);
/// How long addresses are still used when the name servers do not answer.
const STALE_AGE: Duration = Duration::from_secs(3_600);
/// Addresses asked for one mail, at most.
const HOPS: usize = 10;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One host.
    Host { host: String, port: u16 },
    /// The mail exchangers of a domain (RFC 5321 5.1).
    Mx { domain: String, port: u16 },
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Host { host, port } => write!(out, "{host}:{port}"),
            Self::Mx { domain, port } => write!(out, "mx:{domain}:{port}"),
        }
    }
}

/// One configured mail server.
#[derive(Clone, Debug)]
pub struct Server {
    pub place: Place,
    /// The lowest is asked first; equal ones in turn.
    pub priority: u16,
    pub tls: RelayTls,
    /// User and password; only sent over a verified connection (or the loopback, where that is allowed).
    pub credentials: Option<(String, String)>,
}

/// What connections and knowledge belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    /// Index of the configured server: two entries may differ in TLS and login.
    pub(super) server: usize,
    pub(super) at: SocketAddr,
}

/// One address of one server.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) key: Key,
    /// Priority, and preference among exchangers.
    rank: (u16, u16),
    host: String,
    pub(super) tls: RelayTls,
    /// The name its certificate must have, and that is sent as SNI.
    pub(super) name: ServerName<'static>,
}

impl fmt::Display for Hop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} [{}]", self.host, self.key.at)
    }
}

/// Hosts of a server, and until when they are good.
struct Known {
    hops: Vec<Hop>,
    /// When the name servers said so.
    looked: Instant,
    until: Instant,
}

/// A host as it was looked up: preference, name, addresses.
pub(super) type Host = (u16, String, Vec<SocketAddr>);

/// The configured servers with what is known of their names.
pub(super) struct Route {
    servers: Vec<Server>,
    #[cfg(feature = "mx")]
    mx: Option<Mx>,
    known: Mutex<HashMap<usize, Known>>,
    turn: AtomicUsize,
}

impl Route {
    /// `resolvers` are asked for exchangers; without any, those of the system.
    pub(super) fn new(servers: Vec<Server>, resolvers: &[SocketAddr]) -> Result<Self, RelayTlsError> {
        #[cfg(feature = "mx")]
        let mx = servers.iter().any(|server| matches!(server.place, Place::Mx { .. })).then(|| Mx::new(resolvers));
        #[cfg(not(feature = "mx"))]
        let _ = resolvers;
        Ok(Self {
            servers,
            #[cfg(feature = "mx")]
            mx: mx.transpose().map_err(RelayTlsError::Resolver)?,
            known: Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    pub(super) fn server(&self, key: &Key) -> Option<&Server> {
        self.servers.get(key.server)
    }

    /// Does the guard itself log in anywhere?
    pub(super) fn logs_in(&self) -> bool {
        self.servers.iter().any(|server| server.credentials.is_some())
    }

    /// The addresses to ask, in their order; the text says why there are none.
    pub(super) async fn hops(&self) -> Result<Vec<Hop>, String> {
        let mut all = Vec::new();
        let mut problem = "no mail server is configured".to_owned();
        for (index, server) in self.servers.iter().enumerate() {
            match self.known(index, server).await {
                Ok(hops) => all.extend(hops),
                Err(why) => {
                    tracing::warn!(server = %server.place, why, "the mail server has no address");
                    problem = why;
                }
            }
        }
        if all.is_empty() {
            return Err(problem);
        }
        let mut all = ordered(all, self.turn.fetch_add(1, Ordering::Relaxed));
        all.truncate(HOPS);
        Ok(all)
    }

    async fn known(&self, index: usize, server: &Server) -> Result<Vec<Hop>, String> {
        let now = Instant::now();
        if let Some(known) = self.lock().get(&index).filter(|known| now < known.until) {
            return Ok(known.hops.clone());
        }
        let looked = match self.look_up(&server.place, now).await {
            Ok((hosts, until)) => Ok((hops(index, server, hosts)?, until)),
            Err(why) => Err(why),
        };
        let mut all = self.lock();
        match looked {
            Ok((hops, until)) => {
                all.insert(index, Known { hops: hops.clone(), looked: now, until });
                Ok(hops)
            }
            Err(why) => {
                let known = all.get_mut(&index).filter(|known| now < known.looked + STALE_AGE).ok_or(why)?;
                // The name servers are not asked again for each mail.
                known.until = now + HOST_AGE;
                Ok(known.hops.clone())
            }
        }
    }

    async fn look_up(&self, place: &Place, now: Instant) -> Result<(Vec<Host>, Instant), String> {
        match place {
            Place::Host { host, port } => {
                let found = tokio::net::lookup_host((host.as_str(), *port)).await;
                let found = found.map_err(|error| format!("{host} was not found: {error}"))?;
                Ok((vec![(0, host.clone(), found.collect())], now + HOST_AGE))
            }
            #[cfg(feature = "mx")]
            Place::Mx { domain, port } => match &self.mx {
                Some(mx) => mx.exchangers(domain, *port).await.map_err(|error| error.to_string()),
                None => Err("no name server is set up".to_owned()),
            },
            #[cfg(not(feature = "mx"))]
            Place::Mx { .. } => Err("this program was built without look-ups of exchangers".to_owned()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each address of each host as a hop. The certificate of an exchanger must have the configured name, or, as the answer of a name server proves
/// nothing, its own name below the domain that the administrator wrote.
fn hops(index: usize, server: &Server, hosts: Vec<Host>) -> Result<Vec<Hop>, String> {
    let mut hops = Vec::new();
    let mut refused = None;
    for (preference, host, addresses) in hosts {
        let name = match (&server.tls.name, &server.place) {
            (Some(name), _) => name.clone(),
            (None, Place::Mx { domain, .. }) if server.tls.policy == Policy::Verify && !is_below(&host, domain) => {
                refused = Some(format!(
                    "the exchanger {host} is not below {domain}: write the `name` that its certificate must have"
                ));
                continue;
            }
            (None, _) => match ServerName::try_from(host.clone()) {
                Ok(name) => name,
                Err(error) => {
                    refused = Some(format!("{host} is no name for a certificate: {error}"));
                    continue;
                }
            },
        };
        hops.extend(addresses.into_iter().map(|at| Hop {
            key: Key { server: index, at },
            rank: (server.priority, preference),
            host: host.clone(),
            tls: server.tls.clone(),
            name: name.clone(),
        }));
    }
    match refused {
        Some(why) if hops.is_empty() => Err(why),
        Some(why) => {
            tracing::warn!(why, "an exchanger is left out");
            Ok(hops)
        }
        None if hops.is_empty() => Err("it has no address".to_owned()),
        None => Ok(hops),
    }
}

/// Is the host the domain itself or below it, by whole labels?
fn is_below(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
}

/// By rank; hosts of one rank take turns, so that they share the load (RFC 5321 5.1). The addresses of one host stay together.
fn ordered(mut hops: Vec<Hop>, turn: usize) -> Vec<Hop> {
    hops.sort_by_key(|hop| hop.rank);
    for group in hops.chunk_by_mut(|one, other| one.rank == other.rank) {
        let same =
            |at: usize| (&group[at - 1].host, group[at - 1].key.server) == (&group[at].host, group[at].key.server);
        let starts: Vec<usize> = (0..group.len()).filter(|at| *at == 0 || !same(*at)).collect();
        group.rotate_left(starts[turn % starts.len()]);
    }
    hops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(priority: u16, host: &str, last: u8) -> Hop {
        let tls = RelayTls::new(Policy::Off, false, None, &super::super::TlsFiles::default()).unwrap();
        Hop {
            key: Key { server: 0, at: ([127, 0, 0, last], 25).into() },
            rank: (priority, 0),
            host: host.to_owned(),
            tls,
            name: ServerName::try_from("x.test").unwrap(),
        }
    }

    #[test]
    fn equal_servers_take_turns_and_better_ones_stay_first() {
        let hops = vec![hop(20, "backup", 9), hop(10, "a", 1), hop(10, "a", 2), hop(10, "b", 3), hop(10, "c", 4)];
        for (turn, order) in [(0, [1, 2, 3, 4, 9]), (1, [3, 4, 1, 2, 9]), (2, [4, 1, 2, 3, 9]), (3, [1, 2, 3, 4, 9])] {
            let found: Vec<u8> = ordered(hops.clone(), turn)
                .iter()
                .map(|hop| match hop.key.at.ip() {
                    std::net::IpAddr::V4(ip) => ip.octets()[3],
                    std::net::IpAddr::V6(_) => 0,
                })
                .collect();
            assert_eq!(found, order, "{turn}");
        }
    }

    #[test]
    fn below_a_domain_is_a_matter_of_whole_labels() {
        for (host, below) in
            [("mail.example.jp", true), ("EXAMPLE.jp", true), ("badexample.jp", false), ("example.jp.evil.test", false)]
        {
            assert_eq!(is_below(host, "example.jp"), below, "{host}");
        }
    }

    #[test]
    fn an_exchanger_of_another_domain_is_no_verified_name() {
        let server = |policy, name| Server {
            place: Place::Mx { domain: "example.jp".to_owned(), port: 25 },
            priority: 10,
            tls: RelayTls {
                policy,
                name,
                ..RelayTls::new(Policy::Off, false, None, &super::super::TlsFiles::default()).unwrap()
            },
            credentials: None,
        };
        let hosts = |host: &str| vec![(10, host.to_owned(), vec![SocketAddr::from(([127, 0, 0, 1], 25))])];
        assert!(hops(0, &server(Policy::Verify, None), hosts("mx.example.jp")).is_ok());
        assert!(hops(0, &server(Policy::Verify, None), hosts("mx.evil.test")).unwrap_err().contains("`name`"));
        assert!(hops(0, &server(Policy::May, None), hosts("mx.evil.test")).is_ok());
        let name = ServerName::try_from("mail.example.jp").unwrap();
        assert_eq!(hops(0, &server(Policy::Verify, Some(name.clone())), hosts("mx.evil.test")).unwrap()[0].name, name);
    }
}
