//! Serves a router on a socket, with or without TLS.
//! It refuses to let a slow handshake keep others from being accepted.

use axum::Router;
use axum::serve::Listener;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves until told to stop.
pub(super) async fn serve(
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    stopping: CancellationToken,
) {
    let stop = stopping.clone().cancelled_owned();
    let ended = match tls {
        Some(config) => {
            axum::serve(Handshakes::start(socket, config, stopping), router).with_graceful_shutdown(stop).await
        }
        None => axum::serve(socket, router).with_graceful_shutdown(stop).await,
    };
    if let Err(error) = ended {
        tracing::error!(%error, "the page stopped");
    }
}

/// Connections whose handshake is done.
struct Handshakes {
    done: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    local: io::Result<SocketAddr>,
}

impl Handshakes {
    fn start(socket: TcpListener, config: Arc<ServerConfig>, stopping: CancellationToken) -> Self {
        let (sender, done) = mpsc::channel(16);
        let local = socket.local_addr();
        let acceptor = TlsAcceptor::from(config);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = stopping.cancelled() => return,
                    accepted = socket.accept() => accepted,
                };
                let Ok((stream, peer)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        let _ = sender.send((stream, peer)).await;
                    }
                });
            }
        });
        Self { done, local }
    }
}

impl Listener for Handshakes {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.done.recv().await {
            Some(done) => done,
            // The accept loop only ends when the whole program stops; then the graceful shutdown takes over.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local.as_ref().copied().map_err(|error| error.kind().into())
    }
}
