//! Archives of any octets: read within the budget, the same each time, and not silent when the end is missing.
//! It refuses to ask what is in them.

use sekisho::extract::{Extracted, PartInput, Role, part};
use sekisho::limits::{Budget, Limits};

/// Magic numbers that the first octet chooses from, so that a fuzzer need not guess them.
const STARTS: [&[u8]; 9] = [
    b"",
    b"\x1F\x8B\x08\0",
    b"BZh9",
    b"\xFD7zXZ\0",
    b"\x28\xB5\x2F\xFD",
    b"7z\xBC\xAF\x27\x1C\0\x04",
    b"MSCF\0\0\0\0",
    b"Rar!\x1A\x07\0",
    b"Rar!\x1A\x07\x01\0",
];
const ENTRIES: u64 = 200;
const UNPACKED: u64 = 4 * 1024 * 1024;

/// The input is an attachment behind its first octet.
pub fn check(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let bytes = [STARTS[usize::from(*choice) % STARTS.len()], rest].concat();
    let out = read(&bytes);
    assert_eq!(read(&bytes), out, "it reads the same again");
    let entries = out.attachments.iter().filter(|file| file.path.matches('!').count() == 1).count();
    assert!(entries as u64 <= ENTRIES, "{entries} entries");
    assert!(out.attachments.iter().all(|file| file.bytes <= UNPACKED + bytes.len() as u64 || file.kind == "encrypted"));
    // What ends too early says so, unless a member ended there; a compressor has no members.
    let kind = out.attachments.first().map(|file| file.kind.clone()).unwrap_or_default();
    if matches!(kind.as_str(), "gz" | "bz2" | "xz") && out.unreadable.is_empty() && bytes.last() != Some(&0) {
        let cut = read(&bytes[..bytes.len() - 1]);
        assert!(
            !cut.unreadable.is_empty() || cut.attachments.first().is_none_or(|file| file.kind != kind),
            "a cut {kind}"
        );
    }
}

fn read(bytes: &[u8]) -> Extracted {
    let limits = Limits { unpacked_bytes: UNPACKED, archive_entries: ENTRIES, archive_depth: 3, ..Limits::default() };
    let mut out = Extracted::default();
    let input = PartInput {
        path: "a".to_owned(),
        names: vec!["a".to_owned()],
        declared_type: None,
        declared_charset: None,
        role: Role::Attachment,
        inline: false,
        bytes,
    };
    part(&input, &mut Budget::new(&limits), &mut out);
    out
}
