//! Statements that write several rows at once: each statement is a way to the database's thread and back, which costs more than a row.
//! It refuses to build SQL from values: only the numbers of placeholders vary.

use std::fmt::Write as _;
use std::ops::Range;

/// Rows of one statement at most; any number of rows is made of full ones and one more. Each connection keeps a hundred statements prepared.
const MOST: usize = 16;

/// One statement for each number of rows.
pub(super) struct Many {
    texts: Vec<String>,
}

impl Many {
    /// `head`, then a parenthesis a row, then `tail`. In `row`, `?` stands for the next placeholder and `#` for the number of the row, from 1.
    pub(super) fn new(head: &str, row: &str, tail: &str) -> Self {
        Self { texts: (1..=MOST).map(|size| text(head, row, tail, size)).collect() }
    }

    /// Which rows go into which statement.
    pub(super) fn pieces(&self, rows: usize) -> impl Iterator<Item = (Range<usize>, &str)> {
        let pieces = (0..rows).step_by(MOST).map(move |at| at..rows.min(at + MOST));
        pieces.filter_map(|piece| Some((piece.clone(), self.texts.get(piece.len().checked_sub(1)?)?.as_str())))
    }
}

fn text(head: &str, row: &str, tail: &str, rows: usize) -> String {
    let mut text = head.to_owned();
    let mut placeholder = 0;
    for number in 1..=rows {
        text.push_str(if number == 1 { " (" } else { ", (" });
        for char in row.chars() {
            match char {
                '?' => {
                    placeholder += 1;
                    // Writing to a string does not fail.
                    let _ = write!(text, "${placeholder}");
                }
                '#' => {
                    let _ = write!(text, "{number}");
                }
                char => text.push(char),
            }
        }
        text.push(')');
    }
    text.push(' ');
    text.push_str(tail);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_rows_are_counted() {
        assert_eq!(
            text("VALUES", "#, ?, CAST(? AS TEXT)", "END", 2),
            "VALUES (1, $1, CAST($2 AS TEXT)), (2, $3, CAST($4 AS TEXT)) END"
        );
    }

    #[test]
    fn any_number_of_rows_is_covered_once() {
        let many = Many::new("VALUES", "?", "");
        for rows in 0..100 {
            let mut next = 0;
            for (piece, text) in many.pieces(rows) {
                assert_eq!(piece.start, next);
                assert_eq!(text.matches('$').count(), piece.len());
                next = piece.end;
            }
            assert_eq!(next, rows);
        }
    }
}
