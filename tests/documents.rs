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

/// `Key=value` lines of a unit file.
fn unit(name: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/systemd").join(name)).unwrap();
    text.lines()
        .filter(|line| !line.starts_with(['#', '[']))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_units_fit_the_program_and_each_other() {
    let service = unit("sekisho.service");
    let value = |key: &str| {
        let found = service.iter().find(|(other, _)| other == key);
        found.map_or_else(|| panic!("no {key}"), |(_, value)| value.as_str())
    };
    let seconds = |key: &str| value(key).trim_end_matches('s').parse::<u64>().unwrap();
    // An orderly stop takes 60 seconds at most.
    let app = fs::read_to_string(root().join("src/app/mod.rs")).unwrap();
    assert!(app.contains("STOP_PATIENCE: Duration = Duration::from_secs(60)") && seconds("TimeoutStopSec") > 70);
    assert!(seconds("WatchdogSec") >= 10);
    assert_eq!((value("Type"), value("KillMode"), value("RestartPreventExitStatus")), ("notify", "mixed", "78"));
    let config = value("ExecStart").split("--config ").nth(1).unwrap();
    assert_eq!(config, format!("/etc/{}/sekisho.toml", value("ConfigurationDirectory")));
    let users = fs::read_to_string(root().join("docs/systemd/sekisho.sysusers")).unwrap();
    assert!(
        users.contains(&format!("\nu {} - ", value("User")))
            && users.contains(&format!("/var/lib/{} ", value("StateDirectory")))
    );
    let socket = unit("sekisho.socket");
    let example = fs::read_to_string(root().join("src/cli/sekisho.example.toml")).unwrap();
    let example =
        Config::parse("sekisho.toml", &example, Path::new("/etc/sekisho")).unwrap_or_else(|all| panic!("{all:?}"));
    let listens = example.listeners[0].listen.to_string();
    assert!(
        socket.contains(&("ListenStream".to_owned(), listens))
            && socket.contains(&("Service".to_owned(), "sekisho.service".to_owned()))
    );
}

#[test]
fn systemd_takes_the_units_and_finds_them_hard() {
    let tool = Path::new("/usr/bin/systemd-analyze");
    if !tool.exists() {
        #[allow(clippy::print_stderr, reason = "what was not tested is said")]
        {
            eprintln!("skipped: systemd-analyze is not installed");
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let text = fs::read_to_string(root().join("docs/systemd").join(name)).unwrap();
        // The program must be there for systemd to agree.
        fs::write(folder.path().join(name), text.replace("/usr/local/bin/sekisho", env!("CARGO_BIN_EXE_sekisho")))
            .unwrap();
        folder.path().join(name)
    };
    let (service, socket) = (copy("sekisho.service"), copy("sekisho.socket"));
    let run = |words: &[&str], paths: &[&Path]| {
        let output = std::process::Command::new(tool).args(words).args(paths).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout),
        )
    };
    let (taken, said) = run(&["verify"], &[&service, &socket]);
    assert!(taken, "{said}");
    assert!(!said.contains("sekisho.service") && !said.contains("sekisho.socket"), "systemd ignores something: {said}");
    // 0 is best, 10 worst, in tenths; the measured figure is 1.4.
    let (hard, said) = run(&["security", "--offline=true", "--threshold=20", "--no-pager"], &[&service]);
    assert!(hard || said.contains("unrecognized option"), "{said}");
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
