//! The worker process itself: gives up memory, files, network and system calls, then inspects one mail after another from its input.
//! It refuses to open anything or to outlive its parent: end of input is its end.

use super::frame::{self, PREFIX, Request, Response};
use super::probe::Probe;
use super::sandbox::{self, Confinement};
use crate::inspect::{Context, Inspector, Want};
use crate::mail::envelope::Envelope;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Parsers recurse; this is the stack of the thread they run on.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// A worker that holds more than this after a mail asks to be replaced.
const RETIRE_KIBIBYTES: u64 = 96 * 1024;

/// What of the confinement is put up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walls {
    pub landlock: bool,
    pub seccomp: bool,
}

/// Serves requests from standard input until it ends; the address space is limited to `mebibytes`. With a probe, tries that instead, and says
/// on standard output what came of it.
#[must_use]
pub fn run(mebibytes: u64, walls: Walls, probe: Option<Probe>) -> ExitCode {
    if ignore_signals().is_err() {
        return ExitCode::FAILURE;
    }
    // Opened before files are out of reach.
    let memory = Memory { account: File::open("/proc/self/statm").ok(), page_bytes: rustix::param::page_size() as u64 };
    limit(mebibytes);
    let landlock = if walls.landlock { sandbox::without_files().unwrap_or(0) } else { 0 };
    let work = move || {
        // Here and not before: this thread is the last that may be started.
        let held = Confinement { landlock, seccomp: walls.seccomp && sandbox::without_calls() };
        match probe {
            Some(probe) => report(held, &probe),
            None => Room { memory, held }.serve(io::stdin().lock(), io::stdout().lock()),
        }
    };
    let served = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    match served.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Says what holds the process and how the attempt ended.
fn report(held: Confinement, probe: &Probe) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "landlock {} seccomp {}", held.landlock, held.seccomp)?;
    out.flush()?;
    match probe.attempt() {
        Ok(()) => writeln!(out, "possible"),
        Err(error) => writeln!(out, "refused: {error}"),
    }
}

/// Service managers and terminals send their signals to the whole group of processes. A worker that went at once would leave the mails that are
/// being inspected unread, and an orderly stop would hold them all; the end of its input is the only end it needs.
fn ignore_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    // A handler, once set, stays for the life of the process, and replaces the default: to end it.
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

/// Bounds the resources of this process; what the kernel refuses to bound is not needed for the deadline to work.
fn limit(mebibytes: u64) {
    let memory = mebibytes.saturating_mul(1024 * 1024);
    for (resource, bound) in [(Resource::As, memory), (Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, 16)]
    {
        let _ = setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) });
    }
    // A panic is answered as a failed inspection; its text may quote the mail, so it is not printed.
    std::panic::set_hook(Box::new(|_| ()));
}

/// How a worker knows its size when files are out of reach.
struct Memory {
    /// The kernel's account of this process (proc(5), `statm`).
    account: Option<File>,
    page_bytes: u64,
}

/// A worker at work.
struct Room {
    memory: Memory,
    held: Confinement,
}

impl Room {
    fn serve(&self, mut input: impl Read, mut output: impl Write) -> io::Result<()> {
        output.write_all(&frame::head(&Response::Ready(self.held), 0)?)?;
        output.flush()?;
        let mut inspector = None;
        let mut body = Vec::new();
        while let Some(request) = receive(&mut input, &mut body)? {
            match request {
                Request::Configure(context) => inspector = Some(Inspector::new(*context)),
                Request::Inspect { envelope, want } => {
                    let inspector = inspector.get_or_insert_with(|| Inspector::new(Context::default()));
                    let response = self.answer(inspector, &envelope, &body, want);
                    output.write_all(&frame::head(&response, 0)?)?;
                    output.flush()?;
                }
            }
            if body.capacity() > 1024 * 1024 {
                body = Vec::new();
            }
        }
        Ok(())
    }

    fn answer(&self, inspector: &Inspector, envelope: &Envelope, body: &[u8], want: Want) -> Response {
        match catch_unwind(AssertUnwindSafe(|| inspector.inspect(envelope, body, want))) {
            Ok(inspection) => Response::Inspected {
                inspection: Box::new(inspection),
                retire: self.memory.resident_kibibytes().is_some_and(|size| size > RETIRE_KIBIBYTES),
            },
            Err(_) => Response::Failed { cause: "a reader panicked".to_owned() },
        }
    }
}

impl Memory {
    /// Resident memory: the second number of `statm`, in pages.
    fn resident_kibibytes(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.account.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = str::from_utf8(text.get(..length)?).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(pages * (self.page_bytes / 1024))
    }
}

fn receive(input: &mut impl Read, body: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut prefix = [0; PREFIX];
    match input.read_exact(&mut prefix) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (head_bytes, body_bytes) = frame::lengths(&prefix);
    let mut head = Vec::new();
    input.by_ref().take(head_bytes).read_to_end(&mut head)?;
    body.clear();
    input.by_ref().take(body_bytes).read_to_end(body)?;
    if head.len() as u64 != head_bytes || body.len() as u64 != body_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&head)?))
}
