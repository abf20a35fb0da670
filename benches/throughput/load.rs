//! The clients: each connection sends mail after mail, pipelined, and waits for every answer.
//! It refuses to go on after an answer that is not the expected one.

use crate::sink::Sink;
use crate::tls::{Keys, Stream};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to send.
#[derive(Clone)]
pub struct Job {
    pub connections: usize,
    pub mails: usize,
    pub recipients: usize,
    pub bytes: usize,
    /// With which to encrypt.
    pub tls: Option<Keys>,
    /// Number of the run, set when it starts.
    pub run: usize,
}

/// Runs so far.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// What came of it.
pub struct Run {
    mails: usize,
    wall: Duration,
    latencies: Vec<Duration>,
}

impl Run {
    pub fn mails(&self) -> f64 {
        self.mails as f64
    }

    pub fn per_second(&self) -> f64 {
        self.mails() / self.wall.as_secs_f64()
    }

    /// Milliseconds from MAIL to the answer after the data.
    pub fn percentile(&self, share: f64) -> f64 {
        let index = ((self.latencies.len() as f64 - 1.0) * share).round();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        self.latencies.get(index as usize).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Sends everything and waits until the sink has it all.
pub async fn run(port: u16, sink: &Sink, job: &Job) -> io::Result<Run> {
    // Each run sends mails of its own: a mail that was seen minutes ago would not be inspected again.
    let job = &Job { run: RUNS.fetch_add(1, Ordering::Relaxed), ..job.clone() };
    let expected = sink.recipients() + (job.mails * job.recipients) as u64;
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..job.connections {
        clients.push(tokio::spawn(client(port, job.clone(), Arc::clone(&next))));
    }
    let mut latencies = Vec::with_capacity(job.mails);
    for client in clients {
        latencies.extend(client.await.map_err(io::Error::other)??);
    }
    while sink.recipients() < expected {
        if start.elapsed() > Duration::from_secs(600) {
            return Err(io::Error::other("the sink did not get everything within ten minutes"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let wall = start.elapsed();
    latencies.sort_unstable();
    Ok(Run { mails: job.mails, wall, latencies })
}

const HELLO: &[u8] = b"EHLO client.example.jp\r\n";

async fn client(port: u16, job: Job, next: Arc<AtomicUsize>) -> io::Result<Vec<Duration>> {
    let mut plain = TcpStream::connect(("127.0.0.1", port)).await?;
    plain.set_nodelay(true)?;
    let mut replies = Replies::default();
    replies.expect(&mut plain, b"220", 1).await?;
    plain.write_all(HELLO).await?;
    replies.expect(&mut plain, b"250", 1).await?;
    let mut stream: Box<dyn Stream> = match &job.tls {
        None => Box::new(plain),
        Some(keys) => {
            plain.write_all(b"STARTTLS\r\n").await?;
            replies.expect(&mut plain, b"220", 1).await?;
            let mut stream = keys.connect(plain).await?;
            stream.write_all(HELLO).await?;
            stream.flush().await?;
            replies.expect(&mut stream, b"250", 1).await?;
            stream
        }
    };
    let mut latencies = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= job.mails {
            stream.write_all(b"QUIT\r\n").await?;
            stream.flush().await?;
            return Ok(latencies);
        }
        let start = Instant::now();
        let mut commands = format!("MAIL FROM:<sender{}@example.jp>\r\n", number % 50);
        for recipient in 0..job.recipients {
            commands.push_str(&format!("RCPT TO:<r{recipient}@customer{}.example.com>\r\n", number % 97));
        }
        commands.push_str("DATA\r\n");
        stream.write_all(commands.as_bytes()).await?;
        stream.flush().await?;
        replies.expect(&mut stream, b"250", 1 + job.recipients).await?;
        replies.expect(&mut stream, b"354", 1).await?;
        stream.write_all(mail(job.run, number, job.bytes).as_bytes()).await?;
        stream.flush().await?;
        replies.expect(&mut stream, b"250", 1).await?;
        latencies.push(start.elapsed());
    }
}

/// An ordinary business mail in UTF-8 of about this size, never the same twice.
fn mail(run: usize, number: usize, bytes: usize) -> String {
    let mut text = format!(
        "From: =?UTF-8?B?5oqA6KGT6YOo?= <sender{}@example.jp>\r\nTo: <r0@customer{}.example.com>\r\nMessage-ID: <{run}.{number}.{:x}@example.jp>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0900\r\nSubject: =?UTF-8?B?5omT44Gh5ZCI44KP44Gb44Gu5Lu2?= {number}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        number % 50,
        number % 97,
        std::process::id(),
    );
    let paragraph = "お世話になっております。技術部です。来週の打ち合わせの資料をお送りします。\r\nご確認のほど、よろしくお願いいたします。議題は三点です。進捗、課題、今後の予定。\r\n";
    while text.len() + paragraph.len() < bytes {
        text.push_str(paragraph);
    }
    text.push_str("-- \r\n技術部 第一課\r\n.\r\n");
    text
}

#[derive(Default)]
struct Replies {
    buffer: Vec<u8>,
}

impl Replies {
    /// Waits for this many final reply lines, all with the code.
    async fn expect(&mut self, stream: &mut (impl Stream + ?Sized), code: &[u8], count: usize) -> io::Result<()> {
        let mut seen = 0;
        let mut at = 0;
        while seen < count {
            while let Some(end) = memchr::memchr(b'\n', &self.buffer[at..]) {
                let line = &self.buffer[at..at + end];
                at += end + 1;
                if !line.starts_with(code) {
                    return Err(io::Error::other(String::from_utf8_lossy(line).into_owned()));
                }
                if line.get(3) != Some(&b'-') {
                    seen += 1;
                    if seen == count {
                        break;
                    }
                }
            }
            if seen < count && stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.buffer.drain(..at);
        Ok(())
    }
}
