//! The one writer: jobs of all callers are committed in groups, so that one fsync acknowledges many of them.
//! It refuses to answer a job before its commit is on the disk, and to let one failing job sink the others of its group.

use super::StoreError;
use super::audit::{self, Recording};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection};
use std::future::Future;
use std::pin::Pin;
use std::slice;
use tokio::sync::{mpsc, oneshot};

/// Jobs of one transaction, at most.
const GROUP: usize = 128;
/// Jobs that may wait before callers are slowed down.
const QUEUE: usize = 1_024;

/// One change of the store. It may be applied more than once until it is committed, so it changes nothing but the database.
pub(super) trait Write: Send + Sync + 'static {
    /// What the caller learns.
    type Out: Send + 'static;

    /// Applies the change inside the open transaction.
    fn apply(&self, at: &mut AnyConnection) -> impl Future<Output = Result<Self::Out, StoreError>> + Send;

    /// The change as a record of a mail that is not kept, with what its caller learns: the records of a group are written together.
    fn recording(&self) -> Option<(&Recording, Self::Out)> {
        None
    }
}

/// A change with its caller, without its types.
trait Job: Send {
    fn run<'a>(
        &'a mut self,
        at: &'a mut AnyConnection,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;
    fn is_recording(&self) -> bool;
    /// As in [`Write::recording`]; who asks performs it, so it counts as run.
    fn recording(&mut self) -> Option<&Recording>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<W: Write> {
    work: W,
    out: Option<W::Out>,
    reply: oneshot::Sender<Result<W::Out, StoreError>>,
}

impl<W: Write> Job for Pending<W> {
    fn run<'a>(
        &'a mut self,
        at: &'a mut AnyConnection,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>> {
        Box::pin(async move {
            self.out = Some(self.work.apply(at).await?);
            Ok(())
        })
    }

    fn is_recording(&self) -> bool {
        self.work.recording().is_some()
    }

    fn recording(&mut self) -> Option<&Recording> {
        let (recording, out) = self.work.recording()?;
        self.out = Some(out);
        Some(recording)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { work, out, reply } = *self;
        // Before the answer: the caller may take the input back as soon as he has it.
        drop(work);
        // A caller who went away is no reason to undo what is committed.
        drop(reply.send(committed.and_then(|()| out.ok_or(StoreError::Closed))));
    }
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

impl Writer {
    /// Starts the writer on a pool of its own, or on one that it shares with readers.
    pub(super) fn start(pool: AnyPool, shared: bool) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let way = Way { pool, at: None, shared };
        tokio::spawn(work(way, waiting));
        Self { queue }
    }

    /// Hands a change to the writer and waits until it is committed.
    pub(super) async fn write<W: Write>(&self, work: W) -> Result<W::Out, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending { work, out: None, reply });
        self.queue.send(Message::Job(job)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits until everything handed over so far is committed, then ends the writer.
    pub(super) async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            // An error means that the writer has ended already.
            drop(answer.await);
        }
    }
}

/// The way to the database.
struct Way {
    pool: AnyPool,
    /// The connection of the last group. Giving it back to the pool between two groups would be a task and a question to the database each time.
    at: Option<PoolConnection<Any>>,
    /// Others need the connection too.
    shared: bool,
}

async fn work(mut way: Way, mut waiting: mpsc::Receiver<Message>) {
    let pool = way.pool.clone();
    let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(GROUP);
    let mut messages = Vec::with_capacity(GROUP);
    let mut closing = Vec::new();
    while waiting.recv_many(&mut messages, GROUP).await > 0 {
        for message in messages.drain(..) {
            match message {
                Message::Job(job) => group.push(job),
                Message::Close(reply) => {
                    waiting.close();
                    closing.push(reply);
                }
            }
        }
        let jobs = std::mem::take(&mut group);
        let shared = way.shared;
        // A defect in one job must not end the writer: it ends this task, and the callers of the group see their answers dropped.
        let committed = tokio::spawn(async move {
            commit_group(&mut way, jobs).await;
            way
        });
        way = committed.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a group of jobs ended by itself");
            Way { pool: pool.clone(), at: None, shared }
        });
    }
    drop(way);
    pool.close().await;
    for reply in closing {
        // Whoever asked may have gone away.
        let _ = reply.send(());
    }
}

/// Commits all jobs together; when that fails, each by itself, so that only the guilty ones fail.
async fn commit_group(way: &mut Way, mut group: Vec<Box<dyn Job>>) {
    if group.len() > 1 {
        let committed = way.commit(&mut group).await;
        match committed {
            Ok(()) => return group.into_iter().for_each(|job| job.answer(Ok(()))),
            // Each of them would wait as long again.
            Err(StoreError::Busy) => return group.into_iter().for_each(|job| job.answer(Err(StoreError::Busy))),
            Err(error) => tracing::warn!(%error, jobs = group.len(), "a group commit failed; trying its jobs singly"),
        }
    }
    for mut job in group {
        let committed = way.commit(slice::from_mut(&mut job)).await;
        if let Err(error) = &committed {
            tracing::error!(%error, "failed to commit");
        }
        job.answer(committed);
    }
}

impl Way {
    /// All jobs in one transaction, or none of them.
    async fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let mut at = match self.at.take() {
            Some(at) => at,
            None => self.pool.acquire().await?,
        };
        let result = transaction(&mut at, jobs).await;
        if result.is_err() {
            // SQLite may have ended the transaction by itself (full disk, I/O error): a new connection knows where it stands.
            at.close_on_drop();
        } else if !self.shared {
            self.at = Some(at);
        }
        result
    }
}

async fn transaction(at: &mut AnyConnection, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    // IMMEDIATE: the write lock is taken here, where waiting for it is safe, and not at the first write.
    let mut open = at.begin_with("BEGIN IMMEDIATE").await?;
    let mut recordings = Vec::new();
    for job in jobs {
        if job.is_recording() {
            recordings.extend(job.recording());
        } else {
            job.run(&mut open).await?;
        }
    }
    audit::record_all(&mut open, &recordings).await?;
    open.commit().await?;
    Ok(())
}
