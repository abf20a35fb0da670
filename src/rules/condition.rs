//! Conditions in their compiled form: a tree of tests, each of which looks at one fact.
//! It refuses to hold anything but what evaluation needs; where a condition came from is kept by its rule.

use super::classes::{Class, ClassSet};
use super::number::Comparison;
use super::text::Pattern;
use super::window::WindowQuery;
use crate::address::{Address, DomainSet};
use crate::detect::{Confidence, Kind};
use crate::extract::Why;
use crate::facts::{LocalTime, MailKind};
use std::net::IpAddr;
use std::sync::Arc;

/// A tree of tests.
#[derive(Clone, Debug)]
pub enum Condition {
    /// One key of a table.
    Leaf(Leaf),
    /// All of these (a table).
    All(Vec<Condition>),
    /// At least one of these (`any`).
    Any(Vec<Condition>),
    /// Not this (`not`).
    Not(Box<Condition>),
}

/// One key with what it asks.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The key as written (`visible_external`, `data.my_number`, `attachment`).
    pub key: String,
    /// The value as written.
    pub wanted: String,
    /// The test.
    pub test: Test,
}

/// What is tested. Several values are alternatives.
#[derive(Clone, Debug)]
pub enum Test {
    Number(Measure, Vec<Comparison>),
    Flag(Flag, bool),
    From(AddressTest),
    To(AddressTest),
    ToAll(AddressTest),
    Login(Vec<Pattern>),
    Client(Vec<Network>),
    Subject(Vec<Pattern>),
    Header(String, Vec<Pattern>),
    AttachmentName(Vec<Pattern>),
    Attachments(Box<AttachmentTest>),
    /// A key of `Facts::matched`.
    Matched(Vec<String>),
    Unreadable {
        why: Vec<Why>,
        except: Vec<String>,
    },
    ConfidentialMark(Vec<Pattern>),
    Window(Vec<(WindowQuery, Comparison)>),
    MailKind(Vec<MailKind>),
    Time(Vec<TimeTest>),
}

/// A number of the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Visible,
    VisibleExternal,
    VisiblePersonal,
    VisibleExternalDomains,
    Recipients,
    ExternalRecipients,
    FirstContact,
    Persons,
    SensitivePersons,
    FinancialPersons,
    Data(Kind, Confidence),
    Credentials,
    Bytes,
}

/// A yes or no of the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    HiddenOnly,
    Confidential,
    RecipientsUnclear,
    InspectionFailed,
    LoginMismatch,
}

/// A set of addresses by class, list, domain or address.
#[derive(Clone, Debug, Default)]
pub struct AddressTest {
    /// Any of these classes.
    pub classes: ClassSet,
    /// Or in any of these lists.
    pub lists: Vec<Arc<DomainSet>>,
    /// Or the null reverse-path.
    pub null: bool,
    /// Each alternative as written, for comparing rules.
    pub words: Vec<String>,
}

impl AddressTest {
    /// Is an address of these classes meant?
    #[must_use]
    pub fn matches(&self, address: &Address, classes: ClassSet) -> bool {
        self.classes.intersects(classes) || self.lists.iter().any(|list| list.contains(address))
    }

    /// Does the test ask for look-alikes?
    #[must_use]
    pub fn asks_lookalike(&self) -> bool {
        self.classes.contains(Class::Lookalike)
    }
}

/// What one attachment must be.
#[derive(Clone, Debug, Default)]
pub struct AttachmentTest {
    /// One of these kinds.
    pub kinds: Vec<String>,
    /// Of this size.
    pub bytes: Vec<Comparison>,
    /// Content unlike its name.
    pub disguised: Option<bool>,
    /// With macros.
    pub macros: Option<bool>,
    /// How many such attachments there must be; at least one when not given.
    pub count: Vec<Comparison>,
}

impl AttachmentTest {
    /// Is it such an attachment?
    #[must_use]
    pub fn matches(&self, attachment: &crate::extract::Attachment) -> bool {
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.eq_ignore_ascii_case(&attachment.kind)))
            && (self.bytes.is_empty() || self.bytes.iter().any(|bytes| bytes.holds(attachment.bytes)))
            && self.disguised.is_none_or(|wanted| wanted == attachment.disguised)
            && self.macros.is_none_or(|wanted| wanted == attachment.macros)
    }

    /// Is that many enough?
    #[must_use]
    pub fn counts(&self, number: u64) -> bool {
        if self.count.is_empty() { number > 0 } else { self.count.iter().any(|count| count.holds(number)) }
    }
}

/// A network in CIDR notation (RFC 4632 3.1, RFC 4291 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    length: u8,
    v6: bool,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or one address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let (bits, v6) = bits(address.parse().ok()?);
        let all = if v6 { 128 } else { 32 };
        let length = length.unwrap_or(all);
        (length <= all).then(|| Self { bits: prefix(bits, length, v6), length, v6 })
    }

    /// Is the address in the network? An IPv4 address mapped into IPv6 (RFC 4291 2.5.5.2) counts as the IPv4 address.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let (bits, v6) = bits(address.to_canonical());
        v6 == self.v6 && prefix(bits, self.length, v6) == self.bits
    }
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), false),
        IpAddr::V6(address) => (address.to_bits(), true),
    }
}

fn prefix(bits: u128, length: u8, v6: bool) -> u128 {
    let drop = u32::from(if v6 { 128 } else { 32 } - length);
    bits.checked_shr(drop).unwrap_or(0)
}

/// A part of the week or the day, in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeTest {
    OfficeHours,
    OutsideOfficeHours,
    Weekend,
    Holiday,
    /// From this minute of the day until before that one; over midnight when the end is smaller.
    Between(u16, u16),
}

/// Minutes since midnight between which an office is open on a working day.
const OFFICE: std::ops::Range<u16> = 8 * 60..18 * 60;

impl TimeTest {
    /// Reads one of the words, or `08:30-17:15`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "office_hours" => Some(Self::OfficeHours),
            "outside_office_hours" => Some(Self::OutsideOfficeHours),
            "weekend" => Some(Self::Weekend),
            "holiday" => Some(Self::Holiday),
            _ => {
                let (from, to) = text.split_once('-')?;
                let (from, to) = (minute(from)?, minute(to)?);
                (from != to).then_some(Self::Between(from, to))
            }
        }
    }

    /// Is it that time?
    #[must_use]
    pub fn holds(self, time: LocalTime) -> bool {
        match self {
            Self::OfficeHours => time.weekday <= 5 && !time.holiday && OFFICE.contains(&time.minute),
            Self::OutsideOfficeHours => !Self::OfficeHours.holds(time),
            Self::Weekend => time.weekday >= 6,
            Self::Holiday => time.holiday,
            Self::Between(from, to) if from < to => (from..to).contains(&time.minute),
            Self::Between(from, to) => time.minute >= from || time.minute < to,
        }
    }
}

/// `HH:MM` as minutes since midnight; `24:00` is the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, address, inside) in [
            ("192.0.2.0/24", "192.0.2.77", true),
            ("192.0.2.0/24", "192.0.3.1", false),
            ("192.0.2.9", "192.0.2.9", true),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::/0", "2001:db8::1", true),
            ("192.0.2.0/24", "::ffff:192.0.2.1", true),
        ] {
            let network_bits = Network::parse(network).unwrap();
            assert_eq!(network_bits.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
        for text in ["192.0.2.0/33", "192.0.2/24", "host.test", ""] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_the_week() {
        let at = |weekday, minute, holiday| LocalTime { epoch_ms: 0, minute, weekday, holiday };
        for (text, time, holds) in [
            ("office_hours", at(1, 9 * 60, false), true),
            ("office_hours", at(1, 18 * 60, false), false),
            ("office_hours", at(1, 9 * 60, true), false),
            ("outside_office_hours", at(6, 9 * 60, false), true),
            ("weekend", at(5, 0, false), false),
            ("holiday", at(1, 0, true), true),
            ("08:30-17:15", at(7, 8 * 60 + 30, false), true),
            ("08:30-17:15", at(7, 17 * 60 + 15, false), false),
            ("22:00-06:00", at(1, 23 * 60, false), true),
            ("22:00-06:00", at(1, 12 * 60, false), false),
        ] {
            assert_eq!(TimeTest::parse(text).unwrap().holds(time), holds, "{text}");
        }
        for text in ["always", "8-17", "25:00-26:00", "08:00-08:00", "08:60-09:00"] {
            assert_eq!(TimeTest::parse(text), None, "{text}");
        }
    }
}
