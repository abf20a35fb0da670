//! Sockets out: the mail servers behind, their connections and their TLS.
//! It refuses to merge the results of several recipients, and to send credentials over a connection that was not verified.

mod connection;
#[cfg(feature = "mx")]
mod mx;
mod offer;
mod rest;
mod route;
mod session;
mod tls;

pub use route::{Place, Server};
pub use session::LogInAgain;
pub use tls::{Policy, RelayTls, RelayTlsError, TlsFiles};

use crate::address::Address;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::outbox::Upstream;
use crate::smtp::reply::Reply;
use crate::smtp::sender::{Credentials, Fate, Transaction};
use crate::smtp::stage::Patience;
use bytes::Bytes;
use connection::{Attempt, Connection, OpenError, Via};
use offer::Offers;
use rest::Rests;
use route::{Hop, Key, Route};
use session::Sessions;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long closing may take when the program stops.
const CLOSE: Duration = Duration::from_secs(2);

/// How long and how often a connection is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Mails over one connection; many servers limit them.
    pub mails: u32,
    /// How long after its opening a mail may still start; a server that is drained or renamed is so left in time.
    pub age: Duration,
    /// How long it may lie idle; most servers wait longer before they close.
    pub idle: Duration,
}

impl Default for Reuse {
    fn default() -> Self {
        Self { mails: 100, age: Duration::from_secs(300), idle: Duration::from_secs(30) }
    }
}

/// How to reach the mail servers.
#[derive(Clone, Debug)]
pub struct Options {
    pub servers: Vec<Server>,
    /// The name to say in EHLO.
    pub hostname: String,
    /// Open connections at most; those of clients that logged in are not counted.
    pub connections: usize,
    pub reuse: Reuse,
    pub patience: Patience,
    /// May a login go over the loopback without TLS?
    pub log_in_clear: bool,
    /// Name servers that are asked for mail exchangers; without any, those of the system.
    pub resolvers: Vec<SocketAddr>,
}

/// A connection that waits for its next mail.
struct Idle {
    connection: Connection,
    since: Instant,
}

/// The mail servers with their idle connections.
pub struct Relay {
    options: Options,
    route: Route,
    rests: Rests,
    offers: Offers,
    idle: Mutex<HashMap<Key, Vec<Idle>>>,
    slots: Semaphore,
    sessions: Sessions,
}

impl Relay {
    /// Builds it; nothing is connected yet.
    ///
    /// # Errors
    /// When the name servers of the system are needed and not known.
    pub fn new(options: Options) -> Result<Self, RelayTlsError> {
        Ok(Self {
            route: Route::new(options.servers.clone(), &options.resolvers)?,
            rests: Rests::default(),
            offers: Offers::default(),
            idle: Mutex::default(),
            slots: Semaphore::new(options.connections.max(1)),
            sessions: Sessions::default(),
            options,
        })
    }

    /// Opens a connection; what is learned of the server is remembered.
    async fn open(&self, hop: &Hop, credentials: Option<Credentials>) -> Result<Connection, OpenError> {
        let carried = matches!(credentials, Some(Credentials::Carried(_)));
        let via = Via {
            hop,
            hostname: &self.options.hostname,
            patience: self.options.patience,
            credentials,
            log_in_clear: self.options.log_in_clear,
        };
        match Connection::open(&via).await {
            Ok(connection) => {
                self.rests.answered(&hop.key);
                self.offers.remember(hop.key, &connection, self.options.log_in_clear);
                Ok(connection)
            }
            Err(error) => {
                if !is_about_login(&error, carried) {
                    self.rests.failed(&hop.key, Instant::now());
                }
                Err(error)
            }
        }
    }

    /// The guard's own login at this server.
    fn credentials(&self, key: &Key) -> Option<Credentials> {
        let (user, password) = self.route.server(key)?.credentials.clone()?;
        Some(Credentials::Own { user, password })
    }

    /// Where a mail may go, those first that did not fail lately.
    async fn hops(&self) -> Result<Vec<Hop>, String> {
        let mut hops = self.route.hops().await?;
        self.rests.order(&mut hops);
        Ok(hops)
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<Key, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, key: Key, connection: Connection) {
        if !connection.reusable() {
            return;
        }
        if connection.transactions() < self.options.reuse.mails && connection.age() < self.options.reuse.age {
            self.idle().entry(key).or_default().push(Idle { connection, since: Instant::now() });
        } else {
            tokio::spawn(connection.close());
        }
    }

    fn take_idle(&self, key: &Key) -> Option<Connection> {
        let mut idle = self.idle();
        let list = idle.get_mut(key)?;
        while let Some(Idle { connection, since }) = list.pop() {
            if since.elapsed() < self.options.reuse.idle && connection.age() < self.options.reuse.age {
                return Some(connection);
            }
            tokio::spawn(connection.close());
        }
        None
    }

    /// Closes idle connections that will not be used again, so that the upstream can forget them.
    pub fn tidy(&self) {
        let Reuse { idle: longest, age, .. } = self.options.reuse;
        let mut idle = self.idle();
        for list in idle.values_mut() {
            let old = list.extract_if(.., |idle| idle.since.elapsed() >= longest || idle.connection.age() >= age);
            for Idle { connection, .. } in old {
                tokio::spawn(connection.close());
            }
        }
        idle.retain(|_, list| !list.is_empty());
    }

    /// Closes all connections that do nothing, with QUIT, as far as their servers answer soon.
    pub async fn close(&self) {
        let idle: Vec<Connection> =
            self.idle().drain().flat_map(|(_, list)| list).map(|idle| idle.connection).collect();
        let closing: tokio::task::JoinSet<()> =
            idle.into_iter().chain(self.sessions.drain()).map(Connection::close).collect();
        let _ = tokio::time::timeout(CLOSE, closing.join_all()).await;
    }

    /// Hands over one mail. Recipients whom the upstream finds too many for one transaction go in further ones at once, as long
    /// as each takes some (RFC 5321 4.5.3.1.10).
    pub async fn transact(&self, transaction: Transaction) -> Vec<Fate> {
        let mut fates = self.once(transaction.clone()).await;
        while let Some((rest, places)) = too_many(&transaction, &fates) {
            if !merge(&mut fates, places, self.once(rest).await) {
                break;
            }
        }
        fates
    }

    /// One transaction. Where it breaks before any of the mail was sent, the next connection or the next server gets the open recipients.
    async fn once(&self, transaction: Transaction) -> Vec<Fate> {
        let count = transaction.recipients.len();
        let Ok(_slot) = self.slots.acquire().await else { return deferred(count, "the relay is closing") };
        let hops = match self.hops().await {
            Ok(hops) => hops,
            Err(why) => return vec![Fate::Deferred(Reply::new(451, "4.4.3", &why)); count],
        };
        let mut fates = deferred(count, "no mail server could be asked");
        let mut open = (transaction.clone(), (0..count).collect::<Vec<_>>());
        for hop in hops {
            // A connection that lay idle may be dead by now; that says nothing about the server.
            let idle = self.take_idle(&hop.key);
            for (rested, connection) in [(true, idle), (false, None)] {
                let mut connection = match connection {
                    Some(connection) => connection,
                    None if rested => continue,
                    None => match self.open(&hop, self.credentials(&hop.key)).await {
                        Ok(connection) => connection,
                        Err(error) => {
                            tracing::warn!(server = %hop, %error, "mail server not usable");
                            merge(&mut fates, open.1.clone(), refused_all(open.1.len(), &error));
                            continue;
                        }
                    },
                };
                let attempt = connection.transact(open.0.clone()).await;
                match attempt {
                    Attempt::Done(found) => {
                        self.put_back(hop.key, connection);
                        merge(&mut fates, open.1, found);
                        return fates;
                    }
                    Attempt::Untouched(found) => {
                        merge(&mut fates, open.1, found);
                        if !rested {
                            tracing::warn!(server = %hop, "mail server left before the mail was sent");
                            self.rests.failed(&hop.key, Instant::now());
                        }
                        open = still(&transaction, &fates, |fate| matches!(fate, Fate::Deferred(_)));
                        if open.1.is_empty() {
                            return fates;
                        }
                    }
                }
            }
        }
        fates
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

    fn carries_dsn(&self) -> bool {
        self.offers.all_carry_dsn()
    }
}

/// The recipients with such a fate as a transaction of their own, and their places.
fn still(transaction: &Transaction, fates: &[Fate], wanted: impl Fn(&Fate) -> bool) -> (Transaction, Vec<usize>) {
    let places: Vec<usize> = (0..fates.len()).filter(|place| wanted(&fates[*place])).collect();
    let recipients = places.iter().filter_map(|place| transaction.recipients.get(*place)).cloned().collect();
    (Transaction { recipients, ..transaction.clone() }, places)
}

/// Those put off as too many, when others were taken; some servers say 552 (RFC 5321 4.5.3.1.10).
fn too_many(transaction: &Transaction, fates: &[Fate]) -> Option<(Transaction, Vec<usize>)> {
    let one_too_many = |fate: &Fate| matches!(fate, Fate::Deferred(reply) if matches!(reply.code, 452 | 552));
    let some_taken = fates.iter().any(|fate| matches!(fate, Fate::Accepted(_)));
    let rest = still(transaction, fates, one_too_many);
    (some_taken && !rest.1.is_empty()).then_some(rest)
}

/// Puts new fates at their places; was anybody accepted?
fn merge(fates: &mut [Fate], places: Vec<usize>, found: Vec<Fate>) -> bool {
    let accepted = found.iter().any(|fate| matches!(fate, Fate::Accepted(_)));
    for (place, fate) in places.into_iter().zip(found) {
        fates[place] = fate;
    }
    accepted
}

/// Is it the login that failed, and not the server? What the settings make impossible, and a refusal of who logged in, is no failure of the
/// server. With a login that a client brought (`carried`) nothing that happens at AUTH is: a client could else keep a good server resting.
fn is_about_login(error: &OpenError, carried: bool) -> bool {
    use crate::smtp::sender::SenderError::{
        BadCredentials, CredentialsInClear, Lost, NoMechanism, Refused, TimedOut, Unexpected,
    };
    use crate::smtp::stage::Stage::Authenticate;
    match error {
        OpenError::Protocol(NoMechanism | CredentialsInClear | BadCredentials) => true,
        OpenError::Protocol(Refused { stage: Authenticate, reply }) => carried || reply.code != 421,
        OpenError::Protocol(Lost(Authenticate) | TimedOut(Authenticate) | Unexpected { stage: Authenticate, .. }) => {
            carried
        }
        _ => false,
    }
}

/// What a connection that could not be opened means: what the server said, when it said so for now, or that there was no answer.
fn refused_all(count: usize, error: &OpenError) -> Vec<Fate> {
    use crate::smtp::sender::SenderError::Refused;
    match error {
        OpenError::Protocol(Refused { reply, .. }) if reply.is_transient() => {
            vec![Fate::Deferred(reply.clone()); count]
        }
        _ => deferred(count, &format!("failed to {error}")),
    }
}

/// Every recipient is to be tried again: 4.4.1 "no answer from host" (RFC 3463 3.5).
fn deferred(count: usize, why: &str) -> Vec<Fate> {
    vec![Fate::Deferred(Reply::new(451, "4.4.1", why)); count]
}
