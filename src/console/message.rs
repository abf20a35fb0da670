//! Pages without a mail: the front page, links that are no good, and trouble on our side.
//! It refuses to tell a stranger whether a mail exists; all bad links look the same.

use super::ConsoleState;
use super::layout::{Page, render};
use super::tongue::language;
use crate::notice::{Language, LinkError, Voice};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};

/// `GET /`: what this is.
pub async fn front(State(state): State<ConsoleState>, headers: HeaderMap) -> Response {
    let text = [
        (
            "ここは、送信前のメールを確認するページです",
            "お手元に届いたお知らせメールのリンクから、それぞれのページを開いてください。",
        ),
        (
            "This is where mails are checked before they are sent",
            "Please open the link in the notice you received by mail.",
        ),
    ];
    bilingual(StatusCode::OK, &headers, &(state.voice)(), text)
}

/// Any other address.
pub async fn unknown(State(state): State<ConsoleState>, headers: HeaderMap) -> Response {
    let text = [
        ("ページが見つかりません", "お知らせメールのリンクを、もう一度はじめから終わりまでお確かめください。"),
        ("There is no such page", "Please check the link in the notice from its first to its last character."),
    ];
    bilingual(StatusCode::NOT_FOUND, &headers, &(state.voice)(), text)
}

/// A link that is no good: 410 when it was ours and its time is over, 403 otherwise (RFC 9110 15.5.11, 15.5.4).
pub fn bad_link(error: LinkError, headers: &HeaderMap, voice: &Voice) -> Response {
    let (status, text) = match error {
        LinkError::Expired => (
            StatusCode::GONE,
            [
                (
                    "このリンクの期限は過ぎました",
                    "結果は、別のメールでお知らせします。届いていない場合は、下記へお問い合わせください。",
                ),
                (
                    "The time of this link is over",
                    "Another mail tells you what became of it. If you have not got one, please ask the people named below.",
                ),
            ],
        ),
        LinkError::Malformed | LinkError::BadSignature | LinkError::WrongPurpose => (
            StatusCode::FORBIDDEN,
            [
                (
                    "このリンクは使えません",
                    "リンクの一部が欠けている可能性があります。お知らせメールに書かれたリンクを、はじめから終わりまでコピーして開いてください。",
                ),
                (
                    "This link cannot be used",
                    "Part of it may be missing. Please copy the link in the notice from its first to its last character and open it.",
                ),
            ],
        ),
    };
    bilingual(status, headers, voice, text)
}

/// A form that did not come from our own page.
pub fn foreign_form(headers: &HeaderMap, voice: &Voice) -> Response {
    let text = [
        (
            "この操作は受け付けられませんでした",
            "お知らせメールのリンクからページを開き直して、もう一度お選びください。メールの状態は変わっていません。",
        ),
        (
            "This was not accepted",
            "Please open the page again from the link in the notice and choose there. Nothing was changed.",
        ),
    ];
    bilingual(StatusCode::FORBIDDEN, headers, voice, text)
}

/// The link is good, but this choice is not open to this person (any more).
pub fn not_yours(headers: &HeaderMap, voice: &Voice) -> Response {
    let text = [
        (
            "この方法は選べません",
            "お知らせメールのリンクからページを開き直し、表示されている方法の中からお選びください。メールの状態は変わっていません。",
        ),
        (
            "This cannot be chosen",
            "Please open the page again from the link in the notice and choose one of the ways shown. Nothing was changed.",
        ),
    ];
    bilingual(StatusCode::FORBIDDEN, headers, voice, text)
}

/// A form without a valid choice, or with a comment that is too long.
pub fn incomplete_form(headers: &HeaderMap, voice: &Voice) -> Response {
    let text = [
        (
            "選択を受け取れませんでした",
            "前のページに戻り、方法を一つ選んでから、もう一度ボタンを押してください（コメントは2,000文字までです）。メールの状態は変わっていません。",
        ),
        (
            "Your choice did not arrive",
            "Please go back, choose one of the ways, and press the button again (a comment has at most 2,000 characters). Nothing was changed.",
        ),
    ];
    bilingual(StatusCode::BAD_REQUEST, headers, voice, text)
}

/// The link is good, but the mail is no longer kept.
pub fn gone(headers: &HeaderMap, voice: &Voice) -> Response {
    let text = [
        (
            "このメールの記録は、もう残っていません",
            "確認が終わってから時間がたったため、記録が整理されました。結果は、別のメールでお知らせしています。",
        ),
        ("This mail is no longer kept", "It was decided some time ago; another mail told you the result."),
    ];
    bilingual(StatusCode::GONE, headers, voice, text)
}

/// Trouble on our side.
pub fn unavailable(headers: &HeaderMap, voice: &Voice) -> Response {
    let text = [
        ("ただいま手続きができません", "少し時間をおいて、もう一度お試しください。メールは安全にお預かりしています。"),
        ("This is not possible just now", "Please try again in a little while. The mail is kept safely."),
    ];
    bilingual(StatusCode::SERVICE_UNAVAILABLE, headers, voice, text)
}

/// A page with both languages, the reader's first.
fn bilingual(status: StatusCode, headers: &HeaderMap, voice: &Voice, text: [(&str, &str); 2]) -> Response {
    let default = voice.languages.first().copied().unwrap_or(Language::Ja);
    let first = language(None, headers, default);
    let second = first.pick(Language::En, Language::Ja);
    let [ja, en] = text;
    let part = |language: Language| -> Markup {
        let (heading, sentence) = language.pick(ja, en);
        html! {
            section.message lang=(language.tag()) {
                @if language == first { h1 { (heading) } } @else { h2 { (heading) } }
                p { (sentence) }
            }
        }
    };
    let content = html! { (part(first)) (part(second)) };
    let (title, _) = first.pick(ja, en);
    render(status, &Page { language: first, title, switch: None, content }, voice)
}
