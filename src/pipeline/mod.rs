//! One accepted mail from end-of-data to reply; the only place that decides the order of effects.
//! It refuses to say 250 before the mail is safe: with the upstream, or in the store.

mod earlier;
mod effects;
mod group;
mod metrics;
mod rates;
mod sealed;
mod trace;

pub use metrics::Metrics;

use crate::address::Address;
use crate::clock::Clock;
use crate::config::Rates;
use crate::detect::Finding;
use crate::facts::Facts;
use crate::id::MailId;
use crate::inspect::Want;
use crate::limits::Limits;
use crate::mail::envelope::Envelope;
use crate::outbox::Reporter;
use crate::plan;
use crate::relay::Relay;
use crate::rules::classes::Class;
use crate::rules::verdict::{Outcome, Verdict};
use crate::rules::{Counted, RuleSet, WindowQuery, evaluate};
use crate::seal::Sealer;
use crate::smtp::reply::Reply;
use crate::store::{ANY, HeldMail, HistoryRow, MailGroup, MailKey, State, Store, StoreError, Sums, Window, random};
use crate::worker::{Busy, Pool};
use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use bytes::Bytes;
use group::{Group, Groups};
use rates::{Excess, Gate, Turn};
use std::collections::BTreeMap;
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
    /// What is put on mails that leave.
    pub sealer: Arc<Sealer>,
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
    /// It comes back with our own stamp.
    stamped: bool,
    /// What further transactions have to know.
    together: MailGroup,
    /// Was another transaction of the mail taken before?
    further: bool,
    /// The mail as an earlier transaction had it held.
    held: Option<Box<HeldMail>>,
    /// Kept until the mail is answered.
    _turn: Turn,
}

impl Case {
    /// The mail, if it was held and is decided.
    fn decided(&self) -> Option<&HeldMail> {
        self.held.as_deref().filter(|held| held.state != State::Held)
    }
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
    /// Milliseconds after a mail's last transaction within which a further one belongs to it.
    pub keep_together_ms: u64,
    pub rules: Arc<ArcSwap<RuleSet>>,
    pub workers: Arc<Pool>,
    pub store: Arc<Store>,
    pub relay: Arc<Relay>,
    pub bell: Arc<Notify>,
    pub metrics: Arc<Metrics>,
    pub reporter: Reporter,
    pub sealer: Arc<Sealer>,
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
            sealer: parts.sealer,
            secret: parts.secret,
            hide_client: parts.hide_client,
            admins: parts.admins,
            gate: Gate::new(parts.rates),
            groups: Groups::new(parts.keep_together_ms),
        }
    }

    /// Takes one mail after end of data and gives the reply.
    pub async fn accept(&self, envelope: Envelope, mail: Bytes) -> Reply {
        let started = std::time::Instant::now();
        let now_ms = self.clock.now_ms();
        let Some(id) = new_id(now_ms) else {
            return Reply::new(451, "4.3.0", "no randomness available, try again later");
        };
        let looping =
            group::hops(&mail) >= self.limits.hops || group::own_hops(&mail, &self.hostname) >= self.limits.own_hops;
        if looping {
            tracing::warn!(%id, "mail loops");
            return Reply::new(554, "5.4.6", "too many hops, this mail is looping");
        }
        if let Some(reply) = self.pass_on(&id, &envelope, &mail, now_ms).await {
            self.metrics.answered(reply.code, started.elapsed());
            return reply;
        }
        let content = group::mail_key(&self.secret, envelope.sender.as_ref(), &mail);
        let place = self.groups.enter(&content, now_ms);
        let judged = Box::pin(self.judge(id.clone(), &envelope, mail.clone(), content, &place.group, now_ms)).await;
        let reply = match judged {
            Ok((case, verdict)) => {
                let rules = self.rules.load();
                let plan = plan::decide(&verdict, &case.envelope.recipients, &case.facts, &|address| {
                    rules.is_internal(address)
                });
                drop(rules);
                let by_rule = matches!(plan, plan::Plan::Refuse(_));
                let reply = Box::pin(self.perform(case, verdict, plan)).await;
                if reply.is_positive() || by_rule && reply.is_permanent() {
                    place.answered();
                }
                reply
            }
            Err(NotNow::Excess(excess)) => self.turn_away(&envelope, mail.len(), &excess, now_ms).await,
            Err(error) => {
                tracing::error!(%id, "failed to {error}");
                Reply::new(451, "4.3.0", "cannot judge the mail now, try again later")
            }
        };
        drop(place);
        self.metrics.answered(reply.code, started.elapsed());
        reply
    }

    /// Inspects and evaluates; nothing has been done about the mail yet.
    async fn judge(
        &self,
        id: MailId,
        envelope: &Envelope,
        mail: Bytes,
        content: MailKey,
        group: &Group,
        now_ms: u64,
    ) -> Result<(Case, Verdict), NotNow> {
        let turn = self.admit(envelope, &content, &id, group, now_ms).await?;
        let (inspection, origin) = tokio::join!(
            group.inspection.get_or_try_init(|| self.workers.inspect(envelope, &mail, Want::default())),
            group.origin(&self.store, &content, &id, now_ms, &self.groups),
        );
        let (inspection, origin) = (inspection?, origin?);
        let key = origin.row.key();
        let held = if group.has_others(origin) { self.store.held_by_key(&key).await? } else { None };
        let rules = self.rules.load_full();
        let mut facts = inspection.facts.clone();
        facts.recipients = group.join(envelope);
        facts.time = self.clock.local(now_ms);
        facts.login.clone_from(&envelope.client.login);
        facts.client = Some(envelope.client.origin());
        let before = self.history(&rules, envelope.sender.as_ref(), &mut facts, group, &origin.row).await?;
        let earlier = origin.row.verdict.iter().chain(held.iter().map(|held| &held.verdict)).cloned();
        let verdict = group.strictest(evaluate(&rules, &facts), earlier);
        let findings = if verdict.outcome == Outcome::Pass { Vec::new() } else { inspection.findings.clone() };
        let together = MailGroup {
            last_ms: now_ms,
            windows: before,
            verdict: Some(verdict.clone()).filter(|verdict| verdict.outcome > Outcome::Pass),
            ..origin.row.clone()
        };
        let (further, held) = (group.is_answered(), held.map(Box::new));
        let envelope = envelope.clone();
        let case = Case {
            id,
            key,
            envelope,
            mail,
            facts,
            findings,
            now_ms,
            stamped: false,
            together,
            further,
            held,
            _turn: turn,
        };
        Ok((case, verdict))
    }

    /// What the sender did before the mail's first transaction: completes the facts, and gives what earlier mails add up to. Each is asked once
    /// for one mail, so that mails which come between its transactions change nothing; and windows only when they can change the verdict.
    /// All other facts are there already.
    async fn history(
        &self,
        rules: &RuleSet,
        sender: Option<&Address>,
        facts: &mut Facts,
        group: &Group,
        origin: &MailGroup,
    ) -> Result<BTreeMap<String, u64>, StoreError> {
        let Some(sender) = sender else { return Ok(BTreeMap::new()) };
        let mut known = group.history.lock().await;
        if rules.uses_first_contact() {
            let all = facts.recipients.iter();
            let new: Vec<Address> = all.filter(|address| !known.asked.contains(address.key())).cloned().collect();
            let first = self.store.first_contact(sender, &new, origin.first_ms).await?;
            known.asked.extend(new.iter().map(|address| address.key().to_owned()));
            known.first_contact.extend(first);
            facts.first_contact.clone_from(&known.first_contact);
        }
        for (key, before) in &origin.windows {
            known.windows.entry(key.clone()).or_insert(*before);
        }
        let mut open = rules.open_windows(facts);
        open.retain(|query| !known.windows.contains_key(&query.key()));
        if !open.is_empty() {
            // What came while the mail was on its way counts for its first transaction, and then no more.
            let until_ms = if group.is_answered() { origin.first_ms } else { u64::MAX };
            let windows: Vec<Window> = open.iter().map(|query| window(*query, origin.first_ms, until_ms)).collect();
            let sums = self.store.windows(sender, &windows, Some(&origin.key())).await?;
            for (query, sums) in open.iter().zip(sums) {
                let before = match query.of {
                    Counted::Persons => sums.persons,
                    Counted::VisibleExternal => sums.visible_external,
                    Counted::ExternalRecipients => sums.external_recipients,
                    Counted::Mails => sums.mails,
                };
                known.windows.insert(query.key(), before);
            }
        }
        if !known.windows.is_empty() {
            for query in rules.windows() {
                let key = query.key();
                if let Some(before) = known.windows.get(&key) {
                    facts.windows.insert(key, before + rules.contribution(query, facts));
                }
            }
        }
        Ok(known.windows.clone())
    }
}

/// A fresh id; `None` when the system gives no randomness.
pub(crate) fn new_id(now_ms: u64) -> Option<MailId> {
    Some(MailId::new(now_ms, random().ok()?))
}

/// The window of the sender's history that a rule asks for.
fn window(query: WindowQuery, first_ms: u64, until_ms: u64) -> Window {
    Window {
        since_ms: first_ms.saturating_sub(u64::from(query.hours) * 3_600_000),
        until_ms,
        class: query.to.map_or(ANY, Class::as_str).to_owned(),
    }
}

/// The mail as a row of its sender's history: what it adds to each window that a rule asks for, and to those without a class.
fn history_row(rules: &RuleSet, facts: &Facts, key: &MailKey, sender: &Address, first_ms: u64) -> HistoryRow {
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
    HistoryRow { key: key.clone(), sender: sender.clone(), at_ms: first_ms, adds, sent: None }
}
