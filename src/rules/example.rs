//! Examples beside the rules: a mail, or the facts of one, and what must happen to it; a set whose examples fail is not used.
//! It refuses to inspect a mail itself: whoever runs the examples brings the inspection.

use super::document::Table;
use super::evaluate::evaluate;
use super::keys;
use super::sample;
use super::set::RuleSet;
use super::verdict::{Outcome, Verdict};
use crate::config::error::{Problem, Source};
use crate::facts::{Facts, LocalTime};
use crate::inspect::TextPattern;
use crate::mail::envelope::Envelope;
use std::collections::BTreeMap;
use std::ops::Range;

/// One example.
#[derive(Clone, Debug)]
pub struct Example {
    /// The rule it is about; without one it is about the whole verdict.
    pub rule: Option<String>,
    /// What is expected.
    pub expect: Expect,
    /// The mail.
    pub input: Input,
    source: Source,
    span: Range<usize>,
}

/// What an example gives.
#[derive(Clone, Debug)]
pub enum Input {
    /// The facts of a mail.
    Facts(Box<Facts>),
    /// A mail, to be inspected.
    Mail(Box<Envelope>, Vec<u8>),
}

/// What is expected of the rule, or of the whole verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Exactly this outcome; `pass` means that the rule does not match.
    Outcome(Outcome),
    /// Any hold.
    Hold,
}

impl Expect {
    fn is_met(self, found: Outcome) -> bool {
        match self {
            Self::Outcome(wanted) => wanted == found,
            Self::Hold => (Outcome::HoldSender..=Outcome::HoldAdmin).contains(&found),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Outcome(outcome) => outcome.as_str(),
            Self::Hold => "hold",
        }
    }
}

/// An example that did not come out as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where the example stands, what was expected and what happened.
    pub problem: Problem,
}

impl Example {
    /// A name for reports: the file, the line and the rule.
    #[must_use]
    pub fn name(&self) -> String {
        let line = Problem::error(&self.source, self.span.clone(), "").line_column().0;
        format!(
            "{}:{line} {} {}",
            self.source.file(),
            self.rule.as_deref().unwrap_or("all rules"),
            self.expect.as_str()
        )
    }

    /// The file it stands in.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// Runs the example.
    ///
    /// # Errors
    /// What happened instead of what was expected.
    pub fn check(&self, set: &RuleSet, inspect: &dyn Fn(&Envelope, &[u8]) -> Facts) -> Result<(), Failure> {
        match &self.input {
            Input::Facts(facts) => self.compare(&evaluate(set, facts)),
            Input::Mail(envelope, bytes) => {
                let mut facts = inspect(envelope, bytes);
                if facts.time == LocalTime::default() {
                    facts.time = sample::WORKING_HOURS;
                }
                self.compare(&evaluate(set, &facts))
            }
        }
    }

    fn compare(&self, verdict: &Verdict) -> Result<(), Failure> {
        let found = match &self.rule {
            None => verdict.outcome,
            Some(id) => verdict.matches.iter().find(|one| one.rule == *id).map_or(Outcome::Pass, |one| one.outcome),
        };
        if self.expect.is_met(found) {
            return Ok(());
        }
        let subject = self.rule.as_deref().map_or_else(|| "the set".to_owned(), |id| format!("the rule `{id}`"));
        let message =
            format!("the example expects `{}` of {subject}, but it gives `{}`", self.expect.as_str(), found.as_str());
        let matched: Vec<String> = verdict.matches.iter().map(explained).collect();
        let help =
            if matched.is_empty() { "no rule matched".to_owned() } else { format!("matched: {}", matched.join("; ")) };
        let problem = Problem::error(&self.source, self.span.clone(), message).with_help(help);
        Err(Failure { problem })
    }
}

fn explained(one: &super::verdict::Match) -> String {
    let reasons: Vec<String> =
        one.reasons.iter().map(|reason| format!("{} {} (is {})", reason.key, reason.wanted, reason.found)).collect();
    format!("{} [{}]", one.rule, reasons.join(", "))
}

/// Runs every example of a set.
pub fn run(set: &RuleSet, inspect: &dyn Fn(&Envelope, &[u8]) -> Facts) -> Vec<Failure> {
    set.examples.iter().filter_map(|example| example.check(set, inspect).err()).collect()
}

/// Runs the examples that need no inspection.
pub(super) fn run_facts(set: &RuleSet) -> Vec<Failure> {
    let examples = set.examples.iter().filter(|example| matches!(example.input, Input::Facts(_)));
    examples.filter_map(|example| example.check(set, &|_, _| Facts::default()).err()).collect()
}

/// Reads one `[[example]]`.
pub(super) fn read(
    table: &Table<'_>,
    ids: &[&str],
    mails: &BTreeMap<String, Vec<u8>>,
    patterns: &[TextPattern],
    problems: &mut Vec<Problem>,
) -> Option<Example> {
    let before = problems.len();
    table.refuse_unknown(&["rule", "mail", "facts", "file", "expect", "note"], problems);
    let rule = table.get("rule").and_then(|entry| {
        let id = entry.value.string().map_err(|problem| problems.push(problem)).ok()?;
        if !ids.contains(&id) {
            let problem = entry.value.problem(format!("there is no rule `{id}`"));
            problems.push(problem.with_nearest(id, ids.iter().copied()));
        }
        Some(id.to_owned())
    });
    let expect = read_expect(table).map_err(|problem| problems.push(problem)).ok();
    let given: Vec<_> = ["mail", "facts", "file"].into_iter().filter_map(|key| table.get(key)).collect();
    let input = match given.as_slice() {
        [one] => match one.key {
            "facts" => sample::facts(one.value, patterns, problems).map(|facts| Input::Facts(Box::new(facts))),
            "mail" => sample::mail(one.value, problems).map(|(envelope, bytes)| Input::Mail(Box::new(envelope), bytes)),
            _ => match sample::file(one.value, mails) {
                Ok((envelope, bytes)) => Some(Input::Mail(Box::new(envelope), bytes)),
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            },
        },
        [] => {
            let problem = table.problem("the example has no mail");
            problems.push(problem.with_help("give one of: mail = { … }, facts = { … }, file = \"examples/x.eml\""));
            None
        }
        [_, second, ..] => {
            problems.push(second.problem("an example has one of `mail`, `facts` and `file`, not several"));
            None
        }
    };
    let span = table.get("expect").map_or_else(|| table.span.clone(), |entry| entry.value.span());
    let example = Example { rule, expect: expect?, input: input?, source: table.source.clone(), span };
    (problems.len() == before).then_some(example)
}

fn read_expect(table: &Table<'_>) -> Result<Expect, Problem> {
    let entry = table.get("expect").ok_or_else(|| {
        table.problem("the example has no `expect`").with_help("say what must happen: expect = \"hold\"")
    })?;
    let word = entry.value.string()?;
    if word == "hold" {
        return Ok(Expect::Hold);
    }
    keys::from_word(word).map(Expect::Outcome).ok_or_else(|| {
        let words = [
            "pass",
            "log",
            "tag",
            "notify",
            "delay",
            "bcc",
            "individual",
            "hold",
            "hold_sender",
            "hold_approver",
            "hold_admin",
            "block",
        ];
        entry
            .value
            .problem(format!("unknown outcome `{word}`"))
            .with_help(format!("known: {}", words.join(", ")))
            .with_nearest(word, words)
    })
}
