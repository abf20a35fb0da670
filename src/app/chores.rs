//! What goes on beside the dialogue: the outbox, notices, expiry, purging, and watching files.
//! It refuses to die of one failure: each chore says what failed and goes on.

use super::letters;
use crate::address::{Address, DomainSet};
use crate::clock::Clock;
use crate::config::Config;
use crate::hold::Desk;
use crate::listen::Shared;
use crate::listen::tls::Certificate;
use crate::notice::link::LinkKey;
use crate::notice::{Author, Language, Voice};
use crate::outbox::{Outbox, Sealed};
use crate::pipeline::Metrics;
use crate::relay::Relay;
use crate::reload::{self, Fingerprint};
use crate::rules::RuleSet;
use crate::rules::verdict::Bilingual;
use crate::seal::Sealer;
use crate::store::{Retention, Store, free_bytes};
use crate::worker::Pool;
use arc_swap::ArcSwap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often files are looked at.
const WATCH: Duration = Duration::from_secs(2);
/// How often notices are looked at.
const POLL: Duration = Duration::from_secs(1);
/// How often expiry and escalation are looked at.
const EXPIRY: Duration = Duration::from_secs(5);
/// How often the state for operators is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often the certificate's end is looked at.
const EXPIRY_OF_CERTIFICATES: Duration = Duration::from_secs(30);
/// How often the room on the disk is looked at.
const ROOM: Duration = Duration::from_secs(1);
/// How often old rows are removed.
const PURGE: Duration = Duration::from_secs(3_600);

/// Everything the chores need.
pub(super) struct Chores {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) rules: Arc<ArcSwap<RuleSet>>,
    pub(super) workers: Arc<Pool>,
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) store: Arc<Store>,
    pub(super) relay: Arc<Relay>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) outbox: Outbox,
    pub(super) desk: Arc<Desk>,
    pub(super) key: LinkKey,
    pub(super) author: Author,
    pub(super) bell: Arc<Notify>,
    pub(super) metrics: Arc<Metrics>,
    /// Why the guard is not well, as of the last look.
    pub(super) unwell: Mutex<Vec<String>>,
    /// What an administrator should look at, as of the last look.
    pub(super) remarks: Mutex<Vec<String>>,
    pub(super) stopping: CancellationToken,
}

impl Chores {
    /// Starts all of them.
    pub(super) fn start(self: &Arc<Self>, tasks: &TaskTracker, shared: &Arc<Shared>) {
        let (all, listening) = (Arc::clone(self), Arc::clone(shared));
        tasks.spawn(async move {
            while all.goes_on() {
                all.look_around(&listening).await;
                all.pause(LOOK).await;
            }
        });
        let all = Arc::clone(self);
        let clock = self.clock.clone();
        let sealed = Sealed::new(Arc::clone(&self.relay), Arc::clone(&self.sealer), Arc::new(move || clock.now_ms()));
        let sealed = Arc::new(sealed);
        tasks.spawn(async move {
            let clock = all.clock.clone();
            all.outbox.run(move || clock.now_ms(), &sealed, &all.bell, &all.stopping).await;
        });
        let all = Arc::clone(self);
        tasks.spawn(async move {
            while all.goes_on() {
                all.letters().await;
                all.pause(POLL).await;
            }
        });
        let all = Arc::clone(self);
        tasks.spawn(async move {
            while all.goes_on() {
                all.expire().await;
                all.pause(EXPIRY).await;
            }
        });
        let all = Arc::clone(self);
        tasks.spawn(async move {
            while all.goes_on() {
                all.purge().await;
                all.pause(PURGE).await;
            }
        });
        let all = Arc::clone(self);
        tasks.spawn(async move {
            all.seal_old().await;
            while all.goes_on() {
                all.warn_of_expiry().await;
                all.pause(EXPIRY_OF_CERTIFICATES).await;
            }
        });
        let (all, shared) = (Arc::clone(self), Arc::clone(shared));
        tasks.spawn(async move {
            while all.goes_on() {
                all.look_at_room(&shared);
                all.pause(ROOM).await;
            }
        });
        let all = Arc::clone(self);
        tasks.spawn(async move { all.watch().await });
    }

    fn goes_on(&self) -> bool {
        !self.stopping.is_cancelled()
    }

    /// Waits, or returns at once when the guard stops.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    async fn letters(&self) {
        let voice = self.voice();
        match letters::write_due(&self.store, &voice, self.clock.now_ms()).await {
            Ok(0) => {}
            Ok(_) => self.bell.notify_one(),
            Err(error) => tracing::error!("failed to {error}"),
        }
    }

    async fn expire(&self) {
        match self.desk.expire(self.clock.now_ms()).await {
            Ok(done) if done.released + done.expired + done.escalated > 0 => self.bell.notify_one(),
            Ok(_) => {}
            Err(error) => tracing::error!("failed to {error}"),
        }
    }

    async fn purge(&self) {
        // History must outlive the longest window that any rule asks for.
        let history_ms = u64::from(self.rules.load().longest_window_hours()).max(24 * 31).saturating_mul(2 * 3_600_000);
        let keep = Retention {
            decided_ms: self.config.keep_decided_ms,
            audit_ms: self.config.keep_audit_ms,
            history_ms,
            contacts_ms: self.config.keep_audit_ms,
        };
        if let Err(error) = self.store.purge(self.clock.now_ms(), &keep).await {
            tracing::error!("failed to {error}");
        }
    }

    /// Seals what an older version kept in clear.
    async fn seal_old(&self) {
        match self.store.seal_old().await {
            Ok(0) => {}
            Ok(sealed) => tracing::info!(sealed, "what an older version kept in clear is sealed"),
            Err(error) => {
                tracing::error!("failed to {error}: what an older version kept stays in clear until the next start");
            }
        }
    }

    /// Below the floor no mail is taken; what is kept and what the outbox writes still has that room.
    fn look_at_room(&self, shared: &Shared) {
        match free_bytes(&self.config.state) {
            Ok(free) => {
                self.metrics.free_bytes.set(i64::try_from(free).unwrap_or(i64::MAX));
                let full = free < self.config.store.min_free;
                if shared.full.swap(full, Ordering::Relaxed) != full {
                    if full {
                        tracing::error!(
                            free,
                            min_free = self.config.store.min_free,
                            "too little room: no mail is taken"
                        );
                    } else {
                        tracing::info!(free, "there is room again: mail is taken");
                    }
                }
            }
            Err(error) => tracing::error!("failed to {error}"),
        }
    }

    /// Reloads when a watched file changed.
    async fn watch(&self) {
        let look = || {
            let tls = self.config.tls.iter().flat_map(|(certificate, key)| [certificate.as_path(), key.as_path()]);
            (Fingerprint::of(self.config.rules.as_deref()), Fingerprint::of(tls))
        };
        let mut seen = look();
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = tokio::time::sleep(WATCH) => {}
            }
            let now = look();
            if now != seen {
                seen = now;
                self.reload(false).await;
            }
        }
    }

    /// Loads rules and certificate anew; what is wrong leaves the old one in force, and is said.
    pub(super) async fn reload(&self, asked: bool) {
        let (folder, limits) = (self.config.rules.clone(), self.config.limits.clone());
        let loaded = tokio::task::spawn_blocking(move || reload::load(folder.as_deref(), &limits)).await;
        match loaded {
            Ok(Ok(set)) => {
                self.workers.configure(reload::context(&set, &self.config.limits));
                self.rules.store(Arc::new(set));
                tracing::info!(asked, "rules loaded");
            }
            Ok(Err(error)) => {
                self.metrics.reload_failures.inc();
                tracing::error!("the old rules stay in force: failed to {error}");
            }
            Err(error) => tracing::error!(%error, "the old rules stay in force: loading crashed"),
        }
        if let (Some(current), Some((certificate, key))) = (&self.certificate, &self.config.tls) {
            match current.reload(Path::new(certificate), Path::new(key)) {
                Ok(()) => tracing::info!("certificate loaded"),
                Err(error) => {
                    self.metrics.reload_failures.inc();
                    tracing::error!("the old certificate stays in use: failed to {error}");
                }
            }
        }
    }

    /// How the page speaks.
    pub(super) fn voice(&self) -> Voice {
        let languages = self.config.notice.languages.iter();
        Voice {
            author: self.author.clone(),
            base_url: self.config.console.as_ref().map(|console| console.url.clone()).unwrap_or_default(),
            languages: languages.map(|word| if word == "ja" { Language::Ja } else { Language::En }).collect(),
            zone: self.clock.zone().clone(),
            internal: DomainSet::new(self.rules.load().internal_patterns()),
            contact: Bilingual::default(),
            admins: self.config.notice.admins.iter().map(|admin| Address::new(admin)).collect(),
            key: self.key.clone(),
        }
    }

    /// Asks the store and the upstream how they are; `/healthz` and `/metrics` tell the last answer.
    async fn look_around(&self, shared: &Shared) {
        let mut reasons = Vec::new();
        match self.store.outbox_depth(self.clock.now_ms()).await {
            Ok((all, due)) => {
                self.metrics.outbox.set(i64::try_from(all).unwrap_or(i64::MAX));
                self.metrics.outbox_due.set(i64::try_from(due).unwrap_or(i64::MAX));
            }
            Err(error) => reasons.push(format!("failed to {error}")),
        }
        match self.store.outbox_stuck().await {
            Ok(stuck) => {
                self.metrics.outbox_stuck.set(i64::try_from(stuck).unwrap_or(i64::MAX));
                *self.remarks.lock().unwrap_or_else(PoisonError::into_inner) =
                    stuck_remark(stuck).into_iter().collect();
            }
            Err(error) => reasons.push(format!("failed to {error}")),
        }
        if !self.relay.reachable().await {
            reasons.push("the mail server behind is not reachable".to_owned());
        }
        reasons.extend(self.look_at_certificate());
        if shared.full.load(Ordering::Relaxed) {
            reasons.push("there is too little room on the disk of the state folder".to_owned());
        }
        self.relay.tidy();
        self.metrics.connections.set(i64::try_from(shared.connections()).unwrap_or(i64::MAX));
        self.metrics.inspection_failures.set(i64::try_from(self.workers.failures()).unwrap_or(i64::MAX));
        *self.unwell.lock().unwrap_or_else(PoisonError::into_inner) = reasons;
    }

    /// What an administrator should look at although the guard is well.
    pub(super) fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the guard is not well; nothing when it is.
    pub(super) fn reasons(&self) -> Vec<String> {
        self.unwell.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn stuck_remark(stuck: u64) -> Option<String> {
    let letters = if stuck == 1 { "1 letter is" } else { &format!("{stuck} letters are") };
    (stuck > 0).then(|| format!("{letters} stuck in the outbox and nobody was told: see `sekisho outbox list --stuck`"))
}
