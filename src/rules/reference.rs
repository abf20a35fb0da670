//! The reference page of the rule language in English and Japanese, written from the table of keys.
//! It refuses to be edited by hand: `docs/rules-reference.md` must equal what this writes.

use super::classes::Class;
use super::keys::{self, Takes};
use super::schema::takes_words;
use super::window::Counted;
use std::fmt::Write as _;

/// The language of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Japanese,
}

impl Language {
    fn pick<T>(self, en: T, ja: T) -> T {
        match self {
            Self::English => en,
            Self::Japanese => ja,
        }
    }
}

/// The meaning of each class.
const CLASSES: [(Class, &str, &str); 9] = [
    (Class::Internal, "the organisation's own: list `internal`", "自組織（リスト `internal`）"),
    (Class::External, "everybody else", "それ以外"),
    (Class::Partner, "list `partners`", "取引先（リスト `partners`）"),
    (Class::Webmail, "free mail: list `webmail`", "フリーメール（リスト `webmail`）"),
    (Class::Carrier, "mobile carriers: list `carrier`", "携帯電話会社（リスト `carrier`）"),
    (Class::Isp, "internet providers: list `isp`", "プロバイダー（リスト `isp`）"),
    (Class::Disposable, "throw-away mail: list `disposable`", "使い捨てメール（リスト `disposable`）"),
    (
        Class::Lookalike,
        "nearly the name of a domain of your own, a partner's, or of list `well-known`",
        "自組織・取引先・リスト `well-known` のドメインによく似た名前",
    ),
    (Class::Personal, "webmail, carrier or isp", "webmail・carrier・isp のいずれか"),
];

/// The page as Markdown.
#[must_use]
pub fn reference(language: Language) -> String {
    let mut page = String::new();
    let out = &mut page;
    let text = |en: &'static str, ja: &'static str| language.pick(en, ja);
    line(out, text("# Rule reference", "# 規則のリファレンス"));
    line(
        out,
        text(
            "This page is written by `sekisho rules reference`; how to begin is in [rules/README.md](../rules/README.md).",
            "このページは `sekisho rules reference` が作ります。書き始め方は [rules/README.md](../rules/README.md) にあります。",
        ),
    );
    line(
        out,
        text(
            "All rules are evaluated. The strictest outcome wins, marks and rewritings add up, and every match is recorded. \
             Within a table all keys must hold; the values of a list are alternatives.",
            "規則はすべて評価されます。もっとも厳しい処置が適用され、表示の追加や書き換えは合わさり、該当した規則はすべて記録されます。\
             1つの表の条件はすべて成り立つ必要があり、リストの値はどれか1つでかまいません。",
        ),
    );
    plain(out, language, text("## A rule", "## 規則"), keys::RULE);
    line(out, text("## Conditions", "## 条件"));
    line(
        out,
        text("| key | takes | meaning | example |\n|---|---|---|---|", "| キー | 値 | 意味 | 例 |\n|---|---|---|---|"),
    );
    out.pop();
    for key in keys::CONDITIONS {
        let (en, ja) = takes_words(key);
        row(out, &[&code(key.name), language.pick(en, ja), language.pick(key.en, key.ja), &code(key.example)]);
    }
    out.push('\n');
    values(out, language);
    plain(out, language, text("## Outcomes", "## 処置"), keys::OUTCOMES);
    line(
        out,
        text(
            "From mild to strict: `log`, `tag`, `notify`, `delay`, `bcc`, `individual`, `hold = \"sender\"`, \
             `hold = \"approver\"`, `hold = \"admin\"`, `block`.",
            "緩いものから厳しいものへ：`log`、`tag`、`notify`、`delay`、`bcc`、`individual`、`hold = \"sender\"`、\
             `hold = \"approver\"`、`hold = \"admin\"`、`block`。",
        ),
    );
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// What the values of conditions look like.
fn values(out: &mut String, language: Language) {
    let text = |en: &'static str, ja: &'static str| language.pick(en, ja);
    line(out, text("## Values", "## 値"));
    line(
        out,
        text(
            "* **comparison**: `\">= 10\"`, `\"> 5MB\"`, `\"= 0\"`, with `>=`, `>`, `<=`, `<`, `=`, `!=`; sizes in KB, MB, GB of 1024.\n\
             * **word**: found anywhere, in any case and width (`ABC` is `ａｂｃ`); **/expression/**: a regular expression over the text as it is, \
             `/…/i` for any case; look-around and back-references do not exist.\n\
             * **@list**: a list of `[lists]`. **domain**: `city.example.jp` alone, `*.city.example.jp` all below it. **network**: `192.0.2.0/24`.\n\
             * **duration**: `90s`, `5m`, `24h`, `3d`, `2w`.",
            "* **比較**：`\">= 10\"`、`\"> 5MB\"`、`\"= 0\"`。使えるのは `>=`、`>`、`<=`、`<`、`=`、`!=`。大きさは KB・MB・GB（1024倍）。\n\
             * **言葉**：どこかに含まれるか。大文字・小文字と全角・半角は区別しません（`ABC` は `ａｂｃ` と同じ）。**/正規表現/**：文字をそのまま調べます。\
             `/…/i` は大文字・小文字を区別しません。先読み・後読み・後方参照は使えません。\n\
             * **@リスト**：`[lists]` の名前。**ドメイン**：`city.example.jp` はそれだけ、`*.city.example.jp` はその下すべて。**ネットワーク**：`192.0.2.0/24`。\n\
             * **時間の長さ**：`90s`、`5m`、`24h`、`3d`、`2w`。",
        ),
    );
    line(out, text("### Classes of addresses", "### アドレスの区分"));
    line(out, text("| class | meaning |\n|---|---|", "| 区分 | 意味 |\n|---|---|"));
    out.pop();
    for (class, en, ja) in CLASSES {
        row(out, &[&code(class.as_str()), language.pick(en, ja)]);
    }
    out.push('\n');
    line(out, text("### Words", "### 語"));
    for key in keys::CONDITIONS {
        if let Takes::Word(words) = key.takes {
            let _ = writeln!(out, "* `{}`: {}", key.name, listed(words().iter().map(String::as_str)));
        }
    }
    let _ = writeln!(out, "* `data.KIND`: {}", listed(keys::data_words().iter().map(String::as_str)));
    let _ = writeln!(out, "* `window.of`: {}\n", listed(Counted::ALL.map(Counted::as_str)));
}

fn plain(out: &mut String, language: Language, title: &str, table: &[keys::Plain]) {
    line(out, title);
    line(out, language.pick("| key | meaning | example |\n|---|---|---|", "| キー | 意味 | 例 |\n|---|---|---|"));
    out.pop();
    for (name, en, ja, example) in table {
        row(out, &[&code(name), language.pick(en, ja), &code(example)]);
    }
    out.push('\n');
}

/// A paragraph.
fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push_str("\n\n");
}

/// A row of a table; a bar inside a cell would end it.
fn row(out: &mut String, cells: &[&str]) {
    for cell in cells {
        let _ = write!(out, "| {} ", cell.replace('|', "\\|"));
    }
    out.push_str("|\n");
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn listed<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(code).collect::<Vec<_>>().join(", ")
}
