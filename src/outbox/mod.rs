//! Patience: retries, back-off, expiry and delivery reports (RFC 3464) for everything that could not leave at once.
//! It refuses to forget a recipient: each one ends delivered, reported, or still in the outbox where everybody can see him.

mod field;
mod letter;
mod original;
mod patience;
mod report;
mod run;
mod sealed;
mod settle;
mod words;

pub use letter::cancel;
pub use patience::Patience;
pub use report::{Disposition, Letter, Report, Reported, Reporter, report};
pub use run::Round;
pub use sealed::{Sealed, seal};

use crate::address::Address;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::smtp::sender::Fate;
use crate::store::{Settlement, Store, StoreError};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The next mail server.
pub trait Upstream: Send + Sync + 'static {
    /// Hands over one mail: a fate for each recipient, in their order. The data is the mail as one piece after the other, without
    /// dot stuffing. Never an error: a connection that cannot be made defers everybody.
    fn deliver(
        &self,
        sender: Option<&Address>,
        parameters: &MailParameters,
        recipients: &[Recipient],
        data: Vec<Bytes>,
    ) -> impl Future<Output = Vec<Fate>> + Send;

    /// Does it take over DSN parameters (RFC 3461)? If not, success reports are ours to write (RFC 3461 5.2.2).
    fn carries_dsn(&self) -> bool {
        true
    }
}

/// The outbox at work; its copies are the same outbox.
#[derive(Clone)]
pub struct Outbox {
    store: Arc<Store>,
    reporter: Arc<Reporter>,
    patience: Arc<Patience>,
    /// Deliveries at the same time.
    concurrency: usize,
    /// Results that could not be written yet; their items are not delivered again before they are.
    unsettled: Arc<Mutex<Vec<Settlement>>>,
}

impl Outbox {
    /// An outbox over a store, with at least one delivery at a time.
    #[must_use]
    pub fn new(store: Arc<Store>, reporter: Reporter, patience: Patience, concurrency: usize) -> Self {
        Self {
            store,
            reporter: Arc::new(reporter),
            patience: Arc::new(patience),
            concurrency: concurrency.max(1),
            unsettled: Arc::default(),
        }
    }
}

/// Why a round could not be finished; the texts fit behind "failed to". Nothing is lost: what was claimed comes again.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("get random bytes from the system")]
    Random,
}
