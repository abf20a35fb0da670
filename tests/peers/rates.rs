//! Bounds for a sender within an hour: counted by mail, over a restart, with one notice a day.
//! It refuses to let one large mail stand before a closed door for ever.

use crate::client::{letter, owned, send};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::faults::RULES;
use crate::guard::{Guard, Setup, wait};
use crate::web;

const SENDER: &str = "clerk@city.example.jp";
const OTHER: &str = "other@city.example.jp";
const PRINTER: &str = "printer@devices.example.jp";
const ADMIN: &str = "admin@example.jp";

fn one(guard: &Guard, from: &str, number: usize) -> Option<u16> {
    let to = owned(&["someone@out.test"]);
    send(guard.smtp, from, &to, &letter(from, &to, number))
}

#[test]
fn too_many_mails_wait_and_the_administrator_hears_of_it_once() {
    let upstream = FakeUpstream::start(yes);
    let more = "[rates]\nmails_per_hour = 3\nexempt = [\"*.devices.example.jp\", \"devices.example.jp\"]";
    let mut guard = Guard::start(&Setup { rules: Some(RULES), more, ..Setup::before(upstream.port) });
    for number in 0..3 {
        assert_eq!(one(&guard, SENDER, number), Some(250));
    }
    assert_eq!(one(&guard, SENDER, 3), Some(450));
    assert_eq!(one(&guard, SENDER, 4), Some(450));
    assert_eq!(one(&guard, OTHER, 5), Some(250), "another sender has an hour of his own");
    for number in 10..15 {
        assert_eq!(one(&guard, PRINTER, number), Some(250), "who is exempt is not counted");
    }
    guard.signal("TERM");
    assert_eq!(guard.ended(), Some(0));
    guard.launch();
    assert_eq!(one(&guard, SENDER, 3), Some(450), "a restart forgets nothing");
    // The client says a mail again of which it did not hear: it was taken, so it is not turned away.
    assert_eq!(one(&guard, SENDER, 2), Some(250));

    let notice = upstream.wait_for(ADMIN);
    let text = String::from_utf8_lossy(&notice.data).into_owned();
    assert!(text.contains(SENDER) && !text.contains("someone@out.test"), "{text}");
    let metrics = web::get(&format!("http://127.0.0.1:{}/metrics", guard.status)).body;
    assert!(metrics.lines().any(|line| line == "sekisho_rate_limited_total 1"), "{metrics}");
    assert!(!metrics.contains("clerk"));
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!(upstream.taken_for(ADMIN).len(), 1, "three refusals of one sender on one day are one notice");
    assert!(!guard.log().contains(SENDER), "{}", guard.log());
}

#[test]
fn a_mail_in_many_transactions_is_one_mail_and_passes_whole() {
    let upstream = FakeUpstream::start(yes);
    let more = "[rates]\nrecipients_per_hour = 100";
    let guard = Guard::start(&Setup { rules: Some(RULES), more, ..Setup::before(upstream.port) });
    let all: Vec<String> = (0..421).map(|number| format!("applicant{number}@out.test")).collect();
    let data = letter(SENDER, &all[..1], 1);
    for part in all.chunks(50) {
        assert_eq!(send(guard.smtp, SENDER, part, &data), Some(250), "no part of a mail that began is left behind");
    }
    let reached: usize = upstream.taken().iter().map(|taken| taken.rcpt.len()).sum();
    assert_eq!(reached, 421);
    assert_eq!(one(&guard, SENDER, 2), Some(450), "and it counts whole");
    wait("no other sender to be concerned", || (one(&guard, OTHER, 3) == Some(250)).then_some(()));
}
