//! Many mails from many clients to a mail server that fails now and then, while the guard is killed every few seconds: nothing is lost.
//! It refuses a copy without a cause: a client or the guard that had to send again, or a server that took a mail and did not say so.

use crate::client::{self, Log, Sent, World};
use crate::copies::Copies;
use crate::dice::Dice;
use crate::end::{self, Kept};
use crate::guard::{Guard, Place};
use crate::mails::{Kind, brief, header, number_of};
use crate::signals::{Gate, Open, Steps};
use crate::sink::{Fault, Sink};
use crate::watch::{Look, Watch, most};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long and how hard.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub mails: u64,
    /// At the same time.
    pub clients: u64,
    /// Between two kills. In the second half nobody is killed, so that memory can be looked at.
    pub every: Duration,
    /// Transactions in a thousand that go wrong at the mail server.
    pub faulty: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    mails: u64,
    kills: u64,
    took: Duration,
    faults: BTreeMap<Fault, usize>,
    accepted: u64,
    refused: u64,
    held: usize,
    reported: u64,
    copies: u64,
    /// Copies above the first, by their cause.
    again: BTreeMap<&'static str, u64>,
    /// The highest figures of the third and of the last quarter, in which the guard lived on.
    calm: Option<(Look, Look)>,
    under_kills: Look,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        writeln!(
            out,
            "{} mails in {seconds:.0} s ({:.0}/s), {} kills; recipients: {} accepted, {} refused; {} copies arrived, {} recipients in \
             reports, {} mails held; lost 0",
            self.mails,
            self.mails as f64 / seconds,
            self.kills,
            self.accepted,
            self.refused,
            self.copies,
            self.reported,
            self.held
        )?;
        writeln!(out, "faults of the mail server: {:?}", self.faults)?;
        writeln!(out, "copies above the first, all explained: {:?}", self.again)?;
        writeln!(out, "highest while killed: {:?}", self.under_kills)?;
        if let Some((third, last)) = &self.calm {
            writeln!(out, "highest in the third quarter: {third:?}\nhighest in the last quarter:  {last:?}")?;
        }
        Ok(())
    }
}

/// Mostly mails that pass; some through the outbox, some kept.
fn everyday(dice: &mut Dice) -> Kind {
    match dice.below(100) {
        0..84 => Kind::Clean,
        84..90 => Kind::Tagged,
        90..96 => Kind::Bcc,
        _ => Kind::Held,
    }
}

/// Runs it; fails with what is wrong.
pub fn run(plan: Plan, mut dice: Dice) -> Report {
    let begun = Instant::now();
    let steps = Arc::new(Steps::default());
    let sink = Sink::start(dice.fork(), Arc::clone(&steps), Some(plan.faulty));
    let place = Place::new(sink.at, "[outbox]\nretry = \"1s\"\n");
    let watch = Watch::start();
    let (held, _heard) = mpsc::channel();
    let world = Arc::new(World {
        at: place.at,
        gate: Gate::default(),
        steps,
        numbers: AtomicU64::new(1),
        most: plan.mails,
        mix: everyday,
    });
    let clients: Vec<_> = (0..plan.clients)
        .map(|_| {
            let (world, held, dice) = (Arc::clone(&world), held.clone(), dice.fork());
            thread::spawn(move || client::run(&world, &held, dice))
        })
        .collect();
    let mut report = Report { mails: plan.mails, ..Report::default() };
    let sent = || world.numbers.load(Ordering::Relaxed);
    let (guard, calm_since) = loop {
        let life = report.kills + 1;
        let guard = Guard::start(&place, life);
        guard.ready();
        watch.pid.store(guard.pid(), Ordering::Relaxed);
        if sent() > plan.mails / 2 {
            world.gate.set(Some(Open::Life(life)));
            break (guard, begun.elapsed());
        }
        world.gate.set(Some(Open::Life(life)));
        thread::sleep(plan.every / 2 + dice.up_to(u64::try_from(plan.every.as_millis()).unwrap()));
        watch.pid.store(0, Ordering::Relaxed);
        guard.kill();
        world.gate.set(None);
        report.kills += 1;
    };
    let mut log = Log::default();
    for client in clients {
        let brought = client.join().unwrap();
        log.sent.extend(brought.sent);
        log.broken.extend(brought.broken);
    }
    let calm = calm_since..begun.elapsed();
    let (kept, _) = end::run_dry(&place, &sink, guard, report.kills + 1);
    let looks = watch.stop();
    report.took = begun.elapsed();
    let middle = calm.start + calm.end.saturating_sub(calm.start) / 2;
    let cut = |from: Duration, to: Duration| -> Vec<_> {
        looks.iter().copied().filter(|(at, _)| (from..to).contains(at)).collect()
    };
    report.under_kills = most(&cut(Duration::ZERO, calm.start));
    report.calm = Some((most(&cut(calm.start, middle)), most(&cut(middle, calm.end))));
    judge(&mut report, &log, &kept, &sink);
    report
}

fn judge(report: &mut Report, log: &Log, kept: &Kept, sink: &Sink) {
    let deliveries = sink.deliveries.lock().unwrap();
    let copies = Copies::of(&deliveries);
    let mut faults: BTreeMap<u64, Vec<Fault>> = BTreeMap::new();
    for (sender, fault) in sink.faults.lock().unwrap().iter() {
        *report.faults.entry(*fault).or_default() += 1;
        faults.entry(number_of(sender).unwrap_or(0)).or_default().push(*fault);
    }
    let mut rows: BTreeMap<u64, usize> = BTreeMap::new();
    for row in &kept.held {
        *rows.entry(row.sender.as_ref().and_then(|sender| number_of(sender.as_str())).unwrap_or(0)).or_default() += 1;
    }
    report.held = kept.held.len();
    let mut wrong = Vec::new();
    if log.sent.len() as u64 != report.mails {
        wrong.push(format!("{} mails were sent", log.sent.len()));
    }
    if !kept.outbox.is_empty() || !kept.notices.is_empty() || !copies.strange.is_empty() {
        let (waits, letters, strange) = (kept.outbox.len(), kept.notices.len(), copies.strange.len());
        wrong.push(format!("{waits} copies and {letters} letters wait, {strange} deliveries are strange"));
    }
    for sent in &log.sent {
        let faults = faults.get(&sent.mail.number).map_or(&[][..], Vec::as_slice);
        let rows = rows.get(&sent.mail.number).copied().unwrap_or(0);
        one(report, sent, faults, rows, &copies, &mut wrong);
    }
    let shown = wrong.iter().take(25).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} things are wrong:\n{shown}\n{report}", wrong.len());
}

/// One mail, recipient by recipient.
fn one(report: &mut Report, sent: &Sent, faults: &[Fault], rows: usize, copies: &Copies, wrong: &mut Vec<String>) {
    let mail = &sent.mail;
    let number = mail.number;
    let refusable = faults.iter().any(|fault| matches!(fault, Fault::RefusedAtRcpt | Fault::RefusedAtDot));
    let swallowed = faults.iter().filter(|fault| **fault == Fault::TakenAndLost).count();
    let mut any_accepted = false;
    let (whole, mut brought) = (brief(&mail.data()), copies.mails.get(&number).into_iter().flatten());
    let body = |data: &[u8]| data[header(data).len()..].to_vec();
    if !brought.all(|copy| body(&copy.data) == body(&whole)) {
        wrong.push(format!("mail {number} {:?} did not arrive whole", mail.kind));
    }
    for (attempts, recipients) in sent.attempts.iter().zip(&mail.transactions) {
        let code = |wanted: fn(u16) -> bool| {
            attempts.iter().any(|attempt| attempt.reply.as_ref().is_some_and(|(code, _)| wanted(*code)))
        };
        let (accepted, refused) = (code(|code| code == 250), code(|code| code >= 500));
        any_accepted |= accepted;
        let sends = attempts.iter().filter(|attempt| attempt.may_count()).count();
        if refused && !refusable {
            wrong.push(format!("mail {number} {:?} was refused for no cause: {attempts:?}", mail.kind));
        }
        for recipient in recipients {
            report.accepted += u64::from(accepted);
            report.refused += u64::from(refused);
            let got = of_recipient(copies, number, recipient);
            if mail.kind == Kind::Held {
                if got.0 > 0 {
                    wrong.push(format!("mail {number} is kept and left to {recipient}"));
                }
                continue;
            }
            let told = refusable && copies.letters_with(number, &format!("rfc822;{recipient}")) > 0;
            report.copies += got.0 as u64;
            report.reported += u64::from(told);
            if accepted && got.0 == 0 && !told {
                wrong.push(format!("mail {number} {:?} is LOST for {recipient}: {attempts:?} {faults:?}", mail.kind));
            }
            explain(report, got, sends, swallowed, wrong, &format!("mail {number} {:?} for {recipient}", mail.kind));
        }
    }
    if mail.kind == Kind::Held && (rows > 1 || (any_accepted && rows != 1)) {
        wrong.push(format!("mail {number}: {rows} held rows, accepted {any_accepted}"));
    }
}

/// All copies of a recipient, and how many of them had bytes that he had already.
fn of_recipient(copies: &Copies, number: u64, recipient: &str) -> (usize, usize) {
    let lives = copies.mails.get(&number).into_iter().flatten().filter_map(|copy| copy.lives.get(recipient));
    lives.fold((0, 0), |(all, same), lives| (all + lives.len(), same + lives.len() - 1))
}

/// Each copy above the first has a cause: the server that took it in silence, the client that sent it once more, the guard that was killed before it had noted the delivery.
fn explain(
    report: &mut Report,
    (all, same): (usize, usize),
    sends: usize,
    swallowed: usize,
    wrong: &mut Vec<String>,
    what: &str,
) {
    let mut above = all.saturating_sub(1);
    let by_server = above.min(swallowed);
    above -= by_server;
    let by_client = above.min(sends.saturating_sub(1));
    above -= by_client;
    let by_kill = above.min(same);
    above -= by_kill;
    for (cause, count) in [
        ("the server took it and did not say so", by_server),
        ("the client had no answer", by_client),
        ("the guard was killed before it noted the delivery", by_kill),
    ] {
        *report.again.entry(cause).or_default() += count as u64;
    }
    if above > 0 {
        wrong.push(format!(
            "{what}: {all} copies, {above} without a cause ({sends} sends, {swallowed} swallowed, {same} repeated)"
        ));
    }
}

impl Report {
    /// Do memory and open files stay where they are when the guard lives on?
    pub fn is_flat(&self) -> bool {
        let Some((third, last)) = &self.calm else { return false };
        last.own <= third.own + third.own / 4 + 16 && last.files <= third.files + third.files / 4 + 16
    }
}
