//! What has been found in one mail so far, and whose data does not count.
//! It refuses to count the sender, the recipients and the organisation's own addresses.

use super::column::Column;
use super::context::{Buffers, Entity};
use super::number::Chain;
use super::person::{Individual, Registry};
use super::tally::Tally;
use super::{Confidence, Detected, Kind, Subject, email_address, hash};
use crate::address::Address;
use std::collections::HashSet;

/// From this many outside mail addresses on, a list of them counts its persons.
const ADDRESS_LIST: usize = 10;

/// The state of one inspection.
pub(super) struct Ledger<'s> {
    subject: &'s Subject<'s>,
    /// Comparison forms of the sender's and recipients' addresses.
    known: HashSet<u64>,
    pub(super) registry: Registry,
    pub(super) tally: Tally,
    pub(super) buffers: Buffers,
    pub(super) chains: Vec<Chain>,
    pub(super) entities: Vec<Entity>,
    /// Names that are the sender's or a recipient's.
    pub(super) own_names: HashSet<u64>,
    credentials: HashSet<u64>,
    /// Outside mail addresses without a name beside them.
    loose: HashSet<u64>,
    /// Strength, confidence and text of the strongest mark.
    mark: Option<(u8, Confidence, String)>,
}

impl<'s> Ledger<'s> {
    pub(super) fn new(subject: &'s Subject<'s>) -> Self {
        let known = subject.own.iter().chain(subject.recipients);
        Self {
            subject,
            known: known.map(|address| email_address::key(address.as_str())).collect(),
            registry: Registry::default(),
            tally: Tally::new(subject.reveal),
            buffers: Buffers::default(),
            chains: Vec::new(),
            entities: Vec::new(),
            own_names: HashSet::new(),
            credentials: HashSet::new(),
            loose: HashSet::new(),
            mark: None,
        }
    }

    /// Is it the address of the sender or a recipient?
    pub(super) fn is_party(&self, address: u64) -> bool {
        self.known.contains(&address)
    }

    /// Is a mail address the organisation's own, an office's, or one of the parties'?
    pub(super) fn is_no_outsider(&self, text: &str, key: u64) -> bool {
        self.is_party(key) || email_address::is_role(text) || self.subject.internal.contains(&Address::new(text))
    }

    /// Takes a person unless the name is a party's.
    pub(super) fn person(&mut self, person: Individual) {
        if !self.own_names.contains(&person.name) {
            self.registry.add(person);
        }
    }

    /// Takes an account's credential.
    pub(super) fn credential(
        &mut self,
        account: u64,
        confidence: Confidence,
        value: &str,
        place: impl FnOnce() -> String,
    ) {
        if confidence >= Confidence::Likely {
            self.credentials.insert(account);
        }
        self.tally.see(Kind::Credential, confidence, account, value, place);
    }

    /// An outside address without a name.
    pub(super) fn loose_address(&mut self, key: u64) {
        self.loose.insert(key);
    }

    /// A confidential mark; the strongest stays.
    pub(super) fn mark(&mut self, strength: u8, confidence: Confidence, text: &str, place: impl FnOnce() -> String) {
        self.tally.see(Kind::ConfidentialMark, confidence, hash::of(text), text, place);
        if self.mark.as_ref().is_none_or(|(best, ..)| *best < strength) {
            self.mark = Some((strength, confidence, text.to_owned()));
        }
    }

    /// Everything as the answer.
    pub(super) fn close(mut self) -> Detected {
        if self.loose.len() >= ADDRESS_LIST {
            for key in std::mem::take(&mut self.loose) {
                self.registry.add(Individual { name: key, email: super::person::short(key), ..Individual::default() });
            }
        }
        Detected {
            data: self.tally.counts(),
            persons: self.registry.persons(),
            credentials: self.credentials.len() as u64,
            confidential: self.mark.map(|(.., text)| text),
            findings: self.tally.into_findings(),
        }
    }
}

/// The columns that hold a number or date by which a person can be told, or that concerns him alone.
pub(super) fn is_private(column: Column) -> bool {
    matches!(
        column,
        Column::Sensitive(_)
            | Column::Value(
                Kind::MyNumber
                    | Kind::DriversLicense
                    | Kind::Passport
                    | Kind::ResidenceCard
                    | Kind::HealthInsurance
                    | Kind::PensionNumber
                    | Kind::EmploymentInsurance
                    | Kind::ResidentRecordCode
                    | Kind::BirthDate
                    | Kind::BankAccount
                    | Kind::CreditCard
            )
    )
}
