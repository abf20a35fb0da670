//! What a compound file (MS-CFB) holds: the document, its properties, and everything embedded in its storages.
//! It refuses to pass over a storage that it does not know; only macros and what Office keeps for itself are left alone.

use super::compound::{Compound, ROOT};
use super::kind::{self, Kind};
use super::{Attachment, Extracted, PartInput, Role, Why};
use super::{Content, Piece, doc, msg, ole, ppt, properties, xls};
use crate::limits::Budget;

/// Storages in storages.
const DEEPEST: usize = 12;

/// Streams in which a whole file is embedded (Office Open XML, OpenDocument, Acrobat and others).
const FILES: [&str; 4] = ["Package", "package_stream", "EmbeddedOdf", "CONTENTS"];

/// Streams that are read with the document, or hold what the program needs: tables, caches, lists of objects.
const STREAMS: [&str; 13] = [
    "WordDocument",
    "0Table",
    "1Table",
    "Data",
    "Workbook",
    "Book",
    "PowerPoint Document",
    "Current User",
    "Pictures",
    "EncryptedSummary",
    "Equation Native",
    "Ctls",
    "User Names",
];

/// Storages that hold no content (macros, rights, sources of citations) or are read with the document (pivot caches).
const OWN: [&str; 7] = ["Macros", "_VBA_PROJECT_CUR", "VBA", "\u{6}DataSpaces", "MsoDataStore", "_SX_DB_CUR", "_SX_DB"];

/// Reads a compound file.
pub(super) fn read(kind: Kind, input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    let path = &input.path;
    if !input.bytes.starts_with(b"\xD0\xCF\x11\xE0") {
        if kind == Kind::Xls {
            // A stream of records without a compound file around it.
            xls::read_stream(input.bytes, path, input.role, budget, out);
            return;
        }
        out.unread(path, Why::Unsupported);
        return;
    }
    let Some(compound) = Compound::open(input.bytes) else {
        out.unread(path, Why::Damaged);
        return;
    };
    let known = document(&compound, ROOT, path, input.role, 0, budget, out);
    if compound.damaged {
        out.unread(path, Why::Damaged);
    } else if known == Known::Nothing && kind != Kind::Cfb {
        // Recognised by a name in the directory that nothing leads to.
        out.unread(path, Why::Damaged);
    } else if known == Known::Nothing || known == Known::Inside && has_content(&compound, ROOT) {
        out.unread(path, Why::Unsupported);
    }
}

/// What is known in a storage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    Nothing,
    /// Storages in it, but nothing of its own.
    Inside,
    Own,
}

/// Does a storage hold streams other than those that describe an object?
fn has_content(compound: &Compound<'_>, storage: usize) -> bool {
    compound.children(storage).any(|(_, entry)| entry.is_stream && !is_own(&entry.name))
}

/// Reads the documents in a storage, then the storages in it.
pub(super) fn document(
    compound: &Compound<'_>,
    storage: usize,
    path: &str,
    role: Role,
    depth: usize,
    budget: &mut Budget,
    out: &mut Extracted,
) -> Known {
    if msg::is_message(compound, storage) {
        msg::read(compound, storage, path, role, depth, budget, out);
        return Known::Own;
    }
    let mut known = Known::Nothing;
    if compound.find(storage, "WordDocument").is_some() {
        doc::read(compound, storage, path, role, budget, out);
        known = Known::Own;
    }
    if compound.find(storage, "Workbook").or(compound.find(storage, "Book")).is_some() {
        xls::read(compound, storage, path, role, budget, out);
        known = Known::Own;
    }
    if compound.find(storage, "PowerPoint Document").is_some() {
        ppt::read(compound, storage, path, role, budget, out);
        known = Known::Own;
    }
    for set in ["\u{5}SummaryInformation", "\u{5}DocumentSummaryInformation"] {
        if let Some((stream, _)) = compound.stream(storage, set, budget) {
            out.text(path, Role::Property, properties::texts(&stream));
        }
    }
    if let Some((stream, missing)) = compound.stream(storage, "\u{1}Ole10Native", budget) {
        known = Known::Own;
        if let Some(why) = missing {
            out.unread(path, why);
        }
        match ole::native(&stream) {
            Some(object) => ole::hand_on(path, 1, &object, budget, out),
            None => out.unread(path, Why::Damaged),
        }
    }
    for name in FILES {
        let Some((stream, missing)) = compound.stream(storage, name, budget) else { continue };
        if matches!(kind::of(&stream).kind, Kind::Binary | Kind::Empty) {
            continue;
        }
        known = Known::Own;
        if let Some(why) = missing {
            out.unread(path, why);
        }
        ole::hand_on(path, 1, &ole::Object { name: None, bytes: &stream, cut: false }, budget, out);
    }
    // Formulas of the old equation editor have no text that could be a name.
    if compound.find(storage, "Equation Native").is_some() {
        known = Known::Own;
    }
    strangers(compound, storage, path, budget, out);
    let inside: Vec<(usize, String)> = compound
        .children(storage)
        .filter(|(_, entry)| !entry.is_stream && !entry.name.is_empty() && !OWN.contains(&entry.name.as_str()))
        .map(|(index, entry)| (index, entry.name.clone()))
        .collect();
    for (index, name) in inside {
        embedded(compound, index, &name, path, depth, budget, out);
        known = known.max(Known::Inside);
    }
    known
}

/// Streams that no program of these formats knows travel with the file: those that are of a known kind are read.
fn strangers(compound: &Compound<'_>, storage: usize, path: &str, budget: &mut Budget, out: &mut Extracted) {
    let unknown: Vec<(usize, String)> = compound
        .children(storage)
        .filter(|(_, entry)| entry.is_stream && !is_own(&entry.name))
        .filter(|(_, entry)| !FILES.contains(&entry.name.as_str()) && !STREAMS.contains(&entry.name.as_str()))
        .map(|(index, entry)| (index, entry.name.clone()))
        .collect();
    for (number, (index, name)) in unknown.into_iter().enumerate() {
        let (stream, _) = compound.content(index, budget);
        if !matches!(kind::of(&stream).kind, Kind::Binary | Kind::Empty) {
            let object = ole::Object { name: Some(name), bytes: &stream, cut: false };
            ole::hand_on(path, number + 1, &object, budget, out);
        }
    }
}

/// Reads a storage inside another one.
fn embedded(
    compound: &Compound<'_>,
    storage: usize,
    name: &str,
    path: &str,
    depth: usize,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    if depth >= DEEPEST || budget.take_entry().is_err() {
        out.unread(path, Why::Limit);
        return;
    }
    // The pool is no object itself (MS-DOC 2.1.4).
    if name == "ObjectPool" {
        document(compound, storage, path, Role::Attachment, depth + 1, budget, out);
        return;
    }
    let shown: String = name.chars().filter(|character| !character.is_control()).collect();
    object(compound, storage, &format!("{path}!{shown}"), &[], depth + 1, budget, out);
}

/// Reads a storage that is an attachment of a message.
pub(super) fn inside(
    compound: &Compound<'_>,
    storage: usize,
    input: &PartInput<'_>,
    depth: usize,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    if depth >= DEEPEST {
        out.unread(&input.path, Why::Limit);
        return;
    }
    object(compound, storage, &input.path, &input.names, depth + 1, budget, out);
}

/// Reads one object and says what it is.
fn object(
    compound: &Compound<'_>,
    storage: usize,
    place: &str,
    names: &[String],
    depth: usize,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    for name in names {
        out.pieces.push(Piece { path: place.to_owned(), role: Role::FileName, content: Content::Text(name.clone()) });
    }
    if let Some(kind) = kind_of(compound, storage) {
        out.attachments.push(Attachment {
            path: place.to_owned(),
            kind: kind.as_str().to_owned(),
            bytes: compound.size(storage),
            disguised: false,
            macros: OWN[..3].iter().any(|own| compound.find_storage(storage, own).is_some()),
        });
    }
    let known = document(compound, storage, place, Role::Attachment, depth, budget, out);
    if known != Known::Own && has_content(compound, storage) {
        out.unread(place, Why::Unsupported);
    }
}

/// Streams that describe an object and hold nothing of it (MS-OLEDS 2.3, MS-DOC 2.1.4): they begin with a control character.
fn is_own(name: &str) -> bool {
    name.starts_with(['\u{1}', '\u{2}', '\u{3}', '\u{5}'])
}

/// The kind of document that a storage is.
fn kind_of(compound: &Compound<'_>, storage: usize) -> Option<Kind> {
    [
        ("__properties_version1.0", Kind::Msg),
        ("WordDocument", Kind::Doc),
        ("Workbook", Kind::Xls),
        ("Book", Kind::Xls),
        ("PowerPoint Document", Kind::Ppt),
    ]
    .into_iter()
    .find(|(name, _)| compound.find(storage, name).is_some())
    .map(|(_, kind)| kind)
}
