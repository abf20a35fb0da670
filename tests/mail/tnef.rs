//! Streams of `winmail.dat`: whole, cut at every octet, with counts that lie, and with any octet changed.
//! It refuses to take a cut stream for one without recipients.

use proptest::prelude::*;
use sekisho::cli::demo::fixtures::tnef::{addressed, message};
use sekisho::mail::tnef::read;

#[test]
fn class_and_recipients_are_read() {
    let addresses = ["a@x.test", "b@y.test", "c@city.example.jp"];
    let whole = read(&addressed("IPM.Note", &addresses));
    let found: Vec<&str> = whole.recipients.iter().map(sekisho::address::Address::as_str).collect();
    assert_eq!((found.as_slice(), whole.class.as_deref(), whole.unclear), (&addresses[..], Some("IPM.Note"), false));
    let recall = read(&message("IPM.Outlook.Recall", b"Recall: x"));
    assert_eq!(
        (recall.class.as_deref(), recall.recipients.len(), recall.unclear),
        (Some("IPM.Outlook.Recall"), 0, false)
    );
    assert!(read(b"").unclear && read(b"\x78\x9F\x3E\x22").unclear && read(b"MZ......").unclear);
}

#[test]
fn a_cut_stream_is_unclear_unless_it_ends_between_attributes() {
    let (whole, before) = (addressed("IPM.Note", &["a@x.test", "b@y.test"]), message("IPM.Note", b"addressed"));
    for length in before.len() + 1..whole.len() {
        assert!(read(&whole[..length]).unclear, "{length}");
    }
    let clear = (6..before.len()).filter(|length| !read(&whole[..*length]).unclear).count();
    assert_eq!(clear, 5, "the five attributes before the table");
}

#[test]
fn counts_and_lengths_that_lie_cost_nothing() {
    let mut bytes = message("IPM.Note", b"x");
    bytes.push(1);
    bytes.extend_from_slice(&0x0006_9004_u32.to_le_bytes());
    bytes.extend_from_slice(&8_u32.to_le_bytes());
    bytes.extend_from_slice(&[0xFF; 8]);
    bytes.extend_from_slice(&[0, 0]);
    assert!(read(&bytes).unclear);
    bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert!(read(&bytes).unclear);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&[&b"\x78\x9F\x3E\x22"[..], &bytes].concat());
    }

    #[test]
    fn a_changed_octet_is_read(at in 0_usize..400, byte: u8) {
        let mut bytes = addressed("IPM.Note", &["a@x.test"]);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read(&bytes);
    }
}
