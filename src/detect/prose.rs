//! Reads running text: values with their places, and the persons they stand beside.
//! It refuses to make a person of a name alone, of a signature, or of an office's telephone number.

use super::context::{Entity, Hit, Scan, Weight, Word};
use super::hash;
use super::ledger::Ledger;
use super::person::{Individual, short};
use super::signature;
use super::{
    Confidence, Kind, address, bank_account, birth_date, confidential_mark, credential, credit_card, drivers_license,
    email_address, employment_insurance, health_insurance, my_number, name, name_search, normalize, passport,
    pension_number, phone, postal_code, residence_card, resident_record_code,
};
use crate::extract::Role;
use regex::Regex;
use std::sync::LazyLock;

/// `氏名：山田太郎`, `名前 やまだ`: a name by its label, up to a separator.
static LABELLED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?:氏名|お名前|名前|患者名|児童名|生徒名|園児名|申込者|利用者|対象者|受給者|世帯主|保護者|契約者|本人|Name|name)[ 　]*(?:[(（][^)）]{0,10}[)）])?[ 　]*[:=][ 　]*([^\n\t、,/|;(（:]{2,30})",
    )
    .ok()
});

/// All detectors of values.
pub(super) fn find_all(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    // Chains that no detector can use are not kept, so none of them is no proof.
    let digits = !scan.chains.is_empty() || scan.text.bytes().any(|byte| byte.is_ascii_digit());
    if !digits && scan.words.is_empty() && memchr::memchr(b'@', scan.text.as_bytes()).is_none() {
        return;
    }
    if digits {
        my_number::find(scan, out);
        drivers_license::find(scan, out);
        passport::find(scan, out);
        residence_card::find(scan, out);
        health_insurance::find(scan, out);
        pension_number::find(scan, out);
        employment_insurance::find(scan, out);
        resident_record_code::find(scan, out);
        phone::find(scan, out);
        postal_code::find(scan, out);
        bank_account::find(scan, out);
        credit_card::find(scan, out);
    }
    address::find(scan, out);
    birth_date::find(scan, out);
    email_address::find(scan, out);
    out.sort_by_key(|entity| (entity.start, entity.end));
}

/// Reads a text; `path` is its place.
pub(super) fn read(ledger: &mut Ledger<'_>, path: &str, role: Role, text: &str) {
    let folded = normalize::fold(text);
    let mut buffers = std::mem::take(&mut ledger.buffers);
    let mut entities = std::mem::take(&mut ledger.entities);
    entities.clear();
    let scan = buffers.scan(&folded);
    if let Some(mark) = confidential_mark::find(&scan, role) {
        ledger.mark(mark.strength, mark.confidence, &folded[mark.start..mark.end], || place(path, &folded, mark.start));
    }
    let mut credentials = Vec::new();
    credential::find(&scan, &mut credentials);
    for found in &credentials {
        let value = &folded[found.start..found.end];
        if found.kind == Kind::Credential {
            ledger.credential(found.hash, found.confidence, value, || place(path, &folded, found.start));
        } else {
            ledger.tally.see(found.kind, found.confidence, found.hash, value, || place(path, &folded, found.start));
        }
    }
    if matches!(role, Role::Body | Role::Attachment) {
        find_all(&scan, &mut entities);
        let mut reading = Prose { ledger, path, text: &folded, words: scan.words, role };
        reading.paragraphs(&entities);
    }
    ledger.buffers = buffers;
    ledger.entities = entities;
}

/// `body line 3`.
fn place(path: &str, text: &str, at: usize) -> String {
    let line = memchr::memchr_iter(b'\n', &text.as_bytes()[..at]).count() + 1;
    format!("{path} line {line}")
}

struct Prose<'p, 's> {
    ledger: &'p mut Ledger<'s>,
    path: &'p str,
    text: &'p str,
    words: &'p [Hit],
    role: Role,
}

/// A name in a paragraph.
struct Named {
    at: usize,
    key: u64,
    value: (usize, usize),
    /// By a label such as 氏名, so that weaker attributes suffice.
    labelled: bool,
    titled: bool,
}

impl Prose<'_, '_> {
    fn paragraphs(&mut self, entities: &[Entity]) {
        if self.role == Role::Body {
            self.salutation(entities);
        }
        for (start, end) in paragraphs(self.text) {
            let first = entities.partition_point(|entity| entity.start < start);
            let last = entities.partition_point(|entity| entity.start < end);
            let words = {
                let first = self.words.partition_point(|hit| hit.start < start);
                let last = self.words.partition_point(|hit| hit.start < end);
                &self.words[first..last]
            };
            let paragraph = &self.text[start..end];
            let labelled = paragraph.contains([':', '='])
                && (paragraph.contains('名')
                    || paragraph.contains("ame")
                    || paragraph.contains('者')
                    || paragraph.contains("本人"));
            if first == last && !labelled && !words.iter().any(|hit| matches!(hit.word, Word::Sensitive(_))) {
                continue;
            }
            self.paragraph(start, end, &entities[first..last], words);
        }
    }

    /// Names in the first lines that are greeted are the recipient's; names in the lines that introduce the writer are his.
    /// A name on top of an address or a date of birth is a record, whoever is greeted.
    fn salutation(&mut self, entities: &[Entity]) {
        let mut names = Vec::new();
        let records: Vec<(usize, usize)> = paragraphs(self.text)
            .into_iter()
            .filter(|(start, end)| {
                let first = entities.partition_point(|entity| entity.start < *start);
                let last = entities.partition_point(|entity| entity.start < *end);
                let inside = entities[first..last].iter();
                inside
                    .into_iter()
                    .any(|entity| matches!(entity.kind, Kind::Address | Kind::PostalCode | Kind::BirthDate))
            })
            .collect();
        let mut offset = 0;
        let mut lines = 0;
        for line in self.text.split_inclusive('\n') {
            let at = offset;
            offset += line.len();
            let recorded =
                records.get(records.partition_point(|(_, end)| *end <= at)).is_some_and(|(start, _)| *start <= at);
            if line.trim().is_empty() || recorded {
                continue;
            }
            lines += 1;
            if lines > 6 {
                break;
            }
            names.clear();
            name_search::find(line, &mut names);
            for found in &names {
                let rest = line[found.end..].trim();
                let greeted = found.honoured && rest.chars().count() <= 4;
                let introduced = rest.starts_with("です") || rest.starts_with("と申します");
                if greeted || introduced {
                    self.ledger.own_names.insert(name::key(&line[found.start..found.end]));
                }
            }
        }
    }

    fn paragraph(&mut self, start: usize, end: usize, entities: &[Entity], words: &[Hit]) {
        let text = &self.text[start..end];
        let office = words.iter().any(|hit| matches!(hit.word, Word::Organisation | Word::Business));
        let names = self.names(start, end);
        let party =
            entities.iter().any(|entity| entity.kind == Kind::EmailAddress && self.ledger.is_party(entity.hash));
        if signature::is_one(text, entities, words, |entity| {
            self.ledger.is_no_outsider(&self.text[entity.start..entity.end], entity.hash)
        }) {
            for named in &names {
                self.ledger.own_names.insert(named.key);
            }
            // Numbers that no signature has count even here.
            for entity in entities.iter().filter(|entity| entity.weight == Weight::Identifier) {
                self.see(entity);
            }
            return;
        }
        let mut persons: Vec<(usize, Individual, bool, bool)> = names
            .iter()
            .map(|named| {
                (
                    named.at,
                    Individual { name: named.key, loose: true, ..Individual::default() },
                    named.labelled,
                    named.titled,
                )
            })
            .collect();
        let mut strongest = vec![Weight::None; persons.len()];
        let mut contacts = vec![0u32; persons.len()];
        for entity in entities {
            if entity.kind == Kind::EmailAddress
                && self.ledger.is_no_outsider(&self.text[entity.start..entity.end], entity.hash)
            {
                continue;
            }
            self.see(entity);
            let owner = self.owner(&persons, entity.start);
            let Some(owner) = owner else {
                self.alone(entity);
                continue;
            };
            let person = &mut persons[owner].1;
            attach(person, entity);
            if entity.weight != Weight::None {
                contacts[owner] += 1;
            }
            if rank(entity.weight) > rank(strongest[owner]) {
                strongest[owner] = entity.weight;
            }
        }
        for hit in words {
            if let Word::Sensitive(kind) = hit.word
                && let Some(owner) = self.owner(&persons, hit.start)
            {
                persons[owner].1.sensitive = true;
                let value = &self.text[hit.start..hit.end];
                self.ledger
                    .tally
                    .see(kind, Confidence::Likely, hash::of(value), value, || place(self.path, self.text, hit.start));
            }
        }
        for (index, (_, person, labelled, titled)) in persons.into_iter().enumerate() {
            let enough = match strongest[index] {
                Weight::Identifier => true,
                Weight::Personal => labelled || !titled && !(office && contacts[index] < 2),
                Weight::Soft => labelled || contacts[index] >= 2 && !titled && !office,
                Weight::None => {
                    labelled && person.sensitive || person.sensitive && !titled && !office && entities.is_empty()
                }
            };
            if enough && !party {
                let named = &names[index];
                let (from, to) = named.value;
                let value = &self.text[from..to];
                self.ledger
                    .tally
                    .see(Kind::Name, Confidence::Likely, named.key, value, || place(self.path, self.text, from));
                self.ledger.person(person);
            }
        }
    }

    /// Full names and labelled names of a paragraph, in order.
    fn names(&self, start: usize, end: usize) -> Vec<Named> {
        let text = &self.text[start..end];
        let mut names: Vec<Named> = Vec::new();
        if let Some(labelled) = LABELLED.as_ref() {
            for found in labelled.captures_iter(text) {
                let Some(value) = found.get(1) else { continue };
                let bare = value.as_str().split("  ").next().unwrap_or("").trim();
                if name::possible(bare) {
                    let from = start + value.start();
                    names.push(Named {
                        at: from,
                        key: name::key(bare),
                        value: (from, from + bare.len()),
                        labelled: true,
                        titled: false,
                    });
                }
            }
        }
        let labelled = names.len();
        let mut found = Vec::new();
        let mut offset = start;
        for line in text.split_inclusive('\n') {
            found.clear();
            name_search::find(line, &mut found);
            for name in found.iter().filter(|name| name.full) {
                let (from, to) = (offset + name.start, offset + name.end);
                // The labelled ones stand in the order of the text and do not overlap.
                let next = names[..labelled].partition_point(|other| other.value.1 <= from);
                let known = names[..labelled].get(next).is_some_and(|other| other.value.0 < to);
                if !known {
                    names.push(Named {
                        at: from,
                        key: name::key(&self.text[from..to]),
                        value: (from, to),
                        labelled: false,
                        titled: name.titled,
                    });
                }
            }
            offset += line.len();
        }
        names.sort_by_key(|named| named.at);
        names
    }

    /// Whose value stands at a position: the last name before it, or the only one behind it on the same line.
    fn owner(&self, persons: &[(usize, Individual, bool, bool)], at: usize) -> Option<usize> {
        let before = persons.partition_point(|person| person.0 <= at);
        if before > 0 {
            return Some(before - 1);
        }
        let next = persons.first()?;
        let same_line = next.0 - at <= 2_000 && !self.text[at..next.0].contains('\n');
        (same_line || persons.len() == 1).then_some(0)
    }

    /// A value without a name beside it.
    fn alone(&mut self, entity: &Entity) {
        match (entity.weight, entity.kind) {
            (Weight::Identifier, _) => {
                let person = Individual { name: entity.hash, number: short(entity.hash), ..Individual::default() };
                self.ledger.person(person);
            }
            (_, Kind::CreditCard) if entity.confidence >= Confidence::Likely => {
                self.ledger.person(Individual { name: entity.hash, financial: true, ..Individual::default() });
            }
            (_, Kind::EmailAddress) => self.ledger.loose_address(entity.hash),
            _ => {}
        }
    }

    fn see(&mut self, entity: &Entity) {
        let value = &self.text[entity.start..entity.end];
        self.ledger
            .tally
            .see(entity.kind, entity.confidence, entity.hash, value, || place(self.path, self.text, entity.start));
    }
}

fn rank(weight: Weight) -> u8 {
    match weight {
        Weight::None => 0,
        Weight::Soft => 1,
        Weight::Personal => 2,
        Weight::Identifier => 3,
    }
}

/// Gives a value to a person.
fn attach(person: &mut Individual, entity: &Entity) {
    let value = short(entity.hash);
    match entity.kind {
        Kind::BirthDate => person.birth = value,
        Kind::Phone => person.phone = value,
        Kind::EmailAddress => person.email = value,
        Kind::Address => person.address = value,
        Kind::BankAccount | Kind::CreditCard => person.financial = true,
        _ if entity.weight == Weight::Identifier => person.number = value,
        _ => {}
    }
}

/// Runs of lines without an empty one between, as byte ranges.
fn paragraphs(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut start, mut at) = (None, 0);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_matches(|char: char| char.is_whitespace() || char == '>');
        // Rules of signs end a paragraph like empty lines do.
        let rule = bare.chars().count() >= 4 && bare.chars().all(|char| "-=_*━─―~～#＊".contains(char));
        if bare.is_empty() || rule {
            if let Some(begin) = start.take() {
                found.push((begin, at));
            }
        } else if start.is_none() {
            start = Some(at);
        }
        at += line.len();
    }
    if let Some(begin) = start {
        found.push((begin, at));
    }
    found
}
