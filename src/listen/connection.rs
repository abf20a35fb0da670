//! One connection from accept to close: reads octets, feeds the receiver, performs what it puts out.
//! It refuses to interpret SMTP; every decision about the dialogue is the receiver's.

use super::{Auth, Listener, Shared, Start};
use crate::smtp::auth::Mechanism;
use crate::smtp::extensions::Extensions;
use crate::smtp::receiver::{Output, Receiver, Settings};
use crate::smtp::reply::Reply;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

/// Octets read at once.
const READ: usize = 64 * 1024;
/// A client that does not take its replies is cut after this.
const WRITE: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// Why the loop over one transport ended.
enum End {
    Closed,
    StartTls,
}

/// Serves one client.
pub(super) async fn run(stream: TcpStream, ip: IpAddr, listener: &Listener, shared: &Shared) {
    // Replies must not wait for the client's delayed acknowledgements (40 ms a mail otherwise).
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let implicit = matches!(&listener.tls, Some((Start::Implicit, _)));
    let start = Instant::now();
    let offered = (shared.offer)().await;
    let settings = Settings {
        auth: mechanisms(listener, shared, &offered),
        offered,
        limits: listener.limits.clone(),
        relay: listener.allowed.iter().any(|network| network.contains(ip)),
        tls_available: matches!(&listener.tls, Some((Start::Command, _))),
        tls_required: listener.require_tls,
        tls_active: implicit,
        auth_required: listener.auth == Auth::Required,
        session: shared.sessions.fetch_add(1, Ordering::Relaxed),
        ..Settings::new(&listener.hostname, ip)
    };
    let _session = Session { shared, number: settings.session };
    let mut receiver = Receiver::new(settings, 0);
    if implicit {
        tls(stream, shared, listener, &mut receiver, start).await;
        return;
    }
    let mut stream = stream;
    if let End::StartTls = converse(&mut stream, shared, &mut receiver, start).await {
        tls(stream, shared, listener, &mut receiver, start).await;
    }
}

/// What the client may use to log in: what the upstream takes. When the upstream says nothing about it, the two that every client knows;
/// then it answers for itself.
fn mechanisms(listener: &Listener, shared: &Shared, offered: &Extensions) -> Vec<Mechanism> {
    if listener.auth == Auth::Off || shared.logins.is_none() {
        return Vec::new();
    }
    let named: Vec<Mechanism> = offered.auth.iter().filter_map(|name| Mechanism::from_name(name.as_bytes())).collect();
    if named.is_empty() { vec![Mechanism::Plain, Mechanism::Login] } else { named }
}

/// Tells the end of a session, however it ends.
struct Session<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some((_, ended)) = &self.shared.logins {
            ended(self.number);
        }
    }
}

async fn tls(stream: TcpStream, shared: &Shared, listener: &Listener, receiver: &mut Receiver, start: Instant) {
    let Some((_, config)) = &listener.tls else { return };
    match timeout(HANDSHAKE, TlsAcceptor::from(config.clone()).accept(stream)).await {
        Ok(Ok(mut stream)) => {
            receiver.tls_started(elapsed_ms(start));
            converse(&mut stream, shared, receiver, start).await;
            let _ = timeout(Duration::from_secs(1), stream.shutdown()).await;
        }
        Ok(Err(error)) => tracing::info!(%error, "TLS handshake failed"),
        Err(_) => tracing::info!("TLS handshake took too long"),
    }
}

fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    shared: &Shared,
    receiver: &mut Receiver,
    start: Instant,
) -> End {
    let now = || elapsed_ms(start);
    let mut buffer = vec![0; READ];
    let mut told_to_stop = false;
    loop {
        loop {
            match receiver.next() {
                Output::Reply(bytes) => match timeout(WRITE, stream.write_all(&bytes)).await {
                    Ok(Ok(())) => {}
                    _ => return End::Closed,
                },
                Output::StartTls => return End::StartTls,
                Output::Mail(envelope, mail) => {
                    let reply = (shared.accept)(*envelope, mail).await;
                    receiver.answer(now(), &reply);
                }
                Output::Authenticate(login) => {
                    let reply = match &shared.logins {
                        Some((verify, _)) => verify(*login, receiver.session()).await,
                        None => Reply::new(454, "4.7.0", "Temporary authentication failure"),
                    };
                    receiver.authenticated(now(), &reply);
                }
                Output::Close => {
                    let _ = stream.flush().await;
                    return End::Closed;
                }
                Output::NeedInput => break,
            }
        }
        if stream.flush().await.is_err() {
            return End::Closed;
        }
        let left = Duration::from_millis(receiver.deadline().unwrap_or(u64::MAX).saturating_sub(now()));
        let read = tokio::select! {
            read = timeout(left, stream.read(&mut buffer)) => read,
            () = shared.stopping.cancelled(), if !told_to_stop => {
                told_to_stop = true;
                receiver.shutdown();
                continue;
            }
        };
        match read {
            Ok(Ok(0) | Err(_)) => return End::Closed,
            Ok(Ok(count)) => receiver.feed(now(), &buffer[..count]),
            Err(_) => {
                receiver.timed_out(now());
            }
        }
    }
}
