//! The outbox against a next server that answers as it is told.
//! It refuses to wait for real time: every round is given its moment.
#![allow(clippy::unwrap_used, reason = "a failure while a test prepares is a failure of the test")]

#[path = "../keeping/mod.rs"]
mod keeping;

mod delivery;
mod reports;
mod stuck;

use bytes::Bytes;
use jiff::tz::TimeZone;
use sekisho::address::Address;
use sekisho::mail::envelope::{MailParameters, Recipient};
use sekisho::outbox::{Outbox, Patience, Reporter, Upstream};
use sekisho::smtp::reply::Reply;
use sekisho::smtp::sender::Fate;
use sekisho::store::Store;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One delivery as the next server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub sender: Option<Address>,
    pub parameters: MailParameters,
    pub recipients: Vec<Recipient>,
    pub data: Vec<u8>,
}

/// A next server: an answer for each address (250 when none is told), and everything it saw.
#[derive(Default)]
pub struct Server {
    answers: Mutex<HashMap<String, Fate>>,
    seen: Mutex<Vec<Seen>>,
    pub no_dsn: AtomicBool,
    /// Answers for so many recipients only.
    pub short: AtomicBool,
    pub panics: AtomicBool,
    /// Milliseconds that a delivery takes.
    pub slow_ms: AtomicUsize,
    running: AtomicUsize,
    pub most_at_once: AtomicUsize,
}

impl Server {
    pub fn answer(&self, address: &str, fate: Fate) {
        self.answers.lock().unwrap().insert(address.to_owned(), fate);
    }

    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Upstream for Server {
    async fn deliver(
        &self,
        sender: Option<&Address>,
        parameters: &MailParameters,
        recipients: &[Recipient],
        data: Vec<Bytes>,
    ) -> Vec<Fate> {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let slow = u64::try_from(self.slow_ms.load(Ordering::SeqCst)).unwrap();
        if slow > 0 {
            tokio::time::sleep(Duration::from_millis(slow)).await;
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        assert!(!self.panics.load(Ordering::SeqCst), "a defect of the next server's client");
        self.seen.lock().unwrap().push(Seen {
            sender: sender.cloned(),
            parameters: parameters.clone(),
            recipients: recipients.to_vec(),
            data: data.concat(),
        });
        let answers = self.answers.lock().unwrap();
        let count = if self.short.load(Ordering::SeqCst) { 1 } else { recipients.len() };
        recipients
            .iter()
            .take(count)
            .map(|recipient| answers.get(recipient.address.key()).cloned().unwrap_or_else(accepted))
            .collect()
    }

    fn carries_dsn(&self) -> bool {
        !self.no_dsn.load(Ordering::SeqCst)
    }
}

pub fn reply(code: u16, text: &str) -> Reply {
    Reply { code, lines: text.split('|').map(|line| line.as_bytes().to_vec()).collect() }
}

pub fn accepted() -> Fate {
    Fate::Accepted(reply(250, "2.0.0 Ok: queued"))
}

pub fn refused() -> Fate {
    Fate::Refused(reply(550, "5.1.1 unknown user"))
}

pub fn deferred() -> Fate {
    Fate::Deferred(reply(451, "4.3.0 try later"))
}

pub fn reporter() -> Reporter {
    Reporter {
        hostname: "guard.city.example.jp".to_owned(),
        from: Address::new("MAILER-DAEMON@guard.city.example.jp"),
        zone: TimeZone::fixed(jiff::tz::offset(9)),
    }
}

pub async fn outbox() -> (Arc<Store>, Outbox, Arc<Server>) {
    let store = Arc::new(Store::memory().await.unwrap());
    let outbox = Outbox::new(Arc::clone(&store), reporter(), Patience::default(), 4);
    (store, outbox, Arc::new(Server::default()))
}
