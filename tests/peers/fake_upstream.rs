//! A mail server that answers as it is told: for each recipient by its script, and for the data as late as it is told.
//! It refuses nothing by itself, and keeps the lines of the dialogue as they came.

use crate::guard::wait;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The reply to a recipient, by its address and by how often it was named before.
pub type Script = fn(&str, usize) -> &'static str;

/// A transaction that was taken: the lines of the dialogue, who was taken, and the data without dot stuffing.
#[derive(Clone, Debug)]
pub struct Taken {
    pub mail: String,
    pub rcpt: Vec<String>,
    pub data: Vec<u8>,
}

/// Everybody is taken.
pub fn yes(_: &str, _: usize) -> &'static str {
    "250 2.1.5 ok"
}

struct Shared {
    script: Script,
    /// What is waited before the data are answered, when this recipient is among them.
    slow: Option<(&'static str, Duration)>,
    asked: Mutex<HashMap<String, usize>>,
    taken: Mutex<Vec<Taken>>,
    stop: AtomicBool,
}

/// A running server.
pub struct FakeUpstream {
    pub port: u16,
    shared: Arc<Shared>,
}

impl FakeUpstream {
    /// Starts it on a free port.
    pub fn start(script: Script) -> Self {
        Self::on(0, script, None)
    }

    /// Starts it on a port (0: any), slow with mails to an address that contains a word.
    pub fn on(port: u16, script: Script, slow: Option<(&'static str, Duration)>) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            script,
            slow,
            asked: Mutex::default(),
            taken: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                if all.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), all) = (stream, Arc::clone(&all)) else { continue };
                std::thread::spawn(move || {
                    // The client may break off at any time.
                    let _ = serve(stream, &all);
                });
            }
        });
        Self { port, shared }
    }

    /// Everything it took so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// What it took so far of mails to an address.
    pub fn taken_for(&self, address: &str) -> Vec<Taken> {
        let rcpt = format!("RCPT TO:<{address}>");
        self.taken().into_iter().filter(|taken| taken.rcpt.iter().any(|line| line.starts_with(&rcpt))).collect()
    }

    /// Waits for the first mail to an address.
    pub fn wait_for(&self, address: &str) -> Taken {
        wait(&format!("a mail to {address}"), || self.taken_for(address).into_iter().next())
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut mail, mut rcpt) = (String::new(), Vec::new());
    let mut line = Vec::new();
    stream.write_all(b"220 fake.test ESMTP\r\n")?;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 || shared.stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        let command = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = command.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => stream.write_all(
                b"250-fake.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n",
            )?,
            "MAIL" => {
                (mail, rcpt) = (command, Vec::new());
                stream.write_all(b"250 2.1.0 ok\r\n")?;
            }
            "RCPT" => {
                let address = command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                let times = {
                    let mut asked = shared.asked.lock().unwrap();
                    let times = asked.entry(address.clone()).or_default();
                    *times += 1;
                    *times - 1
                };
                let reply = (shared.script)(&address, times);
                if reply.starts_with('2') {
                    rcpt.push(command);
                }
                stream.write_all(format!("{reply}\r\n").as_bytes())?;
            }
            "DATA" if rcpt.is_empty() => stream.write_all(b"554 5.5.1 no valid recipients\r\n")?,
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let data = data(&mut reader)?;
                if let Some((word, pause)) = shared.slow
                    && rcpt.iter().any(|line| line.contains(word))
                {
                    std::thread::sleep(pause);
                }
                let taken = Taken { mail: mail.clone(), rcpt: std::mem::take(&mut rcpt), data };
                shared.taken.lock().unwrap().push(taken);
                stream.write_all(b"250 2.0.0 taken\r\n")?;
            }
            "QUIT" => return stream.write_all(b"221 2.0.0 bye\r\n"),
            _ => stream.write_all(b"250 2.0.0 ok\r\n")?,
        }
    }
}

fn data(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let (mut data, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(data);
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
