//! Every fixture cut short and every fixture with flipped bytes, and inputs built to cost time.
//! The tests refuse a panic, a hang, and a broken file that looks clean and empty.

use super::fixture::{
    attachment, body, compound, document_parts, package, paragraph, read, read_within, unread, workbook_parts, zip,
    zip_sealed,
};
use sekisho::extract::{Content, Extracted, Piece};
use sekisho::limits::Limits;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn fixtures() -> Vec<(&'static str, Vec<u8>)> {
    let csv = "氏名,電話,住所\n山田太郎,090-0000-0001,東京都\n佐藤花子,090-0000-0002,大阪府\n";
    let sheet = [(
        "名簿",
        "visible",
        "<row r='1'><c t='inlineStr'><is><t>山田太郎</t></is></c><c r='C1' s='1'><v>45943</v></c></row></sheetData>",
    )];
    vec![
        ("a.csv", csv.as_bytes().to_vec()),
        ("a.zip", zip(&[("a.csv", csv.as_bytes()), ("b.txt", b"hello\n")])),
        ("s.zip", zip_sealed(&[("a.csv", csv.as_bytes())], true)),
        ("a.xlsx", package(&workbook_parts(&sheet))),
        ("a.docx", package(&document_parts(&paragraph("山田太郎")))),
        ("a.doc", compound(&["WordDocument", "Macros"], b"text")),
        ("a.html", "<table><tr><td>山田<td>090</table><a href='data:text/plain;base64,QUJD'>x</a>".as_bytes().to_vec()),
        ("a.p7m", b"\x30\x80\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02\xA0\x80\x30\x80\x02\x01\x01\x31\0\x30\x80\x06\x01\x01\xA0\x80\x24\x80\x04\x02hi\0\0".to_vec()),
    ]
}

fn empty_and_clean(out: &Extracted) -> bool {
    out.unreadable.is_empty() && out.nested_mails.is_empty() && out.pieces.len() <= 1
}

#[test]
fn a_file_cut_anywhere_is_read_or_told() {
    for (name, bytes) in fixtures() {
        for cut in 1..bytes.len() {
            let out = read(&attachment(name, &bytes[..cut]));
            assert!(cut < 40 || !empty_and_clean(&out), "{name} cut at {cut} looks clean and empty");
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    // The extractor contains panics, so they are counted where they begin.
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
    for (name, bytes) in fixtures() {
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= if at % 2 == 0 { 0xFF } else { 0x01 };
            let out = read(&attachment(name, &broken));
            assert!(!out.attachments.is_empty());
        }
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

#[test]
fn costly_inputs_end_soon() {
    let many = |text: &str| text.repeat(20_000);
    let deep_zip = (0..40).fold(zip(&[("x", b"x\n")]), |inner, _| zip(&[("n.zip", &inner)]));
    let xml = format!("<w:p>{}", many("<w:tbl><w:tr><w:tc>"));
    let limits = Limits::default();
    for (name, bytes) in [
        ("tables.html", many("<table><tr><td>x").into_bytes()),
        ("quotes.html", many("<a title=\"").into_bytes()),
        ("entities.html", many("&#x").into_bytes()),
        ("comments.html", many("<!--").into_bytes()),
        ("scripts.html", many("<script>").into_bytes()),
        ("spans.html", many("<table><tr><td rowspan=1000 colspan=1000>x").into_bytes()),
        ("quotes.csv", many("\"a\"\",\"\"").into_bytes()),
        ("commas.csv", many(",,,,,,,,,,\n").into_bytes()),
        ("lines.txt", vec![b'\n'; 8_000_000]),
        ("begin.txt", many("begin 644 a\n").into_bytes()),
        ("base64.txt", many("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo= ").into_bytes()),
        ("escapes.json", format!("{{\"{}", many("\\ud83d")).into_bytes()),
        ("deep.docx", package(&document_parts(&xml))),
        ("deep.zip", deep_zip),
        ("locals.zip", b"PK\x03\x04\x14\0\0\0\0\0aaaaaaaaaaaaaaaa\x01\0\0\0x".repeat(20_000)),
        ("folds.vcf", format!("BEGIN:VCARD\nN;ENCODING=QUOTED-PRINTABLE:{}", many("=\n")).into_bytes()),
    ] {
        let start = Instant::now();
        let out = read_within(&limits, &attachment(name, &bytes));
        // Generous, since other work shares the machine: the point is that nothing is quadratic.
        assert!(start.elapsed() < Duration::from_secs(30), "{name} took {:?}", start.elapsed());
        assert!(!out.attachments.is_empty(), "{name}");
    }
}

#[test]
fn a_sheet_of_gaps_ends_within_its_budget() {
    let rows = "<row><c r='XFD1'><v>1</v></c></row>".repeat(3_000);
    let bytes = package(&workbook_parts(&[("s", "visible", &format!("{rows}</sheetData>"))]));
    let limits = Limits { unpacked_bytes: 20 * 1024 * 1024, ..Limits::default() };
    let out = read_within(&limits, &attachment("gaps.xlsx", &bytes));
    assert_eq!(unread(&out)[0], "gaps.xlsx!s: limit");
    assert!(out.pieces.iter().any(|piece| piece.path == "gaps.xlsx!s"), "the rows before the limit are kept");
}

#[test]
fn a_body_of_any_bytes_is_read_or_told() {
    let noise: Vec<u8> =
        (0..50_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let out = read(&body("text/plain", &noise));
    assert_eq!(unread(&out), ["body: unsupported"]);
}

#[test]
fn filler_gives_little_more_text_than_it_has() {
    const SIZE: usize = 2_000_000;
    let random = |count: usize, letters: &[u8]| -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            letters[(state >> 40) as usize % letters.len()]
        };
        std::iter::repeat_with(&mut next).take(count).collect()
    };
    let base64: Vec<u8> = (b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9').chain(*b"+/").collect();
    let lines = |text: Vec<u8>| text.chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..]);
    for (name, bytes) in [
        ("lines of one letter", lines(vec![b'a'; SIZE])),
        ("one line of one letter", vec![b'a'; SIZE]),
        ("lines of base64", lines(random(SIZE, &base64))),
        ("one line of base64", random(SIZE, &base64)),
        ("lines of hexadecimal", lines(random(SIZE, b"0123456789abcdef"))),
        ("lines of digits", lines(random(SIZE, b"0123456789"))),
    ] {
        for input in [body("text/plain", &bytes), attachment("filler.txt", &bytes)] {
            let out = read(&input);
            let text = |piece: &Piece| match &piece.content {
                Content::Text(text) => text.len(),
                Content::Table(table) => table.text_bytes(),
            };
            let all: usize = out.pieces.iter().map(text).sum();
            assert!((SIZE / 2..5 * SIZE).contains(&all), "{name}: {all}");
            assert!(out.attachments.len() <= 2, "{name}: {:?}", out.attachments);
        }
    }
}
