//! What the page shows about the content: reasons, masked findings with places, unread parts, attachments, and the text as text.
//! It refuses to show a value unmasked, to offer a download, and to render any HTML of a mail.

use crate::detect::{Confidence, Finding};
use crate::extract::Attachment;
use crate::notice::text::letter::why_stopped;
use crate::notice::text::{Language, number, words};
use crate::notice::{About, display};
use maud::{Markup, html};

/// Findings shown.
const FINDINGS: usize = 50;
/// Unread parts and attachments shown.
const PARTS: usize = 50;
/// Characters of a place or name.
const PLACE_LENGTH: usize = 200;
/// Characters of the text.
const TEXT_LENGTH: usize = 20_000;

/// The rules that concern the mail, in words.
pub fn reasons(language: Language, about: &About<'_>, heading: &str) -> Markup {
    let items = why_stopped(language, about);
    html! {
        @if !items.is_empty() {
            section aria-labelledby="reasons" {
                h2 id="reasons" { (heading) }
                ul.reasons {
                    @for (title, sentences) in &items {
                        li {
                            strong { (title) }
                            @for sentence in sentences { p { (sentence) } }
                        }
                    }
                }
            }
        }
    }
}

/// Findings, masked.
pub fn findings(language: Language, findings: &[Finding]) -> Markup {
    let mut shown: Vec<&Finding> = findings.iter().collect();
    shown.sort_by_key(|finding| (finding.kind, std::cmp::Reverse(finding.confidence)));
    html! {
        @if !shown.is_empty() {
            section aria-labelledby="findings" {
                h2 id="findings" { (language.pick("見つかった情報（例）", "What seems to be in it (examples)")) }
                p.small { (language.pick(
                    "値は一部を伏せて表示しています。自動で調べた結果のため、当てはまらないものが含まれることがあります。",
                    "Values are partly masked. They were found automatically, so some of them may be something else.",
                )) }
                div.scroll {
                    table {
                        thead { tr {
                            th scope="col" { (language.pick("種類", "Kind")) }
                            th scope="col" { (language.pick("場所", "Place")) }
                            th scope="col" { (language.pick("内容（一部）", "Value (masked)")) }
                        } }
                        tbody {
                            @for finding in shown.iter().take(FINDINGS) {
                                tr {
                                    td { (words::kind(language, finding.kind)) (doubt(language, finding.confidence)) }
                                    td { (words::place(language, &display::line(&finding.place, PLACE_LENGTH))) }
                                    td { (display::line(&finding.masked, 80)) }
                                }
                            }
                        }
                    }
                }
                @if shown.len() > FINDINGS { (rest(language, shown.len() - FINDINGS)) }
            }
        }
    }
}

fn doubt(language: Language, confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain | Confidence::Likely => "",
        Confidence::Weak => language.pick("（可能性）", " (possibly)"),
    }
}

fn rest(language: Language, count: usize) -> Markup {
    let count = number(count as u64);
    html! { p.small { (language.pick(format!("ほか{count}件"), format!("and {count} more"))) } }
}

/// Parts that could not be read, with the reason.
pub fn unreadable(language: Language, about: &About<'_>) -> Markup {
    let parts = &about.facts.unreadable;
    html! {
        @if !parts.is_empty() {
            section aria-labelledby="unread" {
                h2 id="unread" { (language.pick("中を確認できなかったもの", "What could not be checked")) }
                ul {
                    @for part in parts.iter().take(PARTS) {
                        li {
                            strong { (words::place(language, &display::line(&part.path, PLACE_LENGTH))) }
                            p { (words::why(language, part.why)) (language.pick("。", ".")) }
                        }
                    }
                }
                @if parts.len() > PARTS { (rest(language, parts.len() - PARTS)) }
            }
        }
    }
}

/// Names and sizes of the attachments themselves, without what is packed in them.
pub fn attachments(language: Language, attachments: &[Attachment]) -> Markup {
    let own: Vec<&Attachment> = attachments.iter().filter(|attachment| !attachment.path.contains('!')).collect();
    html! {
        @if !own.is_empty() {
            section aria-labelledby="attachments" {
                h2 id="attachments" { (language.pick("添付ファイル", "Attachments")) }
                ul {
                    @for attachment in own.iter().take(PARTS) {
                        li { (display::line(&attachment.path, PLACE_LENGTH)) " " span.small { (size(attachment.bytes)) } }
                    }
                }
                @if own.len() > PARTS { (rest(language, own.len() - PARTS)) }
            }
        }
    }
}

/// A size for people: `512 B`, `34 KB`, `1.2 MB` (1 KB is 1,024 bytes, as mail programs show it).
fn size(bytes: u64) -> String {
    const KILO: u64 = 1_024;
    match bytes {
        0..KILO => format!("{bytes} B"),
        KILO..1_048_576 => format!("{} KB", bytes.div_ceil(KILO)),
        _ => format!("{}.{} MB", number(bytes / 1_048_576), bytes % 1_048_576 * 10 / 1_048_576),
    }
}

/// The text of the mail, as text.
pub fn text(language: Language, text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            section aria-labelledby="text" {
                h2 id="text" { (language.pick("本文", "Text")) }
                details {
                    summary { (language.pick("本文を表示する（文字のみ）", "show the text (plain)")) }
                    pre { (display::paragraph(text, TEXT_LENGTH)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1 KB"),
            (35_000, "35 KB"),
            (1_572_864, "1.5 MB"),
            (52_428_800, "50.0 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
