//! One open connection to the upstream: drives the sans-io sender over a socket, with the patience of each stage.
//! It refuses to be reused after anything but a complete transaction.

use super::{Options, Policy};
use crate::smtp::extensions::Extensions;
use crate::smtp::sender::{Credentials, Fate, Output, Sender, SenderError, Settings, Tls, Transaction, Verified};
use crate::smtp::stage::Stage;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long connecting and handshaking may take; RFC 5321 names no value, five minutes would stall every client.
const CONNECT: Duration = Duration::from_secs(30);

/// Small pieces are collected up to this many octets, so that a small mail is one packet.
const COLLECT: usize = 64 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("connect to the mail server: {0}")]
    Connect(io::Error),
    #[error("connect to the mail server: it did not answer within {} s", CONNECT.as_secs())]
    Slow,
    #[error("start TLS with the mail server: {0}")]
    Tls(io::Error),
    #[error(transparent)]
    Protocol(#[from] SenderError),
}

/// What became of a transaction.
pub(super) enum Attempt {
    /// One fate a recipient.
    Done(Vec<Fate>),
    /// The connection broke before any recipient could have been taken; it may be tried on another one.
    Untouched(String),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    sender: Sender,
    extensions: Extensions,
    transactions: u32,
    /// Was it idle for some time? Then the other side may have closed it.
    rested: bool,
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
    /// Connects, says hello, starts TLS and logs in, as the options ask.
    pub(super) async fn open(options: &Options) -> Result<Self, OpenError> {
        let socket = timeout(CONNECT, TcpStream::connect(&options.server))
            .await
            .map_err(|_| OpenError::Slow)?
            .map_err(OpenError::Connect)?;
        // Without it every mail waits 40 ms for a delayed acknowledgement.
        socket.set_nodelay(true).map_err(OpenError::Connect)?;
        let verified = Verified(options.tls.policy == Policy::Verify);
        let implicit = options.tls.implicit;
        let stream: Box<dyn Stream> = if implicit { handshake(options, socket).await? } else { Box::new(socket) };
        let settings = Settings {
            hostname: options.hostname.clone(),
            tls: match options.tls.policy {
                _ if implicit => Tls::Never,
                Policy::Off => Tls::Never,
                Policy::May => Tls::WhenOffered,
                Policy::Encrypt | Policy::Verify => Tls::Required,
            },
            tls_active: implicit.then_some(verified),
            credentials: options.credentials.clone().map(|(user, password)| Credentials { user, password }),
        };
        let mut connection = Self {
            stream,
            sender: Sender::new(settings),
            extensions: Extensions::default(),
            transactions: 0,
            rested: false,
            ready: false,
            buffer: vec![0; 16 * 1024],
            pending: Vec::new(),
        };
        loop {
            match connection.drive().await {
                Event::StartTls => {
                    let plain = std::mem::replace(&mut connection.stream, Box::new(tokio::io::empty()));
                    connection.stream = handshake(options, plain).await?;
                    connection.sender.tls_started(verified);
                }
                Event::Ready => {
                    connection.extensions = connection.sender.offers().clone();
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
        &self.extensions
    }

    /// Transactions so far.
    pub(super) fn transactions(&self) -> u32 {
        self.transactions
    }

    /// It is kept for later.
    pub(super) fn rest(&mut self) {
        self.rested = true;
    }

    /// May another transaction start?
    pub(super) fn reusable(&self) -> bool {
        self.ready
    }

    /// One transaction.
    pub(super) async fn transact(&mut self, transaction: Transaction) -> Attempt {
        let reused = self.rested;
        self.transactions += 1;
        self.ready = false;
        self.sender.start(transaction);
        let fates = match self.drive().await {
            Event::Done(fates) => fates,
            Event::Ended(error) => {
                return Attempt::Untouched(
                    error.map_or_else(|| "the connection closed".to_owned(), |error| error.to_string()),
                );
            }
            Event::StartTls | Event::Ready => return Attempt::Untouched("the connection is out of step".to_owned()),
        };
        match self.drive().await {
            Event::Ready => self.ready = true,
            // An idle connection may have been closed by the other side meanwhile; before the data nobody took anything.
            Event::Ended(Some(error)) if reused && before_data(&error) => return Attempt::Untouched(error.to_string()),
            _ => {}
        }
        Attempt::Done(fates)
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
        let patience = self.sender.stage().patience();
        match timeout(patience, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.sender.lost(),
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
        let patience = self.sender.stage().patience();
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

async fn handshake<S: Stream + 'static>(options: &Options, stream: S) -> Result<Box<dyn Stream>, OpenError> {
    let connector = TlsConnector::from(options.tls.config.clone());
    let stream = timeout(CONNECT, connector.connect(options.tls.name.clone(), stream))
        .await
        .map_err(|_| OpenError::Slow)?
        .map_err(OpenError::Tls)?;
    Ok(Box::new(stream))
}
