//! Which transactions are one mail: the key of a mail, and what its transactions share while they come in.
//! It refuses to inspect a mail twice or to let two of its transactions see different history.

use crate::address::Address;
use crate::facts::Facts;
use crate::inspect::Inspection;
use crate::mail::envelope::Envelope;
use crate::store::MailKey;
use aws_lc_rs::hmac;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// How long after its last transaction a mail's shared part is kept: longer than any sane relay takes to send the rest.
const KEEP_MS: u64 = 10 * 60 * 1000;
/// Mails kept at most; beyond that the oldest go first.
const KEEP: usize = 10_000;

/// What all transactions of one mail share.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its sender was not above the rate when it began.
    pub(super) admitted: OnceCell<()>,
    /// The one inspection.
    pub(super) inspection: OnceCell<Inspection>,
    /// Windows and first contact, asked once.
    pub(super) history: OnceCell<History>,
    recipients: Mutex<Vec<Address>>,
}

/// Facts that depend on what the sender did before.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) windows: BTreeMap<String, u64>,
    pub(super) first_contact: Vec<Address>,
}

impl Group {
    /// Adds a transaction's recipients, and gives all that are known.
    pub(super) fn join(&self, envelope: &Envelope) -> Vec<Address> {
        let mut known = self.recipients.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            *known = distinct(envelope.recipients.iter().map(|recipient| recipient.address.clone()));
        } else {
            known.extend(envelope.recipients.iter().map(|recipient| recipient.address.clone()));
            *known = distinct(std::mem::take(&mut *known).into_iter());
        }
        known.clone()
    }
}

fn distinct(addresses: impl Iterator<Item = Address>) -> Vec<Address> {
    let mut seen = std::collections::HashSet::new();
    addresses.filter(|address| seen.insert(address.key().to_owned())).collect()
}

/// The mails whose transactions may still be coming in.
#[derive(Debug, Default)]
pub(super) struct Groups {
    mails: Mutex<HashMap<MailKey, (u64, Arc<Group>)>>,
}

impl Groups {
    /// The shared part of this mail.
    pub(super) fn enter(&self, key: &MailKey, now_ms: u64) -> Arc<Group> {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        if mails.len() >= KEEP {
            mails.retain(|_, (touched, _)| touched.saturating_add(KEEP_MS) > now_ms);
            if mails.len() >= KEEP {
                let mut ages: Vec<u64> = mails.values().map(|(touched, _)| *touched).collect();
                ages.sort_unstable();
                let median = ages.get(ages.len() / 2).copied().unwrap_or(now_ms);
                mails.retain(|_, (touched, _)| *touched > median);
            }
        }
        let entry = mails.entry(key.clone()).or_default();
        if entry.0 != 0 && entry.0.saturating_add(KEEP_MS) <= now_ms {
            entry.1 = Arc::default();
        }
        entry.0 = now_ms;
        Arc::clone(&entry.1)
    }

    /// Forgets a mail, so that a repetition is looked at anew.
    pub(super) fn forget(&self, key: &MailKey) {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// The key of a mail: HMAC-SHA-256 over sender, and the mail without the trace fields at its top, which each hop adds (RFC 5321 4.4).
pub(super) fn mail_key(secret: &hmac::Key, sender: Option<&Address>, mail: &[u8]) -> MailKey {
    let mut context = hmac::Context::with_key(secret);
    context.update(sender.map_or("", Address::key).as_bytes());
    context.update(b"\n");
    context.update(without_trace(mail));
    let mut key = String::with_capacity(64);
    for byte in context.sign().as_ref() {
        let _ = write!(key, "{byte:02x}");
    }
    MailKey(key)
}

/// The mail from its first line that is not of a leading `Received` or `Return-Path` field. The Message-ID is within it.
fn without_trace(mail: &[u8]) -> &[u8] {
    let mut rest = mail;
    loop {
        let trace = ["received:", "return-path:"]
            .iter()
            .any(|name| rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes())));
        if !trace {
            return rest;
        }
        loop {
            let Some(end) = memchr::memchr(b'\n', rest) else { return &[] };
            rest = &rest[end + 1..];
            if !matches!(rest.first(), Some(b' ' | b'\t')) {
                break;
            }
        }
    }
}

/// How often the mail was relayed already: its `Received` fields (RFC 5321 6.3).
pub(super) fn hops(mail: &[u8]) -> usize {
    let mut count = 0;
    for line in mail.split(|byte| *byte == b'\n') {
        if line.is_empty() || line == b"\r" {
            break;
        }
        if line.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"received:")) {
            count += 1;
        }
    }
    count
}

/// Completes the facts of the one inspection for this transaction.
pub(super) fn complete(inspection: &Inspection, recipients: Vec<Address>, history: &History) -> Facts {
    let mut facts = inspection.facts.clone();
    facts.recipients = recipients;
    facts.windows.clone_from(&history.windows);
    facts.first_contact.clone_from(&history.first_contact);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sender: &str, mail: &[u8]) -> MailKey {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, b"secret of the test");
        mail_key(&secret, Some(&Address::new(sender)), mail)
    }

    #[test]
    fn hops_do_not_change_the_key_and_content_does() {
        let plain = b"Message-ID: <1@x.test>\r\nSubject: a\r\n\r\nb\r\n";
        let hopped = b"Received: from a\r\n\tby b; date\r\nreceived: c\r\nReturn-Path: <>\r\nMessage-ID: <1@x.test>\r\nSubject: a\r\n\r\nb\r\n";
        assert_eq!(key("a@x.test", plain), key("A@x.test", hopped));
        assert_ne!(key("a@x.test", plain), key("b@x.test", plain));
        assert_ne!(key("a@x.test", plain), key("a@x.test", b"Message-ID: <1@x.test>\r\nSubject: a\r\n\r\nc\r\n"));
    }

    #[test]
    fn only_the_header_section_is_counted_for_hops() {
        assert_eq!(hops(b"Received: a\r\nRECEIVED: b\r\nX: c\r\n\r\nReceived: d\r\n"), 2);
    }

    #[test]
    fn transactions_of_one_mail_meet_and_a_later_mail_starts_anew() {
        let groups = Groups::default();
        let key = MailKey("k".into());
        let first = groups.enter(&key, 1_000);
        assert!(Arc::ptr_eq(&first, &groups.enter(&key, 2_000)));
        assert!(!Arc::ptr_eq(&first, &groups.enter(&key, 2_000 + KEEP_MS)));
    }
}
