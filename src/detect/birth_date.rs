//! Birth dates, in the Western and the Japanese calendar.
//! It refuses dates without the word for birth or a column of births: a date is not a birth date by itself.
//!
//! *What it finds*: 1985/4/1, 1985年4月1日, 昭和60年4月1日, S60.4.1, 19850401, 昭和六十年四月一日.
//! *Why it matters*: with the name it singles out a person and is asked for as proof of identity.
//! *Form and check digit (with source)*: calendar dates; eras 明治 1868, 大正 1912, 昭和 1926, 平成 1989, 令和 2019 (first years).
//! *What lifts it*: the label 生年月日, 誕生日, 生, born; a column.
//! *What it must not take*: dates of meetings, deadlines, years before 1900.
//! *Examples*: `生年月日：S60.4.1` certain, `1985年4月1日生` certain, `開催日 1985/4/1` nothing.

use super::context::{Entity, Scan, Weight, Word};
use super::{Confidence, Kind, hash};

/// Words that name it.
pub const LABELS: &[&str] = &[
    "生年月日",
    "誕生日",
    "お誕生日",
    "出生日",
    "生まれ",
    "うまれ",
    "生れ",
    "日生",
    "date of birth",
    "birth date",
    "birthdate",
    "birthday",
    "dob",
    "born",
];

/// A calendar date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

impl Date {
    /// Its comparison form.
    #[must_use]
    pub fn key(self) -> u64 {
        hash::of_bytes(&[(self.year >> 8) as u8, (self.year & 255) as u8, self.month, self.day])
    }

    /// Can somebody alive be born then?
    #[must_use]
    pub fn plausible(self) -> bool {
        (1900..=2035).contains(&self.year) && (1..=12).contains(&self.month) && (1..=31).contains(&self.day)
    }
}

const ERAS: &[(&str, u16)] = &[
    ("明治", 1867),
    ("大正", 1911),
    ("昭和", 1925),
    ("平成", 1988),
    ("令和", 2018),
    ("明", 1867),
    ("大", 1911),
    ("昭", 1925),
    ("平", 1988),
    ("令", 2018),
    ("M", 1867),
    ("T", 1911),
    ("S", 1925),
    ("H", 1988),
    ("R", 2018),
    ("m", 1867),
    ("t", 1911),
    ("s", 1925),
    ("h", 1988),
    ("r", 2018),
];

/// A number in digits or kanji at the start of the text, and its length in bytes.
fn leading_number(text: &str) -> Option<(u32, usize)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        return Some((text[..digits].parse().ok()?, digits));
    }
    if text.starts_with('元') {
        return Some((1, '元'.len_utf8()));
    }
    let (mut total, mut current, mut len) = (0u32, 0u32, 0);
    for char in text.chars() {
        match "〇一二三四五六七八九".chars().position(|digit| digit == char) {
            Some(digit) => current = (current * 10 + u32::try_from(digit).unwrap_or(0)).min(10_000),
            None if char == '十' => {
                total += current.max(1) * 10;
                current = 0;
            }
            None => break,
        }
        len += char.len_utf8();
    }
    (len > 0).then_some((total + current, len))
}

/// Reads a date at the start of folded text; the length in bytes comes with it.
#[must_use]
pub fn parse(text: &str) -> Option<(Date, usize)> {
    let trimmed = text.trim_start();
    let lead = text.len() - trimmed.len();
    let first = trimmed.chars().next()?;
    let mut rest = trimmed;
    let mut base = 0;
    if !first.is_ascii_digit() {
        let (era, year) = ERAS.iter().find(|(era, _)| trimmed.starts_with(era))?;
        rest = trimmed[era.len()..].trim_start_matches(['.', ' ', '　', '-', '/']);
        base = *year;
    }
    let done = |date: Date, rest: &str| Some((date, lead + trimmed.len() - rest.len()));
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    // 19850401, S600401
    if (base == 0 && digits == 8) || (base > 0 && digits == 6) {
        let split = digits - 4;
        let year = rest[..split].parse::<u16>().ok()? + base;
        let date =
            Date { year, month: rest[split..split + 2].parse().ok()?, day: rest[split + 2..digits].parse().ok()? };
        return if date.plausible() { done(date, &rest[digits..]) } else { None };
    }
    let mut parts = [0u32; 3];
    for (index, part) in parts.iter_mut().enumerate() {
        let (value, len) = leading_number(rest)?;
        *part = value;
        rest = &rest[len..];
        if index < 2 {
            let blankless = rest.trim_start_matches([' ', '　']);
            let separator = blankless.chars().next()?;
            if !matches!(separator, '年' | '月' | '/' | '.' | '-') {
                return None;
            }
            rest = blankless[separator.len_utf8()..].trim_start_matches([' ', '　']);
        }
    }
    let rest = rest.strip_prefix('日').unwrap_or(rest);
    let [one, two, three] = parts;
    // m/d/yyyy and d/m/yyyy of other countries
    let (year, month, day) = if base == 0 && (1900..2100).contains(&three) && one <= 31 {
        (three, if one > 12 { two } else { one }, if one > 12 { one } else { two })
    } else if base == 0 && one < 100 {
        return None;
    } else {
        (one + u32::from(base), two, three)
    };
    let date = Date { year: u16::try_from(year).ok()?, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? };
    if date.plausible() { done(date, rest) } else { None }
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    for (index, hit) in scan.words.iter().enumerate() {
        if hit.word != Word::Label(Kind::BirthDate) {
            continue;
        }
        let mut push = |start: usize, end: usize, date: Date| {
            out.push(Entity {
                kind: Kind::BirthDate,
                confidence: Confidence::Certain,
                weight: Weight::Personal,
                hash: date.key(),
                start,
                end,
            });
        };
        // Behind the label, with at most a few signs between …
        let rest = &scan.text[hit.end..];
        let skip = rest.len()
            - rest
                .trim_start_matches(|char: char| {
                    matches!(
                        char,
                        ':' | ' '
                            | '　'
                            | '\t'
                            | '('
                            | ')'
                            | '='
                            | '|'
                            | '、'
                            | ','
                            | '['
                            | ']'
                            | '西'
                            | '暦'
                            | '和'
                            | 'は'
                            | 'が'
                            | '/'
                            | 'o'
                            | 'n'
                    )
                })
                .len();
        if let Some((date, len)) = parse(&rest[skip..]) {
            push(hit.end + skip, hit.end + skip + len, date);
            continue;
        }
        // … or the date stands before it: 1985年4月1日生(まれ).
        let word = &scan.text[hit.start..hit.end];
        if matches!(word, "日生" | "生まれ" | "うまれ" | "生れ") {
            let (line_start, _) = scan.line(hit.start);
            let low = index.checked_sub(1).map_or(line_start, |before| scan.words[before].start.max(line_start));
            let low = low.max(hit.start.saturating_sub(40));
            let begin = (low..hit.start).find_map(|at| {
                let text = scan.text.get(at..)?;
                let (date, len) = parse(text)?;
                let skipped = text.len() - text.trim_start().len();
                (at + len + '日'.len_utf8() >= hit.start && at + len <= hit.end).then_some((
                    at + skipped,
                    at + len,
                    date,
                ))
            });
            if let Some((start, end, date)) = begin {
                push(start, end, date);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_date_in_many_writings() {
        let want = Date { year: 1985, month: 4, day: 1 };
        for text in [
            "1985/4/1",
            "1985-04-01",
            "1985.4.1",
            "1985年4月1日",
            "19850401",
            "昭和60年4月1日",
            "S60.4.1",
            "S60/04/01",
            "昭60.4.1",
            "S600401",
            "昭和六十年四月一日",
            "4/1/1985",
            "1985-04-01T00:00:00",
            "1985 年 4 月 1 日",
        ] {
            assert_eq!(parse(text).map(|(date, _)| date), Some(want), "{text}");
        }
        assert_eq!(parse("令和元年5月1日").map(|(date, _)| date.year), Some(2019));
        for text in ["1985/13/1", "12-34-5678", "1850/1/1", "東京", "4月1日", "", "H", "10:30"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
