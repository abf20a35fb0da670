//! Every input that a fuzzer once found something with, and every one it begins with, through the same checks, without a fuzzer.
//! It refuses an empty folder, and a file that no target reads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

#[path = "fuzz/checks/mod.rs"]
mod checks;

use checks::TARGETS;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn regressions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/regressions")
}

/// Checks one input; the name tells which, since a panic tells only why.
fn hold(target: &str, input: &[u8], name: &str, wrong: &mut Vec<String>) {
    if catch_unwind(|| checks::run(target, input)).is_err() {
        wrong.push(format!("{target}: {name}"));
    }
}

#[test]
fn what_was_found_once_stays_mended() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for folder in fs::read_dir(regressions()).unwrap().map(|entry| entry.unwrap().path()) {
        let target = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(TARGETS.iter().any(|(known, _)| *known == target), "{target} is no target");
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            hold(&target, &fs::read(&file).unwrap(), &file.display().to_string(), &mut wrong);
            count += 1;
        }
    }
    assert!(count > 0, "no regressions");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_first_inputs_hold() {
    let mut wrong = Vec::new();
    for (target, _) in TARGETS {
        let seeds = checks::seeds::of(target);
        assert!(seeds.len() >= 10, "{target} begins with {} inputs", seeds.len());
        // A debug build is slow with whole mails; the fuzzer takes them all.
        let step = if *target == "message" { 12 } else { 1 + seeds.len() / 40 };
        for (number, input) in seeds.iter().enumerate().step_by(step) {
            hold(target, input, &format!("seed {number}"), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_target_has_a_fuzzer_and_the_other_way_round() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/targets");
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "seed")
        .collect();
    files.sort();
    let named: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, named);
}
