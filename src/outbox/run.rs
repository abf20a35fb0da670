//! One round of the outbox: claim what is due, deliver a few at a time, write down what came of it.
//! It refuses to deliver again what was accepted: a result that could not be written is kept and written before anything else is claimed.

use super::report::{Letter, Report, report};
use super::settle::{Sorted, deferred, sort};
use super::{Outbox, OutboxError, Upstream, Work};
use crate::id::MailId;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::plan::{self, Change, Copy};
use crate::rules::verdict::Outcome;
use crate::smtp::sender::Fate;
use crate::store::{Event, NewAudit, NewQueued, OutboxItem, Settlement, Store, random};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// What one round did; numbers of recipients, but for the items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub items: u64,
    pub accepted: u64,
    pub deferred: u64,
    pub failed: u64,
}

/// The fates and the copy that was sent.
type Attempt = (Vec<Fate>, Vec<Bytes>);

impl Outbox {
    /// Delivers everything that is due now (epoch milliseconds), and returns when all attempts are settled.
    ///
    /// # Errors
    /// When the store cannot be read or written; what was claimed comes again.
    pub async fn run_once<U: Upstream>(&self, now_ms: u64, upstream: &Arc<U>) -> Result<Round, OutboxError> {
        let work = &self.work;
        work.write_unsettled().await?;
        let started = Instant::now();
        let lease_ms = work.patience.lease_ms;
        let third = Duration::from_millis((lease_ms / 3).max(1));
        let mut extend = interval_at(started + third, third);
        extend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round = Round::default();
        let mut running: JoinSet<Result<Round, OutboxError>> = JoinSet::new();
        let mut leased: HashMap<Id, OutboxItem> = HashMap::new();
        let mut more = true;
        let mut failure = None;
        loop {
            let free = self.concurrency.saturating_sub(running.len());
            if more && free > 0 && !self.stopping.load(Ordering::Relaxed) {
                let limit = u32::try_from(free).unwrap_or(u32::MAX);
                match work.store.claim_due(now_ms, lease_ms, limit).await {
                    Ok(items) => {
                        more = items.len() >= free;
                        for item in items {
                            let delivery = deliver(Arc::clone(work), Arc::clone(upstream), item.clone(), now_ms);
                            leased.insert(running.spawn(delivery).id(), item);
                        }
                    }
                    Err(error) => {
                        more = false;
                        failure = Some(error.into());
                    }
                }
            }
            if running.is_empty() {
                return failure.map_or(Ok(round), Err);
            }
            tokio::select! {
                Some(joined) = running.join_next_with_id() => {
                    let settled = match joined {
                        Ok((id, settled)) => {
                            leased.remove(&id);
                            settled
                        }
                        // A delivery that panicked is a temporary failure of everybody.
                        Err(error) => {
                            tracing::error!(%error, "a delivery ended by itself");
                            match leased.remove(&error.id()) {
                                Some(item) => work.settle(item, Attempt::default(), upstream.carries_dsn(), now_ms).await,
                                None => Ok(Round::default()),
                            }
                        }
                    };
                    match settled {
                        Ok(done) => round.add(done),
                        Err(error) => {
                            more = false;
                            failure = Some(error);
                        }
                    }
                }
                _ = extend.tick() => {
                    let items: Vec<_> = leased.values().cloned().collect();
                    let passed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let until = now_ms.saturating_add(passed).saturating_add(lease_ms);
                    if let Err(error) = work.store.extend_leases(&items, until).await {
                        tracing::warn!(%error, "failed to extend the leases of deliveries that go on");
                    }
                }
            }
        }
    }
}

impl Round {
    fn add(&mut self, other: Self) {
        self.items += other.items;
        self.accepted += other.accepted;
        self.deferred += other.deferred;
        self.failed += other.failed;
    }
}

/// One item from attempt to commit. Each delivery settles by itself: results of several go into one commit, and what the next server has
/// accepted waits for no other delivery to be written down. Between the two a crash means a second copy.
async fn deliver<U: Upstream>(
    work: Arc<Work>,
    upstream: Arc<U>,
    item: OutboxItem,
    now_ms: u64,
) -> Result<Round, OutboxError> {
    let attempt = attempt(&work.store, upstream.as_ref(), item.clone()).await;
    work.settle(item, attempt, upstream.carries_dsn(), now_ms).await
}

impl Work {
    async fn settle(
        &self,
        item: OutboxItem,
        attempt: Attempt,
        carries_dsn: bool,
        now_ms: u64,
    ) -> Result<Round, OutboxError> {
        let (fates, mail) = attempt;
        let sorted = sort(&item, fates, &self.patience, carries_dsn, now_ms);
        let round =
            Round { items: 1, accepted: sorted.accepted, deferred: sorted.open.len() as u64, failed: sorted.failed };
        let report = self.report(&item, &sorted, &mail, now_ms)?;
        let audit = audit(&item, &sorted, report.is_some(), now_ms);
        let settlement = Settlement {
            next_ms: self.patience.next_ms(now_ms, item.created_ms, item.attempts)?,
            item,
            open: sorted.open,
            warned: sorted.warned,
            reports: report.into_iter().collect(),
            audit,
            now_ms,
        };
        self.write(settlement).await?;
        Ok(round)
    }

    /// Writes a result; one that cannot be written is kept for the next round.
    async fn write(&self, settlement: Settlement) -> Result<(), OutboxError> {
        match self.store.settle(settlement.clone()).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                tracing::warn!(mail = %settlement.item.mail, "an attempt took longer than its lease; its result is not counted");
                Ok(())
            }
            Err(error) => {
                self.unsettled.lock().await.push(settlement);
                Err(error.into())
            }
        }
    }

    /// Writes what the last rounds could not.
    async fn write_unsettled(&self) -> Result<(), OutboxError> {
        let waiting = std::mem::take(&mut *self.unsettled.lock().await);
        let mut result = Ok(());
        for settlement in waiting {
            if result.is_ok() {
                result = self.write(settlement).await;
            } else {
                self.unsettled.lock().await.push(settlement);
            }
        }
        result
    }

    fn report(
        &self,
        item: &OutboxItem,
        sorted: &Sorted,
        mail: &[Bytes],
        now_ms: u64,
    ) -> Result<Option<NewQueued>, OutboxError> {
        let id = MailId::new(now_ms, random()?);
        let about = Report {
            id: &id,
            sender: item.sender.as_ref(),
            parameters: &item.parameters,
            mail,
            recipients: &sorted.reported,
            arrived_ms: item.created_ms,
            now_ms,
        };
        let letter = report(&self.reporter, &about);
        Ok(letter.map(|letter| queued(id, letter, now_ms)))
    }
}

/// A report as an outbox entry of its own; without a sender, so that its own failure is never reported.
fn queued(id: MailId, letter: Letter, now_ms: u64) -> NewQueued {
    let recipient = Recipient { address: letter.to, notify: None, orcpt: None };
    NewQueued {
        audit: vec![NewAudit::new(now_ms, Some(id.clone()), Event::Queued, Outcome::Pass).count("reports", 1)],
        id,
        body: letter.bytes,
        copies: vec![Copy { recipients: vec![recipient], change: Change::default() }],
        sender: None,
        parameters: letter.parameters,
        now_ms,
        not_before_ms: now_ms,
        history: None,
        contacts: Vec::new(),
        notices: Vec::new(),
    }
}

fn audit(item: &OutboxItem, sorted: &Sorted, reported: bool, now_ms: u64) -> Vec<NewAudit> {
    [(Event::Delivered, sorted.accepted), (Event::Failed, sorted.failed), (Event::Delayed, sorted.delayed)]
        .into_iter()
        .filter(|(_, recipients)| *recipients > 0)
        .map(|(event, recipients)| {
            NewAudit::new(now_ms, Some(item.mail.clone()), event, Outcome::Pass)
                .count("recipients", recipients)
                .count("attempt", u64::from(item.attempts))
                .count("reports", u64::from(reported))
        })
        .collect()
}

/// One attempt: a body that cannot be read defers everybody, and is told when the mail's time is over.
async fn attempt<U: Upstream>(store: &Store, upstream: &U, item: OutboxItem) -> Attempt {
    let problem = match store.body(&item.mail).await {
        Ok(Some(body)) => {
            let data = plan::render(&body, &item.change);
            let size = data.iter().map(|piece| piece.len() as u64).sum();
            let parameters = MailParameters { size: Some(size), ..item.parameters };
            let fates = upstream.deliver(item.sender.as_ref(), &parameters, &item.recipients, data.clone()).await;
            return (fates, data);
        }
        Ok(None) => "it is missing".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::error!(mail = %item.mail, problem, "failed to read a mail of the outbox");
    (item.recipients.iter().map(|_| deferred("4.3.0 the kept mail cannot be read")).collect(), Vec::new())
}
