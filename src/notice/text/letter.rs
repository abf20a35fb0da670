//! The parts that letters have in common: the table about the mail, the reasons, what was found, what could not be read, the last lines.
//! It refuses to name an address of a recipient, and to show text of the mail other than its subject.

use super::words::{kind, place, why};
use super::{Language, counted, number, reasons, title, when};
use crate::notice::Voice;
use crate::notice::about::{About, Counts, Found};
use crate::notice::display;
use crate::notice::document::Block;
use std::collections::BTreeSet;

/// Unread parts named in a notice.
const PARTS: usize = 10;
/// Characters of the name of an unread part.
const PART_LENGTH: usize = 100;

/// The table about the mail.
/// `with_sender`: the reader is somebody else; `as_it_is`: the mail would leave, or would have left, as it came.
#[must_use]
pub fn fields(language: Language, about: &About<'_>, voice: &Voice, with_sender: bool, as_it_is: bool) -> Block {
    let counts = about.counts(&voice.internal);
    let mut fields = Vec::new();
    if with_sender {
        let sender = about.sender.map(|sender| display::line(sender.as_str(), 254));
        let unknown = || language.pick("（差出人アドレスなし）", "(no sender address)").to_owned();
        fields.push((language.pick("差出人", "From").to_owned(), sender.unwrap_or_else(unknown)));
    }
    let subject = about.subject().unwrap_or_else(|| no_subject(language, about).to_owned());
    fields.push((language.pick("件名", "Subject").to_owned(), subject));
    fields.push((
        language.pick("受付日時", "Received").to_owned(),
        when::moment(language, about.received_ms, &voice.zone),
    ));
    fields.push((language.pick("宛先", "Recipients").to_owned(), recipients(language, counts)));
    if as_it_is && counts.outside_visible > 1 {
        fields.push((
            language.pick("互いに見える社外の宛先", "Outside, visible to others").to_owned(),
            language.pick(format!("{}件", number(counts.outside_visible)), number(counts.outside_visible)),
        ));
    }
    Block::Fields(fields)
}

fn no_subject(language: Language, about: &About<'_>) -> &'static str {
    if about.facts.subject.trim().is_empty() {
        language.pick("（件名なし）", "(no subject)")
    } else {
        language.pick(
            "（件名に秘密の情報が含まれるため、ここには表示しません）",
            "(not shown here, since it seems to hold a secret)",
        )
    }
}

/// The numbers of recipients: `421件(社外 421件)`.
#[must_use]
pub fn recipients(language: Language, counts: Counts) -> String {
    let (total, outside, hidden) = (number(counts.total), number(counts.outside), number(counts.hidden));
    match language {
        Language::Ja => {
            let mut parts = vec![format!("社外 {outside}件")];
            if counts.hidden > 0 {
                parts.push(format!("Bcc {hidden}件"));
            }
            format!("{total}件（{}）", parts.join("、"))
        }
        Language::En => {
            let mut parts = vec![format!("{outside} outside")];
            if counts.hidden > 0 {
                parts.push(format!("{hidden} Bcc"));
            }
            format!("{total} ({})", parts.join(", "))
        }
    }
}

/// The first sentence about a mail that waits: nobody has it, or exactly who has it.
#[must_use]
pub fn not_sent(language: Language, counts: Counts) -> String {
    if counts.already == 0 {
        return language
            .pick("このメールは、まだどなたにも送信されていません。", "This mail has not been sent to anybody yet.")
            .to_owned();
    }
    let waiting = counts.total - counts.already;
    language.pick(
        format!(
            "このメールは、宛先のうち{}件にはまだ送信されていません（ほかの{}件には、先に送信の手続きをしました）。",
            number(waiting),
            number(counts.already)
        ),
        format!(
            "This mail has not been sent to {} yet. (To {} it went ahead.)",
            counted(waiting, "recipient", "recipients"),
            counted(counts.already, "recipient", "recipients")
        ),
    )
}

/// The rules that concern the mail, each with its sentences.
#[must_use]
pub fn why_stopped(language: Language, about: &About<'_>) -> Vec<(String, Vec<String>)> {
    let mut said = BTreeSet::new();
    let mut items = Vec::new();
    for found in about.deciding() {
        let mut heading = display::line(title(language, &found.title), 200);
        if heading.is_empty() {
            heading = language.pick(format!("確認の項目「{}」", found.rule), format!("Check “{}”", found.rule));
        }
        let sentences = found.reasons.iter().filter_map(|reason| reasons::reason(language, reason, about.facts));
        let sentences: Vec<_> = sentences.collect();
        let news: Vec<_> = sentences.iter().filter(|sentence| said.insert((*sentence).clone())).cloned().collect();
        // A milder rule that only says the same again (100 persons behind 1,000 persons) is no further reason.
        if sentences.is_empty() || !news.is_empty() {
            items.push((heading, news));
        }
    }
    for sentence in reasons::unclear(language, about.facts) {
        if said.insert(sentence.to_owned()) {
            items.push((sentence.to_owned(), Vec::new()));
        }
    }
    items
}

/// Reasons, findings and unread parts, each with its heading, as far as there are any.
pub fn details(language: Language, about: &About<'_>, heading: &str, places: bool, out: &mut Vec<Block>) {
    let reasons = why_stopped(language, about);
    if !reasons.is_empty() {
        out.push(Block::Heading(heading.to_owned()));
        out.push(Block::Items(reasons));
    }
    let found = about.found();
    if !found.is_empty() {
        out.push(Block::Heading(language.pick("見つかった情報", "What seems to be in it").to_owned()));
        out.push(Block::Items(found.iter().map(|found| found_item(language, found, places)).collect()));
    }
    let unread = &about.facts.unreadable;
    if !unread.is_empty() {
        out.push(Block::Heading(language.pick("中を確認できなかったもの", "What could not be checked").to_owned()));
        let mut items: Vec<_> = unread
            .iter()
            .take(PARTS)
            .map(|part| {
                let name = place(language, &display::place(&part.path, PART_LENGTH));
                let name = if places { name } else { language.pick("添付ファイル", "An attachment").to_owned() };
                (
                    language.pick(
                        format!("{name}：{}。", why(language, part.why)),
                        format!("{name}: {}.", why(language, part.why)),
                    ),
                    Vec::new(),
                )
            })
            .collect();
        if unread.len() > PARTS {
            let rest = (unread.len() - PARTS) as u64;
            items.push((
                language.pick(format!("ほか{}件", number(rest)), format!("and {} more", number(rest))),
                Vec::new(),
            ));
        }
        out.push(Block::Items(items));
    }
}

fn found_item(language: Language, found: &Found, places: bool) -> (String, Vec<String>) {
    let name = kind(language, found.kind);
    let item = language
        .pick(format!("{name}と思われるもの：{}件", number(found.count)), format!("{name}: {}", number(found.count)));
    if !places || found.places.is_empty() {
        return (item, Vec::new());
    }
    let list: Vec<_> = found.places.iter().map(|at| place(language, at)).collect();
    let detail = language.pick(
        format!("場所：{}{}", list.join("、"), if found.more { " など" } else { "" }),
        format!("Where: {}{}", list.join(", "), if found.more { " …" } else { "" }),
    );
    (item, vec![detail])
}

/// Who sent this and whom to ask.
#[must_use]
pub fn closing(language: Language, about: &About<'_>, voice: &Voice) -> Block {
    let contact = title(language, &voice.contact);
    let contact = if contact.trim().is_empty() {
        language.pick("組織のメール担当者", "the people in charge of e-mail in your organisation")
    } else {
        contact
    };
    let contact = display::line(contact, 200);
    let id = about.id;
    Block::Note(language.pick(
        format!("このお知らせは自動でお送りしています。ご不明な点は、受付番号 {id} を添えて、{contact}へお問い合わせください。"),
        format!("This notice was written automatically. If you have a question, please ask {contact} and give the number {id}."),
    ))
}
