//! The embedded mail server behind the guard: speaks SMTP with the program's own receiver and keeps every mail in memory.
//! It refuses to send anything on: it is the end of the road.

use crate::limits::Limits;
use crate::mail::envelope::Envelope;
use crate::smtp::receiver::{Output, Receiver, Settings};
use crate::smtp::reply::Reply;
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One mail that arrived.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub envelope: Envelope,
    pub data: Bytes,
}

/// The running server.
pub struct MailServer {
    at: SocketAddr,
    mails: Arc<Mutex<Vec<Delivered>>>,
    task: JoinHandle<()>,
}

impl MailServer {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let at = socket.local_addr()?;
        let mails: Arc<Mutex<Vec<Delivered>>> = Arc::default();
        let box_of_mails = Arc::clone(&mails);
        let task = tokio::spawn(async move {
            while let Ok((stream, peer)) = socket.accept().await {
                let mails = Arc::clone(&box_of_mails);
                tokio::spawn(async move { serve(stream, peer, &mails).await });
            }
        });
        Ok(Self { at, mails, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// Everything that arrived so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Delivered> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, peer: SocketAddr, mails: &Mutex<Vec<Delivered>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let limits = Limits { recipients: 100_000, transactions: usize::MAX, ..Limits::default() };
    let settings = Settings { limits, relay: true, ..Settings::new("mail.example.jp", peer.ip()) };
    let mut receiver = Receiver::new(settings, 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match receiver.next() {
            Output::Reply(bytes) => stream.write_all(&bytes).await?,
            Output::Mail(envelope, data) => {
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(Delivered { envelope: *envelope, data });
                receiver.answer(0, &Reply::new(250, "2.0.0", "in the mailbox"));
            }
            Output::NeedInput => match stream.read(&mut buffer).await? {
                0 => return Ok(()),
                count => receiver.feed(0, &buffer[..count]),
            },
            Output::StartTls | Output::Authenticate(_) | Output::Close => return Ok(()),
        }
    }
}
