//! Made-up mails, plans and next servers for the tests of store, hold and outbox.
//! It refuses to share state: every test makes its own store.
#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use sekisho::address::Address;
use sekisho::facts::Facts;
use sekisho::id::MailId;
use sekisho::mail::envelope::{Client, MailParameters, Recipient};
use sekisho::plan::{Change, Copy};
use sekisho::rules::verdict::{Bilingual, Decider, Escalation, HoldTerms, Match, OnExpiry, Outcome, Repair, Verdict};
use sekisho::store::{AuditFilter, Event, Held, MailKey, NewAudit, NewHold, NewQueued, Store};

/// The moment at which every test begins.
pub const NOW: u64 = 1_800_000_000_000;
pub const MINUTE: u64 = 60_000;
pub const HOUR: u64 = 60 * MINUTE;

pub fn id(number: u16) -> MailId {
    let [high, low] = number.to_be_bytes();
    MailId::new(NOW, [0, 0, 0, 0, 0, 0, 0, 0, high, low])
}

pub fn key(number: u16) -> MailKey {
    MailKey(format!("{number:064x}"))
}

pub fn addresses(list: &[&str]) -> Vec<Address> {
    list.iter().map(|address| Address::new(address)).collect()
}

pub fn recipients(list: &[&str]) -> Vec<Recipient> {
    list.iter().map(|address| Recipient::new(address)).collect()
}

pub fn terms(decider: Decider) -> HoldTerms {
    HoldTerms {
        decider,
        repairs: vec![Repair::Bcc, Repair::Individual, Repair::Cancel],
        approvers: vec!["boss@city.example.jp".to_owned(), "chief@city.example.jp".to_owned()],
        approvals: 1,
        escalate: vec![
            Escalation { after_ms: 8 * HOUR, to: vec!["mayor@city.example.jp".to_owned()] },
            Escalation { after_ms: 4 * HOUR, to: vec!["deputy@city.example.jp".to_owned()] },
        ],
        expires_ms: 24 * HOUR,
        on_expiry: OnExpiry::Return,
    }
}

pub fn verdict(terms: HoldTerms) -> Verdict {
    let outcome = match terms.decider {
        Decider::Nobody => Outcome::Delay,
        Decider::Sender => Outcome::HoldSender,
        Decider::Approver => Outcome::HoldApprover,
        Decider::Admin => Outcome::HoldAdmin,
    };
    let found = Match {
        rule: "visible-addresses".to_owned(),
        title: Bilingual::default(),
        outcome,
        observed: false,
        reasons: Vec::new(),
    };
    Verdict { outcome, matches: vec![found], hold: Some(terms), ..Verdict::default() }
}

/// A mail from `clerk@city.example.jp` with one colleague and two outsiders in To.
pub fn new_hold(number: u16, verdict: Verdict) -> NewHold {
    let to = ["colleague@city.example.jp", "one@mail.test", "two@mail.test"];
    let sender = Address::new("clerk@city.example.jp");
    let expires = verdict.hold.as_ref().map_or(24 * HOUR, |terms| terms.expires_ms);
    NewHold {
        id: id(number),
        key: key(number),
        client: client(),
        sender: Some(sender.clone()),
        parameters: MailParameters::default(),
        recipients: recipients(&to),
        facts: Facts { sender: Some(sender), recipients: addresses(&to), visible: addresses(&to), ..Facts::default() },
        findings: Vec::new(),
        head: Bytes::new(),
        body: Bytes::from(format!("Subject: {number}\r\n\r\nbody of {number}\r\n")),
        now: Vec::new(),
        now_ms: NOW,
        expires_ms: NOW + expires,
        settle_ms: 10_000,
        history: None,
        group: None,
        audit: vec![NewAudit::new(NOW, Some(id(number)), Event::Held, verdict.outcome)],
        verdict,
    }
}

pub fn client() -> Client {
    Client { helo: "pc.city.example.jp".to_owned(), esmtp: true, ..Client::new([192, 0, 2, 1].into()) }
}

pub fn new_queued(number: u16, to: &[&str]) -> NewQueued {
    NewQueued {
        id: id(number),
        head: Bytes::new(),
        body: Bytes::from(format!("From: clerk@city.example.jp\r\nSubject: {number}\r\n\r\nbody of {number}\r\n")),
        copies: vec![Copy { recipients: recipients(to), change: Change::default() }],
        sender: Some(Address::new("clerk@city.example.jp")),
        parameters: MailParameters::default(),
        now_ms: NOW,
        not_before_ms: NOW,
        history: None,
        contacts: Vec::new(),
        notices: Vec::new(),
        group: None,
        audit: Vec::new(),
    }
}

/// Holds a mail that must be new.
pub async fn hold(store: &Store, new: NewHold) -> MailId {
    let id = new.id.clone();
    assert_eq!(store.hold(new).await.unwrap(), Held::New(id.clone()));
    id
}

pub fn is_internal(address: &Address) -> bool {
    address.domain().is_some_and(|domain| domain.as_str() == "city.example.jp")
}

/// The events of a mail in their order.
pub async fn events(store: &Store, mail: &MailId) -> Vec<Event> {
    let filter = AuditFilter { mail: Some(mail.clone()), limit: 1_000, ..AuditFilter::default() };
    store.audit(&filter).await.unwrap().into_iter().map(|row| row.event).collect()
}
