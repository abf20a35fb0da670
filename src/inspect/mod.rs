//! One mail in, facts and findings out: runs reading, extracting and detecting in this order.
//! It refuses to judge, to look at a clock or to open anything; it runs inside a worker process.

mod gather;
mod mail_kind;

use crate::address::{Address, DomainSet};
use crate::detect::{self, Finding};
use crate::extract::{Content, Extracted, Role};
use crate::facts::Facts;
use crate::limits::Limits;
use crate::mail::envelope::Envelope;
use crate::mail::message::Message;
use crate::mail::{recipients, shown};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// What an inspection must know about the organisation and its rule set; sent to a worker once per rule set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Domain patterns of the organisation itself (`DomainSet` syntax), whose addresses are not outside data.
    pub internal: Vec<String>,
    /// Text conditions of the rule set; the keys of those that match come back in `Facts::matched`.
    pub patterns: Vec<TextPattern>,
    /// All bounds.
    pub limits: Limits,
}

/// One text condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPattern {
    /// The key to report.
    pub key: String,
    /// Which text it looks at.
    pub scope: TextScope,
    /// A regular expression in the syntax of the crate `regex`, over NFKC-folded lower-cased text when `folded`.
    pub regex: String,
    /// Fold the text first (plain words), or look at it as it is (`/…/`).
    pub folded: bool,
}

/// Which text a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextScope {
    /// The body.
    Body,
    /// Everything extracted: subject, body, attachments, names, properties.
    Text,
}

/// What the caller wants besides the facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// The text that was read, with places.
    pub text: bool,
    /// Values of findings unmasked.
    pub reveal: bool,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The facts; the caller adds time, windows and first contact.
    pub facts: Facts,
    /// Examples, masked.
    pub findings: Vec<Finding>,
    /// `path` and text of every piece, when wanted.
    pub text: Vec<(String, String)>,
}

/// Inspects mails for one rule set.
pub struct Inspector {
    context: Context,
    internal: DomainSet,
    patterns: Vec<(TextPattern, Regex)>,
}

impl Inspector {
    /// Prepares the text conditions. One that does not compile (rule sets check that before) never matches.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let internal = DomainSet::new(&context.internal);
        let compiled = |pattern: &TextPattern| RegexBuilder::new(&pattern.regex).size_limit(16 << 20).build();
        let patterns =
            context.patterns.iter().filter_map(|pattern| Some((pattern.clone(), compiled(pattern).ok()?))).collect();
        Self { context, internal, patterns }
    }

    /// Inspects one mail.
    #[must_use]
    pub fn inspect(&self, envelope: &Envelope, mail: &[u8], want: Want) -> Inspection {
        let mut message = Message::parse(mail, &self.context.limits);
        let visible = recipients::read(mail);
        let shown = shown::read(mail, Some(&message));
        let extracted = gather::everything(&mut message, &self.context.limits);
        let mut facts = self.facts(envelope, mail, &message, &visible, &extracted);
        facts.show(shown);
        let mut own: Vec<Address> = facts.header_from.clone();
        own.extend(facts.sender.clone());
        let mut others = facts.recipients.clone();
        others.extend(facts.visible.iter().cloned());
        let detected = detect::detect(&detect::Subject {
            pieces: &extracted.pieces,
            own: &own,
            recipients: &others,
            internal: &self.internal,
            reveal: want.reveal,
        });
        facts.persons = detected.persons;
        facts.data = detected.data;
        facts.credentials = detected.credentials;
        facts.confidential = detected.confidential;
        let text = if want.text { read_text(&extracted) } else { Vec::new() };
        Inspection { facts, findings: detected.findings, text }
    }

    fn facts(
        &self,
        envelope: &Envelope,
        mail: &[u8],
        message: &Message,
        visible: &recipients::Visible,
        extracted: &Extracted,
    ) -> Facts {
        Facts {
            sender: envelope.sender.clone(),
            header_from: message.from.clone(),
            login: envelope.client.login.clone(),
            client: Some(envelope.client.origin()),
            recipients: envelope.recipients.iter().map(|recipient| recipient.address.clone()).collect(),
            visible: visible.addresses.clone(),
            recipients_unclear: visible.unclear.clone(),
            subject: message.best_subject().to_owned(),
            headers: message.headers.clone(),
            matched: self.matched(extracted),
            attachments: extracted.attachments.clone(),
            unreadable: extracted.unreadable.clone(),
            mail_kind: mail_kind::of(message, extracted),
            bytes: mail.len() as u64,
            ..Facts::default()
        }
    }

    /// Keys of the text conditions that match.
    fn matched(&self, extracted: &Extracted) -> std::collections::BTreeSet<String> {
        let mut matched = std::collections::BTreeSet::new();
        if self.patterns.is_empty() {
            return matched;
        }
        for piece in &extracted.pieces {
            let text = match &piece.content {
                Content::Text(text) => Cow::Borrowed(text.as_str()),
                Content::Table(table) => {
                    let rows = table.rows().map(|row| row.cells().collect::<Vec<_>>().join("\t"));
                    Cow::Owned(rows.collect::<Vec<_>>().join("\n"))
                }
            };
            let mut folded = None;
            for (pattern, regex) in &self.patterns {
                if matched.contains(&pattern.key) || (pattern.scope == TextScope::Body && piece.role != Role::Body) {
                    continue;
                }
                let hit = if pattern.folded {
                    regex.is_match(folded.get_or_insert_with(|| fold(&text)))
                } else {
                    regex.is_match(&text)
                };
                if hit {
                    matched.insert(pattern.key.clone());
                }
            }
        }
        matched
    }
}

/// Text in its comparison form: NFKC (full-width letters become ordinary ones, half-width kana full ones), then lower case.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().collect::<String>().to_lowercase()
}

/// Place and text of every piece.
fn read_text(extracted: &Extracted) -> Vec<(String, String)> {
    let pieces = extracted.pieces.iter();
    pieces
        .map(|piece| {
            let text = match &piece.content {
                Content::Text(text) => text.clone(),
                Content::Table(table) => {
                    table.rows().map(|row| row.cells().collect::<Vec<_>>().join("\t") + "\n").collect()
                }
            };
            (piece.path.clone(), text)
        })
        .collect()
}
