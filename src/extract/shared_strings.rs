//! The strings and number formats that a workbook's cells refer to (ECMA-376 part 1, 18.4 and 18.8).
//! It refuses to keep a string per allocation: all of them stand in one buffer, and their memory is counted.

use super::number_format::NumberFormat;
use super::xml::{self, Source};
use crate::limits::Budget;
use quick_xml::events::Event;
use std::collections::HashMap;
use std::io::Read;

/// All shared strings.
#[derive(Default)]
pub(super) struct SharedStrings {
    text: String,
    ends: Vec<u32>,
    used: Vec<bool>,
    /// Readings above characters (furigana), a line each, apart from the names they belong to.
    pub phonetic: String,
    /// Not all of them could be read.
    pub over: bool,
    /// The part is broken.
    pub broken: bool,
}

impl SharedStrings {
    /// Reads the part.
    pub(super) fn read(source: impl Read, allowance: u64, budget: &mut Budget) -> Self {
        let mut strings = Self::default();
        let mut reader = xml::reader(Source::new(source, allowance));
        let mut buffer = Vec::new();
        let (mut in_text, mut phonetic) = (false, false);
        let mut current = String::new();
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(element)) => match element.local_name().as_ref() {
                    "si" => current.clear(),
                    "rPh" => phonetic = true,
                    "t" => in_text = true,
                    _ => {}
                },
                Ok(Event::Empty(element)) if element.local_name().as_ref() == "si" => strings.push(""),
                Ok(Event::End(element)) => match element.local_name().as_ref() {
                    "si" => {
                        strings.push(&unescaped(&current));
                        if !strings.phonetic.is_empty() && !strings.phonetic.ends_with('\n') {
                            strings.phonetic.push('\n');
                        }
                    }
                    "rPh" => phonetic = false,
                    "t" => in_text = false,
                    _ => {}
                },
                Ok(Event::Text(text)) if in_text => {
                    if phonetic { &mut strings.phonetic } else { &mut current }.push_str(&text);
                }
                Ok(Event::CData(text)) if in_text => {
                    if phonetic { &mut strings.phonetic } else { &mut current }.push_str(&text);
                }
                Ok(Event::GeneralRef(reference)) if in_text => match xml::reference(&reference) {
                    Some(text) => if phonetic { &mut strings.phonetic } else { &mut current }.push_str(&text),
                    None => strings.broken = true,
                },
                Ok(Event::Eof) => break,
                Err(_) => {
                    strings.broken = true;
                    break;
                }
                Ok(_) => {}
            }
            if strings.over {
                break;
            }
        }
        let source = reader.into_inner();
        strings.over |= source.over || budget.take_bytes(source.used).is_err();
        strings.broken |= source.broken;
        strings
    }

    /// Appends a string.
    pub(super) fn push(&mut self, text: &str) {
        if let Ok(end) = u32::try_from(self.text.len() + text.len()) {
            self.text.push_str(text);
            self.ends.push(end);
            self.used.push(false);
        } else {
            self.over = true;
        }
    }

    /// The string at an index, marked as used.
    pub(super) fn get(&mut self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        self.used[index] = true;
        self.text.get(start..end)
    }

    /// Strings that no cell shows, a line each.
    pub(super) fn unused(&self) -> String {
        let mut lines = String::new();
        for (index, _) in self.used.iter().enumerate().filter(|(_, used)| !**used) {
            let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
            lines.push_str(&self.text[start..self.ends[index] as usize]);
            lines.push('\n');
        }
        lines
    }
}

/// `_x000D_` as its character (ECMA-376 part 1, 22.9.2.19).
pub(super) fn unescaped(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("_x") {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 2..at + 6).filter(|_| rest.as_bytes().get(at + 6) == Some(&b'_'));
        if let Some(character) = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32) {
            out.push(character);
            rest = &rest[at + 7..];
        } else {
            out.push_str("_x");
            rest = &rest[at + 2..];
        }
    }
    out.push_str(rest);
    out.into()
}

/// The number formats of a workbook's cell styles.
#[derive(Default)]
pub(super) struct Styles(Vec<NumberFormat>);

impl Styles {
    /// Reads `styles.xml`; a broken one leaves the rest of the styles `General`.
    pub(super) fn read(part: &str) -> Self {
        let mut reader = xml::reader(part.as_bytes());
        let mut buffer = Vec::new();
        let mut codes = HashMap::new();
        let mut styles = Vec::new();
        let mut in_cells = false;
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(element) | Event::Empty(element)) => match element.local_name().as_ref() {
                    "numFmt" => {
                        if let (Some(id), Some(code)) =
                            (xml::attribute(&element, "numFmtId"), xml::attribute(&element, "formatCode"))
                        {
                            codes.insert(id, NumberFormat::parse(&code));
                        }
                    }
                    "cellXfs" => in_cells = true,
                    "xf" if in_cells => {
                        let id = xml::attribute(&element, "numFmtId").unwrap_or_default();
                        let builtin = || NumberFormat::builtin(id.parse().unwrap_or(0));
                        styles.push(codes.get(&id).cloned().unwrap_or_else(builtin));
                    }
                    _ => {}
                },
                Ok(Event::End(element)) if element.local_name().as_ref() == "cellXfs" => in_cells = false,
                Ok(Event::Eof) | Err(_) => return Self(styles),
                Ok(_) => {}
            }
        }
    }

    /// The formats of cell styles that were read elsewhere.
    pub(super) fn of(formats: Vec<NumberFormat>) -> Self {
        Self(formats)
    }

    /// The format of a cell style.
    pub(super) fn format(&self, index: usize) -> &NumberFormat {
        self.0.get(index).unwrap_or(&NumberFormat::General)
    }
}
