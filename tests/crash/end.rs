//! The end of a run: the guard goes on until nothing is to be done, stops in order, and the store is read.
//! It refuses to take "not yet" for "lost": as long as anything is due, the guard gets another life.

use crate::guard::{Guard, Over, Place, body_files};
use crate::sink::Sink;
use sekisho::store::{AuditFilter, AuditRow, HeldFilter, HeldMail, Notice, Options, OutboxItem, Role, State, Store};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is in the store when nothing is due any more.
pub struct Kept {
    pub held: Vec<HeldMail>,
    /// By mail id, of all mails that still wait.
    pub bodies: BTreeMap<String, Option<Vec<u8>>>,
    pub outbox: Vec<OutboxItem>,
    pub notices: Vec<Notice>,
    pub audit: Vec<AuditRow>,
    pub files: Vec<String>,
}

/// Nothing happened for so long, and nothing is due: longer than the guard's looks at notices, and than `settle`.
const QUIET: Duration = Duration::from_millis(2_500);
/// So long a mail server that gets nothing is waited for, and so long one that gets something.
const PATIENCE: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_mins(20);
/// Lives it may take.
const TRIES: u64 = 6;

/// Lets everything run dry; gives what is left, and what the lives said.
pub fn run_dry(place: &Place, sink: &Sink, guard: Guard, life: u64) -> (Kept, Vec<Over>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut guard, mut said) = (Some(guard), Vec::new());
    for turn in 0.. {
        let running = guard.take().unwrap_or_else(|| {
            let next = Guard::start(place, life + turn);
            next.ready();
            next
        });
        runtime.block_on(wait(place, sink));
        let over = running.stop(false);
        assert!(over.status.success(), "{}:\n{}", over.status, over.lines.join("\n"));
        said.push(over);
        let kept = runtime.block_on(read(place));
        if kept.is_dry() || turn == TRIES {
            return (kept, said);
        }
    }
    unreachable!()
}

impl Kept {
    /// Is nothing left but what waits for the mail server or a person?
    fn is_dry(&self) -> bool {
        let waits = |mail: &HeldMail| match mail.state {
            State::Releasing => true,
            State::Held => mail.verdict.hold.as_ref().is_some_and(|terms| terms.expires_ms < 10_000),
            _ => false,
        };
        let deferred = |item: &OutboxItem| item.recipients.iter().all(|to| to.address.as_str().starts_with("never"));
        self.notices.is_empty() && self.outbox.iter().all(deferred) && !self.held.iter().any(waits)
    }
}

async fn open(place: &Place) -> Store {
    Store::open(&Options { dir: place.state(), role: Role::Tool, key_file: None }).await.unwrap()
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn wait(place: &Place, sink: &Sink) {
    let store = open(place).await;
    let begun = Instant::now();
    loop {
        let (_, due) = store.outbox_depth(now_ms()).await.unwrap();
        if (due == 0 && sink.quiet() > QUIET && begun.elapsed() > QUIET)
            || sink.quiet() > PATIENCE
            || begun.elapsed() > LONGEST
        {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    store.close().await;
}

async fn read(place: &Place) -> Kept {
    let store = open(place).await;
    let held = store.list_held(&HeldFilter { limit: u32::MAX, ..HeldFilter::default() }).await.unwrap();
    let mut bodies = BTreeMap::new();
    for mail in held.iter().filter(|mail| mail.state == State::Held) {
        let body = store.body(&mail.id).await.unwrap();
        bodies.insert(mail.id.to_string(), body.map(|bytes| bytes.to_vec()));
    }
    let far = now_ms() + 30 * 24 * 3_600_000;
    // A lease of no time at all: the next life finds everything as it was.
    let outbox = store.claim_due(far, 0, u32::MAX).await.unwrap();
    let notices = store.claim_notices(far, 0, u32::MAX).await.unwrap();
    let audit = store.audit(&AuditFilter { limit: u32::MAX, ..AuditFilter::default() }).await.unwrap();
    store.close().await;
    Kept { held, bodies, outbox, notices, audit, files: body_files(&place.state()) }
}
