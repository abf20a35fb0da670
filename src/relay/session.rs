//! Clients that log in: their own login is said to the upstream, and their mails go over that connection as long as it lives.
//! It refuses to judge a login itself, to keep a password, and to lend the connection of one client to another.

use super::connection::{Attempt, Connection, OpenError};
use super::{Policy, Relay, merge, too_many};
use crate::smtp::auth::Login;
use crate::smtp::reply::Reply;
use crate::smtp::sender::{Credentials, Fate, SenderError, Transaction};
use crate::smtp::stage::Stage;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The connection on which the client logged in is gone, and the guard has no login of its own: the client has to log in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use the connection on which the client logged in: it ended")]
pub struct LogInAgain;

/// Connections that belong to one client each, by the number of its session.
#[derive(Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<u64, Connection>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All connections; none is left.
    pub(super) fn drain(&self) -> Vec<Connection> {
        self.lock().drain().map(|(_, connection)| connection).collect()
    }
}

impl Relay {
    /// Can a client's login be carried to any server? Never where none is verified, unless logins may go in clear over the loopback.
    #[must_use]
    pub fn carries_logins(&self) -> bool {
        self.options.log_in_clear || self.options.servers.iter().any(|server| server.tls.policy == Policy::Verify)
    }

    /// Asks the upstream whether it knows this login, on a connection of its own, and gives the upstream's own reply. After 235 the
    /// connection is kept for this session.
    pub async fn log_in(&self, session: u64, login: Login) -> Reply {
        let unavailable =
            || Reply::new(454, "4.7.0", "Temporary authentication failure: the mail server gave no answer");
        let hops = match self.hops().await {
            Ok(hops) => hops,
            Err(_) => return unavailable(),
        };
        let who = Credentials::Carried(login);
        for hop in hops {
            match self.open(&hop, Some(who.clone())).await {
                Ok(connection) => {
                    let welcome = connection.welcome().cloned();
                    self.sessions.lock().insert(session, connection);
                    return welcome.unwrap_or_else(|| Reply::new(235, "2.7.0", "Authentication succeeded"));
                }
                Err(OpenError::Protocol(SenderError::Refused { stage: Stage::Authenticate, reply }))
                    if reply.code != 421 =>
                {
                    return reply;
                }
                Err(OpenError::Protocol(SenderError::NoMechanism)) => {
                    return Reply::new(504, "5.5.4", "Unrecognized authentication type");
                }
                Err(error) => tracing::warn!(server = %hop, %error, "a login could not be verified"),
            }
        }
        unavailable()
    }

    /// Hands over a mail of a client that logged in, over its own connection. When that has died before the mail was sent, the guard's
    /// own login is used, if it has one.
    ///
    /// # Errors
    /// [`LogInAgain`]: nothing was sent, and without a login of our own nothing can be.
    pub async fn transact_for(&self, session: u64, transaction: Transaction) -> Result<Vec<Fate>, LogInAgain> {
        let taken = self.sessions.lock().remove(&session);
        let Some(mut connection) = taken else { return self.without_session(transaction).await };
        let mut fates = match connection.transact(transaction.clone()).await {
            Attempt::Done(fates) => fates,
            Attempt::Untouched(_) => return self.without_session(transaction).await,
        };
        while connection.reusable()
            && let Some((rest, places)) = too_many(&transaction, &fates)
        {
            let (Attempt::Done(found) | Attempt::Untouched(found)) = connection.transact(rest).await;
            if !merge(&mut fates, places, found) {
                break;
            }
        }
        if connection.reusable() {
            self.sessions.lock().insert(session, connection);
        }
        Ok(fates)
    }

    async fn without_session(&self, transaction: Transaction) -> Result<Vec<Fate>, LogInAgain> {
        if self.route.logs_in() { Ok(self.transact(transaction).await) } else { Err(LogInAgain) }
    }

    /// The client is gone: its connection is closed.
    pub fn end_session(&self, session: u64) {
        if let Some(connection) = self.sessions.lock().remove(&session) {
            tokio::spawn(connection.close());
        }
    }
}
