//! The comparison of what clients were told with what the mail server and the store have, mail by mail.
//! It refuses to stop at the first difference: all are collected, so that a failure shows its pattern.

use crate::client::{Phase, Sent};
use crate::copies::Copies;
use crate::mails::{Kind, Mail, header, is_free, message_id, number_of};
use crate::person::Choice;
use crate::storm::{End, Run};
use sekisho::store::{HeldMail, State};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Sums of a run.
#[derive(Debug, Default)]
pub struct Report {
    kills: u64,
    lives: usize,
    mails: usize,
    answered: usize,
    unanswered: usize,
    delivered: usize,
    held: usize,
    released: usize,
    returned: usize,
    killed_commands: u64,
    rivals: u64,
    letters: usize,
    /// Copies that come of a client which got no answer and sent once more.
    pub retried: u64,
    /// Copies that the outbox sent once more, since its life ended before the commit.
    pub redelivered: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} kills: {} mails, {} answered 250 and {} never; {} recipients reached, {} mails held ({} released, {} returned, \
             {} commands killed, {} rivals), {} letters; duplicates {} after no answer + {} before a commit, all explained; lost 0",
            self.kills,
            self.mails,
            self.answered,
            self.unanswered,
            self.delivered,
            self.held,
            self.released,
            self.returned,
            self.killed_commands,
            self.rivals,
            self.letters,
            self.retried,
            self.redelivered
        )
    }
}

/// Compares everything; fails with what is wrong.
pub fn check(run: &Run) -> Report {
    let copies = Copies::of(&run.deliveries);
    let mut rows: BTreeMap<u64, Vec<&HeldMail>> = BTreeMap::new();
    for row in &run.kept.held {
        let number = row.sender.as_ref().and_then(|sender| number_of(sender.as_str()));
        rows.entry(number.expect("every held mail is one of ours")).or_default().push(row);
    }
    let mut judge = Judge { run, copies: &copies, rows: &rows, wrong: Vec::new(), report: Report::default() };
    for sent in &run.log.sent {
        judge.mail(sent);
    }
    judge.repetitions();
    judge.leftovers();
    judge.connections();
    judge.audit();
    let Judge { wrong, mut report, .. } = judge;
    report.kills = run.kills;
    report.lives = run.lives.len();
    report.delivered = copies.mails.values().flatten().map(|copy| copy.lives.len()).sum();
    report.letters = copies.letters.values().map(Vec::len).sum();
    report.killed_commands = run.decisions.killed;
    report.rivals = run.decisions.rivals;
    let shown = wrong.iter().take(25).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} things are wrong:\n{shown}\n{report:?}", wrong.len());
    report
}

struct Judge<'r> {
    run: &'r Run,
    copies: &'r Copies,
    rows: &'r BTreeMap<u64, Vec<&'r HeldMail>>,
    wrong: Vec<String>,
    report: Report,
}

impl Judge<'_> {
    fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    fn mail(&mut self, sent: &Sent) {
        let mail = &sent.mail;
        self.report.mails += 1;
        let codes: BTreeSet<u16> =
            sent.attempts.iter().flatten().filter_map(|attempt| Some(attempt.reply.as_ref()?.0)).collect();
        let may: &[u16] = match mail.kind {
            Kind::Blocked | Kind::Refused => &[550, 421],
            Kind::Later => &[250, 451, 421],
            _ => &[250, 421],
        };
        self.demand(codes.iter().all(|code| may.contains(code)), || {
            format!("mail {} {:?}: answered {codes:?}", mail.number, mail.kind)
        });
        for (transaction, attempts) in sent.attempts.iter().enumerate() {
            let final_answer = attempts
                .iter()
                .any(|attempt| attempt.reply.as_ref().is_some_and(|(code, _)| *code != 421 && *code != 451));
            self.report.answered += usize::from(attempts.iter().any(|one| matches!(one.reply, Some((250, _)))));
            self.report.unanswered += usize::from(!final_answer);
            let sends = attempts.iter().filter(|attempt| attempt.may_count()).count();
            self.transaction(mail, transaction, attempts.iter().any(|one| matches!(one.reply, Some((250, _)))), sends);
        }
        if is_kept(mail) {
            self.held(sent);
        } else {
            self.demand(!self.rows.contains_key(&mail.number), || {
                format!("mail {} {:?}: is held", mail.number, mail.kind)
            });
        }
    }

    /// One transaction: who must have the mail, who must not, and how often. `sends`: how often the guard may have taken it.
    fn transaction(&mut self, mail: &Mail, transaction: usize, accepted: bool, sends: usize) {
        for recipient in &mail.transactions[transaction] {
            let got = self.copies.got(mail.number, recipient);
            let reachable = !recipient.starts_with("refused") && !recipient.starts_with("never");
            let leaves = match mail.kind {
                Kind::Clean | Kind::Bcc | Kind::Tagged | Kind::Mixed | Kind::Later => reachable,
                Kind::Blocked | Kind::Discarded | Kind::Refused => false,
                Kind::Partly if is_free(recipient) => true,
                // Judged by its row.
                Kind::Held | Kind::Delayed | Kind::Partly => continue,
            };
            if leaves {
                self.demand(!accepted || got > 0, || {
                    format!("mail {} {:?} is LOST for {recipient}", mail.number, mail.kind)
                });
                self.demand(got <= sends, || {
                    format!("mail {} {:?}: {got} copies for {recipient}, sent {sends} times", mail.number, mail.kind)
                });
                let at_once = self.copies.most_in_one_life(mail.number, recipient);
                self.demand(at_once <= sends, || {
                    format!("mail {}: {at_once} copies for {recipient} in one life, sent {sends} times", mail.number)
                });
                self.report.retried += u64::try_from(got.saturating_sub(1)).unwrap();
            } else {
                self.demand(got == 0, || format!("mail {} {:?} was delivered to {recipient}", mail.number, mail.kind));
            }
            if recipient.starts_with("refused") && mail.kind == Kind::Mixed {
                let reports = self.copies.letters_with(mail.number, &format!("rfc822;{recipient}"));
                self.demand(!accepted || reports > 0, || {
                    format!("mail {}: nobody is told of {recipient}", mail.number)
                });
                self.demand(reports <= sends, || {
                    format!("mail {}: {reports} reports of {recipient}, sent {sends} times", mail.number)
                });
            }
            if recipient.starts_with("never") {
                let waits = self
                    .run
                    .kept
                    .outbox
                    .iter()
                    .filter(|item| item.recipients.iter().any(|to| to.address.as_str() == recipient))
                    .count();
                self.demand(!accepted || waits > 0, || format!("mail {} does not wait for {recipient}", mail.number));
                self.demand(waits <= sends, || {
                    format!("mail {} waits {waits} times for {recipient}, sent {sends} times", mail.number)
                });
            }
        }
        if mail.kind == Kind::Discarded {
            let told = self.copies.letters.get(&mail.number).map_or(0, Vec::len);
            self.demand(!accepted || told > 0, || {
                format!("mail {}: its sender does not know that it was dropped", mail.number)
            });
            self.demand(told <= sends, || {
                format!("mail {}: its sender is told {told} times, sent {sends} times", mail.number)
            });
        }
        for copy in self.copies.mails.get(&mail.number).into_iter().flatten() {
            let form = match mail.kind {
                Kind::Bcc => Some(Choice::Bcc),
                Kind::Tagged => None,
                _ => Some(Choice::AsIs),
            };
            if !is_kept(mail) {
                let wrong = wrong_form(mail, &copy.data, copy.lives.keys(), form);
                self.demand(wrong.is_none(), || {
                    format!("mail {} {:?}: {}", mail.number, mail.kind, wrong.unwrap_or_default())
                });
            }
        }
    }

    /// A mail that was to be held: one row, whole, and nothing left but by a decision.
    fn held(&mut self, sent: &Sent) {
        let (mail, run) = (&sent.mail, self.run);
        let number = mail.number;
        let accepted: Vec<bool> = sent
            .attempts
            .iter()
            .map(|attempts| attempts.iter().any(|one| matches!(one.reply, Some((250, _)))))
            .collect();
        let rows: Vec<&HeldMail> = self.rows.get(&number).into_iter().flatten().copied().collect();
        let [row] = rows.as_slice() else {
            let wanted = if accepted.contains(&true) { 1 } else { rows.len().min(1) };
            self.demand(rows.len() == wanted, || {
                format!("mail {number}: {} held rows, accepted {accepted:?}", rows.len())
            });
            let left = self.copies.mails.contains_key(&number);
            self.demand(!left, || format!("mail {number} left without a row"));
            return;
        };
        self.report.held += 1;
        let choice = run.decisions.made.get(row.id.as_str()).copied();
        let state = match (mail.kind, choice) {
            (_, Some(Choice::Return)) if row.state == State::Returned => State::Returned,
            (Kind::Delayed, _) => State::Released,
            (_, Some(Choice::Return)) => State::Returned,
            (_, Some(_)) => State::Released,
            (_, None) => State::Held,
        };
        self.demand(row.state == state, || {
            format!("mail {number} ({}) is {:?}, decided {choice:?}", row.id, row.state)
        });
        self.report.released += usize::from(row.state == State::Released);
        self.report.returned += usize::from(row.state == State::Returned);
        let known: BTreeSet<&str> = row.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
        let named: BTreeSet<&str> =
            mail.transactions.iter().flatten().filter(|one| !is_free(one)).map(String::as_str).collect();
        self.demand(known.is_subset(&named), || format!("mail {number}: is held for strangers, {known:?}"));
        for (transaction, recipients) in mail.transactions.iter().enumerate() {
            let sends = sent.attempts[transaction].iter().filter(|attempt| attempt.may_count()).count();
            for recipient in recipients.iter().filter(|one| !is_free(one)) {
                let got = self.copies.got(number, recipient);
                let joined = known.contains(recipient.as_str());
                self.demand(!joined || sends > 0, || format!("mail {number}: {recipient} was never sent"));
                if row.state != State::Released {
                    self.demand(got == 0, || {
                        format!("mail {number} was delivered to {recipient} and is {:?}", row.state)
                    });
                    let lost = accepted[transaction] && !joined && row.state == State::Held;
                    self.demand(!lost, || format!("mail {number}: {recipient} is LOST from the held mail"));
                    continue;
                }
                self.demand(got > 0 || !(accepted[transaction] || joined), || {
                    format!("mail {number} was released and is LOST for {recipient}")
                });
                // Who joined in time gets the one copy of the release; late ones follow, each time they are sent.
                let most = if joined { 1 } else { sends };
                self.demand(got <= most, || format!("mail {number}: {got} copies for {recipient}, {most} expected"));
                self.report.retried += u64::try_from(got.saturating_sub(1)).unwrap();
            }
        }
        match row.state {
            State::Held => {
                let body = run.kept.bodies.get(row.id.as_str()).and_then(Option::as_deref);
                self.demand(body.is_some_and(|body| is_traced(mail, body)), || {
                    format!("mail {number}: its body is not whole")
                });
                let told = self.copies.letters_with(number, &format!("{}{}", run.place.links(), row.id));
                let about = self.copies.letters_with(number, &format!("In-Reply-To:<{}>", message_id(number)));
                self.demand(told == 1 && about == 1, || {
                    format!(
                        "mail {number}: {about} different notices about it came to its sender, {told} with the link"
                    )
                });
            }
            State::Released => {
                let form = match row.decision.as_ref().and_then(|decision| decision.repair) {
                    Some(sekisho::rules::verdict::Repair::AsIs) => Choice::AsIs,
                    Some(sekisho::rules::verdict::Repair::Bcc) => Choice::Bcc,
                    Some(sekisho::rules::verdict::Repair::Individual) => Choice::Individual,
                    _ => Choice::Return,
                };
                // A delayed mail may have left by itself before the person came.
                let itself = mail.kind == Kind::Delayed && form == Choice::AsIs;
                self.demand(itself || choice.is_none_or(|choice| choice == form), || {
                    format!("mail {number}: {choice:?} became {form:?}")
                });
                for copy in self.copies.mails.get(&number).into_iter().flatten() {
                    let form = if copy.lives.keys().all(|one| is_free(one)) { Choice::AsIs } else { form };
                    let wrong = wrong_form(mail, &copy.data, copy.lives.keys(), Some(form));
                    self.demand(wrong.is_none(), || format!("mail {number}, released: {}", wrong.unwrap_or_default()));
                }
            }
            _ => {}
        }
    }

    /// The same bytes twice: only over the end of a killed life, and no more items than that life left leased.
    fn repetitions(&mut self) {
        let mut items: BTreeMap<u64, u64> = BTreeMap::new();
        for (number, copy) in self.copies.all() {
            let (after, twice) = copy.repeated_after();
            self.demand(twice.is_none(), || {
                format!("mail {number}: life {} brought the same bytes twice", twice.unwrap_or(0))
            });
            for life in after {
                *items.entry(life).or_default() += 1;
            }
        }
        for (life, repeated) in items {
            let index = usize::try_from(life).unwrap();
            let killed = self.run.lives[index - 1].end == End::Kill;
            self.demand(killed, || format!("life {life} was stopped in order, and {repeated} items came again"));
            // The next life says how many leases it found; one that died before it could say so is no witness.
            let freed = self.run.lives.get(index).and_then(|next| next.freed);
            self.demand(freed.is_none_or(|freed| repeated <= freed), || {
                format!("life {life} left {freed:?} leases, and {repeated} items came again")
            });
            self.report.redelivered += repeated;
        }
        // Behind these lives the test itself looked into the outbox by leasing everything.
        let ends = usize::try_from(self.run.kills).unwrap();
        for pair in self.run.lives[..=ends].windows(2) {
            let freed = pair[1].freed.unwrap_or(0);
            self.demand(pair[0].end == End::Kill || freed == 0, || format!("an orderly stop left {freed} leases"));
        }
    }

    fn leftovers(&mut self) {
        let kept = &self.run.kept;
        for item in &kept.outbox {
            let waits = item.recipients.iter().all(|to| to.address.as_str().starts_with("never"));
            self.demand(waits, || format!("the outbox still has {item:?}"));
        }
        self.demand(kept.notices.is_empty(), || {
            format!("{} notices are not written: {:?}", kept.notices.len(), kept.notices.first())
        });
        self.demand(self.copies.strange.is_empty(), || {
            let first = self.copies.strange.first().map(|one| (&one.sender, &one.recipients));
            format!("{} strange deliveries: {first:?}", self.copies.strange.len())
        });
        let large: BTreeSet<u64> =
            self.run.log.sent.iter().filter(|sent| sent.mail.is_large()).map(|sent| sent.mail.number).collect();
        let waiting = self
            .rows
            .iter()
            .filter(|(number, rows)| large.contains(number) && rows.iter().any(|row| row.state == State::Held));
        let (files, waiting) = (kept.files.len(), waiting.count());
        self.demand(files == waiting, || format!("{files} files of bodies for {waiting} large mails that wait"));
    }

    /// Connections break only when a life ends, and an orderly end finishes the mails that are being received.
    fn connections(&mut self) {
        for (life, phase, at) in &self.run.log.broken {
            let over = usize::try_from(*life).ok().and_then(|life| self.run.lives.get(life - 1));
            self.demand(over.is_some_and(|over| *at >= over.ended), || {
                format!("life {life} broke a connection ({phase:?}) while it lived")
            });
            let orderly = over.is_some_and(|over| over.end == End::Stop);
            self.demand(!orderly || !matches!(phase, Phase::Data | Phase::Waiting), || {
                format!("life {life} was stopped in order and left a mail {phase:?}")
            });
        }
    }

    /// No gap in the trail, and every id that a client was told is in it.
    fn audit(&mut self) {
        let audit = &self.run.kept.audit;
        let gap = (1..).zip(audit).find(|(number, row)| row.seq != *number).map(|(number, _)| number);
        self.demand(gap.is_none(), || format!("the audit trail has no row {gap:?}"));
        let known: BTreeSet<&str> = audit.iter().filter_map(|row| Some(row.mail.as_ref()?.as_str())).collect();
        for sent in &self.run.log.sent {
            let replies = sent.attempts.iter().flatten().filter_map(|attempt| attempt.reply.as_ref());
            for (_, text) in replies.filter(|(code, _)| *code == 250) {
                let id = text.trim_end_matches(')').rsplit([' ', '(']).next().unwrap_or_default();
                self.demand(known.contains(id), || format!("{text:?} has no audit row"));
            }
        }
    }
}

/// Does the mail wait for a decision?
fn is_kept(mail: &Mail) -> bool {
    matches!(mail.kind, Kind::Held | Kind::Delayed | Kind::Partly)
}

/// Is it the mail as it came, behind one Received field?
fn is_traced(mail: &Mail, data: &[u8]) -> bool {
    let Some(trace) = data.strip_suffix(mail.data().as_slice()) else { return false };
    let text = String::from_utf8_lossy(trace);
    let first = text.starts_with("Received: from ") && text.ends_with("\r\n");
    first && text.trim_end().lines().skip(1).all(|line| line.starts_with('\t'))
}

/// What is wrong with a copy in this form; `None` as a form is the mark of the rule `marked`.
fn wrong_form<'a>(
    mail: &Mail,
    data: &[u8],
    readers: impl Iterator<Item = &'a String>,
    form: Option<Choice>,
) -> Option<String> {
    let text = String::from_utf8_lossy(header(data)).into_owned();
    let body = |data: &[u8]| data[header(data).len()..].to_vec();
    if body(data) != body(&mail.data()) {
        return Some("its body is not whole".to_owned());
    }
    let outside = text.matches("@customer").count();
    let readers: Vec<&String> = readers.collect();
    let right = match form {
        Some(Choice::AsIs) => is_traced(mail, data),
        Some(Choice::Bcc) => outside == 0 && text.contains("\r\nTo: "),
        Some(Choice::Individual) => {
            readers.len() == 1 && outside == 1 && readers.iter().all(|reader| text.contains(reader.as_str()))
        }
        Some(Choice::Return) => false,
        None => text.contains("X-Guard: checked\r\n") && text.contains("\r\nSubject: [outside] marked "),
    };
    (!right).then(|| format!("for {readers:?} not as {form:?}:\n{text}"))
}
