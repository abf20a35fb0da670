//! Sockets out: the one upstream, its connections and its TLS.
//! It refuses to merge the results of several recipients, and to send credentials over a connection that was not verified.

mod connection;
mod tls;

pub use tls::{Policy, RelayTls, RelayTlsError};

use crate::address::Address;
use crate::limits::Limits;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::outbox::Upstream;
use crate::smtp::extensions::Extensions;
use crate::smtp::reply::Reply;
use crate::smtp::sender::{Fate, Transaction};
use bytes::Bytes;
use connection::{Attempt, Connection};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// An idle connection is not reused after this; most servers wait longer before they close.
const REUSE_WITHIN: Duration = Duration::from_secs(30);
/// A connection is closed after this many transactions, as many servers limit them.
const TRANSACTIONS: u32 = 100;
/// What the upstream offers is asked again when a connection has not told it for this long.
const OFFER_AGE: Duration = Duration::from_secs(300);

/// How to reach the upstream.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port`.
    pub server: String,
    /// The name to say in EHLO.
    pub hostname: String,
    pub tls: RelayTls,
    /// User and password; only sent over a verified connection.
    pub credentials: Option<(String, String)>,
    /// Open connections at most.
    pub connections: usize,
}

/// The upstream with its idle connections.
pub struct Relay {
    options: Options,
    idle: Mutex<Vec<(Connection, Instant)>>,
    slots: Semaphore,
    offered: Mutex<Option<(Extensions, Instant)>>,
}

impl Relay {
    /// Builds it; nothing is connected yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let slots = Semaphore::new(options.connections.max(1));
        Self { options, idle: Mutex::default(), slots, offered: Mutex::default() }
    }

    /// The keywords that may be offered to clients: never more than the upstream can take. When it never answered,
    /// only what needs nothing of it, and 8BITMIME, which a later refusal handles honestly.
    pub async fn offer(&self, limits: &Limits) -> Extensions {
        let known = self.offered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let upstream = match known {
            Some((extensions, at)) if at.elapsed() < OFFER_AGE => Some(extensions),
            stale => match self.probe().await {
                Some(extensions) => Some(extensions),
                None => stale.map(|(extensions, _)| extensions),
            },
        };
        let unknown = || Extensions { eight_bit_mime: true, ..Extensions::default() };
        Extensions::ours(limits.message_bytes).offered_given(&upstream.unwrap_or_else(unknown))
    }

    /// Is the upstream reachable now? When all connections are at work, it is.
    pub async fn reachable(&self) -> bool {
        self.slots.available_permits() == 0 || self.probe().await.is_some()
    }

    async fn probe(&self) -> Option<Extensions> {
        let _slot = self.slots.try_acquire().ok()?;
        let connection = Connection::open(&self.options).await.ok()?;
        let extensions = connection.extensions().clone();
        self.remember(&extensions);
        self.put_back(connection);
        Some(extensions)
    }

    fn remember(&self, extensions: &Extensions) {
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = Some((extensions.clone(), Instant::now()));
    }

    fn put_back(&self, mut connection: Connection) {
        connection.rest();
        if connection.transactions() < TRANSACTIONS {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, Instant::now()));
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((connection, since)) = idle.pop() {
            if since.elapsed() < REUSE_WITHIN {
                return Some(connection);
            }
        }
        None
    }

    /// Drops idle connections that will not be reused, so that the upstream can forget them.
    pub fn tidy(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, since)| since.elapsed() < REUSE_WITHIN);
    }

    /// Closes all idle connections.
    pub fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Hands over one mail. Recipients whom the upstream finds too many for one transaction go in further ones at once, as long
    /// as each takes some (RFC 5321 4.5.3.1.10).
    pub async fn transact(&self, transaction: Transaction) -> Vec<Fate> {
        let mut fates = self.once(transaction.clone()).await;
        let mut progress = fates.iter().any(|fate| matches!(fate, Fate::Accepted(_)));
        while progress {
            let rest: Vec<usize> =
                fates.iter().enumerate().filter(|(_, fate)| is_one_too_many(fate)).map(|(index, _)| index).collect();
            if rest.is_empty() {
                break;
            }
            let recipients = rest.iter().filter_map(|index| transaction.recipients.get(*index)).cloned().collect();
            let again = self.once(Transaction { recipients, ..transaction.clone() }).await;
            progress = again.iter().any(|fate| matches!(fate, Fate::Accepted(_)));
            for (index, fate) in rest.into_iter().zip(again) {
                fates[index] = fate;
            }
        }
        fates
    }

    /// One transaction. A reused connection that turns out to be dead before the data were sent is replaced once by a new one.
    async fn once(&self, transaction: Transaction) -> Vec<Fate> {
        let count = transaction.recipients.len();
        let Ok(_slot) = self.slots.acquire().await else { return deferred(count, "the relay is closing") };
        if let Some(connection) = self.take_idle() {
            match self.run(connection, transaction.clone()).await {
                Attempt::Done(fates) => return fates,
                Attempt::Untouched(_) => {}
            }
        }
        let connection = match Connection::open(&self.options).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(server = %self.options.server, %error, "upstream not usable");
                return deferred(count, &error.to_string());
            }
        };
        self.remember(connection.extensions());
        match self.run(connection, transaction).await {
            Attempt::Done(fates) => fates,
            Attempt::Untouched(why) => deferred(count, &why),
        }
    }

    async fn run(&self, mut connection: Connection, transaction: Transaction) -> Attempt {
        let attempt = connection.transact(transaction).await;
        if connection.reusable() {
            self.put_back(connection);
        }
        attempt
    }
}

impl Upstream for Relay {
    async fn deliver(
        &self,
        sender: Option<&Address>,
        parameters: &MailParameters,
        recipients: &[Recipient],
        data: Vec<Bytes>,
    ) -> Vec<Fate> {
        self.transact(Transaction {
            sender: sender.cloned(),
            parameters: parameters.clone(),
            recipients: recipients.to_vec(),
            data,
        })
        .await
    }
}

/// Was this recipient put off with the code for too many of them? Some servers say 552 (RFC 5321 4.5.3.1.10).
fn is_one_too_many(fate: &Fate) -> bool {
    matches!(fate, Fate::Deferred(reply) if matches!(reply.code, 452 | 552))
}

/// Every recipient is to be tried again: 4.4.1 "no answer from host" (RFC 3463 3.5).
fn deferred(count: usize, why: &str) -> Vec<Fate> {
    vec![Fate::Deferred(Reply::new(451, "4.4.1", why)); count]
}
