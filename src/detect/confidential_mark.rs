//! Marks that an organisation puts on a document it wants to keep: 社外秘, 極秘, Confidential, sensitivity labels.
//! It refuses marks inside sentences: a disclaimer or a talk about secrecy is no mark.
//!
//! *What it finds*: the words below in properties, page headers, titles, file names, subjects, on a line of their own or in brackets.
//! *Why it matters*: trade secrets are protected by law only while they are marked and kept.
//! *Form and check digit (with source)*: word list; `MSIP_Label_*_Name` properties of Microsoft's sensitivity labels.
//! *What lifts it*: the position; a property or own line is certain.
//! *What it must not take*: 「機密情報を含む場合があります」, 機密保持契約, 「社外秘の取扱い」, confidentiality notices.
//! *Examples*: `【社外秘】見積.xlsx` certain; `This mail may contain confidential information` nothing.

use super::Confidence;
use super::context::{Scan, Word};
use crate::extract::Role;

/// Words and their strength, 1–4.
pub const MARKS: &[(&str, u8)] = &[
    ("極秘", 4),
    ("厳秘", 4),
    ("最高機密", 4),
    ("top secret", 4),
    ("strictly confidential", 4),
    ("highly confidential", 4),
    ("機密", 3),
    ("マル秘", 3),
    ("confidential", 3),
    ("company confidential", 3),
    ("strictly private", 3),
    ("社外秘", 2),
    ("社外厳秘", 3),
    ("社外持出禁止", 2),
    ("社外持ち出し禁止", 2),
    ("持出厳禁", 2),
    ("部外秘", 2),
    ("関係者外秘", 2),
    ("庁外秘", 2),
    ("関係者限り", 1),
    ("関係者限", 1),
    ("部内限り", 1),
    ("社内限り", 1),
    ("社内限定", 1),
    ("取扱注意", 1),
    ("取り扱い注意", 1),
    ("取扱厳重注意", 2),
    ("internal use only", 1),
    ("for internal use only", 1),
    ("internal only", 1),
    ("do not distribute", 1),
];

/// A mark with its strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub strength: u8,
    pub confidence: Confidence,
    pub start: usize,
    pub end: usize,
}

fn letter(char: char) -> bool {
    char.is_alphanumeric() || char == 'ー' || char == '々'
}

/// Finds the strongest mark of a folded text in this role.
#[must_use]
pub fn find(scan: &Scan<'_>, role: Role) -> Option<Mark> {
    let mut best: Option<Mark> = label(scan.text).filter(|_| role == Role::Property);
    for hit in scan.words {
        let Word::Mark(rank) = hit.word else { continue };
        let Some((_, strength)) = MARKS.get(usize::from(rank)) else { continue };
        if best.is_none_or(|best| best.strength < *strength)
            && let Some(confidence) = position(scan, hit.start, hit.end, role)
        {
            best = Some(Mark { strength: *strength, confidence, start: hit.start, end: hit.end });
        }
    }
    best
}

/// How sure the position makes a mark, if it is one at all.
fn position(scan: &Scan<'_>, start: usize, end: usize, role: Role) -> Option<Confidence> {
    let text = scan.text;
    let before = text[..start].chars().next_back();
    let latin = text[start..end].is_ascii();
    let open = |char: Option<char>| char.is_some_and(|char| "【[〔《≪<〈「『■□●★◆※*{".contains(char));
    let close = |char: Option<char>| char.is_some_and(|char| "】]〕》≫>〉」』■□●★◆※*}".contains(char));
    let tail = ["資料", "文書", "書類", "扱い", "扱"]
        .iter()
        .find(|tail| text[end..].starts_with(**tail))
        .map_or(0, |tail| tail.len());
    let after_tail = text[end + tail..].chars().next();
    if open(before) && close(after_tail) && !matches!(before, Some('「' | '『')) {
        return Some(Confidence::Certain);
    }
    if before.is_some_and(|char| letter(char) && !(latin || char.is_ascii()))
        || after_tail.is_some_and(|char| letter(char) && !char.is_ascii())
    {
        return None;
    }
    let (line_start, line_end) = scan.line(start);
    let line = text[line_start..line_end].trim();
    let rest: String = text[line_start..start]
        .chars()
        .chain(text[end + tail..line_end].chars())
        .filter(|char| letter(*char))
        .collect();
    let sentence = rest.chars().any(|char| ('ぁ'..='ゖ').contains(&char)) || line.ends_with('。');
    let limit = if latin { 24 } else { 16 };
    match role {
        Role::Property => (!sentence && rest.chars().count() <= 60 && !(latin && rest.split_whitespace().count() > 8))
            .then_some(Confidence::Certain),
        Role::FileName => Some(Confidence::Certain),
        Role::Subject => {
            let lead = text[..start].trim_start_matches(|char: char| !letter(char));
            let lead = ["Re:", "RE:", "Fw:", "FW:", "Fwd:"]
                .iter()
                .fold(lead, |lead, word| lead.trim_start_matches(word).trim());
            (lead.is_empty()
                && (after_tail.is_none_or(|char| ":_-/|　】]".contains(char)) || !latin)
                && !sentence_follows(&text[end + tail..]))
            .then_some(Confidence::Likely)
        }
        Role::Body | Role::Attachment => (!sentence
            && rest.chars().count() <= limit
            && !(latin && lower_case(&text[start..end]) && rest.chars().count() > 0))
            .then_some(if rest.is_empty() { Confidence::Certain } else { Confidence::Likely }),
    }
}

fn lower_case(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
}

/// `機密 に関する…`: the subject speaks about it.
fn sentence_follows(text: &str) -> bool {
    ["の", "に", "を", "が", "は", "と"].iter().any(|particle| text.starts_with(particle))
}

/// A sensitivity label in a document's properties (`MSIP_Label_<id>_Name`), unless it is named public or general.
fn label(text: &str) -> Option<Mark> {
    let at = memchr::memmem::find(text.as_bytes(), b"MSIP_Label_")?;
    let name = text[at..].find("_Name").map(|offset| at + offset + "_Name".len())?;
    let value = text[name..].trim_start_matches([':', '=', ' ', '\t', '\n', '"', '\r']);
    let start = text.len() - value.len();
    let value = value.lines().next()?.trim_end_matches(['"', ' ', '\r']);
    let lower = value.to_lowercase();
    let strength = if ["highly", "strictly", "secret", "極秘", "厳秘", "最高"].iter().any(|word| lower.contains(word))
    {
        4
    } else if ["confidential", "restricted", "機密", "秘"].iter().any(|word| lower.contains(word)) {
        3
    } else if ["internal", "社内", "関係者", "注意", "sensitive"].iter().any(|word| lower.contains(word)) {
        1
    } else {
        return None;
    };
    Some(Mark { strength, confidence: Confidence::Certain, start, end: start + value.len() })
}
