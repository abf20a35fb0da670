//! The one table of everything a rule may say: keys, what they take, and what they mean in English and Japanese.
//! It refuses to be repeated: the reader's suggestions, the JSON Schema and the reference page all come from here.

use crate::detect::Kind;
use crate::extract::Why;
use crate::facts::MailKind;
use serde::de::DeserializeOwned;
use std::sync::LazyLock;

/// What a condition takes.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A comparison: `">= 10"`.
    Number,
    /// `true` or `false`.
    Flag,
    /// `true`, `false` or a comparison.
    FlagOrNumber,
    /// A class, `@list`, domain or address.
    Address,
    /// A word, `/expression/` or `@list`.
    Text,
    /// `true`, `false`, or a text.
    FlagOrText,
    /// A network `192.0.2.0/24` or `@list`.
    Network,
    /// One of these words.
    Word(fn() -> &'static [String]),
    /// A kind of file by content (`xlsx`, `zip`).
    FileKind,
    /// `{ of, to, hours, value }`.
    Window,
    /// `office_hours`, … or `"08:30-17:15"`.
    Time,
    /// One table of conditions.
    Table,
    /// A list of tables of conditions.
    Tables,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key; `header.NAME` and `data.KIND` stand for families.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// The meaning in English.
    pub en: &'static str,
    /// The meaning in Japanese.
    pub ja: &'static str,
    /// An example as it stands in a rule.
    pub example: &'static str,
}

const fn key(name: &'static str, takes: Takes, en: &'static str, ja: &'static str, example: &'static str) -> Key {
    Key { name, takes, en, ja, example }
}

/// The keys of `when` and `unless`.
pub const CONDITIONS: &[Key] = &[
    key(
        "from",
        Takes::Address,
        "the sender: the envelope's, or one of the From and Sender fields; \"<>\" is the empty sender of a delivery report",
        "差出人（エンベロープ、From、Sender のいずれか）。\"<>\" は配送通知の空の差出人",
        "from = \"@newsletter-senders\"",
    ),
    key(
        "login",
        Takes::Text,
        "the name the sending client signed in with",
        "送信クライアントが認証に使った名前",
        "login = \"scanner\"",
    ),
    key(
        "login_mismatch",
        Takes::Flag,
        "the client signed in, and the sender (envelope or From) is somebody else",
        "認証に使った名前と差出人（エンベロープまたは From）が違う",
        "login_mismatch = true",
    ),
    key(
        "client",
        Takes::Network,
        "the network address of the sending client",
        "送信クライアントのIPアドレス",
        "client = \"192.0.2.0/24\"",
    ),
    key(
        "to",
        Takes::Address,
        "at least one recipient is of this class, list, domain or address; hidden (Bcc) recipients count",
        "この区分・リスト・ドメイン・アドレスの宛先が1件以上ある（Bcc を含む）",
        "to = \"webmail\"",
    ),
    key(
        "to_all",
        Takes::Address,
        "every recipient is one of these",
        "すべての宛先がこのいずれかである",
        "to_all = [\"internal\", \"partner\"]",
    ),
    key(
        "visible",
        Takes::Number,
        "distinct addresses that a recipient sees: in To and Cc, as attendees of a calendar, in a winmail.dat",
        "受信者に見えるアドレス（To・Cc、予定表の参加者、winmail.dat の宛先）の数",
        "visible = \">= 50\"",
    ),
    key(
        "visible_external",
        Takes::Number,
        "of those, addresses outside the organisation",
        "受信者に見える宛先のうち、組織外の数",
        "visible_external = \">= 10\"",
    ),
    key(
        "visible_personal",
        Takes::Number,
        "of those, private mailboxes (webmail, mobile carrier, internet provider)",
        "受信者に見える宛先のうち、個人のメール（フリーメール・携帯・プロバイダー）の数",
        "visible_personal = \">= 3\"",
    ),
    key(
        "visible_external_domains",
        Takes::Number,
        "distinct outside domains among the visible addresses",
        "受信者に見える組織外ドメインの数",
        "visible_external_domains = \">= 5\"",
    ),
    key("recipients", Takes::Number, "distinct recipients of the whole mail", "宛先の総数", "recipients = \">= 100\""),
    key(
        "external_recipients",
        Takes::Number,
        "distinct recipients outside the organisation, hidden ones too",
        "組織外の宛先の数（Bcc を含む）",
        "external_recipients = \">= 100\"",
    ),
    key(
        "hidden_only",
        Takes::Flag,
        "there are outside recipients, and all of them are hidden (Bcc)",
        "組織外の宛先がすべて Bcc である",
        "hidden_only = true",
    ),
    key(
        "first_contact",
        Takes::FlagOrNumber,
        "outside recipients to whom this sender never wrote before",
        "この差出人が初めて送る組織外の宛先",
        "first_contact = true",
    ),
    key("subject", Takes::Text, "the subject", "件名", "subject = \"見積\""),
    key("body", Takes::Text, "the body as the sender wrote it", "本文", "body = \"/社内限り|部外秘/\""),
    key(
        "text",
        Takes::Text,
        "all text that was read: subject, body, attachments, file names, document properties",
        "読み取ったすべての文字（件名・本文・添付・ファイル名・文書プロパティ）",
        "text = \"@project-names\"",
    ),
    key(
        "header.NAME",
        Takes::Text,
        "a header field of this name",
        "この名前のヘッダー",
        "header.x-mailer = \"PHPMailer\"",
    ),
    key(
        "attachment_name",
        Takes::Text,
        "the name of an attachment or of a file in an archive",
        "添付ファイル名（圧縮ファイルの中も含む）",
        "attachment_name = \"名簿\"",
    ),
    key(
        "attachment.kind",
        Takes::FileKind,
        "the kind by content, not by name; all attachment.* keys of one table speak about the same file",
        "内容から判定した種類（名前ではない）。1つの表の attachment.* は同じファイルについての条件",
        "attachment.kind = [\"xlsx\", \"csv\"]",
    ),
    key(
        "attachment.count",
        Takes::Number,
        "how many files fit the other attachment.* keys of the table (all files when there are none)",
        "同じ表の attachment.* に合うファイルの数（ほかになければ全ファイル）",
        "attachment.count = \">= 20\"",
    ),
    key("attachment.bytes", Takes::Number, "the size of the file", "ファイルの大きさ", "attachment.bytes = \"> 5MB\""),
    key(
        "attachment.disguised",
        Takes::Flag,
        "the content is not what the name says",
        "内容と拡張子が一致しない",
        "attachment.disguised = true",
    ),
    key("attachment.macro", Takes::Flag, "the file carries macros", "マクロを含む", "attachment.macro = true"),
    key(
        "unreadable",
        Takes::Word(unreadable_words),
        "something in the mail could not be read, for this reason; \"any\" is every reason",
        "読み取れなかったものがある（理由別。\"any\" はすべて）",
        "unreadable = [\"encrypted\", \"damaged\"]",
    ),
    key(
        "unreadable_except",
        Takes::FileKind,
        "kinds of files that `unreadable` of the same table does not count (sound, film)",
        "同じ表の unreadable で数えないファイルの種類（音声・動画など）",
        "unreadable_except = [\"audio\", \"video\"]",
    ),
    key(
        "persons",
        Takes::Number,
        "distinct persons identified in body and attachments; the sender's and the recipient's own data do not count",
        "本文と添付から特定できる個人の数（差出人・受信者自身は数えない）",
        "persons = \">= 100\"",
    ),
    key(
        "sensitive_persons",
        Takes::Number,
        "of those, with sensitive data (health, welfare, crime, belief, grades, discipline, tax)",
        "そのうち要配慮個人情報等（健康・福祉・犯罪・信条・成績・懲戒・税）を伴う人数",
        "sensitive_persons = \">= 1\"",
    ),
    key(
        "financial_persons",
        Takes::Number,
        "of those, with financial data (bank account, credit card)",
        "そのうち口座・カード番号を伴う人数",
        "financial_persons = \">= 1\"",
    ),
    key("data.KIND", Takes::Number, "distinct values of one kind of data", "種類別の件数", "data.my_number = \">= 1\""),
    key(
        "min_confidence",
        Takes::Word(confidence_words),
        "how sure the data.KIND keys of this table must be; \"likely\" when it is not given",
        "この表の data.KIND に求める確からしさ（省略時は likely）",
        "min_confidence = \"certain\"",
    ),
    key(
        "credentials",
        Takes::Number,
        "accounts whose password, key or token is in the mail",
        "パスワードや鍵が書かれたアカウントの数",
        "credentials = \">= 1\"",
    ),
    key(
        "confidential",
        Takes::FlagOrText,
        "a confidential mark was found, or one with this text",
        "秘密表示がある（または、この文字の表示がある）",
        "confidential = true",
    ),
    key("bytes", Takes::Number, "the size of the whole mail", "メール全体の大きさ", "bytes = \"> 20MB\""),
    key(
        "window",
        Takes::Window,
        "a sum over this sender's mails of the last hours, this one included",
        "同じ差出人の直近の合計（このメールを含む）",
        "window = { of = \"persons\", to = \"webmail\", hours = 168, value = \">= 10\" }",
    ),
    key("mail_kind", Takes::Word(mail_kind_words), "what kind of mail it is", "メールの種類", "mail_kind = \"recall\""),
    key(
        "time",
        Takes::Time,
        "when it was sent: office_hours (Monday to Friday 08:00–18:00, no holiday), outside_office_hours, weekend, holiday, or a range",
        "送信時刻。office_hours（平日 8:00〜18:00）、outside_office_hours、weekend、holiday（祝日）、または範囲",
        "time = \"outside_office_hours\"",
    ),
    key(
        "recipients_unclear",
        Takes::Flag,
        "the recipient fields cannot be read without doubt",
        "宛先欄を確実に読み取れない",
        "recipients_unclear = true",
    ),
    key(
        "inspection_failed",
        Takes::Flag,
        "the inspection could not be finished",
        "検査を完了できなかった",
        "inspection_failed = true",
    ),
    key(
        "any",
        Takes::Tables,
        "at least one of these tables holds",
        "いずれかの表が成り立つ",
        "any = [{ persons = \">= 1\" }, { credentials = \">= 1\" }]",
    ),
    key(
        "all",
        Takes::Tables,
        "each of these tables holds",
        "すべての表が成り立つ",
        "all = [{ to = \"webmail\" }, { to = \"partner\" }]",
    ),
    key("not", Takes::Table, "this table does not hold", "この表が成り立たない", "not = { mail_kind = \"list\" }"),
];

/// A key outside conditions: name, English, Japanese, example.
pub type Plain = (&'static str, &'static str, &'static str, &'static str);

/// The keys of `[[rule]]`.
pub const RULE: &[Plain] = &[
    (
        "id",
        "stable name, used in notices, replies, the audit trail and statistics: a-z, 0-9, - and _",
        "変わらない名前。通知・応答・監査・統計に使う（a-z 0-9 - _）",
        "id = \"visible-addresses\"",
    ),
    (
        "title",
        "the sentence people read, in both languages",
        "利用者が読む文（英語と日本語）",
        "title = { en = \"Many outside addresses can see each other\", ja = \"社外アドレスが互いに見えます\" }",
    ),
    (
        "mode",
        "`enforce` (default), `observe` (recorded only) or `off`",
        "enforce（既定）、observe（記録のみ）、off",
        "mode = \"observe\"",
    ),
    (
        "scope",
        "`mail` (default: nothing leaves until all is decided) or `recipient` (recipients not concerned get it at once)",
        "mail（既定。全体を止める）または recipient（関係のない宛先には先に送る）",
        "scope = \"recipient\"",
    ),
    ("when", "the conditions; all must hold", "条件（すべて成り立つとき）", "when = { visible_external = \">= 10\" }"),
    (
        "unless",
        "exceptions; the rule does not apply when all of these hold",
        "例外（すべて成り立つときは適用しない）",
        "unless = { from = \"@newsletter-senders\" }",
    ),
    ("then", "what happens", "処置", "then = { hold = \"sender\" }"),
];

/// The keys of `then`.
pub const OUTCOMES: &[Plain] = &[
    ("log", "record the match", "記録する", "then = \"log\""),
    (
        "tag",
        "add a header field (X-…) or text in front of the subject",
        "ヘッダー（X-…）や件名の前の文字を加える",
        "tag = { subject = \"【社外】\", header = \"X-Checked: yes\" }",
    ),
    (
        "notify",
        "tell these people; `sender` is the sender",
        "知らせる相手（sender は差出人）",
        "notify = [\"sender\", \"@privacy-office\"]",
    ),
    (
        "copy_to",
        "additional recipients, not visible in the mail",
        "写しの送り先（メールには表れない）",
        "copy_to = [\"archive@city.example.jp\"]",
    ),
    (
        "delay",
        "leaves by itself after this time; until then the sender may cancel it or send it at once",
        "この時間のあと自動で送る。それまで差出人は取り消しも即時送信もできる",
        "delay = \"5m\"",
    ),
    (
        "internal",
        "with delay: `now` gives inside recipients the mail at once",
        "delay とともに：now で組織内には先に送る",
        "internal = \"now\"",
    ),
    ("bcc", "remove outside addresses from To and Cc", "To・Cc から組織外の宛先を消して送る", "then = \"bcc\""),
    (
        "individual",
        "one copy per outside recipient, with its own address alone",
        "組織外の宛先に1通ずつ送る",
        "then = \"individual\"",
    ),
    (
        "hold",
        "wait for a decision by `sender`, `approver` or `admin`",
        "保留する。判断者は sender（本人）、approver（承認者）、admin（管理者）",
        "hold = \"sender\"",
    ),
    (
        "repairs",
        "what may be chosen at release: bcc, individual, as_is, cancel",
        "解除のときの選択肢（bcc、individual、as_is、cancel）",
        "repairs = [\"bcc\", \"individual\", \"cancel\"]",
    ),
    ("approvers", "with hold = \"approver\": who may approve", "承認者", "approvers = [\"@managers\"]"),
    ("approvals", "how many of them must agree", "必要な承認の数", "approvals = 2"),
    (
        "escalate",
        "deputies who are asked after a while",
        "時間がたったら尋ねる代理",
        "escalate = [{ after = \"4h\", to = [\"@deputies\"] }]",
    ),
    (
        "expires",
        "when the hold ends by itself (sender 24h, others 3d)",
        "保留の期限（既定は本人 24h、ほか 3d）",
        "expires = \"24h\"",
    ),
    (
        "on_expiry",
        "`return` (default: to the sender, with a notice), `release` or `escalate`",
        "期限が来たとき：return（既定。差出人に返す）、release、escalate",
        "on_expiry = \"return\"",
    ),
    (
        "block",
        "refuse in the SMTP dialogue (true), or accept, discard and tell the sender (\"notice\")",
        "受信を拒否する（true）、または受け取って破棄し差出人に知らせる（\"notice\"）",
        "then = \"block\"",
    ),
];

/// The words of an enumeration, read from its own serialisation, so that a new variant needs no second list.
fn words_of<T: schemars::JsonSchema>() -> Vec<String> {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>();
    let mut words = Vec::new();
    collect_words(schema.as_value(), &mut words);
    words
}

fn collect_words(value: &serde_json::Value, words: &mut Vec<String>) {
    let constants = value.get("const").into_iter();
    let listed = value.get("enum").and_then(serde_json::Value::as_array).into_iter().flatten();
    words.extend(constants.chain(listed).filter_map(serde_json::Value::as_str).map(str::to_owned));
    for choice in value.get("oneOf").and_then(serde_json::Value::as_array).into_iter().flatten() {
        collect_words(choice, words);
    }
}

/// The value that an enumeration writes as this word.
pub(super) fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

/// The words for `data.KIND`.
#[must_use]
pub fn data_words() -> &'static [String] {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(words_of::<Kind>);
    &WORDS
}

/// The words for `mail_kind`.
#[must_use]
pub fn mail_kind_words() -> &'static [String] {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(words_of::<MailKind>);
    &WORDS
}

/// The words for `unreadable`.
#[must_use]
pub fn unreadable_words() -> &'static [String] {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut words = words_of::<Why>();
        words.push("any".to_owned());
        words
    });
    &WORDS
}

/// The words for `min_confidence`.
#[must_use]
pub fn confidence_words() -> &'static [String] {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(words_of::<crate::detect::Confidence>);
    &WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_from_the_enumerations() {
        assert!(data_words().iter().any(|word| word == "my_number"), "{:?}", data_words());
        assert!(mail_kind_words().iter().any(|word| word == "recall"));
        assert!(unreadable_words().iter().any(|word| word == "any"));
        assert_eq!(confidence_words(), ["weak", "likely", "certain"]);
        for word in data_words() {
            assert!(from_word::<Kind>(word).is_some(), "{word}");
        }
    }
}
