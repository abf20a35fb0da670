//! Streams of `winmail.dat` of any octets: bounded, and a stream that is cut short never reads as a whole one with fewer people.
//! It refuses to ask what a stream means.

use sekisho::mail::tnef::{is_tnef, read};

/// The input is the stream, with its signature or without.
pub fn check(input: &[u8]) {
    stream(input);
    if !is_tnef(input) {
        stream(&[&0x223E_9F78_u32.to_le_bytes()[..], input].concat());
    }
}

fn stream(bytes: &[u8]) {
    let whole = read(bytes);
    assert_eq!(read(bytes), whole, "it reads the same again");
    // The shortest address has three octets, of one octet each.
    assert!(whole.recipients.len() <= bytes.len(), "{} recipients", whole.recipients.len());
    assert!(is_tnef(bytes) || whole.unclear);
    for end in [bytes.len() / 2, bytes.len().saturating_sub(1), bytes.len().saturating_sub(7)] {
        let cut = read(&bytes[..end]);
        if cut.unclear || whole.unclear {
            continue;
        }
        // What ends between two attributes is a shorter stream; it has the people that came first.
        assert!(whole.recipients.starts_with(&cut.recipients), "cut at {end} of {}", bytes.len());
    }
}
