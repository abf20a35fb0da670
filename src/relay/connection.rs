//! One open connection to the upstream: drives the sans-io sender over a socket, with the patience of each stage.
//! It refuses to be reused after anything but a complete transaction.

use super::Policy;
use super::route::Hop;
use crate::smtp::extensions::Extensions;
use crate::smtp::reply::Reply;
use crate::smtp::sender::{Credentials, Fate, Output, Sender, SenderError, Settings, Tls, Transaction, Verified};
use crate::smtp::stage::{Patience, Stage};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Small pieces are collected up to this many octets, so that a small mail is one packet.
const COLLECT: usize = 64 * 1024;

/// How long to wait for what a server said before it stopped reading.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("connect to the mail server: {0}")]
    Connect(io::Error),
    #[error("connect to the mail server: it did not answer within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("start TLS with the mail server: {0}")]
    Tls(io::Error),
    #[error(transparent)]
    Protocol(#[from] SenderError),
}

/// What became of a transaction.
pub(super) enum Attempt {
    /// One fate a recipient, and no other server need be asked.
    Done(Vec<Fate>),
    /// The connection broke, or the server left, before any of the mail was sent: nobody has it, and who is deferred may be tried elsewhere.
    Untouched(Vec<Fate>),
}

/// How to open a connection.
pub(super) struct Via<'a> {
    pub(super) hop: &'a Hop,
    /// The name to say in EHLO.
    pub(super) hostname: &'a str,
    pub(super) patience: Patience,
    pub(super) credentials: Option<Credentials>,
    /// May credentials go in clear? (Loopback only; the configuration sees to that.)
    pub(super) log_in_clear: bool,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    sender: Sender,
    patience: Patience,
    opened: Instant,
    transactions: u32,
    ready: bool,
    buffer: Vec<u8>,
    pending: Vec<u8>,
}

/// Why driving stopped.
enum Event {
    StartTls,
    Ready,
    Done(Vec<Fate>),
    Ended(Option<SenderError>),
}

impl Connection {
    /// Connects, says hello, starts TLS and logs in. With the policy `may` a handshake that fails is followed by a new connection in clear,
    /// as opportunistic TLS asks for (RFC 7435 3); `encrypt` and `verify` never come down.
    pub(super) async fn open(via: &Via<'_>) -> Result<Self, OpenError> {
        match Self::open_by(via, via.hop.tls.policy).await {
            Err(OpenError::Tls(error)) if via.hop.tls.policy == Policy::May && !via.hop.tls.implicit => {
                tracing::warn!(server = %via.hop, %error, "TLS failed; trying again in clear, as tls = \"may\" allows");
                Self::open_by(via, Policy::Off).await
            }
            result => result,
        }
    }

    async fn open_by(via: &Via<'_>, policy: Policy) -> Result<Self, OpenError> {
        let wait = via.patience.connect;
        let socket = timeout(wait, TcpStream::connect(via.hop.key.at))
            .await
            .map_err(|_| OpenError::Slow(wait))?
            .map_err(OpenError::Connect)?;
        // Without it every mail waits 40 ms for a delayed acknowledgement.
        socket.set_nodelay(true).map_err(OpenError::Connect)?;
        let verified = Verified(policy == Policy::Verify);
        let implicit = via.hop.tls.implicit;
        let stream: Box<dyn Stream> = if implicit { handshake(via, socket).await? } else { Box::new(socket) };
        let settings = Settings {
            hostname: via.hostname.to_owned(),
            tls: match policy {
                _ if implicit => Tls::Never,
                Policy::Off => Tls::Never,
                Policy::May => Tls::WhenOffered,
                Policy::Encrypt | Policy::Verify => Tls::Required,
            },
            tls_active: implicit.then_some(verified),
            credentials: via.credentials.clone(),
            log_in_clear: via.log_in_clear,
        };
        let mut connection = Self {
            stream,
            sender: Sender::new(settings),
            patience: via.patience,
            opened: Instant::now(),
            transactions: 0,
            ready: false,
            buffer: vec![0; 4 * 1024],
            pending: Vec::new(),
        };
        loop {
            match connection.drive().await {
                Event::StartTls => {
                    let plain = std::mem::replace(&mut connection.stream, Box::new(tokio::io::empty()));
                    connection.stream = handshake(via, plain).await?;
                    connection.sender.tls_started(verified);
                }
                Event::Ready => {
                    connection.ready = true;
                    return Ok(connection);
                }
                Event::Done(_) | Event::Ended(None) => return Err(SenderError::Lost(Stage::Hello).into()),
                Event::Ended(Some(error)) => return Err(error.into()),
            }
        }
    }

    /// What the upstream offers.
    pub(super) fn extensions(&self) -> &Extensions {
        self.sender.offers()
    }

    /// Is it TLS with a verified certificate?
    pub(super) fn verified(&self) -> bool {
        self.sender.encrypted() == Some(Verified(true))
    }

    /// The reply that let us in, when there was a login.
    pub(super) fn welcome(&self) -> Option<&Reply> {
        self.sender.welcome()
    }

    /// Transactions so far.
    pub(super) fn transactions(&self) -> u32 {
        self.transactions
    }

    /// How long it is open.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// May another transaction start?
    pub(super) fn reusable(&self) -> bool {
        self.ready
    }

    /// One transaction.
    pub(super) async fn transact(&mut self, transaction: Transaction) -> Attempt {
        let count = transaction.recipients.len();
        self.transactions += 1;
        self.ready = false;
        self.sender.start(transaction);
        let Event::Done(fates) = self.drive().await else {
            // The sender always gives the fates first.
            return Attempt::Untouched(super::deferred(count, "the connection is out of step"));
        };
        match self.drive().await {
            Event::Ready => self.ready = true,
            Event::Ended(Some(error)) if before_data(&error) => return Attempt::Untouched(fates),
            _ => {}
        }
        Attempt::Done(fates)
    }

    /// Says QUIT and waits a little for the answer, so that the server does not log a lost connection.
    pub(super) async fn close(mut self) {
        self.sender.quit();
        while !matches!(self.drive().await, Event::Ended(_)) {}
        let _ = timeout(self.patience.quit, self.stream.shutdown()).await;
    }

    /// Sends what was collected in one system call.
    async fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        self.write(&pending).await;
        self.pending = pending;
        self.pending.clear();
    }

    async fn write(&mut self, bytes: &[u8]) {
        let patience = self.patience.of(self.sender.stage());
        let written = timeout(patience, self.stream.write_all(bytes)).await;
        if matches!(written, Ok(Ok(()))) {
            return;
        }
        // A server that refuses the mail in its middle and closes has said why.
        while let Ok(Ok(count @ 1..)) = timeout(LAST_WORDS, self.stream.read(&mut self.buffer)).await {
            self.sender.feed(&self.buffer[..count]);
        }
        match written {
            Ok(_) => self.sender.lost(),
            Err(_) => self.sender.timed_out(),
        }
    }

    /// Performs outputs until something happens that the caller must know.
    async fn drive(&mut self) -> Event {
        loop {
            match self.sender.next() {
                Output::Send(bytes) if bytes.len() + self.pending.len() <= COLLECT => {
                    self.pending.extend_from_slice(&bytes);
                }
                Output::Send(bytes) => {
                    self.flush().await;
                    self.write(&bytes).await;
                }
                Output::StartTls => {
                    self.flush().await;
                    return Event::StartTls;
                }
                Output::NeedInput => {
                    self.flush().await;
                    self.read().await;
                }
                Output::Ready => return Event::Ready,
                Output::Done { fates, unknown } => {
                    if unknown {
                        tracing::warn!("the connection broke after the end of data; the mail may arrive twice");
                    }
                    return Event::Done(fates);
                }
                Output::Failed(error) => return Event::Ended(Some(error)),
                Output::Closed => return Event::Ended(None),
            }
        }
    }

    async fn read(&mut self) {
        let patience = self.patience.of(self.sender.stage());
        let read = async {
            self.stream.flush().await?;
            self.stream.read(&mut self.buffer).await
        };
        match timeout(patience, read).await {
            Ok(Ok(0) | Err(_)) => self.sender.lost(),
            Ok(Ok(count)) => self.sender.feed(&self.buffer[..count]),
            Err(_) => self.sender.timed_out(),
        }
    }
}

/// Did the connection end before any of the mail was sent?
fn before_data(error: &SenderError) -> bool {
    let (SenderError::Lost(stage) | SenderError::TimedOut(stage) | SenderError::Refused { stage, .. }) = error else {
        return false;
    };
    matches!(stage, Stage::Ready | Stage::Reset | Stage::Mail | Stage::Recipient | Stage::Data)
}

async fn handshake<S: Stream + 'static>(via: &Via<'_>, stream: S) -> Result<Box<dyn Stream>, OpenError> {
    let connector = TlsConnector::from(via.hop.tls.config.clone());
    let stream = timeout(via.patience.connect, connector.connect(via.hop.name.clone(), stream))
        .await
        .map_err(|_| OpenError::Tls(io::ErrorKind::TimedOut.into()))?
        .map_err(OpenError::Tls)?;
    Ok(Box::new(stream))
}
