//! The mail exchangers of a domain (RFC 5321 5.1), kept for as long as their records say (TTL).
//! It refuses to fall back to an address record when the domain says that it takes no mail (RFC 7505), or when the name servers gave no answer.

use super::route::Host;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long one name server may take; then it is asked once more, or the next one is.
const PATIENCE: Duration = Duration::from_secs(3);
/// An answer is kept at least this long, so that a TTL of 0 does not mean a question for each mail.
const LEAST: Duration = Duration::from_secs(1);
/// Exchangers that are looked at.
const EXCHANGERS: usize = 10;

/// Why the exchangers of a domain are not known; each text follows "the mail server has no address:".
#[derive(Debug, thiserror::Error)]
pub(super) enum MxError {
    #[error("{domain} takes no mail: its MX record is null (RFC 7505)")]
    Null { domain: String },
    #[error("none of the exchangers of {domain} has an address")]
    NoAddress { domain: String },
    #[error("the exchangers of {domain} are not known: {cause}")]
    Dns { domain: String, cause: NetError },
}

/// Asks name servers.
pub(super) struct Mx(TokioResolver);

impl Mx {
    /// Asks these name servers, or those of the system.
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self, String> {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| error.to_string())?
        } else {
            let servers = servers.iter().map(|at| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = at.port();
                    connection
                });
                NameServerConfig::new(at.ip(), true, connections.to_vec())
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let mut builder = builder;
        let options = builder.options_mut();
        options.timeout = PATIENCE;
        options.attempts = 2;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(Self(builder.build().map_err(|error| error.to_string())?))
    }

    /// Exchangers with their preference and addresses, and until when that is good.
    pub(super) async fn exchangers(&self, domain: &str, port: u16) -> Result<(Vec<Host>, Instant), MxError> {
        // With the final dot it is the whole name, and search lists are not tried.
        let asked = format!("{}.", domain.trim_end_matches('.'));
        let failed = |cause| MxError::Dns { domain: domain.to_owned(), cause };
        let (mut exchangers, mut until): (Vec<(u16, String)>, _) = match self.0.mx_lookup(asked.as_str()).await {
            Ok(found) => {
                let records = found.answers().iter().filter_map(|record| match &record.data {
                    RData::MX(mx) => Some((mx.preference, mx.exchange.to_ascii())),
                    _ => None,
                });
                (records.collect(), found.valid_until())
            }
            // RFC 5321 5.1: without MX records the domain is its own exchanger. A domain that does not exist has no address either.
            Err(error) if error.is_no_records_found() && !error.is_nx_domain() => {
                (vec![(0, asked.clone())], Instant::now() + Duration::from_secs(300))
            }
            Err(error) => return Err(failed(error)),
        };
        exchangers.sort();
        exchangers.truncate(EXCHANGERS);
        let mut hosts = Vec::new();
        let mut problem = None;
        for (preference, name) in exchangers {
            if name == "." {
                // RFC 7505 3: the only record then. Beside others it names no host.
                continue;
            }
            match self.0.lookup_ip(name.as_str()).await {
                Ok(found) => {
                    until = until.min(found.valid_until());
                    let addresses = found.iter().map(|ip| SocketAddr::new(ip, port)).collect();
                    hosts.push((preference, name.trim_end_matches('.').to_owned(), addresses));
                }
                Err(error) => problem = Some(error),
            }
        }
        match problem {
            _ if !hosts.is_empty() => Ok((hosts, until.max(Instant::now() + LEAST))),
            Some(error) if !error.is_no_records_found() => Err(failed(error)),
            Some(_) => Err(MxError::NoAddress { domain: domain.to_owned() }),
            None => Err(MxError::Null { domain: domain.to_owned() }),
        }
    }
}
