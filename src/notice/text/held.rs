//! Letters about a mail that waits: to its sender, and to those who are asked to approve it.
//! It refuses to leave open whether the mail was sent, what can be done, until when, and what happens then.

use super::letter::{choices, closing, details, fields, not_sent};
use super::words::repair;
use super::{Language, number, when};
use crate::notice::Voice;
use crate::notice::about::About;
use crate::notice::display;
use crate::notice::document::Block;
use crate::rules::verdict::{Decider, HoldTerms, OnExpiry, Repair};

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

/// The notice to the sender that his mail waits.
#[must_use]
pub fn to_sender(
    language: Language,
    about: &About<'_>,
    terms: &HoldTerms,
    expires_ms: u64,
    link: &str,
    voice: &Voice,
) -> Vec<Block> {
    let counts = about.counts(&voice.internal);
    let until = when::moment(language, expires_ms, &voice.zone);
    let mut out = vec![Block::Lead(not_sent(language, counts)), Block::Text(who_decides(language, terms, &until))];
    out.push(fields(language, about, voice, false));
    let heading = match terms.decider {
        Decider::Sender => language.pick("ご確認いただきたいこと", "What to check"),
        Decider::Approver | Decider::Admin => language.pick("確認が必要な理由", "Why it needs a check"),
        Decider::Nobody => language.pick("送信を待っている理由", "Why it waits"),
    };
    details(language, about, heading, true, &mut out);
    let repairs = sender_choices(terms);
    out.push(Block::Heading(language.pick("選べる方法", "What you can do").to_owned()));
    out.push(choices(language, &repairs));
    out.push(Block::Link {
        label: language
            .pick(
                "次のページを開いて、お選びください。ページを開くだけでは、何も送信されません。",
                "Please open this page and choose. Opening it does not send anything.",
            )
            .to_owned(),
        url: link.to_owned(),
    });
    out.push(Block::Heading(language.pick("期限", "Until when").to_owned()));
    out.push(Block::Text(deadline(language, terms, &until, false)));
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

/// What the sender himself may choose under these terms: everything when he decides, taking back always.
#[must_use]
pub fn sender_choices(terms: &HoldTerms) -> Vec<Repair> {
    let mut repairs = match terms.decider {
        Decider::Sender => terms.repairs.clone(),
        Decider::Nobody if terms.repairs.is_empty() => vec![Repair::AsIs],
        Decider::Nobody => terms.repairs.clone(),
        Decider::Approver | Decider::Admin => Vec::new(),
    };
    if !repairs.contains(&Repair::Cancel) {
        repairs.push(Repair::Cancel);
    }
    repairs
}

/// What an approver may choose besides giving the mail back.
#[must_use]
pub fn approver_choices(terms: &HoldTerms) -> Vec<Repair> {
    terms.repairs.iter().copied().filter(|choice| *choice != Repair::Cancel).collect()
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
            format!("{until} までお選びがなければ、自動で送信されます。"),
            format!("Without a choice it will be sent at {until}."),
        );
    }
    let waiting = terms.decider != Decider::Sender && !for_approver;
    let (ja, en) = if waiting {
        (format!("{until} までに結果が出なかった場合は、"), format!("If there is no decision by {until}, "))
    } else {
        (
            format!("{until} までにお選びください。お選びがなかった場合は、"),
            format!("Please choose by {until}. Otherwise "),
        )
    };
    let (ja_end, en_end) = match (terms.on_expiry, for_approver) {
        (OnExpiry::Return, false) => {
            ("送信せずに終了し、あらためてお知らせします。", "the mail will not be sent, and you will be told.")
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

/// The request to an approver.
#[must_use]
pub fn to_approver(language: Language, about: &About<'_>, asked: &Asked<'_>, voice: &Voice) -> Vec<Block> {
    let terms = asked.terms;
    let counts = about.counts(&voice.internal);
    let until = when::moment(language, asked.expires_ms, &voice.zone);
    let sender = about.sender.map(|sender| display::line(sender.as_str(), 254)).unwrap_or_default();
    let mut out = vec![Block::Lead(not_sent(language, counts))];
    out.push(Block::Text(language.pick(
        format!("{sender} さんのメールです。送信してよいかどうか、ご確認をお願いいたします。"),
        format!("It was written by {sender}. Please decide whether it may be sent."),
    )));
    if asked.deputy {
        out.push(Block::Text(
            language
                .pick(
                    "先にお願いした承認者のご確認がまだのため、代わりにお願いしております。",
                    "The approver asked first has not answered yet, so you are asked as a deputy.",
                )
                .to_owned(),
        ));
    }
    out.push(fields(language, about, voice, true));
    details(language, about, language.pick("確認が必要な理由", "Why it needs a check"), true, &mut out);
    out.push(Block::Heading(language.pick("選べる方法", "What you can do").to_owned()));
    let mut items: Vec<(String, Vec<String>)> = approver_choices(terms)
        .into_iter()
        .map(|choice| {
            let name = repair(language, choice);
            let effect = super::words::repair_effect(language, choice).to_owned();
            (language.pick(format!("承認する({name})"), format!("Approve ({name})")), vec![effect])
        })
        .collect();
    items.push((
        language.pick("差し戻す", "Give it back").to_owned(),
        vec![
            language
                .pick(
                    "送信せずに、コメントを添えて差出人へ戻します。",
                    "It is not sent; your comment goes to its sender.",
                )
                .to_owned(),
        ],
    ));
    out.push(Block::Items(items));
    if terms.approvals > 1 {
        out.push(Block::Text(approvals(language, terms.approvals, asked.agreed)));
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

/// What an approver is told besides the mail.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub terms: &'a HoldTerms,
    /// Epoch milliseconds.
    pub expires_ms: u64,
    /// His link.
    pub link: &'a str,
    /// Approvers who agreed so far.
    pub agreed: usize,
    /// He is asked because others did not answer.
    pub deputy: bool,
}

/// How many must agree.
#[must_use]
pub fn approvals(language: Language, needed: u32, agreed: usize) -> String {
    let (needed, agreed) = (number(u64::from(needed)), number(agreed as u64));
    language.pick(
        format!("送信には{needed}名の承認が必要です(これまでに承認した方:{agreed}名)。"),
        format!("{needed} approvers must agree ({agreed} so far)."),
    )
}
