//! Numbers for operators in the OpenMetrics text format.
//! It refuses labels that name persons, domains or mails.

use crate::rules::verdict::Outcome;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartLabel {
    part: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PairLabel {
    pair: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabel {
    code: u16,
}

/// All metrics of the program.
pub struct Metrics {
    registry: Registry,
    outcomes: Family<OutcomeLabel, Counter>,
    replies: Family<CodeLabel, Counter>,
    seconds: Histogram,
    delivered: Counter,
    /// Inspections that could not be finished.
    pub inspection_failures: Gauge,
    /// Copies waiting in the outbox.
    pub outbox: Gauge,
    /// Copies in the outbox whose time has come.
    pub outbox_due: Gauge,
    /// Copies in the outbox that failed, about which nobody can be told.
    pub outbox_stuck: Gauge,
    /// Open client connections.
    pub connections: Gauge,
    /// Octets free on the disk of the state folder.
    pub free_bytes: Gauge,
    certificate_expiry: Family<PairLabel, Gauge>,
    /// Rule sets that were refused on reload.
    pub reload_failures: Counter,
    /// Mails whose sender was asked to come later.
    pub rate_limited: Counter,
    confinement: Family<PartLabel, Gauge>,
    /// 1 when the guard runs as root.
    pub root: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sekisho");
        let metrics = Self {
            outcomes: Family::default(),
            replies: Family::default(),
            // 1 ms … 65 s.
            seconds: Histogram::new(exponential_buckets(0.001, 2.0, 17)),
            delivered: Counter::default(),
            inspection_failures: Gauge::default(),
            outbox: Gauge::default(),
            outbox_due: Gauge::default(),
            outbox_stuck: Gauge::default(),
            connections: Gauge::default(),
            free_bytes: Gauge::default(),
            certificate_expiry: Family::default(),
            reload_failures: Counter::default(),
            rate_limited: Counter::default(),
            confinement: Family::default(),
            root: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("mails", "Mails judged, by outcome", metrics.outcomes.clone());
        registry.register("replies", "Replies after end of data, by code", metrics.replies.clone());
        registry.register("reply_seconds", "From end of data to the reply", metrics.seconds.clone());
        registry.register(
            "relayed_recipients",
            "Recipients relayed while the client waited",
            metrics.delivered.clone(),
        );
        registry.register(
            "inspection_failures",
            "Inspections that were not finished",
            metrics.inspection_failures.clone(),
        );
        registry.register("outbox", "Copies waiting in the outbox", metrics.outbox.clone());
        registry.register("outbox_due", "Copies in the outbox that are due", metrics.outbox_due.clone());
        registry.register("free_bytes", "Octets free on the disk of the state folder", metrics.free_bytes.clone());
        registry.register(
            "certificate_expiry_seconds",
            "Seconds until the certificate of [tls] expires, negative afterwards",
            metrics.certificate_expiry.clone(),
        );
        registry.register(
            "outbox_stuck",
            "Copies in the outbox that failed, about which nobody can be told",
            metrics.outbox_stuck.clone(),
        );
        registry.register("connections", "Open client connections", metrics.connections.clone());
        registry.register(
            "reload_failures",
            "Rule sets or certificates refused on reload",
            metrics.reload_failures.clone(),
        );
        registry.register("rate_limited", "Mails whose sender was above the rate", metrics.rate_limited.clone());
        registry.register(
            "confinement",
            "What holds the guard and its workers: version of landlock, 1 for seccomp; 0 for nothing",
            metrics.confinement.clone(),
        );
        registry.register("root", "1 when the guard runs as root", metrics.root.clone());
        Self { registry, ..metrics }
    }

    /// What holds a part of the program.
    pub fn confined(&self, part: &'static str, by: u32) {
        self.confinement.get_or_create(&PartLabel { part }).set(i64::from(by));
    }

    /// A mail was judged.
    pub(super) fn judged(&self, outcome: Outcome) {
        self.outcomes.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
    }

    /// A mail was answered.
    pub(super) fn answered(&self, code: u16, after: Duration) {
        self.replies.get_or_create(&CodeLabel { code }).inc();
        self.seconds.observe(after.as_secs_f64());
    }

    /// Seconds until the certificate of `[tls]` expires; negative afterwards.
    pub fn certificate_expires(&self, seconds: i64) {
        self.certificate_expiry.get_or_create(&PairLabel { pair: "tls" }).set(seconds);
    }

    /// Recipients were relayed.
    pub(super) fn delivered(&self, recipients: usize) {
        self.delivered.inc_by(recipients as u64);
    }

    /// Everything as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        if text::encode(&mut out, &self.registry).is_err() {
            out.clear();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.judged(Outcome::HoldSender);
        metrics.answered(250, Duration::from_millis(3));
        let text = metrics.text();
        assert!(text.contains("sekisho_mails_total{outcome=\"hold_sender\"} 1"), "{text}");
        assert!(text.contains("sekisho_replies_total{code=\"250\"} 1"), "{text}");
    }
}
