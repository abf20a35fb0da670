//! Documents that are zip packages (Office Open XML, OpenDocument): every part is read, by what it holds and not by its name.
//! It refuses to follow only what the document links to: an unlinked part travels with the file and is read too.

use super::kind::{self, Kind};
use super::shared_strings::{SharedStrings, Styles};
use super::sheet::{self, Workbook};
use super::zip::{self, Listing};
use super::{Extracted, PartInput, Role, Why};
use super::{embedded, image, read, walk, xml};
use crate::limits::Budget;
use quick_xml::events::Event;
use std::collections::HashMap;

/// Bytes in which the first element of a part is looked for.
const PROLOGUE: u64 = 2048;

/// What a part of the package is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PartKind {
    Sheet,
    Strings,
    Styles,
    Workbook,
    Relationships,
    /// Any other XML.
    Markup(String),
    /// Not XML.
    Data,
    Folder,
    Encrypted,
}

/// Reads every part of a package.
pub(super) fn read(input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    let path = &input.path;
    let Some(mut listing) = Listing::open(input.bytes) else {
        zip::read(path, input.bytes, budget, out);
        return;
    };
    let names: Vec<String> = listing.names().to_vec();
    let mut parts = Vec::with_capacity(names.len());
    for index in 0..names.len() {
        if budget.take_entry().is_err() {
            out.unread(path, Why::Limit);
            break;
        }
        parts.push(part_kind(&mut listing, index));
    }
    let places: Vec<usize> = (0..parts.len()).collect();
    let of = |kind: PartKind| places.iter().copied().find(|index| parts[*index] == kind);
    let mut workbook = Workbook::default();
    let mut sheets = HashMap::new();
    if let Some(index) = of(PartKind::Styles) {
        let (content, _) = listing.content(index, budget);
        workbook.styles = Styles::read(&xml::decoded(&content));
    }
    if let Some(index) = of(PartKind::Workbook) {
        let (content, _) = listing.content(index, budget);
        let part = xml::decoded(&content);
        workbook.is_1904 = is_1904(&part);
        let links = relationships_of(&names[index]);
        let links = names.iter().position(|name| name.eq_ignore_ascii_case(&links));
        let links = links.map(|index| listing.content(index, budget).0).unwrap_or_default();
        sheets = sheet_names(&part, &xml::decoded(&links), &names[index]);
    }
    if let Some(index) = of(PartKind::Strings) {
        let allowance = budget.allowance(listing.about(index).0);
        let place = format!("{path}!sharedStrings");
        match listing.stream(index) {
            Ok(source) => workbook.strings = SharedStrings::read(source, allowance, budget),
            Err(why) => out.unread(&place, why),
        }
        if workbook.strings.over {
            out.unread(&place, Why::Limit);
        }
        if workbook.strings.broken {
            out.unread(&place, Why::Damaged);
        }
    }
    let first_strings = of(PartKind::Strings);
    for (index, part) in parts.iter().enumerate() {
        let name = &names[index];
        match part {
            PartKind::Folder => {}
            PartKind::Encrypted => out.unread(&format!("{path}!{name}"), Why::Encrypted),
            PartKind::Sheet => {
                let sheet_name = sheets.get(&name.to_lowercase()).cloned().unwrap_or_else(|| stem(name).to_owned());
                let place = format!("{path}!{sheet_name}");
                let allowance = budget.allowance(listing.about(index).0);
                match listing.stream(index) {
                    Ok(source) => sheet::read(&place, Role::Attachment, source, allowance, &mut workbook, budget, out),
                    Err(why) => out.unread(&place, why),
                }
            }
            PartKind::Strings if Some(index) == first_strings => {}
            PartKind::Data => data(path, name, index, &mut listing, budget, out),
            _ => markup(path, name, part, index, &mut listing, budget, out),
        }
    }
    out.text(&format!("{path}!phonetic"), Role::Attachment, std::mem::take(&mut workbook.strings.phonetic));
    out.text(&format!("{path}!sharedStrings"), Role::Attachment, workbook.strings.unused());
    zip::read_unlisted(path, input.bytes, &listing, budget, out);
}

/// What a part is, by its first element.
fn part_kind(listing: &mut Listing<'_>, index: usize) -> PartKind {
    let (packed, encrypted, is_folder) = listing.about(index);
    if encrypted {
        return PartKind::Encrypted;
    }
    if is_folder && packed == 0 {
        return PartKind::Folder;
    }
    let start = listing.start_of(index, PROLOGUE);
    let Some(root) = xml::root(&start).filter(|_| kind_is_markup(&start)) else { return PartKind::Data };
    match root.as_str() {
        "worksheet" | "dialogsheet" | "chartsheet" | "macrosheet" => PartKind::Sheet,
        "sst" => PartKind::Strings,
        "styleSheet" => PartKind::Styles,
        "workbook" => PartKind::Workbook,
        "Relationships" => PartKind::Relationships,
        _ => PartKind::Markup(root),
    }
}

/// Does it begin as XML, in one charset or another?
fn kind_is_markup(start: &[u8]) -> bool {
    xml::decoded(start).trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n']).starts_with('<')
}

/// Reads an XML part.
fn markup(
    path: &str,
    name: &str,
    part: &PartKind,
    index: usize,
    listing: &mut Listing<'_>,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    let root = if let PartKind::Markup(root) = part { root.as_str() } else { "" };
    let main = matches!(root, "document" | "document-content") && !name.contains("glossary");
    let place = if main { path.to_owned() } else { format!("{path}!{}", stem(name)) };
    let (content, missing) = listing.content(index, budget);
    if let Some(why) = missing {
        out.unread(&place, why);
    }
    let text = xml::decoded(&content);
    // OpenDocument lists the encrypted parts in its manifest (ODF 1.3 part 2, 4.8).
    if root == "manifest" && text.contains("encryption-data") {
        out.unread(path, Why::Encrypted);
    }
    // A saved page in a package (`altChunk`) is HTML, even when it is well-formed.
    if root.eq_ignore_ascii_case("html") {
        let input = inner(place, name, &content);
        read::nested(&input, budget, out);
        return;
    }
    let lower = name.to_lowercase();
    let marks_document = matches!(root, "hdr" | "ftr" | "document-styles" | "document-meta" | "coreProperties")
        || lower.starts_with("docprops/")
        || lower.starts_with("docmetadata/");
    let role = if marks_document { Role::Property } else { Role::Attachment };
    let inside = walk::read(&place, role, &text, budget, out);
    embedded::read_all(&place, inside, budget, out);
}

/// Reads a part that is not XML: embedded files in full, pictures as pictures, the program's own data not at all.
fn data(path: &str, name: &str, index: usize, listing: &mut Listing<'_>, budget: &mut Budget, out: &mut Extracted) {
    let place = format!("{path}!{name}");
    let (content, missing) = listing.content(index, budget);
    if let Some(why) = missing {
        out.unread(&place, why);
    }
    let found = kind::of(&content);
    let lower = name.to_lowercase();
    let own = match found.kind {
        Kind::Empty | Kind::Font => true,
        // The macro project is reported as such on the document itself.
        Kind::Cfb | Kind::Doc | Kind::Xls => lower.ends_with("vbaproject.bin"),
        Kind::Binary => {
            let own = ["printersettings", "/fonts/", "vbaproject", "activex", "customproperty"];
            own.iter().any(|own| lower.contains(own))
        }
        Kind::Text => lower == "mimetype",
        kind if kind.is_image() => lower.contains("thumbnail") || image::is_small(kind, &content),
        _ => false,
    };
    if own {
        return;
    }
    if found.kind.is_image() {
        out.unread(&place, Why::Image);
        return;
    }
    read::nested(&inner(place, name, &content), budget, out);
}

/// A part as something to read by itself.
fn inner<'a>(path: String, name: &str, bytes: &'a [u8]) -> PartInput<'a> {
    PartInput {
        path,
        names: vec![name.rsplit('/').next().unwrap_or(name).to_owned()],
        declared_type: None,
        declared_charset: None,
        role: Role::Attachment,
        inline: true,
        bytes,
    }
}

/// The last segment of a part name without its extension.
fn stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| if stem.is_empty() { file } else { stem })
}

/// The part that holds the relationships of a part (ECMA-376 part 2, 8.3.2).
fn relationships_of(name: &str) -> String {
    let (folder, file) = name.rsplit_once('/').map_or(("", name), |(folder, file)| (folder, file));
    let slash = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{slash}_rels/{file}.rels")
}

/// Does the workbook count days from 1904 (ECMA-376 part 1, 18.2.28)?
fn is_1904(part: &str) -> bool {
    let mut found = false;
    elements(part, |element| {
        if element.local_name().as_ref() == "workbookPr" {
            found |= xml::attribute(element, "date1904").is_some_and(|value| value == "1" || value == "true");
        }
    });
    found
}

/// Lower-case part name → the name of the sheet on its tab.
fn sheet_names(part: &str, links: &str, workbook: &str) -> HashMap<String, String> {
    let folder = workbook.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut targets = HashMap::new();
    elements(links, |element| {
        if let (Some(id), Some(target)) = (xml::attribute(element, "Id"), xml::attribute(element, "Target")) {
            let target = match target.strip_prefix('/') {
                Some(absolute) => absolute.to_owned(),
                None if folder.is_empty() => target,
                None => format!("{folder}/{target}"),
            };
            targets.insert(id, target.to_lowercase());
        }
    });
    let mut names = HashMap::new();
    elements(part, |element| {
        if element.local_name().as_ref() != "sheet" {
            return;
        }
        if let (Some(name), Some(id)) = (xml::attribute(element, "name"), xml::attribute(element, "id"))
            && let Some(target) = targets.get(&id)
        {
            names.insert(target.clone(), name);
        }
    });
    names
}

/// Calls for every start of an element.
fn elements(part: &str, mut each: impl FnMut(&quick_xml::events::BytesStart<'_>)) {
    let mut reader = quick_xml::Reader::from_str(part);
    reader.config_mut().check_end_names = false;
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(element) | Event::Empty(element) => each(&element),
            Event::Eof => break,
            _ => {}
        }
    }
}
