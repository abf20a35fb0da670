//! Compound files (MS-CFB): which program wrote one, told by the names in its directory.
//! It refuses to follow the allocation table: directory entries are found by their own shape, so a damaged table hides nothing.

use super::{Found, Kind};

/// Size of a directory entry (MS-CFB 2.6.1).
const ENTRY: usize = 128;

/// Says what a compound file is.
pub(super) fn of(bytes: &[u8]) -> Found {
    let mut kind = Kind::Cfb;
    let mut encrypted = false;
    let mut macros = false;
    for entry in bytes.chunks_exact(ENTRY).skip(4) {
        let Some(name) = name(entry) else { continue };
        match name.as_str() {
            "WordDocument" => kind = Kind::Doc,
            "Workbook" | "Book" => kind = Kind::Xls,
            "PowerPoint Document" => kind = Kind::Ppt,
            // Office documents may be stored in a message, so the message's own stream wins.
            "__properties_version1.0" => return Found { kind: Kind::Msg, encrypted: false, macros: false },
            "JSRV_SegmentInformation" | "DocumentText" if kind == Kind::Cfb => kind = Kind::Jtd,
            // MS-OFFCRYPTO 2.3 (password) and 2.2 (rights management).
            "EncryptedPackage" | "DRMContent" | "\tDRMContent" => {
                return Found { kind: Kind::EncryptedOffice, encrypted: true, macros: false };
            }
            "EncryptedSummary" => encrypted = true,
            "_VBA_PROJECT" | "_VBA_PROJECT_CUR" | "Macros" => macros = true,
            _ => {}
        }
    }
    encrypted |= match kind {
        Kind::Doc => word_is_encrypted(bytes),
        Kind::Xls => excel_is_encrypted(bytes),
        _ => false,
    };
    Found { kind, encrypted, macros }
}

/// The name of a directory entry, or `None` when these 128 bytes are not one.
fn name(entry: &[u8]) -> Option<String> {
    let length = usize::from(u16::from_le_bytes([entry[64], entry[65]]));
    let is_entry = matches!(entry[66], 1 | 2 | 5) && entry[67] <= 1 && (4..=64).contains(&length) && length % 2 == 0;
    if !is_entry || entry[length - 2..length] != [0, 0] {
        return None;
    }
    let units = entry[..length - 2].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<String, _>>().ok()
}

/// FIB: magic 0xA5EC at the start of the stream (so of a sector), bit `fEncrypted` of the flags at offset 10 (MS-DOC 2.5.2).
fn word_is_encrypted(bytes: &[u8]) -> bool {
    bytes.chunks(512).skip(1).any(|sector| {
        sector.starts_with(b"\xEC\xA5")
            && sector.get(3) == Some(&0)
            && sector.get(11).is_some_and(|flags| flags & 1 != 0)
    })
}

/// A `FilePass` record (0x002F) right behind the workbook's BOF, or behind `WriteProtect` (MS-XLS 2.1.7.20.3).
fn excel_is_encrypted(bytes: &[u8]) -> bool {
    bytes.chunks(512).skip(1).any(|sector| {
        if !(sector.starts_with(b"\x09\x08\x10\0\0\x06\x05\0") || sector.starts_with(b"\x09\x08\x08\0\0\x05\x05\0")) {
            return false;
        }
        let behind = 4 + usize::from(sector[2]);
        match sector.get(behind..behind + 4) {
            Some([0x86, 0, 0, 0]) => sector.get(behind + 4..behind + 6) == Some(b"\x2F\0"),
            Some(record) => record.starts_with(b"\x2F\0"),
            None => false,
        }
    })
}
