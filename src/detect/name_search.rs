//! Names in running text: cut out of a line by the gazetteer, the honorific behind and the words before.
//! It refuses to say whom a name belongs to; titles and honorifics are reported, not judged.

use super::gazetteer::{is_given_name, is_surname};
use super::name::{HONORIFICS, TITLES, place, plain_kanji, split};

/// A name in running text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub start: usize,
    pub end: usize,
    /// Family and given name, or only a family name with an honorific.
    pub full: bool,
    /// A title or honorific follows or precedes that belongs to an official or colleague.
    pub titled: bool,
    /// 様, さん, 氏 … follows.
    pub honoured: bool,
}

/// Finds names in one folded line.
pub fn find(line: &str, out: &mut Vec<Found>) {
    let kanji = |char: char| matches!(char, '\u{4E00}'..='\u{9FFF}' | '々' | '\u{FA11}' | 'ヶ');
    let mut chars = line.char_indices().peekable();
    while let Some((start, char)) = chars.next() {
        if !kanji(char) {
            continue;
        }
        let mut end = start + char.len_utf8();
        while let Some((at, _)) = chars.next_if(|(_, next)| kanji(*next)) {
            end = at + line[at..].chars().next().map_or(0, char::len_utf8);
        }
        if let Some(found) = in_run(line, start, end) {
            // A second run that is the given name is used up.
            while chars.next_if(|(at, _)| *at < found.end).is_some() {}
            out.push(found);
        }
    }
}

/// Words that stand directly before a name in a kanji run.
const LEADS: &[&str] = &[
    "担当",
    "市長",
    "町長",
    "村長",
    "知事",
    "部長",
    "課長",
    "委員",
    "議員",
    "本人",
    "長男",
    "次男",
    "長女",
    "次女",
    "三男",
    "三女",
    "夫",
    "妻",
    "父",
    "母",
    "世帯主",
    "患者",
    "生徒",
    "児童",
    "園児",
    "氏名",
    "名義",
    "代表",
    "顧客",
    "会員",
];

/// Does the text start with this word? Most do not, and their first letter says so (three octets in all the lists).
fn starts(text: &str, word: &str) -> bool {
    text.as_bytes().first_chunk::<3>() == word.as_bytes().first_chunk() && text.starts_with(word)
}

/// Does the text end with this word? See [`starts`].
fn ends(text: &str, word: &str) -> bool {
    text.as_bytes().last_chunk::<3>() == word.as_bytes().last_chunk() && text.ends_with(word)
}

fn in_run(line: &str, mut start: usize, end: usize) -> Option<Found> {
    let mut titled = false;
    for lead in LEADS {
        if starts(&line[start..end], lead) && line[start..end].len() > lead.len() {
            titled = TITLES.contains(lead);
            start += lead.len();
            break;
        }
    }
    let before = line[..start].trim_end_matches([' ', '　', ':', '(', '・']);
    titled |= TITLES.iter().any(|title| ends(before, title));
    let run = &line[start..end];
    let rest = &line[end..];
    // An honorific or title at the end of the run itself: 山田太郎様
    let mut core = run;
    let mut honoured = false;
    for suffix in ["様", "氏", "殿", "君", "先生"] {
        if let Some(head) = core.strip_suffix(suffix).filter(|head| !head.is_empty()) {
            core = head;
            honoured = true;
            break;
        }
    }
    for title in TITLES {
        if ends(core, title) && core.len() > title.len() {
            core = &core[..core.len() - title.len()];
            titled = true;
            break;
        }
    }
    let count = core.chars().count();
    if count > 8 {
        return None;
    }
    let follows = |rest: &str| {
        let rest = rest.trim_start_matches([' ', '　']);
        HONORIFICS.iter().any(|honorific| starts(rest, honorific))
    };
    let plain: String = core.chars().map(plain_kanji).collect();
    let core_end = start + core.len();
    if core.len() == run.len() {
        // 山田 太郎: a blank between two runs
        let gap = rest.len() - rest.trim_start_matches([' ', '　']).len();
        let next = &rest[gap..];
        let kana = next.chars().take_while(|char| matches!(char, 'ぁ'..='ゖ')).count();
        if gap > 0 && gap <= 3 && count <= 5 && is_surname(&plain) {
            let kanji_len: usize = next
                .chars()
                .take_while(|char| matches!(char, '\u{4E00}'..='\u{9FFF}' | '々'))
                .map(char::len_utf8)
                .sum();
            let mut second = &next[..kanji_len];
            let mut second_honoured = false;
            for suffix in ["様", "氏", "殿", "君"] {
                if let Some(head) = second.strip_suffix(suffix).filter(|head| !head.is_empty()) {
                    second = head;
                    second_honoured = true;
                }
            }
            let given: String = second.chars().map(plain_kanji).collect();
            if !given.is_empty() && is_given_name(&given) && !place(&given) {
                let stop = end + gap + second.len();
                return Some(Found {
                    start,
                    end: stop,
                    full: true,
                    titled,
                    honoured: second_honoured || follows(&line[stop..]),
                });
            }
            if kana >= 2
                && let Some(len) = kana_given(next)
            {
                let stop = end + gap + len;
                return Some(Found { start, end: stop, full: true, titled, honoured: follows(&line[stop..]) });
            }
        }
        // 佐藤さくら: hiragana given name right behind
        if gap == 0
            && count <= 4
            && is_surname(&plain)
            && let Some(len) = kana_given(rest)
        {
            return Some(Found { start, end: end + len, full: true, titled, honoured: follows(&line[end + len..]) });
        }
    }
    if count >= 3 && split(&plain).is_some() {
        return Some(Found { start, end: core_end, full: true, titled, honoured: honoured || follows(rest) });
    }
    if is_surname(&plain) && (honoured || (core.len() == run.len() && follows(rest) && !rest.starts_with("児童"))) {
        return Some(Found { start, end: core_end, full: false, titled, honoured: true });
    }
    None
}

/// Length of a hiragana given name at the start of the text, if it ends where a word can end.
fn kana_given(text: &str) -> Option<usize> {
    const PARTICLES: &[&str] = &[
        "から",
        "まで",
        "より",
        "など",
        "さん",
        "くん",
        "ため",
        "こと",
        "もの",
        "です",
        "ます",
        "として",
        "では",
        "にて",
        "ので",
        "のみ",
        "いち",
        "また",
        "ちゃん",
    ];
    let run: Vec<char> = text.chars().take_while(|char| matches!(char, 'ぁ'..='ゖ')).take(6).collect();
    for len in (2..=run.len().min(4)).rev() {
        let given: String = run[..len].iter().collect();
        let rest: String = run[len..].iter().collect();
        let ends = rest.is_empty()
            || ["さん", "ちゃん", "くん", "さま", "の", "は", "が", "を", "に", "と", "で"]
                .iter()
                .any(|tail| rest.starts_with(tail));
        if ends && !PARTICLES.contains(&given.as_str()) && is_given_name(&given) {
            return Some(given.len());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<(&str, bool)> {
        let mut out = Vec::new();
        find(line, &mut out);
        out.iter().map(|found| (&line[found.start..found.end], found.full)).collect()
    }

    #[test]
    fn names_are_cut_out_of_sentences() {
        for (line, want) in [
            ("山田太郎さんの住所", vec![("山田太郎", true)]),
            ("担当の佐藤 花子です", vec![("佐藤 花子", true)]),
            ("高橋　健一様", vec![("高橋　健一", true)]),
            ("髙橋健一、渡邉美咲", vec![("髙橋健一", true), ("渡邉美咲", true)]),
            ("佐藤様", vec![("佐藤", false)]),
            ("佐藤さくらさん", vec![("佐藤さくら", true)]),
            ("長谷川太郎", vec![("長谷川太郎", true)]),
            ("東京都千代田区", vec![]),
            ("日本大学の川崎市", vec![]),
            ("本日は会議です", vec![]),
        ] {
            assert_eq!(names(line), want, "{line}");
        }
    }
}
