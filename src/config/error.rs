//! A problem in a file an administrator wrote, shown with file, line, column, a caret and the nearest right spelling; rules and configuration share it.
//! It refuses to print or to choose a language of its own: it renders text, and it colours only when asked.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A file as it was read: its name for messages and its text. Cloning shares the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    file: Arc<str>,
    text: Arc<str>,
}

impl Source {
    /// A file's name and text.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        Self { file: file.into(), text: text.into() }
    }

    /// The name for messages.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file works, but probably not as meant.
    Warning,
    /// The file cannot be used.
    Error,
}

/// One problem at one place of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    source: Source,
    span: Range<usize>,
    severity: Severity,
    message: String,
    help: Option<String>,
}

impl Problem {
    /// An error at a place. A span (bytes) beyond the text or inside a character is moved to the nearest character borders.
    #[must_use]
    pub fn error(source: &Source, span: Range<usize>, message: impl Into<String>) -> Self {
        let text = source.text();
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
        Self {
            source: source.clone(),
            span: start..end,
            severity: Severity::Error,
            message: message.into(),
            help: None,
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(source: &Source, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(source, span, message) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds "did you mean", when one of the known words is near enough; else what was there before stays.
    #[must_use]
    pub fn with_nearest<'k>(self, word: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        match nearest(word, known) {
            Some(right) => self.with_help(format!("did you mean `{right}`?")),
            None => self,
        }
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// The place in bytes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Line and column, both from 1, the column in characters.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let before = &self.source.text()[..self.span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// The problem as text of several lines: message, file:line:column, the line with a caret below, help.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let mut group: Group<'_> = Group::with_title(level.primary_title(self.message.as_str()));
        group = group.element(
            Snippet::source(self.source.text())
                .path(self.source.file())
                .annotation(AnnotationKind::Primary.span(self.span.clone())),
        );
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.render(false))
    }
}

impl std::error::Error for Problem {}

/// Several problems as one text, each followed by an empty line.
#[must_use]
pub fn render_all(problems: &[Problem], colour: bool) -> String {
    problems.iter().map(|problem| problem.render(colour) + "\n\n").collect()
}

/// The known word nearest to this one: at most a third of its characters differ (Damerau–Levenshtein, so swapped letters count once), or one begins with the other.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let folded = word.to_lowercase().replace('-', "_");
    let length = folded.chars().count();
    known
        .into_iter()
        .filter_map(|right| {
            let target = right.replace('-', "_");
            let distance = strsim::damerau_levenshtein(&folded, &target);
            let begins = length >= 4 && (target.starts_with(&folded) || folded.starts_with(&target));
            (distance <= length.max(target.chars().count()).div_ceil(3).min(4) || begins).then_some((distance, right))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, right)| right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_full_width_text() {
        let source = Source::new("rules/20.toml", "[[rule]]\ntitle = \"宛先が見える\" ; x\n");
        let at = source.text().find(';').unwrap();
        let problem = Problem::error(&source, at..at + 1, "unexpected `;`").with_help("remove it");
        assert_eq!(problem.line_column(), (2, 18));
        assert_eq!(
            problem.render(false),
            "error: unexpected `;`
 --> rules/20.toml:2:18
  |
2 | title = \"宛先が見える\" ; x
  |                        ^
  |
  = help: remove it"
        );
    }

    #[test]
    fn colour_is_only_used_when_asked() {
        let source = Source::new("a", "x");
        let problem = Problem::warning(&source, 0..1, "odd");
        assert!(!problem.render(false).contains('\u{1b}'));
        assert!(problem.render(true).contains('\u{1b}'));
    }

    #[test]
    fn a_span_outside_the_text_is_moved_inside() {
        let source = Source::new("a", "関");
        for (span, want) in [(0..9, 0..3), (1..2, 0..3), (7..9, 3..3)] {
            let problem = Problem::error(&source, span, "m");
            assert_eq!(problem.span(), want);
            assert!(problem.render(false).contains("a:1:"));
        }
        assert!(Problem::error(&Source::new("empty", ""), 0..0, "nothing here").render(false).contains("nothing here"));
    }

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let known = ["visible", "visible_external", "persons", "to", "unless"];
        for (word, want) in [
            ("visible_exernal", Some("visible_external")),
            ("visible-external", Some("visible_external")),
            ("Persons", Some("persons")),
            ("unles", Some("unless")),
            ("person", Some("persons")),
            ("frobnicate", None),
        ] {
            assert_eq!(nearest(word, known), want, "{word}");
        }
    }
}
