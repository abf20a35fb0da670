//! The relay's side of the workers: hands out one mail at a time, waits no longer than the deadline, replaces what died.
//! It refuses to answer "clean" for a mail whose worker failed; the fact is `inspection_failed` with its cause.

use super::frame::{self, HEAD_BYTES, PREFIX, Request, Response};
use super::sandbox::Confinement;
use crate::config::file::Confine;
use crate::facts::Facts;
use crate::inspect::{Context, Inspection, Want};
use crate::mail::envelope::Envelope;
use crate::mail::recipients;
use crate::mail::shown::{self, Place};
use std::io;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A worker is replaced after this many mails, whatever it says.
const MAILS_PER_WORKER: u32 = 10_000;
/// How long a mail waits for a free worker before the client is asked to come again.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the pool is built.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program to run; its first argument is `inspect-worker`.
    pub program: PathBuf,
    /// How many processes.
    pub count: usize,
    /// How long one mail may take.
    pub deadline: Duration,
    /// Mebibytes of address space of each.
    pub mebibytes: u64,
    /// How far they give up files, network and system calls.
    pub confine: Confine,
}

/// No worker can be had, or none as confined as it must be. The text fits behind "failed to".
#[derive(Debug, thiserror::Error)]
#[error("start an inspection process: {0}")]
pub struct NotStarted(String);

impl NotStarted {
    /// For a reason outside of the pool.
    #[must_use]
    pub fn because(cause: &dyn std::fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

/// All workers were busy for too long; nothing is known about the mail.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("inspect the mail: all workers are busy")]
pub struct Busy;

/// The pool.
#[derive(Debug)]
pub struct Pool {
    options: Options,
    context: RwLock<(u64, Arc<Context>)>,
    idle: Mutex<Vec<Worker>>,
    slots: Semaphore,
    failures: AtomicU64,
    confinement: OnceLock<Confinement>,
}

#[derive(Debug)]
struct Worker {
    // Held for its drop: the process is killed with it.
    _child: Child,
    input: ChildStdin,
    output: ChildStdout,
    generation: u64,
    mails: u32,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the worker could not be started: {0}")]
    Start(io::Error),
    #[error("the worker died ({0})")]
    Died(io::Error),
    #[error("the worker answered nonsense: {0}")]
    Nonsense(serde_json::Error),
    #[error("the worker's answer is too long")]
    TooLong,
    #[error("the kernel cannot confine it as `confine = \"require\"` asks")]
    Free,
    #[error("no answer within {0} s")]
    Deadline(u64),
    #[error("{0}")]
    Said(String),
}

impl Pool {
    /// Builds the pool; processes start when they are needed.
    #[must_use]
    pub fn new(options: Options, context: Context) -> Self {
        let slots = Semaphore::new(options.count.max(1));
        Self {
            options,
            context: RwLock::new((1, Arc::new(context))),
            idle: Mutex::default(),
            slots,
            failures: AtomicU64::new(0),
            confinement: OnceLock::new(),
        }
    }

    /// From the next mail on, every worker uses this context.
    pub fn configure(&self, context: Context) {
        let mut current = self.context.write().unwrap_or_else(PoisonError::into_inner);
        *current = (current.0 + 1, Arc::new(context));
    }

    /// Starts the first worker before any mail needs it, and says what holds it.
    ///
    /// # Errors
    /// [`NotStarted`]: the guard could inspect nothing.
    pub async fn open(&self) -> Result<Confinement, NotStarted> {
        let worker = match timeout(self.options.deadline, self.start()).await {
            Ok(Ok(worker)) => worker,
            Ok(Err(fault)) => return Err(NotStarted(fault.to_string())),
            Err(_) => return Err(NotStarted(Fault::Deadline(self.options.deadline.as_secs()).to_string())),
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        Ok(self.confinement().unwrap_or_default())
    }

    /// What holds the workers, once one has started.
    #[must_use]
    pub fn confinement(&self) -> Option<Confinement> {
        self.confinement.get().copied()
    }

    /// How many inspections could not be finished since the start.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Inspects one mail. A worker that fails is killed, and the facts say `inspection_failed`.
    ///
    /// # Errors
    /// [`Busy`] when no worker became free in time.
    pub async fn inspect(&self, envelope: &Envelope, mail: &[u8], want: Want) -> Result<Inspection, Busy> {
        let Ok(Ok(_slot)) = timeout(PATIENCE, self.slots.acquire()).await else { return Err(Busy) };
        let fault = match timeout(self.options.deadline, self.twice(envelope, mail, want)).await {
            Ok(Ok(inspection)) => return Ok(inspection),
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Deadline(self.options.deadline.as_secs()),
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(cause = %fault, bytes = mail.len(), "inspection failed");
        Ok(Inspection { facts: uninspected(envelope, mail, &fault.to_string()), ..Inspection::default() })
    }

    /// A worker that died may have been killed for reasons of its own, when memory was short or while it was idle: the mail gets another one,
    /// within the same deadline. If it is the mail that kills workers, the second one dies too.
    async fn twice(&self, envelope: &Envelope, mail: &[u8], want: Want) -> Result<Inspection, Fault> {
        match self.attempt(envelope, mail, want).await {
            Err(Fault::Died(error)) => {
                tracing::info!(%error, "a worker died; another one gets the mail");
                self.attempt(envelope, mail, want).await
            }
            other => other,
        }
    }

    /// One attempt; a worker taken out is only put back after a good answer, so that any fault drops and kills it.
    async fn attempt(&self, envelope: &Envelope, mail: &[u8], want: Want) -> Result<Inspection, Fault> {
        let (generation, context) = {
            let current = self.context.read().unwrap_or_else(PoisonError::into_inner);
            (current.0, Arc::clone(&current.1))
        };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => self.start().await?,
        };
        if worker.generation != generation {
            let configure = Request::Configure(Box::new(Context::clone(&context)));
            worker.send(&configure, &[]).await?;
            worker.generation = generation;
        }
        let request = Request::Inspect { envelope: Box::new(envelope.clone()), want };
        worker.send(&request, mail).await?;
        match worker.receive().await? {
            Response::Inspected { inspection, retire } => {
                worker.mails += 1;
                if !retire && worker.mails < MAILS_PER_WORKER {
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                }
                Ok(*inspection)
            }
            Response::Failed { cause } => Err(Fault::Said(cause)),
            Response::Ready(_) => Err(Fault::Said("the worker began anew".to_owned())),
        }
    }

    /// Starts a process and waits until it says what holds it.
    async fn start(&self) -> Result<Worker, Fault> {
        let mut child = Command::new(&self.options.program)
            .arg("inspect-worker")
            .arg(self.options.mebibytes.to_string())
            .args((self.options.confine == Confine::Off).then_some("--unconfined"))
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(Fault::Start)?;
        let missing = || Fault::Start(io::ErrorKind::BrokenPipe.into());
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let mut worker = Worker { _child: child, input, output, generation: 0, mails: 0 };
        match worker.receive().await? {
            Response::Ready(held) if self.options.confine == Confine::Require && !held.whole() => Err(Fault::Free),
            Response::Ready(held) => {
                let _ = self.confinement.set(held);
                Ok(worker)
            }
            Response::Inspected { .. } | Response::Failed { .. } => {
                Err(Fault::Said("the worker answered before it was asked".to_owned()))
            }
        }
    }
}

/// What is known of a mail without a worker: its envelope, and whom its recipient fields show, so that a release with hidden addresses hides them.
fn uninspected(envelope: &Envelope, mail: &[u8], cause: &str) -> Facts {
    let mut facts = Facts::failed(envelope, mail.len() as u64, cause);
    match catch_unwind(|| recipients::read(mail)) {
        Ok(visible) => {
            facts.visible = visible.addresses;
            facts.recipients_unclear = visible.unclear;
        }
        Err(_) => facts.recipients_unclear = Some("they could not be read".to_owned()),
    }
    match catch_unwind(|| shown::read(mail, None)) {
        Ok(shown) => facts.show(shown),
        Err(_) => facts.unremovable = [(Place::DamagedCalendar, Vec::new())].into(),
    }
    facts
}

impl Worker {
    async fn send(&mut self, request: &Request, body: &[u8]) -> Result<(), Fault> {
        let mut head = frame::head(request, body.len()).map_err(Fault::Nonsense)?;
        if body.len() <= 64 * 1024 {
            // One write for head and body: a small mail costs one system call.
            head.extend_from_slice(body);
            return self.input.write_all(&head).await.map_err(Fault::Died);
        }
        self.input.write_all(&head).await.map_err(Fault::Died)?;
        self.input.write_all(body).await.map_err(Fault::Died)
    }

    async fn receive(&mut self) -> Result<Response, Fault> {
        let mut prefix = [0; PREFIX];
        self.output.read_exact(&mut prefix).await.map_err(Fault::Died)?;
        let (head_bytes, _) = frame::lengths(&prefix);
        if head_bytes > HEAD_BYTES {
            return Err(Fault::TooLong);
        }
        let mut head = vec![0; usize::try_from(head_bytes).map_err(|_| Fault::TooLong)?];
        self.output.read_exact(&mut head).await.map_err(Fault::Died)?;
        serde_json::from_slice(&head).map_err(Fault::Nonsense)
    }
}
