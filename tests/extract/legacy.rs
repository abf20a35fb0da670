//! Needles in every corner of the old office formats, each to be found at its place; and the same files broken in every way.
//! The tests refuse a panic, even one that the extractor contains, and a broken file that looks whole.

use super::fixture::{attachment, cp932, kinds, places, read, read_within, unread};
use proptest::prelude::*;
use sekisho::cli::demo::fixtures::{biff, cfb, msg, rtf};
use sekisho::extract::Extracted;
use sekisho::limits::Limits;
use std::cell::Cell;
use std::sync::Once;

const LETTER_DOC: &[u8] = include_bytes!("legacy/letter.doc");
const LETTER_RTF: &[u8] = include_bytes!("legacy/letter.rtf");
const BOOK_XLS: &[u8] = include_bytes!("legacy/book.xls");
const TALK_PPT: &[u8] = include_bytes!("legacy/talk.powerpoint");

fn talk() -> Vec<u8> {
    cfb::compound(&[("Current User", &[0; 20]), ("PowerPoint Document", TALK_PPT)])
}

fn roster() -> Vec<u8> {
    biff::Book::new()
        .sheet("名簿")
        .texts(&["氏名", "電話"])
        .texts(&["山田太郎", "090-0000-0001"])
        .hidden_sheet("隠し")
        .texts(&["", "佐藤花子"])
        .finish()
}

fn message() -> Vec<u8> {
    let inner = msg::Message::new().text(msg::SUBJECT, "中の件名").file("名簿.xls", &roster());
    msg::Message::new()
        .code_page(932)
        .text(msg::SUBJECT, "外の件名")
        .bytes(msg::BODY_8, &cp932("本文の一行目\r\n"))
        .bytes(msg::HTML, &cp932("<p>頁の文字<table><tr><td>氏名<td>電話</table>"))
        .bytes(msg::RTF, &[&[0; 8], b"MELA".as_slice(), &[0; 4], b"{\\rtf1\\ansicpg932 \\'8e\\'52\\'93\\'63}"].concat())
        .text(0x3A08_001F, "03-0000-0001")
        .recipient("鈴木一郎", "suzuki@example.jp")
        .file("手紙.rtf", LETTER_RTF)
        .message("転送", inner)
        .finish()
}

/// Every piece: path, role and text, for comparing and for looking at a failure.
fn found(out: &Extracted, needles: &[(&str, &[&str])]) {
    for (needle, expected) in needles {
        assert_eq!(places(out, needle), *expected, "{needle} in {:#?}", out.pieces);
    }
}

#[test]
fn a_word_document_gives_every_story() {
    let out = read(&attachment("a.doc", LETTER_DOC));
    found(
        &out,
        &[
            ("本文の一行目です。隠した文字", &["a.doc"]),
            ("ここ消した文字まで リンクの文字", &["a.doc"]),
            ("髙橋㈱ 𠮷野", &["a.doc"]),
            ("氏名", &["a.doc!table1#A1"]),
            ("090-0000-0001", &["a.doc!table1#B2"]),
            ("佐藤花子\n（仮）", &["a.doc!table1#A3"]),
            ("大阪府", &["a.doc!table1#C3"]),
            ("脚注の文字", &["a.doc!footnotes"]),
            ("注釈の文字", &["a.doc!comments"]),
            ("枠の文字", &["a.doc!textboxes"]),
            ("社外秘の頁", &["a.doc!headers:property"]),
            ("someone@example.jp", &["a.doc!besides"]),
            ("文書の題", &["a.doc:property"]),
        ],
    );
    assert_eq!(unread(&out), [] as [&str; 0]);
    assert_eq!(kinds(&out), ["a.doc: doc"]);
}

#[test]
fn rich_text_gives_every_destination() {
    let out = read(&attachment("a.rtf", LETTER_RTF));
    found(
        &out,
        &[
            ("本文の一行目です。隠した文字", &["a.rtf"]),
            ("ここ消した文字まで リンクの文字", &["a.rtf"]),
            ("佐藤花子\n（仮）", &["a.rtf!table1#A3"]),
            ("脚注の文字", &["a.rtf!notes"]),
            ("注釈の文字", &["a.rtf!notes"]),
            ("枠の文字", &["a.rtf!notes"]),
            ("社外秘の頁", &["a.rtf:property"]),
            ("someone@example.jp", &["a.rtf!besides"]),
        ],
    );
    assert_eq!(unread(&out), [] as [&str; 0]);
}

#[test]
fn rich_text_is_read_however_it_is_written() {
    let file = |body: &[u8]| {
        [b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0\\fcharset128 M;}{\\f1\\fcharset0 A;}}".as_slice(), body, b"}"]
            .concat()
    };
    let raw = [b"\\f0 ".as_slice(), &cp932("山田太郎")].concat();
    for (what, body, needle, place) in [
        ("hex pairs", b"\\f0 \\'8e\\'52\\'93\\'63".as_slice(), "山田", "a.rtf"),
        ("a trail byte as a letter", b"\\f0 \\'83A\\'83\\\\", "アソ", "a.rtf"),
        ("raw bytes", &raw, "山田太郎", "a.rtf"),
        ("a line end between the bytes", b"\\f0 \\'8e\r\n\\'52", "山", "a.rtf"),
        ("Unicode with a fallback", b"\\uc2\\u23665\\'8e\\'52\\u30000\\'93\\'63", "山田", "a.rtf"),
        ("negative Unicode", b"\\u-28728?\\u-10174?\\u-8265?", "\u{8FC8}", "a.rtf"),
        ("surrogates", b"\\u-10174?\\u-8265?", "\u{20BB7}", "a.rtf"),
        ("a western font", b"\\f1 caf\\'e9", "café", "a.rtf"),
        ("the East Asian font", b"\\loch\\f1\\dbch\\af0 \\'8e\\'52", "山", "a.rtf"),
        ("a wrong font", b"\\f1 \\'8e\\'52\\'93\\'63", "山田", "a.rtf!charset"),
        ("hidden text", b"{\\v 090-0000-0001}", "090-0000-0001", "a.rtf"),
        ("a group nobody knows", b"{\\*\\secret 090-0000-0001}", "090-0000-0001", "a.rtf!besides"),
        ("binary data between", b"090-{\\*\\x\\bin5 }}}}}}0000", "090-0000", "a.rtf"),
        ("fields", b"{\\field{\\*\\fldinst HYPERLINK \"tel:1\"}{\\fldrslt 090-1}}", "090-1", "a.rtf"),
        (
            "a text box",
            b"{\\shp{\\*\\shpinst{\\sp{\\sn pib}{\\sv 1}}{\\sp{\\sn wzDescription}{\\sv abc}}{\\shptxt xyz}}}",
            "abc\nxyz",
            "a.rtf!notes",
        ),
        ("text behind the end", b"}090-0000-0001", "090-0000-0001", "a.rtf!trailing"),
        ("joined runs", b"{\\b 090-}{\\i 0000}\\_0001", "090-0000-0001", "a.rtf"),
    ] {
        let out = read(&attachment("a.rtf", &file(body)));
        assert_eq!(places(&out, needle), [place], "{what}: {:#?}", out.pieces);
        assert_eq!(unread(&out), [] as [&str; 0], "{what}");
    }
    for how in [rtf::Written::Hex, rtf::Written::Unicode] {
        let rows = [["氏名", "電話"], ["山田太郎", "090-0000-0001"]];
        let bytes = rtf::Document::new(how).paragraph("表の前").table(rows).paragraph("表の後").finish();
        let out = read(&attachment("a.rtf", &bytes));
        found(&out, &[("山田太郎", &["a.rtf!table1#A2"]), ("表の前\n表の後", &["a.rtf"])]);
    }
}

#[test]
fn html_inside_rich_text_is_read_as_html() {
    let body =
        b"{\\rtf1\\ansi\\ansicpg932\\fromhtml1 {\\*\\htmltag64 <table><tr><td>}\\htmlrtf \\par \\htmlrtf0 \\'8e\\'52\
        {\\*\\htmltag64 </td><td>}1{\\*\\htmltag64 </td></tr></table>}{\\*\\mhtmltag0 x}}";
    let out = read(&attachment("a.rtf", body));
    let table = places(&out, "山");
    assert!(table.len() == 1 && table[0].ends_with("#A1"), "{:#?}", out.pieces);
    assert_eq!(unread(&out), [] as [&str; 0]);
}

#[test]
fn objects_in_rich_text_are_opened() {
    let csv = cp932(&format!(
        "氏名,電話,住所\n山田太郎,090-0000-0001,東京都\n{}",
        "佐藤花子,090-0000-0002,大阪府\n".repeat(5)
    ));
    let mut file = b"\x02\0a.csv\0C:\\a.csv\0\0\0\x03\0\x01\0\0\0\0".to_vec();
    file.extend_from_slice(&u32::try_from(csv.len()).unwrap().to_le_bytes());
    file.extend_from_slice(&csv);
    let mut object = b"\x01\x05\0\0\x02\0\0\0\x08\0\0\0Package\0\0\0\0\0\0\0\0\0".to_vec();
    object.extend_from_slice(&u32::try_from(file.len()).unwrap().to_le_bytes());
    object.extend_from_slice(&file);
    let hex: String = object.iter().map(|byte| format!("{byte:02x}")).collect();
    let picture = "00".repeat(20_000);
    let body = format!(
        "{{\\rtf1{{\\object{{\\*\\objclass Package}}{{\\*\\objdata {hex}}}{{\\result{{\\pict {picture}}}}}}}}}"
    );
    let out = read(&attachment("a.rtf", body.as_bytes()));
    found(&out, &[("山田太郎", &["a.rtf!a.csv#A2"])]);
    assert_eq!(unread(&out), ["a.rtf!picture1: image"]);
    assert_eq!(kinds(&out), ["a.rtf: rtf", "a.rtf!a.csv: csv"]);
}

#[test]
fn a_workbook_gives_every_sheet_as_shown() {
    let out = read(&attachment("a.xls", BOOK_XLS));
    found(
        &out,
        &[
            ("氏名", &["a.xls!名簿#A1"]),
            ("09000000001", &["a.xls!名簿#B2"]),
            ("1980-01-02", &["a.xls!名簿#C2"]),
            ("3.25", &["a.xls!名簿#D2"]),
            ("佐藤花子", &["a.xls!名簿#D8"]),
            ("1234567890123", &["a.xls!名簿#G8"]),
            ("注釈の文字", &["a.xls!名簿"]),
            ("枠の文字", &["a.xls!名簿"]),
            ("隠しの文字", &["a.xls!隠し#A1"]),
        ],
    );
    assert!(places(&out, "社外秘の頁").contains(&"a.xls!名簿:property".to_owned()));
    assert_eq!(unread(&out), [] as [&str; 0]);
    let out = read(&attachment("a.xls", &roster()));
    found(&out, &[("山田太郎", &["a.xls!名簿#A2"]), ("佐藤花子", &["a.xls!隠し#B1"])]);
    assert_eq!(unread(&out), [] as [&str; 0]);
}

/// A workbook of one sheet with these records.
fn sheet(version: &[u8], globals: &[(u16, Vec<u8>)], records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut stream = Vec::new();
    let rest = if version[1] == 6 { 12 } else { 4 };
    biff::record(&mut stream, 0x0809, &[version, &[5, 0], &vec![0; rest]].concat());
    for (kind, data) in globals {
        biff::record(&mut stream, *kind, data);
    }
    biff::record(&mut stream, 0x000A, &[]);
    biff::record(&mut stream, 0x0809, &[version, &[0x10, 0], &vec![0; rest]].concat());
    for (kind, data) in records {
        biff::record(&mut stream, *kind, data);
    }
    biff::record(&mut stream, 0x000A, &[]);
    stream
}

#[test]
fn records_of_every_kind_become_cells() {
    let at =
        |row: u16, column: u16, data: &[u8]| [&row.to_le_bytes()[..], &column.to_le_bytes(), &[0, 0], data].concat();
    let text = |text: &str| biff::string(text);
    let records = [
        (0x0204, at(2, 1, &text("ラベル"))),
        (0x0204, at(0, 0, &text("後から"))),
        (0x027E, at(0, 1, &(90_000_u32 << 2 | 2).to_le_bytes())),
        (0x00BD, [&[1, 0, 0, 0], &[0, 0, 6, 0, 0, 0, 0, 0, 11, 0, 0, 0][..], &[1, 0]].concat()),
        (0x0006, at(3, 0, &[0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0])),
        (0x04BC, vec![0; 8]),
        (0x0207, text("式の値")),
        (0x0006, at(3, 1, &[1, 0, 1, 0, 0, 0, 0xFF, 0xFF, 0, 0])),
        (0x0006, at(3, 2, &2.5_f64.to_le_bytes())),
        (0x0205, at(3, 3, &[0, 0])),
        (0x01B6, vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 8, 0, 0, 0, 0, 0]),
        (0x003C, b"\x01\x71\x5C\x30\x75".to_vec()),
        (0x003C, b"\0ab".to_vec()),
        (0x003C, vec![0; 8]),
        (0x0014, text("&C社外秘")),
        (0x01BE, [&[0; 4][..], &text("題"), &text("誤り"), &text("入力の案内"), &text("x")].concat()),
    ];
    let out = read(&attachment("a.xls", &sheet(&[0, 6], &[], &records)));
    found(
        &out,
        &[
            ("後から", &["a.xls!sheet1#A1"]),
            ("90000", &["a.xls!sheet1#B1"]),
            ("ラベル", &["a.xls!sheet1#B3"]),
            ("式の値", &["a.xls!sheet1#A4"]),
            ("TRUE", &["a.xls!sheet1#B4"]),
            ("2.5", &["a.xls!sheet1#C4"]),
            ("FALSE", &["a.xls!sheet1#D4"]),
            ("山田ab", &["a.xls!sheet1"]),
            ("入力の案内", &["a.xls!sheet1"]),
            ("社外秘", &["a.xls!sheet1:property"]),
        ],
    );
    // Version 5, in code page 932; a note keeps its text itself.
    let name = cp932("名簿");
    let globals = [(0x0042, 932_u16.to_le_bytes().to_vec()), (0x0085, [&[0, 0, 0, 0, 0, 0, 4][..], &name].concat())];
    let label = cp932("山田太郎");
    let records = [
        (0x0204, at(0, 0, &[&8_u16.to_le_bytes()[..], &label].concat())),
        (0x001C, [&[0; 6][..], &cp932("注釈の文字")].concat()),
    ];
    let out = read(&attachment("a.xls", &cfb::compound(&[("Book", &sheet(&[0, 5], &globals, &records))])));
    found(&out, &[("山田太郎", &["a.xls!sheet1#A1"]), ("注釈の文字", &["a.xls!sheet1"])]);
    assert_eq!(unread(&out), [] as [&str; 0]);
}

#[test]
fn a_presentation_gives_slides_tables_notes_and_masters() {
    let out = read(&attachment("a.ppt", &talk()));
    found(
        &out,
        &[
            ("山田太郎 090-0000-0001", &["a.ppt!slide1"]),
            ("佐藤花子", &["a.ppt!slide1!table1#A2"]),
            ("090-0000-0002", &["a.ppt!slide1!table1#B2"]),
            ("plain ascii slide", &["a.ppt!slide2"]),
            ("話者の覚え", &["a.ppt!notes"]),
        ],
    );
    assert_eq!(places(&out, "Second Outline Level"), ["a.ppt!master"]);
    assert_eq!(unread(&out), [] as [&str; 0]);
}

#[test]
fn a_message_gives_its_bodies_recipients_and_everything_attached() {
    let out = read(&attachment("a.msg", &message()));
    found(
        &out,
        &[
            ("外の件名", &["a.msg"]),
            ("本文の一行目", &["a.msg", "a.msg!手紙.rtf"]),
            ("頁の文字", &["a.msg"]),
            ("山田", &["a.msg", "a.msg!手紙.rtf!table1#A2", "a.msg!転送!名簿.xls!名簿#A2"]),
            ("03-0000-0001", &["a.msg!properties"]),
            ("鈴木一郎 <suzuki@example.jp>", &["a.msg!recipients"]),
            ("中の件名", &["a.msg!転送"]),
            ("佐藤花子", &["a.msg!手紙.rtf!table1#A3", "a.msg!転送!名簿.xls!隠し#B1"]),
        ],
    );
    assert_eq!(kinds(&out), ["a.msg: msg", "a.msg!手紙.rtf: rtf", "a.msg!転送: msg", "a.msg!転送!名簿.xls: xls"]);
    assert_eq!(unread(&out), [] as [&str; 0]);
}

#[test]
fn embedded_objects_are_opened_wherever_they_stand() {
    let book = biff::Book::new().sheet("表").texts(&["山田太郎"]).stream();
    let mut native = b"\x20\0\0\0\x02\0memo.txt\0C:\\memo.txt\0\0\0\x03\0\x01\0\0\0\0\x05\0\0\0hello".to_vec();
    let length = u32::try_from(native.len() - 4).unwrap();
    native[..4].copy_from_slice(&length.to_le_bytes());
    let package = super::fixture::package(&super::fixture::document_parts(&super::fixture::paragraph("包んだ文字")));
    let file = cfb::compound(&[
        ("ObjectPool/_1/Workbook", &book),
        ("ObjectPool/_1/\u{1}Ole", b"x"),
        ("ObjectPool/_2/\u{1}Ole10Native", &native),
        ("ObjectPool/_3/Package", &package),
        ("ObjectPool/_4/Unknown", b"\x01\x02\x03\0\x04"),
        ("hidden", "氏名,電話\n鈴木一郎,090-0000-0003\n".as_bytes()),
    ]);
    let out = read(&attachment("oleObject1.bin", &file));
    found(
        &out,
        &[
            ("山田太郎", &["oleObject1.bin!_1!表#A1"]),
            ("hello", &["oleObject1.bin!_2!memo.txt"]),
            ("包んだ文字", &["oleObject1.bin!_3!object1"]),
            ("鈴木一郎", &["oleObject1.bin!hidden"]),
        ],
    );
    assert_eq!(unread(&out), ["oleObject1.bin!_4: unsupported", "oleObject1.bin: unsupported"]);
}

#[test]
fn what_is_not_read_says_why() {
    let user = [&[0; 12][..], &0xF3D1_C4DF_u32.to_le_bytes(), &[0; 4]].concat();
    let mut old = LETTER_DOC.to_vec();
    let at = old.chunks(512).position(|sector| sector.starts_with(&[0xEC, 0xA5])).unwrap() * 512;
    old[at + 2] = 0x65;
    old[at + 3] = 0;
    for (name, bytes, why) in [
        ("a.ppt", cfb::compound(&[("Current User", &user), ("PowerPoint Document", TALK_PPT)]), "encrypted"),
        ("a.xls", sheet(&[0, 6], &[(0x002F, vec![0; 6])], &[]), "encrypted"),
        ("a.xls", b"\x09\x04\x06\0\0\0\x10\0\0\0".to_vec(), "unsupported"),
        ("a.xls", cfb::protected_workbook("x", 5_000), "encrypted"),
        ("a.doc", old, "unsupported"),
        ("a.doc", b"\xDB\xA5\x2D\0".repeat(100), "unsupported"),
        ("a.doc", LETTER_DOC[..6_000].to_vec(), "damaged"),
        ("a.rtf", b"{\\rtf1 abc".to_vec(), "damaged"),
    ] {
        let out = read(&attachment(name, &bytes));
        assert_eq!(unread(&out), [format!("{name}: {why}")], "{name}");
    }
}

#[test]
fn limits_hold_for_what_repeats_itself() {
    let limits = Limits { unpacked_bytes: 300_000, part_bytes: 300_000, ..Limits::default() };
    // One long string shown by many cells.
    let mut book = biff::Book::new().sheet("表");
    let text = "山".repeat(1_000);
    for _ in 0..500 {
        book = book.texts(&[&text]);
    }
    let out = read_within(&limits, &attachment("a.xls", &book.finish()));
    assert!(unread(&out).contains(&"a.xls!表: limit".to_owned()), "{:?}", unread(&out));
    // Groups in groups, and a cell far away.
    let deep = [b"{\\rtf1 ".as_slice(), &b"{".repeat(200_000), b"x", &b"}".repeat(200_000), b"}"].concat();
    found(&read(&attachment("a.rtf", &deep)), &[("x", &["a.rtf"])]);
    let far = sheet(&[0, 6], &[], &[(0x0204, [&[255, 255, 255, 255, 0, 0][..], &biff::string("遠く")].concat())]);
    let out = read(&attachment("a.xls", &far));
    assert_eq!(places(&out, "遠く"), ["a.xls!sheet1#A65536"]);
}

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Reads and says whether nothing panicked, not even inside the extractor, which contains panics.
fn calmly(name: &str, bytes: &[u8]) -> Extracted {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with(|count| count.set(count.get() + 1));
            before(info);
        }));
    });
    let before = PANICS.with(Cell::get);
    let limits = Limits { unpacked_bytes: 8 * 1024 * 1024, ..Limits::default() };
    let out = read_within(&limits, &attachment(name, bytes));
    assert_eq!(PANICS.with(Cell::get), before, "{name} panics");
    out
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.doc", LETTER_DOC.to_vec()),
        ("a.rtf", LETTER_RTF.to_vec()),
        ("a.xls", BOOK_XLS.to_vec()),
        ("b.xls", roster()),
        ("a.ppt", talk()),
        ("a.msg", message()),
    ]
}

#[test]
fn a_cut_file_is_told() {
    for (name, bytes) in files() {
        for cut in (60..bytes.len() - 1).step_by(1 + bytes.len() / 120) {
            let out = calmly(name, &bytes[..cut]);
            // A directory that is whole may lie before the last sectors; then what is missing may be unused.
            let whole = unread(&out).is_empty();
            assert!(!whole || out.pieces.len() > 1, "{name} cut at {cut} looks clean and empty");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_never_panic(
        which in 0..6_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
        tail in any::<prop::sample::Index>(),
    ) {
        let (name, mut bytes) = files().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // Half of them also lose their end.
        if tail.index(2) == 0 {
            bytes.truncate(8 + tail.index(bytes.len() - 8));
        }
        calmly(name, &bytes);
    }

    #[test]
    fn any_bytes_behind_a_head_never_panic(noise in proptest::collection::vec(any::<u8>(), 0..4096)) {
        calmly("a.xls", &[b"\x09\x08\x10\0\0\x06\x05\0".as_slice(), &noise].concat());
        calmly("a.rtf", &[b"{\\rtf1".as_slice(), &noise].concat());
        calmly("a.bin", &[b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".as_slice(), &noise].concat());
        for name in ["Workbook", "Book", "PowerPoint Document", "WordDocument", "\u{1}Ole10Native", "\u{5}SummaryInformation"] {
            calmly("a.bin", &cfb::compound(&[(name, &noise), ("1Table", &noise), ("Data", &noise)]));
        }
        calmly("a.msg", &msg::Message::new().bytes(msg::RTF, &[&[0; 8], b"LZFu".as_slice(), &noise].concat()).bytes(msg::HTML, &noise).finish());
    }
}
