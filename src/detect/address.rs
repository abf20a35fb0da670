//! Postal addresses in Japan.
//! It refuses a town alone: an address has a number in the town.
//!
//! *What it finds*: (prefecture) municipality, town, 丁目/番地/番/号 or 1-2-3; the prefecture may be missing, numbers may be kanji.
//! *Why it matters*: it leads to the door; with a name it is a leak of one person by itself.
//! *Form and check digit (with source)*: act on indication of residential addresses (住居表示に関する法律) and lot numbers; no check digit.
//! *What lifts it*: a prefecture or 〒 in front makes it certain.
//! *What it must not take*: `東京都千代田区` alone, venues as persons, ranges of numbers.
//! *Examples*: `東京都千代田区千代田1-1` certain, `仙台市青葉区国分町三丁目7番1号` likely, `横浜市の人口` nothing.

use super::context::{Entity, Scan, Weight, Word};
use super::number::{Chain, Joint};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &["住所", "現住所", "ご住所", "自宅住所", "居所", "本籍地", "送付先", "address", "所在地"];

/// Characters a town's name may have.
fn town(char: char) -> bool {
    matches!(char, '\u{4E00}'..='\u{9FFF}' | 'ァ'..='ヺ' | 'ー' | '々' | 'の' | 'が' | 'つ' | 'さ' | 'い' | 'た' | 'ま' | 'み' | 'な' | 'と' | 'き' | 'か' | 'え' | 'し' | 'く' | 'う' | 'は' | 'ら' | 'り' | 'る' | 'せ' | 'あ' | 'お' | 'こ' | 'に' | 'ひ' | 'ほ' | 'や' | 'む' | 'ふ' | 'よ' | 'ろ')
}

const KANJI_DIGITS: &str = "一二三四五六七八九十";

/// The bounds of an address around the number at `at..end`, and whether it is complete with prefecture.
fn around(text: &str, at: usize, end: usize) -> Option<(usize, bool)> {
    let mut start = at;
    let mut gap = false;
    for (offset, char) in text[..at].char_indices().rev() {
        if at - offset > 120 {
            break;
        }
        if town(char) || char.is_ascii_digit() && gap {
            start = offset;
        } else if matches!(char, ' ' | '　') && start == offset + char.len_utf8() && !gap {
            // One blank between prefecture, city and town is usual.
            gap = text[..offset].ends_with(['都', '道', '府', '県', '市', '区', '町', '村', '郡']);
            if !gap {
                break;
            }
            gap = false;
            start = offset;
        } else {
            break;
        }
    }
    let mut words = text[start..at].trim_start_matches([' ', '　']);
    for lead in ["住所は", "自宅は", "所在地は", "居所は", "実家は"] {
        if let Some(found) = words.rfind(lead) {
            words = &words[found + lead.len()..];
        }
    }
    // Particles in front belong to the sentence: 住所は東京都…
    for lead in [
        "住所は",
        "自宅は",
        "所在地は",
        "住所が",
        "は",
        "が",
        "の",
        "に",
        "と",
        "へ",
        "住所",
        "自宅",
        "現住所",
        "宛先",
        "本籍",
    ] {
        words = words.strip_prefix(lead).unwrap_or(words);
    }
    let prefecture = PREFECTURE_ENDS.iter().filter_map(|name| words.find(name)).min();
    let complete = prefecture.is_some();
    if let Some(found) = prefecture {
        words = &words[found..];
    }
    let municipality = words.char_indices().find(|(offset, char)| {
        matches!(char, '市' | '区' | '町' | '村' | '郡') && *offset > 0 && *offset < words.len()
    })?;
    let name = &words[..municipality.0];
    if name.chars().count() > if complete { 14 } else { 8 } || name.chars().all(|char| KANJI_DIGITS.contains(char)) {
        return None;
    }
    let _ = end;
    Some((at - words.len(), complete))
}

/// Names of the prefectures as they begin an address.
const PREFECTURE_ENDS: &[&str] = &[
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

/// Is a whole cell an address (for a column, where a number is not asked for)?
#[must_use]
pub fn cell(text: &str) -> bool {
    let count = text.chars().count();
    if !(4..=100).contains(&count) {
        return false;
    }
    let prefecture = PREFECTURE_ENDS.iter().any(|name| text.starts_with(name));
    let mut chars = text.char_indices();
    let municipality =
        chars.any(|(offset, char)| (3..=30).contains(&offset) && matches!(char, '市' | '区' | '町' | '村' | '郡'));
    let number = text.bytes().any(|byte| byte.is_ascii_digit()) || text.contains("丁目") || text.contains("番地");
    u8::from(prefecture) + u8::from(municipality) + u8::from(number) >= 2
}

/// Hash of the comparison form: no blanks, 丁目/番地/番/号 as hyphens, no prefecture.
#[must_use]
pub fn key(text: &str) -> u64 {
    let text = PREFECTURE_ENDS.iter().find_map(|name| text.strip_prefix(name)).unwrap_or(text);
    let mut hyphen = false;
    hash::of_chars(text.chars().filter_map(move |char| {
        let folded = match char {
            ' ' | '　' | '目' | '地' | '号' | 'の' | 'ノ' => return None,
            '丁' | '番' | '-' => '-',
            other => other,
        };
        let twice = folded == '-' && hyphen;
        hyphen = folded == '-';
        (!twice).then_some(folded)
    }))
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    let mut done = 0;
    for chain in scan.chains {
        if chain.start >= done
            && numbers_a_house(scan.text, chain)
            && let Some((start, complete)) = around(scan.text, chain.start, chain.end)
            && start >= done
        {
            let end = tail(scan.text, chain.end);
            push(scan, out, start, end, complete);
            done = end;
        }
    }
    for word in ["丁目", "番地"] {
        for found in memchr::memmem::find_iter(scan.text.as_bytes(), word.as_bytes()) {
            let before = &scan.text[..found];
            let number = before.trim_end_matches(|char| KANJI_DIGITS.contains(char));
            if number.len() < before.len()
                && let Some((start, complete)) = around(scan.text, number.len(), found)
                && !out.iter().any(|entity| entity.kind == Kind::Address && entity.start <= start && start < entity.end)
            {
                let end = tail(scan.text, found + word.len());
                push(scan, out, start, end, complete);
            }
        }
    }
}

/// Can this chain be the number in a town: `1-2-3`, `1丁目`, `12番地`, `3番4号`, or one number behind a full address?
fn numbers_a_house(text: &str, chain: &Chain) -> bool {
    if chain.plus || chain.groups().iter().any(|len| *len > 5) {
        return false;
    }
    let Some(before) = text[..chain.start].chars().next_back() else { return false };
    if !town(before) && !matches!(before, ' ' | '　') {
        return false;
    }
    let behind = &text[chain.end..];
    let unit = ["丁目", "番地", "番", "号", "条", "線", "の", "地割"].iter().any(|unit| behind.starts_with(unit));
    match chain.joint {
        Joint::Hyphen => chain.groups().len() <= 4 && chain.groups()[0] <= 4,
        Joint::None => {
            unit || (town(before)
                && !behind.starts_with([
                    '年', '月', '日', '時', '円', '人', '名', '件', '回', '%', '個', '世', '階', '位', '歳', '点',
                ])
                && !behind.starts_with(':')
                && text[..chain.start].ends_with([
                    '町', '通', '台', '丘', '原', '野', '田', '川', '山', '本', '島', '谷', '崎', '井', '沢', '村',
                    '郷',
                ]))
        }
        _ => false,
    }
}

/// The end of an address: further numbers, units, and a building's name up to a blank.
fn tail(text: &str, end: usize) -> usize {
    let mut stop = end;
    for char in text[end..].chars().take(30) {
        if char.is_ascii_digit()
            || matches!(
                char,
                '-' | '丁'
                    | '目'
                    | '番'
                    | '地'
                    | '号'
                    | 'の'
                    | '室'
                    | '階'
                    | '棟'
                    | 'F'
                    | '条'
                    | '線'
                    | '東'
                    | '西'
                    | '南'
                    | '北'
            )
        {
            stop += char.len_utf8();
        } else {
            break;
        }
    }
    stop
}

fn push(scan: &Scan<'_>, out: &mut Vec<Entity>, start: usize, end: usize, complete: bool) {
    let marked = complete || scan.before_in_line(start, 30, |word| word == Word::Label(Kind::Address));
    out.push(Entity {
        kind: Kind::Address,
        confidence: if marked { Confidence::Certain } else { Confidence::Likely },
        weight: Weight::Personal,
        hash: key(scan.text[start..end].trim()),
        start,
        end,
    });
}

#[cfg(test)]
mod tests {
    use super::super::context::Buffers;
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        let mut buffers = Buffers::default();
        let scan = buffers.scan(text);
        let mut out = Vec::new();
        find(&scan, &mut out);
        out.iter().map(|entity| text[entity.start..entity.end].to_owned()).collect()
    }

    #[test]
    fn addresses_are_cut_at_their_ends() {
        for (text, want) in [
            ("住所は東京都千代田区千代田1-1です", "東京都千代田区千代田1-1"),
            ("山田の自宅は仙台市青葉区国分町三丁目7番1号", "仙台市青葉区国分町三丁目7番1号"),
            ("大阪府 大阪市 北区 梅田1-2-3", "大阪府 大阪市 北区 梅田1-2-3"),
            ("北海道札幌市中央区北1条西2丁目", "北海道札幌市中央区北1条西2丁目"),
        ] {
            assert_eq!(addresses(text), [want], "{text}");
        }
    }

    #[test]
    fn towns_and_dates_are_no_addresses() {
        for text in [
            "東京都千代田区で開催",
            "市民1-2名",
            "平成28年4月",
            "横浜市の人口は377万人",
            "第3回 町内会 10:00",
            "都市 2024",
        ] {
            assert_eq!(addresses(text), [""; 0], "{text}");
        }
    }
}
