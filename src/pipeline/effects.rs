//! What is done about a judged mail: relay while the client waits, queue, hold, refuse or discard, each with its audit row.
//! It refuses to answer before the step that makes the mail safe has said so.

use super::{Case, Pipeline, history_row, trace};
use crate::address::Address;
use crate::mail::envelope::Recipient;
use crate::outbox::{Disposition, Report, Reported, Upstream as _, report};
use crate::plan::{self, Change, Copy, Plan};
use crate::rules::verdict::{HoldTerms, Outcome, Verdict};
use crate::smtp::reply::Reply;
use crate::smtp::sender::{Fate, Transaction};
use crate::store::{
    About, Event, Held, HeldMail, HistoryRow, MailGroup, NewAudit, NewHold, NewNotice, NewQueued, NoticeKind, Record,
    StoreError,
};
use bytes::Bytes;

/// The client is asked to come again: nothing was kept. Of a full disk it hears (RFC 3463 4.3.1), other causes are ours.
fn later(what: &str, error: &StoreError) -> Reply {
    if matches!(error, StoreError::Full) {
        return Reply::new(452, "4.3.1", &format!("no room to keep {what} now, try again later"));
    }
    Reply::new(451, "4.3.0", &format!("cannot keep {what} safely now, try again later"))
}

impl Pipeline {
    /// Performs the plan and gives the reply.
    pub(super) async fn perform(&self, case: Case, verdict: Verdict, plan: Plan) -> Reply {
        self.metrics.judged(verdict.outcome);
        if let Some(decided) = case.decided().cloned() {
            match plan {
                Plan::Refuse(text) => return self.refuse(case, verdict, &text).await,
                Plan::Discard => return self.discard(case, verdict).await,
                Plan::Hold { held, now, .. } => return self.follow(case, verdict, &decided, held, now).await,
                Plan::Relay | Plan::Queue(_) => {
                    let all = case.envelope.recipients.clone();
                    return self.follow(case, verdict, &decided, all, Vec::new()).await;
                }
            }
        }
        match plan {
            Plan::Relay => Box::pin(self.relay_now(case, verdict)).await,
            Plan::Queue(copies) => self.queue(case, verdict, copies).await,
            Plan::Hold { terms, held, now } => self.hold(case, verdict, terms, held, now).await,
            Plan::Refuse(text) => self.refuse(case, verdict, &text).await,
            Plan::Discard => self.discard(case, verdict).await,
        }
    }

    /// Relays as it is while the client waits; nothing of it is kept on disk unless results are mixed.
    async fn relay_now(&self, case: Case, verdict: Verdict) -> Reply {
        let data = self.with_received(&case, plan::render(&case.mail, &Change::default()));
        let data = match self.sealed(&case, data).await {
            Ok(data) => data,
            Err(reply) => return reply,
        };
        let transaction = Transaction {
            sender: case.envelope.sender.clone(),
            parameters: case.envelope.parameters.clone(),
            recipients: case.envelope.recipients.clone(),
            data,
        };
        // Who logged in sends over his own connection, so that the upstream's checks of senders apply.
        let handed = match case.envelope.client.session {
            Some(session) => self.relay.transact_for(session, transaction).await,
            None => Ok(self.relay.transact(transaction).await),
        };
        let Ok(fates) = handed else { return self.log_in_again(&case, &verdict).await };
        let accepted = fates.iter().filter(|fate| matches!(fate, Fate::Accepted(_))).count();
        let refused = fates.iter().filter(|fate| matches!(fate, Fate::Refused(_))).count();
        self.metrics.delivered(accepted);
        if accepted == 0 {
            return self.nobody_took_it(&case, &verdict, &fates).await;
        }
        let event = if accepted == fates.len() { Event::Relayed } else { Event::Queued };
        let audit =
            self.audit(&case, &verdict, event).count("accepted", accepted as u64).count("refused", refused as u64);
        let saved = if accepted == fates.len() && !self.owes_success(&case) {
            self.store
                .record(Record {
                    audit: vec![audit],
                    history: self.history_of(&case),
                    contacts: self.contacts_of(&case),
                    now_ms: case.now_ms,
                    notices: self.notice(&case, &verdict, NoticeKind::Sent),
                    group: together(&case),
                })
                .await
        } else {
            self.keep_the_rest(&case, &verdict, &fates, audit).await
        };
        match saved {
            Ok(()) => Reply::new(250, "2.0.0", &format!("Ok: relayed as {}", case.id)),
            // The upstream has the mail for those it accepted. When all were accepted only the audit row is missing:
            // saying 451 would make the client send it twice.
            Err(error) if accepted == fates.len() => {
                tracing::error!(id = %case.id, "failed to {error}: the mail was relayed without its audit row");
                Reply::new(250, "2.0.0", &format!("Ok: relayed as {}", case.id))
            }
            Err(error) => {
                tracing::error!(id = %case.id, "failed to {error}: some recipients are still open");
                later("the rest of the mail", &error)
            }
        }
    }

    /// The connection that took the client's login is gone. 421 ends the session, and clients then connect and log in anew (RFC 5321 3.8).
    async fn log_in_again(&self, case: &Case, verdict: &Verdict) -> Reply {
        let _ = self.nobody_took_it(case, verdict, &[]).await;
        Reply::new(421, "4.7.0", "The connection to the mail server ended, connect and log in again")
    }

    /// No recipient was accepted: the client hears what the upstream said, and keeps the mail or reports it itself.
    async fn nobody_took_it(&self, case: &Case, verdict: &Verdict, fates: &[Fate]) -> Reply {
        let deferred = fates.iter().find_map(|fate| match fate {
            Fate::Deferred(reply) => Some(reply.clone()),
            _ => None,
        });
        let refused = fates.iter().find_map(|fate| match fate {
            Fate::Refused(reply) => Some(reply.clone()),
            _ => None,
        });
        let event = if refused.is_some() && deferred.is_none() { Event::Refused } else { Event::Deferred };
        let audit = self.audit(case, verdict, event);
        // The client will come again with this transaction: the mail's others, which were taken, are not forgotten before.
        let group = case.further.then(|| case.together.clone());
        let record = Record { audit: vec![audit], now_ms: case.now_ms, group, ..Record::default() };
        if let Err(error) = self.store.record(record).await {
            tracing::error!(id = %case.id, "failed to {error}");
        }
        // A temporary failure among them wins: the client tries all again, and the refused ones are refused again.
        let reply = deferred.or(refused).unwrap_or_else(|| Reply::new(451, "4.4.0", "the mail server gave no answer"));
        if (400..600).contains(&reply.code) && reply.code != 421 {
            reply
        } else {
            Reply::new(451, "4.4.2", "the mail server closed the connection, try again later")
        }
    }

    /// Did the sender ask to be told of success, and will the next server not do it? Then the report is ours (RFC 3461 5.2.2).
    fn owes_success(&self, case: &Case) -> bool {
        let asks = |recipient: &Recipient| {
            let words = recipient.notify.as_deref().unwrap_or_default();
            words.split(',').any(|word| word.eq_ignore_ascii_case("SUCCESS"))
        };
        case.envelope.recipients.iter().any(asks) && !self.relay.carries_dsn()
    }

    /// Mixed results: the deferred recipients go to the outbox and the refused ones into a delivery report, in one commit.
    async fn keep_the_rest(
        &self,
        case: &Case,
        verdict: &Verdict,
        fates: &[Fate],
        audit: NewAudit,
    ) -> Result<(), StoreError> {
        let of = |wanted: fn(&Fate) -> bool| -> Vec<Recipient> {
            let pairs = case.envelope.recipients.iter().zip(fates);
            pairs.filter(|(_, fate)| wanted(fate)).map(|(recipient, _)| recipient.clone()).collect()
        };
        let open = of(|fate| matches!(fate, Fate::Deferred(_)));
        let silent = !self.relay.carries_dsn();
        let told: Vec<Reported> = case
            .envelope
            .recipients
            .iter()
            .zip(fates)
            .filter_map(|(recipient, fate)| match fate {
                Fate::Refused(reply) => {
                    Some(Reported { recipient: recipient.clone(), disposition: Disposition::Failed(reply.clone()) })
                }
                Fate::Accepted(reply) if silent => {
                    Some(Reported { recipient: recipient.clone(), disposition: Disposition::Relayed(reply.clone()) })
                }
                _ => None,
            })
            .collect();
        // As it left: a report must not show a Bcc field either.
        let mail = self.with_received(case, plan::render(&case.mail, &Change::default()));
        let letter = self.report(case, &mail, &told);
        let copies =
            if open.is_empty() { Vec::new() } else { vec![Copy { recipients: open, change: Change::default() }] };
        let notices = self.notice(case, verdict, NoticeKind::Sent);
        let rest = NewQueued { notices, ..self.queued(case, copies, audit) };
        self.store.queue_all(letter.into_iter().chain([rest]).collect()).await?;
        self.bell.notify_one();
        Ok(())
    }

    /// The delivery report about refused recipients, as an outbox item of its own with a null reverse-path.
    fn report(&self, case: &Case, mail: &[Bytes], refused: &[Reported]) -> Option<NewQueued> {
        let letter = report(
            &self.reporter,
            &Report {
                id: &case.id,
                sender: case.envelope.sender.as_ref(),
                parameters: &case.envelope.parameters,
                mail,
                recipients: refused,
                arrived_ms: case.now_ms,
                now_ms: case.now_ms,
            },
        )?;
        Some(NewQueued {
            id: super::new_id(case.now_ms)?,
            head: Bytes::new(),
            body: letter.bytes,
            copies: vec![Copy { recipients: vec![Recipient::new(letter.to.as_str())], change: Change::default() }],
            sender: None,
            parameters: letter.parameters,
            now_ms: case.now_ms,
            not_before_ms: case.now_ms,
            history: None,
            contacts: Vec::new(),
            notices: Vec::new(),
            group: None,
            audit: Vec::new(),
        })
    }

    /// Copies that differ from the mail as it came leave through the outbox.
    async fn queue(&self, case: Case, verdict: Verdict, copies: Vec<Copy>) -> Reply {
        let audit = self.audit(&case, &verdict, Event::Queued).count("copies", copies.len() as u64);
        let new =
            NewQueued { notices: self.notice(&case, &verdict, NoticeKind::Sent), ..self.queued(&case, copies, audit) };
        match self.store.queue(new).await {
            Ok(()) => {
                self.bell.notify_one();
                Reply::new(250, "2.0.0", &format!("Ok: queued as {}", case.id))
            }
            Err(error) => {
                tracing::error!(id = %case.id, "failed to {error}");
                later("the mail", &error)
            }
        }
    }

    /// Keeps the mail for a decision, or follows the decision that was already made about it.
    async fn hold(
        &self,
        case: Case,
        verdict: Verdict,
        terms: HoldTerms,
        held: Vec<Recipient>,
        now: Vec<Copy>,
    ) -> Reply {
        let expires_ms = case.now_ms.saturating_add(terms.expires_ms);
        let new = NewHold {
            id: case.id.clone(),
            key: case.key.clone(),
            client: case.envelope.client.clone(),
            sender: case.envelope.sender.clone(),
            parameters: case.envelope.parameters.clone(),
            recipients: held.clone(),
            facts: case.facts.clone(),
            findings: case.findings.clone(),
            verdict: Verdict { hold: Some(terms), ..verdict.clone() },
            head: self.received(&case),
            body: case.mail.clone(),
            now: now.clone(),
            now_ms: case.now_ms,
            expires_ms,
            settle_ms: self.settle_ms,
            history: self.history_of(&case),
            group: Some(case.together.clone()),
            audit: vec![self.audit(&case, &verdict, Event::Held)],
        };
        match self.store.hold(new).await {
            Ok(Held::New(id)) => {
                tracing::info!(%id, outcome = verdict.outcome.as_str(), recipients = held.len(), "held");
                Reply::new(250, "2.0.0", &format!("Ok: kept for a decision as {id}"))
            }
            Ok(Held::Joined(id)) => Reply::new(250, "2.0.0", &format!("Ok: kept for a decision as {id}")),
            Ok(Held::Decided(decided)) => self.follow(case, verdict, &decided, held, now).await,
            Err(error) => {
                tracing::error!(id = %case.id, "failed to {error}");
                later("the mail", &error)
            }
        }
    }

    /// A late transaction of a mail that was decided already follows the decision: recipients who are new to a released mail get what the others
    /// got; of one that was given back or taken back nothing leaves, and its sender, who was told so of the whole mail, is not told again.
    /// Those who need not wait get their copies. A client that repeats a transaction since it heard no answer may so cause a second copy of
    /// these; leaving them out could lose the first.
    async fn follow(
        &self,
        case: Case,
        verdict: Verdict,
        decided: &HeldMail,
        held: Vec<Recipient>,
        now: Vec<Copy>,
    ) -> Reply {
        let known = |recipient: &Recipient| decided.recipients.iter().any(|known| known.address == recipient.address);
        let new: Vec<Recipient> = held.into_iter().filter(|recipient| !known(recipient)).collect();
        let leaves = decided.state.leaves();
        let mut audit = self.audit(&case, &verdict, Event::Followed).count("recipients", new.len() as u64);
        audit.mail = Some(decided.id.clone());
        let repair = decided.decision.as_ref().and_then(|decision| decision.repair);
        let mut copies = match repair {
            Some(repair) if leaves => {
                let rules = self.rules.load_full();
                // Those whom the rules add have their copy.
                let terms = Verdict { copy_to: Vec::new(), ..decided.verdict.clone() };
                plan::released(&terms, repair, &new, &case.facts.visible, &|address| rules.is_internal(address))
            }
            _ => Vec::new(),
        };
        copies.extend(now);
        let saved = if copies.is_empty() {
            let group = Some(case.together.clone());
            self.store.record(Record { audit: vec![audit], now_ms: case.now_ms, group, ..Record::default() }).await
        } else {
            self.store.queue(self.queued(&case, copies, audit)).await
        };
        match saved {
            Ok(()) => {
                self.bell.notify_one();
                let text = if leaves {
                    format!("Ok: the mail was released, this follows the decision about {}", decided.id)
                } else {
                    format!("Ok: not delivered, the mail was {}: {}", decided.state.as_str(), decided.id)
                };
                Reply::new(250, "2.0.0", &text)
            }
            Err(error) => {
                tracing::error!(id = %case.id, "failed to {error}");
                later("the mail", &error)
            }
        }
    }

    /// Refuses in the dialogue; the audit row is committed first, so that a refusal is never without its record.
    async fn refuse(&self, case: Case, verdict: Verdict, text: &str) -> Reply {
        let audit = self.audit(&case, &verdict, Event::Blocked);
        let record = Record {
            audit: vec![audit],
            now_ms: case.now_ms,
            notices: self.notice(&case, &verdict, NoticeKind::Refused),
            group: Some(case.together.clone()),
            ..Record::default()
        };
        if let Err(error) = self.store.record(record).await {
            tracing::error!(id = %case.id, "failed to {error}");
            return later("the record of the mail", &error);
        }
        tracing::info!(id = %case.id, rules = ?rule_ids(&verdict), "blocked");
        Reply::new(550, "5.7.1", text.strip_prefix("5.7.1 ").unwrap_or(text))
    }

    /// Accepts, does not deliver, tells the sender.
    async fn discard(&self, case: Case, verdict: Verdict) -> Reply {
        let notices = self.notice(&case, &verdict, NoticeKind::Blocked);
        let audit = self.audit(&case, &verdict, Event::Discarded);
        let group = Some(case.together.clone());
        let record = Record { audit: vec![audit], now_ms: case.now_ms, notices, group, ..Record::default() };
        match self.store.record(record).await {
            Ok(()) => {
                self.bell.notify_one();
                Reply::new(250, "2.0.0", &format!("Ok: not delivered, the sender is told ({})", case.id))
            }
            Err(error) => {
                tracing::error!(id = %case.id, "failed to {error}");
                later("the record of the mail", &error)
            }
        }
    }

    fn queued(&self, case: &Case, copies: Vec<Copy>, audit: NewAudit) -> NewQueued {
        NewQueued {
            id: case.id.clone(),
            head: self.received(case),
            body: case.mail.clone(),
            copies,
            sender: case.envelope.sender.clone(),
            parameters: case.envelope.parameters.clone(),
            now_ms: case.now_ms,
            not_before_ms: case.now_ms,
            history: self.history_of(case),
            contacts: self.contacts_of(case).map(|(_, contacts)| contacts).unwrap_or_default(),
            notices: Vec::new(),
            group: together(case),
            audit: vec![audit],
        }
    }

    /// The audit row of an event: rule ids, outcome and counts, no values.
    fn audit(&self, case: &Case, verdict: &Verdict, event: Event) -> NewAudit {
        let facts = &case.facts;
        let mut audit = NewAudit::new(case.now_ms, Some(case.id.clone()), event, verdict.outcome)
            .count("recipients", case.envelope.recipients.len() as u64)
            .count("bytes", facts.bytes);
        for (name, count) in [
            ("visible", facts.visible.len() as u64),
            ("persons", facts.persons.total),
            ("credentials", facts.credentials),
            ("unreadable", facts.unreadable.len() as u64),
            ("stamped", u64::from(case.stamped)),
        ] {
            if count > 0 {
                audit = audit.count(name, count);
            }
        }
        audit.rules = rule_ids(verdict);
        audit
    }

    fn history_of(&self, case: &Case) -> Option<HistoryRow> {
        // One that comes back was counted when it left.
        if case.stamped {
            return None;
        }
        let sender = case.envelope.sender.as_ref();
        let first_ms = case.together.first_ms;
        let row = sender.map(|sender| history_row(&self.rules.load(), &case.facts, &case.key, sender, first_ms));
        self.gate.count(row, &case.facts, &case.key, case.now_ms)
    }

    fn contacts_of(&self, case: &Case) -> Option<(Address, Vec<Address>)> {
        let sender = case.envelope.sender.clone().filter(|_| !case.stamped)?;
        let rules = self.rules.load();
        rules.uses_first_contact().then(|| {
            let outside = case.facts.recipients.iter().filter(|address| !rules.is_internal(address));
            (sender, outside.cloned().collect())
        })
    }

    /// A notice about a mail that is not held, when the verdict names anybody to tell, or the sender must be told: one, however many
    /// transactions bring the mail, so it waits for the late ones.
    fn notice(&self, case: &Case, verdict: &Verdict, kind: NoticeKind) -> Vec<NewNotice> {
        if verdict.notify.is_empty() && kind != NoticeKind::Blocked {
            return Vec::new();
        }
        let about = About {
            sender: case.envelope.sender.clone(),
            facts: case.facts.clone(),
            findings: case.findings.clone(),
            verdict: verdict.clone(),
            created_ms: case.now_ms,
        };
        let due_ms = case.together.first_ms.saturating_add(self.settle_ms).max(case.now_ms);
        vec![NewNotice::about(&case.together.mail, kind, about, due_ms)]
    }

    /// The trace field of this hop.
    fn received(&self, case: &Case) -> Bytes {
        let date = self.clock.rfc5322(case.now_ms);
        trace::received(&case.envelope, &self.hostname, &case.id, &date, self.hide_client).into()
    }

    /// The mail with the trace field in front.
    fn with_received(&self, case: &Case, mail: Vec<Bytes>) -> Vec<Bytes> {
        std::iter::once(self.received(case)).chain(mail).collect()
    }
}

/// What further transactions have to know; nothing of a mail that comes back, since none is judged by it.
fn together(case: &Case) -> Option<MailGroup> {
    (!case.stamped).then(|| case.together.clone())
}

fn rule_ids(verdict: &Verdict) -> Vec<String> {
    verdict
        .matches
        .iter()
        .filter(|matched| !matched.observed || verdict.outcome == Outcome::Pass)
        .map(|matched| matched.rule.clone())
        .collect()
}
