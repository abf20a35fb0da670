//! Letters about the end of the wait: sent, given back, taken back, or out of time.
//! It refuses to say "sent" before the copies have left.

use super::letter::{closing, fields};
use super::{Language, when};
use crate::notice::Voice;
use crate::notice::about::About;
use crate::notice::display;
use crate::notice::document::Block;
use crate::rules::verdict::Repair;
use crate::store::{Actor, Decision, HeldMail, State};

/// Characters of a comment.
const COMMENT_LENGTH: usize = 2_000;

/// The word in front of the subject.
#[must_use]
pub fn subject(language: Language, state: State) -> &'static str {
    match state {
        State::Held => language.pick("確認待ち", "Waiting"),
        State::Releasing => language.pick("送信の手続きをしました", "Being sent"),
        State::Released => language.pick("送信しました", "Sent"),
        State::Returned => language.pick("送信せずにお戻しします", "Given back, not sent"),
        State::Expired => language.pick("期限が過ぎました（未送信）", "Time is over, not sent"),
        State::Cancelled => language.pick("取り消しました", "Taken back, not sent"),
    }
}

/// The notice to the sender about the result; `None` while there is none.
#[must_use]
pub fn to_sender(language: Language, mail: &HeldMail, voice: &Voice) -> Option<Vec<Block>> {
    let about = About::held(mail);
    let lead = sentence(language, mail)?;
    let mut out = vec![Block::Lead(lead)];
    if let Some(decision) = &mail.decision {
        out.push(Block::Text(by(language, decision, voice)));
        let comment = display::paragraph(&decision.comment, COMMENT_LENGTH);
        if !comment.is_empty() {
            out.push(Block::Heading(language.pick("コメント", "Comment").to_owned()));
            out.push(Block::Quote(comment));
        }
    }
    out.push(fields(language, &about, voice, false, false));
    out.push(Block::Text(next(language, mail.state).to_owned()));
    out.push(closing(language, &about, voice));
    Some(out)
}

/// The result in one sentence, for mails and pages; `None` while there is none.
#[must_use]
pub fn sentence(language: Language, mail: &HeldMail) -> Option<String> {
    let already = About::held(mail).counts(&crate::address::DomainSet::default()).already > 0;
    let nobody = if already {
        language.pick(
            "確認の必要があった宛先には送信されていません。",
            "It was not sent to the recipients that needed a check.",
        )
    } else {
        language.pick("どなたにも送信されていません。", "It was not sent to anybody.")
    };
    let text = match mail.state {
        State::Held => return None,
        State::Releasing | State::Released => {
            let repair = mail.decision.as_ref().and_then(|decision| decision.repair);
            return Some(sent(language, mail.state == State::Released, repair).to_owned());
        }
        State::Returned => {
            language.pick("このメールは、送信せずにお戻しします。", "This mail was given back to its sender.")
        }
        State::Expired => language.pick(
            "期限までに結果が出なかったため、このメールの送信を終了しました。",
            "There was no decision in time, so this mail will not be sent.",
        ),
        State::Cancelled => language.pick("このメールの送信は取り消されました。", "This mail was taken back."),
    };
    Some(language.pick(format!("{text}{nobody}"), format!("{text} {nobody}")))
}

fn sent(language: Language, gone: bool, repair: Option<Repair>) -> &'static str {
    match (gone, repair) {
        (true, Some(Repair::Bcc)) => language.pick(
            "このメールは、社外の宛先を Bcc に変更して送信しました。",
            "This mail was sent with the outside recipients as Bcc.",
        ),
        (true, Some(Repair::Individual)) => language.pick(
            "このメールは、社外の方に一人ずつ個別に送信しました。",
            "This mail was sent one by one to the outside recipients.",
        ),
        (true, _) => language.pick("このメールは送信しました。", "This mail was sent."),
        (false, Some(Repair::Bcc)) => language.pick(
            "このメールは、社外の宛先を Bcc に変更して送信します。",
            "This mail is being sent with the outside recipients as Bcc.",
        ),
        (false, Some(Repair::Individual)) => language.pick(
            "このメールは、社外の方に一人ずつ個別に送信します。",
            "This mail is being sent one by one to the outside recipients.",
        ),
        (false, _) => language.pick("このメールは送信されます。", "This mail is being sent."),
    }
}

/// Who decided, by role, and when.
#[must_use]
pub fn by(language: Language, decision: &Decision, voice: &Voice) -> String {
    let at = when::moment(language, decision.at_ms, &voice.zone);
    let (ja, en) = match &decision.by {
        Actor::Sender(_) => ("差出人ご本人が決めました。", "Decided by the sender"),
        Actor::Approver(_) => ("承認者が決めました。", "Decided by an approver"),
        Actor::Admin(_) => ("管理者が決めました。", "Decided by an administrator"),
        Actor::Expiry => ("期限が来たため、自動で手続きしました。", "Done automatically when its time was over"),
    };
    language.pick(format!("{at} に、{ja}"), format!("{en}, {at}."))
}

fn next(language: Language, state: State) -> &'static str {
    match state {
        State::Held | State::Releasing | State::Released => language.pick(
            "届かなかった宛先がある場合は、別のメールでお知らせします。",
            "Should it not reach a recipient, you will get another mail about it.",
        ),
        State::Returned => language.pick(
            "必要な場合は、内容を見直して、もう一度お送りください。",
            "If it is still needed, please change it and send it again.",
        ),
        State::Expired => {
            language.pick("必要な場合は、もう一度お送りください。", "If it is still needed, please send it again.")
        }
        State::Cancelled => language.pick(
            "お手続きは以上です。もう一度お送りになる場合は、新しいメールとしてお送りください。",
            "Nothing more is to be done. To send it after all, please send it as a new mail.",
        ),
    }
}
