//! Runs the SMTP protocol against scripts: `tests/dialogs/*.smtp` for the server side, tables and properties for both sides.
//! It refuses a dialog whose first line does not say which clause or attack it is about, and one that asserts nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

#[path = "dialogs/faults.rs"]
mod faults;
#[path = "dialogs/policy.rs"]
mod policy;
#[path = "dialogs/properties.rs"]
mod properties;
#[path = "dialogs/script.rs"]
mod script;
#[path = "dialogs/sockets.rs"]
mod sockets;
#[path = "dialogs/upstream.rs"]
mod upstream;

use std::path::PathBuf;

#[test]
fn every_dialog_goes_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "smtp"))
        .collect();
    files.sort();
    assert!(files.len() >= 200, "only {} dialogs found", files.len());
    let mut failures = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        // The same dialog in one piece for each line, and octet by octet.
        for chunk in [usize::MAX, 1] {
            if let Err(failure) = script::run(&text, chunk) {
                failures.push(format!("{}: {failure}", path.file_name().unwrap().display()));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_wrong_dialog_fails() {
    for (text, reason) in [
        ("S: 220\n", "first line"),
        ("# x\n", "asserts nothing"),
        ("# x\nS: 221\n", "expected"),
        ("# x\nS: 220\nC: NOOP\nS: 250\nS: 250\n", "expected"),
        ("# x\nS: 220\nC: NOOP\n", "left over"),
        ("# x\nS: 220\nC: NOOP\nS: 250 2.1\n", "expected"),
        ("# x\nS: 220\nX: 250\n", "unknown line"),
    ] {
        let failure = script::run(text, usize::MAX).unwrap_err();
        assert!(failure.contains(reason), "{text}: {failure}");
    }
}
