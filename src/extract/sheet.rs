//! Worksheets of a workbook as tables, streamed cell by cell, and what stands on a sheet besides its cells.
//! It refuses to skip hidden sheets, rows and columns, and keeps every row at its own number.

use super::shared_strings::{SharedStrings, Styles, unescaped};
use super::walk::attribute_text;
use super::xml::{self, Source};
use super::{Extracted, Role, Table, Why};
use crate::limits::Budget;
use quick_xml::events::{BytesStart, Event};
use std::io::Read;

/// Rows and columns of a sheet (ECMA-376 part 1, 18.3.1.73 and 18.3.1.13).
const ROWS: usize = 1_048_576;
const COLUMNS: usize = 16_384;
/// Bytes the table needs for a cell or row besides its text.
const OVERHEAD: u64 = 4;

/// What the cells of all sheets share.
#[derive(Default)]
pub(super) struct Workbook {
    pub strings: SharedStrings,
    pub styles: Styles,
    pub is_1904: bool,
}

/// A sheet that is being read.
struct Sheet<'w> {
    workbook: &'w mut Workbook,
    table: Table,
    /// Cells of the open row that are stored, and the column of the next one; empty cells are only stored before others.
    stored: usize,
    column: usize,
    open_row: bool,
    cost: u64,
    spent: bool,
    /// The current cell.
    kind: String,
    style: usize,
    value: String,
    formula: String,
    inline: String,
    /// Texts besides the cells, and those of page headers and footers.
    besides: String,
    margins: String,
    margin: String,
    broken: bool,
}

/// Reads one sheet.
pub(super) fn read(
    path: &str,
    role: Role,
    source: impl Read,
    allowance: u64,
    workbook: &mut Workbook,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    let mut sheet = Sheet {
        workbook,
        table: Table::default(),
        stored: 0,
        column: 0,
        open_row: false,
        cost: 0,
        spent: false,
        kind: String::new(),
        style: 0,
        value: String::new(),
        formula: String::new(),
        inline: String::new(),
        besides: String::new(),
        margins: String::new(),
        margin: String::new(),
        broken: false,
    };
    let mut reader = xml::reader(Source::new(source, allowance));
    sheet.walk(&mut reader, budget);
    let source = reader.into_inner();
    let spent = budget.take_bytes(source.used).is_err() || sheet.spent;
    if sheet.open_row {
        sheet.table.end_row();
    }
    out.table(path, role, sheet.table);
    out.text(path, role, sheet.besides);
    out.text(path, Role::Property, sheet.margins);
    if source.over || spent {
        out.unread(path, Why::Limit);
    }
    if sheet.broken || source.broken {
        out.unread(path, Why::Damaged);
    }
}

impl Sheet<'_> {
    fn walk<R: Read>(&mut self, reader: &mut quick_xml::Reader<Source<R>>, budget: &mut Budget) {
        let mut buffer = Vec::new();
        let mut stack: Vec<Place> = Vec::new();
        let mut phonetics = 0_usize;
        while !self.spent {
            buffer.clear();
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(element)) => {
                    let place = Place::of(element.local_name().as_ref());
                    self.start(place, &element);
                    phonetics += usize::from(place == Place::Phonetic);
                    stack.push(place);
                    if stack.len() > xml::DEEPEST {
                        self.broken = true;
                        break;
                    }
                }
                Ok(Event::Empty(element)) => {
                    let place = Place::of(element.local_name().as_ref());
                    self.start(place, &element);
                    self.end(place, budget);
                }
                Ok(Event::End(_)) => {
                    if let Some(place) = stack.pop() {
                        phonetics -= usize::from(place == Place::Phonetic);
                        self.end(place, budget);
                    }
                }
                Ok(Event::Text(text)) => self.text(stack.last(), phonetics > 0, &text),
                Ok(Event::CData(text)) => self.text(stack.last(), phonetics > 0, &text),
                Ok(Event::GeneralRef(reference)) => match xml::reference(&reference) {
                    Some(text) => self.text(stack.last(), phonetics > 0, &text),
                    None => self.broken = true,
                },
                Ok(Event::Eof) => break,
                Err(_) => {
                    self.broken = true;
                    break;
                }
                Ok(_) => {}
            }
        }
        self.spent |= budget.take_bytes(self.cost).is_err();
    }

    fn start(&mut self, place: Place, element: &BytesStart<'_>) {
        match place {
            Place::Row => {
                let number = xml::attribute(element, "r").and_then(|number| number.parse::<usize>().ok());
                self.go_to_row(number);
            }
            Place::Cell => {
                self.kind.clear();
                self.style = 0;
                self.value.clear();
                self.formula.clear();
                self.inline.clear();
                let mut column = None;
                for attribute in element.attributes().with_checks(false).flatten() {
                    match attribute.key.local_name().as_ref() {
                        "r" => column = column_of(&attribute.value),
                        "s" => self.style = attribute.value.parse().unwrap_or(0),
                        "t" => self.kind.push_str(&attribute.value),
                        _ => {}
                    }
                }
                if let Some(column) = column
                    && column > self.column
                {
                    self.column = column;
                }
            }
            Place::Other | Place::Text => {
                let name = element.name();
                for attribute in element.attributes().with_checks(false).flatten() {
                    if let Some(text) = attribute_text(name.as_ref(), attribute.key.as_ref(), &attribute.value) {
                        self.besides.push_str(&text);
                        self.besides.push('\n');
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, place: Option<&Place>, phonetic: bool, text: &str) {
        match place {
            Some(Place::Value) => self.value.push_str(text),
            Some(Place::Formula) => self.formula.push_str(text),
            Some(Place::Text) if phonetic => {
                self.besides.push_str(text);
                self.besides.push('\n');
            }
            Some(Place::Text) => self.inline.push_str(text),
            Some(Place::Margin) => self.margin.push_str(text),
            Some(Place::Other) if !text.trim().is_empty() => self.besides.push_str(text),
            _ => {}
        }
    }

    fn end(&mut self, place: Place, budget: &mut Budget) {
        match place {
            Place::Cell => self.end_cell(),
            Place::Margin => {
                self.margins.push_str(&without_codes(&self.margin));
                self.margins.push('\n');
                self.margin.clear();
            }
            Place::Other if !self.besides.is_empty() && !self.besides.ends_with('\n') => self.besides.push('\n'),
            Place::Row => {
                // Charged row by row, so that a limit stops reading soon.
                self.spent |= budget.take_bytes(std::mem::take(&mut self.cost)).is_err();
            }
            _ => {}
        }
    }

    /// Ends the open row and adds empty ones up to the given number; numbers that do not grow mean the next row.
    fn go_to_row(&mut self, number: Option<usize>) {
        if self.open_row {
            self.table.end_row();
        }
        let index = number.unwrap_or(0).saturating_sub(1);
        if index < ROWS {
            while self.table.len() < index {
                self.table.end_row();
                self.cost += OVERHEAD;
            }
        }
        self.open_row = true;
        self.stored = 0;
        self.column = 0;
        self.cost += OVERHEAD;
    }

    fn end_cell(&mut self) {
        if !self.open_row {
            self.go_to_row(None);
        }
        let text = match self.kind.as_str() {
            "s" => {
                let index = self.value.trim().parse().unwrap_or(usize::MAX);
                match self.workbook.strings.get(index) {
                    Some(text) => text,
                    None => self.value.as_str(),
                }
                .into()
            }
            "str" | "d" | "e" => unescaped(&self.value),
            "b" => if self.value == "1" { "TRUE" } else { "FALSE" }.into(),
            "inlineStr" => unescaped(&self.inline),
            _ if self.value.is_empty() => unescaped(if self.inline.is_empty() { &self.formula } else { &self.inline }),
            _ => self.workbook.styles.format(self.style).show(&self.value, self.workbook.is_1904).into(),
        };
        self.column += 1;
        if text.is_empty() {
            return;
        }
        for _ in self.stored..self.column - 1 {
            self.spent |= self.table.push_cell("").is_err();
        }
        self.spent |= self.table.push_cell(&text).is_err();
        self.cost += text.len() as u64 + (self.column - self.stored) as u64 * OVERHEAD;
        self.stored = self.column;
    }
}

/// Where in a sheet part the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Row,
    Cell,
    Value,
    Formula,
    /// `t` of an inline string.
    Text,
    Phonetic,
    /// A page header or footer.
    Margin,
    /// `is` and `r`, which only hold others.
    Inside,
    Other,
}

impl Place {
    fn of(local: &str) -> Self {
        match local {
            "c" => Self::Cell,
            "v" => Self::Value,
            "row" => Self::Row,
            "f" => Self::Formula,
            "t" => Self::Text,
            "is" | "r" | "rPr" => Self::Inside,
            "rPh" => Self::Phonetic,
            "oddHeader" | "oddFooter" | "evenHeader" | "evenFooter" | "firstHeader" | "firstFooter" => Self::Margin,
            _ => Self::Other,
        }
    }
}

/// A page header without its codes: `&C` and the like part it, `&"Font,Bold"` and `&12` go (ECMA-376 part 1, 18.3.1.46).
pub(super) fn without_codes(margin: &str) -> String {
    let mut out = String::with_capacity(margin.len());
    let mut rest = margin;
    while let Some((before, code)) = rest.split_once('&') {
        out.push_str(before);
        rest = match code.chars().next() {
            Some('"') => code[1..].split_once('"').map_or("", |(_, behind)| behind),
            Some('0'..='9') => code.trim_start_matches(|digit: char| digit.is_ascii_digit()),
            Some('&') => {
                out.push('&');
                &code[1..]
            }
            Some('L' | 'C' | 'R') => {
                out.push(' ');
                &code[1..]
            }
            Some('K') => code.get(7..).unwrap_or(""),
            Some(letter) if letter.is_ascii_alphabetic() => &code[1..],
            _ => code,
        };
    }
    out.push_str(rest);
    out.trim().to_owned()
}

/// The column index of a reference such as `AB12`.
fn column_of(reference: &str) -> Option<usize> {
    let mut column = 0_usize;
    for byte in reference.bytes().take_while(u8::is_ascii_alphabetic) {
        column = column.checked_mul(26)? + usize::from(byte.to_ascii_uppercase() - b'A') + 1;
    }
    (1..=COLUMNS).contains(&column).then(|| column - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Content;
    use crate::limits::Limits;

    fn sheet(xml: &str, limits: &Limits) -> (Vec<Vec<String>>, Extracted) {
        let mut out = Extracted::default();
        let mut workbook = Workbook::default();
        let strings =
            "<sst><si><t>山田</t><rPh><t>ヤマダ</t></rPh></si><si><r><t>a</t></r><r><t>_x0041_&amp;</t></r></si></sst>";
        let mut budget = Budget::new(limits);
        workbook.strings = SharedStrings::read(strings.as_bytes(), u64::MAX, &mut budget);
        read("x.xlsx!S", Role::Attachment, xml.as_bytes(), u64::MAX, &mut workbook, &mut budget, &mut out);
        let rows = out
            .pieces
            .iter()
            .find_map(|piece| match &piece.content {
                Content::Table(table) => {
                    Some(table.rows().map(|row| row.cells().map(str::to_owned).collect()).collect())
                }
                Content::Text(_) => None,
            })
            .unwrap_or_default();
        (rows, out)
    }

    #[test]
    fn cells_stand_where_the_sheet_has_them() {
        let xml = "<worksheet><sheetData><row r='2'><c r='B2' t='s'><v>0</v></c><c r='C2' t='s'><v>1</v></c></row>\
            <row r='4' hidden='1'><c t='inlineStr'><is><t>in</t></is></c><c r='D4'><v>42</v></c><c><f>A1&amp;B1</f></c></row></sheetData>\
            <headerFooter><oddHeader>&amp;C&amp;\"ＭＳ,太字\"&amp;12社外秘 &amp;&amp; 1組</oddHeader></headerFooter></worksheet>";
        let (rows, out) = sheet(xml, &Limits::default());
        assert_eq!(rows, [vec![], vec!["", "山田", "aA&"], vec![], vec!["in", "", "", "42", "A1&B1"]]);
        let margin = out.pieces.iter().find(|piece| piece.role == Role::Property).map(|piece| &piece.content);
        assert_eq!(margin, Some(&Content::Text("社外秘 & 1組\n".to_owned())));
        assert!(out.unreadable.is_empty());
    }

    #[test]
    fn a_cell_far_away_costs_little_and_an_impossible_one_is_still_read() {
        let xml = "<worksheet><sheetData><row r='1048576'><c r='XFD1048576'><v>7</v></c></row>\
            <row r='4000000000'><c r='ZZZZZZ4000000000'><v>8</v></c></row></sheetData></worksheet>";
        let (rows, out) = sheet(xml, &Limits::default());
        assert_eq!(rows.len(), 1_048_577);
        assert_eq!(rows[1_048_575].last().map(String::as_str), Some("7"));
        assert_eq!(rows[1_048_576], ["8"]);
        assert!(out.unreadable.is_empty());
    }

    #[test]
    fn one_long_string_shown_often_ends_at_the_budget() {
        let rows = "<row><c t='s'><v>0</v></c></row>".repeat(1_000);
        let xml = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        let (rows, out) = sheet(&xml, &Limits { unpacked_bytes: 2_000, ..Limits::default() });
        assert!(!rows.is_empty() && rows.len() < 1_000);
        assert_eq!(out.unreadable[0].why, Why::Limit);
    }

    #[test]
    fn a_cut_off_sheet_keeps_its_rows() {
        let (rows, out) = sheet(
            "<worksheet><sheetData><row r='1'><c><v>1</v></c></row><row r='2'><c><v>2</v></c><c r=",
            &Limits::default(),
        );
        assert_eq!(rows, [vec!["1"], vec!["2"]]);
        assert_eq!(out.unreadable[0].why, Why::Damaged);
    }
}
