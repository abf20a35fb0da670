//! The composition root: builds every part from the configuration, starts and stops them in order.
//! It refuses to start half: a part that cannot start ends the program with its reason.

mod chores;
pub mod confine;
mod expiry;
mod letters;
pub mod privileges;
mod pulse;
pub mod sockets;
mod submission;
mod tls;
mod upstream;

use crate::address::Address;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::console;
use crate::hold::Desk;
use crate::listen::tls::{Certificate, Clients, TlsError};
use crate::listen::{self, Listener, Shared, Start};
use crate::mail::charset;
use crate::network::Network;
use crate::notice::Author;
use crate::notice::link::LinkKey;
use crate::outbox::{Outbox, Patience, Reporter};
use crate::pipeline::{Metrics, Parts, Pipeline};
use crate::relay::{Relay, RelayTlsError};
use crate::reload::{self, RulesError};
use crate::rules::RuleSet;
use crate::seal::{Sealer, Signer, Stamp};
use crate::store::{self, Store, StoreError};
use crate::worker::{self, Confinement, NotStarted, Pool};
use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use chores::Chores;
use jiff::tz::TimeZone;
use privileges::PrivilegeError;
use sockets::Sockets;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long an orderly stop waits for mails in progress.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// Why the guard does not start. The texts fit behind "failed to".
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("read Japanese mail: {0}")]
    Charset(String),
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Upstream(#[from] RelayTlsError),
    #[error("read the password in {file}: {cause}")]
    Password { file: PathBuf, cause: io::Error },
    #[error("listen on {at}: {cause}")]
    Bind { at: SocketAddr, cause: io::Error },
    #[error("use the time zone {0}")]
    Zone(String),
    #[error("write notices from {0}")]
    Author(Address),
    #[error("find the program's own file: {0}")]
    Program(io::Error),
    #[error("take over the sockets of the service manager: {0}")]
    Passed(io::Error),
    #[error("use the socket for {0} from the service manager: no `listen` of the configuration has this address")]
    Unnamed(SocketAddr),
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    #[error("give up files and network: {0}")]
    Confine(String),
    #[error(transparent)]
    Workers(#[from] NotStarted),
}

impl StartError {
    /// May the same start succeed later, without anybody changing a file? A taken port, a store in use, a lack of memory.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Bind { .. } | Self::Store(_) | Self::Workers(_))
    }
}

/// A running guard.
pub struct App {
    stopping: CancellationToken,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    store: Arc<Store>,
    relay: Arc<Relay>,
    chores: Arc<Chores>,
    /// Addresses that listeners got, in the order of the configuration.
    pub listening: Vec<SocketAddr>,
    /// Address of the page.
    pub console: Option<SocketAddr>,
}

/// What the process gave up before it became the guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// It is root still.
    pub root: bool,
    /// Version of landlock that holds it, 0 for none.
    pub landlock: u32,
}

impl App {
    /// Builds and starts everything inside a process that does other things too: it stays who it is.
    ///
    /// # Errors
    /// [`StartError`] with the first part that cannot start.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let sockets = Sockets::open(&config, Vec::new())?;
        Self::start_on(sockets, config, Standing::default()).await
    }

    /// Builds and starts everything on sockets that are open.
    ///
    /// # Errors
    /// [`StartError`] with the first part that cannot start.
    pub async fn start_on(sockets: Sockets, config: Config, standing: Standing) -> Result<Self, StartError> {
        charset::self_test().map_err(|why| StartError::Charset(why.to_string()))?;
        let zone = TimeZone::get(&config.time_zone).map_err(|_| StartError::Zone(config.time_zone.clone()))?;
        let clock = Clock::system(zone);
        let rules: Arc<ArcSwap<RuleSet>> =
            Arc::new(ArcSwap::from_pointee(reload::load(config.rules.as_deref(), &config.limits)?));
        let certificate = match &config.tls {
            Some((certificate, key)) => Some(Arc::new(Certificate::load(certificate, key)?)),
            None => None,
        };
        let relay = Arc::new(upstream::relay(&config)?);
        let program = std::env::current_exe().map_err(StartError::Program)?;
        let workers = Arc::new(Pool::new(
            worker::Options {
                program,
                count: config.workers,
                deadline: Duration::from_secs(config.limits.inspection_seconds),
                mebibytes: config.limits.worker_mebibytes,
                confine: config.process.confine,
            },
            reload::context(&rules.load(), &config.limits),
        ));
        listen::make_room(config.limits.connections);
        let held = workers.open().await?;
        let store = Arc::new(Store::open(&store_options(&config, store::Role::Server)).await?);

        let bell = Arc::new(Notify::new());
        let metrics = Arc::new(Metrics::new());
        say_standing(standing, held, &metrics);
        let internal = {
            let rules = Arc::clone(&rules);
            Arc::new(move |address: &Address| rules.load().is_internal(address))
        };
        let desk = Arc::new(Desk::new(Arc::clone(&store), internal));
        let author = Author::new("sekisho", config.notice.from.as_str())
            .map_err(|_| StartError::Author(config.notice.from.clone()))?;
        let key = LinkKey::new(&store.derived_key("notice links"));
        let reporter = reporter(&config, clock.zone().clone());
        let sealer = Arc::new(sealer(&config, &store));
        let pipeline = Arc::new(Pipeline::new(Parts {
            hostname: config.hostname.clone(),
            clock: clock.clone(),
            limits: config.limits.clone(),
            settle_ms: config.notice.settle_ms,
            keep_together_ms: config.keep_together_ms,
            rules: Arc::clone(&rules),
            workers: Arc::clone(&workers),
            store: Arc::clone(&store),
            relay: Arc::clone(&relay),
            bell: Arc::clone(&bell),
            metrics: Arc::clone(&metrics),
            reporter: reporter.clone(),
            sealer: Arc::clone(&sealer),
            secret: hmac::Key::new(hmac::HMAC_SHA256, &store.derived_key("mail keys")),
            hide_client: config.hide_client,
            admins: config.notice.admins.clone(),
            rates: config.rates.clone(),
        }));

        let stopping = CancellationToken::new();
        let shared = Shared::new(accept(pipeline), offer(&relay, &config), stopping.clone());
        let shared = Arc::new(submission::with_logins(shared, &relay, &config));
        let tasks = TaskTracker::new();
        let mut listening = Vec::new();
        for (socket, listener) in sockets.listeners.into_iter().zip(&config.listeners) {
            if listener.allowed.iter().any(Network::is_everybody) {
                tracing::warn!(listener = %listener.listen, "everybody may send mail to anybody through this listener, as `allowed` says");
            }
            let socket = ready(socket)?;
            if let Ok(at) = socket.local_addr() {
                listening.push(at);
            }
            let resolved = Arc::new(resolve(listener, &config, certificate.as_ref())?);
            tasks.spawn(listen::serve(socket, resolved, Arc::clone(&shared)));
        }
        let chores = Arc::new(Chores {
            config: config.clone(),
            clock: clock.clone(),
            rules: Arc::clone(&rules),
            workers: Arc::clone(&workers),
            certificate: certificate.clone(),
            store: Arc::clone(&store),
            relay: Arc::clone(&relay),
            sealer,
            outbox: Outbox::new(Arc::clone(&store), reporter, patience(&config.outbox), config.upstream.connections),
            desk: Arc::clone(&desk),
            key,
            author,
            bell,
            metrics: Arc::clone(&metrics),
            unwell: Mutex::default(),
            remarks: Mutex::default(),
            stopping: stopping.clone(),
        });
        chores.start(&tasks, &shared);
        if let Some(every) = sd_notify::watchdog_enabled() {
            let (store, shared) = (Arc::clone(&store), Arc::clone(&shared));
            tasks.spawn(pulse::beat(every, store, shared, listening.len(), stopping.clone()));
        }
        {
            let (relay, config) = (Arc::clone(&relay), config.clone());
            tasks.spawn(async move { submission::warn_without_own_login(&relay, &config).await });
        }
        let console = match (sockets.console, &config.console) {
            (Some(socket), Some(given)) => {
                let socket = ready(socket)?;
                let at = socket.local_addr().ok();
                let (clock, voice, acting) = (clock.clone(), Arc::clone(&chores), Arc::clone(&chores));
                let router = console::router(console::ConsoleState {
                    desk,
                    voice: Arc::new(move || Arc::new(voice.voice())),
                    clock: Arc::new(move || clock.now_ms()),
                    acted: Arc::new(move || acting.bell.notify_one()),
                    preview: None,
                });
                let acceptor = match (&certificate, given.tls) {
                    (Some(certificate), true) => Some(certificate.server_config(None)?),
                    _ => None,
                };
                tasks.spawn(tls::serve(socket, acceptor, router, stopping.clone()));
                at
            }
            _ => None,
        };
        if let Some(socket) = sockets.status {
            let socket = ready(socket)?;
            let router = {
                let (health, look, numbers) = (Arc::clone(&chores), Arc::clone(&chores), Arc::clone(&metrics));
                console::status_router(move || health.reasons(), move || look.remarks(), move || numbers.text())
            };
            tasks.spawn(tls::serve(socket, None, router, stopping.clone()));
        }
        tasks.close();
        Ok(Self { stopping, shared, tasks, store, relay, chores, listening, console })
    }

    /// What the guard keeps; for commands that run beside it in one process.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Loads rules and certificates anew, as on SIGHUP.
    pub async fn reload(&self) {
        self.chores.reload(true).await;
    }

    /// Stops in order: no new connections, 421 to idle sessions, mails in progress are finished, then the store closes.
    pub async fn stop(self) {
        self.stopping.cancel();
        let finished = async {
            // First those who accept connections, so that none begins unnoticed.
            self.tasks.wait().await;
            self.shared.tasks.close();
            self.shared.tasks.wait().await;
        };
        if tokio::time::timeout(STOP_PATIENCE, finished).await.is_err() {
            tracing::warn!("some connections did not end in time; their clients got no reply and keep their mail");
        }
        self.relay.close().await;
        self.store.close().await;
    }
}

/// A socket for the runtime.
fn ready(socket: std::net::TcpListener) -> Result<TcpListener, StartError> {
    TcpListener::from_std(socket).map_err(StartError::Passed)
}

/// What holds this process and its workers, said once in the log and all the time in the numbers.
fn say_standing(standing: Standing, workers: Confinement, metrics: &Metrics) {
    metrics.root.set(i64::from(standing.root));
    metrics.confined("guard_landlock", standing.landlock);
    metrics.confined("worker_landlock", workers.landlock);
    metrics.confined("worker_seccomp", u32::from(workers.seccomp));
    tracing::info!(
        guard_landlock = standing.landlock,
        worker_landlock = workers.landlock,
        worker_seccomp = workers.seccomp,
        "confined"
    );
    if standing.root {
        tracing::warn!("the guard runs as root; set `[process] user`, or start it as a user of its own");
    }
    if !workers.whole() {
        tracing::warn!("workers are not fully confined: a mail that takes one over could reach files or the network");
    }
}

/// Stamp and signatures of mails that leave. Without a key of its own the stamp has one made of the store's.
fn sealer(config: &Config, store: &Store) -> Sealer {
    let stamp = config.stamp.as_ref().map(|stamp| {
        let own = store.derived_key("stamps");
        Stamp::new(stamp.key.as_deref().unwrap_or(&own), stamp.max_age_ms)
    });
    let signers = config.dkim.iter().map(|dkim| Signer::new(&dkim.domain, &dkim.selector, dkim.key.clone()));
    Sealer::new(stamp, signers.collect())
}

/// Who writes delivery reports.
pub(crate) fn reporter(config: &Config, zone: TimeZone) -> Reporter {
    Reporter { hostname: config.hostname.clone(), from: config.notice.from.clone(), zone }
}

fn patience(given: &config::Outbox) -> Patience {
    Patience {
        lifetime_ms: given.lifetime_ms,
        warn_ms: given.warn_ms,
        ..Patience::starting(given.retry_ms, given.longest_ms)
    }
}

fn accept(pipeline: Arc<Pipeline>) -> listen::Accept {
    Arc::new(move |envelope, mail| {
        let pipeline = Arc::clone(&pipeline);
        Box::pin(async move { pipeline.accept(envelope, mail).await })
    })
}

fn offer(relay: &Arc<Relay>, config: &Config) -> listen::Offer {
    let relay = Arc::clone(relay);
    let limits = config.limits.clone();
    Arc::new(move || {
        let (relay, limits) = (Arc::clone(&relay), limits.clone());
        Box::pin(async move { relay.offer(&limits).await })
    })
}

fn resolve(
    listener: &config::Listener,
    config: &Config,
    certificate: Option<&Arc<Certificate>>,
) -> Result<Listener, TlsError> {
    use crate::config::file::{ListenerAuth, ListenerTls};
    let start = match listener.tls {
        ListenerTls::Off => None,
        ListenerTls::Starttls => Some(Start::Command),
        ListenerTls::Implicit => Some(Start::Implicit),
    };
    let tls = match (start, certificate) {
        (Some(start), Some(certificate)) => {
            let clients = listener.client_ca.clone().map(|(ca, required)| Clients { ca, required });
            Some((start, certificate.server_config(clients.as_ref())?))
        }
        _ => None,
    };
    Ok(Listener {
        hostname: config.hostname.clone(),
        tls,
        require_tls: listener.require_tls,
        allowed: listener.allowed.clone(),
        auth: match listener.auth {
            ListenerAuth::Off => listen::Auth::Off,
            ListenerAuth::Optional => listen::Auth::Optional,
            ListenerAuth::Required => listen::Auth::Required,
        },
        allowed_names: listener.allowed_names.clone(),
        xclient: listener.xclient.clone(),
        proxies: listener.proxies.clone(),
        limits: config.limits.clone(),
    })
}

/// How the store of a configuration is opened.
#[must_use]
pub fn store_options(config: &Config, role: store::Role) -> store::Options {
    store::Options { dir: config.state.clone(), role, key_file: config.store.key_file.clone() }
}
