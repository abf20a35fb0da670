//! The sockets of the guard: taken over from the service manager, or bound here, before anything else is done.
//! It refuses a socket that the configuration does not name: mail would come in where nobody expects it.

use super::StartError;
use crate::config::Config;
use listenfd::ListenFd;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// How long a start waits for a taken port. A guard that is killed while it starts a worker leaves its sockets to the half-made process, until
/// that becomes the worker and closes them; the next guard must not fail of that.
const BIND_PATIENCE: Duration = Duration::from_secs(2);

/// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// All sockets of a configuration, in its order.
#[derive(Debug)]
pub struct Sockets {
    pub(super) listeners: Vec<TcpListener>,
    pub(super) console: Option<TcpListener>,
    pub(super) status: Option<TcpListener>,
}

/// The sockets that the service manager opened for this process (`LISTEN_FDS`, sd_listen_fds(3)). To be called once, before threads are started.
///
/// # Errors
/// [`StartError::Passed`] for anything but listening TCP sockets.
pub fn passed() -> Result<Vec<TcpListener>, StartError> {
    let mut given = ListenFd::from_env();
    let mut sockets = Vec::with_capacity(given.len());
    for number in 0..given.len() {
        sockets.extend(given.take_tcp_listener(number).map_err(StartError::Passed)?);
    }
    Ok(sockets)
}

impl Sockets {
    /// Takes of the passed sockets those that the configuration names by their addresses, and binds the others.
    ///
    /// # Errors
    /// [`StartError::Bind`], and [`StartError::Unnamed`] for a passed socket that has no place.
    pub fn open(config: &Config, mut passed: Vec<TcpListener>) -> Result<Self, StartError> {
        let mut open = |at: SocketAddr, what: &str| -> Result<TcpListener, StartError> {
            let own = |socket: &TcpListener| socket.local_addr().is_ok_and(|local| local == at);
            let (socket, how) = match passed.iter().position(own) {
                Some(index) => (passed.swap_remove(index), "passed by the service manager"),
                None => (bind(at)?, "bound"),
            };
            socket.set_nonblocking(true).map_err(|cause| StartError::Bind { at, cause })?;
            tracing::info!(at = %socket.local_addr().unwrap_or(at), how, "{what} listens");
            Ok(socket)
        };
        let listeners =
            config.listeners.iter().map(|listener| open(listener.listen, "SMTP")).collect::<Result<_, _>>()?;
        let console = config.console.as_ref().map(|console| open(console.listen, "the page")).transpose()?;
        let status = config.status.map(|at| open(at, "status")).transpose()?;
        match passed.first().map(TcpListener::local_addr) {
            Some(Ok(at)) => Err(StartError::Unnamed(at)),
            Some(Err(cause)) => Err(StartError::Passed(cause)),
            None => Ok(Self { listeners, console, status }),
        }
    }
}

fn bind(at: SocketAddr) -> Result<TcpListener, StartError> {
    let until = Instant::now() + BIND_PATIENCE;
    loop {
        match TcpListener::bind(at) {
            Ok(socket) => {
                // The library lets 128 wait, which a burst of clients fills.
                let listening = rustix::net::listen(&socket, BACKLOG);
                return listening.map(|()| socket).map_err(|cause| StartError::Bind { at, cause: cause.into() });
            }
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(cause) => return Err(StartError::Bind { at, cause }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(smtp: SocketAddr) -> Config {
        let text = format!(
            "hostname = \"guard.example.jp\"\n[[listener]]\nlisten = \"{smtp}\"\n[upstream]\nserver = \"127.0.0.1:9\"\n"
        );
        Config::parse("test", &text, Path::new(".")).unwrap()
    }

    #[test]
    fn a_passed_socket_is_taken_by_its_address_and_any_other_is_refused() {
        let (one, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (at, odd) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let taken = Sockets::open(&config(at), vec![one]).unwrap();
        assert_eq!(taken.listeners[0].local_addr().unwrap(), at);
        drop(taken);
        let refused = Sockets::open(&config(at), vec![other]).unwrap_err();
        assert!(matches!(refused, StartError::Unnamed(address) if address == odd), "{refused}");
    }
}
