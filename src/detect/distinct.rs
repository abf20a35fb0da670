//! Counts distinct hashes at three levels of confidence, exactly up to one million and as an estimate beyond.
//! It refuses to grow without bound, and says when its number is an estimate.

use super::{Confidence, Count};

/// Up to this many values are told apart exactly.
pub const EXACT: usize = 1_000_000;
const REGISTERS: usize = 1 << 14;

/// A set of 64-bit hashes that knows its size.
#[derive(Debug, Default)]
pub struct Distinct {
    /// Open addressing; a slot is the hash with its two lowest bits replaced by the confidence 1–3, or 0.
    slots: Vec<u64>,
    len: usize,
    exact: [u64; 3],
    estimate: Option<Box<[Registers; 3]>>,
}

/// HyperLogLog registers (Flajolet, Fusy, Gandouet, Meunier 2007), standard error 1.04/√16384 = 0.8 %.
#[derive(Debug, Clone)]
pub struct Registers(Vec<u8>);

impl Default for Registers {
    fn default() -> Self {
        Self(vec![0; REGISTERS])
    }
}

impl Registers {
    /// Adds a hash.
    pub fn add(&mut self, hash: u64) {
        // The hashes here have lost their lowest bits; mixing spreads what is left (the finaliser of SplitMix64).
        let mut mixed = hash.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let index = (mixed >> 50) as usize;
        let rank = u8::try_from((mixed << 14 | 1 << 13).leading_zeros() + 1).unwrap_or(u8::MAX);
        self.0[index] = self.0[index].max(rank);
    }

    /// The estimated number of distinct hashes.
    #[must_use]
    pub fn count(&self) -> u64 {
        let m = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|rank| 2f64.powi(-i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let zeros = self.0.iter().filter(|rank| **rank == 0).count();
        let value = if raw <= 2.5 * m && zeros > 0 { m * (m / zeros as f64).ln() } else { raw };
        whole(value)
    }
}

/// A non-negative number as an integer.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

impl Distinct {
    /// Adds a hash; true when it was not there yet (beyond the exact range: true).
    pub fn add(&mut self, hash: u64, confidence: Confidence) -> bool {
        let level = match confidence {
            Confidence::Weak => 1,
            Confidence::Likely => 2,
            Confidence::Certain => 3,
        };
        if let Some(estimate) = &mut self.estimate {
            for registers in &mut estimate[..level] {
                registers.add(hash >> 2);
            }
            return true;
        }
        if self.len * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = slot(hash, mask);
        loop {
            let here = self.slots[at];
            if here == 0 {
                if self.len >= EXACT {
                    self.become_estimate();
                    return self.add(hash, confidence);
                }
                self.slots[at] = (hash & !3) | level as u64;
                self.len += 1;
                for count in &mut self.exact[..level] {
                    *count += 1;
                }
                return true;
            }
            if here >> 2 == hash >> 2 {
                let old = (here & 3) as usize;
                if old < level {
                    self.slots[at] = (hash & !3) | level as u64;
                    for count in &mut self.exact[old..level] {
                        *count += 1;
                    }
                }
                return false;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        let mask = size - 1;
        for value in old.into_iter().filter(|value| *value != 0) {
            let mut at = slot(value, mask);
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = value;
        }
    }

    fn become_estimate(&mut self) {
        let mut estimate = Box::<[Registers; 3]>::default();
        for value in self.slots.iter().filter(|value| **value != 0) {
            for registers in &mut estimate[..(value & 3) as usize] {
                registers.add(value >> 2);
            }
        }
        self.slots = Vec::new();
        self.estimate = Some(estimate);
    }

    /// How many distinct hashes there were.
    #[must_use]
    pub fn count(&self) -> Count {
        match &self.estimate {
            Some(estimate) => {
                Count { weak: estimate[0].count(), likely: estimate[1].count(), certain: estimate[2].count() }
            }
            None => Count { weak: self.exact[0], likely: self.exact[1], certain: self.exact[2] },
        }
    }

    /// Is the number an estimate?
    #[cfg(test)]
    fn estimated(&self) -> bool {
        self.estimate.is_some()
    }
}

fn slot(hash: u64, mask: usize) -> usize {
    usize::try_from((hash >> 2).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24).unwrap_or(0) & mask
}

#[cfg(test)]
mod tests {
    use super::super::hash;
    use super::*;

    #[test]
    fn confidence_is_counted_upwards() {
        let mut distinct = Distinct::default();
        assert!(distinct.add(100, Confidence::Weak));
        assert!(!distinct.add(100, Confidence::Certain));
        assert!(distinct.add(200, Confidence::Likely));
        assert_eq!(distinct.count(), Count { weak: 2, likely: 2, certain: 1 });
    }

    #[test]
    fn beyond_a_million_the_number_is_an_estimate_within_three_percent() {
        let mut distinct = Distinct::default();
        for value in 0..EXACT as u64 {
            distinct.add(hash::pair(value, 1), Confidence::Likely);
        }
        assert!(!distinct.estimated());
        assert_eq!(distinct.count().likely, EXACT as u64);
        for value in 0..1_300_000u64 {
            distinct.add(hash::pair(value, 1), Confidence::Likely);
        }
        assert!(distinct.estimated());
        let count = distinct.count();
        assert!((1_261_000..=1_339_000).contains(&count.likely), "{count:?}");
        assert_eq!(count.certain, 0);
    }
}
