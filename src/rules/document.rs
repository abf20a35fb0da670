//! TOML text as a tree in which every key and value knows its place, with typed readers that answer with a problem at that place.
//! It refuses to know what any key means.

use crate::config::error::{Problem, Source};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads a TOML text; every syntax error is one problem.
///
/// # Errors
/// All syntax errors, in the order of the text.
pub(super) fn parse(source: &Source) -> Result<Spanned<DeTable<'_>>, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    if errors.is_empty() {
        return Ok(table);
    }
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let end = source.text().len();
            Problem::error(source, error.span().unwrap_or(end..end), error.message().trim_end_matches('\n'))
        })
        .collect();
    problems.sort_by_key(|problem| problem.span().start);
    problems.dedup_by_key(|problem| problem.span());
    Err(problems)
}

/// A value at its place.
#[derive(Clone, Copy)]
pub(super) struct Value<'d> {
    source: &'d Source,
    inner: &'d Spanned<DeValue<'d>>,
}

/// A key with its value.
#[derive(Clone)]
pub(super) struct Entry<'d> {
    pub key: &'d str,
    pub key_span: Range<usize>,
    pub value: Value<'d>,
    source: &'d Source,
}

/// A table: its entries in the order of the text.
#[derive(Clone)]
pub(super) struct Table<'d> {
    pub source: &'d Source,
    pub span: Range<usize>,
    pub entries: Vec<Entry<'d>>,
}

impl<'d> Table<'d> {
    /// The entries of a table, in the order they were written.
    pub(super) fn new(source: &'d Source, span: Range<usize>, table: &'d DeTable<'d>) -> Self {
        let mut entries: Vec<Entry<'d>> = table
            .iter()
            .map(|(key, inner)| Entry {
                key: key.get_ref(),
                key_span: key.span(),
                value: Value { source, inner },
                source,
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        Self { source, span, entries }
    }

    /// The entry of this name.
    pub(super) fn get(&self, key: &str) -> Option<&Entry<'d>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// A problem at the head of the table.
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::error(self.source, self.span.clone(), message)
    }

    /// A problem for every key that is not among the known ones.
    pub(super) fn refuse_unknown(&self, known: &[&str], problems: &mut Vec<Problem>) {
        for entry in &self.entries {
            if !known.contains(&entry.key) {
                problems.push(entry.unknown(known.iter().copied()));
            }
        }
    }
}

impl Entry<'_> {
    /// A problem at the key.
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::error(self.source, self.key_span.clone(), message)
    }

    /// The key is not known; the nearest one is offered, or else all of them when they are few.
    pub(super) fn unknown<'k>(&self, known: impl IntoIterator<Item = &'k str>) -> Problem {
        let known: Vec<&str> = known.into_iter().collect();
        let mut problem = self.problem(format!("unknown key `{}`", self.key));
        if known.len() <= 16 {
            problem = problem.with_help(format!("known keys: {}", known.join(", ")));
        }
        problem.with_nearest(self.key, known)
    }
}

impl<'d> Value<'d> {
    /// The place of the value.
    pub(super) fn span(self) -> Range<usize> {
        self.inner.span()
    }

    /// The file it stands in.
    pub(super) fn source(self) -> &'d Source {
        self.source
    }

    /// The value as it is written in the file, a string without its quotes.
    pub(super) fn written(self) -> String {
        match self.inner.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Array(items) => {
                items.iter().map(|inner| Self { inner, ..self }.written()).collect::<Vec<_>>().join(" | ")
            }
            DeValue::Table(table) => {
                let table = Table::new(self.source, self.span(), table);
                let parts: Vec<String> =
                    table.entries.iter().map(|entry| format!("{} {}", entry.key, entry.value.written())).collect();
                parts.join(", ")
            }
            _ => self.source.text().get(self.span()).unwrap_or_default().to_owned(),
        }
    }

    /// A problem at the value.
    pub(super) fn problem(self, message: impl Into<String>) -> Problem {
        Problem::error(self.source, self.span(), message)
    }

    /// A problem at a part of a string value: bytes of the string's content.
    pub(super) fn problem_within(self, part: Range<usize>, message: impl Into<String>) -> Problem {
        let outer = self.span();
        let raw = self.source.text().get(outer.clone()).unwrap_or_default();
        let (start, end) = (raw_offset(raw, part.start), raw_offset(raw, part.end));
        Problem::error(self.source, outer.start + start..outer.start + end.max(start), message)
    }

    fn wrong(self, wanted: &str) -> Problem {
        let found = match self.inner.get_ref() {
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
            other => other.type_str(),
        };
        self.problem(format!("expected {wanted}, found {found}"))
    }

    /// A string.
    pub(super) fn string(self) -> Result<&'d str, Problem> {
        self.inner.get_ref().as_str().ok_or_else(|| self.wrong("a text in quotes"))
    }

    /// A string, if it is one.
    pub(super) fn as_string(self) -> Option<&'d str> {
        self.inner.get_ref().as_str()
    }

    /// `true` or `false`.
    pub(super) fn flag(self) -> Result<bool, Problem> {
        self.inner.get_ref().as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// `true` or `false`, if it is one.
    pub(super) fn as_flag(self) -> Option<bool> {
        self.inner.get_ref().as_bool()
    }

    /// A whole number, not negative.
    pub(super) fn whole_number(self) -> Result<u64, Problem> {
        let number = self.inner.get_ref().as_integer().ok_or_else(|| self.wrong("a whole number"))?;
        u64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| self.problem("expected a whole number that is not negative"))
    }

    /// Is it a number without quotes?
    pub(super) fn is_number(self) -> bool {
        self.inner.get_ref().is_integer() || self.inner.get_ref().is_float()
    }

    /// A table.
    pub(super) fn table(self) -> Result<Table<'d>, Problem> {
        self.as_table().ok_or_else(|| self.wrong("a table"))
    }

    /// A table, if it is one.
    pub(super) fn as_table(self) -> Option<Table<'d>> {
        Some(Table::new(self.source, self.span(), self.inner.get_ref().as_table()?))
    }

    /// The values of a list.
    pub(super) fn list(self) -> Result<Vec<Self>, Problem> {
        self.as_list().ok_or_else(|| self.wrong("a list in brackets"))
    }

    fn as_list(self) -> Option<Vec<Self>> {
        Some(self.inner.get_ref().as_array()?.iter().map(|inner| Self { inner, ..self }).collect())
    }

    /// The values of a list, or the value itself as the only one. An empty list is a problem: it could never match.
    pub(super) fn one_or_many(self) -> Result<Vec<Self>, Problem> {
        match self.as_list() {
            Some(list) if list.is_empty() => Err(self.problem("an empty list never matches")),
            Some(list) => Ok(list),
            None => Ok(vec![self]),
        }
    }
}

/// The offset in a quoted TOML string (with its quotes) of a byte of its content; escapes (TOML 1.1 "String") take several characters there.
fn raw_offset(raw: &str, content: usize) -> usize {
    let quote = raw.chars().next().unwrap_or('"');
    let triple: String = [quote; 3].iter().collect();
    let mut at = if raw.starts_with(&triple) && raw.len() >= 6 { 3 } else { 1 };
    if at == 3 {
        // A line break directly behind the opening quotes is not content.
        at += raw[3..].starts_with("\r\n").then_some(2).or(raw[3..].starts_with('\n').then_some(1)).unwrap_or(0);
    }
    let mut done = 0;
    while done < content {
        let Some(char) = raw.get(at..).and_then(|rest| rest.chars().next()) else { break };
        if char == '\\' && quote == '"' {
            let (taken, given) = escape(&raw[at..]);
            at += taken;
            done += given;
        } else {
            at += char.len_utf8();
            done += char.len_utf8();
        }
    }
    at.min(raw.len())
}

/// An escape at the start of the text: how many bytes it takes, and how many bytes of content it gives.
fn escape(text: &str) -> (usize, usize) {
    let digits = match text.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(byte) if byte.is_ascii_whitespace() => {
            // A backslash at a line's end takes all blanks that follow.
            return (1 + text[1..].len() - text[1..].trim_start().len(), 0);
        }
        _ => return (2.min(text.len()), 1),
    };
    let code = text.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
    (2 + digits, code.map_or(1, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_inside_strings_survive_quotes_and_escapes() {
        for (raw, content, want) in [
            ("\"abc\"", 1, 2),
            ("'a\\c'", 2, 3),
            ("\"\\\\d(\"", 2, 4),
            ("\"\\u95A2(\"", 3, 7),
            ("\"\"\"\nx(\"\"\"", 1, 5),
            ("'''a'''", 0, 3),
            ("\"関(\"", 3, 4),
            ("\"a\"", 9, 3),
        ] {
            assert_eq!(raw_offset(raw, content), want, "{raw}");
        }
    }

    #[test]
    fn every_syntax_error_is_reported_at_its_place() {
        let source = Source::new("f", "a = \nb = 1\nc = 'x\n");
        let problems = parse(&source).err().unwrap();
        assert!(problems.len() >= 2, "{problems:?}");
        assert_eq!(problems[0].line_column().0, 1);
        assert_eq!(problems.last().unwrap().line_column().0, 3);
    }

    #[test]
    fn entries_come_in_the_order_of_the_text() {
        let source = Source::new("f", "z = 1\na = [\"x\", 'y']\nm = { k = true }\n");
        let document = parse(&source).unwrap();
        let table = Table::new(&source, 0..0, document.get_ref());
        let keys: Vec<&str> = table.entries.iter().map(|entry| entry.key).collect();
        assert_eq!(keys, ["z", "a", "m"]);
        assert_eq!(table.get("a").unwrap().value.written(), "x | y");
        assert_eq!(table.get("m").unwrap().value.written(), "k true");
        assert_eq!(table.get("z").unwrap().value.whole_number(), Ok(1));
        assert!(table.get("z").unwrap().value.string().is_err());
    }
}
