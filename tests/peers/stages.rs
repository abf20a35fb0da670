//! Every stage of the dialogue with the mail server behind, times every fault, for mail that is relayed at once and for mail of the outbox.
//! It refuses a cell in which a mail is lost, arrives twice without need, or is refused without its sender being told.

use crate::client::{owned, send};
use crate::fake_upstream::{FakeUpstream, Fault};
use crate::faults::RULES;
use crate::guard::{Guard, PATIENCE, Setup, wait};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Beginning of the event (`{}` is the address without its domain), and whether its reply decides about the mail.
const STAGES: [&str; 5] = ["MAIL FROM:<{}@", "RCPT TO:<{}@", "DATA {}@", "text {}@", ". {}@"];

const FAULTS: [Fault; 8] = [
    Fault::Drop,
    Fault::Reset,
    Fault::Silence,
    Fault::SayAndDrop("421 4.3.2 bye"),
    Fault::Say("451 4.3.0 later"),
    Fault::Say("554 5.7.1 no"),
    Fault::Say("nonsense"),
    Fault::TakeAndReset,
];

/// The two ways of a mail: while the client waits, and through the outbox.
const WAYS: [&str; 2] = ["mail.test", "hidden.test"];

struct Cell {
    name: String,
    event: String,
    fault: Fault,
    domain: &'static str,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for domain in WAYS {
        for (stage, event) in STAGES.iter().enumerate() {
            for (number, fault) in FAULTS.into_iter().enumerate() {
                if matches!(fault, Fault::TakeAndReset) && stage != 4 {
                    continue;
                }
                let way = domain.split('.').next().unwrap();
                let name = format!("cell-{way}-{stage}-{number}");
                cells.push(Cell { event: event.replace("{}", &name), name, fault, domain });
            }
        }
    }
    cells
}

/// Sends the mail of a cell as a mail server would, until it is taken or refused for good; all answers.
fn try_until_decided(guard: u16, cell: &Cell) -> Vec<Option<u16>> {
    let from = format!("{}@city.example.jp", cell.name);
    let to = owned(&[&format!("{}@{}", cell.name, cell.domain)]);
    let data = crate::client::letter(&from, &to, 1);
    let (mut answers, started) = (Vec::new(), Instant::now());
    loop {
        let answer = send(guard, &from, &to, &data);
        answers.push(answer);
        if matches!(answer, Some(250 | 500..)) {
            return answers;
        }
        assert!(started.elapsed() < PATIENCE, "{}: {answers:?}", cell.name);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A cell, and the codes that its client heard.
type Told<'c> = (&'c Cell, Vec<Option<u16>>);

#[test]
fn no_fault_at_any_stage_loses_a_mail_or_hides_a_refusal() {
    let upstream = FakeUpstream::start(crate::fake_upstream::yes);
    let patience = "[upstream.patience]\ncommand = \"2s\"\ndata = \"2s\"\ntext = \"2s\"\nfinal_dot = \"4s\"\n";
    let more = format!("[outbox]\nretry = \"1s\"\n{patience}");
    let guard = Guard::start(&Setup { rules: Some(RULES), more: &more, ..Setup::before(upstream.port) });
    let cells = cells();
    assert_eq!(cells.len(), 2 * (5 * 7 + 1));
    for cell in &cells {
        upstream.fault(&cell.event, cell.fault);
    }
    let queue = Mutex::new(cells.iter());
    let told: Mutex<Vec<Told<'_>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                loop {
                    let Some(cell) = queue.lock().unwrap().next() else { return };
                    let answers = try_until_decided(guard.smtp, cell);
                    told.lock().unwrap().push((cell, answers));
                }
            });
        }
    });
    for (cell, answers) in told.into_inner().unwrap() {
        let Cell { name, fault, domain, .. } = cell;
        let (address, sender) = (format!("{name}@{domain}"), format!("{name}@city.example.jp"));
        let last = answers.last().copied().flatten();
        let queued = *domain == "hidden.test";
        if matches!(fault, Fault::Say(reply) if reply.starts_with('5')) {
            if queued {
                assert_eq!(answers, [Some(250)], "{name}");
                let report = upstream.wait_for(&sender);
                assert!(report.mail.starts_with("MAIL FROM:<>"), "{name}: {}", report.mail);
                assert!(String::from_utf8_lossy(&report.data).contains("Action: failed"), "{name}");
            } else {
                assert_eq!(last, Some(554), "{name}: the client hears the server's own code");
            }
            assert_eq!(upstream.taken_for(&address).len(), 0, "{name}");
            continue;
        }
        assert_eq!(last, Some(250), "{name}: {answers:?}");
        upstream.wait_for(&address);
        // Only where the server took it and did not say so can there be a second copy.
        let most = if matches!(fault, Fault::TakeAndReset) { 2 } else { 1 };
        if most == 2 {
            wait("the second copy, as nobody could know of the first", || {
                (upstream.taken_for(&address).len() == 2).then_some(())
            });
        }
        assert_eq!(upstream.taken_for(&address).len(), most, "{name}: {answers:?}");
        assert!(upstream.taken_for(&sender).is_empty(), "{name}: no report about what arrived");
    }
    assert_eq!(upstream.faults_left(), 0, "each fault happened");
    assert!(guard.held().is_empty());
}

#[test]
fn no_fault_before_the_mail_loses_it() {
    let upstream = FakeUpstream::start(crate::fake_upstream::yes);
    let more = "[upstream.patience]\ngreeting = \"2s\"\ncommand = \"2s\"\n";
    // A connection for each mail, so that each meets its fault.
    let relay = "tls = \"off\"\nreuse_mails = 1";
    let guard = Guard::start(&Setup { rules: Some(RULES), relay, more, ..Setup::before(upstream.port) });
    let mut number = 0;
    for event in ["connect", "EHLO"] {
        for fault in &FAULTS[..7] {
            // RFC 5321 3.2: a server that knows no EHLO is asked with HELO; that is no fault.
            if event == "EHLO" && matches!(fault, Fault::Say(reply) if reply.starts_with('5')) {
                continue;
            }
            number += 1;
            upstream.fault(event, *fault);
            let name = format!("early-{number}");
            let cell = Cell { event: event.to_owned(), name: name.clone(), fault: *fault, domain: "mail.test" };
            let answers = try_until_decided(guard.smtp, &cell);
            // A server that says 5xx before any mail says it about itself: the client is asked to come again, never refused.
            assert_eq!(answers.last().copied().flatten(), Some(250), "{event} {fault:?} {answers:?}");
            assert!(
                answers.iter().all(|answer| matches!(answer, Some(250 | 421 | 451))),
                "{event} {fault:?} {answers:?}"
            );
            assert_eq!(upstream.taken_for(&format!("{name}@mail.test")).len(), 1, "{event} {fault:?}");
        }
    }
}
