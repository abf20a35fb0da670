//! A mail server that answers as it is told: for each recipient by its script, for each stage by a fault, and as late as it is told.
//! It refuses nothing by itself but wrong logins, and keeps the lines of the dialogue as they came.

use crate::guard::wait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read as _, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The reply to a recipient, by its address and by how often it was named before.
pub type Script = fn(&str, usize) -> &'static str;

/// What it offers when nothing else is said.
pub const ALL: &str = "PIPELINING\nSIZE 104857600\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES";

/// A transaction that was taken: the lines of the dialogue, who was taken, and the data without dot stuffing.
#[derive(Clone, Debug)]
pub struct Taken {
    pub mail: String,
    pub rcpt: Vec<String>,
    pub data: Vec<u8>,
    /// Who was logged in on this connection.
    pub login: Option<String>,
    /// The number of the connection.
    pub connection: usize,
}

/// What happens at a stage instead of the ordinary reply.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection is closed.
    Drop,
    /// The connection is reset (RST).
    Reset,
    Say(&'static str),
    SayAndDrop(&'static str),
    /// No reply until the client gives up.
    Silence,
    /// At the final dot: the mail is taken, and the connection is reset without a word.
    TakeAndReset,
}

/// What differs from a server that takes everything.
#[derive(Clone)]
pub struct Behaviour {
    pub at: SocketAddr,
    pub ehlo: &'static str,
    pub script: Script,
    /// What is waited before the data are answered, when this recipient is among them.
    pub slow: Option<(&'static str, Duration)>,
    /// No mail without a login, and no sender but the one who logged in.
    pub demands_login: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { at: ([127, 0, 0, 1], 0).into(), ehlo: ALL, script: yes, slow: None, demands_login: false }
    }
}

/// Everybody is taken.
pub fn yes(_: &str, _: usize) -> &'static str {
    "250 2.1.5 ok"
}

/// The password of everybody.
pub const PASSWORD: &str = "himitsu";

struct Shared {
    behaviour: Behaviour,
    asked: Mutex<HashMap<String, usize>>,
    taken: Mutex<Vec<Taken>>,
    /// Beginning of an event, and what happens then; each once, the first that fits.
    faults: Mutex<Vec<(String, Fault)>>,
    connections: AtomicUsize,
    lines: Mutex<Vec<String>>,
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
        Self::with(Behaviour { at: ([127, 0, 0, 1], port).into(), script, slow, ..Behaviour::default() })
    }

    /// Starts it as told.
    pub fn with(behaviour: Behaviour) -> Self {
        let socket = TcpListener::bind(behaviour.at).unwrap();
        let port = socket.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            behaviour,
            asked: Mutex::default(),
            taken: Mutex::default(),
            faults: Mutex::default(),
            connections: AtomicUsize::new(0),
            lines: Mutex::default(),
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
                    let _ = Session::new(stream, &all).and_then(|mut session| session.serve());
                });
            }
        });
        Self { port, shared }
    }

    /// At the next event that begins so: `connect`, a command line, `DATA ADDRESS`, `text ADDRESS` or `. ADDRESS` with the first recipient taken.
    pub fn fault(&self, event: &str, fault: Fault) {
        self.shared.faults.lock().unwrap().push((event.to_owned(), fault));
    }

    /// Faults that did not happen yet.
    pub fn faults_left(&self) -> usize {
        self.shared.faults.lock().unwrap().len()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// All command lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
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
        let _ = TcpStream::connect(SocketAddr::new(self.shared.behaviour.at.ip(), self.port));
    }
}

/// One connection.
struct Session<'a> {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    shared: &'a Shared,
    number: usize,
    login: Option<String>,
    mail: String,
    rcpt: Vec<String>,
}

impl<'a> Session<'a> {
    fn new(stream: TcpStream, shared: &'a Shared) -> Result<Self> {
        stream.set_nodelay(true)?;
        let reader = BufReader::new(stream.try_clone()?);
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        Ok(Self { stream, reader, shared, number, login: None, mail: String::new(), rcpt: Vec::new() })
    }

    fn say(&mut self, reply: &str) -> Result<()> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes())
    }

    /// The fault of this event; `true` when its reply was said instead of the ordinary one.
    fn faulty(&mut self, event: &str) -> Result<bool> {
        let fault = {
            let mut faults = self.shared.faults.lock().unwrap();
            let found = faults.iter().position(|(begin, _)| event.starts_with(begin.as_str()));
            found.map(|index| faults.remove(index).1)
        };
        let gone = || Err(Error::from(ErrorKind::ConnectionAborted));
        match fault {
            None => Ok(false),
            Some(Fault::Say(reply)) => self.say(reply).map(|()| true),
            Some(Fault::SayAndDrop(reply)) => self.say(reply).and_then(|()| gone()),
            Some(Fault::Drop) => gone(),
            Some(Fault::Reset) => self.reset(),
            Some(Fault::Silence) => {
                // Nothing more is said; the client ends it.
                while self.line()?.is_some() {}
                gone()
            }
            Some(Fault::TakeAndReset) => panic!("only the final dot can be taken"),
        }
    }

    fn reset<T>(&self) -> Result<T> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        Err(ErrorKind::ConnectionReset.into())
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let count = self.reader.read_until(b'\n', &mut line)?;
        Ok((count > 0 && !self.shared.stop.load(Ordering::SeqCst)).then_some(line))
    }

    fn serve(&mut self) -> Result<()> {
        if !self.faulty("connect")? {
            self.say("220 fake.test ESMTP")?;
        }
        while let Some(line) = self.line()? {
            let command = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.shared.lines.lock().unwrap().push(command.clone());
            let verb = command.get(..4).unwrap_or_default().to_ascii_uppercase();
            if verb == "MAIL" {
                (self.mail, self.rcpt) = (String::new(), Vec::new());
            }
            let event = if verb == "DATA" { format!("DATA {}", self.first()) } else { command.clone() };
            if self.faulty(&event)? {
                continue;
            }
            match verb.as_str() {
                "EHLO" => {
                    let offered = self.shared.behaviour.ehlo.lines().map(|line| format!("\r\n250-{line}"));
                    let reply = format!("250-fake.test{}\r\n250 HELP", offered.collect::<String>());
                    self.say(&reply)?;
                }
                "AUTH" => self.authenticate(&command)?,
                "MAIL" => self.mail(command)?,
                "RCPT" => self.recipient(command)?,
                "DATA" if self.rcpt.is_empty() => self.say("554 5.5.1 no valid recipients")?,
                "DATA" => self.data()?,
                "STAR" => {
                    self.say("220 go ahead")?;
                    // The client begins its handshake, and no TLS comes.
                    self.reader.read_exact(&mut [0])?;
                    self.say("this is no TLS")?;
                    return Ok(());
                }
                "QUIT" => return self.say("221 2.0.0 bye"),
                _ => self.say("250 2.0.0 ok")?,
            }
        }
        Ok(())
    }

    /// The first recipient that was taken.
    fn first(&self) -> String {
        self.rcpt.first().and_then(|line| line.split(['<', '>']).nth(1)).unwrap_or_default().to_owned()
    }

    fn mail(&mut self, command: String) -> Result<()> {
        let sender = command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let reply = match &self.login {
            _ if !self.shared.behaviour.demands_login => "250 2.1.0 ok",
            None => "530 5.7.0 authentication required",
            Some(login) if login == "guard" || *login == sender => "250 2.1.0 ok",
            Some(_) => "553-5.7.1 sender address rejected:\r\n553 5.7.1 not owned by this user",
        };
        if reply.starts_with('2') {
            self.mail = command;
        }
        self.say(reply)
    }

    fn recipient(&mut self, command: String) -> Result<()> {
        if self.mail.is_empty() {
            return self.say("503 5.5.1 need MAIL");
        }
        let address = command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let times = {
            let mut asked = self.shared.asked.lock().unwrap();
            let times = asked.entry(address.clone()).or_default();
            *times += 1;
            *times - 1
        };
        let reply = (self.shared.behaviour.script)(&address, times);
        if reply.starts_with('2') {
            self.rcpt.push(command);
        }
        self.say(reply)
    }

    fn data(&mut self) -> Result<()> {
        let first = self.first();
        self.say("354 go on")?;
        if self.faulty(&format!("text {first}"))? {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let data = data(&mut self.reader)?;
        if let Some((word, pause)) = self.shared.behaviour.slow
            && self.rcpt.iter().any(|line| line.contains(word))
        {
            std::thread::sleep(pause);
        }
        let event = format!(". {first}");
        let keeps = {
            let mut faults = self.shared.faults.lock().unwrap();
            let keeps = |(begin, fault): &(String, Fault)| {
                event.starts_with(begin.as_str()) && matches!(fault, Fault::TakeAndReset)
            };
            let found = faults.iter().position(keeps);
            found.map(|index| faults.remove(index)).is_some()
        };
        if !keeps && self.faulty(&event)? {
            return Ok(());
        }
        let taken = Taken {
            mail: std::mem::take(&mut self.mail),
            rcpt: std::mem::take(&mut self.rcpt),
            data,
            login: self.login.clone(),
            connection: self.number,
        };
        self.shared.taken.lock().unwrap().push(taken);
        if keeps { self.reset() } else { self.say("250 2.0.0 taken") }
    }

    fn authenticate(&mut self, command: &str) -> Result<()> {
        let mut words = command.split(' ').skip(1);
        let (mechanism, initial) = (words.next().unwrap_or_default(), words.next().map(str::to_owned));
        let first = match initial {
            Some(initial) => initial,
            None => self.ask("")?,
        };
        let said = decoded(&first);
        let (user, good) = match mechanism {
            "PLAIN" => {
                let mut parts = said.split('\0').skip(1);
                (parts.next().unwrap_or_default().to_owned(), parts.next() == Some(PASSWORD))
            }
            "LOGIN" => (said, decoded(&self.ask("UGFzc3dvcmQ6")?) == PASSWORD),
            _ => {
                let user = said.split("user=").nth(1).and_then(|rest| rest.split('\x01').next()).unwrap_or_default();
                let good = said.contains(&format!("auth=Bearer {PASSWORD}\x01"));
                if !good {
                    // Some explain a refusal, and wait for a sign that it was read.
                    self.ask(&STANDARD.encode("{\"status\":\"401\"}"))?;
                }
                (user.to_owned(), good)
            }
        };
        if good {
            self.login = Some(user);
            return self.say("235 2.7.0 welcome to the fake");
        }
        self.say("535-5.7.8 the fake says no\r\n535 5.7.8 ask the desk")
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        self.say(&format!("334 {question}"))?;
        let line = self.line()?.ok_or(ErrorKind::UnexpectedEof)?;
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

fn decoded(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default()
}

fn data(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let (mut data, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(data);
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
