//! The answer of `scan` for people: what was found, where, and what the rules would do.
//! It refuses to print control characters that a file smuggled into a name.

use super::report::Report;
use crate::rules::verdict::Outcome;
use std::fmt::Write;

/// Text that cannot move the cursor or turn the line around.
fn tame(text: &str) -> String {
    text.chars()
        .map(|char| {
            if char.is_control()
                || matches!(char, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
            {
                '\u{FFFD}'
            } else {
                char
            }
        })
        .collect()
}

/// Everything about one file.
pub(super) fn page(report: &Report, why: bool) -> String {
    let facts = &report.facts;
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}", tame(&report.file), report.verdict.outcome.as_str());
    for matched in &report.verdict.matches {
        let observed = if matched.observed { " (observed only)" } else { "" };
        let _ = writeln!(out, "  rule {}{observed}: {}", matched.rule, tame(&matched.title.en));
        for reason in &matched.reasons {
            let _ = writeln!(out, "    {} = {} ({})", reason.key, tame(&reason.found), tame(&reason.wanted));
        }
    }
    if let Some(cause) = &facts.inspection_failed {
        let _ = writeln!(out, "  not inspected: {}", tame(cause));
    }
    let persons = &facts.persons;
    if persons.total > 0 {
        let _ = write!(out, "  persons: {}{}", if persons.estimated { "about " } else { "" }, persons.total);
        let _ = writeln!(out, " (sensitive {}, financial {})", persons.sensitive, persons.financial);
    }
    if !facts.visible.is_empty() {
        let _ = writeln!(out, "  visible recipients: {}", facts.visible.len());
    }
    if let Some(why) = &facts.recipients_unclear {
        let _ = writeln!(out, "  recipients unclear: {}", tame(why));
    }
    for place in facts.unremovable.keys() {
        let _ = writeln!(out, "  shows people where nothing can be rewritten: {}", place.as_str());
    }
    if facts.credentials > 0 {
        let _ = writeln!(out, "  credentials: {}", facts.credentials);
    }
    if let Some(mark) = &facts.confidential {
        let _ = writeln!(out, "  confidential: {}", tame(mark));
    }
    for (kind, count) in &facts.data {
        let _ = writeln!(
            out,
            "  {}: {} likely, {} certain, {} weak",
            kind.as_str(),
            count.likely,
            count.certain,
            count.weak - count.likely.min(count.weak)
        );
    }
    for unread in &facts.unreadable {
        let _ = writeln!(out, "  unread ({}): {}", unread.why.as_str(), tame(&unread.path));
    }
    for finding in &report.findings {
        let value = tame(finding.value.as_deref().unwrap_or(&finding.masked));
        let _ = writeln!(out, "    {:<16} {:<28} {}", finding.kind.as_str(), value, tame(&finding.place));
    }
    if why {
        for rule in &report.rules {
            let _ = writeln!(out, "  {} {}", if rule.matched { "+" } else { "-" }, rule.rule);
            for condition in &rule.conditions {
                let sign = if condition.held { "+" } else { "-" };
                let _ = writeln!(
                    out,
                    "      {sign} {} {}: {}",
                    condition.key,
                    tame(&condition.wanted),
                    tame(&condition.found)
                );
            }
        }
    }
    for (place, text) in report.text.iter().flatten() {
        let _ = writeln!(out, "--- {}", tame(place));
        for line in text.lines() {
            let _ = writeln!(out, "{}", tame(line));
        }
    }
    out
}

/// Sums for `--summary`.
#[derive(Default)]
pub(super) struct Totals {
    files: u64,
    stopped: u64,
    unread: u64,
    persons: u64,
}

impl Totals {
    /// One line a file.
    pub(super) fn line(&mut self, report: &Report) -> String {
        let facts = &report.facts;
        self.files += 1;
        self.stopped += u64::from(report.would_be_stopped);
        self.unread += u64::from(!facts.unreadable.is_empty() || facts.inspection_failed.is_some());
        self.persons += facts.persons.total;
        let rule = report.verdict.matches.iter().find(|matched| !matched.observed && matched.outcome > Outcome::Pass);
        format!(
            "{:<14} {:>8} persons {:>4} unread  {:<28} {}\n",
            report.verdict.outcome.as_str(),
            facts.persons.total,
            facts.unreadable.len(),
            rule.map_or("", |matched| matched.rule.as_str()),
            tame(&report.file)
        )
    }

    /// The last line.
    pub(super) fn end(&self) -> String {
        format!(
            "{} files: {} would be stopped, {} not read completely, {} persons in all\n",
            self.files, self.stopped, self.unread, self.persons
        )
    }
}
