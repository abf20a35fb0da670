//! Tells persons apart: the same person in three sheets is one, two persons of one name with different birth dates are two.
//! It refuses to remember anything but hashes, and to grow beyond one million persons; from there on it estimates.

use super::Persons;
use super::distinct::{EXACT, Registers};
use super::hash;

/// Persons of one name that are compared one by one; a name borne by more is told apart by its best attribute alone.
const NAMESAKES: usize = 256;
const NONE: u32 = u32::MAX;

/// What one row or passage says about one person; 0 means "not given".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Individual {
    /// Hash of the name, or of the identifier that stands for it.
    pub name: u64,
    /// Hash of its reading in kana.
    pub reading: u64,
    pub birth: u32,
    /// A number that identifies a person (My Number, licence, membership).
    pub number: u32,
    pub email: u32,
    pub phone: u32,
    pub address: u32,
    pub sensitive: bool,
    pub financial: bool,
    /// From running text, where the end of an address is uncertain: another address then says nothing.
    pub loose: bool,
}

/// 32 bits of a hash that are never 0.
#[must_use]
pub fn short(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(u32::MAX).max(1)
}

impl Individual {
    /// Can both be the same person? `None`: nothing speaks for or against it.
    fn same(&self, other: &Self) -> Option<bool> {
        let compare = |one: u32, two: u32| (one != 0 && two != 0).then_some(one == two);
        if let Some(equal) = compare(self.birth, other.birth)
            && !equal
        {
            return Some(false);
        }
        let weaker = [
            compare(self.number, other.number),
            compare(self.email, other.email),
            compare(self.phone, other.phone),
            compare(self.address, other.address).filter(|equal| *equal || !(self.loose || other.loose)),
            compare(self.birth, other.birth),
        ];
        if weaker.contains(&Some(true)) {
            Some(true)
        } else if weaker.contains(&Some(false)) {
            Some(false)
        } else {
            None
        }
    }

    /// Takes what the other one knows more.
    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.birth, other.birth),
            (&mut self.number, other.number),
            (&mut self.email, other.email),
            (&mut self.phone, other.phone),
            (&mut self.address, other.address),
        ] {
            if *mine == 0 {
                *mine = theirs;
            }
        }
        self.sensitive |= other.sensitive;
        self.financial |= other.financial;
    }

    /// One hash for the person: the name with the best attribute.
    fn composite(&self) -> u64 {
        let attributes = [self.birth, self.number, self.email, self.phone, self.address];
        let (index, best) = attributes.iter().enumerate().find(|(_, value)| **value != 0).unwrap_or((9, &0));
        hash::pair(self.name, u64::from(*best) << 8 | index as u64)
    }
}

#[derive(Debug)]
struct Entry {
    person: Individual,
    next: u32,
    next_reading: u32,
}

#[derive(Debug, Default)]
struct Estimate {
    total: Registers,
    sensitive: Registers,
    financial: Registers,
}

/// All persons of one mail.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
    names: std::collections::HashMap<u64, (u32, u32), Plain>,
    readings: std::collections::HashMap<u64, u32, Plain>,
    /// Beyond [`NAMESAKES`]: composite hash → sensitive, financial.
    crowd: std::collections::HashMap<u64, (bool, bool), Plain>,
    estimate: Option<Box<Estimate>>,
}

/// The keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain(u64);

impl std::hash::BuildHasher for Plain {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl std::hash::Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash::of_bytes(bytes);
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

impl Registry {
    /// Takes one person.
    pub fn add(&mut self, person: Individual) {
        if let Some(estimate) = &mut self.estimate {
            estimate.add(person.composite(), person.sensitive, person.financial);
            return;
        }
        if let Some(at) = self.find(&person) {
            self.entries[at as usize].person.merge(&person);
            return;
        }
        let (first, length) = self.names.get(&person.name).copied().unwrap_or((NONE, 0));
        if length as usize >= NAMESAKES {
            let flags = self.crowd.entry(person.composite()).or_default();
            flags.0 |= person.sensitive;
            flags.1 |= person.financial;
        } else {
            let index = u32::try_from(self.entries.len()).unwrap_or(NONE - 1);
            self.names.insert(person.name, (index, length + 1));
            let next_reading =
                if person.reading == 0 { NONE } else { self.readings.insert(person.reading, index).unwrap_or(NONE) };
            self.entries.push(Entry { person, next: first, next_reading });
        }
        if self.entries.len() + self.crowd.len() > EXACT {
            self.become_estimate();
        }
    }

    /// The entry that is this person.
    fn find(&self, person: &Individual) -> Option<u32> {
        let mut compatible = None;
        let mut at = self.names.get(&person.name).map_or(NONE, |(first, _)| *first);
        while at != NONE {
            let entry = &self.entries[at as usize];
            match entry.person.same(person) {
                Some(true) => return Some(at),
                None => compatible = Some(at),
                Some(false) => {}
            }
            at = entry.next;
        }
        if compatible.is_some() {
            return compatible;
        }
        // A list in kana knows the persons of a list in kanji by their readings.
        let mut at = self.readings.get(&person.name).copied().unwrap_or(NONE);
        let mut steps = 0;
        while at != NONE && steps < NAMESAKES {
            let entry = &self.entries[at as usize];
            if entry.person.same(person) != Some(false) {
                return Some(at);
            }
            at = entry.next_reading;
            steps += 1;
        }
        None
    }

    fn become_estimate(&mut self) {
        let mut estimate = Box::<Estimate>::default();
        for entry in &self.entries {
            estimate.add(entry.person.composite(), entry.person.sensitive, entry.person.financial);
        }
        for (composite, (sensitive, financial)) in &self.crowd {
            estimate.add(*composite, *sensitive, *financial);
        }
        *self = Self { estimate: Some(estimate), ..Self::default() };
    }

    /// How many persons there are.
    #[must_use]
    pub fn persons(&self) -> Persons {
        if let Some(estimate) = &self.estimate {
            return Persons {
                total: estimate.total.count(),
                sensitive: estimate.sensitive.count(),
                financial: estimate.financial.count(),
                estimated: true,
            };
        }
        let people = || {
            self.entries
                .iter()
                .map(|entry| (entry.person.sensitive, entry.person.financial))
                .chain(self.crowd.values().copied())
        };
        Persons {
            total: people().count() as u64,
            sensitive: people().filter(|person| person.0).count() as u64,
            financial: people().filter(|person| person.1).count() as u64,
            estimated: false,
        }
    }
}

impl Estimate {
    fn add(&mut self, composite: u64, sensitive: bool, financial: bool) {
        self.total.add(composite);
        if sensitive {
            self.sensitive.add(composite);
        }
        if financial {
            self.financial.add(composite);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: u64, birth: u32, phone: u32) -> Individual {
        Individual { name, birth, phone, ..Individual::default() }
    }

    #[test]
    fn one_person_in_three_sheets_is_one() {
        let mut registry = Registry::default();
        registry.add(person(1, 10, 0));
        registry.add(person(1, 10, 20));
        registry.add(person(1, 0, 0));
        registry.add(Individual { sensitive: true, ..person(1, 0, 20) });
        assert_eq!(registry.persons(), Persons { total: 1, sensitive: 1, ..Persons::default() });
    }

    #[test]
    fn namesakes_are_two() {
        let mut registry = Registry::default();
        registry.add(person(1, 10, 0));
        registry.add(person(1, 11, 0));
        registry.add(person(2, 0, 20));
        registry.add(person(2, 0, 21));
        assert_eq!(registry.persons().total, 4);
    }

    #[test]
    fn a_kana_list_finds_its_persons() {
        let mut registry = Registry::default();
        registry.add(Individual { reading: 7, ..person(1, 10, 0) });
        registry.add(Individual { financial: true, ..person(7, 0, 0) });
        assert_eq!(registry.persons(), Persons { total: 1, financial: 1, ..Persons::default() });
    }

    #[test]
    fn a_crowd_of_one_name_is_counted_once_over_two_sheets() {
        let mut registry = Registry::default();
        for _ in 0..2 {
            for phone in 1..=1_000 {
                registry.add(person(1, 0, phone));
            }
        }
        assert_eq!(registry.persons().total, 1_000);
    }

    #[test]
    fn beyond_a_million_it_estimates() {
        let mut registry = Registry::default();
        for name in 0..1_200_000u64 {
            registry.add(person(hash::pair(name, 0), 5, 0));
        }
        let persons = registry.persons();
        assert!(persons.estimated);
        assert!((1_164_000..=1_236_000).contains(&persons.total), "{persons:?}");
    }
}
