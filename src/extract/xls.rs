//! Excel 5 to 2003 workbooks (MS-XLS, BIFF5 and BIFF8): every sheet as a table, with notes, text boxes, margins and caches beside.
//! It refuses to open what a password protects, and says of versions before Excel 5 that they are not read.

mod beside;
mod cells;
mod records;

use super::compound::Compound;
use super::little_endian::{u16_at, u32_at};
use super::number_format::NumberFormat;
use super::shared_strings::{SharedStrings, Styles};
use super::{Extracted, Role, Why};
use super::{blip, sheet};
use crate::limits::Budget;
use cells::Cells;
use records::{Cursor, Record, Records, Version};
use std::collections::HashMap;

/// Records (MS-XLS 2.3.1) by their numbers.
const BOF: u16 = 0x0809;
const BOF_BEFORE_5: [u16; 3] = [0x0009, 0x0209, 0x0409];
const EOF: u16 = 0x000A;
const FILE_PASS: u16 = 0x002F;
const CODE_PAGE: u16 = 0x0042;
const DATE_1904: u16 = 0x0022;
const FORMAT: u16 = 0x041E;
const XF: u16 = 0x00E0;
const SST: u16 = 0x00FC;
const BOUND_SHEET: u16 = 0x0085;
const LABEL_SST: u16 = 0x00FD;
const LABEL: u16 = 0x0204;
const R_STRING: u16 = 0x00D6;
const NUMBER: u16 = 0x0203;
const RK: u16 = 0x027E;
const MUL_RK: u16 = 0x00BD;
const FORMULA: u16 = 0x0006;
const STRING: u16 = 0x0207;
const BOOL_ERR: u16 = 0x0205;
const HEADER: u16 = 0x0014;
const FOOTER: u16 = 0x0015;
const HEADER_FOOTER: u16 = 0x089C;
const DRAWING_GROUP: u16 = 0x00EB;

/// What the sheets share, and the sheet that is being read.
struct Workbook {
    version: Version,
    code_page: u32,
    is_1904: bool,
    formats: HashMap<u16, NumberFormat>,
    /// The number format of each style, by its number.
    style_formats: Vec<u16>,
    styles: Option<Styles>,
    strings: SharedStrings,
    /// Names of sheets by where they begin.
    names: HashMap<usize, String>,
    /// Substreams in substreams, charts among them.
    depth: usize,
    place: Option<String>,
    sheets: usize,
    cells: Cells,
    margins: String,
    besides: String,
    pictures: Vec<u8>,
    /// The cell whose formula gave a text, which comes in a record of its own.
    formula: Option<(u16, u16)>,
}

/// Reads the workbooks in a storage.
pub(super) fn read(
    compound: &Compound<'_>,
    storage: usize,
    path: &str,
    role: Role,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    for name in ["Workbook", "Book"] {
        if let Some((stream, missing)) = compound.stream(storage, name, budget) {
            read_stream(&stream, path, role, budget, out);
            if let Some(why) = missing {
                out.unread(path, why);
            }
        }
    }
    // Caches of pivot tables keep rows that no sheet shows (MS-XLS 2.1.7.12).
    for name in ["_SX_DB_CUR", "_SX_DB"] {
        let Some(caches) = compound.find_storage(storage, name) else { continue };
        let streams: Vec<usize> = compound.children(caches).map(|(index, _)| index).collect();
        for index in streams {
            if budget.take_entry().is_err() {
                out.unread(path, Why::Limit);
                break;
            }
            let (stream, missing) = compound.content(index, budget);
            let text = beside::pivot(&stream, name == "_SX_DB_CUR");
            out.text(&format!("{path}!pivot"), role, text);
            if let Some(why) = missing {
                out.unread(path, why);
            }
        }
    }
}

/// Reads a stream of records.
pub(super) fn read_stream(stream: &[u8], path: &str, role: Role, budget: &mut Budget, out: &mut Extracted) {
    let mut records = Records::new(stream);
    let version = match u16_at(stream, 0) {
        Some(BOF) if u16_at(stream, 4).is_some_and(|version| version >= 0x0600) => Version::Eight,
        Some(BOF) => Version::Five { code_page: 1252 },
        Some(kind) if BOF_BEFORE_5.contains(&kind) => {
            out.unread(path, Why::Unsupported);
            return;
        }
        _ => {
            out.unread(path, Why::Damaged);
            return;
        }
    };
    let mut book = Workbook {
        version,
        code_page: 1252,
        is_1904: false,
        formats: HashMap::new(),
        style_formats: Vec::new(),
        styles: None,
        strings: SharedStrings::default(),
        names: HashMap::new(),
        depth: 0,
        place: None,
        sheets: 0,
        cells: Cells::default(),
        margins: String::new(),
        besides: String::new(),
        pictures: Vec::new(),
        formula: None,
    };
    let mut ended = false;
    let mut spent = false;
    for record in records.by_ref() {
        if record.kind == FILE_PASS {
            out.unread(path, Why::Encrypted);
            return;
        }
        ended = record.kind == EOF || (ended && record.kind == 0);
        book.record(&record, path, role, budget, out);
        spent |= book.cells.spent || book.strings.over;
        if spent {
            break;
        }
    }
    book.end_sheet(path, role, budget, out);
    blip::report(path, [book.pictures.as_slice()], out);
    out.text(&format!("{path}!phonetic"), role, std::mem::take(&mut book.strings.phonetic));
    out.text(&format!("{path}!sharedStrings"), role, book.strings.unused());
    out.text(&format!("{path}!besides"), role, book.besides);
    if spent {
        out.unread(path, Why::Limit);
    } else if records.cut || !ended || book.strings.broken {
        out.unread(path, Why::Damaged);
    }
}

impl Workbook {
    fn record(&mut self, record: &Record<'_>, path: &str, role: Role, budget: &mut Budget, out: &mut Extracted) {
        let data = record.data();
        match record.kind {
            BOF => {
                self.depth += 1;
                if self.depth == 1 && !matches!(u16_at(data, 2), Some(0x0005 | 0x0006 | 0x0100)) {
                    self.sheets += 1;
                    let name = self.names.get(&record.at).cloned();
                    let name = name.unwrap_or_else(|| format!("sheet{}", self.sheets));
                    self.place = Some(format!("{path}!{name}"));
                }
            }
            EOF => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.end_sheet(path, role, budget, out);
                }
            }
            CODE_PAGE => {
                self.code_page = match u16_at(data, 0) {
                    Some(0x8000) => 10000,
                    Some(0x8001) | None => 1252,
                    Some(number) => u32::from(number),
                };
                if let Version::Five { code_page } = &mut self.version {
                    *code_page = self.code_page;
                }
            }
            DATE_1904 => self.is_1904 = u16_at(data, 0) == Some(1),
            FORMAT => {
                let mut cursor = Cursor::new(&record.parts);
                if let Some(number) = cursor.short()
                    && let Some(code) = cursor.string(self.version, self.version == Version::Eight)
                {
                    self.formats.insert(number, NumberFormat::parse(&code));
                }
            }
            XF => self.style_formats.push(u16_at(data, 2).unwrap_or(0)),
            SST => self.shared_strings(record, budget),
            BOUND_SHEET => {
                let mut cursor = Cursor::new(&record.parts);
                if let (Some(at), Some(_)) = (cursor.long(), cursor.short())
                    && let Some(name) = cursor.string(self.version, false)
                {
                    self.names.insert(at as usize, name);
                }
            }
            DRAWING_GROUP if budget.take_bytes(data.len() as u64).is_ok() => self.pictures.extend(record.joined()),
            HEADER | FOOTER => {
                let mut cursor = Cursor::new(&record.parts);
                if let Some(text) = cursor.string(self.version, self.version == Version::Eight) {
                    self.margin(&text);
                }
            }
            HEADER_FOOTER => {
                for text in beside::margins(&record.joined()) {
                    self.margin(&text);
                }
            }
            _ if self.depth == 1 && self.place.is_some() && self.cell(record, budget) => {}
            _ => beside::read(record, self.version, &mut self.besides),
        }
    }

    /// `SST` (MS-XLS 2.4.265).
    fn shared_strings(&mut self, record: &Record<'_>, budget: &mut Budget) {
        let mut cursor = Cursor::new(&record.parts);
        let (_, Some(count)) = (cursor.long(), cursor.long()) else { return };
        for _ in 0..count {
            if cursor.is_empty() {
                self.strings.broken = true;
                break;
            }
            let Some((text, phonetic)) = cursor.rich() else {
                self.strings.broken = true;
                break;
            };
            if budget.take_bytes((text.len() + phonetic.len() + 8) as u64).is_err() {
                self.strings.over = true;
                break;
            }
            self.strings.push(&text);
            if !phonetic.is_empty() {
                self.strings.phonetic.push_str(&phonetic);
                self.strings.phonetic.push('\n');
            }
        }
    }

    fn margin(&mut self, text: &str) {
        self.margins.push_str(&sheet::without_codes(text));
        self.margins.push('\n');
    }

    /// A record of cells; `false` when it is none.
    fn cell(&mut self, record: &Record<'_>, budget: &mut Budget) -> bool {
        let data = record.data();
        let mut cursor = Cursor::new(&record.parts);
        if record.kind == STRING {
            if let (Some((row, column)), Some(text)) = (self.formula.take(), cursor.string(self.version, true)) {
                self.cells.push(row, column, &text, budget);
            }
            return true;
        }
        let (Some(row), Some(column), Some(style)) = (cursor.short(), cursor.short(), cursor.short()) else {
            return false;
        };
        match record.kind {
            LABEL_SST => {
                let text = cursor.long().and_then(|index| self.strings.get(index as usize));
                self.cells.push(row, column, text.unwrap_or_default(), budget);
            }
            LABEL | R_STRING => {
                let text = cursor.string(self.version, true).unwrap_or_default();
                self.cells.push(row, column, &text, budget);
            }
            NUMBER => {
                if let Some(value) = double(data.get(6..)) {
                    self.number(row, column, style, value, budget);
                }
            }
            RK => {
                if let Some(value) = cursor.long() {
                    self.number(row, column, style, rk(value), budget);
                }
            }
            MUL_RK => {
                // Row and first column, then pairs of style and number, then the last column.
                let pairs = data.get(4..data.len().saturating_sub(2)).unwrap_or_default();
                for (index, pair) in pairs.chunks_exact(6).enumerate() {
                    let (Some(style), Some(value)) = (u16_at(pair, 0), u32_at(pair, 2)) else { break };
                    let column = column.saturating_add(u16::try_from(index).unwrap_or(u16::MAX));
                    self.number(row, column, style, rk(value), budget);
                }
            }
            FORMULA => match data.get(6..14) {
                Some([0, .., 0xFF, 0xFF]) => self.formula = Some((row, column)),
                Some([1, _, value, .., 0xFF, 0xFF]) => self.cells.push(row, column, truth(*value), budget),
                Some([2 | 3, .., 0xFF, 0xFF]) | None => {}
                Some(_) => {
                    if let Some(value) = double(data.get(6..)) {
                        self.number(row, column, style, value, budget);
                    }
                }
            },
            BOOL_ERR => {
                if let Some([value, 0]) = data.get(6..8) {
                    self.cells.push(row, column, truth(*value), budget);
                }
            }
            _ => return false,
        }
        true
    }

    fn number(&mut self, row: u16, column: u16, style: u16, value: f64, budget: &mut Budget) {
        if self.styles.is_none() {
            let format = |number: &u16| {
                self.formats.get(number).cloned().unwrap_or_else(|| NumberFormat::builtin(u32::from(*number)))
            };
            self.styles = Some(Styles::of(self.style_formats.iter().map(format).collect()));
        }
        let format = self.styles.as_ref().map_or(&NumberFormat::General, |styles| styles.format(usize::from(style)));
        let text = format.show(&format!("{value}"), self.is_1904);
        self.cells.push(row, column, &text, budget);
    }

    /// Gives what the sheet held.
    fn end_sheet(&mut self, path: &str, role: Role, budget: &mut Budget, out: &mut Extracted) {
        self.formula = None;
        let mut cells = std::mem::take(&mut self.cells);
        let margins = std::mem::take(&mut self.margins);
        let Some(place) = self.place.take() else {
            out.text(path, Role::Property, margins);
            return;
        };
        out.table(&place, role, cells.table(budget));
        out.text(&place, role, std::mem::take(&mut self.besides));
        out.text(&place, Role::Property, margins);
        if cells.spent {
            out.unread(&place, Why::Limit);
        }
    }
}

fn truth(value: u8) -> &'static str {
    if value == 0 { "FALSE" } else { "TRUE" }
}

fn double(bytes: Option<&[u8]>) -> Option<f64> {
    bytes?.first_chunk::<8>().map(|raw| f64::from_le_bytes(*raw))
}

/// A number in 30 bits (MS-XLS 2.5.217): an integer or the upper part of a fraction, perhaps a hundredth of it.
fn rk(value: u32) -> f64 {
    let number = if value & 2 == 0 {
        f64::from_bits(u64::from(value & !3) << 32)
    } else {
        f64::from(i32::from_le_bytes(value.to_le_bytes()) >> 2)
    };
    if value & 1 == 0 { number } else { number / 100.0 }
}
