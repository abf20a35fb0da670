//! Zip files that are documents: which one, told by the content types and names inside.
//! It refuses to trust the order of entries: all names are looked at.

use super::{Found, Kind};
use crate::extract::zip::Listing;

/// Main parts and the kinds they make (ECMA-376 part 1, 12.3.3, 13.3.6, 11.3; MS-OFFMACRO2 2.1).
const MAIN_TYPES: &[(&str, Kind)] = &[
    ("sheet.binary.macroEnabled.main", Kind::Xlsb),
    ("spreadsheetml.sheet.main+xml", Kind::Xlsx),
    ("spreadsheetml.template.main+xml", Kind::Xlsx),
    ("excel.sheet.macroEnabled.main+xml", Kind::Xlsm),
    ("excel.template.macroEnabled.main+xml", Kind::Xlsm),
    ("excel.addin.macroEnabled.main+xml", Kind::Xlsm),
    ("wordprocessingml.document.main+xml", Kind::Docx),
    ("wordprocessingml.template.main+xml", Kind::Docx),
    ("word.document.macroEnabled.main+xml", Kind::Docm),
    ("word.template.macroEnabledTemplate.main+xml", Kind::Docm),
    ("presentationml.presentation.main+xml", Kind::Pptx),
    ("presentationml.template.main+xml", Kind::Pptx),
    ("presentationml.slideshow.main+xml", Kind::Pptx),
    ("powerpoint.presentation.macroEnabled.main+xml", Kind::Pptm),
    ("powerpoint.slideshow.macroEnabled.main+xml", Kind::Pptm),
    ("powerpoint.template.macroEnabled.main+xml", Kind::Pptm),
    ("ms-visio.", Kind::Vsdx),
];

/// Names that tell the kind when the content types do not (damaged, UTF-16).
const NAMES: &[(&str, Kind)] = &[
    ("xl/workbook.bin", Kind::Xlsb),
    ("xl/workbook.xml", Kind::Xlsx),
    ("word/document.xml", Kind::Docx),
    ("ppt/presentation.xml", Kind::Pptx),
    ("visio/document.xml", Kind::Vsdx),
    ("index/document.iwa", Kind::Iwork),
    ("index.zip", Kind::Iwork),
    ("meta-inf/manifest.mf", Kind::Jar),
    ("androidmanifest.xml", Kind::Jar),
];

/// Says what a zip file is.
pub(super) fn of(bytes: &[u8]) -> Found {
    let Some(mut listing) = Listing::open(bytes) else { return Kind::Zip.into() };
    let names: Vec<String> = listing.names().iter().map(|name| name.to_lowercase().replace('\\', "/")).collect();
    let find = |wanted: &str| names.iter().position(|name| name == wanted);
    let macros = names.iter().any(|name| name.ends_with("vbaproject.bin") || name.starts_with("xl/macrosheets/"));
    let mut kind = None;
    if let Some(index) = find("mimetype") {
        let declared = listing.start_of(index, 256);
        let declared = String::from_utf8_lossy(&declared);
        kind = match declared.trim().strip_prefix("application/vnd.oasis.opendocument.") {
            Some(rest) if rest.starts_with("text") => Some(Kind::Odt),
            Some(rest) if rest.starts_with("spreadsheet") => Some(Kind::Ods),
            Some(rest) if rest.starts_with("presentation") => Some(Kind::Odp),
            Some(_) => Some(Kind::Odg),
            None if declared.starts_with("application/epub") => Some(Kind::Epub),
            None => None,
        };
    }
    if kind.is_none()
        && let Some(index) = find("[content_types].xml")
    {
        let start = listing.start_of(index, 256 * 1024);
        let types = crate::extract::xml::decoded(&start);
        kind = MAIN_TYPES.iter().find(|(part, _)| types.contains(part)).map(|(_, kind)| *kind);
    }
    let kind = kind
        .or_else(|| NAMES.iter().find(|(name, _)| find(name).is_some()).map(|(_, kind)| *kind))
        .unwrap_or(Kind::Zip);
    // A macro project makes a document a macro document, whatever its content type says.
    let kind = match kind {
        Kind::Xlsx if macros => Kind::Xlsm,
        Kind::Docx if macros => Kind::Docm,
        Kind::Pptx if macros => Kind::Pptm,
        other => other,
    };
    let basic = kind.is_package() && names.iter().any(|name| name.starts_with("basic/"));
    Found { kind, encrypted: false, macros: macros || basic }
}
