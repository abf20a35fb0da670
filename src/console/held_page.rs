//! What the page of a held mail shows: to its sender, to an approver, and after the decision.
//! It refuses to preselect a choice and to hide what a choice does to the recipients.

use super::held::action_word;
use super::layout::{Page, ask, render};
use super::{evidence, people};
use crate::hold::Action;
use crate::notice::text::decided::{by, sentence};
use crate::notice::text::held::{self, approvals, deadline};
use crate::notice::text::letter::not_sent;
use crate::notice::text::{Language, when};
use crate::notice::{About, Claim, Purpose, Voice, display};
use crate::rules::verdict::Decider;
use crate::store::{HeldMail, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Characters of the subject on the page.
const SUBJECT_LENGTH: usize = 300;

/// Who looks at which mail.
pub struct Scene<'a> {
    pub language: Language,
    pub voice: &'a Voice,
    pub mail: &'a HeldMail,
    pub claim: &'a Claim,
    /// As it came; it was verified, so it has no character that needs escaping in a URL.
    pub token: &'a str,
}

impl Scene<'_> {
    fn path(&self) -> String {
        format!("/held/{}", self.mail.id)
    }

    fn render(&self, status: StatusCode, title: &str, content: Markup) -> Response {
        let switch = |language: Language| format!("{}?t={}&lang={}", self.path(), self.token, language.tag());
        let page = Page { language: self.language, title, switch: Some(&switch), content };
        render(status, &page, self.voice)
    }
}

/// The page of a mail that waits.
pub fn undecided(scene: &Scene<'_>, choices: &[Action], text: Option<&str>) -> Response {
    let Scene { language, voice, mail, claim, .. } = *scene;
    let about = About::held(mail);
    let sender = claim.purpose == Purpose::Sender;
    let decider = mail.verdict.hold.as_ref().map_or(Decider::Admin, |terms| terms.decider);
    let title = match (sender, decider) {
        (false, _) => language.pick("送信の承認", "Approval"),
        (true, Decider::Nobody) => language.pick("送信待ちのメール", "A mail waiting to be sent"),
        (true, Decider::Sender) => language.pick("送信前の確認", "Check before sending"),
        (true, Decider::Approver) => language.pick("承認待ちのメール", "A mail waiting for approval"),
        (true, Decider::Admin) => language.pick("管理者の確認待ちのメール", "A mail waiting for an administrator"),
    };
    let heading = match (sender, decider) {
        (true, Decider::Sender) => language.pick("ご確認いただきたいこと", "What to check"),
        (_, Decider::Nobody) => language.pick("送信を待っている理由", "Why it waits"),
        _ => language.pick("確認が必要な理由", "Why it needs a check"),
    };
    let content = html! {
        h1 { (title) }
        p.lead { (not_sent(language, about.counts(&voice.internal))) }
        (summary(scene, !sender))
        (evidence::reasons(language, &about, heading))
        (people::recipients(language, mail, claim.purpose, voice))
        (evidence::attachments(language, &mail.facts.attachments))
        (evidence::findings(language, &mail.findings))
        (evidence::unreadable(language, &about))
        (evidence::text(language, text))
        (form(scene, choices))
        p.small.number { (language.pick("受付番号：", "Number: ")) (mail.id) }
    };
    scene.render(StatusCode::OK, title, content)
}

/// The page of a mail that was decided: what, by whom, when. `too_late`: the reader has just chosen, but it was decided before.
pub fn decided(scene: &Scene<'_>, too_late: bool) -> Response {
    let Scene { language, voice, mail, .. } = *scene;
    let title = match mail.state {
        State::Releasing | State::Released => language.pick("手続きが済みました", "This is settled"),
        _ => language.pick("このメールは送信されません", "This mail will not be sent"),
    };
    let content = html! {
        h1 { (title) }
        @if too_late {
            p.notice role="status" { (language.pick(
                "すでに次のとおり決まっていたため、今お選びになった内容は反映されていません。",
                "It had been decided before, so what you have just chosen was not done.",
            )) }
        }
        @if let Some(sentence) = sentence(language, mail) { p.lead.done role="status" { (sentence) } }
        @if let Some(decision) = &mail.decision {
            p { (by(language, decision, voice)) }
            @let comment = display::paragraph(&decision.comment, 2_000);
            @if !comment.is_empty() {
                section aria-labelledby="comment" {
                    h2 id="comment" { (language.pick("コメント", "Comment")) }
                    blockquote { (comment) }
                }
            }
        }
        (summary(scene, scene.claim.purpose == Purpose::Approver))
        p { (language.pick(
            "このページを閉じていただいて結構です。",
            "You may close this page.",
        )) }
        p.small.number { (language.pick("受付番号：", "Number: ")) (mail.id) }
    };
    scene.render(if too_late { StatusCode::CONFLICT } else { StatusCode::OK }, title, content)
}

/// The table about the mail.
fn summary(scene: &Scene<'_>, with_sender: bool) -> Markup {
    let Scene { language, voice, mail, .. } = *scene;
    let subject = display::line(&mail.facts.subject, SUBJECT_LENGTH);
    html! {
        dl.mail {
            @if with_sender {
                dt { (language.pick("差出人", "From")) }
                dd { (mail.sender.as_ref().map(|sender| display::line(sender.as_str(), 254)).unwrap_or_default()) }
            }
            dt { (language.pick("件名", "Subject")) }
            dd.subject { @if subject.is_empty() { (language.pick("（件名なし）", "(no subject)")) } @else { (subject) } }
            dt { (language.pick("受付日時", "Received")) }
            dd { (when::moment(language, mail.created_ms, &voice.zone)) }
        }
    }
}

/// The choices, or why there are none.
fn form(scene: &Scene<'_>, choices: &[Action]) -> Markup {
    let Scene { language, mail, claim, voice, .. } = *scene;
    let terms = mail.verdict.hold.as_ref();
    let approver = claim.purpose == Purpose::Approver;
    let agreed = approver && mail.approvals.iter().any(|name| name == claim.person.key());
    let until = when::moment(language, mail.expires_ms, &voice.zone);
    // Two choices that come to the same are shown once.
    let mut names = BTreeSet::new();
    let choices: Vec<&Action> = choices
        .iter()
        .filter(|action| !(agreed && matches!(action, Action::Approve(_))))
        .filter(|action| names.insert(held::choice(language, action, mail).0))
        .collect();
    html! {
        section.decide aria-labelledby="decide" {
            h2 id="decide" { (language.pick("どのようになさいますか", "What shall be done?")) }
            @if agreed {
                p.notice role="status" { (language.pick(
                    "承認を受け付けました。ほかの承認者の確認を待っています。",
                    "Your approval is noted. Other approvers still have to agree.",
                )) }
            }
            @if let Some(terms) = terms {
                @if terms.approvals > 1 { p { (approvals(language, terms.approvals, mail.approvals.len())) } }
                p { (deadline(language, terms, &until, approver)) }
            }
            @if choices.is_empty() {
                @if !agreed { p.notice { (ask(voice, language)) } }
            } @else {
                form method="post" action=(scene.path()) {
                    input type="hidden" name="t" value=(scene.token);
                    input type="hidden" name="lang" value=(language.tag());
                    fieldset {
                        legend { (language.pick("一つお選びください", "Please choose one")) }
                        @for action in &choices { (choice(language, action, mail)) }
                    }
                    @if choices.iter().any(|action| matches!(action, Action::Return { .. })) {
                        p.field {
                            label for="comment" { (language.pick("差出人へのコメント（差し戻すとき）", "Comment for the sender (when giving it back)")) }
                            textarea id="comment" name="comment" rows="4" maxlength="2000" {}
                        }
                    }
                    p { button type="submit" { (language.pick("この内容で決定する", "Confirm")) } }
                    p.small { (language.pick(
                        "決定したあとは、変更できません。",
                        "This cannot be changed afterwards.",
                    )) }
                }
            }
        }
    }
}

fn choice(language: Language, action: &Action, mail: &HeldMail) -> Markup {
    let word = action_word(action);
    let (name, effect) = held::choice(language, action, mail);
    let id = format!("choice-{word}");
    let about = format!("effect-{word}");
    html! {
        div.choice {
            input type="radio" name="action" id=(id) value=(word) required aria-describedby=(about);
            label for=(id) {
                strong { (name) }
                span id=(about) { (effect) }
            }
        }
    }
}
