//! One run: life after life of the guard under load, each with its end, and a last one in which everything runs dry.
//! It refuses to choose comfortable moments: steps of clients, mail server and person trigger the end as well as chance.

use crate::client::{self, Log, Phase, World};
use crate::dice::Dice;
use crate::end::{self, Kept};
use crate::guard::{Guard, Place};
use crate::mails::every_kind;
use crate::person::{Decisions, Person};
use crate::signals::{Gate, Open, Step, Steps};
use crate::sink::{Delivery, Sink};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Clients that send at the same time.
const CLIENTS: usize = 4;
/// A step that does not come within this time does not hold up the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How lives end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Stop,
}

/// When a life ends.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after it was started, ready or not.
    Start(Duration),
    /// So long after the burst began.
    Burst(Duration),
    /// So long after the next step of this kind.
    After(Step, Duration),
}

/// A life that is over.
pub struct Life {
    pub end: End,
    /// Just before the signal.
    pub ended: Instant,
    /// Outbox leases that it freed at its start; `None` when it died before it said so.
    pub freed: Option<u64>,
    /// The mail server was in the middle of a transaction.
    upstream: bool,
    /// A person was just deciding.
    deciding: bool,
    starting: bool,
}

/// Everything that is known about a run.
pub struct Run {
    pub place: Place,
    /// Life 1 first; the lives in which it ran dry are the last.
    pub lives: Vec<Life>,
    pub log: Log,
    pub decisions: Decisions,
    pub deliveries: Vec<Delivery>,
    /// What the store has at the end.
    pub kept: Kept,
    pub kills: u64,
    slowest_start: Duration,
    took: Duration,
}

pub struct Storm {
    dice: Dice,
    end: End,
}

impl Storm {
    pub fn new(dice: Dice, end: End) -> Self {
        Self { dice, end }
    }

    /// Runs it, with so many violent ends.
    pub fn run(mut self, ends: u64) -> Run {
        let begun = Instant::now();
        let steps = Arc::new(Steps::default());
        let sink = Sink::start(self.dice.fork(), Arc::clone(&steps), None);
        let place = Place::new(sink.at, "");
        let (held, heard) = mpsc::channel();
        let world = Arc::new(World {
            at: place.at,
            gate: Gate::default(),
            steps: Arc::clone(&steps),
            numbers: AtomicU64::new(1),
            most: u64::MAX,
            mix: every_kind,
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (world, held, dice) = (Arc::clone(&world), held.clone(), self.dice.fork());
                thread::spawn(move || client::run(&world, &held, dice))
            })
            .collect();
        drop(held);
        let deciding = Arc::new(AtomicBool::new(false));
        let person = Person {
            config: place.config(),
            held: heard,
            deciding: Arc::clone(&deciding),
            steps: Arc::clone(&steps),
            dice: self.dice.fork(),
        };
        let person = thread::spawn(move || person.run());

        let mut lives = Vec::new();
        let mut slowest_start = Duration::ZERO;
        for life in 1..=ends {
            let moment = self.moment(life);
            let guard = Guard::start(&place, life);
            if let Moment::Start(after) = moment {
                thread::sleep(after);
            } else {
                slowest_start = slowest_start.max(guard.ready());
                world.gate.set(Some(Open::Life(life)));
                // Most bursts begin when the first mails have been answered, some while everything is cold still.
                for _ in 0..self.dice.below(9) {
                    steps.next(Step::Answered, PATIENCE);
                }
            }
            match moment {
                Moment::Start(_) => {}
                Moment::Burst(after) => thread::sleep(after),
                Moment::After(step, after) => {
                    steps.next(step, PATIENCE);
                    thread::sleep(after);
                }
            }
            let upstream = sink.open.load(Ordering::SeqCst) > 0;
            let deciding = deciding.load(Ordering::SeqCst);
            let ended = Instant::now();
            let over = match self.end {
                End::Kill => guard.kill(),
                End::Stop => {
                    let over = guard.stop(self.dice.percent(50));
                    assert!(over.status.success(), "{}:\n{}", over.status, over.lines.join("\n"));
                    over
                }
            };
            world.gate.set(None);
            let starting = matches!(moment, Moment::Start(_));
            lives.push(Life { end: self.end, ended, freed: over.freed, upstream, deciding, starting });
        }

        let last = ends + 1;
        let guard = Guard::start(&place, last);
        guard.ready();
        world.gate.set(Some(Open::Last(last)));
        let mut log = Log::default();
        for client in clients {
            let brought = client.join().unwrap();
            log.sent.extend(brought.sent);
            log.broken.extend(brought.broken);
        }
        let decisions = person.join().unwrap();
        let (kept, over) = end::run_dry(&place, &sink, guard, last);
        lives.extend(over.into_iter().map(|over| Life {
            end: End::Stop,
            ended: Instant::now(),
            freed: over.freed,
            upstream: false,
            deciding: false,
            starting: false,
        }));
        let deliveries = std::mem::take(&mut *sink.deliveries.lock().unwrap());
        Run { place, lives, log, decisions, deliveries, kept, kills: ends, slowest_start, took: begun.elapsed() }
    }

    fn moment(&mut self, life: u64) -> Moment {
        match (self.end, self.dice.below(100)) {
            // The first life makes the store; the handlers of an orderly stop must stand.
            (End::Kill, 0..12) if life > 1 => Moment::Start(self.dice.up_to(120)),
            (_, 0..47) => Moment::Burst(self.dice.up_to(60)),
            (_, 47..55) => Moment::After(Step::ClientText, self.dice.up_to(6)),
            (_, 55..65) => Moment::After(Step::ClientDot, self.dice.up_to(15)),
            (_, 65..75) => Moment::After(Step::Answered, self.dice.up_to(1)),
            (_, 75..83) => Moment::After(Step::SinkDot, self.dice.up_to(5)),
            (_, 83..92) => Moment::After(Step::SinkAccepted, self.dice.up_to(2)),
            _ => Moment::After(Step::Deciding, self.dice.up_to(100)),
        }
    }
}

impl Run {
    fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::from([
            ("before MAIL", 0),
            ("between MAIL and DATA", 0),
            ("within the text", 0),
            ("after DATA, before the reply", 0),
            ("after the reply", 0),
        ]);
        for (_, phase, _) in &self.log.broken {
            *counts
                .entry(match phase {
                    Phase::BeforeMail => "before MAIL",
                    Phase::Envelope => "between MAIL and DATA",
                    Phase::Data => "within the text",
                    Phase::Waiting => "after DATA, before the reply",
                    Phase::Answered => "after the reply",
                })
                .or_default() += 1;
        }
        let lives = |what: fn(&Life) -> bool| self.lives.iter().filter(|life| what(life)).count() as u64;
        counts.insert("during a decision", lives(|life| life.deciding));
        counts.insert("within a transaction upstream", lives(|life| life.upstream));
        counts.insert("during the start", lives(|life| life.starting));
        counts.insert("with open leases", lives(|life| life.freed.is_some_and(|freed| freed > 0)));
        counts
    }

    /// Where the connections of clients were cut, and what else was going on.
    pub fn phases(&self) -> String {
        let counts = self.counts();
        let mut out = String::new();
        for (phase, count) in counts {
            let _ = write!(out, "{}{count} {phase}", if out.is_empty() { "" } else { ", " });
        }
        let _ = write!(out, "; slowest start {} ms, {} s in all", self.slowest_start.as_millis(), self.took.as_secs());
        out
    }

    /// The phases that fewer ends fell into.
    pub fn phases_missed(&self, least: u64) -> String {
        let missed = self.counts().into_iter().filter(|(_, count)| *count < least.max(1));
        missed.map(|(phase, count)| format!("{count} {phase}")).collect::<Vec<_>>().join(", ")
    }
}
