//! Rules and certificates change while the guard runs: what is good is used within seconds, what is broken is said and not used.
//! It refuses to restart the guard.

use crate::client::{letter, owned, send};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::faults::RULES;
use crate::guard::{Guard, Setup, wait};
use crate::postfix::free_port;
use crate::tls;
use std::fs;
use std::time::{Duration, Instant};

const SENDER: &str = "clerk@city.example.jp";
/// A change must be in force after this time.
const SOON: Duration = Duration::from_secs(5);

/// A new mail to the address on which the rules differ: the code of the answer.
fn try_one(guard: &Guard, number: &mut usize) -> Option<u16> {
    *number += 1;
    let to = owned(&["someone@kept.test"]);
    send(guard.smtp, SENDER, &to, &letter(SENDER, &to, *number))
}

#[test]
fn changed_rules_are_used_and_broken_ones_are_not() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup { rules: Some(RULES), ..Setup::before(upstream.port) });
    let file = guard.path("rules/rules.toml");
    let mut number = 0;
    assert_eq!(try_one(&guard, &mut number), Some(250));
    assert_eq!(guard.held().len(), 1);

    let blocking = RULES.replacen("{ hold = \"sender\", repairs = [\"as_is\", \"cancel\"] }", "\"block\"", 1);
    assert_ne!(blocking, RULES);
    fs::write(&file, &blocking).unwrap();
    let changed = Instant::now();
    wait("the new rules", || (try_one(&guard, &mut number) == Some(550)).then_some(()));
    assert!(changed.elapsed() < SOON, "{:?}", changed.elapsed());
    let held = guard.held().len();

    // A misspelt key in the line of `when`, and an example that fails: neither set is used.
    let misspelt = blocking.replacen("when  = { to =", "when  = { too =", 1);
    let line = 1 + misspelt.lines().position(|line| line.contains("too =")).unwrap();
    fs::write(&file, &misspelt).unwrap();
    let place = format!("{}:{line}", file.display());
    wait("the place of the error in the log", || guard.log().contains(&place).then_some(()));
    assert!(guard.log().contains("the old rules stay in force"), "{}", guard.log());
    assert_eq!(try_one(&guard, &mut number), Some(550), "the old rules stay");
    let failing =
        format!("{RULES}\n[[example]]\nfacts = {{ from = \"{SENDER}\", to = \"a@kept.test\" }}\nexpect = \"pass\"\n");
    let refused = guard.log().matches("the old rules stay in force").count();
    fs::write(&file, &failing).unwrap();
    wait("the failing example in the log", || {
        (guard.log().matches("the old rules stay in force").count() > refused).then_some(())
    });
    assert_eq!(try_one(&guard, &mut number), Some(550), "the old rules stay");

    // On SIGHUP the rules are read at once, changed or not.
    fs::write(&file, RULES).unwrap();
    guard.signal("HUP");
    wait("rules loaded by SIGHUP", || guard.log().contains("asked=true").then_some(()));
    assert_eq!(try_one(&guard, &mut number), Some(250));
    assert_eq!(guard.held().len(), held + 1);
}

#[test]
fn a_changed_configuration_is_not_taken_for_loaded() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup::before(upstream.port));
    let (file, count) = (guard.path("sekisho.toml"), |text: &str| guard.log().matches(text).count());
    let before = fs::read_to_string(&file).unwrap();
    guard.signal("HUP");
    wait("the reload", || (count("asked=true") == 1).then_some(()));
    assert_eq!(count("the configuration has changed"), 0);
    fs::write(&file, format!("{before}[rates]\nmails_per_hour = 5\n")).unwrap();
    guard.signal("HUP");
    wait("the hint", || (count("restart the guard to use it") == 1).then_some(()));
    fs::write(&file, format!("{before}[rates]\nmail_per_hour = 5\n")).unwrap();
    guard.signal("HUP");
    wait("the fault", || (count("a restart would fail") == 1).then_some(()));
    assert!(guard.log().contains("mails_per_hour"), "the right spelling is offered:\n{}", guard.log());
    let mut number = 0;
    assert_eq!(try_one(&guard, &mut number), Some(250), "it goes on as it was");
}

#[test]
fn a_renewed_certificate_is_presented_and_a_wrong_pair_is_not() {
    let upstream = FakeUpstream::start(yes);
    let second = free_port().unwrap();
    let more = format!("{}\n[[listener]]\nlisten = \"127.0.0.1:{second}\"\ntls = \"implicit\"\n", tls::SECTION);
    let mut guard = Guard::prepare(&Setup {
        listener: "tls = \"starttls\"",
        page: "tls = true",
        more: &more,
        ..Setup::before(upstream.port)
    });
    let folder = guard.path("");
    tls::certificate(&folder, "one.example.jp", "guard");
    let (certificate, key) = tls::certificate(&folder, "two.example.jp", "two");
    guard.launch();
    let shows = |name: &str| {
        [(guard.smtp, true), (second, false), (guard.page, false)]
            .into_iter()
            .all(|(port, starttls)| tls::presented(port, starttls).contains(name))
    };
    assert!(shows("one.example.jp"));

    fs::copy(&certificate, guard.path("guard.pem")).unwrap();
    wait("the mismatch in the log", || guard.log().contains("the old certificate stays in use").then_some(()));
    assert!(shows("one.example.jp"), "a certificate without its key is not used");
    fs::copy(&key, guard.path("guard.key")).unwrap();
    let changed = Instant::now();
    wait("the new certificate", || shows("two.example.jp").then_some(()));
    assert!(changed.elapsed() < SOON, "{:?}", changed.elapsed());
    assert!(!shows("one.example.jp"));
}

/// A certificate of two days, which both of the steps "7 days" and later will reach: told at once, and once only.
#[test]
fn administrators_are_told_once_that_the_certificate_runs_out() {
    let upstream = FakeUpstream::start(yes);
    let mut guard =
        Guard::prepare(&Setup { listener: "tls = \"starttls\"", more: tls::SECTION, ..Setup::before(upstream.port) });
    tls::lasting(2, &guard.path(""), "soon.example.jp", "guard");
    guard.launch();
    let told = || upstream.taken_for("admin@example.jp").len();
    wait("the letter", || (told() > 0).then_some(()));
    let letter = String::from_utf8_lossy(&upstream.taken_for("admin@example.jp")[0].data).into_owned();
    assert!(letter.contains("Auto-Submitted: auto-generated"), "{letter}");
    wait("the metric", || {
        let text = crate::web::get(&format!("http://127.0.0.1:{}/metrics", guard.status)).body;
        let line = text.lines().find(|line| line.starts_with("sekisho_certificate_expiry_seconds"))?.to_owned();
        let seconds: i64 = line.rsplit(' ').next()?.parse().ok()?;
        (86_400..=2 * 86_400).contains(&seconds).then_some(())
    });
    let shown = guard.command(&["certs", "show"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && text.contains("CN=soon.example.jp") && text.contains("the key fits"), "{text}");

    guard.signal("TERM");
    assert_eq!(guard.ended(), Some(0));
    guard.launch();
    // The look at the certificate comes before the first look at the notices is over; two seconds are many of both.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(told(), 1, "not again after a restart");
    assert_eq!(guard.log().matches("the certificate runs out").count(), 1);
}
