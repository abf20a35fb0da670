//! Signs of life of the loops that accept connections, for the watchdog of a service manager.
//! It refuses to judge: it says how long ago the slowest loop came round.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a loop that has nothing to accept says that it lives.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// When each loop came round last.
#[derive(Debug)]
pub struct Beats {
    start: Instant,
    loops: Mutex<Vec<Arc<AtomicU64>>>,
}

/// One loop's own.
pub(super) struct Beat {
    start: Instant,
    last: Arc<AtomicU64>,
}

impl Default for Beats {
    fn default() -> Self {
        Self { start: Instant::now(), loops: Mutex::default() }
    }
}

impl Beats {
    /// A loop begins.
    pub(super) fn join(&self) -> Beat {
        let beat = Beat { start: self.start, last: Arc::default() };
        beat.now();
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&beat.last));
        beat
    }

    /// Have so many loops all come round within this time?
    #[must_use]
    pub fn alive(&self, loops: usize, within: Duration) -> bool {
        let now = milliseconds(self.start);
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let all = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        all.len() >= loops && all.iter().all(|last| now.saturating_sub(last.load(Ordering::Relaxed)) <= within)
    }
}

impl Beat {
    /// The loop came round.
    pub(super) fn now(&self) {
        self.last.store(milliseconds(self.start), Ordering::Relaxed);
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_loop_that_stands_still_is_noticed() {
        let beats = Beats::default();
        let (one, _other) = (beats.join(), beats.join());
        assert!(beats.alive(2, Duration::from_secs(9)));
        assert!(!beats.alive(3, Duration::from_secs(9)), "a loop that never began is not alive");
        std::thread::sleep(Duration::from_millis(30));
        one.now();
        assert!(!beats.alive(2, Duration::from_millis(20)));
    }
}
