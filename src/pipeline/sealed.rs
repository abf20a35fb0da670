//! A mail as it leaves at once, sealed; and a mail that comes back with this guard's own stamp, which passes without a second look.
//! It refuses to believe a stamp that does not fit content, sender, every recipient and time: such a mail is inspected like any other.

use super::rates::Turn;
use super::{Case, Pipeline};
use crate::facts::Facts;
use crate::id::MailId;
use crate::mail::envelope::Envelope;
use crate::outbox::seal;
use crate::plan::Plan;
use crate::rules::verdict::Verdict;
use crate::smtp::reply::Reply;
use crate::store::MailGroup;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Pipeline {
    /// Relays a mail that was checked for these recipients already; `None` when no stamp says so.
    pub(super) async fn pass_on(&self, id: &MailId, envelope: &Envelope, mail: &Bytes, now_ms: u64) -> Option<Reply> {
        if self.sealer.is_idle() {
            return None;
        }
        let (sealer, whole, sender) = (Arc::clone(&self.sealer), mail.clone(), envelope.sender.clone());
        let recipients = envelope.recipients.clone();
        // Away from the threads that serve connections, as a large body takes a while to hash.
        let known =
            tokio::task::spawn_blocking(move || sealer.passed_before(&whole, sender.as_ref(), &recipients, now_ms));
        if !known.await.unwrap_or(false) {
            return None;
        }
        tracing::info!(%id, "checked before, as its stamp says");
        let facts = Facts {
            sender: envelope.sender.clone(),
            login: envelope.client.login.clone(),
            client: Some(envelope.client.ip),
            recipients: envelope.recipients.iter().map(|recipient| recipient.address.clone()).collect(),
            bytes: mail.len() as u64,
            ..Facts::default()
        };
        let together = MailGroup {
            content: super::group::mail_key(&self.secret, envelope.sender.as_ref(), mail),
            mail: id.clone(),
            first_ms: now_ms,
            last_ms: now_ms,
            windows: BTreeMap::new(),
            verdict: None,
        };
        let case = Case {
            id: id.clone(),
            key: together.key(),
            envelope: envelope.clone(),
            mail: mail.clone(),
            facts,
            findings: Vec::new(),
            now_ms,
            stamped: true,
            together,
            further: false,
            held: None,
            _turn: Turn::default(),
        };
        Some(Box::pin(self.perform(case, Verdict::default(), Plan::Relay)).await)
    }

    /// The bytes to send at once, with stamp and signatures; a mail that comes back keeps those it has.
    pub(super) async fn sealed(&self, case: &Case, data: Vec<Bytes>) -> Result<Vec<Bytes>, Reply> {
        if case.stamped {
            return Ok(data);
        }
        let sealed =
            seal(&self.sealer, data, case.envelope.sender.as_ref(), &case.envelope.recipients, case.now_ms).await;
        sealed.map_err(|error| {
            tracing::error!(id = %case.id, "failed to {error}");
            Reply::new(451, "4.7.0", "cannot sign the mail now, try again later")
        })
    }
}
