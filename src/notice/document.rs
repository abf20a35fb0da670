//! The content of a letter as blocks, written once and rendered twice: as plain text and as HTML.
//! It refuses to let the two differ, and to load anything: no image, no style sheet, no address but the link itself.

use super::text::Language;
use maud::{DOCTYPE, Markup, html};
use std::fmt::Write as _;

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// The most important sentence.
    Lead(String),
    Heading(String),
    /// Names and values.
    Fields(Vec<(String, String)>),
    /// Items, each with lines of detail.
    Items(Vec<(String, Vec<String>)>),
    /// A page to open.
    Link {
        label: String,
        url: String,
    },
    /// Words of a person.
    Quote(String),
    /// Small print.
    Note(String),
}

/// The letter in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub language: Language,
    pub blocks: Vec<Block>,
}

/// The text/plain form.
#[must_use]
pub fn plain(sections: &[Section]) -> String {
    let mut out = String::new();
    if let [_, second, ..] = sections {
        out.push_str(second.language.pick("（日本語は下にあります）\n\n", "(English text follows below.)\n\n"));
    }
    for (place, section) in sections.iter().enumerate() {
        if place > 0 {
            out.push_str("\n────────────────────\n\n");
        }
        for (place, block) in section.blocks.iter().enumerate() {
            if place > 0 {
                out.push('\n');
            }
            plain_block(block, section.language, &mut out);
        }
    }
    out
}

fn plain_block(block: &Block, language: Language, out: &mut String) {
    // Writing to a String cannot fail.
    let colon = language.pick("：", ": ");
    match block {
        Block::Text(text) | Block::Lead(text) | Block::Note(text) => {
            let _ = writeln!(out, "{text}");
        }
        Block::Heading(text) => {
            let _ = writeln!(out, "■ {text}");
        }
        Block::Fields(fields) => {
            for (name, value) in fields {
                let _ = writeln!(out, "{name}{colon}{value}");
            }
        }
        Block::Items(items) => {
            for (item, details) in items {
                let _ = writeln!(out, "{}{item}", language.pick("・", "- "));
                for detail in details {
                    let _ = writeln!(out, "  {detail}");
                }
            }
        }
        Block::Link { label, url } => {
            let _ = writeln!(out, "{label}\n{url}");
        }
        Block::Quote(text) => {
            for line in text.lines() {
                let _ = writeln!(out, "> {line}");
            }
        }
    }
}

/// The text/html form; styles stand in the elements, since mail programs ignore style sheets.
#[must_use]
pub fn html(subject: &str, sections: &[Section]) -> String {
    let language = sections.first().map_or(Language::En, |section| section.language);
    let page = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (subject) }
            }
            body style="margin:0;padding:16px;background:#f5f3ee;color:#1f2a33;font-family:sans-serif;font-size:16px;line-height:1.7" {
                div style="max-width:640px;margin:0 auto;background:#ffffff;border:1px solid #ddd8cc;border-top:4px solid #2c4a63;padding:8px 24px 24px" {
                    @if let [_, second, ..] = sections {
                        p lang=(second.language.tag()) style="color:#59636b" {
                            (second.language.pick("日本語は下にあります。", "English text follows below."))
                        }
                    }
                    @for (place, section) in sections.iter().enumerate() {
                        @if place > 0 { hr style="border:0;border-top:1px solid #ddd8cc;margin:32px 0"; }
                        div lang=(section.language.tag()) {
                            @for block in &section.blocks { (html_block(block, section.language)) }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn html_block(block: &Block, language: Language) -> Markup {
    html! {
        @match block {
            Block::Lead(text) => p style="font-size:18px;font-weight:bold;margin:20px 0 12px" { (text) },
            Block::Text(text) => p style="margin:12px 0" { (text) },
            Block::Note(text) => p style="margin:20px 0 0;color:#59636b" { (text) },
            Block::Heading(text) => h2 style="font-size:16px;margin:28px 0 8px;padding-left:10px;border-left:4px solid #2c4a63" { (text) },
            Block::Fields(fields) => table style="border-collapse:collapse;margin:8px 0" {
                @for (name, value) in fields {
                    tr {
                        th scope="row" style="text-align:left;vertical-align:top;font-weight:normal;color:#59636b;padding:2px 16px 2px 0;max-width:9em" { (name) }
                        td style="vertical-align:top;padding:2px 0;word-break:break-word" { (value) }
                    }
                }
            },
            Block::Items(items) => ul style="margin:8px 0;padding-left:22px" {
                @for (item, details) in items {
                    li style="margin:6px 0" {
                        strong { (item) }
                        @for detail in details { br; span style="color:#3f4b54" { (detail) } }
                    }
                }
            },
            Block::Link { label, url } => {
                p style="margin:12px 0 4px" { (label) }
                p style="margin:16px 0" {
                    a href=(url) style="display:inline-block;padding:10px 28px;background:#23466a;border-radius:6px;color:#ffffff;font-weight:bold;text-decoration:none" {
                        (language.pick("確認のページを開く", "Open the page"))
                    }
                }
                p style="margin:4px 0;color:#59636b;font-size:14px;word-break:break-all" { (url) }
            },
            Block::Quote(text) => blockquote style="margin:8px 0;padding:8px 14px;border-left:4px solid #ddd8cc;white-space:pre-wrap" { (text) },
        }
    }
}
