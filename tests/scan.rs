//! `sekisho scan` as a user runs it: exit codes, the JSON form, masking.
//! It refuses to look inside: only the program's output counts.
#![allow(clippy::unwrap_used, clippy::format_collect, reason = "the helpers of a test may panic like the test itself")]

use sekisho::cli::demo::incidents;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn scan(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho")).arg("scan").args(arguments).output().unwrap()
}

fn mail(folder: &tempfile::TempDir, id: &str) -> PathBuf {
    let all = incidents::all().into_iter().chain(incidents::must_pass());
    let incident = all.into_iter().find(|incident| incident.id == id).unwrap();
    let path = folder.path().join(format!("{id}.eml"));
    fs::write(&path, &incident.mails[0].data).unwrap();
    path
}

#[test]
fn the_exit_code_says_whether_the_mail_would_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    for (path, code) in
        [(mail(&folder, "signature"), 0), (mail(&folder, "sendai"), 1), (folder.path().join("is-not-there.eml"), 2)]
    {
        assert_eq!(scan(&[path.to_str().unwrap()]).status.code(), Some(code), "{}", path.display());
    }
    assert_eq!(scan(&["--no-such-word"]).status.code(), Some(2));
}

#[test]
fn json_has_the_published_form_and_no_values_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = mail(&folder, "sendai");
    let path = path.to_str().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&scan(&["--json", path]).stdout).unwrap();
    assert_eq!(report["version"], 1);
    assert_eq!(report["would_be_stopped"], true);
    assert_eq!(report["facts"]["persons"]["total"], 1);
    let findings = report["findings"].as_array().unwrap();
    assert!(!findings.is_empty() && findings.iter().all(|finding| finding.get("value").is_none()));
    let revealed: serde_json::Value = serde_json::from_slice(&scan(&["--json", "--reveal", path]).stdout).unwrap();
    assert!(revealed["findings"].as_array().unwrap().iter().any(|finding| finding["value"].is_string()));
}

#[test]
fn a_document_is_read_like_an_attachment_and_a_folder_is_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let list: String = (0..30).map(|n| format!("山田 太郎{n},090-1234-{:04}\n", 1000 + n)).collect();
    fs::write(folder.path().join("list.csv"), format!("氏名,電話番号\n{}", list.replace("郎0", "郎"))).unwrap();
    fs::write(folder.path().join("note.txt"), "会議は10時からです。\n").unwrap();
    let out = scan(&["--summary", folder.path().to_str().unwrap()]);
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("2 files:"), "{text}");
}

#[test]
fn the_published_schema_is_current() {
    let schema = String::from_utf8(scan(&["--schema"]).stdout).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scan.schema.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, &schema).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), schema, "UPDATE_GOLDEN=1 cargo test --test scan writes it anew");
}
