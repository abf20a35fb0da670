//! Which transactions are one mail: the key of a mail, and what its transactions share while they come in.
//! It refuses to inspect a mail twice or to let two of its transactions see different history.

use super::earlier::Earlier;
use crate::address::Address;
use crate::id::MailId;
use crate::inspect::Inspection;
use crate::mail::envelope::Envelope;
use crate::mail::header::Header;
use crate::rules::verdict::{Outcome, Verdict};
use crate::store::{MailGroup, MailKey, Store, StoreError};
use aws_lc_rs::hmac;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Mails remembered here at most; of those beyond it the store still knows what matters, and they are inspected again.
const MOST: usize = 4_000;

/// What all transactions of one mail share.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its sender was not above the rate when it began.
    pub(super) admitted: OnceCell<()>,
    /// The one inspection.
    pub(super) inspection: OnceCell<Inspection>,
    /// Windows and first contact; each is asked once.
    pub(super) history: tokio::sync::Mutex<History>,
    origin: OnceCell<Origin>,
    recipients: Mutex<Vec<Address>>,
    strictest: Mutex<Option<Verdict>>,
    /// Transactions that came so far, and those not answered yet.
    came: AtomicUsize,
    open: AtomicUsize,
    /// Was one of them taken, or refused by a rule?
    answered: AtomicBool,
}

/// Where a mail began: here, or before a restart.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) row: MailGroup,
    /// Did earlier transactions come before this process knew the mail?
    pub(super) continued: bool,
}

/// Facts that depend on what the sender did before the mail's first transaction.
#[derive(Debug, Default)]
pub(super) struct History {
    /// What earlier mails add up to, without this one.
    pub(super) windows: BTreeMap<String, u64>,
    pub(super) first_contact: Vec<Address>,
    /// Recipients whose first contact was asked for.
    pub(super) asked: HashSet<String>,
}

impl Group {
    /// Adds a transaction's recipients, and gives all that are known.
    pub(super) fn join(&self, envelope: &Envelope) -> Vec<Address> {
        let mut known = self.recipients.lock().unwrap_or_else(PoisonError::into_inner);
        let came = envelope.recipients.iter().map(|recipient| recipient.address.clone());
        let mut seen = HashSet::new();
        let all = std::mem::take(&mut *known).into_iter().chain(came);
        *known = all.filter(|address| seen.insert(address.key().to_owned())).collect();
        known.clone()
    }

    /// Where the mail began: with the transaction that comes now under this id, unless the store knows earlier ones that are not too old.
    pub(super) async fn origin(
        &self,
        store: &Store,
        content: &MailKey,
        id: &MailId,
        now_ms: u64,
        groups: &Groups,
    ) -> Result<&Origin, StoreError> {
        let keep_ms = groups.keep_ms;
        self.origin
            .get_or_try_init(|| async {
                let asked = groups.earlier.may_know(store, content, now_ms.saturating_sub(keep_ms)).await?;
                let known = if asked { store.mail_group(content).await? } else { None };
                let known = known.filter(|row| row.last_ms.saturating_add(keep_ms) > now_ms);
                Ok(if let Some(row) = known {
                    self.answered.store(true, Ordering::SeqCst);
                    Origin { row, continued: true }
                } else {
                    let row = MailGroup {
                        content: content.clone(),
                        mail: id.clone(),
                        first_ms: now_ms,
                        last_ms: now_ms,
                        windows: BTreeMap::new(),
                        verdict: None,
                    };
                    Origin { row, continued: false }
                })
            })
            .await
    }

    /// Did another transaction of the mail come before or beside this one?
    pub(super) fn has_others(&self, origin: &Origin) -> bool {
        origin.continued || self.came.load(Ordering::SeqCst) > 1
    }

    /// Was a transaction of the mail taken, or refused by a rule?
    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::SeqCst)
    }

    /// One mail, one decision: the strictest verdict of its transactions counts from then on.
    pub(super) fn strictest(&self, verdict: Verdict, earlier: impl IntoIterator<Item = Verdict>) -> Verdict {
        let mut known = self.strictest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut strictest = verdict;
        for earlier in earlier.into_iter().chain(known.take()) {
            if earlier.outcome > strictest.outcome {
                strictest = earlier;
            }
        }
        *known = Some(strictest.clone()).filter(|verdict| verdict.outcome > Outcome::Pass);
        strictest
    }
}

/// The mails whose transactions may still be coming in.
#[derive(Debug)]
pub(super) struct Groups {
    /// Milliseconds after its last transaction within which a further one belongs to a mail.
    keep_ms: u64,
    earlier: Earlier,
    mails: Mutex<HashMap<MailKey, (u64, Arc<Group>)>>,
}

/// A transaction's place in its mail, for as long as it is being answered.
pub(super) struct Place<'a> {
    groups: &'a Groups,
    content: MailKey,
    pub(super) group: Arc<Group>,
}

impl Place<'_> {
    /// The transaction was taken or refused by a rule: further ones have to agree with it.
    pub(super) fn answered(&self) {
        self.group.answered.store(true, Ordering::SeqCst);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut mails = self.groups.mails.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.group.open.fetch_sub(1, Ordering::SeqCst);
        let current = mails.get(&self.content).is_some_and(|(_, group)| Arc::ptr_eq(group, &self.group));
        if open == 1 && current && !self.group.is_answered() {
            // Nothing of it was taken: when the client comes again, it is looked at anew.
            mails.remove(&self.content);
        }
    }
}

impl Groups {
    pub(super) fn new(keep_ms: u64) -> Self {
        Self { keep_ms, earlier: Earlier::default(), mails: Mutex::default() }
    }

    /// A transaction enters its mail.
    pub(super) fn enter(&self, content: &MailKey, now_ms: u64) -> Place<'_> {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        if mails.len() >= MOST {
            let open = |group: &Group| group.open.load(Ordering::SeqCst) > 0;
            mails.retain(|_, (touched, group)| open(group) || touched.saturating_add(self.keep_ms) > now_ms);
            if mails.len() >= MOST {
                let mut ages: Vec<u64> = mails.values().map(|(touched, _)| *touched).collect();
                ages.sort_unstable();
                let median = ages.get(ages.len() / 2).copied().unwrap_or(now_ms);
                mails.retain(|content, (touched, group)| {
                    let stays = open(group) || *touched > median;
                    if !stays {
                        self.earlier.add(content);
                    }
                    stays
                });
            }
        }
        let (touched, group) = mails.entry(content.clone()).or_default();
        let old = touched.saturating_add(self.keep_ms) <= now_ms && group.open.load(Ordering::SeqCst) == 0;
        if *touched != 0 && old {
            *group = Arc::default();
        }
        *touched = now_ms;
        group.came.fetch_add(1, Ordering::SeqCst);
        group.open.fetch_add(1, Ordering::SeqCst);
        Place { groups: self, content: content.clone(), group: Arc::clone(group) }
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

/// How often this very host relayed the mail already: `Received` fields with its name behind `by` (RFC 5321 4.4).
pub(super) fn own_hops(mail: &[u8], hostname: &str) -> usize {
    let header = Header::scan(mail);
    let ours = |value: &[u8]| {
        let text = String::from_utf8_lossy(value);
        let mut words = text.split_ascii_whitespace();
        words.any(|word| word.eq_ignore_ascii_case("by"))
            && words.next().is_some_and(|name| name.trim_end_matches(';').eq_ignore_ascii_case(hostname))
    };
    header.named("received").filter(|field| ours(header.value(field))).count()
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
    fn only_our_own_name_behind_by_counts_as_our_hop() {
        let mail = b"Received: from x by guard.test (sekisho) with ESMTP id 1;\r\n\tdate\r\nReceived: from guard.test\r\n\tby other.test; d\r\n\
            received: from a\r\n\tBY Guard.Test; d\r\nSubject: by guard.test\r\n\r\nReceived: from x by guard.test\r\n";
        assert_eq!(own_hops(mail, "guard.test"), 2);
        assert_eq!(own_hops(mail, "other.test"), 1);
        assert_eq!(own_hops(mail, "test"), 0);
    }

    #[test]
    fn transactions_of_one_mail_meet_and_a_later_mail_starts_anew() {
        let groups = Groups::new(600_000);
        let key = MailKey("k".into());
        let first = groups.enter(&key, 1_000);
        first.answered();
        let group = Arc::clone(&first.group);
        assert!(Arc::ptr_eq(&group, &groups.enter(&key, 2_000).group));
        assert!(Arc::ptr_eq(&group, &groups.enter(&key, 2_000 + 600_000).group), "the first is not answered yet");
        drop(first);
        assert!(Arc::ptr_eq(&group, &groups.enter(&key, 2_000 + 600_000 + 599_999).group));
        assert!(!Arc::ptr_eq(&group, &groups.enter(&key, 2_000 + 3 * 600_000).group));
    }

    #[test]
    fn a_mail_of_which_nothing_was_taken_is_looked_at_anew() {
        let groups = Groups::new(600_000);
        let key = MailKey("k".into());
        let (first, second) = (groups.enter(&key, 1_000), groups.enter(&key, 1_001));
        let group = Arc::clone(&first.group);
        drop(first);
        assert!(Arc::ptr_eq(&group, &groups.enter(&key, 1_002).group), "another one is on its way");
        drop(second);
        assert!(!Arc::ptr_eq(&group, &groups.enter(&key, 1_003).group));
    }

    #[test]
    fn the_strictest_verdict_of_a_mail_stays() {
        let group = Group::default();
        let of = |outcome| Verdict { outcome, ..Verdict::default() };
        for (own, stored, counts) in [
            (Outcome::Pass, None, Outcome::Pass),
            (Outcome::HoldSender, None, Outcome::HoldSender),
            (Outcome::Pass, None, Outcome::HoldSender),
            (Outcome::Tag, Some(Outcome::HoldAdmin), Outcome::HoldAdmin),
            (Outcome::Pass, None, Outcome::HoldAdmin),
            (Outcome::Block, Some(Outcome::Tag), Outcome::Block),
        ] {
            assert_eq!(group.strictest(of(own), stored.map(of)).outcome, counts, "{own:?} {stored:?}");
        }
    }
}
