//! The frame of every page: head, mark, choice of language, content, last lines.
//! It refuses scripts and inline styles; the page works with forms and links alone.

use crate::notice::text::{Language, title};
use crate::notice::{Voice, display};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

/// A page in one language.
pub struct Page<'a> {
    pub language: Language,
    pub title: &'a str,
    /// The address of the same page in each language; `None` where both languages are on the page.
    pub switch: Option<&'a dyn Fn(Language) -> String>,
    pub content: Markup,
}

/// Renders a page with its status.
pub fn render(status: StatusCode, page: &Page<'_>, voice: &Voice) -> Response {
    let language = page.language;
    let markup = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="format-detection" content="telephone=no, address=no, email=no";
                title { (page.title) " | " (name(language)) }
                link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
            }
            body {
                a.skip href="#main" { (language.pick("本文へ移動", "Skip to content")) }
                header.top {
                    div.inner {
                        p.brand {
                            img src="/assets/mark.svg" width="28" height="28" alt="";
                            span { (name(language)) }
                        }
                        @if let Some(switch) = page.switch {
                            nav.languages aria-label=(language.pick("表示言語", "Language")) {
                                @for other in Language::ALL {
                                    @let label = other.pick("日本語", "English");
                                    @if other == language {
                                        span aria-current="true" lang=(other.tag()) { (label) }
                                    } @else {
                                        a href=(switch(other)) lang=(other.tag()) hreflang=(other.tag()) { (label) }
                                    }
                                }
                            }
                        }
                    }
                }
                main id="main" { (page.content) }
                footer.bottom { div.inner { p { (ask(voice, language)) } } }
            }
        }
    };
    (status, markup).into_response()
}

/// What this place is called.
fn name(language: Language) -> &'static str {
    language.pick("メール送信前の確認", "Check before sending")
}

/// Whom to ask.
pub fn ask(voice: &Voice, language: Language) -> String {
    let contact = display::line(title(language, &voice.contact), 200);
    if contact.is_empty() {
        return language
            .pick(
                "ご不明な点は、組織のメール担当者へお問い合わせください。",
                "If you have a question, please ask the people in charge of e-mail in your organisation.",
            )
            .to_owned();
    }
    language.pick(
        format!("ご不明な点は、{contact}へお問い合わせください。"),
        format!("If you have a question, please ask {contact}."),
    )
}
