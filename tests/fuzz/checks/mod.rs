//! What must hold for every input, one function a target; run by the fuzzer over inputs it invents, and by `cargo test` over those it once found.
//! It refuses "it did not panic" as a proof: each target says what a right answer looks like.

// The fuzzer's crate and the test take different parts of it.
#![allow(dead_code)]

mod address;
mod archive;
mod calendar;
mod command;
mod data;
mod header;
mod legacy;
mod message;
mod reply;
mod report;
#[path = "../../dialogs/script.rs"]
mod script;
pub mod seeds;
mod session;
mod tnef;

/// A target: its name, and what must hold for an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("address", address::check),
    ("archive", archive::check),
    ("calendar", calendar::check),
    ("command", command::check),
    ("data", data::check),
    ("header", header::check),
    ("legacy", legacy::check),
    ("message", message::check),
    ("reply", reply::check),
    ("report", report::check),
    ("tnef", tnef::check),
];

/// Runs one target.
pub fn run(name: &str, input: &[u8]) {
    let (_, check) = TARGETS.iter().find(|(known, _)| *known == name).expect("a known target");
    check(input);
}

/// Nothing but lines that end with CRLF: no bare CR, no bare LF, no octet 0.
fn is_canonical(octets: &[u8]) -> bool {
    let mut rest = octets;
    while !rest.is_empty() {
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else { return false };
        if rest[..end].iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return false;
        }
        rest = &rest[end + 2..];
    }
    true
}

/// The octets as a mail that a receiver would have taken.
fn canonical(octets: &[u8]) -> Vec<u8> {
    let mut mail = Vec::with_capacity(octets.len() + 2);
    let lines = octets.split(|byte| *byte == b'\n');
    for line in lines {
        mail.extend(line.iter().filter(|byte| !matches!(byte, b'\r' | 0)));
        mail.extend_from_slice(b"\r\n");
    }
    mail
}

/// Sizes of pieces that depend on the input alone, so that a failure comes again.
struct Cuts(u64);

impl Cuts {
    fn of(input: &[u8]) -> Self {
        Self(
            input.iter().fold(0x9e37_79b9_7f4a_7c15, |sum: u64, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            }),
        )
    }

    /// The next size: mostly a few octets, sometimes many.
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let roll = (self.0 >> 33) as usize;
        if roll.is_multiple_of(7) { 1 + roll % 400 } else { 1 + roll % 6 }
    }
}
