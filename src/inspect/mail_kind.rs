//! What kind of mail it is, from its declared types, its header and its content.
//! It refuses to believe one sign where the kind has several forms: a recall is known by its message class and by its words.

use crate::extract::{Content, Extracted, Role};
use crate::facts::MailKind;
use crate::mail::message::Message;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What Outlook writes where the other side cannot read its own form: English, and both Japanese wordings.
static RECALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"would like to recall the message, ["“]|は、?\s*(次の)?メッセージ\s*["“「『].{1,300}["”」』]\s*を(取り消し|取り消す)|(次の)?メッセージの取り消しを(希望|要求)して"#).ok()
});

/// A recall is short: a mail that quotes one in a discussion is not.
const RECALL_CHARS: usize = 400;

/// All kinds that fit; `Ordinary` when none does.
pub(super) fn of(message: &Message, extracted: &Extracted) -> BTreeSet<MailKind> {
    let declared = |name: &str| message.types.iter().any(|found| found.name == name);
    let parameter = |name: &str, key: &str, wanted: &str| {
        message.types.iter().any(|found| found.name == name && found.parameter(key).as_deref() == Some(wanted))
    };
    let header = |name: &'static str| message.header(name).next();
    let mut kinds = BTreeSet::new();
    let mut is = |kind, holds: bool| {
        if holds {
            kinds.insert(kind);
        }
    };
    is(MailKind::Recall, extracted.recall || says_recall(extracted));
    is(MailKind::Calendar, declared("text/calendar") || declared("application/ics"));
    // RFC 3834 5: any value but "no" is an automatic mail.
    is(
        MailKind::AutoReply,
        header("auto-submitted").is_some_and(|value| !value.trim().to_ascii_lowercase().starts_with("no")),
    );
    let resent = message.headers.iter().any(|(name, _)| name.starts_with("resent-"));
    is(
        MailKind::Forward,
        resent || message.parts.iter().any(|part| part.mail.is_some()) && !declared("multipart/report"),
    );
    is(
        MailKind::List,
        header("list-id").is_some()
            || header("precedence").is_some_and(|value| value.trim().eq_ignore_ascii_case("list")),
    );
    is(MailKind::DeliveryReport, parameter("multipart/report", "report-type", "delivery-status"));
    is(
        MailKind::Signed,
        declared("multipart/signed")
            || parameter("application/pkcs7-mime", "smime-type", "signed-data")
            || parameter("application/x-pkcs7-mime", "smime-type", "signed-data"),
    );
    is(
        MailKind::Encrypted,
        declared("multipart/encrypted")
            || parameter("application/pkcs7-mime", "smime-type", "enveloped-data")
            || parameter("application/x-pkcs7-mime", "smime-type", "enveloped-data"),
    );
    if kinds.is_empty() {
        kinds.insert(MailKind::Ordinary);
    }
    kinds
}

fn says_recall(extracted: &Extracted) -> bool {
    let Some(recall) = RECALL.as_ref() else { return false };
    extracted.pieces.iter().any(|piece| match &piece.content {
        Content::Text(text) => {
            piece.role == Role::Body && text.chars().count() <= RECALL_CHARS && recall.is_match(text)
        }
        Content::Table(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn kinds(mail: &str) -> BTreeSet<MailKind> {
        let mut message = Message::parse(mail.as_bytes(), &Limits::default());
        let extracted = super::super::gather::everything(&mut message, &Limits::default());
        of(&message, &extracted)
    }

    #[test]
    fn kinds_are_known_by_their_signs() {
        for (mail, kind) in [
            ("Subject: a\r\n\r\nb\r\n", MailKind::Ordinary),
            ("Auto-Submitted: auto-replied\r\n\r\nb\r\n", MailKind::AutoReply),
            ("Auto-Submitted: no\r\n\r\nb\r\n", MailKind::Ordinary),
            ("List-Id: <news.example.jp>\r\n\r\nb\r\n", MailKind::List),
            ("Resent-From: a@example.jp\r\n\r\nb\r\n", MailKind::Forward),
            ("Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", MailKind::Calendar),
            ("\r\nNaito would like to recall the message, \"Survey\".\r\n", MailKind::Recall),
            (
                "Content-Type: text/plain; charset=utf-8\r\n\r\n教頭 内藤 は、メッセージ \"アンケート\" を取り消します。\r\n",
                MailKind::Recall,
            ),
            ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nx\r\n", MailKind::Encrypted),
        ] {
            assert_eq!(kinds(mail), BTreeSet::from([kind]), "{mail}");
        }
    }

    #[test]
    fn talking_about_recalling_is_no_recall() {
        let mail =
            "Content-Type: text/plain; charset=utf-8\r\n\r\n先日のメールの取り消しについて、手順をご案内します。\r\n";
        assert_eq!(kinds(mail), BTreeSet::from([MailKind::Ordinary]));
    }
}
