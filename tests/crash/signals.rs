//! What the parts of the test tell each other: which life of the guard may be used, and what has just happened.
//! It refuses to wait for ever: everything that must happen has a time by which it must.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What just happened, for kills at a chosen step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A client is sending the text of a mail, slowly.
    ClientText,
    /// A client has sent its final dot.
    ClientDot,
    /// A client has its reply to a final dot.
    Answered,
    /// The mail server has a mail and has not answered yet.
    SinkDot,
    /// The mail server has answered 250.
    SinkAccepted,
    /// `sekisho held release` has been started.
    Deciding,
}

/// How often each step happened.
#[derive(Default)]
pub struct Steps {
    counts: Mutex<[u64; 6]>,
    changed: Condvar,
}

impl Steps {
    pub fn happened(&self, step: Step) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)[step as usize] += 1;
        self.changed.notify_all();
    }

    /// Waits until it happens again; false when it does not in time.
    pub fn next(&self, step: Step, patience: Duration) -> bool {
        let counts = self.counts.lock().unwrap();
        let before = counts[step as usize];
        let waited = self.changed.wait_timeout_while(counts, patience, |counts| counts[step as usize] == before);
        !waited.unwrap().1.timed_out()
    }
}

/// The life in which clients may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// This one.
    Life(u64),
    /// The last one: what was begun is finished, nothing new begins.
    Last(u64),
}

/// Opened when the guard is ready.
#[derive(Default)]
pub struct Gate {
    open: Mutex<Option<Open>>,
    changed: Condvar,
}

impl Gate {
    pub fn set(&self, open: Option<Open>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
        self.changed.notify_all();
    }

    /// Waits for a life after this one.
    pub fn after(&self, life: u64) -> Open {
        let newer = |open: &Option<Open>| match open {
            Some(Open::Life(now) | Open::Last(now)) => *now > life,
            None => false,
        };
        let deadline = Instant::now() + Duration::from_mins(2);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = open.filter(|_| newer(&open)) {
                return found;
            }
            assert!(Instant::now() < deadline, "no life after {life} within two minutes");
            open = self.changed.wait_timeout(open, Duration::from_secs(1)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
