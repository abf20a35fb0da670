//! Kinds of text, told by how it begins.
//! It refuses binary data: text has next to no control characters, in one charset or another.

use super::Kind;
use crate::extract::{csv, text};

/// How much of a text is looked at.
const SAMPLE: usize = 64 * 1024;

/// Field names that open a mail or a saved web page, and the fewest of them that make one.
const MAIL_FIELDS: &[&str] = &[
    "received",
    "return-path",
    "message-id",
    "mime-version",
    "from",
    "to",
    "subject",
    "date",
    "content-type",
    "x-mailer",
];

/// The kind of text, or `None` when it is not text.
pub(super) fn of(bytes: &[u8]) -> Option<Kind> {
    if !text::is_text(bytes) {
        return None;
    }
    let cut = bytes.len().min(SAMPLE);
    let sample = text::decode(&bytes[..cut], None).into_iter().next().unwrap_or_default();
    Some(of_sample(&sample))
}

fn of_sample(sample: &str) -> Kind {
    let start = sample.trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n']);
    let head: String = start.chars().take(2048).collect::<String>().to_ascii_lowercase();
    if head.starts_with("-----begin pgp message-----") {
        return Kind::Pgp;
    }
    if head.starts_with("-----begin pgp signature-----") {
        return Kind::PgpSignature;
    }
    if head.starts_with("begin:vcalendar") {
        return Kind::Ics;
    }
    if head.starts_with("begin:vcard") {
        return Kind::Vcf;
    }
    if head.starts_with("#!") && head.lines().next().is_some_and(|line| line.contains('/')) {
        return Kind::Script;
    }
    if head.starts_with("@echo off") {
        return Kind::Script;
    }
    if is_html(&head) {
        return Kind::Html;
    }
    if head.starts_with("<svg") || (head.starts_with("<?xml") && head.contains("<svg")) {
        return Kind::Svg;
    }
    if head.starts_with("<?xml") || (head.starts_with('<') && head.contains("xmlns")) {
        return Kind::Xml;
    }
    if is_mail(start) {
        return Kind::Eml;
    }
    if (head.starts_with('{') && head.contains('"')) || head.starts_with("[{") || head.starts_with("[\"") {
        return Kind::Json;
    }
    if csv::dialect(sample, false).is_some() {
        return Kind::Csv;
    }
    Kind::Text
}

fn is_html(head: &str) -> bool {
    if !head.starts_with('<') {
        return false;
    }
    if head.starts_with("<!doctype html") || head.starts_with("<html") {
        return true;
    }
    let tags = ["<html", "<head", "<body", "<table", "<div", "<p>", "<br", "<meta", "<style", "<font", "<span"];
    !head.starts_with("<?xml") && tags.iter().filter(|tag| head.contains(**tag)).count() >= 2
        || head.contains("<html") && !head.contains("<svg")
}

/// Two known header fields in the first lines, one of which only software writes.
fn is_mail(start: &str) -> bool {
    let mut known = 0;
    let mut machine = false;
    for line in start.lines().take(40) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        let name = name.to_ascii_lowercase();
        if let Some(index) = MAIL_FIELDS.iter().position(|field| *field == name) {
            known += 1;
            machine |= index < 4;
        }
    }
    known >= 2 && machine
}
