//! The house rules as a test: who may import whom, how long a file is, how it opens, and which names are not used.
//! It refuses exceptions: a file that breaks a rule is moved or split, the table is not widened in passing.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The top-level modules by layer; within layer 2 a module may import those before it, in the others the column says who.
const LAYERS: [&[&str]; 6] = [
    &["address", "id", "limits", "network"],
    &["smtp", "mail", "config"],
    &["extract", "detect", "facts", "inspect", "rules", "plan", "seal"],
    &["store", "hold", "outbox", "notice"],
    &["listen", "relay", "console", "worker"],
    &["pipeline", "app", "reload", "cli", "main", "clock"],
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["utils", "helpers", "common", "manager", "handler", "types", "misc"];

/// Lines a file may have.
const LONGEST: usize = 500;

/// What a layer may not name, by the highest layer the ban holds for, and why.
static BANNED: LazyLock<Vec<(usize, Regex, &str)>> = LazyLock::new(|| {
    [
        (2, r"\btokio\w*::", "nothing below the keeping layer waits"),
        (2, r"\b(SystemTime|Instant|Timestamp|Zoned)::now\b", "time is an argument"),
        (2, r"\blettre::", "notices are composed in the keeping layer"),
        (2, r"\bnet::\{?[^;]*\b(Tcp|Udp|Unix|ToSocketAddrs)", "nothing below the keeping layer opens a socket"),
        (0, r"\b(std|core)::fs\b", "words have no files"),
    ]
    .into_iter()
    .map(|(layer, pattern, why)| (layer, Regex::new(pattern).unwrap(), why))
    .collect()
});

/// Layer 2 alone: judgement opens no file (configuration below it is read from one).
static FILES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(std::fs|fs::|std::env::|env::var|std::process)").unwrap());

/// Crates that one room alone may name.
const OWNED_CRATES: [(&str, &str); 2] = [("mail_parser::", "src/mail/message.rs"), ("sqlx::", "src/store/")];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// May a file of module `from` name module `to` (`below` is the segment after it)?
fn allowed(from: &str, to: &str, below: &str) -> bool {
    let (Some(from_layer), Some(to_layer)) = (layer_of(from), layer_of(to)) else { return false };
    if from == to {
        return true;
    }
    match from_layer {
        0 => false,
        1 => to_layer == 0 || (from == "smtp" && to == "mail" && below == "envelope"),
        2 => {
            let rank = |module| LAYERS[2].iter().position(|name| *name == module);
            to_layer < 2 || (to_layer == 2 && rank(to) < rank(from))
        }
        3 => to_layer <= 3,
        4 => to_layer < 4,
        _ => true,
    }
}

/// A file's text without comments and texts, so that a word in prose is no import.
fn code_of(source: &str) -> String {
    static SKIPPED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r###"(?s)//[^\n]*|/\*.*?\*/|r##".*?"##|r#".*?"#|b?"(?:\\.|[^"\\])*"|'(?:\\.[^']*|[^'\\])'"###)
            .unwrap()
    });
    SKIPPED.replace_all(source, " ").into_owned()
}

/// Every top-level module the code names by `crate::` or by a `super::` chain that leaves its own: module and next segment.
fn imports(path: &str, code: &str) -> Vec<(String, String)> {
    static CRATE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bcrate\s*::\s*(\{|\w+(?:\s*::\s*\w+)?)").unwrap());
    static SUPER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b((?:super\s*::\s*)+)(\w+)(?:\s*::\s*(\w+))?").unwrap());
    let mut found = Vec::new();
    let mut add = |path: &str| {
        let mut segments = path.split("::").map(str::trim);
        let module = segments.next().unwrap_or_default().to_owned();
        found.push((module, segments.next().unwrap_or_default().to_owned()));
    };
    for capture in CRATE.captures_iter(code) {
        let named = &capture[1];
        if named != "{" {
            add(named);
            continue;
        }
        // `use crate::{a::b, c::{d, e}}`: the entries of the outermost braces.
        let start = capture.get(1).unwrap().end();
        let mut depth = 1;
        let mut entry = String::new();
        for char in code[start..].chars() {
            match char {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => add(&std::mem::take(&mut entry)),
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if char != ',' || depth > 1 {
                entry.push(char);
            }
        }
        if !entry.trim().is_empty() {
            add(&entry);
        }
    }
    let depth = depth_of(path);
    for capture in SUPER.captures_iter(code) {
        let ups = capture[1].matches("super").count();
        let module = &capture[2];
        if ups >= depth && layer_of(module).is_some() {
            found.push((module.to_owned(), capture.get(3).map_or(String::new(), |next| next.as_str().to_owned())));
        }
    }
    found
}

/// How many modules deep a file lies: `src/id.rs` 1, `src/mail/mod.rs` 1, `src/mail/header.rs` 2.
fn depth_of(path: &str) -> usize {
    let below = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    below.split('/').count()
}

/// Everything that is wrong with one file.
fn broken(path: &str, source: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |text: String| wrong.push(format!("{path}: {text}"));
    let lines = source.lines().count();
    if lines > LONGEST {
        say(format!("{lines} lines, {LONGEST} are allowed"));
    }
    let opening: Vec<&str> = source.lines().take_while(|line| line.starts_with("//!")).collect();
    if opening.len() < 2 || opening.iter().take(2).any(|line| line.trim_start_matches("//!").trim().len() < 10) {
        say("does not open with two sentences (what it is for, what it refuses to do)".to_owned());
    }
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    for name in inside.split('/') {
        if EMPTY_NAMES.contains(&name) {
            say(format!("`{name}` says nothing about what is inside"));
        }
    }
    let module = inside.split('/').next().unwrap_or_default();
    let code = code_of(source);
    for name in EMPTY_NAMES {
        if Regex::new(&format!(r"\bmod\s+{name}\s*\{{")).unwrap().is_match(&code) {
            say(format!("`mod {name}` says nothing about what is inside"));
        }
    }
    if !path.starts_with("src/") || module == "lib" {
        return wrong;
    }
    let Some(layer) = layer_of(module) else {
        say(format!("`{module}` stands in no layer"));
        return wrong;
    };
    for (to, below) in imports(path, &code) {
        // Names of the crate root that are no module do not exist here; an unknown one is a new module without a layer.
        if !allowed(module, &to, &below) {
            say(format!("{module} (layer {layer}) may not import crate::{to}::{below}"));
        }
    }
    // What a file's own tests do is not shipped: they may read a fixture or ask a second parser.
    let shipped = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    for (highest, pattern, why) in BANNED.iter() {
        if layer <= *highest {
            for found in pattern.find_iter(shipped) {
                say(format!("layer {layer} names `{}`: {why}", found.as_str()));
            }
        }
    }
    if layer == 2 {
        for found in FILES.find_iter(shipped) {
            say(format!("layer 2 names `{}`: judgement opens nothing", found.as_str()));
        }
    }
    for (name, home) in OWNED_CRATES {
        if shipped.contains(name) && !path.starts_with(home) {
            say(format!("names `{name}`, which belongs to {home}"));
        }
    }
    wrong
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_keeps_the_house_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    files_below(&root.join("src"), &mut files);
    files_below(&root.join("tests"), &mut files);
    assert!(files.len() > 30, "only {} files were found", files.len());
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|file| {
            broken(&file.strip_prefix(root).unwrap().to_string_lossy(), &fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_module_of_the_front_page_stands_in_the_table_and_the_other_way_round() {
    let front = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let listed: Vec<&str> =
        front.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    for module in &listed {
        assert!(layer_of(module).is_some(), "{module} stands in no layer");
    }
    for module in LAYERS.concat() {
        assert!(module == "main" || listed.contains(&module), "{module} is not in src/lib.rs");
    }
}

const OPENING: &str = "//! What this file is for.\n//! What it refuses to do.\n";

#[test]
fn a_file_that_breaks_a_rule_is_found() {
    for (path, code, complaint) in [
        ("src/address.rs", "use crate::id::Id;", "address (layer 0) may not import crate::id"),
        ("src/mail/header.rs", "use crate::smtp::reply::Reply;", "mail (layer 1) may not import crate::smtp"),
        (
            "src/smtp/receiver.rs",
            "use crate::mail::header::Field;",
            "smtp (layer 1) may not import crate::mail::header",
        ),
        ("src/detect/mod.rs", "fn f() { crate::facts::g() }", "detect (layer 2) may not import crate::facts"),
        (
            "src/extract/zip.rs",
            "use crate::{\n    limits::Budget,\n    rules::{Rule, verdict},\n};",
            "may not import crate::rules",
        ),
        ("src/extract/zip.rs", "use super::super::detect::Kind;", "may not import crate::detect"),
        ("src/store/mod.rs", "use crate::relay::Upstream;", "store (layer 3) may not import crate::relay"),
        ("src/listen/mod.rs", "use crate::relay;", "listen (layer 4) may not import crate::relay"),
        ("src/console/pages.rs", "use crate::app::App;", "console (layer 4) may not import crate::app"),
        ("src/plan/mod.rs", "use crate::nowhere::Thing;", "may not import crate::nowhere"),
        ("src/rules/mod.rs", "async fn f() { tokio::time::sleep(d).await }", "layer 2 names `tokio::`"),
        ("src/config/mod.rs", "use tokio::fs;", "layer 1 names `tokio::`"),
        ("src/inspect.rs", "let now = std::time::Instant::now();", "layer 2 names `Instant::now`"),
        ("src/facts.rs", "let now = jiff::Timestamp::now();", "layer 2 names `Timestamp::now`"),
        ("src/plan/mod.rs", "use std::net::{IpAddr, TcpStream};", "opens a socket"),
        ("src/rules/file.rs", "let text = std::fs::read_to_string(path);", "judgement opens nothing"),
        ("src/plan/bcc.rs", "use lettre::Message;", "layer 2 names `lettre::`"),
        ("src/mail/recipients.rs", "use mail_parser::Message;", "belongs to src/mail/message.rs"),
        ("src/hold/release.rs", "sqlx::query(text)", "belongs to src/store/"),
        ("src/mail/utils.rs", "", "`utils` says nothing"),
        ("src/mail/header.rs", "mod helpers { }", "`mod helpers` says nothing"),
        ("src/newroom/mod.rs", "", "`newroom` stands in no layer"),
    ] {
        let wrong = broken(path, &format!("{OPENING}{code}\n"));
        assert!(wrong.iter().any(|line| line.contains(complaint)), "{path} with `{code}` gave {wrong:?}");
    }
    let long = format!("{OPENING}{}", "\n".repeat(LONGEST - 1));
    assert_eq!(broken("src/id.rs", &long), ["src/id.rs: 501 lines, 500 are allowed"]);
    assert_eq!(broken("src/id.rs", "//! Only one sentence here.\nstruct Id;\n").len(), 1);
    assert_eq!(broken("tests/id.rs", "fn main() {}\n").len(), 1);
}

#[test]
fn a_file_that_keeps_them_is_left_alone() {
    for (path, code) in [
        ("src/smtp/receiver.rs", "use crate::address::Address;\nuse crate::mail::envelope::Envelope;"),
        (
            "src/facts.rs",
            "use crate::extract::Attachment;\nuse std::net::IpAddr;\n// see crate::rules::Set and tokio::spawn",
        ),
        (
            "src/facts.rs",
            "const HINT: &str = \"crate::rules::Set std::fs::read\";\nconst QUOTE: char = '\"';\nuse crate::detect::Kind;",
        ),
        ("src/plan/mod.rs", "use crate::rules::verdict::Tag;\nuse super::rules;"),
        ("src/store/mod.rs", "use crate::hold::State;\nlet rows = sqlx::query(text);"),
        (
            "src/plan/mod.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { fn g() { std::fs::read(path); mail_parser::parse(mail) } }",
        ),
        ("src/mail/message.rs", "use mail_parser::MessageParser;\nmod tests { use super::*; }"),
        ("src/config/file.rs", "let text = std::fs::read_to_string(path);"),
        ("src/pipeline.rs", "use crate::{relay::Upstream, store::Store};\nlet now = std::time::Instant::now();"),
        ("src/detect/name.rs", "use super::super::extract::Table;"),
        ("src/lib.rs", "pub mod address;\npub mod pipeline;"),
    ] {
        assert_eq!(broken(path, &format!("{OPENING}{code}\n")), Vec::<String>::new());
    }
    assert_eq!(broken("src/id.rs", &format!("{OPENING}{}", "\n".repeat(LONGEST - 2))), Vec::<String>::new());
}
