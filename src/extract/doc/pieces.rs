//! The text of a Word document, piece by piece (MS-DOC 2.4.1), and which of its paragraphs stand in tables (2.4.6.1).
//! It refuses to produce more than the budget has, however often the pieces name the same bytes.

use super::super::code_page;
use super::super::little_endian::{u16_at, u32_at};
use crate::extract::Why;
use crate::limits::Budget;
use std::collections::HashSet;

/// Put in the place of the mark that ends a row, and of one that ends a paragraph inside a cell; Word uses neither.
pub(super) const ROW: char = '\u{17}';
pub(super) const INSIDE: char = '\u{16}';

/// A page of formatted paragraphs (MS-DOC 2.9.175).
const PAGE: usize = 512;
/// Size of its entries (`BxPap`).
const BX: usize = 13;

/// Paragraph properties (MS-DOC 2.6.2): in a table, ends a row, the same of an inner table, properties kept elsewhere.
const IN_TABLE: u16 = 0x2416;
const ENDS_ROW: u16 = 0x2417;
const DEPTH: u16 = 0x6649;
const HUGE: u16 = 0x6646;

/// A paragraph in a table: where its bytes begin and end, and whether it ends a row.
pub(super) struct InTable {
    start: usize,
    end: usize,
    ends_row: bool,
}

/// The text of all stories.
pub(super) struct Text {
    /// One unit for each position of the document.
    pub units: Vec<u16>,
    /// The other reading of 8-bit pieces whose code page is in doubt.
    pub doubtful: String,
    pub missing: Option<Why>,
}

/// The text of the pieces that the `Clx` names (MS-DOC 2.9.38); `None` when it names none.
pub(super) fn text(main: &[u8], clx: &[u8], rows: &[InTable], is_japanese: bool, budget: &mut Budget) -> Option<Text> {
    let mut rest = clx;
    // Property modifiers come first, each with its length.
    while let [1, low, high, behind @ ..] = rest {
        rest = behind.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    let (_, table) = rest.strip_prefix(&[2]).and_then(|rest| rest.split_first_chunk::<4>())?;
    // Positions, one more than pieces; then eight bytes a piece.
    let count = table.len().checked_sub(4)? / 12;
    let mut text = Text { units: Vec::new(), doubtful: String::new(), missing: None };
    let allowance = budget.allowance(main.len() as u64);
    for index in 0..count {
        let (from, to) = (u32_at(table, index * 4)?, u32_at(table, index * 4 + 4)?);
        let Some(length) = to.checked_sub(from).and_then(|length| usize::try_from(length).ok()) else {
            text.missing = Some(Why::Damaged);
            continue;
        };
        let place = u32_at(table, (count + 1) * 4 + index * 8 + 2)?;
        let narrow = place & 0x4000_0000 != 0;
        let start = (place & 0x3FFF_FFFF) as usize / if narrow { 2 } else { 1 };
        let wanted = if narrow { length } else { length.saturating_mul(2) };
        let bytes = main.get(start..).unwrap_or_default();
        let bytes = &bytes[..wanted.min(bytes.len())];
        if bytes.len() < wanted {
            text.missing = text.missing.or(Some(Why::Damaged));
        }
        let cost = (bytes.len() as u64).saturating_mul(2);
        if budget.take_bytes(cost).is_err() || text.units.len() as u64 * 2 + cost > allowance {
            text.missing = Some(Why::Limit);
            break;
        }
        let begin = text.units.len();
        if narrow {
            narrow_piece(bytes, is_japanese, &mut text);
        } else {
            text.units.extend(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
        }
        mark(&mut text.units[begin..], start, if narrow { 1 } else { 2 }, rows);
    }
    Some(text)
}

/// An 8-bit piece: Windows 1252 by the specification, but old Japanese converters wrote code page 932.
fn narrow_piece(bytes: &[u8], is_japanese: bool, text: &mut Text) {
    let end = text.units.len() + bytes.len();
    let western = code_page::decoded(bytes, 1252).0;
    if is_japanese && !bytes.is_ascii() {
        let (japanese, clean) = code_page::decoded(bytes, 932);
        if clean {
            text.units.extend(japanese.encode_utf16());
            // Positions count bytes; what a character needs less is filled.
            text.units.resize(end, 0);
            text.doubtful.push_str(&western);
            text.doubtful.push('\n');
            return;
        }
    }
    text.units.extend(western.encode_utf16());
    text.units.resize(end, 0);
}

/// Marks the ends of rows and the ends of paragraphs inside cells.
fn mark(units: &mut [u16], start: usize, width: usize, rows: &[InTable]) {
    for (index, unit) in units.iter_mut().enumerate().filter(|(_, unit)| matches!(**unit, 7 | 13)) {
        let at = start + index * width;
        let found = rows.partition_point(|row| row.start <= at).checked_sub(1).map(|found| &rows[found]);
        if let Some(row) = found.filter(|row| at < row.end) {
            match *unit {
                7 if row.ends_row => *unit = ROW as u16,
                13 => *unit = INSIDE as u16,
                _ => {}
            }
        }
    }
}

/// The paragraphs that stand in tables, sorted by place.
pub(super) fn table_paragraphs(main: &[u8], plc: &[u8], data: &[u8]) -> Vec<InTable> {
    let count = plc.len().saturating_sub(4) / 8;
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for index in 0..count {
        let Some(number) = u32_at(plc, (count + 1) * 4 + index * 4) else { break };
        // The same page twice says nothing new.
        if seen.insert(number)
            && let Some(page) =
                (number as usize & 0x3F_FFFF).checked_mul(PAGE).and_then(|at| main.get(at..at.checked_add(PAGE)?))
        {
            read_page(page, data, &mut found);
        }
    }
    found.sort_unstable_by_key(|paragraph| paragraph.start);
    found
}

fn read_page(page: &[u8], data: &[u8], found: &mut Vec<InTable>) {
    let count = usize::from(page[PAGE - 1]);
    for index in 0..count {
        let (Some(start), Some(end)) = (u32_at(page, index * 4), u32_at(page, index * 4 + 4)) else { return };
        let Some(offset) = page.get((count + 1) * 4 + index * BX).map(|offset| usize::from(*offset) * 2) else {
            return;
        };
        if offset == 0 {
            continue;
        }
        // `PapxInFkp` (MS-DOC 2.9.176): half its length, or zero and then its length.
        let (at, length) = match page.get(offset..offset + 2) {
            Some([0, half]) => (offset + 2, usize::from(*half) * 2),
            Some([half, _]) => (offset + 1, (usize::from(*half) * 2).saturating_sub(1)),
            _ => continue,
        };
        let properties = page.get(at..).unwrap_or_default();
        // The number of the style comes first.
        let properties = properties[..length.min(properties.len())].get(2..).unwrap_or_default();
        let (mut in_table, mut ends_row) = (false, false);
        let mut elsewhere = None;
        each(properties, |property, operand| match property {
            IN_TABLE => in_table = operand.first().is_some_and(|value| *value != 0),
            ENDS_ROW => ends_row = operand.first().is_some_and(|value| *value != 0),
            DEPTH => in_table |= u32_at(operand, 0).is_some_and(|depth| depth > 0),
            HUGE => elsewhere = u32_at(operand, 0),
            _ => {}
        });
        if let Some(elsewhere) = elsewhere.and_then(|at| data.get(at as usize..)) {
            let length = u16_at(elsewhere, 0).map_or(0, usize::from);
            let more = elsewhere.get(2..).unwrap_or_default();
            each(&more[..length.min(more.len())], |property, operand| match property {
                IN_TABLE => in_table = operand.first().is_some_and(|value| *value != 0),
                ENDS_ROW => ends_row = operand.first().is_some_and(|value| *value != 0),
                _ => {}
            });
        }
        if in_table || ends_row {
            found.push(InTable { start: start as usize, end: end as usize, ends_row });
        }
    }
}

/// Goes through a list of properties (MS-DOC 2.2.5.1): the number of each says how long its operand is.
fn each(mut rest: &[u8], mut visit: impl FnMut(u16, &[u8])) {
    while let Some(property) = u16_at(rest, 0) {
        rest = &rest[2..];
        let length = match property >> 13 {
            0 | 1 => 1,
            2 | 4 | 5 => 2,
            3 => 4,
            7 => 3,
            _ => match (property, rest) {
                // `sprmTDefTable` has a length of two bytes, which counts one too many.
                (0xD608, _) => u16_at(rest, 0).map_or(usize::MAX, |length| usize::from(length) + 1),
                (_, [length, ..]) => usize::from(*length) + 1,
                _ => return,
            },
        };
        let Some((operand, behind)) = rest.split_at_checked(length) else { return };
        visit(property, operand);
        rest = behind;
    }
}
