//! One connection from accept to close: reads octets, feeds the receiver, performs what it puts out.
//! It refuses to interpret SMTP; every decision about the dialogue is the receiver's.

use super::place::Place;
use super::proxy::{self, Source, Step};
use super::{Auth, Listener, Shared, Start, contain, tls, turn_away};
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

/// Octets read at once while a mail comes.
const READ: usize = 64 * 1024;
/// Octets read at once while commands are awaited: a thousand clients that only wait must cost little.
const READ_COMMANDS: usize = 4 * 1024;
/// How long, and for how many octets, the last reply waits for a client that is still sending: closing before would reset the connection, and
/// the reply would be lost with it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: usize = 16 * 1024 * 1024;

/// Why the loop over one transport ended.
enum End {
    Closed,
    StartTls,
}

/// Serves one client.
pub(super) async fn run(mut stream: TcpStream, peer: IpAddr, mut place: Place, listener: &Listener, shared: &Shared) {
    // Replies must not wait for the client's delayed acknowledgements (40 ms a mail otherwise).
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let start = Instant::now();
    let (mut ip, mut relay, mut known) = (peer, listener.allows(peer), true);
    if !listener.proxies.is_empty() {
        match timeout(handshake(listener), source(&mut stream)).await {
            Ok(Some(Source::Client(client))) => {
                (ip, relay) = (client, listener.allows(client));
                if !place.give_to(ip, relay, &listener.limits) {
                    turn_away(&stream, &listener.hostname);
                    return;
                }
            }
            // A client that nobody knows may not relay nor speak for others, whatever the balancer itself may.
            Ok(Some(Source::Unknown)) => (relay, known) = (false, false),
            Ok(None) | Err(_) => {
                tracing::info!(%peer, "the load balancer sent no PROXY header");
                return;
            }
        }
    }
    let implicit = matches!(&listener.tls, Some((Start::Implicit, _)));
    let offered = (shared.offer)().await;
    let settings = Settings {
        auth: mechanisms(listener, shared, &offered),
        offered,
        limits: listener.limits.clone(),
        relay,
        allowed: listener.allowed.clone(),
        allowed_names: listener.allowed_names.clone(),
        tls_available: matches!(&listener.tls, Some((Start::Command, _))),
        tls_required: listener.require_tls,
        tls_active: implicit,
        auth_required: listener.auth == Auth::Required,
        xclient: known && contain(&listener.xclient, ip),
        session: shared.sessions.fetch_add(1, Ordering::Relaxed),
        ..Settings::new(&listener.hostname, ip)
    };
    let _session = Session { shared, number: settings.session };
    let mut receiver = Receiver::new(settings, elapsed_ms(start));
    if !implicit {
        match converse(&mut stream, listener, shared, &mut receiver, start).await {
            End::StartTls => {}
            End::Closed => return,
        }
    }
    encrypted(stream, listener, shared, &mut receiver, start).await;
}

/// Reads a PROXY header, octet for octet as it asks; `None` when there is none.
async fn source(stream: &mut TcpStream) -> Option<Source> {
    let mut read = Vec::new();
    loop {
        match proxy::step(&read).ok()? {
            Step::Done(source) => return Some(source),
            Step::Read(more) => {
                let known = read.len();
                read.resize(known + more, 0);
                stream.read_exact(&mut read[known..]).await.ok()?;
            }
        }
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

fn handshake(listener: &Listener) -> Duration {
    Duration::from_secs(listener.limits.handshake_seconds)
}

async fn encrypted(stream: TcpStream, listener: &Listener, shared: &Shared, receiver: &mut Receiver, start: Instant) {
    let Some((_, config)) = &listener.tls else { return };
    match timeout(handshake(listener), TlsAcceptor::from(config.clone()).accept(stream)).await {
        Ok(Ok(mut stream)) => {
            if let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(<[_]>::first) {
                receiver.certified(tls::host_names(certificate));
            }
            receiver.tls_started(elapsed_ms(start));
            converse(&mut stream, listener, shared, receiver, start).await;
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
    listener: &Listener,
    shared: &Shared,
    receiver: &mut Receiver,
    start: Instant,
) -> End {
    let now = || elapsed_ms(start);
    let patience = Duration::from_secs(listener.limits.reply_seconds);
    let mut buffer = Vec::new();
    let mut told_to_stop = false;
    loop {
        loop {
            match receiver.next() {
                Output::Reply(bytes) => match timeout(patience, stream.write_all(&bytes)).await {
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
                    let _ = timeout(LINGER, part(stream)).await;
                    return End::Closed;
                }
                Output::NeedInput => break,
            }
        }
        if !matches!(timeout(patience, stream.flush()).await, Ok(Ok(()))) {
            return End::Closed;
        }
        let size = if receiver.is_busy() { READ } else { READ_COMMANDS };
        if buffer.len() != size {
            buffer = vec![0; size];
        }
        let left = Duration::from_millis(receiver.deadline().unwrap_or(u64::MAX).saturating_sub(now()));
        let read = tokio::select! {
            read = timeout(left, stream.read(&mut buffer)) => read,
            () = shared.stopping.cancelled(), if !told_to_stop => {
                told_to_stop = true;
                receiver.shutdown(now());
                continue;
            }
        };
        match read {
            Ok(Ok(0) | Err(_)) => return End::Closed,
            Ok(Ok(count)) => {
                receiver.storage_full(shared.full.load(Ordering::Relaxed));
                receiver.feed(now(), &buffer[..count]);
            }
            Err(_) => {
                receiver.timed_out(now());
            }
        }
    }
}

/// Says that nothing more comes, and waits until the client has seen it.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = vec![0; READ_COMMANDS];
    let mut octets = 0;
    while let Ok(count @ 1..) = stream.read(&mut rest).await {
        octets += count;
        if octets > LINGER_OCTETS {
            return;
        }
    }
}
