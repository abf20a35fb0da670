//! Rows in text: comma, tab, semicolon or bar separated, whole files or a few lines in a mail.
//! It refuses to lose a line: what is not a row of the table stays prose.

use super::Table;
use crate::limits::Budget;
use memchr::{memchr, memchr_iter, memchr3};
use std::ops::Range;

/// Separators in the order of preference.
const SEPARATORS: [u8; 4] = [b'\t', b',', b';', b'|'];
/// Text looked at to find the separator.
const SAMPLE: usize = 64 * 1024;
/// Lines beyond which blocks of rows are not looked for in prose, since every row costs memory of its own.
const MOST_LINES: usize = 2_000_000;
/// A quoted cell longer than this is taken for a stray quote.
const QUOTED: usize = 1024 * 1024;
/// Bytes the table needs for a cell or row besides its text.
const OVERHEAD: u64 = 4;

/// The separator of a text that is rows throughout; `said` when its name or type says that it is.
pub(super) fn dialect(text: &str, said: bool) -> Option<u8> {
    let cut = text.floor_char_boundary(SAMPLE);
    // Most mails are prose without any of them.
    let there = SEPARATORS.map(|separator| memchr(separator, &text.as_bytes()[..cut]).is_some());
    if !there.contains(&true) {
        return None;
    }
    let mut lines: Vec<&str> =
        text[..cut].split(['\n', '\r']).filter(|line| !line.trim().is_empty()).take(200).collect();
    if cut < text.len() && lines.len() > 1 {
        lines.pop();
    }
    let mut best: Option<(u8, usize, usize)> = None;
    for (separator, _) in SEPARATORS.into_iter().zip(there).filter(|(_, there)| *there) {
        let counts = counts(&lines, separator);
        let Some((mode, agreeing)) = mode(&counts) else { continue };
        let total = counts.len();
        let fits = if said {
            agreeing * 2 >= total
        } else {
            let loose = matches!(separator, b',' | b';') && mode <= 2 && mostly_spaced(&lines, separator);
            !loose
                && total >= 3
                && match (mode, separator) {
                    (1, b'\t') => agreeing * 10 >= total * 9,
                    (1, _) => total >= 5 && agreeing * 10 >= total * 9,
                    _ => agreeing * 10 >= total * 8,
                }
        };
        if fits && best.is_none_or(|(_, columns, lines)| (agreeing * mode) > columns * lines) {
            best = Some((separator, mode, agreeing));
        }
    }
    best.map(|(separator, ..)| separator)
}

/// Separators outside quotes in each line; a line with an open quote goes on in the next.
fn counts(lines: &[&str], separator: u8) -> Vec<usize> {
    let mut counts = Vec::with_capacity(lines.len());
    let mut quoted = false;
    let mut count = 0;
    let mut joined = 0;
    for line in lines {
        for byte in line.bytes() {
            if byte == b'"' {
                quoted = !quoted;
            } else if byte == separator && !quoted {
                count += 1;
            }
        }
        joined += 1;
        if !quoted || joined > 20 {
            counts.push(count);
            (quoted, count, joined) = (false, 0, 0);
        }
    }
    counts
}

/// The most frequent count above zero and how often it occurs.
fn mode(counts: &[usize]) -> Option<(usize, usize)> {
    let mut sorted: Vec<usize> = counts.iter().copied().filter(|count| *count > 0).collect();
    sorted.sort_unstable();
    sorted
        .chunk_by(|one, other| one == other)
        .map(|run| (run[0], run.len()))
        .max_by_key(|(mode, times)| (*times, *mode))
}

/// Are most separators followed by a blank, as in prose?
fn mostly_spaced(lines: &[&str], separator: u8) -> bool {
    let mut all = 0;
    let mut spaced = 0;
    for line in lines {
        for pair in line.as_bytes().windows(2).filter(|pair| pair[0] == separator) {
            all += 1;
            spaced += usize::from(pair[1] == b' ');
        }
    }
    spaced * 2 > all
}

/// Splits a whole text into rows (RFC 4180, with CR, LF or CRLF); says whether the budget sufficed.
pub(super) fn table(text: &str, separator: u8, budget: &mut Budget) -> (Table, bool) {
    let mut table = Table::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let Some((next, cells)) = row(text, at, separator, &mut table) else { return (table, false) };
        if budget.take_bytes((cells + 1) * OVERHEAD).is_err() {
            return (table, false);
        }
        at = next;
    }
    (table, true)
}

/// Reads one row from `at`; gives where the next begins and how many cells it had, or `None` when the table is full.
fn row(text: &str, mut at: usize, separator: u8, table: &mut Table) -> Option<(usize, u64)> {
    let bytes = text.as_bytes();
    let mut cells = 0;
    loop {
        let quoted = (bytes.get(at) == Some(&b'"')).then(|| closing(bytes, at, separator)).flatten();
        let end = if let Some(close) = quoted {
            let inner = &text[at + 1..close];
            if memchr(b'"', inner.as_bytes()).is_some() {
                table.push_cell(&inner.replace("\"\"", "\"")).ok()?;
            } else {
                table.push_cell(inner).ok()?;
            }
            close + 1
        } else {
            let end = memchr3(separator, b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |found| at + found);
            table.push_cell(&text[at..end]).ok()?;
            end
        };
        cells += 1;
        match bytes.get(end) {
            Some(byte) if *byte == separator => at = end + 1,
            Some(b'\r') if bytes.get(end + 1) == Some(&b'\n') => {
                table.end_row();
                return Some((end + 2, cells));
            }
            _ => {
                table.end_row();
                return Some((end + 1, cells));
            }
        }
    }
}

/// The closing quote of a quoted cell that opens at `open`; `None` when the quote is just a character.
fn closing(bytes: &[u8], open: usize, separator: u8) -> Option<usize> {
    let mut at = open + 1;
    while at - open < QUOTED {
        let quote = at + memchr(b'"', bytes.get(at..)?)?;
        match bytes.get(quote + 1) {
            Some(b'"') => at = quote + 2,
            None | Some(b'\n' | b'\r') => return Some(quote),
            Some(byte) if *byte == separator => return Some(quote),
            Some(_) => return None,
        }
    }
    None
}

/// A text whose blocks of rows were taken out.
pub(super) struct Split {
    /// The other lines; a row leaves a blank line, so line numbers stay.
    pub prose: String,
    /// The rows, each at the index of its line.
    pub table: Table,
    /// The budget sufficed.
    pub complete: bool,
}

/// Takes blocks of three or more lines with the same number of separators out of prose.
pub(super) fn rows_in_prose(text: &str, budget: &mut Budget) -> Option<Split> {
    if memchr_iter(b'\n', text.as_bytes()).count() > MOST_LINES {
        return None;
    }
    let blocks = blocks(text);
    let last = blocks.last()?.0.end;
    let mut split = Split { prose: String::with_capacity(text.len()), table: Table::default(), complete: true };
    let mut blocks = blocks.into_iter().peekable();
    for (index, line) in text.split('\n').enumerate() {
        blocks.next_if(|(lines, _)| lines.end <= index);
        if let Some((_, separator)) = blocks.peek().filter(|(lines, _)| lines.contains(&index)) {
            let separator = *separator;
            let taken = row(line.trim_end_matches('\r'), 0, separator, &mut split.table);
            let cells = taken.map_or(0, |(_, cells)| cells);
            if taken.is_none() || budget.take_bytes((cells + 1) * OVERHEAD).is_err() {
                split.complete = false;
                break;
            }
        } else {
            split.prose.push_str(line);
            if index + 1 < last {
                split.table.end_row();
            }
        }
        split.prose.push('\n');
    }
    Some(split)
}

/// Blocks of rows: the indices of their lines, and their separator.
fn blocks(text: &str) -> Vec<(Range<usize>, u8)> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut before = None;
    // The line behind the last one has no mark of its own, and ends the last block.
    for (index, mark) in text.split('\n').map(mark).chain([None]).enumerate() {
        if mark != before {
            if let Some((separator, _)) = before
                && index - start >= 3
            {
                found.push((start..index, separator));
            }
            (start, before) = (index, mark);
        }
    }
    found
}

/// What separates the fields of a line, and how often; `None` for prose.
fn mark(line: &str) -> Option<(u8, usize)> {
    let line = line.trim_matches(['\r', '\t', ' ']);
    let mut counts = [0_usize; 4];
    let mut quoted = false;
    for byte in line.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            _ => {
                if let Some(index) = SEPARATORS.iter().position(|separator| *separator == byte) {
                    counts[index] += 1;
                }
            }
        }
    }
    let spaced = |separator| mostly_spaced(&[line], separator);
    match counts {
        [tabs @ (1..), ..] => Some((b'\t', tabs)),
        [_, commas @ (2..), ..] if commas > 2 || !spaced(b',') => Some((b',', commas)),
        [_, _, semicolons @ (2..), _] if !spaced(b';') => Some((b';', semicolons)),
        [_, _, _, bars @ (2..)] => Some((b'|', bars)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn read(text: &str, separator: u8) -> Vec<Vec<String>> {
        let mut budget = Budget::new(&Limits::default());
        let (table, complete) = table(text, separator, &mut budget);
        assert!(complete);
        table.rows().map(|row| row.cells().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn quotes_hide_separators_and_line_ends_and_stray_quotes_hide_nothing() {
        for (text, expected) in [
            ("a,b\r\nc,d", vec![vec!["a", "b"], vec!["c", "d"]]),
            ("\"x,1\",\"say \"\"hi\"\"\"\n", vec![vec!["x,1", "say \"hi\""]]),
            ("\"two\nlines\",z\rlast,", vec![vec!["two\nlines", "z"], vec!["last", ""]]),
            ("\"open,b\nc,d\n", vec![vec!["\"open", "b"], vec!["c", "d"]]),
            ("5\" disk,\"a\"b,c\n", vec![vec!["5\" disk", "\"a\"b", "c"]]),
            ("", vec![]),
            ("\n\nx", vec![vec![""], vec![""], vec!["x"]]),
        ] {
            assert_eq!(read(text, b','), expected, "{text:?}");
        }
    }

    #[test]
    fn separators_are_found_and_prose_is_not_rows() {
        for (text, said, expected) in [
            ("氏名,電話,住所\n山田,090,東京\n佐藤,080,大阪\n", false, Some(b',')),
            ("name\ttel\na\t1\nb\t2\n", false, Some(b'\t')),
            ("a;b;c\n1;2;3\n4;5;6\n", false, Some(b';')),
            ("|a|b|\n|1|2|\n|3|4|\n", false, Some(b'|')),
            ("a,b\n1,2\n", true, Some(b',')),
            ("a,b\n1,2\n", false, None),
            ("Dear all, thanks, ok\nplease come, see, go\nbye, now, then\n", false, None),
            ("お世話になっております。\n山田です。\nよろしく、お願いします。\n", false, None),
            ("\"a\nb\",c,d\n\"e\",f,g\nh,i,j\n", false, Some(b',')),
        ] {
            assert_eq!(dialect(text, said), expected, "{text:?}");
        }
    }

    #[test]
    fn rows_are_taken_out_of_prose_and_keep_their_line() {
        let mut budget = Budget::new(&Limits::default());
        let text = "各位\n名簿です。\n山田,090-0000-0001,東京\n佐藤,090-0000-0002,大阪\n鈴木,090-0000-0003,京都\n以上, よろしく\n";
        let split = rows_in_prose(text, &mut budget).unwrap();
        assert_eq!(split.prose.lines().collect::<Vec<_>>(), ["各位", "名簿です。", "", "", "", "以上, よろしく", ""]);
        assert_eq!(split.table.len(), 5);
        assert_eq!(split.table.row(3).unwrap().cell(1), "090-0000-0002");
        assert!(rows_in_prose("ただの文章\nです\n", &mut budget).is_none());
    }

    #[test]
    fn a_spent_budget_keeps_the_rows_before_it() {
        let mut budget = Budget::new(&Limits { unpacked_bytes: 40, ..Limits::default() });
        let (table, complete) = table(&"a,b\n".repeat(100), b',', &mut budget);
        assert!(!complete);
        assert_eq!(table.len(), 4);
    }
}
