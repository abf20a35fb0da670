//! From the texts of a rule folder to a compiled set: the whole set, or every problem in it.
//! It refuses half a set, and it reads no disk: the caller brings the texts.

use super::classes::Classes;
use super::document::{self, Entry, Table};
use super::example::{self, Example};
use super::keys;
use super::lists::Lists;
use super::need;
use super::set::{Mode, Rule, RuleSet, Scope, survey};
use super::text::fold;
use super::then;
use super::verdict::Bilingual;
use super::when::Reader;
use crate::config::error::{Problem, Source};
use regex::RegexBuilder;
use std::collections::BTreeMap;

/// The texts of a rule folder, by path below it (`10-recipients.toml`, `lists/webmail.txt`, `examples/recall.eml`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// TOML files; read in the order of their names.
    pub files: BTreeMap<String, String>,
    /// List files.
    pub lists: BTreeMap<String, String>,
    /// Mails of examples.
    pub mails: BTreeMap<String, Vec<u8>>,
}

/// Bytes all patterns of one text condition together may take when compiled.
const PATTERN_BYTES: usize = 16 << 20;

/// Compiles a rule set; examples that give facts are run, those that give a mail are kept for [`example::run`].
///
/// # Errors
/// Every problem found; a set with a problem is not used at all.
pub fn compile(sources: &Sources) -> Result<RuleSet, Vec<Problem>> {
    let texts: Vec<Source> = sources.files.iter().map(|(file, text)| Source::new(file, text)).collect();
    let mut problems = Vec::new();
    let mut documents = Vec::new();
    for source in &texts {
        match document::parse(source) {
            Ok(document) => documents.push((source, document)),
            Err(mut errors) => problems.append(&mut errors),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let tables: Vec<Table<'_>> = documents
        .iter()
        .map(|(source, document)| Table::new(source, 0..0, document.get_ref()))
        .inspect(|table| table.refuse_unknown(&["lists", "rule", "example"], &mut problems))
        .collect();

    let mut lists = Lists::default();
    for entry in tables.iter().filter_map(|table| table.get("lists")) {
        match entry.value.table() {
            Ok(table) => lists.read(&table, &sources.lists, &mut problems),
            Err(problem) => problems.push(problem),
        }
    }
    let classes = read_classes(&lists, &tables, &mut problems);

    let mut reader = Reader::new(&lists);
    let mut warnings = Vec::new();
    let mut rules: Vec<Rule> = Vec::new();
    let rule_tables = elements(&tables, "rule", &mut problems);
    let ids: Vec<&str> =
        rule_tables.iter().filter_map(|table| table.get("id").and_then(|entry| entry.value.as_string())).collect();
    for table in rule_tables {
        if let Some(rule) = read_rule(&table, &rules, &mut reader, &mut problems, &mut warnings) {
            rules.push(rule);
        }
    }
    let Reader { problems: mut more, mut patterns, mut slow, .. } = reader;
    problems.append(&mut more);
    warnings.append(&mut slow);
    patterns.sort_by(|one, other| one.key.cmp(&other.key));

    let mut examples: Vec<Example> = Vec::new();
    for table in elements(&tables, "example", &mut problems) {
        examples.extend(example::read(&table, &ids, &sources.mails, &patterns, &mut problems));
    }
    for pattern in &patterns {
        if RegexBuilder::new(&pattern.regex).size_limit(PATTERN_BYTES).build().is_err() {
            let place = texts.first().map_or_else(|| Source::new("rules", ""), Clone::clone);
            problems.push(Problem::error(&place, 0..0, format!("the patterns of `{}` are too large", pattern.key)));
        }
    }
    if !problems.is_empty() {
        problems.sort_by(|one, other| (one.file(), one.span().start).cmp(&(other.file(), other.span().start)));
        problems.dedup();
        return Err(problems);
    }
    let (mentions, windows) = survey(&rules);
    let set = RuleSet { rules, lists, classes, patterns, windows, examples, warnings, mentions };
    let failures: Vec<Problem> = example::run_facts(&set).into_iter().map(|failure| failure.problem).collect();
    if failures.is_empty() { Ok(set) } else { Err(failures) }
}

/// The elements of `[[rule]]` or `[[example]]` in all files.
fn elements<'d>(tables: &[Table<'d>], key: &str, problems: &mut Vec<Problem>) -> Vec<Table<'d>> {
    let mut all = Vec::new();
    for entry in tables.iter().filter_map(|table| table.get(key)) {
        match entry.value.list() {
            Ok(values) => {
                for value in values {
                    match value.table() {
                        Ok(table) => all.push(table),
                        Err(problem) => problems.push(problem),
                    }
                }
            }
            Err(problem) => problems.push(problem.with_help(format!("begin each with [[{key}]]"))),
        }
    }
    all
}

/// The classes; without the organisation's own domains no rule could tell inside from outside.
fn read_classes(lists: &Lists, tables: &[Table<'_>], problems: &mut Vec<Problem>) -> Classes {
    for name in super::lists::CLASS_LISTS {
        if let Some(list) = lists.get(name) {
            list.domains(problems);
        }
    }
    let help = "name your own domains in rules/00-organisation.toml: [lists] internal = [\"city.example.jp\", \"*.city.example.jp\"]";
    match lists.get("internal") {
        Some(list) if list.entries.is_empty() => {
            let problem = Problem::error(&list.source, list.span.clone(), "the list `internal` is empty");
            problems.push(problem.with_help(help));
        }
        Some(_) => {}
        None => {
            let first = tables.first().map_or_else(|| Source::new("rules", ""), |table| table.source.clone());
            let message = "the list `internal` is missing: what is inside the organisation?";
            problems.push(Problem::error(&first, 0..0, message).with_help(help));
        }
    }
    let texts: BTreeMap<&str, Vec<String>> =
        super::lists::CLASS_LISTS.iter().map(|name| (*name, lists.texts(name))).collect();
    Classes::new(|name| texts.get(name).map_or(&[][..], Vec::as_slice))
}

fn read_rule(
    table: &Table<'_>,
    before: &[Rule],
    reader: &mut Reader<'_>,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Rule> {
    let known: Vec<&str> = keys::RULE.iter().map(|(name, ..)| *name).collect();
    table.refuse_unknown(&known, problems);
    for (key, help) in [
        ("id", "give it a name that stays: id = \"visible-addresses\""),
        ("when", "say when it applies: when = { visible_external = \">= 10\" }"),
        ("then", "say what happens: then = { hold = \"sender\" }"),
    ] {
        if table.get(key).is_none() {
            problems.push(table.problem(format!("the rule has no `{key}`")).with_help(help));
        }
    }
    let id = table.get("id").and_then(|entry| read_id(entry, before).map_err(|problem| problems.push(problem)).ok());
    let title = table.get("title").map(|entry| read_title(entry).map_err(|problem| problems.push(problem)));
    let mode = choice(table, "mode", &["off", "observe", "enforce"], problems).unwrap_or(Mode::Enforce);
    let scope = choice(table, "scope", &["mail", "recipient"], problems).unwrap_or(Scope::Mail);
    let when = table.get("when").and_then(|entry| reader.conditions(entry.value));
    let unless = table.get("unless").map(|entry| reader.conditions(entry.value));
    let then = table.get("then").and_then(|entry| then::read(entry.value, reader.lists, problems, warnings));
    let (id, span) = id?;
    let title = match title {
        Some(title) => title.ok()?,
        None => Bilingual { en: id.clone(), ja: id.clone() },
    };
    let unless = match unless {
        Some(unless) => Some(unless?),
        None => None,
    };
    let (when, then) = (when?, then?);
    let mut asks_window = false;
    need::each_window(&when, unless.as_ref(), |_| asks_window = true);
    Some(Rule { id, title, mode, scope, when, unless, then, asks_window, source: table.source.clone(), span })
}

/// The id with its place: it goes into SMTP replies, metrics and URLs, so its alphabet is small.
fn read_id(entry: &Entry<'_>, before: &[Rule]) -> Result<(String, std::ops::Range<usize>), Problem> {
    let value = entry.value;
    let id = value.string()?;
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if id.is_empty() || id.len() > 64 || !id.bytes().all(good) {
        let problem = value.problem(format!("`{id}` cannot be an id"));
        return Err(problem.with_help("1 to 64 characters of a-z, 0-9, - and _"));
    }
    if let Some(first) = before.iter().find(|rule| rule.id == id) {
        let problem = value.problem(format!("the id `{id}` is used twice"));
        return Err(problem.with_help(format!("it is already used in {}, line {}", first.file(), first.line())));
    }
    Ok((id.to_owned(), value.span()))
}

fn read_title(entry: &Entry<'_>) -> Result<Bilingual, Problem> {
    let value = entry.value;
    if let Some(text) = value.as_string() {
        let text = one_line(value, text)?;
        return Ok(Bilingual { en: text.clone(), ja: text });
    }
    let table = value.table().map_err(|problem| problem.with_help("write title = { en = \"…\", ja = \"…\" }"))?;
    let mut unknown = Vec::new();
    table.refuse_unknown(&["en", "ja"], &mut unknown);
    if let Some(problem) = unknown.pop() {
        return Err(problem);
    }
    let text =
        |language: &str| table.get(language).map(|entry| one_line(entry.value, entry.value.string()?)).transpose();
    match (text("en")?, text("ja")?) {
        (Some(en), Some(ja)) => Ok(Bilingual { en, ja }),
        (Some(one), None) | (None, Some(one)) => Ok(Bilingual { en: one.clone(), ja: one }),
        (None, None) => Err(value.problem("a title needs `en` or `ja`")),
    }
}

/// A title is shown in one line of a reply or a notice.
fn one_line(value: document::Value<'_>, text: &str) -> Result<String, Problem> {
    if fold(text).trim().is_empty() || text.chars().any(char::is_control) {
        return Err(value.problem("a title has text, in one line"));
    }
    Ok(text.trim().to_owned())
}

fn choice<T: serde::de::DeserializeOwned>(
    table: &Table<'_>,
    key: &str,
    words: &[&str],
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let value = table.get(key)?.value;
    let read = value.string().and_then(|word| {
        keys::from_word(word).ok_or_else(|| {
            value
                .problem(format!("unknown {key} `{word}`"))
                .with_help(format!("known: {}", words.join(", ")))
                .with_nearest(word, words.iter().copied())
        })
    });
    read.map_err(|problem| problems.push(problem)).ok()
}
