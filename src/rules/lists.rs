//! `[lists]`: named lists of domains, addresses, words or networks, written in a rule file or in a file of their own.
//! It refuses a list that is defined twice, and an entry that cannot be what the list is used for.

use super::document::{Entry, Table, Value};
use super::text::Pattern;
use crate::address::DomainSet;
use crate::config::error::{Problem, Source, nearest};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The lists that make classes; rules name the class, not the list.
pub(super) const CLASS_LISTS: [&str; 7] =
    ["internal", "partners", "webmail", "carrier", "isp", "disposable", "well-known"];

/// One entry at its place.
#[derive(Clone, Debug)]
pub(super) struct ListEntry {
    pub text: String,
    pub source: Source,
    pub span: Range<usize>,
}

/// One list.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub source: Source,
    pub span: Range<usize>,
    pub entries: Vec<ListEntry>,
    used: Arc<AtomicBool>,
}

/// All lists of a set.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    lists: BTreeMap<String, List>,
}

impl Lists {
    /// Reads one `[lists]` table; `files` holds the texts of list files by path.
    pub(super) fn read(&mut self, table: &Table<'_>, files: &BTreeMap<String, String>, problems: &mut Vec<Problem>) {
        for entry in &table.entries {
            if !is_name(entry.key) {
                problems.push(entry.problem("a list's name has only a-z, 0-9, - and _"));
                continue;
            }
            if let Some(first) = self.lists.get(entry.key) {
                let (line, _) = Problem::error(&first.source, first.span.clone(), "").line_column();
                let help = format!("it is already defined in {}, line {line}", first.source.file());
                problems.push(entry.problem(format!("the list `{}` is defined twice", entry.key)).with_help(help));
                continue;
            }
            match entries(entry.value, files) {
                Ok(entries) => {
                    let list = List {
                        source: entry.value.source().clone(),
                        span: entry.key_span.clone(),
                        entries,
                        used: Arc::new(AtomicBool::new(CLASS_LISTS.contains(&entry.key))),
                    };
                    self.lists.insert(entry.key.to_owned(), list);
                }
                Err(problem) => problems.push(problem),
            }
        }
    }

    /// The list of a name.
    pub(super) fn get(&self, name: &str) -> Option<&List> {
        self.lists.get(name)
    }

    /// All lists by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &List)> {
        self.lists.iter().map(|(name, list)| (name.as_str(), list))
    }

    /// The texts of a list, none when it is not defined.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.get(name).map_or_else(Vec::new, |list| list.entries.iter().map(|entry| entry.text.clone()).collect())
    }

    /// The list that a value names with `@name`; `None` when the value is no such reference.
    pub(super) fn referred(&self, value: Value<'_>, text: &str) -> Option<Result<&List, Problem>> {
        let name = text.strip_prefix('@')?;
        Some(self.lists.get(name).inspect(|list| list.used.store(true, Ordering::Relaxed)).ok_or_else(|| {
            let problem = value.problem(format!("there is no list `@{name}`"));
            match nearest(name, self.lists.keys().map(String::as_str)) {
                Some(right) => problem.with_help(format!("did you mean `@{right}`?")),
                None => problem.with_help(format!("define it: [lists] {name} = [\"…\"]")),
            }
        }))
    }
}

impl List {
    /// Was the list asked for by any rule, or does it make a class?
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// The list as domains and addresses.
    pub(super) fn domains(&self, problems: &mut Vec<Problem>) -> Arc<DomainSet> {
        for entry in &self.entries {
            if let Err(message) = check_domain_pattern(&entry.text) {
                problems.push(Problem::error(&entry.source, entry.span.clone(), message).with_help(PATTERN_HELP));
            }
        }
        Arc::new(DomainSet::new(self.entries.iter().map(|entry| entry.text.as_str())))
    }

    /// The list as words and expressions.
    pub(super) fn patterns(&self, problems: &mut Vec<Problem>) -> Vec<Pattern> {
        let mut patterns = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            match Pattern::new(&entry.text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => problems.push(Problem::error(&entry.source, entry.span.clone(), error.message)),
            }
        }
        patterns
    }
}

/// How domains and addresses are written.
pub(super) const PATTERN_HELP: &str =
    "write a domain (city.example.jp), all domains below it (*.city.example.jp), or an address (a@city.example.jp)";

/// Can the text be a domain pattern or an address?
pub(super) fn check_domain_pattern(text: &str) -> Result<(), String> {
    let domain = match text.rsplit_once('@') {
        Some((_, domain)) => domain,
        None => text.strip_prefix("*.").unwrap_or(text),
    };
    let labels_good = domain.split('.').all(|label| {
        !label.is_empty()
            && label.chars().all(|char| char.is_alphanumeric() || char == '-' || char == '_' || char == 'ー')
    });
    let literal = domain.starts_with('[') && domain.ends_with(']');
    let dotted = text.contains('@') || text.starts_with("*.") || domain.contains('.');
    let local_good = !text.contains(char::is_whitespace) && !text.starts_with("*@");
    if (labels_good || literal) && dotted && local_good {
        Ok(())
    } else {
        Err(format!("`{text}` is neither a domain nor an address"))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

/// The entries of `["…"]`, of `{ file = "…" }`, or of `{ file = "…", add = ["…"] }`.
fn entries(value: Value<'_>, files: &BTreeMap<String, String>) -> Result<Vec<ListEntry>, Problem> {
    let Some(table) = value.as_table() else { return inline(value) };
    let mut problems = Vec::new();
    table.refuse_unknown(&["file", "add"], &mut problems);
    if let Some(problem) = problems.pop() {
        return Err(problem);
    }
    let mut entries = Vec::new();
    let Some(file) = table.get("file") else {
        return Err(table.problem("`file` is missing").with_help("write { file = \"lists/partners.txt\" }"));
    };
    for value in file.value.one_or_many()? {
        let path = value.string()?;
        let Some(text) = files.get(path) else {
            let problem = value.problem(format!("there is no list file `{path}`"));
            return Err(problem.with_nearest(path, files.keys().map(String::as_str)));
        };
        entries.extend(lines(path, text));
    }
    if let Some(add) = table.get("add").map(|entry: &Entry<'_>| entry.value) {
        entries.extend(inline(add)?);
    }
    Ok(entries)
}

fn inline(value: Value<'_>) -> Result<Vec<ListEntry>, Problem> {
    let list = value
        .list()
        .map_err(|problem| problem.with_help("write a list [\"…\"], or a file { file = \"lists/partners.txt\" }"))?;
    list.into_iter()
        .map(|value| {
            let text = value.string()?.trim();
            if text.is_empty() {
                return Err(value.problem("an entry without text"));
            }
            if text.starts_with('@') {
                return Err(value
                    .problem("a list cannot contain another list")
                    .with_help("where a list may stand, several may: to = [\"@one\", \"@two\"]"));
            }
            Ok(ListEntry { text: text.to_owned(), source: value.source().clone(), span: value.span() })
        })
        .collect()
}

/// One entry a line; from `#` on it is a comment.
fn lines(path: &str, text: &str) -> Vec<ListEntry> {
    let source = Source::new(path, text);
    let mut entries = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.split('#').next().unwrap_or("");
        let trimmed = content.trim().trim_start_matches('\u{feff}');
        if !trimmed.is_empty() {
            let at = start + line.find(trimmed).unwrap_or(0);
            entries.push(ListEntry { text: trimmed.to_owned(), source: source.clone(), span: at..at + trimmed.len() });
        }
        start += line.len();
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_files_have_comments_and_places() {
        let entries = lines("l.txt", "\u{feff}# partners\n a.test  # main office\r\n\n*.b.test");
        let texts: Vec<_> = entries.iter().map(|entry| (entry.text.as_str(), entry.span.clone())).collect();
        assert_eq!(texts, [("a.test", 15..21), ("*.b.test", 39..47)]);
    }

    #[test]
    fn only_domains_and_addresses_are_address_patterns() {
        for (text, good) in [
            ("city.example.jp", true),
            ("*.city.example.jp", true),
            ("a@city.example.jp", true),
            ("日本.example", true),
            ("a@[192.0.2.1]", true),
            ("webmail", false),
            ("*city.example.jp", false),
            ("city..jp", false),
            ("a b@city.example.jp", false),
            ("*@city.example.jp", false),
            ("https://city.example.jp/", false),
            ("", false),
        ] {
            assert_eq!(check_domain_pattern(text).is_ok(), good, "{text}");
        }
    }
}
