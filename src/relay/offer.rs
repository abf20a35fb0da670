//! What the mail servers behind can take, as far as it is known: the ground of what is offered to clients.
//! It refuses to offer what one of the servers cannot take, as a mail could then be stuck when another fails.

use super::Relay;
use super::connection::Connection;
use super::route::{Hop, Key};
use crate::limits::Limits;
use crate::smtp::extensions::Extensions;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A server is asked again when no connection told its extensions for this long.
const AGE: Duration = Duration::from_secs(300);
/// A server that told nothing for this long counts no more.
const FORGET: Duration = Duration::from_secs(24 * 3_600);
/// How long a client waits for a server that never answered yet.
const WAIT: Duration = Duration::from_secs(5);
/// How long a look at a server may take.
const PROBE: Duration = Duration::from_secs(10);
/// An answer this fresh shows that the server is there.
const FRESH: Duration = Duration::from_secs(4);

/// What each server said last.
#[derive(Debug, Default)]
pub(super) struct Offers {
    known: Mutex<HashMap<Key, (Extensions, Instant)>>,
}

impl Offers {
    /// Takes what a new connection said. What its TLS does not allow to be used is left out.
    pub(super) fn remember(&self, key: Key, connection: &Connection, log_in_clear: bool) {
        let mut extensions = connection.extensions().clone();
        extensions.require_tls &= connection.verified();
        if !connection.verified() && !log_in_clear {
            extensions.auth.clear();
        }
        self.lock().insert(key, (extensions, Instant::now()));
    }

    /// What all of them can take; `None` when none ever answered.
    fn shared(&self) -> Option<Extensions> {
        let known = self.lock();
        let mut recent = known.values().filter(|(_, at)| at.elapsed() < FORGET).map(|(extensions, _)| extensions);
        let first = recent.next()?.clone();
        Some(recent.fold(first, |all, each| all.shared_with(each)))
    }

    /// Do all of them take DSN parameters (RFC 3461)?
    pub(super) fn all_carry_dsn(&self) -> bool {
        self.shared().is_none_or(|extensions| extensions.dsn)
    }

    fn age(&self, key: &Key) -> Option<Duration> {
        self.lock().get(key).map(|(_, at)| at.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (Extensions, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay {
    /// The keywords that may be offered to clients: never more than every server can take. When none ever answered,
    /// only what needs nothing of it, and 8BITMIME, which a later refusal handles honestly.
    pub async fn offer(&self, limits: &Limits) -> Extensions {
        let known = match self.offers.shared() {
            Some(extensions) => Some(extensions),
            None => {
                let asked = tokio::time::timeout(WAIT, self.ask_first());
                let _ = asked.await;
                self.offers.shared()
            }
        };
        let unknown = || Extensions { eight_bit_mime: true, ..Extensions::default() };
        Extensions::ours(limits.message_bytes).offered_given(&known.unwrap_or_else(unknown))
    }

    /// Is a mail server reachable now? When all connections are at work, it is. Also looks after servers that rest or were not heard for long.
    pub async fn reachable(&self) -> bool {
        let Ok(hops) = self.hops().await else { return false };
        let now = Instant::now();
        let mut reachable = false;
        for hop in &hops {
            let silent = self.offers.age(&hop.key).is_none_or(|age| age >= AGE);
            let rests = self.rests.rests(&hop.key);
            let fresh = self.offers.age(&hop.key).is_some_and(|age| age < FRESH);
            if fresh && !rests {
                reachable = true;
            } else if !reachable || ((silent || rests) && !self.rests.sleeps(&hop.key, now)) {
                match self.probe(hop).await {
                    Some(answered) => reachable |= answered,
                    None => return true,
                }
            }
        }
        reachable
    }

    /// Asks the servers in their order until one answers.
    async fn ask_first(&self) -> bool {
        for hop in self.hops().await.unwrap_or_default() {
            match self.probe(&hop).await {
                Some(false) => {}
                answered => return answered.unwrap_or(true),
            }
        }
        false
    }

    /// Does the server answer now? `None` when all connections are at work.
    async fn probe(&self, hop: &Hop) -> Option<bool> {
        let _slot = self.slots.try_acquire().ok()?;
        let opened = tokio::time::timeout(PROBE, self.open(hop, self.credentials(&hop.key))).await;
        match opened {
            Ok(Ok(connection)) => {
                self.put_back(hop.key, connection);
                return Some(true);
            }
            Ok(Err(error)) => tracing::debug!(server = %hop, %error, "mail server not usable"),
            Err(_) => self.rests.failed(&hop.key, Instant::now()),
        }
        Some(false)
    }
}
