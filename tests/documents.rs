//! The documents say what is there: every path they name exists, and every test in the table of attacks is a test.
//! It refuses to judge prose; README and the other pages are read by people.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

use regex::Regex;
use sekisho::config::Config;
use sekisho::config::upstream::Place;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `path` in backquotes that begins with a folder of this repository; ARCHITECTURE.md leaves out `src/`.
fn named_paths(text: &str) -> Vec<String> {
    Regex::new(r"`((?:src|tests|rules|docker|certs|\.ci)/[A-Za-z0-9_./-]*|Cargo\.toml|deny\.toml|clippy\.toml)`")
        .unwrap()
        .captures_iter(text)
        .map(|capture| capture[1].to_owned())
        .collect()
}

/// The names of the tests in a Rust file: `#[test]` and `#[tokio::test]` functions.
fn tests_in(source: &str) -> Vec<String> {
    Regex::new(r"#\[(?:tokio::)?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)")
        .unwrap()
        .captures_iter(source)
        .map(|capture| capture[1].to_owned())
        .collect()
}

/// What is wrong with a table of attacks: rows whose code or test is not there.
fn missing_proofs(table: &str, root: &Path) -> Vec<String> {
    let test = Regex::new(r"`(?:tests::)?(\w+)` in `([^`]+)`").unwrap();
    let file = Regex::new(r"`([^`]+\.smtp|tests/[^`]+\.toml)`").unwrap();
    let mut wrong = Vec::new();
    for row in table.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let Some(proof) = cells.last().filter(|_| cells.len() == 4) else {
            wrong.push(format!("not four columns: {row}"));
            continue;
        };
        let mut proofs = 0;
        for capture in test.captures_iter(proof) {
            proofs += 1;
            let source = fs::read_to_string(root.join(&capture[2])).unwrap_or_default();
            if !tests_in(&source).contains(&capture[1].to_owned()) {
                wrong.push(format!("{} is no test of {}", &capture[1], &capture[2]));
            }
        }
        for capture in file.captures_iter(proof) {
            proofs += 1;
            if !root.join(&capture[1]).exists() {
                wrong.push(format!("{} does not exist", &capture[1]));
            }
        }
        if proofs == 0 {
            wrong.push(format!("names no test: {row}"));
        }
    }
    wrong
}

#[test]
fn every_path_named_in_a_document_exists() {
    let documents: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "md"))
        .collect();
    assert!(documents.iter().any(|path| path.ends_with("SECURITY.md")));
    let missing: Vec<String> = documents
        .iter()
        .flat_map(|document| {
            named_paths(&fs::read_to_string(document).unwrap())
                .into_iter()
                .filter(|path| !root().join(path).exists() && !root().join("src").join(path).exists())
                .map(|path| format!("{}: {path}", document.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
}

#[test]
fn every_known_attack_has_a_test() {
    let security = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let table = security.split("## Known attacks").nth(1).unwrap().split("\n## ").next().unwrap();
    assert!(table.lines().filter(|line| line.starts_with('|')).count() > 3);
    let wrong = missing_proofs(table, &root());
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_container_files_fit_each_other_and_the_program() {
    let read = |name: &str| fs::read_to_string(root().join("docker").join(name)).unwrap();
    let config = match Config::parse("sekisho.toml", &read("sekisho.toml"), Path::new("/etc/sekisho")) {
        Ok(config) => config,
        Err(problems) => panic!("{problems:?}"),
    };
    let (image, compose) = (read("Dockerfile"), read("compose.yaml"));
    let Place::Host { host: service, port } = &config.upstream.servers[0].place else { panic!("a host is named") };
    assert!(compose.contains(&format!("\n  {service}:\n")) && *port == 25);
    let mail = config.listeners[0].listen.port();
    let page = config.console.unwrap().listen.port();
    assert!(image.contains(&format!("EXPOSE {mail} {page}\n")));
    for port in [mail, page] {
        assert!(compose.contains(&format!("\"127.0.0.1:{port}:{port}\"")), "{port} is not published");
    }
    assert!(image.contains(&format!("/dev/tcp/127.0.0.1/{}", config.status.unwrap().port())));
    for folder in [config.state, config.rules.unwrap()] {
        let folder = folder.to_string_lossy().into_owned();
        assert!(image.contains(&folder) && compose.contains(&folder), "{folder}");
    }
    assert!(image.contains("\nUSER 10001:10001\n") && compose.contains("read_only: true"));
}

#[test]
fn a_row_without_proof_is_found() {
    let head = "| attack | seen | where | test |\n|---|---|---|---|\n";
    for (row, complaint) in [
        ("| a | b | `src/id.rs` | `no_such_test` in `tests/documents.rs` |", "is no test"),
        ("| a | b | `src/id.rs` | `root` in `tests/documents.rs` |", "is no test"),
        ("| a | b | `src/id.rs` | `tests/wire/none.smtp` |", "does not exist"),
        ("| a | b | `src/id.rs` | by inspection |", "names no test"),
        ("| a | b |", "not four columns"),
    ] {
        let wrong = missing_proofs(&format!("{head}{row}\n"), &root());
        assert!(wrong.len() == 1 && wrong[0].contains(complaint), "{row}: {wrong:?}");
    }
    let good = "| a | b | c | `a_row_without_proof_is_found` in `tests/documents.rs` |\n";
    assert_eq!(missing_proofs(&format!("{head}{good}"), &root()), Vec::<String>::new());
    assert_eq!(named_paths("`src/id.rs`, `cargo test` and `tests/run`"), ["src/id.rs", "tests/run"]);
}
