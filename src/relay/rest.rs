//! Which servers failed lately: they rest, with pauses that grow, and others are asked first.
//! It refuses to make a mail wait: when nobody else is left, a resting server is asked all the same.

use super::route::{Hop, Key};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The first pause; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(5);

/// All servers that rest.
#[derive(Debug, Default)]
pub(super) struct Rests {
    resting: Mutex<HashMap<Key, Rest>>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    /// When it is worth a look again.
    until: Instant,
}

impl Rests {
    /// It answered: the rest is over.
    pub(super) fn answered(&self, key: &Key) {
        if self.lock().remove(key).is_some() {
            tracing::info!(server = %key.at, "the mail server answers again");
        }
    }

    /// It failed.
    pub(super) fn failed(&self, key: &Key, now: Instant) {
        let mut resting = self.lock();
        let rest = resting.entry(*key).or_insert(Rest { failures: 0, until: now });
        // Mails that fail at the same moment are one failure.
        if rest.failures == 0 || now >= rest.until {
            rest.failures = rest.failures.saturating_add(1);
            rest.until = now + pause(rest.failures);
        }
    }

    /// Those that did not fail lately first; otherwise the order stays.
    pub(super) fn order(&self, hops: &mut [Hop]) {
        let resting = self.lock();
        hops.sort_by_key(|hop| resting.contains_key(&hop.key));
    }

    /// Does it rest, and is its pause not over yet?
    pub(super) fn sleeps(&self, key: &Key, now: Instant) -> bool {
        self.lock().get(key).is_some_and(|rest| now < rest.until)
    }

    /// Does it rest? It does until it answers.
    pub(super) fn rests(&self, key: &Key) -> bool {
        self.lock().contains_key(key)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Rest>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_five_minutes() {
        let seconds: Vec<u64> = [1, 2, 3, 6, 7, 8, 1_000].map(|failures| pause(failures).as_secs()).to_vec();
        assert_eq!(seconds, [5, 10, 20, 160, 300, 300, 300]);
    }

    #[test]
    fn one_moment_is_one_failure_and_an_answer_ends_the_rest() {
        let (rests, key) = (Rests::default(), Key { server: 0, at: ([127, 0, 0, 1], 25).into() });
        let start = Instant::now();
        for _ in 0..5 {
            rests.failed(&key, start);
        }
        assert!(rests.sleeps(&key, start + Duration::from_secs(4)) && !rests.sleeps(&key, start + FIRST));
        assert!(rests.rests(&key));
        rests.failed(&key, start + FIRST);
        assert!(rests.sleeps(&key, start + FIRST + Duration::from_secs(9)));
        rests.answered(&key);
        assert!(!rests.rests(&key));
        assert!(!rests.sleeps(&key, start));
    }
}
