//! How much one sender, or one login, may hand in within an hour; what goes beyond is asked to come later (450).
//! It refuses to judge a mail twice: all its transactions follow one answer, and the mail that crosses the line still passes, so that a mail
//! with more recipients than the bound can be sent at all.

use super::group::Group;
use super::{NotNow, Pipeline};
use crate::address::Address;
use crate::config::Rates;
use crate::facts::Facts;
use crate::id::MailId;
use crate::mail::envelope::Envelope;
use crate::rules::verdict::{Bilingual, Match, Outcome, Reason, Verdict};
use crate::smtp::reply::Reply;
use crate::store::{
    About, HistoryRow, MailKey, NewNotice, NewSent, NoticeKind, Record, SENT, SENT_BY_LOGIN, Store, StoreError,
};
use aws_lc_rs::hmac;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The window, in milliseconds.
const HOUR_MS: u64 = 3_600_000;
/// Milliseconds of a day, for one notice about a sender in each.
const DAY_MS: u64 = 86_400_000;

/// The bounds, and the mails that are on their way and in no history yet.
#[derive(Debug)]
pub(super) struct Gate {
    rates: Rates,
    open: Open,
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
#[derive(Debug, Default)]
pub(super) struct Turn {
    open: Open,
    key: Option<MailKey>,
    whose: Vec<Who>,
}

type Open = Arc<Mutex<HashMap<Who, HashMap<MailKey, Underway>>>>;

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
    fn whose(&self, sender: Option<&Address>, login: Option<&str>) -> Vec<Who> {
        if !self.rates.any() {
            return Vec::new();
        }
        let sender = sender.map(|name| Who { class: SENT, name: name.clone() });
        let login = login.map(|name| Who { class: SENT_BY_LOGIN, name: Address::new(name) });
        sender.into_iter().chain(login).filter(|who| !self.rates.exempts(&who.name)).collect()
    }

    /// Takes a place for this transaction.
    pub(super) fn enter(&self, key: &MailKey, envelope: &Envelope, recipients: u64) -> Turn {
        let whose = self.whose(envelope.sender.as_ref(), envelope.client.login.as_deref());
        if !whose.is_empty() {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            for who in &whose {
                let mail = open.entry(who.clone()).or_default().entry(key.clone()).or_default();
                mail.transactions += 1;
                mail.recipients = mail.recipients.max(recipients);
            }
        }
        Turn { open: Arc::clone(&self.open), key: Some(key.clone()), whose }
    }

    /// What others on their way add to the sums of the history.
    fn underway(&self, who: &Who, key: &MailKey) -> (u64, u64) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let others = open.get(who).into_iter().flatten().filter(|(other, _)| *other != key);
        others.fold((0, 0), |(mails, recipients), (_, mail)| (mails + 1, recipients + mail.recipients))
    }

    /// Is there room for this mail? A mail of which a part was taken already goes on.
    pub(super) async fn admit(&self, store: &Store, turn: &Turn, now_ms: u64) -> Result<(), NotNow> {
        let Some(key) = &turn.key else { return Ok(()) };
        for who in &turn.whose {
            let sent = store.sent(&who.name, who.class, now_ms.saturating_sub(HOUR_MS), key).await?;
            if sent.begun {
                continue;
            }
            let (mails, recipients) = self.underway(who, key);
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
        let whose = self.whose(row.as_ref().map(|row| &row.sender), facts.login.as_deref());
        if whose.is_empty() {
            return row;
        }
        let nobody = || HistoryRow {
            key: key.clone(),
            sender: Address::new(""),
            at_ms: now_ms,
            adds: BTreeMap::new(),
            sent: None,
        };
        let mut row = row.unwrap_or_else(nobody);
        row.sent = Some(NewSent {
            whose: whose.into_iter().map(|who| (who.class, who.name)).collect(),
            at_ms: now_ms,
            recipients: facts.recipients.len() as u64,
        });
        Some(row)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(key) = &self.key else { return };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for who in &self.whose {
            let Some(mails) = open.get_mut(who) else { continue };
            if let Some(mail) = mails.get_mut(key) {
                mail.transactions -= 1;
                if mail.transactions == 0 {
                    mails.remove(key);
                }
            }
            if mails.is_empty() {
                open.remove(who);
            }
        }
    }
}

impl Pipeline {
    /// Lets a transaction in, or not; what is known of its mail decides once for all of them.
    pub(super) async fn admit(
        &self,
        envelope: &Envelope,
        content: &MailKey,
        id: &MailId,
        group: &Group,
        now_ms: u64,
    ) -> Result<Turn, NotNow> {
        if !self.gate.rates.any() {
            return Ok(Turn::default());
        }
        let origin = group.origin(&self.store, content, id, now_ms, &self.groups).await?;
        let turn = self.gate.enter(&origin.row.key(), envelope, group.join(envelope).len() as u64);
        // A refusal is not kept: the client comes again, and is judged anew.
        group.admitted.get_or_try_init(|| self.gate.admit(&self.store, &turn, now_ms)).await?;
        Ok(turn)
    }

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
        self.store.record(Record { now_ms, notices, ..Record::default() }).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mail::envelope::{Client, MailParameters};
    use std::path::Path;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    const NOW: u64 = 1_695_108_600_000;

    fn gate(rates: &str) -> Gate {
        let text = format!(
            "hostname = \"guard.example.jp\"\n[[listener]]\nlisten = \"127.0.0.1:9\"\n[upstream]\nserver = \"127.0.0.1:8\"\n[rates]\n{rates}\n"
        );
        Gate::new(Config::parse("test", &text, Path::new(".")).unwrap().rates)
    }

    fn envelope(sender: Option<&str>, login: Option<&str>) -> Envelope {
        Envelope {
            client: Client { login: login.map(str::to_owned), ..Client::new("192.0.2.1".parse().unwrap()) },
            sender: sender.map(Address::new),
            parameters: MailParameters::default(),
            recipients: Vec::new(),
        }
    }

    /// Hands in one mail to this many; takes it into the history when it is admitted.
    async fn send(
        gate: &Gate,
        store: &Store,
        envelope: &Envelope,
        key: &str,
        to: usize,
        now_ms: u64,
    ) -> Option<&'static str> {
        let key = MailKey(key.to_owned());
        let turn = gate.enter(&key, envelope, to as u64);
        match gate.admit(store, &turn, now_ms).await {
            Ok(()) => {}
            Err(NotNow::Excess(excess)) => return Some(excess.what),
            Err(error) => panic!("{error}"),
        }
        let recipients = (0..to).map(|number| Address::new(&format!("r{number}@out.test"))).collect();
        let facts = Facts { recipients, login: envelope.client.login.clone(), ..Facts::default() };
        let row = envelope.sender.clone().map(|sender| HistoryRow {
            key: key.clone(),
            sender,
            at_ms: now_ms,
            adds: BTreeMap::new(),
            sent: None,
        });
        let history = gate.count(row, &facts, &key, now_ms);
        store.record(Record { history, now_ms, ..Record::default() }).await.unwrap();
        None
    }

    #[tokio::test]
    async fn a_login_is_counted_under_whatever_sender_it_writes() -> Outcome {
        let (store, gate) = (Store::memory().await?, gate("mails_per_hour = 2\nexempt = [\"scanner\"]"));
        let by = |sender| envelope(sender, Some("taro"));
        assert_eq!(send(&gate, &store, &by(Some("a@example.jp")), "1", 1, NOW).await, None);
        assert_eq!(send(&gate, &store, &by(None), "2", 1, NOW).await, None);
        assert_eq!(send(&gate, &store, &by(Some("b@example.jp")), "3", 1, NOW).await, Some("mails"));
        assert_eq!(send(&gate, &store, &by(None), "4", 1, NOW).await, Some("mails"));
        assert_eq!(send(&gate, &store, &envelope(Some("b@example.jp"), Some("jiro")), "5", 1, NOW).await, None);
        for key in ["6", "7", "8"] {
            assert_eq!(send(&gate, &store, &envelope(None, Some("scanner")), key, 1, NOW).await, None);
        }
        // A report of another server has neither; it cannot be a burst of one person.
        for key in ["9", "10", "11"] {
            assert_eq!(send(&gate, &store, &envelope(None, None), key, 1, NOW).await, None);
        }
        Ok(())
    }

    #[tokio::test]
    async fn the_hour_moves_on_and_the_mail_that_crosses_the_line_passes() -> Outcome {
        let (store, gate) = (Store::memory().await?, gate("recipients_per_hour = 100"));
        let envelope = envelope(Some("clerk@example.jp"), None);
        assert_eq!(send(&gate, &store, &envelope, "1", 99, NOW).await, None);
        assert_eq!(send(&gate, &store, &envelope, "2", 421, NOW + 1).await, None, "there was room for one");
        assert_eq!(send(&gate, &store, &envelope, "3", 1, NOW + 2).await, Some("recipients"));
        assert_eq!(send(&gate, &store, &envelope, "2", 421, NOW + 3).await, None, "a mail that began goes on");
        assert_eq!(send(&gate, &store, &envelope, "3", 1, NOW + HOUR_MS).await, Some("recipients"));
        assert_eq!(send(&gate, &store, &envelope, "3", 1, NOW + HOUR_MS + 2).await, None, "an hour later all is free");
        Ok(())
    }

    #[tokio::test]
    async fn mails_at_the_same_time_see_each_other() -> Outcome {
        let (store, gate) = (Store::memory().await?, gate("mails_per_hour = 2"));
        let envelope = envelope(Some("clerk@example.jp"), None);
        let key = |name: &str| MailKey(name.to_owned());
        let first = gate.enter(&key("1"), &envelope, 1);
        let again = gate.enter(&key("1"), &envelope, 1);
        let second = gate.enter(&key("2"), &envelope, 1);
        let third = gate.enter(&key("3"), &envelope, 1);
        assert!(gate.admit(&store, &third, NOW).await.is_err(), "two others are on their way");
        drop(third);
        assert!(gate.admit(&store, &second, NOW).await.is_ok());
        drop((first, second));
        let fourth = gate.enter(&key("4"), &envelope, 1);
        assert_eq!(gate.underway(&fourth.whose[0], &key("4")), (1, 1), "one transaction of the first is left");
        drop((again, fourth));
        assert!(gate.open.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
        Ok(())
    }

    #[tokio::test]
    async fn without_a_bound_nothing_is_counted() -> Outcome {
        let (store, gate) = (Store::memory().await?, gate(""));
        let envelope = envelope(Some("clerk@example.jp"), Some("taro"));
        for number in 0..9 {
            assert_eq!(send(&gate, &store, &envelope, &number.to_string(), 421, NOW).await, None);
        }
        let sent = store.sent(&Address::new("clerk@example.jp"), SENT, 0, &MailKey(String::new())).await?;
        assert_eq!(sent, crate::store::Sent::default());
        Ok(())
    }
}
