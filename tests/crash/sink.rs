//! The mail server behind the guard: takes mails, refuses and defers some recipients by their address, and notes every delivery.
//! It refuses to forget: what it has read up to the final dot counts as delivered, whether or not its answer was heard.

use crate::dice::Dice;
use crate::guard::life_in;
use crate::mails::brief;
use crate::signals::{Step, Steps};
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// One mail that arrived.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The life of the guard that brought it.
    pub life: u64,
    /// Empty for `<>`.
    pub sender: String,
    /// Those accepted.
    pub recipients: Vec<String>,
    /// In a long run as [`brief`] makes it.
    pub data: Arc<[u8]>,
}

/// How a transaction goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 451 to MAIL.
    LaterAtMail,
    /// 550 to each recipient.
    RefusedAtRcpt,
    /// 451 to DATA.
    LaterAtData,
    /// 451 to the final dot.
    LaterAtDot,
    /// 554 to the final dot.
    RefusedAtDot,
    /// The connection breaks at the final dot, and nothing was taken.
    LostAtDot,
    /// The connection breaks at the final dot, and the mail was taken (RFC 1047).
    TakenAndLost,
}

const FAULTS: [Fault; 7] = [
    Fault::LaterAtMail,
    Fault::RefusedAtRcpt,
    Fault::LaterAtData,
    Fault::LaterAtDot,
    Fault::RefusedAtDot,
    Fault::LostAtDot,
    Fault::TakenAndLost,
];

/// What all its connections share.
pub struct Sink {
    pub at: SocketAddr,
    pub deliveries: Mutex<Vec<Delivery>>,
    /// Transactions that went wrong on purpose, by their sender.
    pub faults: Mutex<Vec<(String, Fault)>>,
    /// So many transactions in a thousand go wrong, and nobody is slow.
    faulty: Option<u64>,
    /// Transactions between MAIL and the answer to the final dot.
    pub open: AtomicUsize,
    deferred: Mutex<HashSet<String>>,
    last: Mutex<Instant>,
    steps: Arc<Steps>,
    dice: Mutex<Dice>,
}

impl Sink {
    /// Starts it on a free port.
    pub fn start(dice: Dice, steps: Arc<Steps>, faulty: Option<u64>) -> Arc<Self> {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Arc::new(Self {
            at: socket.local_addr().unwrap(),
            deliveries: Mutex::default(),
            faults: Mutex::default(),
            faulty,
            open: AtomicUsize::new(0),
            deferred: Mutex::default(),
            last: Mutex::new(Instant::now()),
            steps,
            dice: Mutex::new(dice),
        });
        let shared = Arc::clone(&sink);
        thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                // A broken connection is what this test is about.
                thread::spawn(move || drop(shared.serve(&stream)));
            }
        });
        sink
    }

    /// Time since anything happened.
    pub fn quiet(&self) -> Duration {
        self.last.lock().unwrap().elapsed()
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut session = Session { life: 0, transaction: None, fault: None };
        let mut input = BufReader::with_capacity(64 * 1024, stream);
        let result = self.session(&mut session, &mut input, stream);
        self.drop_transaction(&mut session);
        result
    }

    fn drop_transaction(&self, session: &mut Session) -> Option<(String, Vec<String>)> {
        let transaction = session.transaction.take();
        if transaction.is_some() {
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
        transaction
    }

    fn session(&self, session: &mut Session, input: &mut impl BufRead, mut output: &TcpStream) -> io::Result<()> {
        output.write_all(b"220 mail.example.jp ESMTP\r\n")?;
        let mut line = String::new();
        loop {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            *self.last.lock().unwrap() = Instant::now();
            let words = line.trim_end();
            let reply: &[u8] = match words.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => {
                    session.life = life_in(&words[5..]).expect("the guard says its own name");
                    b"250-mail.example.jp\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n"
                }
                "MAIL" => {
                    session.fault = self.fault(&path(words));
                    if session.fault == Some(Fault::LaterAtMail) {
                        b"451 4.3.0 come again\r\n"
                    } else {
                        session.transaction = Some((path(words), Vec::new()));
                        self.open.fetch_add(1, Ordering::SeqCst);
                        b"250 2.1.0 ok\r\n"
                    }
                }
                "RCPT" if session.fault == Some(Fault::RefusedAtRcpt) => b"550 5.1.1 no such user\r\n",
                "RCPT" => self.recipient(session, path(words)),
                "DATA" if session.transaction.as_ref().is_none_or(|(_, recipients)| recipients.is_empty()) => {
                    b"554 5.5.1 no valid recipients\r\n"
                }
                "DATA" if session.fault == Some(Fault::LaterAtData) => {
                    self.drop_transaction(session);
                    b"451 4.3.0 come again\r\n"
                }
                "DATA" => {
                    output.write_all(b"354 go on\r\n")?;
                    let data = mail(input)?;
                    let (sender, recipients) = self.drop_transaction(session).unwrap_or_default();
                    match session.fault {
                        Some(Fault::LaterAtDot) => {
                            output.write_all(b"451 4.3.0 come again\r\n")?;
                            continue;
                        }
                        Some(Fault::RefusedAtDot) => {
                            output.write_all(b"554 5.6.0 not wanted\r\n")?;
                            continue;
                        }
                        Some(Fault::LostAtDot) => return Ok(()),
                        _ => {}
                    }
                    // A long run keeps no bodies but of letters.
                    let data = if self.faulty.is_some() && !sender.is_empty() { brief(&data) } else { data };
                    let delivery = Delivery { life: session.life, sender, recipients, data: data.into() };
                    self.deliveries.lock().unwrap().push(delivery);
                    self.steps.happened(Step::SinkDot);
                    if session.fault == Some(Fault::TakenAndLost) {
                        return Ok(());
                    }
                    if self.faulty.is_none() {
                        let pause = self.dice.lock().unwrap().up_to(4);
                        thread::sleep(pause);
                    }
                    output.write_all(b"250 2.0.0 in the mailbox\r\n")?;
                    self.steps.happened(Step::SinkAccepted);
                    continue;
                }
                "RSET" => {
                    self.drop_transaction(session);
                    b"250 2.0.0 ok\r\n"
                }
                "QUIT" => return output.write_all(b"221 2.0.0 bye\r\n"),
                _ => b"500 5.5.2 what?\r\n",
            };
            output.write_all(reply)?;
        }
    }

    /// Does this transaction go wrong? A report is not refused for good: nobody would hear of it.
    fn fault(&self, sender: &str) -> Option<Fault> {
        let mut dice = self.dice.lock().unwrap();
        let chance = self.faulty?;
        let fault = FAULTS[usize::try_from(dice.below(FAULTS.len() as u64)).unwrap()];
        let lasting = matches!(fault, Fault::RefusedAtRcpt | Fault::RefusedAtDot);
        if dice.below(1000) >= chance || (sender.is_empty() && lasting) {
            return None;
        }
        self.faults.lock().unwrap().push((sender.to_owned(), fault));
        Some(fault)
    }

    /// `refused…` never exists, `never…` is always deferred, `later…` the first time.
    fn recipient(&self, session: &mut Session, address: String) -> &'static [u8] {
        let Some((_, recipients)) = &mut session.transaction else { return b"503 5.5.1 MAIL first\r\n" };
        if address.starts_with("refused") {
            return b"550 5.1.1 no such user\r\n";
        }
        let first = || self.deferred.lock().unwrap().insert(address.clone());
        if address.starts_with("never") || (address.starts_with("later") && first()) {
            return b"451 4.3.0 come again\r\n";
        }
        recipients.push(address);
        b"250 2.1.5 ok\r\n"
    }
}

struct Session {
    life: u64,
    /// Sender and accepted recipients.
    transaction: Option<(String, Vec<String>)>,
    /// What goes wrong with it.
    fault: Option<Fault>,
}

/// What stands between `<` and `>`.
fn path(words: &str) -> String {
    let inside = words.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.expect("a path").0.to_owned()
}

/// The mail up to the final dot, without dot stuffing.
fn mail(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let start = data.len();
        if input.read_until(b'\n', &mut data)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if &data[start..] == b".\r\n" {
            data.truncate(start);
            return Ok(data);
        }
        if data[start] == b'.' {
            data.remove(start);
        }
    }
}
