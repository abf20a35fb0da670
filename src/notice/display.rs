//! Foreign text made safe to show: control, bidirectional and invisible characters become visible, lengths are bounded.
//! It refuses to escape for HTML or headers; maud and lettre do that for whatever comes out here.

use std::fmt::Write as _;

/// One line of foreign text: line breaks and tabs become blanks, characters that hide or reorder text become `[U+202E]`,
/// and what is longer than `limit` characters is cut with `…`.
#[must_use]
pub fn line(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (count, char) in text.trim().chars().enumerate() {
        if count >= limit {
            out.push('…');
            break;
        }
        if matches!(char, '\t' | '\n' | '\r') {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            show(char, &mut out);
        }
    }
    out
}

/// Several lines of foreign text: line breaks stay, the rest is as for [`line`].
#[must_use]
pub fn paragraph(text: &str, limit: usize) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::new();
    for (count, char) in text.trim().chars().enumerate() {
        if count >= limit {
            out.push('…');
            break;
        }
        match char {
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            other => show(other, &mut out),
        }
    }
    out
}

/// A line in which nothing can be a personal value: addresses and long numbers are masked.
/// For places (file names) in mails, where nobody asked to see them.
#[must_use]
pub fn place(text: &str, limit: usize) -> String {
    line(&mask_numbers(&mask_addresses(text), 7), limit)
}

/// Runs of at least `length` digits (also full-width, also joined by a single hyphen or blank) become as many `*`.
#[must_use]
pub fn mask_numbers(text: &str, length: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    while from < chars.len() {
        let mut to = from;
        let mut digits = 0;
        while to < chars.len() {
            if is_digit(chars[to]) {
                digits += 1;
            } else if digits == 0 || !is_joint(chars[to]) || !chars.get(to + 1).is_some_and(|next| is_digit(*next)) {
                break;
            }
            to += 1;
        }
        let masked = digits >= length;
        for char in &chars[from..to] {
            out.push(if masked && is_digit(*char) { '*' } else { *char });
        }
        if to == from {
            out.push(chars[from]);
            to += 1;
        }
        from = to;
    }
    out
}

/// Whatever stands around an `@` without a blank or bracket becomes `…@…`.
#[must_use]
pub fn mask_addresses(text: &str) -> String {
    let part = |char: char| char.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(char);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['@', '＠']) {
        let before = rest[..at].trim_end_matches(part);
        out.push_str(before);
        out.push_str("…@…");
        let behind = &rest[at..];
        let behind = behind.trim_start_matches(['@', '＠']);
        rest = behind.trim_start_matches(part);
    }
    out.push_str(rest);
    out
}

fn is_digit(char: char) -> bool {
    char.is_ascii_digit() || ('０'..='９').contains(&char)
}

fn is_joint(char: char) -> bool {
    matches!(char, '-' | ' ' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{3000}' | '\u{ff0d}')
}

/// Writes one character, or its number when it cannot be seen or changes how others are seen.
fn show(char: char, out: &mut String) {
    let hidden = char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    if hidden {
        // Writing to a String cannot fail.
        let _ = write!(out, "[U+{:04X}]", u32::from(char));
    } else {
        out.push(char);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_text_becomes_visible() {
        for (text, shown) in [
            ("アンケート", "アンケート"),
            ("  a\r\nBcc: b@x.test  ", "a Bcc: b@x.test"),
            ("exe.\u{202e}fdp", "exe.[U+202E]fdp"),
            ("a\u{0}b\u{1b}c", "a[U+0000]b[U+001B]c"),
            ("a\u{2028}b\u{200b}", "a[U+2028]b[U+200B]"),
            ("👨\u{200d}👩", "👨\u{200d}👩"),
        ] {
            assert_eq!(line(text, 100), shown);
        }
        assert_eq!(line("あいうえお", 3), "あいう…");
        assert_eq!(paragraph("a\r\nb\u{202e}\rc", 100), "a\nb[U+202E]\nc");
    }

    #[test]
    fn a_place_repeats_no_number_and_no_address() {
        for (text, shown) in [
            ("名簿.zip › 5年生.xlsx › Sheet1 › C12", "名簿.zip › 5年生.xlsx › Sheet1 › C12"),
            ("090-1234-5678.txt", "***-****-****.txt"),
            ("個人番号6214 9832 0257.pdf", "個人番号**** **** ****.pdf"),
            ("０９０１２３４５６７８.csv", "***********.csv"),
            ("回答(taro@mail.test).eml", "回答(…@…).eml"),
            ("2026-11.csv", "2026-11.csv"),
            ("a@", "…@…"),
        ] {
            assert_eq!(place(text, 200), shown);
        }
    }
}
