//! How much one sender, or one login, may hand in within an hour; what goes beyond is asked to come later (450).
//! It refuses to judge a mail twice: all its transactions follow one answer, and the mail that crosses the line still passes, so that a mail
//! with more recipients than the bound can be sent at all.

use super::{NotNow, Pipeline};
use crate::address::Address;
use crate::config::Rates;
use crate::facts::Facts;
use crate::id::MailId;
use crate::mail::envelope::Envelope;
use crate::rules::verdict::{Bilingual, Match, Outcome, Reason, Verdict};
use crate::smtp::reply::Reply;
use crate::store::{
    About, HistoryRow, MailKey, NewNotice, NoticeKind, Record, SENT, SENT_BY_LOGIN, Store, StoreError, Sums,
};
use aws_lc_rs::hmac;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The window, in milliseconds.
const HOUR_MS: u64 = 3_600_000;
/// Milliseconds of a day, for one notice about a sender in each.
const DAY_MS: u64 = 86_400_000;

/// The bounds, and the mails that are on their way and in no history yet.
#[derive(Debug)]
pub(super) struct Gate {
    rates: Rates,
    open: Arc<Mutex<HashMap<Who, HashMap<MailKey, Underway>>>>,
}

/// Whose mails are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Who {
    class: &'static str,
    name: Address,
}

/// One mail that is being handled.
#[derive(Debug, Default)]
struct Underway {
    transactions: usize,
    recipients: u64,
}

/// A transaction's place among the mails that are on their way; it is given back when the mail is answered.
#[derive(Debug)]
pub(super) struct Turn {
    open: Arc<Mutex<HashMap<Who, HashMap<MailKey, Underway>>>>,
    key: MailKey,
    whose: Vec<Who>,
}

/// A sender or login has used up its hour.
#[derive(Debug, thiserror::Error)]
#[error("take the mail: its sender has handed in {found} {what} within an hour, {bound} are allowed")]
pub(super) struct Excess {
    who: Who,
    what: &'static str,
    found: u64,
    bound: u64,
}

impl Gate {
    pub(super) fn new(rates: Rates) -> Self {
        Self { rates, open: Arc::default() }
    }

    /// Whose bounds concern this mail. A mail with the null reverse-path counts for its login alone.
    fn whose(&self, envelope: &Envelope) -> Vec<Who> {
        if !self.rates.any() {
            return Vec::new();
        }
        let sender = envelope.sender.clone().map(|name| Who { class: SENT, name });
        let login = envelope.client.login.as_deref().map(|name| Who { class: SENT_BY_LOGIN, name: Address::new(name) });
        sender.into_iter().chain(login).filter(|who| !self.rates.exempts(&who.name)).collect()
    }

    /// Takes a place for this transaction.
    pub(super) fn enter(&self, key: &MailKey, envelope: &Envelope, recipients: u64) -> Turn {
        let whose = self.whose(envelope);
        if !whose.is_empty() {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            for who in &whose {
                let mail = open.entry(who.clone()).or_default().entry(key.clone()).or_default();
                mail.transactions += 1;
                mail.recipients = mail.recipients.max(recipients);
            }
        }
        Turn { open: Arc::clone(&self.open), key: key.clone(), whose }
    }

    /// What others on their way add to the sums of the history.
    fn underway(&self, who: &Who, key: &MailKey) -> (u64, u64) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let others = open.get(who).into_iter().flatten().filter(|(other, _)| *other != key);
        others.fold((0, 0), |(mails, recipients), (_, mail)| (mails + 1, recipients + mail.recipients))
    }

    /// Is there room for this mail? A mail of which a part was taken already goes on.
    pub(super) async fn admit(&self, store: &Store, turn: &Turn, now_ms: u64) -> Result<(), NotNow> {
        for who in &turn.whose {
            let sent = store.sent(&who.name, who.class, now_ms.saturating_sub(HOUR_MS), &turn.key).await?;
            if sent.begun {
                continue;
            }
            let (mails, recipients) = self.underway(who, &turn.key);
            for (what, found, bound) in [
                ("mails", sent.mails + mails, self.rates.mails_per_hour),
                ("recipients", sent.recipients + recipients, self.rates.recipients_per_hour),
            ] {
                if let Some(bound) = bound
                    && found >= bound
                {
                    return Err(Excess { who: who.clone(), what, found, bound }.into());
                }
            }
        }
        Ok(())
    }

    /// Adds to a row of the history what the bounds count; a mail without a sender gets one for its login.
    pub(super) fn count(
        &self,
        row: Option<HistoryRow>,
        facts: &Facts,
        key: &MailKey,
        now_ms: u64,
    ) -> Option<HistoryRow> {
        if !self.rates.any() {
            return row;
        }
        let sums = Sums { mails: 1, external_recipients: facts.recipients.len() as u64, ..Sums::default() };
        let sender = row.is_some().then_some(SENT);
        let login = facts.login.is_some().then_some(SENT_BY_LOGIN);
        let nobody = || HistoryRow {
            key: key.clone(),
            sender: Address::new(""),
            login: None,
            at_ms: now_ms,
            adds: std::collections::BTreeMap::new(),
        };
        let mut row = row.or_else(|| login.map(|_| nobody()))?;
        row.login.clone_from(&facts.login);
        row.adds.extend(sender.into_iter().chain(login).map(|class| (class.to_owned(), sums)));
        Some(row)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.whose.is_empty() {
            return;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for who in &self.whose {
            let Some(mails) = open.get_mut(who) else { continue };
            if let Some(mail) = mails.get_mut(&self.key) {
                mail.transactions -= 1;
                if mail.transactions == 0 {
                    mails.remove(&self.key);
                }
            }
            if mails.is_empty() {
                open.remove(who);
            }
        }
    }
}

impl Pipeline {
    /// Asks the client to come later, and tells the administrators once a day about each sender.
    pub(super) async fn turn_away(&self, envelope: &Envelope, bytes: usize, excess: &Excess, now_ms: u64) -> Reply {
        self.metrics.rate_limited.inc();
        tracing::info!(what = excess.what, found = excess.found, bound = excess.bound, "a sender is above the rate");
        if let Err(error) = self.tell_admins(envelope, bytes, excess, now_ms).await {
            tracing::error!("failed to {error}: the administrators are not told of a sender above the rate");
        }
        Reply::new(450, "4.7.1", &format!("too many {} from this sender within an hour, try again later", excess.what))
    }

    async fn tell_admins(
        &self,
        envelope: &Envelope,
        bytes: usize,
        excess: &Excess,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        if self.admins.is_empty() {
            return Ok(());
        }
        let day = now_ms - now_ms % DAY_MS;
        // The same name for the same sender on the same day, so that the store takes the notice once, also after a restart.
        let tag =
            hmac::sign(&self.secret, format!("rate {day} {} {}", excess.who.class, excess.who.name.key()).as_bytes());
        let mut digits = [0; 10];
        digits.copy_from_slice(&tag.as_ref()[..10]);
        let mail = MailId::new(day, digits);
        let facts = Facts {
            sender: envelope.sender.clone(),
            login: envelope.client.login.clone(),
            client: Some(envelope.client.ip),
            recipients: envelope.recipients.iter().map(|recipient| recipient.address.clone()).collect(),
            bytes: bytes as u64,
            ..Facts::default()
        };
        let verdict = Verdict { notify: self.admins.clone(), matches: vec![excess.as_match()], ..Verdict::default() };
        let about = About { sender: envelope.sender.clone(), facts, findings: Vec::new(), verdict, created_ms: now_ms };
        let notices = vec![NewNotice::about(&mail, NoticeKind::Refused, about, now_ms)];
        self.store.record(Record { notices, now_ms, ..Record::default() }).await
    }
}

impl Excess {
    /// The reason as a notice gives it.
    fn as_match(&self) -> Match {
        let (ja, en) = match self.what {
            "mails" => ("通", "mails"),
            _ => ("件の宛先", "recipients"),
        };
        let bound = self.bound;
        Match {
            rule: "rates".to_owned(),
            title: Bilingual {
                ja: format!(
                    "この差出人の1時間の送信が上限（{bound}{ja}）に達したため、時間をおいて送り直すよう返答しました。同じ差出人については、今日はこれ以上お知らせしません"
                ),
                en: format!(
                    "This sender reached the bound of {bound} {en} within an hour, and was asked to come later. There will be no further notice about this sender today"
                ),
            },
            outcome: Outcome::Block,
            observed: false,
            reasons: vec![Reason {
                key: format!("{}_per_hour", self.what),
                wanted: format!("< {bound}"),
                found: self.found.to_string(),
            }],
        }
    }
}
