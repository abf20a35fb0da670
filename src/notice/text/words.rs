//! Short names of what the program found and of what can be done, for labels and lists.
//! It refuses the words of the rule language: readers never wrote a rule.

use super::Language;
use crate::detect::Kind;
use crate::extract::Why;
use crate::rules::verdict::Repair;

/// What a finding is called.
#[must_use]
pub fn kind(language: Language, kind: Kind) -> &'static str {
    match kind {
        Kind::MyNumber => language.pick("マイナンバー（個人番号）", "Individual Number (My Number)"),
        Kind::DriversLicense => language.pick("運転免許証の番号", "Driver's licence number"),
        Kind::Passport => language.pick("旅券（パスポート）の番号", "Passport number"),
        Kind::ResidenceCard => language.pick("在留カードの番号", "Residence card number"),
        Kind::HealthInsurance => language.pick("健康保険の記号・番号", "Health insurance number"),
        Kind::PensionNumber => language.pick("基礎年金番号", "Pension number"),
        Kind::EmploymentInsurance => language.pick("雇用保険の番号", "Employment insurance number"),
        Kind::ResidentRecordCode => language.pick("住民票コード", "Resident record code"),
        Kind::Phone => language.pick("電話番号", "Phone number"),
        Kind::PostalCode => language.pick("郵便番号", "Postal code"),
        Kind::Address => language.pick("住所", "Address"),
        Kind::EmailAddress => language.pick("メールアドレス", "E-mail address"),
        Kind::BirthDate => language.pick("生年月日", "Date of birth"),
        Kind::BankAccount => language.pick("銀行口座", "Bank account"),
        Kind::CreditCard => language.pick("クレジットカードの番号", "Credit card number"),
        Kind::Name => language.pick("氏名", "Name"),
        Kind::Health => language.pick("健康に関する情報", "Health information"),
        Kind::Welfare => language.pick("福祉に関する情報", "Welfare information"),
        Kind::Grades => language.pick("成績に関する情報", "School grades"),
        Kind::Discipline => language.pick("指導・処分に関する情報", "Disciplinary information"),
        Kind::Tax => language.pick("税に関する情報", "Tax information"),
        Kind::Crime => language.pick("犯罪に関する情報", "Information about crime"),
        Kind::Belief => language.pick("信条に関する情報", "Information about belief"),
        Kind::Family => language.pick("家族に関する情報", "Family information"),
        Kind::ArchivePassword => language.pick("添付ファイルのパスワード", "Password of an attachment"),
        Kind::Credential => language.pick("IDとパスワードなど", "ID with password or key"),
        Kind::ConfidentialMark => language.pick("「社外秘」などの表示", "Mark such as “Confidential”"),
    }
}

/// Why something could not be read.
#[must_use]
pub fn why(language: Language, why: Why) -> &'static str {
    match why {
        Why::Encrypted => language.pick(
            "パスワードがかかっているため、中を確認できませんでした",
            "It is protected by a password, so its content could not be checked",
        ),
        Why::Unsupported => {
            language.pick("中を確認できない種類のファイルです", "It is a kind of file whose content cannot be checked")
        }
        Why::Limit => language.pick(
            "とても大きいため、途中までしか確認できませんでした",
            "It is very large, so only part of it could be checked",
        ),
        Why::Damaged => language.pick(
            "ファイルが壊れている可能性があり、中を確認できませんでした",
            "It may be damaged, so its content could not be checked",
        ),
        Why::Image => language.pick(
            "画像のため、書かれている文字を確認できませんでした",
            "It is an image, and no text in it could be read",
        ),
    }
}

/// The same in a few words, for a sentence that lists them.
#[must_use]
pub fn why_short(language: Language, why: Why) -> &'static str {
    match why {
        Why::Encrypted => language.pick("パスワード付き", "protected by a password"),
        Why::Unsupported => language.pick("確認できない種類", "a kind that cannot be checked"),
        Why::Limit => language.pick("大きすぎるもの", "too large"),
        Why::Damaged => language.pick("壊れている可能性のあるもの", "possibly damaged"),
        Why::Image => language.pick("画像", "images"),
    }
}

/// What a choice is called, on its button and in mails.
#[must_use]
pub fn repair(language: Language, repair: Repair) -> &'static str {
    match repair {
        Repair::Bcc => language.pick("Bcc に変更して送信", "Send with Bcc"),
        Repair::Individual => language.pick("一人ずつ個別に送信", "Send one by one"),
        Repair::AsIs => language.pick("このまま送信", "Send as it is"),
        Repair::Cancel => language.pick("取り消し", "Do not send"),
    }
}

/// What the recipients will see after a choice, in one sentence.
#[must_use]
pub fn repair_effect(language: Language, repair: Repair) -> &'static str {
    match repair {
        Repair::Bcc => language.pick(
            "社外の方のアドレスを宛先の欄から外し、お互いに見えないようにして送ります。",
            "Outside addresses are taken out of the To and Cc lines, so that outside recipients cannot see each other.",
        ),
        Repair::Individual => language.pick(
            "社外の方には一通ずつ送ります。それぞれの宛先には、ご本人のアドレスだけが表示されます。",
            "Each outside recipient gets a copy of his or her own, which shows no other address.",
        ),
        Repair::AsIs => language.pick(
            "変更せずに送ります。宛先と Cc のアドレスは、受け取った方全員に見えます。",
            "Nothing is changed. Every recipient sees all addresses in To and Cc.",
        ),
        Repair::Cancel => {
            language.pick("送信を取りやめます。どなたにも届きません。", "The mail is not sent to anybody.")
        }
    }
}

/// A place in the reader's words: `body line 3` is `本文 3行目`, and `!` between an archive and its entry becomes `›`.
#[must_use]
pub fn place(language: Language, place: &str) -> String {
    let place = place.replace('!', " › ");
    let Language::Ja = language else { return place };
    let numbered = place.rsplit_once(" line ").filter(|(_, line)| line.bytes().all(|byte| byte.is_ascii_digit()));
    let (base, line) = numbered.map_or((place.as_str(), None), |(base, line)| (base, Some(line)));
    let base = match base {
        "body" => "本文",
        "subject" => "件名",
        other => other,
    };
    line.map_or_else(|| base.to_owned(), |line| format!("{base} {line}行目"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_readers_words() {
        for (written, ja, en) in [
            ("body line 3", "本文 3行目", "body line 3"),
            ("subject", "件名", "subject"),
            (
                "名簿.zip!5年生.xlsx!Sheet1!C12",
                "名簿.zip › 5年生.xlsx › Sheet1 › C12",
                "名簿.zip › 5年生.xlsx › Sheet1 › C12",
            ),
            ("memo.txt line 12", "memo.txt 12行目", "memo.txt line 12"),
            ("bus line map.pdf", "bus line map.pdf", "bus line map.pdf"),
        ] {
            assert_eq!(place(Language::Ja, written), ja);
            assert_eq!(place(Language::En, written), en);
        }
    }
}
