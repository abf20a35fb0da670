//! Brings any spelling of text to one form (NFKC, one hyphen, no invisible characters), line by line, so that detectors see one writing only.
//! It refuses to move or join lines: line 7 of the folded text is line 7 of the original, which is the map back to the place.

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::compose;

/// Half-width katakana U+FF61..=U+FF9F in order, in full width (JIS X 0201 right half to JIS X 0208).
const WIDE_KANA: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン゛゜";

/// CJK radicals supplement characters that PDF producers write for the ordinary ideograph; NFKC leaves them alone.
const RADICALS: &[(char, char)] = &[
    ('\u{2E9F}', '母'),
    ('\u{2EA0}', '民'),
    ('\u{2EC1}', '虎'),
    ('\u{2EC4}', '西'),
    ('\u{2EC6}', '角'),
    ('\u{2ED1}', '長'),
    ('\u{2ED8}', '青'),
    ('\u{2EDD}', '食'),
    ('\u{2EE3}', '骨'),
    ('\u{2EE4}', '鬼'),
    ('\u{2EE8}', '麦'),
    ('\u{2EE9}', '黄'),
    ('\u{2EEB}', '斉'),
    ('\u{2EED}', '歯'),
    ('\u{2EEF}', '竜'),
    ('\u{2EF2}', '亀'),
];

/// Folds text; ASCII and text that is in the form already is returned as it is.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut after_digit = false;
    let mut chars = text.char_indices();
    let first = loop {
        match chars.next() {
            None => return Cow::Borrowed(text),
            Some((at, char)) if !plain(char) && (char != 'ー' || after_digit) => break at,
            Some((_, char)) => after_digit = char.is_ascii_digit(),
        }
    };
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(&text[..first]);
    let mut rest = text[first..].chars().peekable();
    while let Some(char) = rest.next() {
        if plain(char) {
            out.push(char);
            continue;
        }
        match char {
            '\u{FF01}'..='\u{FF5E}' => {
                out.push(char::from_u32(u32::from(char) - 0xFEE0).unwrap_or(char));
            }
            'ー' | '\u{FF70}' | '─' | '━' | '一'
                if digit_before(&out) && rest.peek().is_some_and(|next| digit(*next)) =>
            {
                out.push('-');
            }
            'ー' => out.push(char),
            // Circled and bracketed numbers are bullets: the blank keeps them apart from the number behind them.
            '\u{2460}'..='\u{249B}' => {
                out.extend(std::iter::once(char).nfkc());
                out.push(' ');
            }
            '\u{FF9E}' | '\u{3099}' | '゛' => join_mark(&mut out, '\u{3099}'),
            '\u{FF9F}' | '\u{309A}' | '゜' => join_mark(&mut out, '\u{309A}'),
            '\u{FF61}'..='\u{FF9D}' => {
                out.push(WIDE_KANA.chars().nth(u32::from(char) as usize - 0xFF61).unwrap_or(char));
            }
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' | '\u{FE58}' | '\u{FE63}' => out.push('-'),
            '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' => out.push(' '),
            '\u{00AD}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{E0100}'..='\u{E01EF}' => {}
            '\u{2028}' | '\u{2029}' | '\u{0085}' => out.push(' '),
            '\u{2E80}'..='\u{2EFF}' => {
                out.push(RADICALS.iter().find(|(from, _)| *from == char).map_or(char, |(_, to)| *to));
            }
            _ => out.extend(std::iter::once(char).nfkc().map(|one| if one == '\n' { ' ' } else { one })),
        }
    }
    Cow::Owned(out)
}

/// Does this character stay as it is, whatever stands beside it? The long vowel mark and the ruled line do not: between digits they are hyphens.
fn plain(char: char) -> bool {
    matches!(char,
        '\0'..='\u{7F}'
        | '\u{3000}'..='\u{3035}'
        | 'ぁ'..='ゖ'
        | 'ァ'..='・'
        | '\u{4E01}'..='\u{9FFF}'
        | '\u{2190}'..='\u{2211}'
        | '\u{2213}'..='\u{22FF}'
        | '\u{2501}'..='\u{27FF}')
        && char != '━'
}

fn digit(char: char) -> bool {
    char.is_ascii_digit() || ('０'..='９').contains(&char)
}

fn digit_before(out: &str) -> bool {
    out.as_bytes().last().is_some_and(u8::is_ascii_digit)
}

/// Puts a (semi-)voiced sound mark onto the kana before it, or drops it.
fn join_mark(out: &mut String, mark: char) {
    if let Some(last) = out.pop() {
        out.push(compose(last, mark).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_every_spelling() {
        for (from, to) in [
            ("０９０－１２３４－５６７８", "090-1234-5678"),
            ("090ー1234ｰ5678", "090-1234-5678"),
            ("090\u{2010}1234\u{2212}5678", "090-1234-5678"),
            ("０９０ー１２３４―５６７８", "090-1234-5678"),
            ("ﾔﾏﾀﾞ ﾊﾟﾝ", "ヤマダ パン"),
            ("か\u{3099}", "が"),
            ("マイ\u{200B}ナンバー", "マイナンバー"),
            ("㈱関所", "(株)関所"),
            ("⻑⽥", "長田"),
            ("葛\u{E0100}飾", "葛飾"),
            ("氏名：　山田", "氏名:　山田"),
            ("plain", "plain"),
            ("①②", "1 2 "),
            ("①０９０-1", "1 090-1"),
            ("センター一覧", "センター一覧"),
        ] {
            assert_eq!(fold(from), to, "{from}");
        }
    }

    #[test]
    fn text_in_the_form_is_not_copied() {
        assert!(matches!(fold("plain text 123"), Cow::Borrowed(_)));
        assert!(matches!(fold("本文です。"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_stay() {
        assert_eq!(fold("あ\u{2028}\nｱ\r\n").lines().count(), 2);
    }
}
