//! Runs `recipients.toml`: what a mail's recipient fields show, and whether they can be read without doubt.
//! It refuses to leave a case unnamed: a failing case is reported with its name and its fields.

use sekisho::mail::recipients;
use std::collections::BTreeSet;
use std::time::Instant;

#[derive(serde::Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    header: String,
    visible: Vec<String>,
    #[serde(default)]
    blind: Vec<String>,
    #[serde(default)]
    unclear: bool,
}

/// `<XX>` in a case stands for the byte with that hexadecimal value; lines end with CRLF.
fn bytes(header: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = header;
    while let Some(at) = rest.find("<x") {
        match rest.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if rest[at + 4..].starts_with('>') => {
                out.extend(rest[..at].replace('\n', "\r\n").bytes());
                out.push(byte);
                rest = &rest[at + 5..];
            }
            _ => {
                out.extend(rest[..at + 2].replace('\n', "\r\n").bytes());
                rest = &rest[at + 2..];
            }
        }
    }
    out.extend(rest.replace('\n', "\r\n").bytes());
    out
}

#[test]
fn every_case_reads_as_written() {
    let cases: Cases = toml::from_str(include_str!("recipients.toml")).unwrap();
    let mut failed = Vec::new();
    for case in &cases.case {
        let mut raw = bytes(&case.header);
        raw.extend(b"\r\nbody@not.test\r\n");
        let read = recipients::read(&raw);
        let keys = |list: &[sekisho::address::Address]| {
            list.iter().map(|address| address.key().to_owned()).collect::<BTreeSet<_>>()
        };
        let wanted = |list: &[String]| {
            list.iter().map(|text| sekisho::address::Address::new(text).key().to_owned()).collect::<BTreeSet<_>>()
        };
        if keys(&read.addresses) != wanted(&case.visible)
            || keys(&read.blind) != wanted(&case.blind)
            || read.unclear.is_some() != case.unclear
        {
            failed.push(format!("{}: {:?}", case.name, read));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.case.len(), failed.join("\n"));
}

#[test]
fn four_hundred_addresses_are_read_in_no_time() {
    let list: Vec<String> = (0..421).map(|n| format!("=?UTF-8?B?5bGx55Sw5aSq6YOO?= <p{n}@mail.test>")).collect();
    let raw = format!("From: a@city.example.jp\r\nTo: {}\r\nSubject: x\r\n\r\nbody\r\n", list.join(",\r\n "));
    let started = Instant::now();
    let read = recipients::read(raw.as_bytes());
    let took = started.elapsed();
    assert_eq!((read.addresses.len(), read.unclear), (421, None));
    // Without optimisation and on a loaded machine; the release build needs well under a millisecond.
    assert!(took.as_millis() < 1_000, "{took:?}");
}

#[test]
fn hostile_fields_are_read_in_linear_time() {
    for unit in ["<", "\"", "(", "<(", "<\"", "a@[", "@", "a:", "a@:", "=?", ",", "a@b@", "((", "\\\""] {
        let raw = format!("To: {}\r\n\r\n", unit.repeat(1_000_000 / unit.len()));
        let started = Instant::now();
        let _ = recipients::read(raw.as_bytes());
        assert!(started.elapsed().as_secs() < 20, "{unit:?} took {:?}", started.elapsed());
    }
}
