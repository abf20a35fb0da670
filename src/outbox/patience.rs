//! How long to wait between attempts, and when to give up (RFC 5321 4.5.4.1).
//! It refuses to hammer a server: waits grow up to the longest, with jitter so that a queue does not come back all at once.

use super::OutboxError;
use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// All times of the outbox, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// The waits after the first, second … attempt; the last one is repeated. Without any, an hour.
    pub waits_ms: Vec<u64>,
    /// A mail that is not delivered after this time is reported (RFC 5321 4.5.4.1: at least 4–5 days).
    pub lifetime_ms: u64,
    /// A mail that is not delivered after this time is announced as late.
    pub warn_ms: u64,
    /// How long one deliverer has an item before it counts as lost; extended while it works.
    pub lease_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self::starting(MINUTE_MS, HOUR_MS)
    }
}

impl Patience {
    /// The waits grow from the first one up to the longest (milliseconds), or stay if the first is longer.
    #[must_use]
    pub fn starting(first_ms: u64, longest_ms: u64) -> Self {
        let most = first_ms.max(longest_ms);
        Self {
            waits_ms: waits(first_ms, most),
            lifetime_ms: 5 * 24 * HOUR_MS,
            warn_ms: 4 * HOUR_MS,
            lease_ms: 2 * MINUTE_MS,
        }
    }

    /// The wait after this attempt (1 is the first), without jitter.
    #[must_use]
    pub fn wait_ms(&self, attempt: u32) -> u64 {
        let place = attempt.saturating_sub(1) as usize;
        self.waits_ms.get(place).or(self.waits_ms.last()).copied().unwrap_or(HOUR_MS)
    }

    /// The wait with up to a tenth more, by a random number.
    #[must_use]
    pub fn jittered_ms(&self, attempt: u32, random: u64) -> u64 {
        let wait = self.wait_ms(attempt);
        wait.saturating_add(random % (wait / 10 + 1))
    }

    /// When to try again after an attempt now (epoch milliseconds): never behind the end of the mail's life, so that it is reported in time.
    pub(super) fn next_ms(&self, now_ms: u64, created_ms: u64, attempt: u32) -> Result<u64, OutboxError> {
        let mut bytes = [0; 8];
        rand::fill(&mut bytes).map_err(|_| OutboxError::Random)?;
        let next = now_ms.saturating_add(self.jittered_ms(attempt, u64::from_le_bytes(bytes)));
        Ok(next.min(created_ms.saturating_add(self.lifetime_ms)).max(now_ms.saturating_add(1)))
    }
}

/// First, twice, five times … as long, then doubled again and again, up to the longest.
fn waits(first_ms: u64, longest_ms: u64) -> Vec<u64> {
    let mut waits: Vec<u64> = [1, 2, 5, 10, 20, 40, 60].map(|times| first_ms.saturating_mul(times)).to_vec();
    let mut last = first_ms.saturating_mul(60);
    while last < longest_ms && last > 0 {
        last = last.saturating_mul(2);
        waits.push(last);
    }
    waits.into_iter().map(|wait| wait.min(longest_ms)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_an_hour() {
        let patience = Patience::default();
        let minutes: Vec<u64> = (1..=9).map(|attempt| patience.wait_ms(attempt) / MINUTE_MS).collect();
        assert_eq!(minutes, [1, 2, 5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(patience.wait_ms(u32::MAX), HOUR_MS);
        assert_eq!(
            Patience::starting(2_000, 400_000).waits_ms,
            [2_000, 4_000, 10_000, 20_000, 40_000, 80_000, 120_000, 240_000, 400_000]
        );
        assert_eq!(Patience::starting(3 * HOUR_MS, HOUR_MS).wait_ms(7), 3 * HOUR_MS);
        assert_eq!(
            Patience::starting(MINUTE_MS, 4 * HOUR_MS).wait_ms(9),
            4 * HOUR_MS,
            "to the longest, not to a fixed multiple"
        );
    }

    #[test]
    fn jitter_only_adds_up_to_a_tenth() {
        let patience = Patience::default();
        assert_eq!(patience.jittered_ms(1, 0), MINUTE_MS);
        assert_eq!(patience.jittered_ms(1, MINUTE_MS / 10), MINUTE_MS + MINUTE_MS / 10);
        for random in [1, 7_777, u64::MAX] {
            assert!((MINUTE_MS..=MINUTE_MS + MINUTE_MS / 10).contains(&patience.jittered_ms(1, random)));
        }
    }

    #[test]
    fn the_last_attempt_is_at_the_end_of_life() {
        let patience = Patience::default();
        let end = 1_000 + patience.lifetime_ms;
        assert_eq!(patience.next_ms(end - 5, 1_000, 100).unwrap(), end);
        assert_eq!(patience.next_ms(end, 1_000, 100).unwrap(), end + 1);
    }
}
