//! Word 97 to 2003 documents (MS-DOC): the pieces of text in their order, tables as tables, and every other story of the file.
//! It refuses to guess at older versions, and to open what a password protects.

mod pieces;

use super::compound::Compound;
use super::grid::Grid;
use super::little_endian::{u16_at, u32_at};
use super::{Extracted, Role, Why};
use super::{blip, embedded};
use crate::limits::Budget;
use pieces::{INSIDE, ROW};

/// `wIdent` of Word 97 and later, and the lowest `nFib` of these (MS-DOC 2.5.2).
const WORD_97: u16 = 0xA5EC;
const FIB_97: u16 = 0x00C0;
/// Offsets in the FIB of version 97 (MS-DOC 2.5.1): the counts of characters, the first pair of `FibRgFcLcb97`.
const COUNTS: usize = 64;
const PAIRS: usize = 154;
/// Which pairs: `PlcfBtePapx`, `Clx`.
const BTE_PAPX: usize = 13;
const CLX: usize = 33;

/// The stories in the order in which they stand (MS-DOC 2.4.1), by the index of their count in `FibRgLw97`.
const STORIES: [(usize, &str); 8] = [
    (3, ""),
    (4, "footnotes"),
    (5, "headers"),
    (6, "macros"),
    (7, "comments"),
    (8, "endnotes"),
    (9, "textboxes"),
    (10, "headers"),
];

/// Reads the document in a storage.
pub(super) fn read(
    compound: &Compound<'_>,
    storage: usize,
    path: &str,
    role: Role,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    let Some((main, missing)) = compound.stream(storage, "WordDocument", budget) else { return };
    if let Some(why) = missing {
        out.unread(path, why);
    }
    let (Some(ident), Some(version), Some(flags)) = (u16_at(&main, 0), u16_at(&main, 2), u16_at(&main, 10)) else {
        out.unread(path, Why::Damaged);
        return;
    };
    if flags & 0x0100 != 0 {
        out.unread(path, Why::Encrypted);
        return;
    }
    if ident != WORD_97 || version < FIB_97 {
        out.unread(path, Why::Unsupported);
        return;
    }
    let table = if flags & 0x0200 == 0 { "0Table" } else { "1Table" };
    let Some((table, missing)) = compound.stream(storage, table, budget) else {
        out.unread(path, Why::Damaged);
        return;
    };
    let data = compound.stream(storage, "Data", budget);
    let data_missing = data.as_ref().and_then(|(_, missing)| *missing);
    for why in [missing, data_missing].into_iter().flatten() {
        out.unread(path, why);
    }
    let data = data.map(|(data, _)| data).unwrap_or_default();
    let pair = |index: usize| {
        let at = usize::try_from(u32_at(&main, PAIRS + index * 8)?).ok()?;
        let length = usize::try_from(u32_at(&main, PAIRS + index * 8 + 4)?).ok()?;
        let rest = table.get(at..)?;
        Some(&rest[..length.min(rest.len())])
    };
    let rows = pieces::table_paragraphs(&main, pair(BTE_PAPX).unwrap_or_default(), &data);
    let is_japanese = u16_at(&main, 6) == Some(0x0411);
    let Some(mut text) = pieces::text(&main, pair(CLX).unwrap_or_default(), &rows, is_japanese, budget) else {
        out.unread(path, Why::Damaged);
        return;
    };
    let mut rest = std::mem::take(&mut text.units);
    let mut besides = String::new();
    let mut inside = Vec::new();
    for (count, name) in STORIES {
        let length = u32_at(&main, COUNTS + count * 4).map_or(0, |length| length as usize).min(rest.len());
        let behind = rest.split_off(length);
        // What stands behind the last story is text as well.
        let story = Story::read(&rest, !rows.is_empty(), budget);
        rest = behind;
        besides.push_str(&story.instructions);
        let (place, role) = match name {
            "" => (path.to_owned(), role),
            "headers" => (format!("{path}!{name}"), Role::Property),
            _ => (format!("{path}!{name}"), role),
        };
        inside.extend(story.grid.finish(&place, role, out));
    }
    let story = Story::read(&rest, !rows.is_empty(), budget);
    besides.push_str(&story.instructions);
    inside.extend(story.grid.finish(&format!("{path}!notes"), role, out));
    out.text(&format!("{path}!besides"), role, besides);
    out.text(&format!("{path}!charset"), role, text.doubtful);
    if let Some(why) = text.missing {
        out.unread(path, why);
    }
    blip::report(path, [main.as_slice(), &data], out);
    embedded::read_all(path, inside, budget, out);
}

/// One story as text and tables.
struct Story<'b> {
    grid: Grid<'b>,
    /// Codes of fields, which nobody sees, a line each.
    instructions: String,
    paragraph: String,
    /// Codes of the fields that are open, from the outermost.
    codes: Vec<Option<String>>,
    in_row: bool,
    last_was_cell: bool,
}

/// Fields in fields that are told apart.
const DEEPEST_FIELD: usize = 64;

impl<'b> Story<'b> {
    fn read(units: &[u16], rows_are_known: bool, budget: &'b mut Budget) -> Self {
        let mut story = Self {
            grid: Grid::new(budget),
            instructions: String::new(),
            paragraph: String::new(),
            codes: Vec::new(),
            in_row: false,
            last_was_cell: false,
        };
        for character in char::decode_utf16(units.iter().copied()) {
            story.character(character.unwrap_or('\u{FFFD}'), rows_are_known);
            if story.grid.is_full() {
                break;
            }
        }
        while !story.codes.is_empty() {
            story.end_field();
        }
        story.end_paragraph();
        story
    }

    /// MS-DOC 2.4.1 and the "special characters" of 2.4.2 onwards.
    fn character(&mut self, character: char, rows_are_known: bool) {
        let was_cell = std::mem::take(&mut self.last_was_cell);
        match character {
            '\u{13}' if self.codes.len() < DEEPEST_FIELD => self.codes.push(Some(String::new())),
            '\u{14}' => {
                if let Some(code) = self.codes.last_mut().and_then(Option::take) {
                    self.instruction(&code);
                }
            }
            '\u{15}' => self.end_field(),
            '\u{7}' if was_cell && !rows_are_known => self.end_row(),
            '\u{7}' => {
                self.last_was_cell = true;
                self.end_cell();
            }
            ROW => self.end_row(),
            INSIDE => self.push('\n'),
            '\r' => self.end_paragraph(),
            '\u{B}' | '\u{C}' | '\u{E}' => self.push('\n'),
            '\u{1E}' => self.push('-'),
            '\u{A0}' => self.push(' '),
            '\t' => self.push('\t'),
            // Places of pictures, notes, comments and drawings; optional hyphens; filling of double-byte pieces.
            '\0'..='\u{1F}' => {}
            other => self.push(other),
        }
    }

    fn push(&mut self, character: char) {
        match self.codes.last_mut() {
            Some(Some(code)) => code.push(character),
            _ => self.paragraph.push(character),
        }
    }

    fn instruction(&mut self, code: &str) {
        self.instructions.push_str(code.trim());
        self.instructions.push('\n');
    }

    /// Ends a field. A field without a result is shown by its code: `EQ \o\ad(\s\up 9(ヤマダ),山田)` is furigana above a name.
    fn end_field(&mut self) {
        let Some(Some(code)) = self.codes.pop() else { return };
        let trimmed = code.trim();
        let base = trimmed.get(..2).filter(|name| name.eq_ignore_ascii_case("eq"));
        // Each character goes to one place only, so that fields in fields do not multiply it.
        match base.and(trimmed.rsplit_once([',', ';'])) {
            Some((reading, base)) => {
                self.instruction(reading);
                for character in base.strip_suffix(')').unwrap_or(base).chars() {
                    self.push(character);
                }
            }
            None => self.instruction(trimmed),
        }
    }

    fn end_paragraph(&mut self) {
        if self.grid.in_table() {
            self.grid.close_table();
            self.in_row = false;
        }
        self.paragraph.push('\n');
        self.grid.push(&self.paragraph);
        self.paragraph.clear();
    }

    fn end_cell(&mut self) {
        if !self.grid.in_table() {
            self.grid.open_table(None);
        }
        if !self.in_row {
            self.grid.open_row();
            self.in_row = true;
        }
        self.grid.open_cell(1, 1);
        self.grid.push(&self.paragraph);
        self.grid.close_cell(1);
        self.paragraph.clear();
    }

    fn end_row(&mut self) {
        if !self.paragraph.is_empty() {
            self.end_cell();
        }
        if self.in_row {
            self.grid.close_row(1);
            self.in_row = false;
        }
    }
}
