//! One accepted mail from end-of-data to reply; the only place that decides the order of effects.
//! It refuses to say 250 before the mail is safe: with the upstream, or in the store.

mod effects;
mod group;
mod metrics;
mod rates;
mod trace;

pub use metrics::Metrics;

use crate::address::Address;
use crate::clock::Clock;
use crate::config::Rates;
use crate::detect::Finding;
use crate::facts::Facts;
use crate::id::MailId;
use crate::inspect::{Inspection, Want};
use crate::limits::Limits;
use crate::mail::envelope::Envelope;
use crate::outbox::Reporter;
use crate::plan;
use crate::relay::Relay;
use crate::rules::classes::Class;
use crate::rules::verdict::{Outcome, Verdict};
use crate::rules::{Counted, RuleSet, WindowQuery, evaluate};
use crate::smtp::reply::Reply;
use crate::store::{ANY, HistoryRow, MailKey, Store, StoreError, Sums, random};
use crate::worker::{Busy, Pool};
use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use bytes::Bytes;
use group::{Groups, History};
use rates::{Excess, Gate, Turn};
use std::sync::Arc;
use tokio::sync::Notify;

/// Everything one mail meets.
pub struct Pipeline {
    pub hostname: String,
    pub clock: Clock,
    pub limits: Limits,
    /// Milliseconds to wait for late transactions before a notice goes out.
    pub settle_ms: u64,
    pub rules: Arc<ArcSwap<RuleSet>>,
    pub workers: Arc<Pool>,
    pub store: Arc<Store>,
    pub relay: Arc<Relay>,
    /// Rung when the outbox has something due.
    pub bell: Arc<Notify>,
    pub metrics: Arc<Metrics>,
    /// Who writes delivery reports.
    pub reporter: Reporter,
    /// The key of mail keys.
    pub secret: hmac::Key,
    /// The trace field names no client.
    pub hide_client: bool,
    /// Who is told of a sender above the rate.
    pub admins: Vec<String>,
    gate: Gate,
    groups: Groups,
}

/// What is settled about one transaction before the effects.
struct Case {
    id: MailId,
    key: MailKey,
    envelope: Envelope,
    mail: Bytes,
    facts: Facts,
    findings: Vec<Finding>,
    now_ms: u64,
    /// Held until the mail is answered.
    _turn: Turn,
}

/// Why a mail cannot be judged now; the client is asked to come again.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Excess(#[from] Excess),
}

/// The parts a pipeline is built from.
pub struct Parts {
    pub hostname: String,
    pub clock: Clock,
    pub limits: Limits,
    pub settle_ms: u64,
    pub rules: Arc<ArcSwap<RuleSet>>,
    pub workers: Arc<Pool>,
    pub store: Arc<Store>,
    pub relay: Arc<Relay>,
    pub bell: Arc<Notify>,
    pub metrics: Arc<Metrics>,
    pub reporter: Reporter,
    pub secret: hmac::Key,
    pub hide_client: bool,
    pub admins: Vec<String>,
    pub rates: Rates,
}

impl Pipeline {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            hostname: parts.hostname,
            clock: parts.clock,
            limits: parts.limits,
            settle_ms: parts.settle_ms,
            rules: parts.rules,
            workers: parts.workers,
            store: parts.store,
            relay: parts.relay,
            bell: parts.bell,
            metrics: parts.metrics,
            reporter: parts.reporter,
            secret: parts.secret,
            hide_client: parts.hide_client,
            admins: parts.admins,
            gate: Gate::new(parts.rates),
            groups: Groups::default(),
        }
    }

    /// Takes one mail after end of data and gives the reply.
    pub async fn accept(&self, envelope: Envelope, mail: Bytes) -> Reply {
        let started = std::time::Instant::now();
        let now_ms = self.clock.now_ms();
        let Some(id) = new_id(now_ms) else {
            return Reply::new(451, "4.3.0", "no randomness available, try again later");
        };
        if group::hops(&mail) >= self.limits.hops {
            tracing::warn!(%id, "mail loops");
            return Reply::new(554, "5.4.6", "too many hops, this mail is looping");
        }
        let reply = match self.judge(id.clone(), &envelope, mail.clone(), now_ms).await {
            Ok((case, verdict)) => {
                let rules = self.rules.load();
                let plan = plan::decide(&verdict, &case.envelope.recipients, &case.facts, &|address| {
                    rules.is_internal(address)
                });
                drop(rules);
                self.perform(case, verdict, plan).await
            }
            Err(NotNow::Excess(excess)) => self.turn_away(&envelope, mail.len(), &excess, now_ms).await,
            Err(error) => {
                tracing::error!(%id, "failed to {error}");
                Reply::new(451, "4.3.0", "cannot judge the mail now, try again later")
            }
        };
        self.metrics.answered(reply.code, started.elapsed());
        reply
    }

    /// Inspects and evaluates; nothing has been done about the mail yet.
    async fn judge(
        &self,
        id: MailId,
        envelope: &Envelope,
        mail: Bytes,
        now_ms: u64,
    ) -> Result<(Case, Verdict), NotNow> {
        let key = group::mail_key(&self.secret, envelope.sender.as_ref(), &mail);
        let group = self.groups.enter(&key, now_ms);
        let recipients = group.join(envelope);
        let turn = self.gate.enter(&key, envelope, recipients.len() as u64);
        // A refusal is not kept: the client comes again, and is judged anew.
        group.admitted.get_or_try_init(|| self.gate.admit(&self.store, &turn, now_ms)).await?;
        let inspection =
            group.inspection.get_or_try_init(|| self.workers.inspect(envelope, &mail, Want::default())).await?;
        let rules = self.rules.load_full();
        let history = group
            .history
            .get_or_try_init(|| self.history(&rules, envelope, inspection, &recipients, &key, now_ms))
            .await?;
        let mut facts = group::complete(inspection, recipients, history);
        facts.time = self.clock.local(now_ms);
        facts.login.clone_from(&envelope.client.login);
        facts.client = Some(envelope.client.ip);
        let verdict = evaluate(&rules, &facts);
        let findings = if verdict.outcome == Outcome::Pass { Vec::new() } else { inspection.findings.clone() };
        let envelope = envelope.clone();
        Ok((Case { id, key, envelope, mail, facts, findings, now_ms, _turn: turn }, verdict))
    }

    /// What the sender's earlier mails add up to, this one included.
    async fn history(
        &self,
        rules: &RuleSet,
        envelope: &Envelope,
        inspection: &Inspection,
        recipients: &[Address],
        key: &MailKey,
        now_ms: u64,
    ) -> Result<History, StoreError> {
        let Some(sender) = &envelope.sender else { return Ok(History::default()) };
        let mut history = History::default();
        let mut facts = inspection.facts.clone();
        facts.recipients = recipients.to_vec();
        for query in rules.windows() {
            let since = now_ms.saturating_sub(u64::from(query.hours) * 3_600_000);
            let class = query.to.map_or(ANY, Class::as_str);
            let sums = self.store.window(sender, since, class, Some(key)).await?;
            let before = match query.of {
                Counted::Persons => sums.persons,
                Counted::VisibleExternal => sums.visible_external,
                Counted::ExternalRecipients => sums.external_recipients,
                Counted::Mails => sums.mails,
            };
            history.windows.insert(query.key(), before + rules.contribution(query, &facts));
        }
        if rules.uses_first_contact() {
            history.first_contact = self.store.first_contact(sender, recipients).await?;
        }
        Ok(history)
    }
}

/// A fresh id; `None` when the system gives no randomness.
pub(crate) fn new_id(now_ms: u64) -> Option<MailId> {
    Some(MailId::new(now_ms, random().ok()?))
}

/// The mail as a row of its sender's history: what it adds to each window that a rule asks for, and to those without a class.
fn history_row(rules: &RuleSet, facts: &Facts, key: &MailKey, sender: &Address, now_ms: u64) -> HistoryRow {
    let asked = rules.windows().iter().map(|query| query.to);
    let adds = std::iter::once(None)
        .chain(asked)
        .map(|to| {
            let add = |of| rules.contribution(&WindowQuery { of, to, hours: 1 }, facts);
            let sums = Sums {
                persons: add(Counted::Persons),
                visible_external: add(Counted::VisibleExternal),
                external_recipients: add(Counted::ExternalRecipients),
                mails: add(Counted::Mails),
            };
            (to.map_or(ANY, Class::as_str).to_owned(), sums)
        })
        .collect();
    HistoryRow { key: key.clone(), sender: sender.clone(), login: None, at_ms: now_ms, adds }
}
