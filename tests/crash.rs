//! What the guard promises when it dies: `sekisho serve` is killed hundreds of times under load, and no mail may be lost, leaked or held twice.
//! It refuses to trust the guard's word: replies are noted by the clients, deliveries by a mail server that lives in the test, and both are compared.
//!
//! One run is a number of lives of the guard on one state folder. In each life several clients send mails of all kinds (see `mails`), a person
//! releases and returns held mails with `sekisho held`, and at a random moment the process gets SIGKILL (or, in the second test, SIGTERM).
//! Clients do what a mail server does: a mail whose final dot got no answer is sent once more, byte for byte; one that never got so far, or
//! was answered with 4xx, is sent until it is answered. After the last life everything is left to run dry, and `check` demands for every mail:
//!
//! * 250 and passed: each recipient the mail server accepts has it, whole; those it refuses are in a delivery report, those it defers wait.
//! * 250 and rewritten: delivered with the rewriting, and never once without it.
//! * 250 and held: one held row with all recipients and the whole body; nothing left unless it was released, and then only as it was released.
//! * 550 and discarded: never delivered. No answer: delivered or not, but held at most once.
//! * Each 250 has its audit row, and the numbers of the audit trail have no gap.
//!
//! SMTP cannot promise "once": who dies between the dot and the reply leaves the other side with a mail that may come again (RFC 1047). So
//! copies are counted, and each one above the first must be explained. A client that got no answer may cause one copy for each time it sent the
//! dot; these carry different trace fields. The very same bytes twice mean that the guard died between the mail server's 250 and its own
//! commit; then that outbox item was still leased, and the next life says how many leases it freed. An orderly stop explains nothing:
//! in the second test every mail arrives exactly once.
//!
//! `SEKISHO_CRASH_SEED` repeats the choices of a run (not its timing), `SEKISHO_CRASH_KILLS` makes it longer (2000 is a good night's run).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test ends at the first surprise")]

#[path = "crash/check.rs"]
mod check;
#[path = "crash/client.rs"]
mod client;
#[path = "crash/copies.rs"]
mod copies;
#[path = "crash/dice.rs"]
mod dice;
#[path = "crash/end.rs"]
mod end;
#[path = "crash/guard.rs"]
mod guard;
#[path = "crash/mails.rs"]
mod mails;
#[path = "crash/person.rs"]
mod person;
#[path = "crash/signals.rs"]
mod signals;
#[path = "crash/sink.rs"]
mod sink;
#[path = "crash/soak.rs"]
mod soak;
#[path = "crash/storm.rs"]
mod storm;
#[path = "crash/watch.rs"]
mod watch;

use dice::Dice;
use storm::{End, Storm};

/// The number in an environment variable.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

fn seed() -> u64 {
    number("SEKISHO_CRASH_SEED").unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::try_from(since.as_nanos() & 0xffff_ffff).unwrap()
    })
}

#[test]
fn nothing_is_lost_by_two_hundred_kills() {
    let (seed, kills) = (seed(), number("SEKISHO_CRASH_KILLS").unwrap_or(220));
    println!("SEKISHO_CRASH_SEED={seed}, {kills} kills");
    let run = Storm::new(Dice::new(seed), End::Kill).run(kills);
    let report = check::check(&run);
    println!("{report}\n{}", run.phases());
    assert_eq!(run.phases_missed(kills / 50), "", "each phase must be met: {}", run.phases());
}

#[test]
fn an_orderly_stop_neither_loses_nor_repeats() {
    let seed = seed();
    println!("SEKISHO_CRASH_SEED={seed}");
    let run = Storm::new(Dice::new(seed.wrapping_add(1)), End::Stop).run(24);
    let report = check::check(&run);
    println!("{report}\n{}", run.phases());
    assert_eq!((report.retried, report.redelivered), (0, 0), "an orderly stop repeats nothing");
}

/// A few hundred mails here; `tests/soak` sets other numbers: `SEKISHO_SOAK_MAILS`, `SEKISHO_SOAK_CLIENTS`, `SEKISHO_SOAK_SECONDS` between kills, and
/// `SEKISHO_SOAK_FAULTS` in a thousand.
#[test]
fn a_long_day_with_a_bad_server_loses_nothing() {
    let seed = seed();
    println!("SEKISHO_CRASH_SEED={seed}");
    let mails = number("SEKISHO_SOAK_MAILS");
    let report = soak::run(
        soak::Plan {
            mails: mails.unwrap_or(300),
            clients: number("SEKISHO_SOAK_CLIENTS").unwrap_or(10),
            every: std::time::Duration::from_secs(number("SEKISHO_SOAK_SECONDS").unwrap_or(2)),
            faulty: number("SEKISHO_SOAK_FAULTS").unwrap_or(if mails.is_some() { 10 } else { 100 }),
        },
        Dice::new(seed.wrapping_add(2)),
    );
    println!("{report}");
    // In a short run the guard is still growing to its size.
    assert!(mails.is_none() || report.is_flat(), "memory or open files grow");
}
