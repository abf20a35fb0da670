//! Why a rule concerned this mail, as sentences: from the condition's key and the value found.
//! It refuses to repeat text of the mail: of what was found only numbers and known kinds are said.

use super::words::{kind, why_short};
use super::{Language, counted, number};
use crate::detect::Kind;
use crate::facts::{Facts, MailKind};
use crate::mail::shown::Place;
use crate::notice::display;
use crate::rules::verdict::Reason;
use std::collections::BTreeSet;

/// The sentence for one condition; `None` for a condition that the rule's title says better (who sends, which words).
#[must_use]
pub fn reason(language: Language, reason: &Reason, facts: &Facts) -> Option<String> {
    let key = reason.key.as_str();
    if let Some(of) = key.strip_prefix("data.") {
        return data(language, of, first_number(&reason.found)?);
    }
    match key {
        "to" | "to_all" => {
            lookalike(language, reason).or_else(|| recipient_class(language, &reason.wanted).map(str::to_owned))
        }
        "subject" | "body" | "text" | "attachment_name" => Some(words_found(language, key)),
        "unreadable" => Some(unreadable(language, facts)),
        "confidential" => facts.confidential.as_deref().map(|mark| {
            let mark = display::line(mark, 30);
            language.pick(format!("「{mark}」の表示があります。"), format!("It carries the mark “{mark}”."))
        }),
        "inspection_failed" => Some(inspection_failed(language).to_owned()),
        "recipients_unclear" => Some(recipients_unclear(language).to_owned()),
        "mail_kind" => mail_kind(language, &reason.found, facts).map(str::to_owned),
        "time" => Some(
            language
                .pick(
                    "通常の業務時間ではない時間（または休日）に送られました。",
                    "It was sent outside office hours or on a holiday.",
                )
                .to_owned(),
        ),
        "attachment" => Some(attachment(language, &reason.wanted)),
        "bytes" => first_number(&reason.found).map(|bytes| {
            let megabytes = number(bytes.div_ceil(1024 * 1024));
            language.pick(
                format!("メール全体の大きさがおよそ{megabytes}MBあります。"),
                format!("The whole mail has about {megabytes} MB."),
            )
        }),
        "window" => window(language, reason, facts),
        key => counted_key(language, key, first_number(&reason.found)?, facts),
    }
}

/// Sentences that need no rule: what could not be checked at all.
#[must_use]
pub fn unclear(language: Language, facts: &Facts) -> Vec<&'static str> {
    let mut out = Vec::new();
    if facts.inspection_failed.is_some() {
        out.push(inspection_failed(language));
    }
    if facts.recipients_unclear.is_some() {
        out.push(recipients_unclear(language));
    }
    out.extend(facts.unremovable.keys().map(|place| unremovable(language, *place)));
    out
}

/// Why hiding the addresses is not offered, and what to do instead.
fn unremovable(language: Language, place: Place) -> &'static str {
    match place {
        Place::Winmail => language.pick(
            "Outlook 専用の形式（winmail.dat）の中に宛先の一覧があり、取り除くことができません。形式を HTML またはテキストにして、送り直してください。",
            "A list of recipients is inside Outlook's own format (winmail.dat), from which it cannot be taken out. Please send the mail again in HTML or plain text format.",
        ),
        Place::SignedCalendar => language.pick(
            "電子署名された予定表（会議の招待）に参加者のアドレスがあり、署名を壊さずに取り除くことができません。",
            "The digitally signed calendar (invitation) names its attendees, who cannot be taken out without breaking the signature.",
        ),
        Place::DamagedCalendar => language.pick(
            "予定表（会議の招待）に読み取れないところがあり、参加者のアドレスを取り除くことができません。",
            "Part of the calendar (invitation) cannot be read, so its attendees cannot be taken out.",
        ),
    }
}

fn inspection_failed(language: Language) -> &'static str {
    language.pick(
        "このメールの中身の確認が、最後まで終わりませんでした。",
        "The check of this mail's content could not be finished.",
    )
}

fn recipients_unclear(language: Language) -> &'static str {
    language.pick(
        "宛先の書き方に読み取れないところがあり、だれに何が見えるかを確かめられませんでした。",
        "Part of the recipient lines cannot be read, so it is not certain who would see which address.",
    )
}

/// Conditions whose sentence is a number of something.
fn counted_key(language: Language, key: &str, count: u64, facts: &Facts) -> Option<String> {
    let n = number(count);
    let roughly = facts.persons.estimated;
    let persons = language.pick(
        format!("{}{n}人分", if roughly { "およそ" } else { "" }),
        format!("{}{}", if roughly { "about " } else { "" }, counted(count, "person", "persons")),
    );
    let (ja, en) = match key {
        "visible" => (
            format!("宛先と Cc の{n}件のアドレスが、受け取った方全員に見える状態です。"),
            format!("Every recipient can see the {n} addresses in To and Cc."),
        ),
        "visible_external" => (
            format!("社外のアドレス{n}件がお互いに見える状態です。"),
            format!("{} can see each other.", counted(count, "outside address", "outside addresses")),
        ),
        "visible_personal" => (
            format!("個人のアドレス（フリーメールや携帯電話など）と思われる{n}件がお互いに見える状態です。"),
            format!(
                "{} (free mail, mobile phones) can see each other.",
                counted(count, "personal address", "personal addresses")
            ),
        ),
        "visible_external_domains" => (
            format!("{n}か所の社外の組織の方が、お互いのアドレスを見られる状態です。"),
            format!(
                "People of {} can see each other's addresses.",
                counted(count, "outside domain", "outside domains")
            ),
        ),
        "recipients" => {
            (format!("宛先が{n}件あります。"), format!("It has {}.", counted(count, "recipient", "recipients")))
        }
        "external_recipients" => (
            format!("社外の宛先が{n}件あります。"),
            format!("It has {}.", counted(count, "outside recipient", "outside recipients")),
        ),
        "first_contact" => (
            format!("これまでに送ったことのない宛先が{n}件あります。"),
            format!("It has {} never written to before.", counted(count, "recipient", "recipients")),
        ),
        "persons" => (
            format!("{persons}の個人情報と思われる記載があります。"),
            format!("It seems to contain personal data of {persons}."),
        ),
        "sensitive_persons" => (
            format!("{persons}の、健康・福祉・成績など特に配慮が必要な情報と思われる記載があります。"),
            format!("It seems to contain sensitive data (health, welfare, grades …) of {persons}."),
        ),
        "financial_persons" => (
            format!("{persons}の、口座やカードなどお金に関わる情報と思われる記載があります。"),
            format!("It seems to contain financial data (accounts, cards) of {persons}."),
        ),
        "credentials" => (
            format!("IDとパスワードなど、利用者の確認に使う情報と思われる記載が{n}件あります。"),
            format!("It seems to contain {} (ID with password, key).", counted(count, "credential", "credentials")),
        ),
        _ => return None,
    };
    Some(language.pick(ja, en))
}

fn data(language: Language, of: &str, count: u64) -> Option<String> {
    let of: Kind = serde_json::from_value(serde_json::Value::String(of.to_owned())).ok()?;
    let n = number(count);
    let name = kind(language, of);
    Some(language.pick(format!("{name}と思われる記載が{n}件あります。"), format!("It seems to contain {n} × {name}.")))
}

/// Domains that are nearly the name of a known one, with the known one: `gmai.test (gmail.test?)`, as the rules found them.
fn lookalike(language: Language, reason: &Reason) -> Option<String> {
    let pairs = reason.found.split(", ").filter_map(|pair| pair.strip_suffix("?)")?.split_once(" ("));
    let sentences: Vec<_> = pairs
        .filter(|(written, meant)| !written.contains('@') && !meant.contains('@'))
        .map(|(written, meant)| {
            let (written, meant) = (display::line(written, 100), display::line(meant, 100));
            language.pick(
                format!("宛先の「{written}」は、「{meant}」のつづり間違いではありませんか。"),
                format!("A recipient is at “{written}”. Did you mean “{meant}”?"),
            )
        })
        .collect();
    (!sentences.is_empty()).then(|| sentences.join(language.pick("", " ")))
}

/// What an attachment condition asked for; it holds for at least one file.
fn attachment(language: Language, wanted: &str) -> String {
    let (ja, en) = if wanted.contains("disguised") {
        (
            "ファイル名の末尾（拡張子）と中身の種類が合わない添付ファイルがあります。",
            "An attachment is of another kind than its name says.",
        )
    } else if wanted.contains("macro") {
        ("マクロ（自動で動く命令）を含む添付ファイルがあります。", "An attachment contains macros.")
    } else {
        (
            "確認が必要な種類や大きさの添付ファイルがあります。",
            "It has an attachment of a kind or size that needs a check.",
        )
    };
    language.pick(ja, en).to_owned()
}

/// Which recipients a `to` condition asked for, without naming one. That they are outside is in the table about the mail.
fn recipient_class(language: Language, wanted: &str) -> Option<&'static str> {
    let is = |class: &str| wanted.contains(class);
    if is("webmail") || is("carrier") || is("isp") || is("personal") {
        Some(language.pick(
            "個人のアドレス（フリーメールや携帯電話など）と思われる宛先があります。",
            "A recipient seems to be a personal address (free mail, mobile phone).",
        ))
    } else if is("lookalike") {
        Some(language.pick(
            "よく使われるアドレスとつづりがよく似た宛先があります。つづりの間違いがないか、お確かめください。",
            "A recipient's domain is spelled almost like a well-known one. Please check its spelling.",
        ))
    } else if is("disposable") {
        Some(
            language
                .pick("使い捨てのアドレスと思われる宛先があります。", "A recipient seems to use a throw-away address."),
        )
    } else {
        None
    }
}

fn words_found(language: Language, key: &str) -> String {
    let (ja, en) = match key {
        "subject" => ("件名", "The subject"),
        "body" => ("本文", "The body"),
        "attachment_name" => ("添付ファイルの名前", "The name of an attachment"),
        _ => ("本文または添付ファイル", "The body or an attachment"),
    };
    language.pick(
        format!("{ja}に、確認が必要な言葉として登録されている言葉があります。"),
        format!("{en} has words that are listed as needing a check."),
    )
}

fn unreadable(language: Language, facts: &Facts) -> String {
    let kinds: BTreeSet<_> = facts.unreadable.iter().map(|part| part.why).collect();
    let kinds: Vec<_> = kinds.into_iter().map(|why| why_short(language, why)).collect();
    if kinds.is_empty() {
        return language.pick("中を確認できない部分があります。", "Part of it could not be checked.").to_owned();
    }
    language.pick(
        format!("中を確認できない部分があります（{}）。", kinds.join("、")),
        format!("Part of it could not be checked ({}).", kinds.join(", ")),
    )
}

fn mail_kind(language: Language, found: &str, facts: &Facts) -> Option<&'static str> {
    if found.contains("recall") || facts.mail_kind.contains(&MailKind::Recall) {
        return Some(recall(language));
    }
    if found.contains("calendar") {
        return Some(language.pick(
            "会議の招待です。参加者のアドレスは、招待を受けた方全員に見えます。",
            "It is a meeting invitation. Everybody invited sees the addresses of all participants.",
        ));
    }
    if found.contains("encrypted") {
        return Some(language.pick("暗号化されたメールです。", "The mail is encrypted."));
    }
    None
}

/// Why a recall is not sent: the one sentence of the notice about it.
#[must_use]
pub fn recall(language: Language) -> &'static str {
    language.pick(
        "送信済みメールの取り消しを頼むメールです。社外に届いたメールはこの方法では消せず、宛先の一覧がもう一度相手に見えてしまいます。",
        "It asks to recall a mail that was sent. This cannot remove mail that has reached other organisations, and would show them the list of recipients again.",
    )
}

/// A sum over recent mails; where this mail alone makes it, the sentence about this mail.
fn window(language: Language, reason: &Reason, facts: &Facts) -> Option<String> {
    let count = first_number(&reason.found)?;
    let n = number(count);
    let says = |word: &str| reason.key.contains(word) || reason.wanted.contains(word) || reason.found.contains(word);
    if says("persons") && count <= facts.persons.total {
        return counted_key(language, "persons", facts.persons.total, facts);
    }
    if says("visible_external") && count <= facts.visible.len() as u64 {
        return counted_key(language, "visible_external", count, facts);
    }
    let (ja, en) = if says("persons") {
        (format!("{n}人分の個人情報"), format!("personal data of {}", counted(count, "person", "persons")))
    } else if says("visible_external") {
        (
            format!("お互いに見える社外のアドレス{n}件"),
            counted(count, "outside address that others can see", "outside addresses that others can see"),
        )
    } else if says("external_recipients") {
        (format!("社外の宛先{n}件"), counted(count, "outside recipient", "outside recipients"))
    } else if says("mails") {
        (format!("{n}通"), counted(count, "mail", "mails"))
    } else {
        return None;
    };
    Some(language.pick(
        format!("最近お送りになったメールと合わせると、{ja}になります。"),
        format!("Together with recent mails of the same sender this makes {en}."),
    ))
}

/// The first number of a text, separators allowed; the rest of the text is never shown.
fn first_number(text: &str) -> Option<u64> {
    let from = text.find(|char: char| char.is_ascii_digit())?;
    let digits: String = text[from..]
        .chars()
        .take_while(|char| char.is_ascii_digit() || *char == ',')
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(language: Language, key: &str, wanted: &str, found: &str) -> Option<String> {
        let condition = Reason { key: key.to_owned(), wanted: wanted.to_owned(), found: found.to_owned() };
        reason(language, &condition, &Facts::default())
    }

    #[test]
    fn what_cannot_be_rewritten_is_said_in_both_languages() {
        for (place, ja, en) in [
            (Place::Winmail, "winmail.dat", "plain text format"),
            (Place::SignedCalendar, "電子署名", "digitally signed"),
            (Place::DamagedCalendar, "読み取れない", "cannot be read"),
        ] {
            let facts = Facts { unremovable: [(place, Vec::new())].into(), ..Facts::default() };
            for (language, words) in [(Language::Ja, ja), (Language::En, en)] {
                let said = unclear(language, &facts);
                assert!(said.len() == 1 && said[0].contains(words), "{said:?}");
            }
        }
        assert!(unclear(Language::En, &Facts::default()).is_empty());
    }

    #[test]
    fn conditions_become_sentences() {
        for (key, wanted, found, ja, en) in [
            (
                "visible_external",
                ">= 10",
                "421",
                "社外のアドレス421件がお互いに見える状態です。",
                "421 outside addresses can see each other.",
            ),
            (
                "window",
                "of visible_external, hours 24, value >= 1000",
                "1622",
                "最近お送りになったメールと合わせると、お互いに見える社外のアドレス1,622件になります。",
                "Together with recent mails of the same sender this makes 1,622 outside addresses that others can see.",
            ),
            (
                "data.my_number",
                ">= 1",
                "1",
                "マイナンバー（個人番号）と思われる記載が1件あります。",
                "It seems to contain 1 × Individual Number (My Number).",
            ),
            (
                "to",
                "disposable, webmail",
                "1 / 1",
                "個人のアドレス（フリーメールや携帯電話など）と思われる宛先があります。",
                "A recipient seems to be a personal address (free mail, mobile phone).",
            ),
            (
                "to",
                "lookalike",
                "gmai.test (gmail.test?)",
                "宛先の「gmai.test」は、「gmail.test」のつづり間違いではありませんか。",
                "A recipient is at “gmai.test”. Did you mean “gmail.test”?",
            ),
        ] {
            assert_eq!(said(Language::Ja, key, wanted, found).as_deref(), Some(ja));
            assert_eq!(said(Language::En, key, wanted, found).as_deref(), Some(en));
        }
    }

    #[test]
    fn a_sum_that_this_mail_makes_alone_is_said_about_this_mail() {
        let mut facts = Facts::default();
        facts.persons.total = 669;
        let condition = |found: &str| Reason {
            key: "window".to_owned(),
            wanted: "of persons, hours 168, value >= 10".to_owned(),
            found: found.to_owned(),
        };
        for (found, said) in [
            ("669", "669人分の個人情報と思われる記載があります。"),
            ("700", "最近お送りになったメールと合わせると、700人分の個人情報になります。"),
        ] {
            assert_eq!(reason(Language::Ja, &condition(found), &facts).as_deref(), Some(said));
        }
    }

    #[test]
    fn what_was_found_as_text_is_not_repeated() {
        for (key, wanted, found) in [
            ("to", "webmail", "hidden@mail.test"),
            ("to", "lookalike", "hidden@mail.test (x?)"),
            ("subject", "秘密の言葉", "hidden@mail.test"),
            ("persons", ">= 1", "hidden@mail.test"),
            ("from", "@list", "hidden@mail.test"),
            ("header.x-y", "z", "hidden@mail.test"),
            ("unheard-of", "hidden@mail.test", "hidden@mail.test"),
        ] {
            for language in Language::ALL {
                let said = said(language, key, wanted, found).unwrap_or_default();
                assert!(!said.contains("hidden") && !said.contains("秘密の言葉"), "{key}: {said}");
            }
        }
    }
}
