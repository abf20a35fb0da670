//! Archives of any octets: read within the budget, the same each time, and never silent about what is missing.
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
    // Nothing is read, nothing is inside, and nobody says so: only an archive that ends where it begins may do that.
    let kind = out.attachments.first().map(|file| file.kind.as_str()).unwrap_or_default();
    if matches!(kind, "gz" | "bz2" | "xz" | "zst") {
        assert!(out.attachments.len() > 1 || !out.unreadable.is_empty() || out.pieces.len() > 1, "a silent {kind}");
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
