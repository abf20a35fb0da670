//! Known leaks told again as outgoing mails, each with what the default rules must do; and ordinary mails that must pass.
//! It refuses to judge: expectations are data, the rules decide; and every person in the mails is invented.

use crate::rules::verdict::Outcome;

pub use super::fixtures::letter::Outgoing;
pub use recipients::uji_to;

mod accounts;
mod everyday;
mod locked;
mod paperwork;
mod published;
mod recipients;
mod records;
mod rosters;
mod technical;

/// The demonstration organisation's own domains, in the syntax of `DomainSet`.
pub const INTERNAL: [&str; 2] = ["example.jp", "*.example.jp"];

/// The demonstration organisation's partners.
pub const PARTNERS: [&str; 1] = ["partner.example.com"];

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    pub en: &'static str,
    pub ja: &'static str,
}

/// What the default rules must do with the mails of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// The verdict of each mail by itself.
    pub outcome: Outcome,
    /// One of these rules matches each mail.
    pub rules: Vec<&'static str>,
    /// One of these rules matches the last mail, when the sender's earlier ones are counted with it; empty when no rule looks at that.
    pub repeated: Vec<&'static str>,
    /// Persons in all mails together; the program's count may differ by 5 %.
    pub persons: Option<u64>,
    /// Outside addresses that can see each other, all mails together, exactly.
    pub visible_external: Option<u64>,
}

/// One leak, or one ordinary situation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// A short stable name.
    pub id: &'static str,
    /// One line.
    pub title: Words,
    /// What happened, or what is ordinary about it.
    pub what: Words,
    /// When it became known, `2023-09-19` or as exactly as it was said; empty for ordinary mail.
    pub date: &'static str,
    /// The mails in the order of sending.
    pub mails: Vec<Outgoing>,
    /// What must be done.
    pub expect: Expect,
}

impl Expect {
    /// Every mail ends so, by one of these rules.
    fn of(outcome: Outcome, rules: &[&'static str]) -> Self {
        Self { outcome, rules: rules.to_vec(), repeated: Vec::new(), persons: None, visible_external: None }
    }

    fn repeated(mut self, rules: &[&'static str]) -> Self {
        self.repeated = rules.to_vec();
        self
    }

    fn persons(mut self, count: u64) -> Self {
        self.persons = Some(count);
        self
    }

    fn visible_external(mut self, count: u64) -> Self {
        self.visible_external = Some(count);
        self
    }
}

/// The leaks that must be stopped, all but the largest.
#[must_use]
pub fn all() -> Vec<Incident> {
    [recipients::incidents(), rosters::incidents(), records::incidents(), accounts::incidents(), locked::incidents()]
        .concat()
}

/// The leaks that take seconds and hundreds of megabytes to make: a whole city in one file.
#[must_use]
pub fn heavy() -> Vec<Incident> {
    vec![locked::whole_city()]
}

/// Ordinary mail that must not be stopped.
#[must_use]
pub fn must_pass() -> Vec<Incident> {
    [everyday::mails(), paperwork::mails(), published::mails(), technical::mails()].concat()
}

/// An ordinary situation: nothing may stop its mails.
fn ordinary(id: &'static str, title: Words, what: Words, mails: Vec<Outgoing>) -> Incident {
    Incident { id, title, what, date: "", mails, expect: Expect::of(Outcome::Pass, &[]) }
}
