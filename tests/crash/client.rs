//! A client that knows every reply: sends mails one after the other, and notes for each attempt how far it came.
//! It refuses to guess: a reply that cannot be understood, or a connection that breaks while the guard lives, ends the test.

use crate::dice::Dice;
use crate::guard::life_in;
use crate::mails::{Mail, Mix, sender};
use crate::signals::{Gate, Open, Step, Steps};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What the last reply was about when the connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No mail was begun on this connection.
    BeforeMail,
    /// MAIL was answered, DATA was not.
    Envelope,
    /// 354 came, the final dot was not written.
    Data,
    /// The final dot was written, its answer did not come.
    Waiting,
    /// A mail was answered, and of the next one nothing.
    Answered,
}

/// One attempt at one transaction.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub phase: Phase,
    /// Code and text, when the mail (or its envelope) was answered.
    pub reply: Option<(u16, String)>,
}

impl Attempt {
    /// May the guard have taken the mail?
    pub fn may_count(&self) -> bool {
        match &self.reply {
            Some((code, _)) => *code == 250,
            None => self.phase == Phase::Waiting,
        }
    }
}

/// A mail and what came of each of its transactions.
#[derive(Clone, Debug)]
pub struct Sent {
    pub mail: Arc<Mail>,
    pub attempts: Vec<Vec<Attempt>>,
}

/// What a client brings home.
#[derive(Default)]
pub struct Log {
    pub sent: Vec<Sent>,
    /// Connections that broke, with the phase in which and when.
    pub broken: Vec<(u64, Phase, Instant)>,
}

/// What all clients share.
pub struct World {
    pub at: SocketAddr,
    pub gate: Gate,
    pub steps: Arc<Steps>,
    pub numbers: AtomicU64,
    /// No mail has a higher number; then the clients go home.
    pub most: u64,
    pub mix: Mix,
}

impl World {
    /// The next number, while there is one.
    fn number(&self) -> Option<u64> {
        Some(self.numbers.fetch_add(1, Ordering::Relaxed)).filter(|number| *number <= self.most)
    }

    fn is_done(&self) -> bool {
        self.numbers.load(Ordering::Relaxed) > self.most
    }
}

/// How a transaction is sent.
#[derive(Clone, Copy)]
struct Way {
    /// All commands at once (RFC 2920).
    pipelined: bool,
    /// The text in pieces.
    slow: bool,
}

struct Session {
    life: u64,
    /// What the last reply was about.
    phase: Phase,
    stream: TcpStream,
    input: BufReader<TcpStream>,
}

impl Session {
    fn open(at: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let input = BufReader::new(stream.try_clone()?);
        let mut session = Self { life: 0, phase: Phase::BeforeMail, stream, input };
        let (code, text) = session.reply()?;
        if code == 421 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        session.life = text.split(' ').next().and_then(life_in).expect("the greeting tells the life");
        match session.command("EHLO client.example.jp\r\n")?.0 {
            250 => Ok(session),
            421 => Err(io::ErrorKind::ConnectionAborted.into()),
            code => panic!("{code} to EHLO"),
        }
    }

    /// The last line of the next reply.
    fn reply(&mut self) -> io::Result<(u16, String)> {
        loop {
            let mut line = String::new();
            match self.input.read_line(&mut line) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) if !line.ends_with("\r\n") => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("no reply within a minute in life {}", self.life)
                }
                Err(error) => return Err(error),
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                let code = line.get(..3).and_then(|code| code.parse().ok()).expect("a reply");
                return Ok((code, line[3..].trim().to_owned()));
            }
        }
    }

    fn command(&mut self, text: &str) -> io::Result<(u16, String)> {
        self.stream.write_all(text.as_bytes())?;
        self.reply()
    }

    /// One transaction; the phase tells how far it came, also when the connection breaks.
    fn send(&mut self, mail: &Mail, transaction: usize, way: Way, steps: &Steps) -> io::Result<(u16, String)> {
        let mut commands = vec![format!("MAIL FROM:<{}>\r\n", sender(mail.number))];
        commands.extend(mail.transactions[transaction].iter().map(|to| format!("RCPT TO:<{to}>\r\n")));
        if way.pipelined {
            let all = commands.concat() + "DATA\r\n";
            self.stream.write_all(all.as_bytes())?;
        }
        for command in &commands {
            let reply = if way.pipelined { self.reply()? } else { self.command(command)? };
            if reply.0 == 421 {
                return Ok(reply);
            }
            self.phase = Phase::Envelope;
            assert_eq!(reply.0, 250, "{command}{}", reply.1);
        }
        let reply = if way.pipelined { self.reply()? } else { self.command("DATA\r\n")? };
        if reply.0 == 421 {
            return Ok(reply);
        }
        assert_eq!(reply.0, 354, "{}", reply.1);
        self.phase = Phase::Data;
        let wire = mail.stuffed();
        let (text, dot) = wire.split_at(wire.len() - 3);
        if way.slow {
            steps.happened(Step::ClientText);
            for piece in text.chunks(text.len().div_ceil(4)) {
                self.stream.write_all(piece)?;
                thread::sleep(Duration::from_millis(3));
            }
        } else {
            self.stream.write_all(text)?;
        }
        // From here on the guard may have it, even if this very call fails.
        self.phase = Phase::Waiting;
        self.stream.write_all(dot)?;
        steps.happened(Step::ClientDot);
        let reply = self.reply()?;
        self.phase = Phase::Answered;
        steps.happened(Step::Answered);
        Ok(reply)
    }
}

/// How often a mail is tried that is answered with 4xx.
const TRIES: usize = 60;

/// Sends mails until the last life, then finishes what was begun. `held` hears the ids of mails that are kept for a decision.
pub fn run(world: &World, held: &mpsc::Sender<String>, mut dice: Dice) -> Log {
    let mut log = Log::default();
    let mut session: Option<Session> = None;
    let mut life = 0;
    let mut last = false;
    // Place in the log, and transaction.
    let mut again: VecDeque<(usize, usize)> = VecDeque::new();
    loop {
        let Some(open) = &mut session else {
            if (last || world.is_done()) && again.is_empty() {
                return log;
            }
            let (next, is_last) = match world.gate.after(life) {
                Open::Life(next) => (next, false),
                Open::Last(next) => (next, true),
            };
            last = is_last;
            if let Ok(opened) = Session::open(world.at) {
                life = opened.life;
                session = Some(opened);
            } else {
                life = next;
                log.broken.push((life, Phase::BeforeMail, Instant::now()));
            }
            continue;
        };
        let (place, transaction) = match again.pop_front() {
            Some(job) => job,
            None => {
                let Some(number) = world.number().filter(|_| !last) else {
                    drop(open.command("QUIT\r\n"));
                    return log;
                };
                let mail = Mail::of((world.mix)(&mut dice), number, &mut dice);
                for transaction in 1..mail.transactions.len() {
                    again.push_front((log.sent.len(), transaction));
                }
                log.sent.push(Sent { attempts: vec![Vec::new(); mail.transactions.len()], mail });
                (log.sent.len() - 1, 0)
            }
        };
        let mail = Arc::clone(&log.sent[place].mail);
        let way = Way { pipelined: dice.percent(50), slow: dice.percent(20) };
        let outcome = open.send(&mail, transaction, way, &world.steps);
        let phase = open.phase;
        let broke = outcome.is_err();
        let at = Instant::now();
        let attempt = Attempt { phase, reply: outcome.ok() };
        let attempts = &mut log.sent[place].attempts[transaction];
        attempts.push(attempt.clone());
        let unanswered = attempts.iter().filter(|attempt| attempt.reply.is_none() && attempt.may_count()).count();
        let retry = match &attempt.reply {
            // Once, when the dot was sent; what never came so far was not tried.
            None => unanswered < 2,
            Some((code, _)) => (400..500).contains(code),
        };
        assert!(attempts.len() < TRIES, "mail {} is never answered: {attempts:?}", mail.number);
        if retry {
            again.push_back((place, transaction));
        }
        match &attempt.reply {
            Some((250, text)) => {
                if let Some((_, id)) = text.split_once("kept for a decision as ") {
                    drop(held.send(id.to_owned()));
                }
                if dice.percent(15) {
                    drop(open.command("QUIT\r\n"));
                    // The same life may be used again.
                    session = None;
                    life -= 1;
                }
            }
            Some((421, _)) | None => session = None,
            Some(_) => {}
        }
        if broke {
            log.broken.push((life, phase, at));
        }
    }
}
