//! The value behind a label such as `パスワード：`: where it begins, where it ends, and how it hangs on the label.
//! It refuses to walk on for ever: a value is looked at for a bounded length, and must begin near its label.

use super::LONGEST;

fn graphic(char: char) -> bool {
    char.is_ascii_graphic() && !matches!(char, '"' | '\'' | '`' | '<' | '>')
}

/// How a value hangs on its label.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// `：`, `=`, `は`
    Sign,
    /// A blank or a line end.
    Blank,
}

/// The value behind a label: its bounds and how it is joined.
pub(super) fn value(text: &str, end: usize) -> Option<(usize, usize, Joined)> {
    let rest = &text[end..];
    let mut joined = None;
    let mut lines = 0;
    let mut quote = None;
    for (offset, char) in rest.char_indices() {
        match char {
            ':' | '=' | 'は' | '→' | '⇒' | '|' => joined = Some(Joined::Sign),
            ' ' | '　' | '\t' => joined = joined.or(Some(Joined::Blank)),
            '\n' | '\r' => {
                lines += usize::from(char == '\n');
                joined = joined.or(Some(Joined::Blank));
                if lines > 1 {
                    return None;
                }
            }
            '"' | '\'' | '「' | '『' | '`' | '[' if quote.is_none() => {
                quote = Some(char);
                // `"password": "x"`: the quote that closes the label is none of the value.
                if joined.is_none() && matches!(char, '"' | '\'' | '`') {
                    quote = None;
                }
            }
            ')' | ']' | '】' | '」' | '*' | '、' | '次' | 'の' | '通' | 'り' | 'で' | 'す'
                if joined != Some(Joined::Sign) && offset < 12 => {}
            _ => {
                let start = end + offset;
                let len = text[start..].chars().take(LONGEST).take_while(|char| graphic(*char)).count();
                let taken = text[start..start + len].trim_end_matches([',', ';', ')', ']', '.', '|']);
                let cut = taken.len();
                return (cut > 0).then_some((start, start + cut, joined?));
            }
        }
        if offset > 40 {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::super::context::Buffers;
    use super::super::find;
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let mut buffers = Buffers::default();
        let mut out = Vec::new();
        find(&buffers.scan(text), &mut out);
        out.iter().map(|found| text[found.start..found.end].to_owned()).collect()
    }

    #[test]
    fn a_value_in_a_line_of_millions_is_looked_at_for_a_bounded_length() {
        let line = format!("pw:{}", "aB3+".repeat(500_000));
        assert_eq!(value(&line, 2).map(|(start, end, _)| (start, end - start)), Some((3, LONGEST)));
        assert_eq!(values(&line), [""; 0]);
        let token = format!("AKIA{}", "Q7".repeat(500_000));
        assert_eq!(values(&token).iter().map(String::len).collect::<Vec<_>>(), [LONGEST]);
    }

    #[test]
    fn what_stands_behind_a_value_does_not_hide_it() {
        let dots = ".".repeat(2 * LONGEST);
        assert_eq!(values(&format!("ID: tanaka01\nPW: Meishi2023{dots}\n")), ["Meishi2023"]);
    }
}
