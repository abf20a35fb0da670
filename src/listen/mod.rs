//! Sockets in: accept, limits, TLS, and the loop that feeds the receiver.
//! It refuses to know what happens to a mail; it hands it to the one function it was given.

mod beat;
mod connection;
pub mod tls;

pub use beat::Beats;

use crate::limits::Limits;
use crate::mail::envelope::Envelope;
use crate::network::Network;
use crate::smtp::extensions::Extensions;
use crate::smtp::reply::Reply;
use bytes::Bytes;
use rustls::ServerConfig;
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What takes a mail and gives the reply after end of data.
pub type Accept = Arc<dyn Fn(Envelope, Bytes) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;
/// What tells the keywords that may be offered now.
pub type Offer = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Extensions> + Send>> + Send + Sync>;

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
    /// All bounds.
    pub limits: Limits,
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
    /// Cancelled when no new mail may begin.
    pub stopping: CancellationToken,
    /// Counts running connections; waited for at the end.
    pub tasks: TaskTracker,
    /// Signs of life of the accepting loops.
    pub beats: Beats,
    open: AtomicUsize,
    per_client: Mutex<HashMap<IpAddr, usize>>,
}

impl Shared {
    /// Builds it.
    #[must_use]
    pub fn new(accept: Accept, offer: Offer, stopping: CancellationToken) -> Self {
        Self {
            accept,
            offer,
            stopping,
            tasks: TaskTracker::new(),
            beats: Beats::default(),
            open: AtomicUsize::new(0),
            per_client: Mutex::default(),
        }
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// Gives the place of a connection back when it ends, however it ends.
struct Place {
    shared: Arc<Shared>,
    ip: IpAddr,
}

impl Place {
    fn take(shared: &Arc<Shared>, ip: IpAddr, limits: &Limits) -> Option<Self> {
        let mut clients = shared.per_client.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(ip).or_default();
        if shared.open.load(Ordering::Relaxed) >= limits.connections || *count >= limits.connections_per_client {
            if *count == 0 {
                clients.remove(&ip);
            }
            return None;
        }
        *count += 1;
        shared.open.fetch_add(1, Ordering::Relaxed);
        Some(Self { shared: Arc::clone(shared), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        let mut clients = self.shared.per_client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.ip);
            }
        }
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
                if let Some(place) = Place::take(&shared, ip, &listener.limits) {
                    let (listener, shared) = (Arc::clone(&listener), Arc::clone(&shared));
                    let tasks = shared.tasks.clone();
                    tasks.spawn(async move {
                        connection::run(stream, ip, &listener, &shared).await;
                        drop(place);
                    });
                } else {
                    turn_away(stream, &listener.hostname);
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
fn turn_away(stream: TcpStream, hostname: &str) {
    let _ = stream.try_write(format!("421 4.7.0 {hostname} too many connections, try again later\r\n").as_bytes());
}
