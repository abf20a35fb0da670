//! The outbox at work: claim what is due, deliver a few at a time, write down what came of it.
//! It refuses to deliver again what was accepted: a result that could not be written is kept and written before anything else is claimed.

use super::letter::letter;
use super::settle::{Sorted, deferred, sort};
use super::{Outbox, OutboxError, Upstream};
use crate::id::MailId;
use crate::mail::envelope::MailParameters;
use crate::plan;
use crate::rules::verdict::Outcome;
use crate::smtp::sender::Fate;
use crate::store::{Event, NewAudit, NewQueued, OutboxItem, Settlement, Store};
use bytes::Bytes;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, OnceCell};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at};
use tokio_util::sync::CancellationToken;

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

/// The moment now, epoch milliseconds.
type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How often the outbox is looked at when no bell rings: other processes release held mails too.
const LOOK: Duration = Duration::from_secs(1);

/// Deliveries that go on, with the items they have leased. Each writes down its own result as soon as it has it, so that the time in which a
/// kill would cause a second copy does not depend on the others.
struct Work<'a, U> {
    outbox: &'a Outbox,
    upstream: &'a Arc<U>,
    now: Now,
    running: JoinSet<Result<Round, OutboxError>>,
    leased: HashMap<Id, OutboxItem>,
    /// What running deliveries read: the copies of one mail share its bytes.
    bodies: HashMap<MailId, Weak<Shared>>,
}

/// What was leased; more may be due.
struct Claimed {
    items: Vec<OutboxItem>,
    more: bool,
}

/// A claim that is being committed.
type Claiming = Pin<Box<dyn Future<Output = Result<Claimed, OutboxError>> + Send>>;

/// The bytes of a kept mail, read by the first delivery that needs them.
type Shared = OnceCell<Bytes>;

impl<'a, U: Upstream> Work<'a, U> {
    fn new(outbox: &'a Outbox, upstream: &'a Arc<U>, now: Now) -> Self {
        Self { outbox, upstream, now, running: JoinSet::new(), leased: HashMap::new(), bodies: HashMap::new() }
    }

    fn free(&self) -> usize {
        self.outbox.concurrency.saturating_sub(self.running.len())
    }

    /// Leases as many due items as there is room for; nothing else is claimed before they are started.
    fn claim(&self) -> impl Future<Output = Result<Claimed, OutboxError>> + Send + use<U> {
        let (outbox, now_ms, room) = (self.outbox.clone(), (self.now)(), self.free());
        async move {
            outbox.write_unsettled().await?;
            let limit = u32::try_from(room).unwrap_or(u32::MAX);
            let items = outbox.store.claim_due(now_ms, outbox.patience.lease_ms, limit).await?;
            Ok(Claimed { more: items.len() >= room, items })
        }
    }

    fn start(&mut self, items: Vec<OutboxItem>) {
        self.bodies.retain(|_, body| body.strong_count() > 0);
        for item in items {
            let (outbox, upstream, now) = (self.outbox.clone(), Arc::clone(self.upstream), Arc::clone(&self.now));
            let (kept, body) = (item.clone(), self.body(&item.mail));
            let delivery = async move {
                let attempt = attempt(&outbox.store, upstream.as_ref(), &item, &body).await;
                outbox.settle(item, attempt, upstream.carries_dsn(), now()).await
            };
            self.leased.insert(self.running.spawn(delivery).id(), kept);
        }
    }

    fn body(&mut self, mail: &MailId) -> Arc<Shared> {
        let known = self.bodies.get(mail).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let body = Arc::default();
            self.bodies.insert(mail.clone(), Arc::downgrade(&body));
            body
        })
    }

    /// What a delivery came to; one that panicked is a temporary failure of everybody.
    async fn ended(
        &mut self,
        joined: Result<(Id, Result<Round, OutboxError>), JoinError>,
    ) -> Result<Round, OutboxError> {
        match joined {
            Ok((id, result)) => {
                self.leased.remove(&id);
                result
            }
            Err(error) => {
                tracing::error!(%error, "a delivery ended by itself");
                match self.leased.remove(&error.id()) {
                    Some(item) => {
                        let nothing = (Vec::new(), Vec::new());
                        self.outbox.settle(item, nothing, self.upstream.carries_dsn(), (self.now)()).await
                    }
                    None => Ok(Round::default()),
                }
            }
        }
    }

    async fn extend(&self, now_ms: u64) {
        let items: Vec<_> = self.leased.values().cloned().collect();
        let until = now_ms.saturating_add(self.outbox.patience.lease_ms);
        if let Err(error) = self.outbox.store.extend_leases(&items, until).await {
            tracing::warn!(%error, "failed to extend the leases of deliveries that go on");
        }
    }
}

impl Outbox {
    /// Delivers what becomes due until told to stop, then finishes what has begun. The bell says that something is due now.
    ///
    /// A slow delivery holds up no other, as long as fewer than the concurrency are slow.
    pub async fn run<U: Upstream>(
        &self,
        now_ms: impl Fn() -> u64 + Send + Sync + 'static,
        upstream: &Arc<U>,
        bell: &Notify,
        stopping: &CancellationToken,
    ) {
        let now: Now = Arc::new(now_ms);
        let mut work = Work::new(self, upstream, Arc::clone(&now));
        let mut extend = self.leasing();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = true;
        // While one claim is being committed, others end their deliveries; the next claim is for all of them, so that a commit serves many items.
        let mut claim: Option<Claiming> = None;
        loop {
            let open = !stopping.is_cancelled();
            if open && due && work.free() > 0 && claim.is_none() {
                due = false;
                claim = Some(Box::pin(work.claim()));
            }
            if !open && work.running.is_empty() && claim.is_none() {
                if let Err(error) = self.write_unsettled().await {
                    tracing::error!("failed to {error}");
                }
                return;
            }
            tokio::select! {
                claimed = committed(&mut claim) => match claimed {
                    Ok(claimed) => {
                        due |= claimed.more;
                        work.start(claimed.items);
                    }
                    Err(error) => tracing::error!("failed to {error}"),
                },
                Some(joined) = work.running.join_next_with_id() => {
                    if let Err(error) = work.ended(joined).await {
                        tracing::error!("failed to {error}");
                    }
                }
                _ = extend.tick() => work.extend(now()).await,
                () = bell.notified(), if open => due = true,
                _ = look.tick(), if open => due = true,
                () = stopping.cancelled(), if open => {}
            }
        }
    }

    /// Delivers everything that is due at one moment (epoch milliseconds), and returns when all attempts are settled.
    ///
    /// # Errors
    /// When the store cannot be read or written; what was claimed comes again.
    pub async fn run_once<U: Upstream>(&self, now_ms: u64, upstream: &Arc<U>) -> Result<Round, OutboxError> {
        let started = Instant::now();
        let mut extend = self.leasing();
        let mut round = Round::default();
        let mut work = Work::new(self, upstream, Arc::new(move || now_ms));
        let mut more = true;
        let mut failure = None;
        loop {
            if more && work.free() > 0 {
                more = match work.claim().await {
                    Ok(claimed) => {
                        work.start(claimed.items);
                        claimed.more
                    }
                    Err(error) => {
                        failure = Some(error);
                        false
                    }
                };
            }
            if work.running.is_empty() {
                return failure.map_or(Ok(round), Err);
            }
            tokio::select! {
                Some(joined) = work.running.join_next_with_id() => {
                    match work.ended(joined).await {
                        Ok(one) => round.add(one),
                        Err(error) => {
                            more = false;
                            failure = Some(error);
                        }
                    }
                }
                _ = extend.tick() => {
                    let passed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    work.extend(now_ms.saturating_add(passed)).await;
                }
            }
        }
    }

    /// Ticks when leases have to be extended.
    fn leasing(&self) -> Interval {
        let third = Duration::from_millis((self.patience.lease_ms / 3).max(1));
        let mut extend = interval_at(Instant::now() + third, third);
        extend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        extend
    }

    /// Writes down what an attempt came to.
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
        if !sorted.stuck.is_empty() {
            tracing::error!(
                mail = %item.mail,
                recipients = sorted.stuck.len(),
                "a letter without a sender to tell cannot be delivered; it is kept, see `sekisho outbox list --stuck`"
            );
        }
        let report = self.report(&item, &sorted, &mail, now_ms)?;
        let audit = audit(&item, &sorted, report.is_some(), now_ms);
        let settlement = Settlement {
            next_ms: self.patience.next_ms(now_ms, item.created_ms, item.attempts)?,
            item,
            open: sorted.open,
            warned: sorted.warned,
            said: sorted.said,
            stuck: sorted.stuck,
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
        letter(&self.reporter, item, &sorted.reported, mail, now_ms)
    }
}

/// The claim that goes on, if there is one; then it is over.
async fn committed(claim: &mut Option<Claiming>) -> Result<Claimed, OutboxError> {
    let Some(going) = claim else { return std::future::pending().await };
    let claimed = going.await;
    *claim = None;
    claimed
}

impl Round {
    fn add(&mut self, other: Self) {
        self.items += other.items;
        self.accepted += other.accepted;
        self.deferred += other.deferred;
        self.failed += other.failed;
    }
}

fn audit(item: &OutboxItem, sorted: &Sorted, reported: bool, now_ms: u64) -> Vec<NewAudit> {
    let stuck = sorted.stuck.len() as u64;
    let counts = [
        (Event::Delivered, sorted.accepted),
        (Event::Failed, sorted.failed - stuck),
        (Event::Stuck, stuck),
        (Event::Delayed, sorted.delayed),
    ];
    counts
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
async fn attempt<U: Upstream>(store: &Store, upstream: &U, item: &OutboxItem, body: &Shared) -> Attempt {
    let read = body
        .get_or_try_init(|| async {
            match store.body(&item.mail).await {
                Ok(Some(body)) => Ok(body),
                Ok(None) => Err("it is missing".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    match read {
        Ok(body) => {
            let data = plan::render(body, &item.change);
            let size = data.iter().map(|piece| piece.len() as u64).sum();
            let parameters = MailParameters { size: Some(size), ..item.parameters.clone() };
            let fates = upstream.deliver(item.sender.as_ref(), &parameters, &item.recipients, data.clone()).await;
            (fates, data)
        }
        Err(problem) => {
            tracing::error!(mail = %item.mail, problem, "failed to read a mail of the outbox");
            (item.recipients.iter().map(|_| deferred("4.3.0 the kept mail cannot be read")).collect(), Vec::new())
        }
    }
}
