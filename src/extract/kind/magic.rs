//! Magic numbers at fixed places, most specific first.
//! It refuses to look further than a few bytes: structure is for its siblings.

use super::Kind;

/// Offset, bytes, kind. Sources: the formats' own specifications, as listed by IANA or the Library of Congress.
const TABLE: &[(usize, &[u8], Kind)] = &[
    (0, b"%PDF-", Kind::Pdf),
    (0, b"\xFF\xD8\xFF", Kind::Jpeg),
    (0, b"\x89PNG\r\n\x1A\n", Kind::Png),
    (0, b"GIF87a", Kind::Gif),
    (0, b"GIF89a", Kind::Gif),
    (0, b"II*\0", Kind::Tiff),
    (0, b"MM\0*", Kind::Tiff),
    (0, b"II+\0", Kind::Tiff),
    (0, b"MM\0+", Kind::Tiff),
    (0, b"\0\0\x01\0", Kind::Ico),
    (0, b"8BPS", Kind::Psd),
    (0, b"\xD7\xCD\xC6\x9A", Kind::Emf),
    (40, b" EMF", Kind::Emf),
    (0, b"Rar!\x1A\x07", Kind::Rar),
    (0, b"7z\xBC\xAF\x27\x1C", Kind::SevenZip),
    (0, b"\x1F\x8B\x08", Kind::Gzip),
    (0, b"BZh", Kind::Bzip2),
    (0, b"\xFD7zXZ\0", Kind::Xz),
    (0, b"\x28\xB5\x2F\xFD", Kind::Zstd),
    (0, b"MSCF\0\0\0\0", Kind::Cab),
    (0, b"\x60\xEA", Kind::Arj),
    (257, b"ustar", Kind::Tar),
    (0x8001, b"CD001", Kind::Iso),
    (0, b"{\\rt", Kind::Rtf),
    (0, b"\x78\x9F\x3E\x22", Kind::Tnef),
    (0, b"\xDB\xA5", Kind::Doc),
    (0, b"\x9B\xA5", Kind::Doc),
    (0, b"\x09\x08\x10\0\0\x06\x05\0", Kind::Xls),
    (0, b"\x09\x08\x08\0\0\x05\x05\0", Kind::Xls),
    (0, b"\x09\x08\x08\0\0\x05\x10\0", Kind::Xls),
    (0, b"\x09\x04\x06\0", Kind::Xls),
    (0, b"\x09\x02\x06\0", Kind::Xls),
    (0, b"\x09\0\x04\0", Kind::Xls),
    (0, b"\x7FELF", Kind::Elf),
    (0, b"\xFE\xED\xFA\xCE", Kind::Macho),
    (0, b"\xFE\xED\xFA\xCF", Kind::Macho),
    (0, b"\xCE\xFA\xED\xFE", Kind::Macho),
    (0, b"\xCF\xFA\xED\xFE", Kind::Macho),
    (0, b"\xCA\xFE\xBA\xBE", Kind::Class),
    (0, b"L\0\0\0\x01\x14\x02\0", Kind::Lnk),
    (0, b"SQLite format 3\0", Kind::Sqlite),
    (4, b"Standard Jet DB", Kind::Mdb),
    (4, b"Standard ACE DB", Kind::Mdb),
    (0, b"!BDN", Kind::Pst),
    (0, b"\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D", Kind::One),
    (0, b"\x60\x0E\x82\x80", Kind::Xdw),
    (0, b"AC10", Kind::Dwg),
    (0, b"ID3", Kind::Audio),
    (0, b"fLaC", Kind::Audio),
    (0, b"OggS", Kind::Audio),
    (0, b"MThd", Kind::Audio),
    (0, b"#!AMR", Kind::Audio),
    (0, b"\x1A\x45\xDF\xA3", Kind::Video),
    (0, b"\0\0\x01\xBA", Kind::Video),
    (0, b"\0\0\x01\xB3", Kind::Video),
    (0, b"FLV\x01", Kind::Video),
    (0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", Kind::Video),
    (0, b"wOFF", Kind::Font),
    (0, b"wOF2", Kind::Font),
    (0, b"OTTO\0", Kind::Font),
    (0, b"ttcf\0", Kind::Font),
    (0, b"\0\x01\0\0\0", Kind::Font),
];

/// The kind by magic number, if there is one.
pub(super) fn of(bytes: &[u8]) -> Option<Kind> {
    for (offset, magic, kind) in TABLE {
        if bytes.get(*offset..).is_some_and(|rest| rest.starts_with(magic)) {
            return Some(*kind);
        }
    }
    let at = |offset: usize, length: usize| bytes.get(offset..offset + length);
    match (at(0, 4), at(8, 4)) {
        (Some(b"RIFF"), Some(b"WEBP")) => return Some(Kind::Webp),
        (Some(b"RIFF"), Some(b"WAVE")) | (Some(b"FORM"), Some(b"AIFF" | b"AIFC")) => return Some(Kind::Audio),
        (Some(b"RIFF"), Some(_)) => return Some(Kind::Video),
        _ => {}
    }
    // ISO base media (ISO/IEC 14496-12): the brand tells pictures from sound and film.
    if at(4, 4) == Some(b"ftyp") {
        return Some(match at(8, 3) {
            Some(b"hei" | b"hev" | b"mif" | b"msf" | b"avi") => Kind::Heic,
            Some(b"M4A" | b"M4B") => Kind::Audio,
            _ => Kind::Video,
        });
    }
    // A tar from before POSIX has no magic number, but a checksum.
    if crate::extract::archive::tar::is_header(bytes) {
        return Some(Kind::Tar);
    }
    // LHA: `-lh5-` and its family at offset 2.
    if let Some([b'-', b'l', b'h' | b'z', _, b'-']) = at(2, 5) {
        return Some(Kind::Lzh);
    }
    // MZ alone is two letters that text may begin with; a program has the address of its new header at 0x3C, or binary bytes soon.
    if bytes.starts_with(b"MZ") && bytes.iter().take(64).any(|byte| *byte == 0) {
        return Some(Kind::Exe);
    }
    // BMP: the size field is the file's, or the header size is one of the known ones.
    if bytes.starts_with(b"BM") && matches!(at(14, 4), Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])) {
        return Some(Kind::Bmp);
    }
    // MPEG audio frame header: eleven set bits, layer III or II.
    if matches!(at(0, 2), Some([0xFF, 0xFA | 0xFB | 0xF2 | 0xF3 | 0xF1 | 0xF9])) {
        return Some(Kind::Audio);
    }
    der(bytes).or_else(|| openpgp(bytes))
}

/// CMS (RFC 5652 3): SEQUENCE, then the content type; signed data without content is a detached signature.
fn der(bytes: &[u8]) -> Option<Kind> {
    const PKCS7: &[u8] = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07";
    if *bytes.first()? != 0x30 {
        return None;
    }
    let start = memchr::memmem::find(&bytes[..bytes.len().min(16)], &PKCS7[..4])?;
    let rest = bytes[start..].strip_prefix(PKCS7)?;
    match rest.first()? {
        2 if crate::extract::pkcs7::content(bytes).is_none() => Some(Kind::P7s),
        _ => Some(Kind::P7m),
    }
}

/// A binary OpenPGP message begins with a packet of an encrypted session key (RFC 9580 5.1, 5.3) of a plausible version and length.
fn openpgp(bytes: &[u8]) -> Option<Kind> {
    let (version, body) = match bytes {
        [0x84 | 0x8C, length, version, ..] => (*version, usize::from(*length)),
        [0x85 | 0x8D, high, low, version, ..] => (*version, usize::from(*high) << 8 | usize::from(*low)),
        [0xC1 | 0xC3, length, version, ..] if *length < 192 => (*version, usize::from(*length)),
        [0xC1 | 0xC3, high, low, version, ..] if *high < 224 => {
            (*version, ((usize::from(*high) - 192) << 8) + usize::from(*low) + 192)
        }
        _ => return None,
    };
    (matches!(version, 3..=6) && body < bytes.len() && body > 8).then_some(Kind::Pgp)
}
