//! Names of persons.
//! It refuses to make a person of a name: greetings, officials and authors are names too.
//!
//! *What it finds*: kanji family and given names of the gazetteer in text; anything that can be a name in a name column.
//! *Why it matters*: it is what ties all other data to somebody.
//! *Form and check digit (with source)*: gazetteer compiled from IPADIC and a list of personal names (see `data/`).
//! *What lifts it*: a heading or label 氏名; family and given name both known; an honorific.
//! *What it must not take*: company names, place names, sums and blanks in a name column, role words.
//! *Examples*: `氏名：山田 太郎` certain, `山田太郎様` likely, `佐藤様` weak.

use super::gazetteer::{is_given_name, is_surname};
use super::hash;

/// The common form of a variant kanji.
#[must_use]
pub fn plain_kanji(char: char) -> char {
    match char {
        '髙' => '高',
        '﨑' | '嵜' => '崎',
        '邉' | '邊' => '辺',
        '齋' => '斎',
        '齊' => '斉',
        '澤' => '沢',
        '濱' | '濵' => '浜',
        '櫻' => '桜',
        '國' => '国',
        '廣' => '広',
        '惠' => '恵',
        '眞' => '真',
        '德' => '徳',
        '瀨' => '瀬',
        '橫' => '横',
        '藏' => '蔵',
        '增' => '増',
        '靑' => '青',
        '黑' => '黒',
        '龍' => '竜',
        '學' => '学',
        '壽' => '寿',
        '實' => '実',
        '榮' => '栄',
        '圓' => '円',
        '縣' => '県',
        '嶋' | '嶌' => '島',
        '冨' => '富',
        '峯' => '峰',
        '槇' => '槙',
        '桒' => '桑',
        '栁' => '柳',
        '條' => '条',
        '假' => '仮',
        '舩' => '船',
        '曾' => '曽',
        '萬' => '万',
        '吉' | '𠮷' => '吉',
        '彌' => '弥',
        '兒' => '児',
        '來' => '来',
        '會' => '会',
        '關' => '関',
        '鐵' => '鉄',
        '寬' => '寛',
        other => other,
    }
}

/// Honorifics and titles behind a name.
pub(super) const HONORIFICS: &[&str] =
    &["ちゃん", "さん", "くん", "先生", "様", "さま", "氏", "殿", "君", "どの", "選手", "児童", "園児"];

/// Titles that make a name an official's or a colleague's.
pub(super) const TITLES: &[&str] = &[
    "市長",
    "町長",
    "村長",
    "区長",
    "知事",
    "議員",
    "議長",
    "委員長",
    "委員",
    "部長",
    "課長",
    "係長",
    "局長",
    "室長",
    "次長",
    "社長",
    "会長",
    "理事長",
    "理事",
    "校長",
    "教頭",
    "教授",
    "准教授",
    "院長",
    "所長",
    "館長",
    "主任",
    "主事",
    "主査",
    "主幹",
    "主席",
    "専務",
    "常務",
    "取締役",
    "監査役",
    "弁護士",
    "大臣",
    "記者",
    "講師",
    "監督",
    "店長",
    "支店長",
    "代表",
    "担当",
    "マネージャー",
    "リーダー",
];

/// A name without honorific and outer blanks.
#[must_use]
pub fn bare(text: &str) -> &str {
    let text = text.trim_matches(|char: char| {
        char.is_whitespace() || matches!(char, '・' | '*' | '※' | '○' | '●' | '◎' | '、' | ',')
    });
    for honorific in HONORIFICS {
        if let Some(rest) = text.strip_suffix(honorific) {
            let rest = rest.trim_end();
            if rest.chars().count() >= 2 {
                return rest;
            }
        }
    }
    text
}

/// The comparison form of a name: no blanks, common kanji, katakana for hiragana, lower case, no honorific.
#[must_use]
pub fn key(text: &str) -> u64 {
    hash::of_chars(
        bare(text).chars().filter(|char| !char.is_whitespace() && !matches!(char, '・' | '.' | ',' | '=' | '-')).map(
            |char| {
                let char = plain_kanji(char);
                match char {
                    'ぁ'..='ゖ' => char::from_u32(u32::from(char) + 0x60).unwrap_or(char),
                    'A'..='Z' => char.to_ascii_lowercase(),
                    _ => char,
                }
            },
        ),
    )
}

/// What letters a text is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    pub kanji: usize,
    pub hiragana: usize,
    pub katakana: usize,
    pub latin: usize,
    pub digits: usize,
    pub blanks: usize,
    pub other: usize,
}

impl Letters {
    /// Counts them.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut all = Self::default();
        for char in text.chars() {
            match char {
                '\u{4E00}'..='\u{9FFF}'
                | '\u{3400}'..='\u{4DBF}'
                | '\u{F900}'..='\u{FAFF}'
                | '\u{20000}'..='\u{2FFFF}'
                | '々'
                | '〆' => all.kanji += 1,
                'ぁ'..='ゖ' => all.hiragana += 1,
                'ァ'..='ヺ' | 'ー' => all.katakana += 1,
                '0'..='9' => all.digits += 1,
                ' ' | '　' | '\t' | '\n' | '・' => all.blanks += 1,
                '.' | '\'' | '-' | ',' => all.blanks += 1,
                _ if char.is_alphabetic() => all.latin += 1,
                _ => all.other += 1,
            }
        }
        all
    }

    /// All that is neither blank nor other.
    #[must_use]
    pub fn letters(self) -> usize {
        self.kanji + self.hiragana + self.katakana + self.latin
    }
}

/// Words that stand in a name column and are no names.
const NO_NAMES: &[&str] = &[
    "合計",
    "小計",
    "総計",
    "計",
    "平均",
    "以下余白",
    "余白",
    "該当なし",
    "該当者なし",
    "なし",
    "無し",
    "無",
    "有",
    "同上",
    "未定",
    "不明",
    "記入例",
    "記載例",
    "見本",
    "サンプル",
    "例",
    "氏名",
    "名前",
    "お名前",
    "空欄",
    "欠番",
    "担当者",
    "本人",
    "全員",
    "各位",
    "その他",
    "事務局",
    "受付",
    "n/a",
    "na",
    "none",
    "null",
    "test",
    "name",
    "total",
    "unknown",
    "住所",
    "電話番号",
    "備考",
    "性別",
    "男",
    "女",
    "男性",
    "女性",
    "テスト",
    "総務課",
    "生徒",
    "児童",
    "保護者",
];

/// Parts of the names of organisations and places of business.
const ORGANISATIONS: &[&str] = &[
    "株式会社",
    "有限会社",
    "合同会社",
    "(株)",
    "(有)",
    "(合)",
    "法人",
    "組合",
    "センター",
    "商店",
    "商会",
    "工業",
    "製作所",
    "病院",
    "医院",
    "クリニック",
    "薬局",
    "大学",
    "学校",
    "小学",
    "中学",
    "高校",
    "保育園",
    "幼稚園",
    "こども園",
    "市役所",
    "役場",
    "委員会",
    "協会",
    "学園",
    "事務所",
    "支店",
    "本店",
    "営業所",
    "研究所",
    "公民館",
    "図書館",
    "体育館",
    "ホール",
    "自治会",
    "町内会",
    "カ)",
    "ユ)",
    "(カ",
    "(ユ",
    "inc",
    "co.,",
    "co.ltd",
    "ltd",
    "corp",
    "gmbh",
    "llc",
    "部会",
    "課",
    "サービス",
];

/// Is this the name of an organisation?
#[must_use]
pub fn is_organisation(text: &str) -> bool {
    let ascii = text.is_ascii();
    ORGANISATIONS.iter().any(|part| {
        if part.is_ascii() && ascii { text.to_ascii_lowercase().contains(part) } else { text.contains(part) }
    })
}

/// Can this be the name of a person, when it stands where a name is expected?
#[must_use]
pub fn possible(text: &str) -> bool {
    let text = bare(text);
    let letters = Letters::of(text);
    let count = letters.letters();
    let most = if letters.kanji > 0 { 10 } else { 40 };
    if count < 2 && letters.kanji == 0 || count == 0 || count > most || letters.digits > 0 || letters.other > 2 {
        return false;
    }
    if letters.hiragana > 8 && letters.kanji > 0 || (letters.latin > 0 && letters.kanji > 0 && letters.latin > 4) {
        return false;
    }
    let lower;
    let folded = if letters.latin > 0 {
        lower = text.to_lowercase();
        lower.as_str()
    } else {
        text
    };
    !NO_NAMES.contains(&folded) && !is_organisation(text)
}

/// Is this, as a whole, a family and a given name of the gazetteer (kanji), or two words of katakana?
#[must_use]
pub fn known(text: &str) -> bool {
    let text = bare(text);
    let letters = Letters::of(text);
    if letters.digits > 0 || letters.other > 0 || letters.latin > 0 || letters.letters() > 10 || letters.kanji == 0 {
        return false;
    }
    let plain: String = text.chars().map(plain_kanji).collect();
    let mut parts = plain.split([' ', '　']).filter(|part| !part.is_empty());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(one), Some(other), None) => is_surname(one) && (is_given_name(other) || other.chars().count() <= 3),
        (Some(one), None, None) => {
            split(one).is_some_and(|at| at < one.len() && (2..=7).contains(&one.chars().count()))
        }
        _ => false,
    }
}

/// Where the given name begins in a full name without blank; only when both parts are known.
#[must_use]
pub fn split(plain: &str) -> Option<usize> {
    let count = plain.chars().count();
    plain
        .char_indices()
        .skip(1)
        .map(|(at, _)| at)
        .filter(|at| {
            let (surname, given) = plain.split_at(*at);
            let (one, other) = (surname.chars().count(), given.chars().count());
            one <= 5
                && other <= 4
                && (count > 2 || one + other > 2)
                && is_surname(surname)
                && is_given_name(given)
                && !place(given)
        })
        // The longest family name is the likeliest: 長谷川 before 長谷.
        .max()
}

/// One-character endings that make a place or a count of what looks like a name.
pub(super) fn place(given: &str) -> bool {
    let mut chars = given.chars();
    matches!((chars.next(), chars.next()), (Some(one), None) if "市町村区県郡島川山部課室係長様氏殿社店館校院所駅線台丁号番月日年時分円名人件個回本中内外上下間前後以等者案的会場東西南北方口目".contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_key() {
        assert_eq!(key("髙橋 健一様"), key("高橋　健一"));
        assert_eq!(key("やまだ たろう"), key("ヤマダタロウ"));
        assert_ne!(key("山田太郎"), key("山田次郎"));
    }

    #[test]
    fn a_name_column_holds_more_than_names() {
        for text in ["山田太郎", "ヤマダ タロウ", "John Smith", "NGUYEN VAN A", "李", "金城 さくら", "マリア・シルバ"]
        {
            assert!(possible(text), "{text}");
        }
        for text in
            ["合計", "", "(株)関所", "123", "以下余白", "東京都千代田区千代田1-1", "この欄には記入しないでください"]
        {
            assert!(!possible(text), "{text}");
        }
    }
}
