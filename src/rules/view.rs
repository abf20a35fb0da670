//! The facts as conditions look at them: classes and counts are worked out once per mail, and only when a rule asks.
//! It refuses to decide; and what it says for people never holds a recipient's address, since that may be a hidden one.

use super::classes::{Class, ClassSet, Classes};
use super::condition::{AddressTest, Condition, Flag, Leaf, Measure, Test};
use super::text::{Pattern, fold};
use crate::address::Address;
use crate::facts::Facts;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// One mail under evaluation.
pub(super) struct View<'f> {
    classes: &'f Classes,
    facts: &'f Facts,
    recipients: OnceCell<Vec<ClassSet>>,
    visible: OnceCell<Vec<ClassSet>>,
    subject: OnceCell<String>,
}

/// The file name at the end of a path such as `名簿.zip!5年生.xlsx`.
fn file_name(path: &str) -> &str {
    path.rsplit('!').next().unwrap_or(path)
}

fn any_match(patterns: &[Pattern], text: &str, folded: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text, folded))
}

/// Counts addresses of this class; two spellings of one mailbox count once.
fn count(addresses: &[Address], classes: &[ClassSet], class: Class) -> u64 {
    let mut chosen = addresses.iter().zip(classes).filter(|(_, classes)| classes.contains(class));
    // The usual mail has one or two; a set is built only for more.
    let Some((first, _)) = chosen.next() else { return 0 };
    let Some((second, _)) = chosen.next() else { return 1 };
    let mut distinct: BTreeSet<&str> = [first.key(), second.key()].into();
    distinct.extend(chosen.map(|(address, _)| address.key()));
    distinct.len() as u64
}

impl<'f> View<'f> {
    pub(super) fn new(classes: &'f Classes, facts: &'f Facts) -> Self {
        Self { classes, facts, recipients: OnceCell::new(), visible: OnceCell::new(), subject: OnceCell::new() }
    }

    fn recipients(&self) -> &[ClassSet] {
        self.recipients.get_or_init(|| self.facts.recipients.iter().map(|one| self.classes.of(one)).collect())
    }

    fn visible(&self) -> &[ClassSet] {
        self.visible.get_or_init(|| self.facts.visible.iter().map(|one| self.classes.of(one)).collect())
    }

    fn folded_subject(&self) -> &str {
        self.subject.get_or_init(|| fold(&self.facts.subject))
    }

    /// Does the condition hold?
    pub(super) fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Leaf(leaf) => self.test(&leaf.test),
            Condition::All(parts) => parts.iter().all(|part| self.holds(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Condition::Not(part) => !self.holds(part),
        }
    }

    /// Does the test hold?
    pub(super) fn test(&self, test: &Test) -> bool {
        let facts = self.facts;
        match test {
            Test::Number(measure, comparisons) => {
                let found = self.measure(*measure);
                comparisons.iter().any(|comparison| comparison.holds(found))
            }
            Test::Flag(flag, wanted) => self.flag(*flag) == *wanted,
            Test::From(test) => self.from(test),
            Test::To(test) => self.matching(test) > 0,
            Test::ToAll(test) => !facts.recipients.is_empty() && self.matching(test) == facts.recipients.len(),
            Test::Login(patterns) => facts.login.as_ref().is_some_and(|login| any_match(patterns, login, &fold(login))),
            Test::Client(networks) => {
                facts.client.is_some_and(|client| networks.iter().any(|network| network.contains(client)))
            }
            Test::Subject(patterns) => any_match(patterns, &facts.subject, self.folded_subject()),
            Test::Header(name, patterns) => facts
                .headers
                .iter()
                .any(|(found, value)| found.eq_ignore_ascii_case(name) && any_match(patterns, value, &fold(value))),
            Test::AttachmentName(patterns) => self.named(patterns) > 0,
            Test::Attachments(test) => {
                test.counts(facts.attachments.iter().filter(|one| test.matches(one)).count() as u64)
            }
            Test::Matched(keys) => keys.iter().any(|key| facts.matched.contains(key)),
            Test::Unreadable { why, except } => {
                facts.unreadable.iter().any(|one| why.contains(&one.why) && !self.excepted(&one.path, except))
            }
            Test::ConfidentialMark(patterns) => {
                facts.confidential.as_ref().is_some_and(|mark| any_match(patterns, mark, &fold(mark)))
            }
            Test::Window(windows) => windows.iter().any(|(query, comparison)| comparison.holds(self.window(*query))),
            Test::MailKind(kinds) => kinds.iter().any(|kind| facts.mail_kind.contains(kind)),
            Test::Time(times) => times.iter().any(|time| time.holds(facts.time)),
        }
    }

    fn measure(&self, measure: Measure) -> u64 {
        let facts = self.facts;
        match measure {
            Measure::Visible => distinct(&facts.visible),
            Measure::VisibleExternal => count(&facts.visible, self.visible(), Class::External),
            Measure::VisiblePersonal => count(&facts.visible, self.visible(), Class::Personal),
            Measure::VisibleExternalDomains => {
                let external = facts.visible.iter().zip(self.visible());
                let domains: BTreeSet<_> = external
                    .filter(|(_, classes)| classes.contains(Class::External))
                    .filter_map(|(address, _)| address.domain())
                    .collect();
                domains.len() as u64
            }
            Measure::Recipients => distinct(&facts.recipients),
            Measure::ExternalRecipients => count(&facts.recipients, self.recipients(), Class::External),
            Measure::FirstContact => {
                facts.first_contact.iter().filter(|address| !self.classes.is_internal(address)).count() as u64
            }
            Measure::Persons => facts.persons.total,
            Measure::SensitivePersons => facts.persons.sensitive,
            Measure::FinancialPersons => facts.persons.financial,
            Measure::Data(kind, confidence) => facts.data.get(&kind).map_or(0, |count| count.at_least(confidence)),
            Measure::Credentials => facts.credentials,
            Measure::Bytes => facts.bytes,
        }
    }

    fn flag(&self, flag: Flag) -> bool {
        match flag {
            Flag::Confidential => self.facts.confidential.is_some(),
            Flag::RecipientsUnclear => self.facts.recipients_unclear.is_some(),
            Flag::InspectionFailed => self.facts.inspection_failed.is_some(),
            Flag::LoginMismatch => self.facts.login_mismatch(),
            Flag::HiddenOnly => {
                let mut external = self.facts.recipients.iter().zip(self.recipients());
                let visible: BTreeSet<&str> = self.facts.visible.iter().map(Address::key).collect();
                self.measure(Measure::ExternalRecipients) > 0
                    && external.all(|(address, classes)| {
                        !classes.contains(Class::External) || !visible.contains(address.key())
                    })
            }
        }
    }

    fn from(&self, test: &AddressTest) -> bool {
        let facts = self.facts;
        (test.null && facts.sender.is_none())
            || facts
                .sender
                .iter()
                .chain(&facts.header_from)
                .any(|address| test.matches(address, self.classes.of(address)))
    }

    /// How many recipients the test means.
    fn matching(&self, test: &AddressTest) -> usize {
        self.facts
            .recipients
            .iter()
            .zip(self.recipients())
            .filter(|(one, classes)| test.matches(one, **classes))
            .count()
    }

    fn named(&self, patterns: &[Pattern]) -> usize {
        let names = self.facts.attachments.iter().map(|attachment| file_name(&attachment.path));
        names.filter(|name| any_match(patterns, name, &fold(name))).count()
    }

    /// Is the file at this place of a kind that need not be read?
    fn excepted(&self, path: &str, except: &[String]) -> bool {
        let mut attachments = self.facts.attachments.iter();
        attachments.any(|one| one.path == path && except.iter().any(|kind| kind.eq_ignore_ascii_case(&one.kind)))
    }

    /// The sum of a window; a mail alone is its own sum, where no store keeps one (`scan`).
    fn window(&self, query: super::window::WindowQuery) -> u64 {
        let own = query.contribution(self.classes, self.facts);
        self.facts.windows.get(&query.key()).map_or(own, |sum| own.max(*sum))
    }

    /// What the mail has, as text for people: numbers and words, never a recipient's address and nothing from the content but a confidential mark.
    pub(super) fn found(&self, leaf: &Leaf) -> String {
        let facts = self.facts;
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        match &leaf.test {
            Test::Number(measure, _) => {
                let about = matches!(measure, Measure::Persons | Measure::SensitivePersons | Measure::FinancialPersons)
                    && facts.persons.estimated;
                format!("{}{}", if about { "~" } else { "" }, self.measure(*measure))
            }
            Test::Flag(Flag::Confidential, _) | Test::ConfidentialMark(_) => {
                facts.confidential.clone().unwrap_or_else(|| "no".to_owned())
            }
            Test::Flag(Flag::RecipientsUnclear, _) => {
                facts.recipients_unclear.clone().unwrap_or_else(|| "no".to_owned())
            }
            Test::Flag(Flag::InspectionFailed, _) => facts.inspection_failed.clone().unwrap_or_else(|| "no".to_owned()),
            Test::Flag(flag @ (Flag::HiddenOnly | Flag::LoginMismatch), _) => yes_no(self.flag(*flag)),
            Test::From(_) => facts.sender.as_ref().map_or_else(|| "<>".to_owned(), ToString::to_string),
            Test::To(test) | Test::ToAll(test) => self.found_recipients(test),
            Test::Login(_) => facts.login.clone().unwrap_or_else(|| "none".to_owned()),
            Test::Client(_) => facts.client.map_or_else(|| "unknown".to_owned(), |client| client.to_string()),
            Test::Subject(_) | Test::Header(..) | Test::Matched(_) => yes_no(self.test(&leaf.test)),
            Test::AttachmentName(patterns) => format!("{} / {}", self.named(patterns), facts.attachments.len()),
            Test::Attachments(test) => {
                let fitting = facts.attachments.iter().filter(|one| test.matches(one)).count();
                format!("{fitting} / {}", facts.attachments.len())
            }
            Test::Unreadable { except, .. } => {
                let reasons: BTreeSet<&str> = facts
                    .unreadable
                    .iter()
                    .filter(|one| !self.excepted(&one.path, except))
                    .map(|one| one.why.as_str())
                    .collect();
                joined_or(reasons, "no")
            }
            Test::Window(windows) => {
                let sums: Vec<String> = windows.iter().map(|(query, _)| self.window(*query).to_string()).collect();
                sums.join(" | ")
            }
            Test::MailKind(_) => {
                let words: Vec<String> = facts
                    .mail_kind
                    .iter()
                    .filter_map(|kind| Some(serde_json::to_value(kind).ok()?.as_str()?.to_owned()))
                    .collect();
                joined_or(words.iter().map(String::as_str), "none")
            }
            Test::Time(_) => {
                let holiday = if facts.time.holiday { " holiday" } else { "" };
                let day = ["?", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
                    .get(usize::from(facts.time.weekday))
                    .copied()
                    .unwrap_or("?");
                format!("{day} {:02}:{:02}{holiday}", facts.time.minute / 60, facts.time.minute % 60)
            }
        }
    }

    fn found_recipients(&self, test: &AddressTest) -> String {
        let count = format!("{} / {}", self.matching(test), self.facts.recipients.len());
        if !test.asks_lookalike() {
            return count;
        }
        let recipients = self.facts.recipients.iter().zip(self.recipients());
        let pairs: BTreeSet<String> = recipients
            .filter(|(_, classes)| classes.contains(Class::Lookalike))
            .filter_map(|(address, _)| Some(format!("{} ({}?)", address.domain()?, self.classes.meant(address)?)))
            .collect();
        joined_or(pairs.iter().map(String::as_str), &count)
    }

    /// Comparison keys of the recipients that a condition is about: those meant by its `to`, or by `first_contact`, or else all outside ones.
    pub(super) fn concerned(&self, condition: &Condition) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        self.collect_concerned(condition, &mut keys);
        if keys.is_empty() {
            let external = self.facts.recipients.iter().zip(self.recipients());
            keys.extend(
                external
                    .filter(|(_, classes)| classes.contains(Class::External))
                    .map(|(address, _)| address.key().to_owned()),
            );
        }
        keys
    }

    fn collect_concerned(&self, condition: &Condition, keys: &mut BTreeSet<String>) {
        match condition {
            Condition::Leaf(Leaf { test: Test::To(test), .. }) => {
                let recipients = self.facts.recipients.iter().zip(self.recipients());
                keys.extend(
                    recipients
                        .filter(|(address, classes)| test.matches(address, **classes))
                        .map(|(address, _)| address.key().to_owned()),
                );
            }
            Condition::Leaf(Leaf { test: Test::Number(Measure::FirstContact, _), .. }) => {
                keys.extend(self.facts.first_contact.iter().map(|address| address.key().to_owned()));
            }
            Condition::All(parts) => parts.iter().for_each(|part| self.collect_concerned(part, keys)),
            Condition::Any(parts) => {
                parts.iter().filter(|part| self.holds(part)).for_each(|part| self.collect_concerned(part, keys));
            }
            Condition::Leaf(_) | Condition::Not(_) => {}
        }
    }
}

fn distinct(addresses: &[Address]) -> u64 {
    if addresses.len() < 2 {
        return addresses.len() as u64;
    }
    addresses.iter().map(Address::key).collect::<BTreeSet<_>>().len() as u64
}

fn joined_or<'s>(words: impl IntoIterator<Item = &'s str>, none: &str) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}
