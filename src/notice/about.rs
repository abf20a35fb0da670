//! What a notice may know about a mail: counts, kinds and places, taken from the facts and the verdict.
//! It refuses to hand out a value of a finding, and an address to somebody who could not see it in the mail itself.

use super::display;
use crate::address::{Address, DomainSet};
use crate::detect::{Confidence, Finding, Kind};
use crate::facts::Facts;
use crate::id::MailId;
use crate::rules::verdict::{Match, Outcome, Verdict};
use crate::store::{self, HeldMail};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a subject in a notice.
const SUBJECT_LENGTH: usize = 80;
/// Characters of a place in a notice.
const PLACE_LENGTH: usize = 120;
/// Places named for one kind of finding.
const PLACES: usize = 3;

/// One mail, as a notice sees it.
#[derive(Clone, Debug)]
pub struct About<'a> {
    pub id: &'a MailId,
    pub facts: &'a Facts,
    pub findings: &'a [Finding],
    pub verdict: &'a Verdict,
    pub sender: Option<&'a Address>,
    /// When it came, epoch milliseconds.
    pub received_ms: u64,
    /// Distinct recipients of the whole mail.
    recipients: BTreeSet<&'a Address>,
    /// Those of them who have no copy yet.
    waiting: usize,
}

/// Numbers of recipients, each of distinct addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Outside the organisation.
    pub outside: u64,
    /// Outside ones that others would see.
    pub outside_visible: u64,
    /// Recipients that To and Cc do not show (Bcc).
    pub hidden: u64,
    /// Those who were not concerned and have the mail already.
    pub already: u64,
}

/// What was found of one kind: how often, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    /// Distinct values that are likely or certain.
    pub count: u64,
    /// The first places, safe to show.
    pub places: Vec<String>,
    /// Are there more places than these?
    pub more: bool,
}

impl<'a> About<'a> {
    /// A mail that waits or was decided.
    #[must_use]
    pub fn held(mail: &'a HeldMail) -> Self {
        let waiting: BTreeSet<_> = mail.recipients.iter().map(|recipient| &recipient.address).collect();
        let mut recipients: BTreeSet<_> = mail.facts.recipients.iter().collect();
        recipients.extend(waiting.iter().copied());
        Self {
            id: &mail.id,
            facts: &mail.facts,
            findings: &mail.findings,
            verdict: &mail.verdict,
            sender: mail.sender.as_ref(),
            received_ms: mail.created_ms,
            recipients,
            waiting: waiting.len(),
        }
    }

    /// A mail that was sent or refused at once.
    #[must_use]
    pub fn passed(id: &'a MailId, mail: &'a store::About) -> Self {
        let recipients: BTreeSet<_> = mail.facts.recipients.iter().collect();
        Self {
            id,
            facts: &mail.facts,
            findings: &mail.findings,
            verdict: &mail.verdict,
            sender: mail.sender.as_ref(),
            received_ms: mail.created_ms,
            waiting: recipients.len(),
            recipients,
        }
    }

    /// The numbers of recipients.
    #[must_use]
    pub fn counts(&self, internal: &DomainSet) -> Counts {
        let visible: BTreeSet<_> = self.facts.visible.iter().collect();
        let outside = |address: &&&Address| !internal.contains(address);
        Counts {
            total: self.recipients.len() as u64,
            outside: self.recipients.iter().filter(outside).count() as u64,
            outside_visible: visible.iter().filter(outside).count() as u64,
            hidden: self.recipients.difference(&visible).count() as u64,
            already: (self.recipients.len() - self.waiting) as u64,
        }
    }

    /// The subject, safe to show, for the subject line and the table of a notice; `None` when it is empty or has a credential.
    /// Numbers and addresses that were found in it are masked.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        let found: BTreeSet<_> =
            self.findings.iter().filter(|finding| in_subject(&finding.place)).map(|finding| finding.kind).collect();
        if found.contains(&Kind::Credential) {
            return None;
        }
        let numbers = [
            Kind::MyNumber,
            Kind::DriversLicense,
            Kind::Phone,
            Kind::PostalCode,
            Kind::BirthDate,
            Kind::BankAccount,
            Kind::CreditCard,
        ];
        let mut subject = self.facts.subject.clone();
        if numbers.iter().any(|kind| found.contains(kind)) {
            subject = display::mask_numbers(&subject, 1);
        }
        if found.contains(&Kind::EmailAddress) {
            subject = display::mask_addresses(&subject);
        }
        let subject = display::line(&subject, SUBJECT_LENGTH);
        (!subject.is_empty()).then_some(subject)
    }

    /// The rules for which the mail was stopped, delayed or changed, or somebody is told; not those that only observe, log or tag,
    /// whose titles may speak of a mail that was sent.
    #[must_use]
    pub fn deciding(&self) -> Vec<&'a Match> {
        let least = match self.verdict.outcome {
            outcome if outcome.stops() => Outcome::HoldSender,
            Outcome::Delay => Outcome::Delay,
            _ => Outcome::Notify,
        };
        self.verdict.matches.iter().filter(|found| !found.observed && found.outcome >= least).collect()
    }

    /// What was found, by kind.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        let sure = |finding: &&Finding| finding.confidence >= Confidence::Likely;
        let mut places: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for finding in self.findings.iter().filter(sure) {
            let place = display::place(&finding.place, PLACE_LENGTH);
            let places = places.entry(finding.kind).or_default();
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let counted = self.facts.data.iter().map(|(kind, count)| (*kind, count.at_least(Confidence::Likely)));
        let mut counts: BTreeMap<Kind, u64> = counted.filter(|(_, count)| *count > 0).collect();
        for (kind, places) in &places {
            counts.entry(*kind).or_insert(places.len() as u64);
        }
        let found = counts.into_iter().map(|(kind, count)| {
            let mut places = places.remove(&kind).unwrap_or_default();
            let more = places.len() > PLACES || count > places.len() as u64;
            places.truncate(PLACES);
            Found { kind, count, places, more }
        });
        found.collect()
    }

    /// The mail's Message-ID (RFC 5322 3.6.4), when it is plain enough to be copied into a header.
    #[must_use]
    pub fn message_id(&self) -> Option<&'a str> {
        let (_, id) = self.facts.headers.iter().find(|(name, _)| name == "message-id")?;
        let id = id.trim();
        let inner = id.strip_prefix('<')?.strip_suffix('>')?;
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'<' && byte != b'>';
        (id.len() <= 250 && inner.matches('@').count() == 1 && inner.bytes().all(plain)).then_some(id)
    }

    /// Would everybody who gets the mail see this address in it?
    #[must_use]
    pub fn shows(&self, address: &Address) -> bool {
        self.facts.visible.contains(address)
    }

    /// The recipients who still wait or, for a mail that was not held, all of them.
    pub fn recipients(&self) -> impl Iterator<Item = &'a Address> {
        self.recipients.iter().copied()
    }
}

fn in_subject(place: &str) -> bool {
    place.starts_with("subject")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Count;

    fn passed(facts: Facts, findings: Vec<Finding>) -> store::About {
        store::About { sender: None, facts, findings, verdict: Verdict::default(), created_ms: 0 }
    }

    fn finding(kind: Kind, place: &str) -> Finding {
        Finding { kind, confidence: Confidence::Likely, place: place.to_owned(), masked: "x".to_owned(), value: None }
    }

    #[test]
    fn a_subject_does_not_repeat_what_was_found_in_it() {
        let id = MailId::new(0, [0; 10]);
        for (subject, kind, shown) in [
            ("10月の会議", None, Some("10月の会議")),
            ("番号 6214 9832 0257", Some(Kind::MyNumber), Some("番号 **** **** ****")),
            ("taro@mail.test さん", Some(Kind::EmailAddress), Some("…@… さん")),
            ("パスワードは himitsu", Some(Kind::Credential), None),
            ("", None, None),
        ] {
            let facts = Facts { subject: subject.to_owned(), ..Facts::default() };
            let findings: Vec<_> = kind.map(|kind| finding(kind, "subject")).into_iter().collect();
            let mail = passed(facts, findings);
            assert_eq!(About::passed(&id, &mail).subject().as_deref(), shown);
        }
    }

    #[test]
    fn a_message_id_is_copied_only_when_it_is_plain() {
        let id = MailId::new(0, [0; 10]);
        for (text, sane) in [
            ("<a.b@x.test>", true),
            (" <a.b@x.test> ", true),
            ("a.b@x.test", false),
            ("<a b@x.test>", false),
            ("<a@x.test>\r\nBcc: y@x.test", false),
            ("<a@x.test> <b@x.test>", false),
            ("<日本@x.test>", false),
            ("<nothing>", false),
        ] {
            let headers = vec![("message-id".to_owned(), text.to_owned())];
            let facts = Facts { headers, ..Facts::default() };
            let mail = passed(facts, Vec::new());
            assert_eq!(About::passed(&id, &mail).message_id().is_some(), sane, "{text}");
        }
    }

    #[test]
    fn findings_are_counts_and_masked_places() {
        let id = MailId::new(0, [0; 10]);
        let mut facts = Facts::default();
        facts.data.insert(Kind::Phone, Count { weak: 9, likely: 5, certain: 0 });
        facts.data.insert(Kind::Name, Count { weak: 3, likely: 0, certain: 0 });
        let findings = vec![finding(Kind::Phone, "090-1234-5678.xlsx!C1"), finding(Kind::Phone, "body line 3")];
        let mail = passed(facts, findings);
        let found = About::passed(&id, &mail).found();
        let places = vec!["***-****-****.xlsx!C1".to_owned(), "body line 3".to_owned()];
        assert_eq!(found, [Found { kind: Kind::Phone, count: 5, places, more: true }]);
    }
}
