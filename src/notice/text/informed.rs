//! Letters without a choice: a mail that was not accepted for sending, and news for third persons such as a privacy office.
//! It refuses to name recipients, files or places to a third person: kinds and numbers only.

use super::letter::{closing, details, fields};
use super::{Language, reasons};
use crate::facts::MailKind;
use crate::notice::Voice;
use crate::notice::about::About;
use crate::notice::document::Block;

/// What became of the mail a third person is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It was sent.
    Sent,
    /// It waits for a decision.
    Waits,
    /// It waits for an administrator, who is the reader.
    WaitsForYou,
    /// It was not sent.
    Stopped,
}

/// The word in front of the subject of the notice about a mail that was not sent.
#[must_use]
pub fn blocked_subject(language: Language) -> &'static str {
    language.pick("送信されませんでした", "Not sent")
}

/// The notice to the sender that his mail was not sent and is not kept.
#[must_use]
pub fn blocked(language: Language, about: &About<'_>, voice: &Voice) -> Vec<Block> {
    let lead = language.pick("このメールは、どなたにも送信されていません。", "This mail was not sent to anybody.");
    let mut out = vec![Block::Lead(lead.to_owned())];
    if about.facts.mail_kind.contains(&MailKind::Recall) {
        out.push(Block::Text(reasons::recall(language).to_owned()));
        out.push(Block::Text(
            language
                .pick(
                    "誤って送ったメールについては、まず上司や個人情報の担当者にご相談ください。",
                    "About the mail that was sent by mistake, please first talk to your superior or the privacy office.",
                )
                .to_owned(),
        ));
        out.push(fields(language, about, voice, false, true));
    } else {
        out.push(Block::Text(
            language
                .pick(
                    "このままではお送りできない内容が含まれていると思われるため、お預かりせずに終了しました。",
                    "It seems to contain something that cannot be sent in this way, so it was not kept either.",
                )
                .to_owned(),
        ));
        out.push(fields(language, about, voice, false, true));
        let heading = language.pick("送信できなかった理由", "Why it could not be sent");
        details(language, about, heading, true, &mut out);
        out.push(Block::Text(
            language
                .pick(
                    "内容や宛先を見直して、もう一度お送りください。お仕事で必要な場合は、下記へご相談ください。",
                    "Please change its content or recipients and send it again. If your work needs it, please ask the people named below.",
                )
                .to_owned(),
        ));
    }
    out.push(closing(language, about, voice));
    out
}

/// The word in front of the subject of the news for a third person.
#[must_use]
pub fn informed_subject(language: Language, course: Course) -> &'static str {
    match course {
        Course::Sent => language.pick("お知らせ（送信されたメール）", "For your information (sent)"),
        Course::Waits => language.pick("お知らせ（確認待ちのメール）", "For your information (waiting)"),
        Course::WaitsForYou => language.pick("管理者の確認が必要です", "An administrator is needed"),
        Course::Stopped => language.pick("お知らせ（送信されなかったメール）", "For your information (not sent)"),
    }
}

/// The news for a third person.
#[must_use]
pub fn informed(language: Language, about: &About<'_>, course: Course, voice: &Voice) -> Vec<Block> {
    let lead = match course {
        Course::Sent => language.pick("次のメールが送信されました。", "The following mail was sent."),
        Course::Waits => language.pick(
            "次のメールは、確認のため送信を待っています。",
            "The following mail waits for a decision and is not sent yet.",
        ),
        Course::WaitsForYou => language.pick(
            "次のメールは、管理者の確認を待っています。まだ送信されていません。",
            "The following mail waits for an administrator and is not sent yet.",
        ),
        Course::Stopped => language.pick("次のメールは、送信されませんでした。", "The following mail was not sent."),
    };
    let mut out = vec![Block::Lead(lead.to_owned()), fields(language, about, voice, true, course != Course::Sent)];
    details(language, about, language.pick("理由", "Why"), false, &mut out);
    out.push(match course {
        Course::WaitsForYou => Block::Text(language.pick(
            format!("内容の確認と判断は、サーバーで次の命令を使って行えます：sekisho held show {}", about.id),
            format!("To look at it and to decide, use on the server: sekisho held show {}", about.id),
        )),
        Course::Sent | Course::Waits | Course::Stopped => Block::Text(
            language
                .pick(
                    "お手続きの必要はありません。個人情報そのものは、このお知らせには書いていません。",
                    "You need not do anything. This notice does not contain the personal data itself.",
                )
                .to_owned(),
        ),
    });
    out.push(closing(language, about, voice));
    out
}
