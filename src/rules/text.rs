//! Words and regular expressions of text conditions: how text is folded, how a pattern is compiled, and whether it can be searched fast.
//! It refuses look-around and back-references (the engine is linear in time) and patterns that compile to more than 4 MiB.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, ClassBytesRange, ClassUnicodeRange, Hir, HirKind};
use std::fmt::Write as _;
use std::ops::Range;

/// Bytes a compiled pattern may take.
const COMPILED_BYTES: usize = 4 << 20;

pub use crate::inspect::fold;

/// One word or pattern as written.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written, with the slashes of a regular expression.
    pub written: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    /// A folded word.
    Word(String),
    /// An expression over the text as it is.
    Expression { regex: Regex, syntax: String },
}

/// What is wrong with a pattern, and where in its text (bytes, slashes included).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The sentence.
    pub message: String,
    /// The place.
    pub span: Range<usize>,
}

impl Pattern {
    /// Reads a word, or a regular expression between slashes (`/…/`, `/…/i` for any case).
    ///
    /// # Errors
    /// The expression's first mistake.
    pub fn new(written: &str) -> Result<Self, PatternError> {
        let whole = 0..written.len();
        let Some((inside, any_case)) = between_slashes(written) else {
            let word = fold(written.trim());
            if word.is_empty() {
                return Err(PatternError { message: "an empty text matches everything".to_owned(), span: whole });
            }
            return Ok(Self { written: written.to_owned(), matcher: Matcher::Word(word) });
        };
        if inside.is_empty() {
            let message = "an empty expression matches everything".to_owned();
            return Err(PatternError { message, span: whole });
        }
        if let Err(error) = regex_syntax::Parser::new().parse(inside) {
            let (message, span) = match &error {
                regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span()),
                regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span()),
                _ => return Err(PatternError { message: error.to_string(), span: whole }),
            };
            let start = 1 + span.start.offset;
            let end = (1 + span.end.offset).max(start + 1);
            return Err(PatternError { message: format!("invalid expression: {message}"), span: start..end });
        }
        let mut syntax = with_ascii_classes(inside);
        if any_case {
            syntax.insert_str(0, "(?i)");
        }
        match RegexBuilder::new(&syntax).size_limit(COMPILED_BYTES).build() {
            Ok(regex) if regex.is_match("") => {
                Err(PatternError { message: "the expression matches every text".to_owned(), span: whole })
            }
            Ok(regex) => Ok(Self { written: written.to_owned(), matcher: Matcher::Expression { regex, syntax } }),
            Err(regex::Error::CompiledTooBig(_)) => {
                let message = "the expression is too large when compiled: use smaller repetitions".to_owned();
                Err(PatternError { message, span: whole })
            }
            Err(error) => Err(PatternError { message: format!("invalid expression: {error}"), span: whole }),
        }
    }

    /// Does the text match? `folded` is the same text in its comparison form.
    #[must_use]
    pub fn matches(&self, text: &str, folded: &str) -> bool {
        match &self.matcher {
            Matcher::Word(word) => folded.contains(word.as_str()),
            Matcher::Expression { regex, .. } => regex.is_match(text),
        }
    }

    /// The pattern in the syntax of the crate `regex`, and whether it is meant for folded text.
    #[must_use]
    pub fn expression(&self) -> (String, bool) {
        match &self.matcher {
            Matcher::Word(word) => (regex::escape(word), true),
            Matcher::Expression { syntax, .. } => (syntax.clone(), false),
        }
    }

    /// Must a literal of at least three bytes be in every text that matches? If not, the search has no short cut and is slow.
    #[must_use]
    pub fn has_required_literal(&self) -> bool {
        match &self.matcher {
            Matcher::Word(word) => word.len() >= 3,
            Matcher::Expression { syntax, .. } => {
                regex_syntax::parse(syntax).is_ok_and(|hir| required_literal(&hir) >= 3)
            }
        }
    }
}

/// The inside of `/…/` or `/…/i`, and whether case counts.
fn between_slashes(written: &str) -> Option<(&str, bool)> {
    let rest = written.strip_prefix('/')?;
    if let Some(inside) = rest.strip_suffix("/i") {
        return Some((inside, true));
    }
    rest.strip_suffix('/').map(|inside| (inside, false))
}

/// Gives `\b`, `\d` and `\w` their ASCII meaning: with the Unicode one, `\b[0-9]{4}` misses the number in `番号1234`, and Japanese text is searched a hundred times slower.
fn with_ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('b') => {
                // `\b{start}` and its kin are left as they are.
                out.push_str(if chars.as_str().starts_with('{') { "\\b" } else { "(?-u:\\b)" });
            }
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some(other) => {
                let _ = write!(out, "\\{other}");
            }
            None => out.push('\\'),
        }
    }
    out
}

/// Bytes of the longest literal that every match must contain; a choice of two characters (one letter in both cases) counts as one byte.
fn required_literal(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(class) => usize::from(is_small(class)),
        HirKind::Repetition(repetition) if repetition.min > 0 => required_literal(&repetition.sub),
        HirKind::Capture(capture) => required_literal(&capture.sub),
        HirKind::Alternation(choices) => choices.iter().map(required_literal).min().unwrap_or(0),
        HirKind::Concat(parts) => {
            let (mut best, mut run) = (0, 0);
            for part in parts {
                let length = required_literal(part);
                let exact = matches!(part.kind(), HirKind::Literal(_) | HirKind::Class(_)) && length > 0;
                run = if exact { run + length } else { 0 };
                best = best.max(run).max(length);
            }
            best
        }
        HirKind::Repetition(_) | HirKind::Empty | HirKind::Look(_) => 0,
    }
}

fn is_small(class: &Class) -> bool {
    match class {
        Class::Unicode(class) => class.iter().map(ClassUnicodeRange::len).sum::<usize>() <= 3,
        Class::Bytes(class) => class.iter().map(ClassBytesRange::len).sum::<usize>() <= 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(text, &fold(text))
    }

    #[test]
    fn words_match_in_any_case_and_width() {
        for (pattern, text, want) in [
            ("Confidential", "strictly CONFIDENTIAL", true),
            ("社外秘", "【社外秘】見積", true),
            ("ｶﾅ", "カナ", true),
            ("abc", "ＡＢＣ", true),
            ("a.c", "abc", false),
            ("/a.c/", "abc", true),
            ("/a.c/", "ABC", false),
            ("/a.c/i", "ABC", true),
            (r"/\b[0-9]{4}\b/", "番号1234です", true),
            (r"/^\d+$/", "１２", false),
            (r"/[\d-]{3}/", "1-2", true),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} in {text}");
        }
    }

    #[test]
    fn mistakes_are_placed() {
        for (pattern, span) in
            [("/ab(c/", 3..4), ("/a{2,1}/", 2..7), ("/(?=a)/", 1..4), ("/社[/", 4..5), ("//", 0..2), (" ", 0..1)]
        {
            let error = Pattern::new(pattern).unwrap_err();
            assert_eq!(error.span, span, "{pattern}: {}", error.message);
        }
        assert!(Pattern::new(r"/\p{L}{5000}/").unwrap_err().message.contains("too large"));
        assert!(Pattern::new("/a*/").is_err(), "it matches the empty text");
    }

    #[test]
    fn patterns_without_a_required_literal_are_known() {
        for (pattern, fast) in [
            ("社", true),
            ("ab", false),
            ("/abc[0-9]+/", true),
            ("/[0-9]{4}-[0-9]{4}/", false),
            ("/(abc|xyz)d?/", true),
            ("/(abc|x)/", false),
            ("/secret/i", true),
            ("/.{0,9}(極秘|社外秘)/", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().has_required_literal(), fast, "{pattern}");
        }
    }
}
