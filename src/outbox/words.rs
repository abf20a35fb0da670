//! The text of a report for the person who wrote the mail, in Japanese and English: which mail, who did not get it, why, and what to do.
//! It refuses words that only an administrator knows where a plain sentence says the same.

use super::field::{date, printable};
use super::report::{Disposition, Report, Reported, Reporter, said};
use crate::mail::encoded_word;
use crate::mail::header::{Header, unfold};
use crate::notice::display;
use std::fmt::Write as _;

/// Characters of the subject that are shown.
const SUBJECT: usize = 100;

/// An action of RFC 3464 2.3.3, the subject of its report, and the sentence above its recipients.
const SECTIONS: [(&str, &str, &str, &str); 3] = [
    (
        "failed",
        "【配信できません】Undelivered mail",
        "次の宛先には配信できませんでした。このメールはこれ以上再送されません。",
        "Your mail could not be delivered to these recipients. It will not be tried again.",
    ),
    (
        "delayed",
        "【配信が遅れています】Delayed mail",
        "次の宛先への配信が遅れています。自動的に再送しますので、送り直す必要はありません。",
        "Delivery to these recipients is delayed. It is tried again by itself; you need not send it again.",
    ),
    (
        "relayed",
        "【中継しました】Relayed mail",
        "次の宛先のメールは次のサーバーに渡しました。そのサーバーは配信完了を通知しません。",
        "Your mail to these recipients was handed to the next server, which does not report final delivery.",
    ),
];

/// What a status code (RFC 3463, and the registry of RFC 5248) means for the writer of the mail; the class is left out. The first that fits.
const MEANINGS: [(&str, &str, &str); 21] = [
    (
        "1.1",
        "この宛先は存在しません。アドレスの綴りを確かめてください。",
        "There is no such address. Please check its spelling.",
    ),
    (
        "1.2",
        "宛先の「@」より後ろのドメインが見つかりません。綴りを確かめてください。",
        "The domain behind the @ was not found. Please check its spelling.",
    ),
    ("1.3", "アドレスの書き方が正しくありません。", "The address is not written correctly."),
    (
        "1.6",
        "宛先は移転しました。新しいアドレスを相手に確かめてください。",
        "The recipient has moved. Please ask for the new address.",
    ),
    ("1.10", "宛先のドメインはメールを受け取りません。", "The recipient's domain takes no mail."),
    (
        "2.1",
        "宛先のメールボックスは使われていません。別の方法で相手に連絡してください。",
        "The mailbox is not in use. Please reach the recipient in another way.",
    ),
    (
        "2.2",
        "宛先のメールボックスがいっぱいです。相手に連絡し、後で送り直してください。",
        "The mailbox is full. Please tell the recipient, and send the mail again later.",
    ),
    (
        "2.3",
        "メールが大きすぎます。添付ファイルを小さくするか、別の方法で渡してください。",
        "The mail is too large. Please make the attachments smaller, or hand them over in another way.",
    ),
    (
        "3.4",
        "メールが大きすぎます。添付ファイルを小さくするか、別の方法で渡してください。",
        "The mail is too large. Please make the attachments smaller, or hand them over in another way.",
    ),
    (
        "4.6",
        "メールが同じ所を回り続けました。管理者に知らせてください。",
        "The mail went round in a circle. Please tell your administrator.",
    ),
    (
        "4.7",
        "期限までに相手のサーバーに渡せませんでした。急ぐ場合は別の方法で連絡してください。",
        "The next server did not take the mail in time. If it is urgent, please use another way.",
    ),
    ("4.", "次のサーバーにつながりません。", "The next server cannot be reached."),
    (
        "5.3",
        "宛先の数が多すぎます。分けて送ってください。",
        "There are too many recipients. Please send the mail in parts.",
    ),
    (
        "6.7",
        "相手側は日本語などの文字を含むアドレスを扱えません。英数字のアドレスを使ってください。",
        "The other side cannot handle addresses with such characters. Please use an address in plain letters.",
    ),
    (
        "6.",
        "相手側のサーバーはこの形式のメールを扱えません。管理者に相談してください。",
        "The other server cannot handle mail of this form. Please ask your administrator.",
    ),
    (
        "7.8",
        "メールサーバーへのログインに失敗しました。管理者に知らせてください。",
        "Logging in to the mail server failed. Please tell your administrator.",
    ),
    (
        "7.10",
        "暗号化した通信ができないため送れません。管理者に知らせてください。",
        "The mail cannot be sent over an encrypted connection. Please tell your administrator.",
    ),
    (
        "7.30",
        "暗号化した通信ができないため送れません。管理者に知らせてください。",
        "The mail cannot be sent over an encrypted connection. Please tell your administrator.",
    ),
    (
        "7.2",
        "相手側のサーバーが差出人を確認できませんでした。管理者に知らせてください。",
        "The other server could not verify the sender. Please tell your administrator.",
    ),
    (
        "7.",
        "相手側の方針により受け取りを断られました。必要であれば別の方法で連絡してください。",
        "The other side refused the mail by its policy. If needed, please use another way.",
    ),
    ("", "相手側のサーバーが受け取りませんでした。", "The other server did not take the mail."),
];

/// The subject of a report: that of its gravest part.
pub(super) fn subject(wanted: &[&Reported]) -> &'static str {
    let any = |action| wanted.iter().any(|reported| reported.disposition.action() == action);
    SECTIONS.iter().find(|(action, ..)| any(*action)).map_or("Delivery report", |(_, subject, ..)| subject)
}

/// The part for people.
pub(super) fn people(reporter: &Reporter, about: &Report<'_>, wanted: &[&Reported]) -> String {
    let mut text = String::new();
    for (action, _, ja, en) in SECTIONS {
        let mut some = wanted.iter().filter(|reported| reported.disposition.action() == action).peekable();
        if some.peek().is_none() {
            continue;
        }
        let _ = write!(text, "{ja}\r\n{en}\r\n\r\n");
        for reported in some {
            recipient(&mut text, reporter, reported);
        }
        text.push_str("\r\n");
    }
    let sent = date(about.arrived_ms, &reporter.zone);
    match subject_of(about) {
        Some(subject) => {
            let _ = write!(text, "件名 / Subject: {subject}\r\n受付 / accepted: {sent}\r\n");
        }
        None => {
            let _ = write!(text, "受付 / accepted: {sent}\r\n");
        }
    }
    let _ = write!(text, "\r\n-- \r\n{}\r\n", printable(reporter.hostname.as_bytes()));
    text
}

fn recipient(text: &mut String, reporter: &Reporter, reported: &Reported) {
    let address = reported.recipient.address.as_str().replace(|char: char| char.is_control(), " ");
    let _ = write!(text, "  {address}\r\n");
    match &reported.disposition {
        Disposition::Cancelled => {
            text.push_str("    管理者が送信を取り消しました。\r\n    An administrator cancelled the mail.\r\n");
        }
        Disposition::Failed(_) | Disposition::Expired(_) | Disposition::Delayed { .. } => {
            let (ja, en) = meaning(&reported.disposition.status());
            let _ = write!(text, "    {ja}\r\n    {en}\r\n");
        }
        Disposition::Relayed(_) => {}
    }
    if let Disposition::Delayed { until_ms, .. } = &reported.disposition {
        let _ = write!(text, "    再送期限 / tried until: {}\r\n", date(*until_ms, &reporter.zone));
    }
    if let Some(reply) = reported.disposition.reply() {
        let _ = write!(text, "    サーバーの応答 / the server said: {}\r\n", said(reply));
    }
}

/// What a status code means.
fn meaning(status: &str) -> (&'static str, &'static str) {
    let detail = status.split_once('.').map_or("", |(_, detail)| detail);
    // `7.2` stands for 7.20 to 7.27 (RFC 7372, RFC 7505), never for 7.2 itself.
    let fits = |pattern: &str| match pattern {
        "" => true,
        "7.2" => detail.len() == 4 && detail.starts_with(pattern) && !detail.ends_with('8') && !detail.ends_with('9'),
        _ if pattern.ends_with('.') => detail.starts_with(pattern),
        _ => detail == pattern,
    };
    MEANINGS.iter().find(|(pattern, ..)| fits(pattern)).map_or(("", ""), |(_, ja, en)| (*ja, *en))
}

/// The subject of the mail, safe to show; `None` when it has none.
fn subject_of(about: &Report<'_>) -> Option<String> {
    let first = about.mail.iter().find(|piece| piece.len() > 2)?;
    // The header section may be in several pieces; up to its Subject field the copy is short.
    let joined;
    let header = if Header::scan(first).named("subject").next().is_some() {
        Header::scan(first)
    } else {
        joined = about.mail.concat();
        Header::scan(&joined)
    };
    let field = header.named("subject").next()?;
    let subject = encoded_word::decode(&unfold(header.value(field)));
    Some(display::line(&subject, SUBJECT)).filter(|subject| !subject.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_plain_words() {
        for (status, word) in [
            ("5.1.1", "no such address"),
            ("5.1.10", "takes no mail"),
            ("5.2.2", "full"),
            ("5.3.4", "too large"),
            ("4.4.1", "cannot be reached"),
            ("4.4.7", "in time"),
            ("5.4.6", "circle"),
            ("5.6.7", "such characters"),
            ("5.6.3", "of this form"),
            ("5.7.26", "verify the sender"),
            ("5.7.2", "by its policy"),
            ("5.7.28", "by its policy"),
            ("5.7.30", "encrypted"),
            ("5.0.0", "did not take"),
            ("", "did not take"),
        ] {
            assert!(meaning(status).1.contains(word), "{status}: {}", meaning(status).1);
        }
        assert!(MEANINGS.iter().all(|(_, ja, en)| !ja.is_ascii() && en.is_ascii()));
    }
}
