//! Kinds by content, disguises, and the reason given for everything that is not read.
//! The tests refuse silence: an unread file without a reason fails them.

use super::fixture::{attachment, body, compound, kinds, package, places, png, read, unread, workbook_parts, zip};
use sekisho::extract::PartInput;

fn padded(start: &[u8]) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.extend((0..2_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0]));
    bytes
}

fn at(offset: usize, magic: &[u8]) -> Vec<u8> {
    padded(&[vec![0; offset].as_slice(), magic].concat())
}

#[test]
fn magic_numbers_give_kinds_and_reasons() {
    for (bytes, kind, why) in [
        (padded(b"%PDF-1.7\n"), "pdf", Some("unsupported")),
        (padded(b"junk before\n%PDF-1.4\n"), "pdf", Some("unsupported")),
        (padded(b"%PDF-1.7\ntrailer<</Encrypt 5 0 R>>"), "pdf", Some("encrypted")),
        (padded(b"%PDF-1.7\n<</EncryptMetadata true>>"), "pdf", Some("unsupported")),
        (padded(b"\xFF\xD8\xFF\xE0"), "jpeg", Some("image")),
        (padded(b"GIF89a"), "gif", Some("image")),
        (padded(b"II*\0"), "tiff", Some("image")),
        (padded(b"\0\0\0\x18ftypheic"), "heic", Some("image")),
        (padded(b"RIFF\0\0\0\0WEBPVP8 "), "webp", Some("image")),
        (padded(b"RIFF\0\0\0\0WAVEfmt "), "audio", Some("unsupported")),
        (padded(b"\0\0\0\x18ftypisom"), "video", Some("unsupported")),
        (padded(b"wOF2"), "font", Some("unsupported")),
        (padded(b"Rar!\x1A\x07\x01\0"), "rar", Some("damaged")),
        (padded(b"7z\xBC\xAF\x27\x1C"), "7z", Some("damaged")),
        (padded(b"7z\xBC\xAF\x27\x1C\0\0\x24\x06\xF1\x07\x01"), "7z", Some("damaged")),
        (padded(b"\x1A\x00-lh5-"), "lzh", Some("damaged")),
        (padded(b"MSCF\0\0\0\0"), "cab", Some("damaged")),
        (at(257, b"ustar\0"), "tar", Some("damaged")),
        (padded(b"{\\rtf1\\ansi"), "rtf", Some("damaged")),
        (padded(b"MZ\x90\0\x03\0\0\0"), "exe", Some("unsupported")),
        (padded(b"\x7FELF\x02"), "elf", Some("unsupported")),
        (padded(b"SQLite format 3\0"), "sqlite", Some("unsupported")),
        (padded(b"\0\x01\0\0Standard ACE DB\0"), "mdb", Some("unsupported")),
        (padded(b"\x78\x9F\x3E\x22"), "tnef", Some("unsupported")),
        (padded(b"\x30\x80\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x03"), "p7m", Some("encrypted")),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n".to_vec(), "pgp", Some("encrypted")),
        (b"-----BEGIN PGP SIGNATURE-----\n\niQE\n-----END PGP SIGNATURE-----\n".to_vec(), "pgp_signature", None),
        (compound(&["WordDocument", "1Table"], b""), "doc", Some("damaged")),
        (compound(&["Workbook"], b""), "xls", Some("damaged")),
        (compound(&["Workbook"], b"\x09\x08\x10\0\0\x06\x05\0____________\x2F\0\x36\0"), "xls", Some("encrypted")),
        (compound(&["WordDocument"], b"\xEC\xA5\xC1\0\0\0\0\0\0\0\0\x13"), "doc", Some("encrypted")),
        (compound(&["PowerPoint Document"], b""), "ppt", Some("damaged")),
        (compound(&["__properties_version1.0", "WordDocument"], b""), "msg", Some("damaged")),
        (compound(&["EncryptionInfo", "EncryptedPackage"], b""), "encrypted_office", Some("encrypted")),
        (compound(&["Something"], b""), "cfb", Some("damaged")),
        (padded(&[1, 2, 3, 0, 0, 0]), "binary", Some("unsupported")),
        (b"#!/bin/sh\necho hi\n".to_vec(), "script", None),
        (Vec::new(), "empty", None),
    ] {
        let out = read(&attachment("file", &bytes));
        assert_eq!(kinds(&out), [format!("file: {kind}")]);
        assert_eq!(unread(&out), why.map(|why| format!("file: {why}")).into_iter().collect::<Vec<_>>(), "{kind}");
    }
}

#[test]
fn packages_are_told_from_archives_by_what_is_inside() {
    let sheet = [("s", "visible", "<row r='1'><c><v>1</v></c></row></sheetData>")];
    let workbook = workbook_parts(&sheet);
    let mut with_macros = workbook.clone();
    with_macros.push(("xl/vbaProject.bin".to_owned(), "x".to_owned()));
    for (bytes, kind) in [
        (package(&workbook), "xlsx"),
        (package(&with_macros), "xlsm*"),
        (zip(&[("word/document.xml", b"<document/>")]), "docx"),
        (zip(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", b"<a/>")]), "ods"),
        (zip(&[("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n")]), "jar"),
        (zip(&[("readme.txt", b"hello\n")]), "zip"),
        (zip(&[]), "zip"),
    ] {
        let out = read(&attachment("file", &bytes));
        assert_eq!(kinds(&out)[0], format!("file: {kind}"));
    }
}

#[test]
fn small_inline_pictures_are_decoration_and_pages_are_not() {
    for (width, height, bytes, inline, unreadable) in [
        (100, 100, 50_000, true, false),
        (800, 600, 5_000, true, false),
        (800, 600, 50_000, true, true),
        (100, 100, 50_000, false, true),
        (800, 60, 50_000, true, true),
    ] {
        let picture = png(width, height, bytes);
        let input = PartInput { inline, ..attachment("p.png", &picture) };
        assert_eq!(unread(&read(&input)).len(), usize::from(unreadable), "{width}x{height} {bytes} {inline}");
    }
}

#[test]
fn a_recall_is_seen_in_either_form() {
    let wide: Vec<u8> = "IPM.Outlook.Recall".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (class, recall) in
        [(b"IPM.Outlook.Recall\0".as_slice(), true), (&wide, true), (b"IPM.Microsoft Mail.Note\0", false)]
    {
        let bytes = padded(&[b"\x78\x9F\x3E\x22\x01\x00", class].concat());
        let out = read(&attachment("winmail.dat", &bytes));
        assert_eq!((out.recall, kinds(&out)), (recall, vec!["winmail.dat: tnef".to_owned()]));
    }
}

#[test]
fn mails_inside_go_to_the_reader_of_mails() {
    let mail = "Received: from a\r\nFrom: a@example.jp\r\nTo: b@example.jp\r\nSubject: x\r\n\r\n本文\r\n".as_bytes();
    let declared = PartInput { declared_type: Some("message/rfc822".to_owned()), ..attachment("転送", mail) };
    assert_eq!(read(&declared).nested_mails, [("転送".to_owned(), mail.to_vec())]);
    let out = read(&attachment("memo.txt", mail));
    assert_eq!(out.nested_mails.len(), 1, "one that only looks like a mail is read as both");
    assert_eq!(places(&out, "本文"), ["memo.txt"]);
    let archive = zip(&[("保存.eml", mail)]);
    assert_eq!(read(&attachment("a.zip", &archive)).nested_mails[0].0, "a.zip!保存.eml");
    assert!(read(&body("text/plain", mail)).nested_mails.is_empty(), "a body that quotes a header is a body");
}

#[test]
fn a_signed_mail_goes_to_the_reader_of_mails() {
    let mail = b"Content-Type: text/plain\r\n\r\nhi";
    let signed = [
        b"\x30\x80\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02\xA0\x80\x30\x80\x02\x01\x01\x31\0\x30\x80\x06\x01\x01\xA0\x80\x24\x80\x04".as_slice(),
        &[u8::try_from(mail.len()).unwrap()],
        mail,
        &[0; 12],
    ]
    .concat();
    let out = read(&attachment("smime.p7m", &signed));
    assert_eq!(out.nested_mails, [("smime.p7m!signed".to_owned(), mail.to_vec())]);
    assert_eq!((kinds(&out), unread(&out)), (vec!["smime.p7m: p7m".to_owned()], vec![]));
}

#[test]
fn pgp_in_a_body_is_encrypted_and_the_rest_is_read() {
    let text = "こんにちは\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n";
    let out = read(&body("text/plain", text.as_bytes()));
    assert_eq!(unread(&out), ["body: encrypted"]);
    assert_eq!(places(&out, "こんにちは"), ["body"]);
}

#[test]
fn records_padded_with_zeros_are_read_though_their_kind_is_unknown() {
    let mut bytes = Vec::new();
    for name in ["山田太郎", "佐藤花子"] {
        let mut record = super::fixture::cp932(name);
        record.resize(12, b' ');
        record.extend_from_slice(&[0, 1, 0, 2]);
        bytes.extend(record);
    }
    let out = read(&attachment("dump.dat", &bytes));
    assert_eq!(unread(&out), ["dump.dat: unsupported"]);
    assert_eq!(places(&out, "佐藤花子"), ["dump.dat"]);
}
