//! Sockets in: accept, limits, TLS, and the loop that feeds the receiver.
//! It refuses to know what happens to a mail; it hands it to the one function it was given.

mod beat;
pub mod certificate;
mod connection;
mod place;
pub mod proxy;
pub mod tls;

pub use beat::Beats;

use crate::limits::Limits;
use crate::mail::envelope::Envelope;
use crate::network::Network;
use crate::smtp::auth::Login;
use crate::smtp::extensions::Extensions;
use crate::smtp::reply::Reply;
use bytes::Bytes;
use place::{Place, Places};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What takes a mail and gives the reply after end of data.
pub type Accept = Arc<dyn Fn(Envelope, Bytes) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;
/// What tells the keywords that may be offered now.
pub type Offer = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Extensions> + Send>> + Send + Sync>;

/// What asks the upstream whether a login is good, for the session of this number, and gives the upstream's own last reply: 235, a refusal,
/// or the 334 with the reason of a failed OAuth login.
pub type Verify = Arc<dyn Fn(Login, u64) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;
/// What is told that a session is over, whether it has asked [`Verify`] or not.
pub type Ended = Arc<dyn Fn(u64) + Send + Sync>;

/// May, or must, clients of a listener log in?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// They cannot.
    #[default]
    Off,
    /// Who has logged in may relay; who is in `allowed` may without.
    Optional,
    /// Nobody sends mail without.
    Required,
}

/// One listener, resolved.
#[derive(Clone)]
pub struct Listener {
    /// The name in the greeting and in `Received`.
    pub hostname: String,
    /// How TLS is spoken; `None` for not at all.
    pub tls: Option<(Start, Arc<ServerConfig>)>,
    /// Mail is refused before STARTTLS.
    pub require_tls: bool,
    /// Clients that may relay.
    pub allowed: Vec<Network>,
    /// Logins; they need `tls`, and [`Shared::with_logins`].
    pub auth: Auth,
    /// Host names that may relay with a verified client certificate, in lower case.
    pub allowed_names: Vec<String>,
    /// Clients that may say for whom they speak (XCLIENT, XFORWARD).
    pub xclient: Vec<Network>,
    /// Load balancers, which begin with a PROXY header; when there are any, nobody else may connect.
    pub proxies: Vec<Network>,
    /// All bounds.
    pub limits: Limits,
}

impl Listener {
    fn allows(&self, ip: IpAddr) -> bool {
        contain(&self.allowed, ip)
    }
}

fn contain(networks: &[Network], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(ip))
}

/// When TLS starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// After STARTTLS.
    Command,
    /// From the first octet.
    Implicit,
}

/// What all listeners share.
pub struct Shared {
    pub accept: Accept,
    pub offer: Offer,
    logins: Option<(Verify, Ended)>,
    sessions: AtomicU64,
    /// Cancelled when no new mail may begin.
    pub stopping: CancellationToken,
    /// Counts running connections; waited for at the end.
    pub tasks: TaskTracker,
    /// Signs of life of the accepting loops.
    pub beats: Beats,
    /// Is there too little room to keep a mail? Then none is taken.
    pub full: AtomicBool,
    places: Arc<Places>,
}

impl Shared {
    /// Builds it.
    #[must_use]
    pub fn new(accept: Accept, offer: Offer, stopping: CancellationToken) -> Self {
        Self {
            accept,
            offer,
            logins: None,
            sessions: AtomicU64::new(0),
            stopping,
            tasks: TaskTracker::new(),
            beats: Beats::default(),
            full: AtomicBool::new(false),
            places: Arc::default(),
        }
    }

    /// The same, for clients that may log in.
    #[must_use]
    pub fn with_logins(self, verify: Verify, ended: Ended) -> Self {
        Self { logins: Some((verify, ended)), ..self }
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.places.taken()
    }
}

/// Accepts until told to stop. Errors of `accept` (out of file descriptors) are waited out, never fatal.
pub async fn serve(socket: TcpListener, listener: Arc<Listener>, shared: Arc<Shared>) {
    let beat = shared.beats.join();
    loop {
        beat.now();
        let accepted = tokio::select! {
            () = shared.stopping.cancelled() => return,
            accepted = socket.accept() => accepted,
            () = tokio::time::sleep(beat::EVERY) => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let ip = peer.ip().to_canonical();
                let balanced = !listener.proxies.is_empty();
                if balanced && !contain(&listener.proxies, ip) {
                    tracing::info!(%ip, "a connection that does not come from the load balancer is closed");
                    continue;
                }
                let trusted = balanced || listener.allows(ip);
                if let Some(place) = Place::take(&shared.places, ip, trusted, &listener.limits) {
                    let (listener, shared) = (Arc::clone(&listener), Arc::clone(&shared));
                    let tasks = shared.tasks.clone();
                    tasks.spawn(async move { connection::run(stream, ip, place, &listener, &shared).await });
                } else {
                    turn_away(&stream, &listener.hostname);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Too many connections: 421 (RFC 5321 3.8), without a task and without waiting for the client.
fn turn_away(stream: &TcpStream, hostname: &str) {
    let _ = stream.try_write(format!("421 4.7.0 {hostname} too many connections, try again later\r\n").as_bytes());
}

/// Raises the number of files that this process may open to what the system allows, and says so when so many connections do not fit: each
/// mail takes one for the client, one for the upstream and a few for the inspection.
pub fn make_room(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    if files.is_some_and(|files| files < connections as u64 + 256) {
        tracing::warn!(?files, connections, "the system allows fewer open files than limits.connections needs");
    }
}
