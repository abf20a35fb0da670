//! The deliveries of a run, sorted by mail: which copies arrived, in which life, and which bytes came twice.
//! It refuses to call any repetition harmless; whether one is explained is for `check`.

use crate::mails::{is_free, number_in, number_of};
use crate::sink::Delivery;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The same bytes, however often they came.
#[derive(Debug)]
pub struct Copy {
    pub data: Arc<[u8]>,
    /// Recipient → lives in which it got these bytes, in the order of arrival.
    pub lives: BTreeMap<String, Vec<u64>>,
}

impl Copy {
    /// Lives after whose end these bytes came once more to somebody who had them; and one that brought them twice, which none may.
    pub fn repeated_after(&self) -> (BTreeSet<u64>, Option<u64>) {
        let mut after = BTreeSet::new();
        let mut twice = None;
        for (recipient, lives) in &self.lives {
            // Who need not wait gets these bytes anew each time the transaction is repeated.
            if is_free(recipient) {
                continue;
            }
            let distinct: BTreeSet<u64> = lives.iter().copied().collect();
            if distinct.len() < lives.len() {
                twice = lives.first().copied();
            }
            after.extend(distinct.iter().rev().skip(1));
        }
        (after, twice)
    }
}

/// All copies.
#[derive(Default)]
pub struct Copies {
    /// By the number of the mail.
    pub mails: BTreeMap<u64, Vec<Copy>>,
    /// Letters of the guard, by the number of the mail whose sender got them.
    pub letters: BTreeMap<u64, Vec<Copy>>,
    /// What is neither.
    pub strange: Vec<Delivery>,
}

impl Copies {
    pub fn of(deliveries: &[Delivery]) -> Self {
        let mut all = Self::default();
        let mut mails: BTreeMap<(u64, &[u8]), Copy> = BTreeMap::new();
        let mut letters: BTreeMap<(u64, &[u8]), Copy> = BTreeMap::new();
        for delivery in deliveries {
            let (sorted, number) = if delivery.sender.is_empty() {
                (&mut letters, delivery.recipients.first().and_then(|to| number_of(to)))
            } else {
                (&mut mails, number_in(&delivery.data).filter(|number| number_of(&delivery.sender) == Some(*number)))
            };
            let Some(number) = number else {
                all.strange.push(delivery.clone());
                continue;
            };
            let copy = sorted
                .entry((number, &delivery.data))
                .or_insert_with(|| Copy { data: Arc::clone(&delivery.data), lives: BTreeMap::new() });
            for recipient in &delivery.recipients {
                copy.lives.entry(recipient.clone()).or_default().push(delivery.life);
            }
        }
        for ((number, _), copy) in mails {
            all.mails.entry(number).or_default().push(copy);
        }
        for ((number, _), copy) in letters {
            all.letters.entry(number).or_default().push(copy);
        }
        all
    }

    /// Copies of a mail that this recipient got.
    pub fn got(&self, number: u64, recipient: &str) -> usize {
        self.mails.get(&number).into_iter().flatten().filter(|copy| copy.lives.contains_key(recipient)).count()
    }

    /// Letters to the sender of a mail in which this stands.
    pub fn letters_with(&self, number: u64, text: &str) -> usize {
        let letters = self.letters.get(&number).into_iter().flatten();
        // Quoted-printable breaks lines anywhere (RFC 2045 6.7).
        let joined = |data: &[u8]| String::from_utf8_lossy(data).replace("=\r\n", "").replace(' ', "");
        letters.filter(|letter| joined(&letter.data).contains(text)).count()
    }

    /// The most copies of a mail that one life brought this recipient.
    pub fn most_in_one_life(&self, number: u64, recipient: &str) -> usize {
        let copies = self.mails.get(&number).into_iter().flatten();
        let mut count: BTreeMap<u64, usize> = BTreeMap::new();
        for life in copies.filter_map(|copy| copy.lives.get(recipient)).flatten() {
            *count.entry(*life).or_default() += 1;
        }
        count.into_values().max().unwrap_or(0)
    }

    /// All copies of all mails and letters.
    pub fn all(&self) -> impl Iterator<Item = (u64, &Copy)> {
        let both = self.mails.iter().chain(&self.letters);
        both.flat_map(|(number, copies)| copies.iter().map(move |copy| (*number, copy)))
    }
}
