//! Calendars of any octets: nobody who shall be hidden is named afterwards, and every line that names nobody hidden stays.
//! It refuses to read the calendar in the way of the program; lines are unfolded and looked at for addresses, and nothing else.

use sekisho::address::{Address, DomainSet};
use sekisho::mail::calendar::{changed, is_calendar, is_clear, people, without};
use sekisho::mail::recipients::runs;
use std::sync::LazyLock;

static INSIDE: LazyLock<DomainSet> = LazyLock::new(|| DomainSet::new(["in.test", "*.in.test"]));

/// The input is the calendar; a beginning is put before it where there is none.
pub fn check(input: &[u8]) {
    scrub(input);
    if !is_calendar(input) {
        scrub(&[b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", input].concat());
    }
}

fn scrub(text: &[u8]) {
    let changes = without(text, &|address, _| !INSIDE.contains(address));
    let mut last = 0;
    for (range, _) in &changes {
        assert!(last <= range.start && range.start <= range.end && range.end <= text.len());
        last = range.end;
    }
    let out = changed(text, &changes);
    let shown = || out.escape_ascii().to_string();
    for address in people(&out) {
        assert!(INSIDE.contains(&address), "{address} is left in {}", shown());
    }
    assert!(without(&out, &|address, _| !INSIDE.contains(address)).is_empty(), "twice is once: {}", shown());
    assert!(without(text, &|_, _| false).is_empty(), "nobody hidden, nothing changed");
    if is_odd(text) {
        // Then clients differ in what they see, and the program takes nobody out but keeps the mail.
        assert!(!is_clear(text), "{}", shown());
        return;
    }
    for line in unfolded(&out) {
        let name = line.split([':', ';']).next().unwrap_or_default().trim().to_ascii_uppercase();
        if matches!(name.as_str(), "ATTENDEE" | "ORGANIZER") {
            for address in plain(&line) {
                assert!(INSIDE.contains(&address), "{address} is left in {line:?} of {}", shown());
            }
        }
    }
    let (before, after) = (unfolded(text), unfolded(&out));
    // Also a percent sign may stand for an `@` (RFC 3986 2.1).
    let silent = |line: &&String| !line.contains(['@', '%', '=']) && !line.to_lowercase().contains(":mailto");
    let kept = |lines: &[String]| lines.iter().filter(silent).filter(|line| !line.contains(NOBODY)).count();
    assert!(kept(&after) >= kept(&before), "a line that names nobody is gone: {}", shown());
}

/// Is there a control character, or a CR that stands neither in front of a LF nor of another CR that does?
fn is_odd(text: &[u8]) -> bool {
    let control = |byte: &u8| byte.is_ascii_control() && !b"\t\r\n".contains(byte);
    let mut after_returns = text.split(|byte| *byte == b'\r').skip(1).filter(|behind| !behind.is_empty());
    text.ends_with(b"\r") || text.iter().any(control) || after_returns.any(|behind| !behind.starts_with(b"\n"))
}

/// What stands in the place of somebody who had to go.
const NOBODY: &str = "invalid:nomail";

/// Addresses of a line that nobody could read otherwise.
fn plain(line: &str) -> Vec<Address> {
    let sure = |address: &Address| {
        address.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'.' | b'-'))
    };
    runs(line).into_iter().filter(sure).collect()
}

/// RFC 5545 3.1: a line end with a blank behind it is none.
fn unfolded(text: &[u8]) -> Vec<String> {
    let mut text = String::from_utf8_lossy(text).into_owned();
    while text.contains("\r\n") {
        text = text.replace("\r\n", "\n");
    }
    let text = text.replace("\n ", "").replace("\n\t", "");
    text.split('\n').map(str::to_owned).collect()
}
