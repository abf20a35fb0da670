//! The mail server behind: says yes to everything and counts, as fast as it can.
//! It refuses nothing; it is no model of a mail server but of an infinitely fast one.

use crate::tls::{Keys, Stream};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running sink.
pub struct Sink {
    pub port: u16,
    recipients: Arc<AtomicU64>,
}

impl Sink {
    /// Starts it on a free port.
    pub async fn start(keys: &Keys) -> io::Result<Self> {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let port = socket.local_addr()?.port();
        let recipients = Arc::new(AtomicU64::new(0));
        let (counter, keys) = (Arc::clone(&recipients), keys.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (counter, keys) = (Arc::clone(&counter), keys.clone());
                tokio::spawn(async move {
                    let _ = session(stream, &counter, &keys).await;
                });
            }
        });
        Ok(Self { port, recipients })
    }

    /// Recipients that got a mail so far.
    pub fn recipients(&self) -> u64 {
        self.recipients.load(Ordering::Relaxed)
    }
}

async fn session(mut stream: TcpStream, counter: &AtomicU64, keys: &Keys) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink.test ESMTP\r\n").await?;
    if serve(&mut stream, counter, true).await? {
        serve(&mut *keys.accept(stream).await?, counter, false).await?;
    }
    Ok(())
}

/// Talks until the end; true when TLS begins.
async fn serve(stream: &mut (impl Stream + ?Sized), counter: &AtomicU64, clear: bool) -> io::Result<bool> {
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut replies = Vec::new();
    let (mut in_data, mut recipients) = (false, 0);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(false);
        }
        let mut at = 0;
        loop {
            let rest = &buffer[at..];
            if in_data {
                let Some(end) = memchr::memmem::find(rest, b"\r\n.\r\n") else { break };
                at += end + 5;
                in_data = false;
                counter.fetch_add(recipients, Ordering::Relaxed);
                recipients = 0;
                replies.extend_from_slice(b"250 2.0.0 ok\r\n");
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', rest) else { break };
            let verb: Vec<u8> = rest.iter().take(4).map(u8::to_ascii_uppercase).collect();
            at += end + 1;
            match verb.as_slice() {
                b"STAR" => {
                    stream.write_all(b"220 2.0.0 go on\r\n").await?;
                    return Ok(true);
                }
                b"EHLO" => {
                    replies.extend_from_slice(
                        b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n",
                    );
                    if clear {
                        replies.extend_from_slice(b"250-STARTTLS\r\n");
                    }
                    replies.extend_from_slice(b"250-SMTPUTF8\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n");
                }
                b"DATA" => {
                    replies.extend_from_slice(b"354 go on\r\n");
                    in_data = true;
                    break;
                }
                b"RCPT" => {
                    recipients += 1;
                    replies.extend_from_slice(b"250 2.1.5 ok\r\n");
                }
                b"QUIT" => {
                    replies.extend_from_slice(b"221 2.0.0 bye\r\n");
                    stream.write_all(&replies).await?;
                    stream.flush().await?;
                    return Ok(false);
                }
                _ => replies.extend_from_slice(b"250 2.0.0 ok\r\n"),
            }
        }
        buffer.drain(..at);
        stream.write_all(&replies).await?;
        stream.flush().await?;
        replies.clear();
    }
}
