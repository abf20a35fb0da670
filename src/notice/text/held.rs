//! Letters about a mail that waits: to its sender, and to those who are asked to approve it.
//! It refuses to leave open whether the mail was sent, what can be done, until when, and what happens then.

use super::letter::{closing, details, fields, not_sent};
use super::{Language, number, when, words};
use crate::address::DomainSet;
use crate::hold::{Action, effective};
use crate::notice::Voice;
use crate::notice::about::About;
use crate::notice::display;
use crate::notice::document::Block;
use crate::rules::verdict::{Decider, HoldTerms, OnExpiry, Repair};
use crate::store::HeldMail;

/// The word in front of the subject of the sender's notice.
#[must_use]
pub fn sender_subject(language: Language, decider: Decider) -> &'static str {
    match decider {
        Decider::Nobody => language.pick("送信待ち", "Waiting to be sent"),
        Decider::Sender => language.pick("送信前の確認のお願い", "Please check before sending"),
        Decider::Approver => language.pick("承認待ち", "Waiting for approval"),
        Decider::Admin => language.pick("管理者の確認待ち", "Waiting for an administrator"),
    }
}

/// The notice to the sender that his mail waits; `choices` is what the desk lets him do.
#[must_use]
pub fn to_sender(
    language: Language,
    mail: &HeldMail,
    terms: &HoldTerms,
    choices: &[Action],
    link: &str,
    voice: &Voice,
) -> Vec<Block> {
    let about = &About::held(mail);
    let counts = about.counts(&voice.internal);
    let until = when::moment(language, mail.expires_ms, &voice.zone);
    let mut out = vec![Block::Lead(not_sent(language, counts)), Block::Text(who_decides(language, terms, &until))];
    out.push(fields(language, about, voice, false, true));
    let heading = match terms.decider {
        Decider::Sender => language.pick("ご確認いただきたいこと", "What to check"),
        Decider::Approver | Decider::Admin => language.pick("確認が必要な理由", "Why it needs a check"),
        Decider::Nobody => language.pick("送信を待っている理由", "Why it waits"),
    };
    details(language, about, heading, true, &mut out);
    out.push(Block::Heading(language.pick("選べる方法", "What you can do").to_owned()));
    out.push(choice_items(language, choices, mail));
    out.push(Block::Link {
        label: language
            .pick(
                "次のページを開いて、お選びください。ページを開くだけでは、何も送信されません。",
                "Please open this page and choose. Opening it does not send anything.",
            )
            .to_owned(),
        url: link.to_owned(),
    });
    if terms.decider != Decider::Nobody {
        out.push(Block::Heading(language.pick("期限", "Until when").to_owned()));
        out.push(Block::Text(deadline(language, terms, &until, false)));
    }
    out.push(Block::Note(
        language
            .pick(
                "このメールを送った覚えがない場合は、「取り消し」を選び、下記へご連絡ください。",
                "If you did not send this mail, please choose “Do not send” and tell the people named below.",
            )
            .to_owned(),
    ));
    out.push(closing(language, about, voice));
    out
}

/// The choices with what the recipients will see; two that come to the same are one.
fn choice_items(language: Language, choices: &[Action], mail: &HeldMail) -> Block {
    let mut items: Vec<(String, Vec<String>)> = Vec::new();
    for action in choices {
        let (name, effect) = choice(language, action, mail);
        if items.iter().all(|(other, _)| *other != name) {
            items.push((name, vec![effect.to_owned()]));
        }
    }
    Block::Items(items)
}

/// The name of a choice and what the recipients will see. Rules that rewrite do so however the mail leaves.
#[must_use]
pub fn choice(language: Language, action: &Action, mail: &HeldMail) -> (String, &'static str) {
    let rewrite = mail.verdict.rewrite;
    match action {
        Action::Release(chosen) => {
            let repair = effective(*chosen, rewrite);
            let waits_by_itself = mail.verdict.hold.as_ref().is_some_and(|terms| terms.decider == Decider::Nobody);
            let name = words::repair(language, repair);
            let name = match (waits_by_itself, repair) {
                (false, _) => name.to_owned(),
                (true, Repair::AsIs) => language.pick("すぐに送信", "Send now").to_owned(),
                (true, _) => language.pick(format!("すぐに送信（{name}）"), format!("Send now ({name})")),
            };
            (name, words::repair_effect(language, repair))
        }
        Action::Approve(chosen) => {
            let repair = effective(*chosen, rewrite);
            let name = words::repair(language, repair);
            let name = language.pick(format!("承認する（{name}）"), format!("Approve ({name})"));
            (name, words::repair_effect(language, repair))
        }
        Action::Return { .. } => (
            language.pick("差し戻す", "Give it back").to_owned(),
            language.pick(
                "送信せずに、コメントを添えて差出人へ戻します。",
                "It is not sent; your comment goes to its sender.",
            ),
        ),
        Action::Cancel => {
            let effect = if About::held(mail).counts(&DomainSet::default()).already == 0 {
                words::repair_effect(language, Repair::Cancel)
            } else {
                language.pick(
                    "送信を取りやめます。まだ送られていない宛先には届きません。",
                    "The mail is not sent to those who have not got it yet.",
                )
            };
            (words::repair(language, Repair::Cancel).to_owned(), effect)
        }
    }
}

fn who_decides(language: Language, terms: &HoldTerms, until: &str) -> String {
    match terms.decider {
        Decider::Nobody => language.pick(
            format!("{until} になると自動で送信されます。それまでは、すぐに送信することも、取り消すこともできます。"),
            format!("It will be sent by itself at {until}. Until then you can send it at once or take it back."),
        ),
        Decider::Sender => language
            .pick(
                "お送りする前に、次の点をご確認のうえ、送り方をお選びください。",
                "Before it leaves, please look at the following and choose how to send it.",
            )
            .to_owned(),
        Decider::Approver => language
            .pick(
                "送信の前に承認者の確認が必要なため、確認をお願いしています。結果は、あらためてメールでお知らせします。",
                "It needs an approver's consent, and the approver has been asked. You will be told the result by mail.",
            )
            .to_owned(),
        Decider::Admin => language
            .pick(
                "送信の前に管理者が確認します。結果は、あらためてメールでお知らせします。",
                "An administrator will look at it first. You will be told the result by mail.",
            )
            .to_owned(),
    }
}

/// Until when, and what happens then.
#[must_use]
pub fn deadline(language: Language, terms: &HoldTerms, until: &str, for_approver: bool) -> String {
    if terms.decider == Decider::Nobody {
        return language.pick(
            format!(
                "{until} に自動で送信されます。すぐに送信したい場合や取り消したい場合は、それまでにお選びください。"
            ),
            format!(
                "It will be sent by itself at {until}. To send it at once or to take it back, please choose before."
            ),
        );
    }
    let waiting = terms.decider != Decider::Sender && !for_approver;
    let (ja, en) = if waiting {
        (format!("{until} までに結果が出なかった場合は、"), format!("If there is no decision by {until}, "))
    } else {
        (
            format!("{until} までにお選びください。それまでに選択がなかった場合は、"),
            format!("Please choose by {until}. Otherwise "),
        )
    };
    let (ja_end, en_end) = match (terms.on_expiry, for_approver) {
        (OnExpiry::Return, false) => {
            ("送信せずに終了し、その旨をお知らせします。", "the mail will not be sent, and you will be told.")
        }
        (OnExpiry::Return, true) => {
            ("送信せずに、差出人へお戻しします。", "the mail will not be sent, and its sender will be told.")
        }
        (OnExpiry::Release, _) => ("自動で送信されます。", "it will be sent by itself."),
        (OnExpiry::Escalate, _) => ("ほかの担当者に確認をお願いします。", "somebody else will be asked to decide."),
    };
    language.pick(ja + ja_end, en + en_end)
}

/// The word in front of the subject of the request to an approver.
#[must_use]
pub fn approver_subject(language: Language) -> &'static str {
    language.pick("承認のお願い", "Approval requested")
}

/// What an approver is told besides the mail.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub terms: &'a HoldTerms,
    /// What the desk lets him do.
    pub choices: &'a [Action],
    /// His link.
    pub link: &'a str,
    pub turn: Turn,
}

/// Why somebody is asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The mail is new.
    First,
    /// He was asked before; recipients joined, or the time ran out.
    Again,
    /// Those asked first have not answered.
    Deputy,
}

/// The request to an approver.
#[must_use]
pub fn to_approver(language: Language, mail: &HeldMail, asked: &Asked<'_>, voice: &Voice) -> Vec<Block> {
    let about = &About::held(mail);
    let terms = asked.terms;
    let counts = about.counts(&voice.internal);
    let until = when::moment(language, mail.expires_ms, &voice.zone);
    let sender = about.sender.map(|sender| display::line(sender.as_str(), 254)).unwrap_or_default();
    let mut out = vec![Block::Lead(not_sent(language, counts))];
    out.push(Block::Text(if sender.is_empty() {
        language
            .pick(
                "差出人アドレスのないメールです。送信してよいかどうか、ご確認をお願いいたします。",
                "It has no sender address. Please decide whether it may be sent.",
            )
            .to_owned()
    } else {
        language.pick(
            format!("{sender} さんが送ろうとしているメールです。送信してよいかどうか、ご確認をお願いいたします。"),
            format!("{sender} is about to send it. Please decide whether it may be sent."),
        )
    }));
    match asked.turn {
        Turn::First => {}
        Turn::Again => out.push(Block::Text(
            language
                .pick(
                    "前回のお知らせのあとに宛先が加わったか、まだ結果が出ていないため、あらためてお願いしております。",
                    "You are asked again, since recipients were added after the last notice or there is no decision yet.",
                )
                .to_owned(),
        )),
        Turn::Deputy => out.push(Block::Text(
            language
                .pick(
                    "先にお願いした方からまだお返事がないため、代わりにお願いしております。",
                    "Those who were asked first have not answered yet, so you are asked as a deputy.",
                )
                .to_owned(),
        )),
    }
    out.push(fields(language, about, voice, true, true));
    details(language, about, language.pick("確認が必要な理由", "Why it needs a check"), true, &mut out);
    out.push(Block::Heading(language.pick("選べる方法", "What you can do").to_owned()));
    out.push(choice_items(language, asked.choices, mail));
    if terms.approvals > 1 {
        out.push(Block::Text(approvals(language, terms.approvals, mail.approvals.len())));
    }
    out.push(Block::Link {
        label: language
            .pick(
                "次のページで、くわしい内容を確かめてからお選びください。ページを開くだけでは、何も送信されません。",
                "Please look at the details on this page and choose there. Opening it does not send anything.",
            )
            .to_owned(),
        url: asked.link.to_owned(),
    });
    out.push(Block::Heading(language.pick("期限", "Until when").to_owned()));
    out.push(Block::Text(deadline(language, terms, &until, true)));
    out.push(Block::Note(
        language
            .pick(
                "上のリンクはあなた専用です。ほかの方に転送しないでください。",
                "The link is for you alone. Please do not forward it.",
            )
            .to_owned(),
    ));
    out.push(closing(language, about, voice));
    out
}

/// How many must agree.
#[must_use]
pub fn approvals(language: Language, needed: u32, agreed: usize) -> String {
    let (needed, agreed) = (number(u64::from(needed)), number(agreed as u64));
    language.pick(
        format!("送信には{needed}名の承認が必要です（これまでに承認した方：{agreed}名）。"),
        format!("{needed} approvers must agree ({agreed} so far)."),
    )
}
