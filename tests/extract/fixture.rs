//! Builders for the files that the tests read, and the ways to look at what was read.
//! They refuse to hold real data: every name and number is invented.

use sekisho::extract::{Content, Extracted, PartInput, Role, part};
use sekisho::limits::{Budget, Limits};
use std::io::{Cursor, Write};
use zip::unstable::write::FileOptionsExt;
use zip::write::SimpleFileOptions;
use zip::{AesMode, ZipWriter};

/// An attachment of this name.
pub fn attachment<'a>(name: &str, bytes: &'a [u8]) -> PartInput<'a> {
    PartInput {
        path: name.to_owned(),
        names: vec![name.to_owned()],
        declared_type: None,
        declared_charset: None,
        role: Role::Attachment,
        inline: false,
        bytes,
    }
}

/// A body of this declared type.
pub fn body<'a>(declared: &str, bytes: &'a [u8]) -> PartInput<'a> {
    PartInput {
        path: "body".to_owned(),
        names: vec![],
        declared_type: Some(declared.to_owned()),
        role: Role::Body,
        ..attachment("", bytes)
    }
}

pub fn read(input: &PartInput<'_>) -> Extracted {
    read_within(&Limits::default(), input)
}

pub fn read_within(limits: &Limits, input: &PartInput<'_>) -> Extracted {
    let mut out = Extracted::default();
    part(input, &mut Budget::new(limits), &mut out);
    out
}

/// Every place where this text stands: `path`, `path#A2` for a cell, with `:role` unless it is content.
pub fn places(out: &Extracted, needle: &str) -> Vec<String> {
    let mut places = Vec::new();
    for piece in &out.pieces {
        let role = match piece.role {
            Role::FileName => ":name",
            Role::Property => ":property",
            Role::Subject | Role::Body | Role::Attachment => "",
        };
        match &piece.content {
            Content::Text(text) if text.contains(needle) => places.push(format!("{}{role}", piece.path)),
            Content::Text(_) => {}
            Content::Table(table) => {
                for (row, cells) in table.rows().enumerate() {
                    for (column, cell) in cells.cells().enumerate().filter(|(_, cell)| cell.contains(needle)) {
                        assert!(column < 26, "{cell}");
                        let letter = char::from(b'A' + u8::try_from(column).unwrap());
                        places.push(format!("{}#{letter}{}{role}", piece.path, row + 1));
                    }
                }
            }
        }
    }
    places
}

/// `path: reason` for everything unread.
pub fn unread(out: &Extracted) -> Vec<String> {
    out.unreadable.iter().map(|unreadable| format!("{}: {}", unreadable.path, unreadable.why.as_str())).collect()
}

/// `path: kind` for every attachment, with `!` when disguised and `*` when it has macros.
pub fn kinds(out: &Extracted) -> Vec<String> {
    let mark = |set: bool, mark: &'static str| if set { mark } else { "" };
    out.attachments
        .iter()
        .map(|file| format!("{}: {}{}{}", file.path, file.kind, mark(file.disguised, "!"), mark(file.macros, "*")))
        .collect()
}

/// A zip of these entries.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(entries, SimpleFileOptions::default())
}

pub fn zip_with(entries: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip under a password: AES-256 (AE-2), or the old ZipCrypto.
pub fn zip_sealed(entries: &[(&str, &[u8])], aes: bool) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = SimpleFileOptions::default();
        if aes {
            writer.start_file(*name, options.with_aes_encryption(AesMode::Aes256, "himitsu")).unwrap();
        } else {
            writer.start_file(*name, options.with_deprecated_encryption(b"himitsu").unwrap()).unwrap();
        }
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn cp932(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS.encode(text).0.into_owned()
}

pub fn utf16(text: &str) -> Vec<u8> {
    [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

/// A workbook of one or more sheets; each sheet is `(name, state, content of sheetData and what follows it)`.
pub fn workbook_parts(sheets: &[(&str, &str, &str)]) -> Vec<(String, String)> {
    let mut overrides = String::new();
    let mut list = String::new();
    let mut links = String::new();
    let mut parts = Vec::new();
    for (index, (name, state, content)) in sheets.iter().enumerate() {
        let number = index + 1;
        list.extend([format!("<sheet name=\"{name}\" sheetId=\"{number}\" state=\"{state}\" r:id=\"rId{number}\"/>")]);
        links.extend([format!(
            "<Relationship Id=\"rId{number}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>"
        )]);
        overrides.extend([format!(
            "<Override PartName=\"/xl/worksheets/sheet{number}.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>"
        )]);
        parts.push((
            format!("xl/worksheets/sheet{number}.xml"),
            xml(&format!("<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{content}</worksheet>")),
        ));
    }
    parts.insert(0, (
        "[Content_Types].xml".to_owned(),
        xml(&format!("<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>{overrides}</Types>")),
    ));
    parts.push(("xl/_rels/workbook.xml.rels".to_owned(), xml(&format!("<Relationships>{links}</Relationships>"))));
    parts.push((
        "xl/workbook.xml".to_owned(),
        xml(&format!("<workbook xmlns:r=\"r\"><workbookPr/><sheets>{list}</sheets></workbook>")),
    ));
    parts
}

/// A document whose main part has this body.
pub fn document_parts(body: &str) -> Vec<(String, String)> {
    vec![
        (
            "[Content_Types].xml".to_owned(),
            xml(
                "<Types><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>",
            ),
        ),
        (
            "word/document.xml".to_owned(),
            xml(&format!("<w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>")),
        ),
    ]
}

/// A paragraph of Word.
pub fn paragraph(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

fn xml(content: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n{content}")
}

/// Packs parts.
pub fn package(parts: &[(String, String)]) -> Vec<u8> {
    let entries: Vec<(&str, &[u8])> = parts.iter().map(|(name, part)| (name.as_str(), part.as_bytes())).collect();
    zip(&entries)
}

/// A compound file with these names in its directory (MS-CFB 2.2 and 2.6.1), and one sector of content.
pub fn compound(names: &[&str], content: &[u8]) -> Vec<u8> {
    let mut file = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    file.resize(512, 0);
    for name in [&["Root Entry"], names].concat() {
        let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u8::try_from(entry.len() + 2).unwrap();
        entry.resize(128, 0);
        entry[64] = length;
        entry[66] = if name == "Root Entry" { 5 } else { 2 };
        entry[67] = 1;
        file.extend_from_slice(&entry);
    }
    file.resize(file.len().div_ceil(512) * 512, 0);
    file.extend_from_slice(content);
    file.resize(file.len().div_ceil(512) * 512, 0);
    file
}

/// The header of a PNG of this size, followed by that many bytes.
pub fn png(width: u32, height: u32, bytes: usize) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR".to_vec();
    file.extend_from_slice(&width.to_be_bytes());
    file.extend_from_slice(&height.to_be_bytes());
    file.resize(bytes, 0x5A);
    file
}
