//! An upstream that gets every copy sealed: the stamp and the signatures are put on at the last moment, over the bytes and for the recipients of this attempt.
//! It refuses to let a copy leave unsigned that should be signed: it waits.

use super::Upstream;
use super::settle::deferred;
use crate::address::Address;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::seal::{SealError, Sealer};
use crate::smtp::sender::Fate;
use bytes::Bytes;
use std::sync::Arc;

/// The time in epoch milliseconds.
pub type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// An upstream with a sealer in front.
pub struct Sealed<U> {
    upstream: Arc<U>,
    sealer: Arc<Sealer>,
    now_ms: Now,
}

impl<U> Sealed<U> {
    /// Puts the sealer in front.
    #[must_use]
    pub fn new(upstream: Arc<U>, sealer: Arc<Sealer>, now_ms: Now) -> Self {
        Self { upstream, sealer, now_ms }
    }
}

/// Seals a mail away from the threads that serve connections: a body of 50 MB takes a while to hash.
///
/// # Errors
/// [`SealError`] when a key does not sign.
pub async fn seal(
    sealer: &Arc<Sealer>,
    mail: Vec<Bytes>,
    sender: Option<&Address>,
    recipients: &[Recipient],
    now_ms: u64,
) -> Result<Vec<Bytes>, SealError> {
    if sealer.is_idle() {
        return Ok(mail);
    }
    let (own, sender, recipients) = (Arc::clone(sealer), sender.cloned(), recipients.to_vec());
    let sealed = tokio::task::spawn_blocking(move || own.seal(mail, sender.as_ref(), &recipients, now_ms));
    // It does not panic; if it did, nothing was signed.
    sealed.await.unwrap_or_else(|_| Err(SealError::stopped()))
}

impl<U: Upstream> Upstream for Sealed<U> {
    async fn deliver(
        &self,
        sender: Option<&Address>,
        parameters: &MailParameters,
        recipients: &[Recipient],
        data: Vec<Bytes>,
    ) -> Vec<Fate> {
        match seal(&self.sealer, data, sender, recipients, (self.now_ms)()).await {
            Ok(data) => {
                let size = parameters.size.map(|_| data.iter().map(|piece| piece.len() as u64).sum());
                let parameters = MailParameters { size, ..parameters.clone() };
                self.upstream.deliver(sender, &parameters, recipients, data).await
            }
            Err(error) => {
                tracing::error!("failed to {error}");
                recipients.iter().map(|_| deferred("4.7.0 the mail cannot be signed now")).collect()
            }
        }
    }

    fn carries_dsn(&self) -> bool {
        self.upstream.carries_dsn()
    }
}
