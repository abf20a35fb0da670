//! What the kernel says about the guard while it works: memory and open files, of it and of its workers.
//! It refuses to average: the highest of each stretch of time is what counts.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// One look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    pub pid: u32,
    /// Resident MiB of the guard itself.
    pub own: u64,
    /// Of its workers together.
    pub workers: u64,
    /// Open file descriptors of the guard itself.
    pub files: usize,
}

/// Looks ten times a second until it is told to stop.
pub struct Watch {
    /// The guard that lives now; 0 for none.
    pub pid: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Duration, Look)>>,
}

impl Watch {
    pub fn start() -> Self {
        let (pid, over) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (whom, until) = (Arc::clone(&pid), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let begun = Instant::now();
            let mut looks = Vec::new();
            while !until.load(Ordering::Relaxed) {
                looks.extend(look(whom.load(Ordering::Relaxed)).map(|look| (begun.elapsed(), look)));
                thread::sleep(Duration::from_millis(100));
            }
            looks
        });
        Self { pid, over, thread }
    }

    pub fn stop(self) -> Vec<(Duration, Look)> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The highest of each figure.
pub fn most(looks: &[(Duration, Look)]) -> Look {
    looks.iter().fold(Look::default(), |most, (_, look)| Look {
        pid: look.pid,
        own: most.own.max(look.own),
        workers: most.workers.max(look.workers),
        files: most.files.max(look.files),
    })
}

/// `None` when the process is gone.
fn look(pid: u32) -> Option<Look> {
    let folder = Path::new("/proc").join(pid.to_string());
    let own = resident(&folder)?;
    let files = fs::read_dir(folder.join("fd")).ok()?.count();
    let children = fs::read_to_string(folder.join("task").join(pid.to_string()).join("children")).unwrap_or_default();
    let mut all: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
    // Workers are started by whichever thread was at hand.
    if let Ok(tasks) = fs::read_dir(folder.join("task")) {
        let others = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        all.extend(others.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()));
    }
    all.sort();
    all.dedup();
    let workers = all.iter().filter_map(|pid| resident(&Path::new("/proc").join(pid))).sum();
    Some(Look { pid, own, workers, files })
}

/// Resident memory in MiB (proc(5), `statm`: the second field, in pages of 4 KiB).
fn resident(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(folder.join("statm")).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096 / (1024 * 1024))
}
