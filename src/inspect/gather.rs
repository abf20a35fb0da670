//! Hands every part of a mail, and of the mails inside it, to the extractors under one budget.
//! It refuses to pass over a part: what cannot be taken apart is unreadable, with its reason.

use crate::extract::{self, Content, Extracted, PartInput, Piece, Role, Unreadable, Why};
use crate::limits::{Budget, Limits};
use crate::mail::message::{Message, Part};

/// Reads the whole mail. What a part holds is given up once it is read, since from there on its text is kept.
pub(super) fn everything(message: &mut Message, limits: &Limits) -> Extracted {
    let mut gathering = Gathering { limits, budget: Budget::new(limits), out: Extracted::default(), depth: 0 };
    gathering.mail(message, "");
    gathering.out
}

struct Gathering<'l> {
    limits: &'l Limits,
    budget: Budget,
    out: Extracted,
    /// Mails inside mails so far.
    depth: usize,
}

impl Gathering<'_> {
    /// One mail; `above` is the place of an attached one, empty for the mail itself.
    fn mail(&mut self, message: &mut Message, above: &str) {
        let place = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}!{name}") };
        for subject in &message.subject {
            let role = if above.is_empty() { Role::Subject } else { Role::Attachment };
            self.out.pieces.push(Piece { path: place("subject"), role, content: Content::Text(subject.clone()) });
        }
        for stray in std::mem::take(&mut message.stray) {
            self.part(&PartInput { role: Role::Attachment, ..input(place("between the parts"), &stray) });
        }
        for (index, part) in message.parts.iter_mut().enumerate() {
            let name = name(part, index);
            let path = place(if part.is_body { "body" } else { &name });
            if let Some(inner) = &mut part.mail {
                self.mail(inner, &path);
                continue;
            }
            let bytes = std::mem::take(&mut part.bytes);
            let given = PartInput {
                names: part.names.clone(),
                declared_type: Some(part.kind.clone()),
                declared_charset: part.charset.clone(),
                role: if part.is_body && above.is_empty() { Role::Body } else { Role::Attachment },
                inline: part.disposition.as_deref() != Some("attachment"),
                ..input(path.clone(), &bytes)
            };
            self.part(&given);
            let undecoded = std::mem::take(&mut part.undecoded);
            if !undecoded.is_empty() {
                self.part(&PartInput { bytes: &undecoded, path: format!("{path} (undecoded)"), ..given });
            }
        }
        self.damage(message, above);
        // Mails found in archives and signatures are read like attached ones, in the same budget.
        for (path, bytes) in std::mem::take(&mut self.out.nested_mails) {
            if self.depth >= self.limits.mime_depth || self.budget.take_bytes(bytes.len() as u64).is_err() {
                self.out.unreadable.push(Unreadable { path, why: Why::Limit });
                continue;
            }
            self.depth += 1;
            let mut inner = Message::parse(&bytes, self.limits);
            drop(bytes);
            self.mail(&mut inner, &path);
            self.depth -= 1;
        }
    }

    fn part(&mut self, input: &PartInput<'_>) {
        extract::part(input, &mut self.budget, &mut self.out);
    }

    fn damage(&mut self, message: &Message, above: &str) {
        // The damage of attached mails is part of the mail's own.
        if !above.is_empty() && self.depth == 0 {
            return;
        }
        let damage = &message.damage;
        let path = if above.is_empty() { "mail" } else { above };
        let mut unread = |why| self.out.unreadable.push(Unreadable { path: path.to_owned(), why });
        if damage.mime.is_some() {
            unread(Why::Damaged);
        }
        if damage.too_deep || damage.too_many_parts || damage.header_too_large {
            unread(Why::Limit);
        }
    }
}

fn input(path: String, bytes: &[u8]) -> PartInput<'_> {
    PartInput {
        path,
        names: Vec::new(),
        declared_type: None,
        declared_charset: None,
        role: Role::Attachment,
        inline: false,
        bytes,
    }
}

/// What people call the part: its file name, or its number.
fn name(part: &Part, index: usize) -> String {
    match part.names.first() {
        Some(name) => name.clone(),
        None if part.mail.is_some() => "attached mail".to_owned(),
        None if part.section.is_empty() => format!("part {}", index + 1),
        None => format!("part {}", part.section),
    }
}
