//! Text of a workbook that stands in no cell: notes, text boxes, prompts, links, charts, and what is kept of other books (MS-XLS 2.4).
//! It refuses to read formulas; what they give is in the cells.

use super::super::code_page;
use super::super::little_endian::u16_at;
use super::records::{Cursor, Record, Records, Version};

const NOTE: u16 = 0x001C;
const TXO: u16 = 0x01B6;
const DV: u16 = 0x01BE;
const H_LINK: u16 = 0x01B8;
const H_LINK_TOOLTIP: u16 = 0x0800;
const SUP_BOOK: u16 = 0x01AE;
const CRN: u16 = 0x005A;
const SERIES_TEXT: u16 = 0x100D;
const SX_STRING: u16 = 0x00CD;
const DRAWING: u16 = 0x00EC;

/// Characters of the shortest text that is found by its look.
const SHORTEST: usize = 4;

/// Appends the text of a record, a line each.
pub(super) fn read(record: &Record<'_>, version: Version, out: &mut String) {
    let data = record.data();
    let mut cursor = Cursor::new(&record.parts);
    match record.kind {
        // Version 5 keeps the text here (row, column, length); version 8 only the author.
        NOTE => {
            cursor.bytes(6);
            let text = match version {
                Version::Five { code_page } => code_page::decoded(&cursor.bytes(usize::MAX), code_page).0,
                Version::Eight => {
                    cursor.bytes(2);
                    cursor.string(version, true).unwrap_or_default()
                }
            };
            line(&text, out);
        }
        // The count stands in the record, the text in the parts that continue it.
        TXO if version == Version::Eight => {
            let count = usize::from(u16_at(data, 10).unwrap_or(0));
            let mut cursor = Cursor::new(record.parts.get(1..).unwrap_or_default());
            if let Some(flags) = cursor.byte() {
                line(&cursor.characters(count, flags), out);
            }
        }
        // Prompt and error: titles, then texts.
        DV => {
            cursor.bytes(4);
            for _ in 0..4 {
                line(&cursor.string(version, true).unwrap_or_default(), out);
            }
        }
        SUP_BOOK => {
            let count = cursor.short().unwrap_or(0);
            // Without a path it is this book, or a program.
            if u16_at(data, 2).is_some_and(|length| (1..=0xFF).contains(&length)) {
                for _ in 0..=count {
                    let Some(text) = cursor.string(version, true) else { break };
                    let text: String = text.chars().filter(|character| !character.is_control()).collect();
                    line(&text, out);
                }
            }
        }
        CRN => cached(&mut cursor, version, out),
        SERIES_TEXT => {
            cursor.bytes(2);
            line(&cursor.string(version, false).unwrap_or_default(), out);
        }
        SX_STRING => line(&cursor.string(version, true).unwrap_or_default(), out),
        H_LINK | H_LINK_TOOLTIP | DRAWING => runs(&record.joined(), out),
        _ => {}
    }
}

/// Values kept of another book (MS-XLS 2.4.65 and 2.5.198.4).
fn cached(cursor: &mut Cursor<'_, '_>, version: Version, out: &mut String) {
    cursor.bytes(4);
    while let Some(kind) = cursor.byte() {
        match kind {
            2 => line(&cursor.string(version, true).unwrap_or_default(), out),
            1 => {
                if let Some(raw) = cursor.bytes(8).first_chunk::<8>() {
                    line(&format!("{}", f64::from_le_bytes(*raw)), out);
                }
            }
            _ => {
                cursor.bytes(8);
            }
        }
    }
}

/// Headers and footers of even and first pages (MS-XLS 2.4.137).
pub(super) fn margins(data: &[u8]) -> Vec<String> {
    let parts = [data];
    let mut cursor = Cursor::new(&parts);
    cursor.bytes(30);
    let counts = [cursor.short(), cursor.short(), cursor.short(), cursor.short()];
    let filled = counts.into_iter().flatten().filter(|count| *count > 0);
    filled.map_while(|_| cursor.string(Version::Eight, true)).collect()
}

/// The texts of a cache of a pivot table.
pub(super) fn pivot(stream: &[u8], is_8: bool) -> String {
    let version = if is_8 { Version::Eight } else { Version::Five { code_page: 932 } };
    let mut out = String::new();
    for record in Records::new(stream) {
        read(&record, version, &mut out);
    }
    out
}

/// Texts in UTF-16 that are found by their look.
fn runs(bytes: &[u8], out: &mut String) {
    for start in [0, 1] {
        let mut run = String::new();
        let units = bytes.get(start..).unwrap_or_default().chunks_exact(2);
        for unit in units.map(|raw| u16::from_le_bytes([raw[0], raw[1]])).chain([0]) {
            let character = char::from_u32(u32::from(unit));
            match character {
                Some(
                    character @ (' '..='~'
                    | '\u{2010}'..='\u{30FF}'
                    | '\u{4E00}'..='\u{9FFF}'
                    | '\u{FF01}'..='\u{FF9F}'),
                ) => {
                    run.push(character);
                }
                _ => {
                    // Chance makes kanji; letters or kana tell a text.
                    if run.chars().count() >= SHORTEST
                        && run.chars().any(|one| one.is_ascii() || ('\u{3040}'..='\u{30FF}').contains(&one))
                    {
                        line(&run, out);
                    }
                    run.clear();
                }
            }
        }
    }
}

fn line(text: &str, out: &mut String) {
    let text = code_page::to_nul(text).trim();
    if !text.is_empty() {
        out.push_str(text);
        out.push('\n');
    }
}
