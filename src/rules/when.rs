//! Reads `when` and `unless`: tables of keys become conditions.
//! It refuses unknown keys, lists that do not exist, and values a key cannot take, each at its place; it goes on after a problem to report them all.

use super::classes::Class;
use super::condition::{AddressTest, AttachmentTest, Condition, Flag, Leaf, Measure, Network, Test, TimeTest};
use super::document::{Entry, Table, Value};
use super::keys;
use super::lists::{Lists, PATTERN_HELP, check_domain_pattern};
use super::number::Comparison;
use super::text::Pattern;
use super::window::{Counted, WindowQuery};
use crate::address::DomainSet;
use crate::config::error::{Problem, nearest};
use crate::detect::Confidence;
use crate::extract::Why;
use crate::inspect::{TextPattern, TextScope};
use std::ops::Range;
use std::sync::Arc;

/// Longest time a window may look back: 400 days, in hours.
const LONGEST_WINDOW: u64 = 400 * 24;

/// Reads conditions and gathers what else a set needs from them.
pub(super) struct Reader<'l> {
    pub lists: &'l Lists,
    pub problems: Vec<Problem>,
    /// What the inspection must look for in the text.
    pub patterns: Vec<TextPattern>,
    /// Expressions that are slow to search, with their places; for lint.
    pub slow: Vec<Problem>,
}

/// A key of a table, `header.NAME`, `attachment.*` and `data.*` flattened to one level.
struct Item<'d> {
    key: String,
    entry: Entry<'d>,
    span: Range<usize>,
}

type Read<T> = Result<T, Problem>;

impl<'l> Reader<'l> {
    pub(super) fn new(lists: &'l Lists) -> Self {
        Self { lists, problems: Vec::new(), patterns: Vec::new(), slow: Vec::new() }
    }

    fn keep<T>(&mut self, read: Read<T>) -> Option<T> {
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// A `when` or `unless` table.
    pub(super) fn conditions(&mut self, value: Value<'_>) -> Option<Condition> {
        let table = self.keep(value.table())?;
        self.table(&table, Confidence::Likely)
    }

    fn table(&mut self, table: &Table<'_>, confidence: Confidence) -> Option<Condition> {
        if table.entries.is_empty() {
            let problem = table.problem("a table without conditions would hold for every mail");
            self.problems.push(problem.with_help("to mean every mail, write { recipients = \">= 0\" }"));
            return None;
        }
        let before = self.problems.len();
        let items = self.items(table);
        let confidence = match items.iter().find(|item| item.key == "min_confidence") {
            Some(item) => self.confidence(item.entry.value).unwrap_or(confidence),
            None => confidence,
        };
        let except = match items.iter().find(|item| item.key == "unreadable_except") {
            Some(item) if !items.iter().any(|other| other.key == "unreadable") => {
                self.problems.push(item.entry.problem("`unreadable_except` needs `unreadable` in the same table"));
                Vec::new()
            }
            Some(item) => self.words(item.entry.value),
            None => Vec::new(),
        };
        let mut parts = Vec::new();
        for item in &items {
            match item.key.as_str() {
                "min_confidence" | "unreadable_except" => {}
                key if key.starts_with("attachment.") => {}
                "any" => parts.extend(self.tables(item, confidence).map(Condition::Any)),
                "all" => parts.extend(self.tables(item, confidence).map(Condition::All)),
                "not" => {
                    if let Some(inner) = self.keep(item.entry.value.table()) {
                        parts.extend(self.table(&inner, confidence).map(|inner| Condition::Not(Box::new(inner))));
                    }
                }
                _ => {
                    if let Some(test) = self.test(item, confidence, &except) {
                        let wanted = item.entry.value.written();
                        parts.push(Condition::Leaf(Leaf { key: item.key.clone(), wanted, test }));
                    }
                }
            }
        }
        parts.extend(self.attachments(&items));
        if parts.is_empty() && self.problems.len() == before {
            self.problems.push(table.problem("there is no condition here that a mail could meet"));
        }
        (self.problems.len() == before).then_some(Condition::All(parts))
    }

    fn tables(&mut self, item: &Item<'_>, confidence: Confidence) -> Option<Vec<Condition>> {
        let values = self.keep(item.entry.value.one_or_many())?;
        let mut parts = Vec::new();
        for value in values {
            if let Some(table) = self.keep(value.table()) {
                parts.extend(self.table(&table, confidence));
            }
        }
        Some(parts)
    }

    /// The keys of a table; families written as a table of their own are flattened.
    fn items<'d>(&mut self, table: &Table<'d>) -> Vec<Item<'d>> {
        let mut items = Vec::new();
        for entry in &table.entries {
            let family = ["header", "attachment", "data"].contains(&entry.key);
            match entry.value.as_table() {
                Some(inner) if family => {
                    for sub in inner.entries {
                        let key = format!("{}.{}", entry.key, sub.key);
                        items.push(Item { key, span: sub.key_span.clone(), entry: sub });
                    }
                }
                _ => items.push(Item { key: entry.key.to_owned(), span: entry.key_span.clone(), entry: entry.clone() }),
            }
        }
        for item in &items {
            if !is_known(&item.key) {
                let problem = unknown(item);
                self.problems.push(problem);
            }
        }
        items.retain(|item| is_known(&item.key));
        items
    }

    fn test(&mut self, item: &Item<'_>, confidence: Confidence, except: &[String]) -> Option<Test> {
        let value = item.entry.value;
        let key = item.key.as_str();
        if let Some(kind) = key.strip_prefix("data.") {
            let measure = Measure::Data(keys::from_word(kind)?, confidence);
            return Some(Test::Number(measure, self.comparisons(value)?));
        }
        if let Some(name) = key.strip_prefix("header.") {
            return Some(Test::Header(name.to_ascii_lowercase(), self.texts(value)?));
        }
        let number = |measure| (Some(measure), None);
        let flag = |flag| (None, Some(flag));
        let (measure, flag) = match key {
            "visible" => number(Measure::Visible),
            "visible_external" => number(Measure::VisibleExternal),
            "visible_personal" => number(Measure::VisiblePersonal),
            "visible_external_domains" => number(Measure::VisibleExternalDomains),
            "recipients" => number(Measure::Recipients),
            "external_recipients" => number(Measure::ExternalRecipients),
            "persons" => number(Measure::Persons),
            "sensitive_persons" => number(Measure::SensitivePersons),
            "financial_persons" => number(Measure::FinancialPersons),
            "credentials" => number(Measure::Credentials),
            "bytes" => number(Measure::Bytes),
            "hidden_only" => flag(Flag::HiddenOnly),
            "recipients_unclear" => flag(Flag::RecipientsUnclear),
            "inspection_failed" => flag(Flag::InspectionFailed),
            "login_mismatch" => flag(Flag::LoginMismatch),
            _ => (None, None),
        };
        if let Some(measure) = measure {
            return Some(Test::Number(measure, self.comparisons(value)?));
        }
        if let Some(flag) = flag {
            let wanted = value.flag();
            return Some(Test::Flag(flag, self.keep(wanted)?));
        }
        match key {
            "from" => Some(Test::From(self.addresses(value)?)),
            "to" => Some(Test::To(self.addresses(value)?)),
            "to_all" => Some(Test::ToAll(self.addresses(value)?)),
            "login" => Some(Test::Login(self.texts(value)?)),
            "client" => Some(Test::Client(self.networks(value)?)),
            "subject" => Some(Test::Subject(self.texts(value)?)),
            "attachment_name" => Some(Test::AttachmentName(self.texts(value)?)),
            "body" => Some(Test::Matched(self.content(value, TextScope::Body)?)),
            "text" => Some(Test::Matched(self.content(value, TextScope::Text)?)),
            "first_contact" => {
                let comparisons = match value.as_flag() {
                    Some(true) => vec![Comparison { operator: super::number::Operator::AtLeast, value: 1 }],
                    Some(false) => vec![Comparison { operator: super::number::Operator::Equal, value: 0 }],
                    None => self.comparisons(value)?,
                };
                Some(Test::Number(Measure::FirstContact, comparisons))
            }
            "confidential" => match value.as_flag() {
                Some(wanted) => Some(Test::Flag(Flag::Confidential, wanted)),
                None => Some(Test::ConfidentialMark(self.texts(value)?)),
            },
            "unreadable" => Some(Test::Unreadable { why: self.reasons(value)?, except: except.to_vec() }),
            "mail_kind" => Some(Test::MailKind(self.choices(value, keys::mail_kind_words())?)),
            "window" => Some(Test::Window(self.windows(value)?)),
            "time" => Some(Test::Time(self.times(value)?)),
            _ => None,
        }
    }

    /// Every value of a list (or the one value), read by the same reader; `None` when any has a problem.
    fn each<'d, T>(&mut self, value: Value<'d>, read: impl Fn(&mut Self, Value<'d>) -> Read<T>) -> Option<Vec<T>> {
        let values = self.keep(value.one_or_many())?;
        let before = self.problems.len();
        let mut all = Vec::new();
        for value in values {
            let read = read(self, value);
            all.extend(self.keep(read));
        }
        (self.problems.len() == before).then_some(all)
    }

    fn comparisons(&mut self, value: Value<'_>) -> Option<Vec<Comparison>> {
        self.each(value, |_, value| comparison(value))
    }

    fn addresses(&mut self, value: Value<'_>) -> Option<AddressTest> {
        let mut test = AddressTest::default();
        let read = self.each(value, |reader, value| {
            let text = value.string()?.trim();
            test_address(reader, value, text)
        })?;
        for (text, part) in read {
            match part {
                AddressPart::Class(class) => test.classes.insert(class),
                AddressPart::Set(set) => test.lists.push(set),
                AddressPart::Null => test.null = true,
            }
            test.words.push(text);
        }
        Some(test)
    }

    fn texts(&mut self, value: Value<'_>) -> Option<Vec<Pattern>> {
        let read = self.each(value, |reader, value| {
            let text = value.string()?;
            if let Some(list) = reader.lists.referred(value, text) {
                let mut problems = Vec::new();
                let patterns = list?.patterns(&mut problems);
                reader.problems.append(&mut problems);
                return Ok(patterns);
            }
            let pattern = Pattern::new(text).map_err(|error| {
                let problem = value.problem_within(error.span, error.message);
                problem
                    .with_help("words are written plainly, expressions between slashes: /…/ (syntax of Rust's regex)")
            })?;
            if !pattern.has_required_literal() {
                let message = "no text of three bytes must be in every match: this is searched slowly";
                reader.slow.push(Problem::warning(value.source(), value.span(), message));
            }
            Ok(vec![pattern])
        })?;
        Some(read.into_iter().flatten().collect())
    }

    /// Text conditions on content: the inspection looks for them, and answers with their keys.
    fn content(&mut self, value: Value<'_>, scope: TextScope) -> Option<Vec<String>> {
        let word = match scope {
            TextScope::Body => "body",
            TextScope::Text => "text",
        };
        self.each(value, |reader, value| {
            let key = format!("{word}:{}", value.string()?);
            let patterns = reader.texts(value).unwrap_or_default();
            if !reader.patterns.iter().any(|known| known.key == key) {
                reader.patterns.extend(text_patterns(&key, scope, &patterns));
            }
            Ok(key)
        })
    }

    fn networks(&mut self, value: Value<'_>) -> Option<Vec<Network>> {
        let read = self.each(value, |reader, value| {
            let text = value.string()?;
            let wrong = |text: &str| format!("`{text}` is not a network: write 192.0.2.0/24 or 2001:db8::/32");
            if let Some(list) = reader.lists.referred(value, text) {
                let entries = &list?.entries;
                let networks = entries.iter().map(|entry| {
                    Network::parse(&entry.text)
                        .ok_or_else(|| Problem::error(&entry.source, entry.span.clone(), wrong(&entry.text)))
                });
                return networks.collect();
            }
            Network::parse(text).map(|network| vec![network]).ok_or_else(|| value.problem(wrong(text)))
        })?;
        Some(read.into_iter().flatten().collect())
    }

    fn choices<T: serde::de::DeserializeOwned>(&mut self, value: Value<'_>, words: &[String]) -> Option<Vec<T>> {
        self.each(value, |_, value| {
            let text = value.string()?;
            keys::from_word(text).ok_or_else(|| unknown_word(value, text, words))
        })
    }

    fn reasons(&mut self, value: Value<'_>) -> Option<Vec<Why>> {
        let words = keys::unreadable_words();
        let read = self.each(value, |_, value| match value.string()? {
            "any" => Ok(words.iter().filter_map(|word| keys::from_word(word)).collect()),
            text => keys::from_word(text).map(|why| vec![why]).ok_or_else(|| unknown_word(value, text, words)),
        })?;
        Some(read.into_iter().flatten().collect())
    }

    fn confidence(&mut self, value: Value<'_>) -> Option<Confidence> {
        let read = value
            .string()
            .and_then(|text| keys::from_word(text).ok_or_else(|| unknown_word(value, text, keys::confidence_words())));
        self.keep(read)
    }

    fn words(&mut self, value: Value<'_>) -> Vec<String> {
        self.each(value, |_, value| Ok(value.string()?.to_ascii_lowercase())).unwrap_or_default()
    }

    fn times(&mut self, value: Value<'_>) -> Option<Vec<TimeTest>> {
        self.each(value, |_, value| {
            let text = value.string()?;
            TimeTest::parse(text).ok_or_else(|| {
                let words = ["office_hours", "outside_office_hours", "weekend", "holiday"];
                value
                    .problem(format!("unknown time `{text}`"))
                    .with_help("known: office_hours, outside_office_hours, weekend, holiday, or \"08:30-17:15\"")
                    .with_nearest(text, words)
            })
        })
    }

    fn windows(&mut self, value: Value<'_>) -> Option<Vec<(WindowQuery, Comparison)>> {
        self.each(value, |reader, value| {
            let table = value.table()?;
            table.refuse_unknown(&["of", "to", "hours", "value"], &mut reader.problems);
            let needed = |key: &str| {
                let help = "write { of = \"persons\", hours = 24, value = \">= 10\" }";
                table.get(key).ok_or_else(|| table.problem(format!("`{key}` is missing")).with_help(help))
            };
            let of = needed("of")?.value;
            let word = of.string()?;
            let counted = Counted::ALL.into_iter().find(|counted| counted.as_str() == word).ok_or_else(|| {
                let words = Counted::ALL.map(Counted::as_str);
                of.problem(format!("`{word}` cannot be summed up"))
                    .with_help(format!("known: {}", words.join(", ")))
                    .with_nearest(word, words)
            })?;
            let to = match table.get("to") {
                None => None,
                Some(entry) => {
                    let word = entry.value.string()?;
                    let class = Class::parse(word).ok_or_else(|| unknown_class(entry.value, word))?;
                    Some(class)
                }
            };
            let hours = needed("hours")?.value;
            let number = hours.whole_number()?;
            if !(1..=LONGEST_WINDOW).contains(&number) {
                return Err(hours.problem(format!("a window is 1 to {LONGEST_WINDOW} hours long")));
            }
            let value = comparison(needed("value")?.value)?;
            let hours = u32::try_from(number).unwrap_or(u32::MAX);
            Ok((WindowQuery { of: counted, to, hours }, value))
        })
    }

    /// The `attachment.*` keys of one table as one test: they speak about the same file.
    fn attachments(&mut self, items: &[Item<'_>]) -> Option<Condition> {
        let mut test = AttachmentTest::default();
        let mut wanted = Vec::new();
        for item in items {
            let Some(key) = item.key.strip_prefix("attachment.") else { continue };
            let value = item.entry.value;
            match key {
                "kind" => test.kinds = self.words(value),
                "bytes" => test.bytes = self.comparisons(value).unwrap_or_default(),
                "count" => test.count = self.comparisons(value).unwrap_or_default(),
                "disguised" => {
                    let flag = value.flag();
                    test.disguised = self.keep(flag);
                }
                _ => {
                    let flag = value.flag();
                    test.macros = self.keep(flag);
                }
            }
            wanted.push(format!("{key} {}", value.written()));
        }
        (!wanted.is_empty()).then(|| {
            let key = "attachment".to_owned();
            Condition::Leaf(Leaf { key, wanted: wanted.join(", "), test: Test::Attachments(Box::new(test)) })
        })
    }
}

fn unknown(item: &Item<'_>) -> Problem {
    let message = format!("unknown condition `{}`", item.key);
    let problem = Problem::error(item.entry.value.source(), item.span.clone(), message);
    let kind = item.key.strip_prefix("data.");
    if let Some(right) = kind.and_then(|kind| nearest(kind, keys::data_words().iter().map(String::as_str))) {
        return problem.with_help(format!("did you mean `data.{right}`?"));
    }
    if kind.is_some() {
        return problem.with_help(format!("known kinds: {}", keys::data_words().join(", ")));
    }
    let names = keys::CONDITIONS.iter().map(|key| key.name).filter(|name| !name.contains(char::is_uppercase));
    match nearest(&item.key, names) {
        Some(right) => problem.with_help(format!("did you mean `{right}`?")),
        None => problem.with_help("all conditions: sekisho rules reference"),
    }
}

enum AddressPart {
    Class(Class),
    Set(Arc<DomainSet>),
    Null,
}

fn test_address(reader: &mut Reader<'_>, value: Value<'_>, text: &str) -> Read<(String, AddressPart)> {
    if let Some(class) = Class::parse(text) {
        return Ok((text.to_owned(), AddressPart::Class(class)));
    }
    if text == "<>" {
        return Ok((text.to_owned(), AddressPart::Null));
    }
    if let Some(list) = reader.lists.referred(value, text) {
        let mut problems = Vec::new();
        let set = list?.domains(&mut problems);
        reader.problems.append(&mut problems);
        return Ok((text.to_owned(), AddressPart::Set(set)));
    }
    if !text.contains(['.', '@', '*']) {
        return Err(unknown_class(value, text));
    }
    check_domain_pattern(text).map_err(|message| value.problem(message).with_help(PATTERN_HELP))?;
    Ok((text.to_owned(), AddressPart::Set(Arc::new(DomainSet::new([text])))))
}

fn comparison(value: Value<'_>) -> Read<Comparison> {
    if value.is_number() {
        let written = value.written();
        let help = format!("write a comparison in quotes: \">= {written}\"");
        return Err(value.problem("a number needs a comparison").with_help(help));
    }
    Comparison::parse(value.string()?)
        .map_err(|message| value.problem(message).with_help("for example \">= 10\", \"< 5MB\", \"= 0\""))
}

fn unknown_class(value: Value<'_>, word: &str) -> Problem {
    let words = Class::ALL.map(Class::as_str);
    value
        .problem(format!("unknown class `{word}`"))
        .with_help(format!("classes: {}; a list is written @name, a domain with its dots", words.join(", ")))
        .with_nearest(word, words)
}

fn unknown_word(value: Value<'_>, word: &str, words: &[String]) -> Problem {
    value
        .problem(format!("unknown word `{word}`"))
        .with_help(format!("known: {}", words.join(", ")))
        .with_nearest(word, words.iter().map(String::as_str))
}

/// Is this a key of a condition table?
fn is_known(key: &str) -> bool {
    if let Some(kind) = key.strip_prefix("data.") {
        return keys::data_words().iter().any(|word| word == kind);
    }
    if let Some(name) = key.strip_prefix("header.") {
        return !name.is_empty();
    }
    keys::CONDITIONS.iter().any(|known| known.name == key)
}

/// Patterns under one key as at most two expressions: one over folded text, one over text as it is.
fn text_patterns(key: &str, scope: TextScope, patterns: &[Pattern]) -> Vec<TextPattern> {
    let expressions: Vec<(String, bool)> = patterns.iter().map(Pattern::expression).collect();
    [true, false]
        .into_iter()
        .filter_map(|folded| {
            let mut chosen: Vec<&str> =
                expressions.iter().filter(|(_, of)| *of == folded).map(|(syntax, _)| syntax.as_str()).collect();
            chosen.sort_unstable();
            chosen.dedup();
            let regex = match chosen.as_slice() {
                [] => return None,
                [one] => (*one).to_owned(),
                several => several.iter().map(|one| format!("(?:{one})")).collect::<Vec<_>>().join("|"),
            };
            Some(TextPattern { key: key.to_owned(), scope, regex, folded })
        })
        .collect()
}
