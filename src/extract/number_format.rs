//! Cell values as a spreadsheet shows them (ECMA-376 part 1, 18.8.30 and 18.8.31): dates in ISO form, padded numbers with their zeros and hyphens.
//! It refuses to hide a digit: where a format would round or drop one, the stored value is given.

/// What a format makes of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NumberFormat {
    /// As stored.
    General,
    /// A date, a time or both.
    Date,
    /// Elapsed time, which may exceed a day.
    Elapsed,
    /// Digit places and literals of the sections for positive, negative and zero values.
    Pattern(Vec<Vec<Place>>),
}

/// One place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `0` shows a zero where there is no digit, `#` nothing, `?` a blank.
    Digit {
        pad: Option<char>,
    },
    Literal(char),
}

impl NumberFormat {
    /// A built-in format; 27–36 and 50–58 are the dates of East Asian editions.
    pub(super) fn builtin(id: u32) -> Self {
        match id {
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Date,
            46 => Self::Elapsed,
            _ => Self::General,
        }
    }

    /// Reads a format code.
    pub(super) fn parse(code: &str) -> Self {
        // `G/標準` is what Japanese editions call General.
        if code.eq_ignore_ascii_case("general") || code == "@" || code.starts_with("G/") {
            return Self::General;
        }
        let mut sections = vec![Vec::new()];
        let mut grouped = false;
        let mut plain = true;
        let mut decimals = false;
        let mut characters = code.chars().peekable();
        while let Some(character) = characters.next() {
            let Some(section) = sections.last_mut() else { break };
            match character {
                '"' => {
                    for literal in characters.by_ref().take_while(|character| *character != '"') {
                        section.push(Place::Literal(literal));
                    }
                }
                '\\' => section.extend(characters.next().map(Place::Literal)),
                // A blank as wide as the next character, or the next character as filler.
                '_' | '*' => {
                    characters.next();
                }
                '[' => {
                    let inside: String = characters.by_ref().take_while(|character| *character != ']').collect();
                    if matches!(inside.to_ascii_lowercase().trim_matches(['h', 'm', 's']), "") && !inside.is_empty() {
                        return Self::Elapsed;
                    }
                }
                ';' => {
                    sections.push(Vec::new());
                    decimals = false;
                }
                '0' | '#' | '?' if !decimals => {
                    let pad = match character {
                        '0' => Some('0'),
                        '?' => Some(' '),
                        _ => None,
                    };
                    section.push(Place::Digit { pad });
                }
                '0' | '#' | '?' => {}
                '.' => decimals = true,
                ',' => grouped = true,
                'E' | 'e' if matches!(characters.peek(), Some('+' | '-')) => plain = false,
                '%' | '/' | '@' => plain = false,
                'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' | 'g' | 'G' | 'e' | 'E' | 'a' | 'A' | 'b'
                | 'B'
                    if !section.iter().any(|place| matches!(place, Place::Digit { .. })) =>
                {
                    return Self::Date;
                }
                other if !decimals => section.push(Place::Literal(other)),
                _ => {}
            }
        }
        sections.truncate(3);
        for section in &mut sections {
            // Behind a `0` every place is shown.
            let mut padded = false;
            for place in section {
                match place {
                    Place::Digit { pad: Some(_) } => padded = true,
                    Place::Digit { pad } if padded => *pad = Some('0'),
                    _ => {}
                }
            }
        }
        let has_digits =
            sections.iter().any(|section| section.iter().any(|place| matches!(place, Place::Digit { .. })));
        if !plain || grouped || !has_digits { Self::General } else { Self::Pattern(sections) }
    }

    /// The text of a stored number.
    pub(super) fn show(&self, stored: &str, is_1904: bool) -> String {
        let Ok(value) = stored.trim().parse::<f64>() else { return stored.to_owned() };
        match self {
            Self::Date => date(value, is_1904),
            Self::Elapsed => elapsed(value),
            Self::Pattern(sections) => padded(sections, value),
            Self::General => None,
        }
        .unwrap_or_else(|| plain(stored, value))
    }
}

/// A number without exponent and without the noise of binary fractions.
fn plain(stored: &str, value: f64) -> String {
    let stored = stored.trim();
    if stored.bytes().all(|byte| byte.is_ascii_digit()) || value.abs() >= 1e17 {
        return stored.to_owned();
    }
    let rounded = format!("{value:.9}").parse::<f64>().unwrap_or(value);
    // Office stores seventeen digits and shows fifteen.
    if (rounded - value).abs() <= value.abs() * 1e-15 { format!("{rounded}") } else { format!("{value}") }
}

/// An integer laid into the places of its section.
fn padded(sections: &[Vec<Place>], value: f64) -> Option<String> {
    if value.fract() != 0.0 || value.abs() >= 1e15 {
        return None;
    }
    let section = match sections {
        [_, negative, ..] if value < 0.0 => negative,
        [_, _, zero] if value == 0.0 => zero,
        [positive, ..] => positive,
        [] => return None,
    };
    let places = section.iter().filter(|place| matches!(place, Place::Digit { .. })).count();
    if places == 0 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    let digits = (value.abs() as i64).to_string();
    let mut digits = digits.bytes().rev().map(char::from).peekable();
    let mut reversed = Vec::new();
    let mut seen = 0;
    for place in section.iter().rev() {
        match place {
            Place::Literal(character) => {
                // A literal before the first digit that is shown belongs to padding that is not.
                let more = digits.peek().is_some()
                    || seen == places
                    || section
                        .iter()
                        .rev()
                        .filter(|place| matches!(place, Place::Digit { .. }))
                        .skip(seen)
                        .any(|place| matches!(place, Place::Digit { pad: Some(_) }));
                if more {
                    reversed.push(*character);
                }
            }
            Place::Digit { pad } => {
                seen += 1;
                reversed.extend(digits.next().or(*pad));
                if seen == places {
                    reversed.extend(digits.by_ref());
                }
            }
        }
    }
    if value < 0.0 && sections.len() == 1 {
        reversed.push('-');
    }
    Some(reversed.into_iter().rev().collect())
}

/// A serial day as an ISO 8601 date, time or both. Day 60 of the 1900 system is the 29 February 1900 that never was.
fn date(value: f64, is_1904: bool) -> Option<String> {
    if !(0.0..2_958_466.0).contains(&value) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    let seconds = (value.fract() * 86_400.0).round() as i64;
    #[allow(clippy::cast_possible_truncation)]
    let mut day = value.trunc() as i64 + seconds / 86_400;
    let seconds = seconds % 86_400;
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if day == 0 && !is_1904 {
        return Some(time);
    }
    if is_1904 {
        day += 1462;
    } else if day == 60 {
        return Some("1900-02-29".to_owned());
    } else if day < 60 {
        day += 1;
    }
    // Day 25569 is 1970-01-01.
    let (year, month, day) = civil(day - 25_569);
    let date = format!("{year:04}-{month:02}-{day:02}");
    Some(if seconds == 0 { date } else { format!("{date} {time}") })
}

/// The Gregorian date of a day counted from 1970-01-01: years begin in March, 400 years are 146097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn elapsed(value: f64) -> Option<String> {
    if value.abs() > 1e7 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    let seconds = (value.abs() * 86_400.0).round() as i64;
    let sign = if value < 0.0 { "-" } else { "" };
    Some(format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_as_shown() {
        for (code, stored, expected) in [
            ("General", "9087654321", "9087654321"),
            ("General", "9.087654321E9", "9087654321"),
            ("General", "0.10000000000000001", "0.1"),
            ("General", "1.1000000000000001", "1.1"),
            ("0##########", "9087654321", "09087654321"),
            ("00000000000", "9087654321", "09087654321"),
            ("000\\-0000\\-0000", "9087654321", "090-8765-4321"),
            ("000\"-\"0000", "1000001", "100-0001"),
            ("000-0000", "10001", "001-0001"),
            ("###-####", "10001", "1-0001"),
            ("#,##0", "1234567", "1234567"),
            ("0.00", "3", "3"),
            ("0", "1.5", "1.5"),
            ("0%", "0.25", "0.25"),
            (";;;", "42", "42"),
            ("\"No.\"0000", "42", "No.0042"),
            ("0_);[Red]\\(0\\)", "-5", "(5)"),
            ("0", "-5", "-5"),
            ("yyyy/m/d", "45943", "2025-10-13"),
            ("[$-411]ggge\"年\"m\"月\"d\"日\"", "45943", "2025-10-13"),
            ("yyyy/m/d h:mm", "45943.5", "2025-10-13 12:00:00"),
            ("h:mm", "0.75", "18:00:00"),
            ("[h]:mm:ss", "1.5", "36:00:00"),
            ("yyyy/m/d", "1", "1900-01-01"),
            ("yyyy/m/d", "61", "1900-03-01"),
            ("[DBNum1]0", "12", "12"),
        ] {
            assert_eq!(NumberFormat::parse(code).show(stored, false), expected, "{code} {stored}");
        }
        assert_eq!(NumberFormat::Date.show("0", true), "1904-01-01");
        assert_eq!(NumberFormat::builtin(57).show("36526", false), "2000-01-01");
        assert_eq!(NumberFormat::Date.show("9087654321", false), "9087654321");
    }
}
