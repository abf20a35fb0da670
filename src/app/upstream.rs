//! Builds the way out from `[upstream]`: passwords and certificates are read here, once, at the start.
//! It refuses to start when one of these files cannot be read.

use super::StartError;
use crate::config::Config;
use crate::config::file::UpstreamTls;
use crate::config::upstream::{self, Patience, Place, Reuse};
use crate::relay::{self, Policy, Relay, RelayTls, Server, TlsFiles};
use crate::smtp::stage;
use std::path::Path;
use std::time::Duration;

/// The way out.
pub(super) fn relay(config: &Config) -> Result<Relay, StartError> {
    let upstream = &config.upstream;
    let Reuse { mails, age_ms, idle_ms } = upstream.reuse;
    let (age, idle) = (Duration::from_millis(age_ms), Duration::from_millis(idle_ms));
    let servers = upstream.servers.iter().map(server).collect::<Result<Vec<_>, _>>()?;
    Ok(Relay::new(relay::Options {
        servers,
        hostname: config.hostname.clone(),
        connections: upstream.connections,
        reuse: relay::Reuse { mails, age, idle },
        patience: patience(&upstream.patience),
        log_in_clear: upstream.auth_over_clear,
        resolvers: upstream.resolvers.clone(),
    })?)
}

fn patience(given: &Patience) -> stage::Patience {
    stage::Patience {
        connect: Duration::from_millis(given.connect_ms),
        greeting: Duration::from_millis(given.greeting_ms),
        command: Duration::from_millis(given.command_ms),
        data: Duration::from_millis(given.data_ms),
        text: Duration::from_millis(given.text_ms),
        final_dot: Duration::from_millis(given.final_dot_ms),
        ..stage::Patience::default()
    }
}

fn server(given: &upstream::Server) -> Result<Server, StartError> {
    let policy = match given.tls {
        UpstreamTls::Off => Policy::Off,
        UpstreamTls::May => Policy::May,
        UpstreamTls::Encrypt => Policy::Encrypt,
        UpstreamTls::Verify => Policy::Verify,
    };
    let credentials = match &given.login {
        Some((user, file)) => {
            let password =
                std::fs::read_to_string(file).map_err(|cause| StartError::Password { file: file.clone(), cause })?;
            Some((user.clone(), password.trim_end_matches(['\r', '\n']).to_owned()))
        }
        None => None,
    };
    let place = match given.place.clone() {
        Place::Host { host, port } => relay::Place::Host { host, port },
        Place::Mx { domain, port } => relay::Place::Mx { domain, port },
    };
    let identity = given.identity.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    let files = TlsFiles { ca: given.ca.as_deref().map(Path::new), identity };
    // A host that cannot stand in a certificate ends the start, not the first mail. Exchangers are not known yet.
    let name = match &given.place {
        Place::Host { host, .. } => given.name.as_deref().or(Some(host)),
        Place::Mx { .. } => given.name.as_deref(),
    };
    let tls = RelayTls::new(policy, given.implicit, name, &files)?;
    Ok(Server { place, priority: given.priority, tls, credentials })
}
