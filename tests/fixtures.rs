//! The demonstration's mails hold what they say: quantities, people, containers, addresses.
//! It refuses to ask the program's own readers: mails are read with mail-parser, sheets with calamine, archives with zip.
#![allow(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "helpers of tests fail a test by panicking; the names are the fixtures' own"
)]

use calamine::{Data, Reader as _, Xlsx, XlsxError};
use mail_parser::{Message, MessageParser, MimeHeaders as _};
use sekisho::address::{Address, DomainSet};
use sekisho::cli::demo::fixtures::{archive, biff, birth::Date, cfb, encoding::Charset, letter, picture, xlsx};
use sekisho::cli::demo::incidents::{self, INTERNAL, Incident, Outgoing, PARTNERS};
use sekisho::rules::verdict::Outcome;
use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};
use std::sync::LazyLock;

static LEAKS: LazyLock<Vec<Incident>> = LazyLock::new(incidents::all);
static ORDINARY: LazyLock<Vec<Incident>> = LazyLock::new(incidents::must_pass);

fn everything() -> impl Iterator<Item = (&'static Incident, &'static Outgoing)> {
    LEAKS.iter().chain(ORDINARY.iter()).flat_map(|incident| incident.mails.iter().map(move |mail| (incident, mail)))
}

fn leak(id: &str) -> &'static Incident {
    LEAKS.iter().find(|incident| incident.id == id).unwrap()
}

fn parsed(mail: &Outgoing) -> Message<'_> {
    MessageParser::default().parse(&mail.data).unwrap()
}

fn visible(mail: &Outgoing) -> BTreeSet<String> {
    let message = parsed(mail);
    [message.to(), message.cc()]
        .into_iter()
        .flatten()
        .flat_map(|list| list.iter())
        .filter_map(|address| address.address().map(str::to_lowercase))
        .collect()
}

/// Name and content of every attachment.
fn attachments(mail: &Outgoing) -> Vec<(String, Vec<u8>)> {
    parsed(mail)
        .attachments()
        .map(|part| (part.attachment_name().unwrap_or_default().to_owned(), part.contents().to_vec()))
        .collect()
}

/// The rows below the first row that has this cell, on one sheet of a workbook.
fn sheet_rows(bytes: &[u8], sheet: &str, heading: &str) -> Vec<Vec<Data>> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    let range = book.worksheet_range(sheet).unwrap();
    let rows: Vec<Vec<Data>> = range.rows().map(<[Data]>::to_vec).collect();
    let top = rows.iter().position(|row| row.iter().any(|cell| cell == heading)).unwrap();
    rows[top + 1..].to_vec()
}

fn unzipped(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.name_raw().to_vec(), content)
        })
        .collect()
}

#[test]
fn every_situation_is_told_in_both_languages_under_its_own_id() {
    let mut ids = BTreeSet::new();
    for incident in LEAKS.iter().chain(ORDINARY.iter()) {
        assert!(ids.insert(incident.id), "{} stands twice", incident.id);
        for words in [incident.title, incident.what] {
            assert!(words.en.is_ascii() || words.en.contains('ê'), "{}", incident.id);
            assert!(!words.en.is_empty() && !words.ja.is_ascii(), "{}", incident.id);
        }
        assert!(!incident.mails.is_empty());
    }
    for incident in LEAKS.iter() {
        assert!(incident.expect.outcome.stops() && !incident.expect.rules.is_empty() && !incident.date.is_empty());
    }
    for incident in ORDINARY.iter() {
        assert_eq!(incident.expect.outcome, Outcome::Pass);
    }
    assert!(ORDINARY.iter().map(|incident| incident.mails.len()).sum::<usize>() >= 20);
}

#[test]
fn the_same_mails_are_made_on_every_run() {
    assert!(*LEAKS == incidents::all(), "a leak differs from its first making");
    assert!(*ORDINARY == incidents::must_pass(), "an ordinary mail differs from its first making");
}

#[test]
fn every_mail_is_canonical_on_the_wire_and_readable() {
    let mut message_ids = BTreeSet::new();
    for (incident, mail) in everything() {
        let place = incident.id;
        for (at, byte) in mail.data.iter().enumerate() {
            match byte {
                b'\n' => assert_eq!(mail.data[at - 1], b'\r', "bare LF in {place}"),
                b'\r' => assert_eq!(mail.data[at + 1], b'\n', "bare CR in {place}"),
                0 => panic!("NUL in {place}"),
                _ => {}
            }
        }
        assert!(mail.data.ends_with(b"\r\n"), "{place}");
        assert!(mail.data.split(|byte| *byte == b'\n').all(|line| line.len() <= 998), "long line in {place}");
        let message = parsed(mail);
        assert!(message.subject().is_some_and(|subject| !subject.is_empty() && !subject.contains("=?")), "{place}");
        assert_eq!(message.from().unwrap().first().unwrap().address().unwrap(), mail.from, "{place}");
        assert!(message.date().is_some_and(mail_parser::DateTime::is_valid), "{place}");
        message_ids.insert(message.message_id().unwrap().to_owned());
        let text = message.body_text(0).unwrap_or_default();
        assert!(!text.contains('\u{FFFD}') && !text.contains("&#"), "{place}: {text}");
        for part in message.attachments().filter(|part| !part.is_message()) {
            assert!(!part.contents().is_empty(), "{place}");
        }
    }
    // One situation sends the same mail with each mail program; all others differ.
    assert!(message_ids.len() >= everything().count() - 6);
}

#[test]
fn only_documentation_domains_and_mailbox_providers_are_named() {
    let internal = DomainSet::new(INTERNAL);
    let partners = DomainSet::new(PARTNERS);
    let known = DomainSet::new(sekisho::cli::demo::fixtures::people::PRIVATE_DOMAINS.into_iter().chain([
        "gmai.com",
        "yaho.co.jp",
        "docomo.co.jp",
        "gmial.com",
    ]));
    let reserved = DomainSet::new(["*.example.com", "*.example.net"]);
    for (incident, mail) in everything() {
        assert!(internal.contains(&Address::new(&mail.from)), "{}", incident.id);
        for recipient in &mail.recipients {
            let address = Address::new(recipient);
            assert!(
                [&internal, &partners, &known, &reserved].iter().any(|set| set.contains(&address)),
                "{recipient} in {}",
                incident.id
            );
        }
    }
}

#[test]
fn outside_addresses_are_visible_as_often_as_reported() {
    let internal = DomainSet::new(INTERNAL);
    for (id, mails, seen) in [
        ("uji-to", 1, 421),
        ("uji-recall", 1, 421),
        ("uji-recall-ja", 1, 421),
        ("uji-recall-en", 1, 421),
        ("niigata", 18, 126),
        ("saga", 4, 1_622),
    ] {
        let incident = leak(id);
        assert_eq!(incident.mails.len(), mails, "{id}");
        let outside: Vec<String> = incident
            .mails
            .iter()
            .flat_map(visible)
            .filter(|address| !internal.contains(&Address::new(address)))
            .collect();
        assert_eq!(outside.len(), seen, "{id}");
        assert_eq!(outside.iter().collect::<BTreeSet<_>>().len(), seen, "{id}");
        assert_eq!(incident.expect.visible_external, Some(seen as u64), "{id}");
        assert_eq!(incident.mails.iter().map(|mail| mail.recipients.len()).sum::<usize>(), seen, "{id}");
    }
    assert!(leak("niigata").mails.iter().all(|mail| visible(mail).len() == 7));
}

#[test]
fn a_reader_in_the_envelope_only_stands_nowhere_in_the_mail() {
    let bcc = ORDINARY.iter().find(|incident| incident.id == "bcc").unwrap();
    let mail = &bcc.mails[0];
    assert_eq!(mail.recipients.len(), 121);
    let text = String::from_utf8_lossy(&mail.data).to_lowercase();
    assert_eq!(mail.recipients.iter().filter(|address| text.contains(&address.to_lowercase())).count(), 1);
}

#[test]
fn lists_have_the_reported_number_of_rows() {
    for (id, mail, file, sheet, heading, rows) in [
        ("shimada", 0, 0, "農業者", "氏名", 821),
        ("shimada", 0, 0, "世帯員", "続柄", 377),
        ("shimada", 1, 0, "土地所有者", "所有者氏名", 800),
        ("hiratsuka-xlsx", 0, 0, "元データ", "氏名", 31_677),
        ("osaka-school", 0, 0, "9月分", "児童名", 41),
        ("tsuyama", 0, 0, "5年1組", "パスワード", 30),
        ("jipdec", 0, 0, "審査員", "審査員氏名", 669),
        ("visionary", 0, 0, "顧客", "会員番号", 4_061),
        ("visionary", 0, 0, "視力検査", "検査日", 5_707),
        ("visionary", 0, 0, "聴力検査", "所見", 151),
        ("tsuchiura", 0, 0, "評価結果", "能力評価", 836),
    ] {
        let files = attachments(&leak(id).mails[mail]);
        assert_eq!(sheet_rows(&files[file].1, sheet, heading).len(), rows, "{id} {sheet}");
    }
    let eyesight = attachments(&leak("visionary").mails[0]);
    let people = |sheet: &str, name: usize| {
        sheet_rows(&eyesight[0].1, sheet, "氏名").iter().map(|row| row[name].to_string()).collect::<BTreeSet<_>>()
    };
    assert!(people("視力検査", 1).is_subset(&people("顧客", 1)));
    let lunch = sheet_rows(&attachments(&leak("osaka-school").mails[0])[0].1, "9月分", "児童名");
    let distinct = |column: usize| lunch.iter().map(|row| row[column].to_string()).collect::<BTreeSet<_>>().len();
    assert_eq!((distinct(2), distinct(6)), (41, 28));
}

#[test]
fn the_farm_office_files_add_up_to_2446_people() {
    let files: Vec<(String, Vec<u8>)> = leak("shimada").mails.iter().flat_map(attachments).collect();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["農業者名簿.xlsx", "土地所有者.xlsx", "組合員.csv", "補助金振込先.docx", "説明会出席者.tsv"]);
    let lines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count() - 1;
    let document = unzipped(&files[3].1);
    let text = document
        .iter()
        .find(|(name, _)| name == b"word/document.xml")
        .map(|(_, xml)| String::from_utf8_lossy(xml))
        .unwrap();
    // Two tables with a heading row each, and two people in the text; a short cell's text is split over two runs, the text's is not.
    let in_document = text.matches("<w:tr>").count() - 2 + text.matches("氏名:").count();
    assert_eq!(821 + 377 + 800 + lines(&files[2].1) + in_document + lines(&files[4].1), 2_446);
}

#[test]
fn the_leaver_takes_1035_files_with_31677_people() {
    let mut files = 0;
    let mut people = 0;
    for mail in &leak("hiratsuka").mails {
        for (name, archive) in attachments(mail) {
            assert!(name.ends_with(".zip"), "{name}");
            for (name, content) in unzipped(&archive) {
                files += 1;
                let (name, _, replaced) = encoding_rs::SHIFT_JIS.decode(&name);
                assert!(!replaced && name.contains("_名簿."), "{name}");
                people += if name.ends_with(".xlsx") {
                    sheet_rows(&content, "名簿", "氏名").len()
                } else {
                    memchr::memchr_iter(b'\n', &content).count() - 1
                };
            }
        }
    }
    assert_eq!((files, people), (1_035, 31_677));
}

#[test]
fn the_register_goes_home_in_21_mails_with_600_valid_numbers() {
    let incident = leak("kamaishi");
    assert_eq!(incident.mails.len(), 21);
    let mut numbers = BTreeSet::new();
    for mail in &incident.mails {
        let mut text = parsed(mail).body_text(0).unwrap_or_default().into_owned();
        for (name, bytes) in attachments(mail) {
            if name.ends_with(".xlsx") {
                let rows = sheet_rows(&bytes, "台帳", "個人番号");
                text.extend(rows.iter().map(|row| format!("{}\n", row[4])));
            } else {
                text.push_str(&encoding_rs::SHIFT_JIS.decode(&bytes).0);
            }
        }
        for word in text.split(|char: char| !char.is_ascii_digit()).filter(|word| word.len() == 12) {
            let digits: Vec<u32> = word.bytes().map(|byte| u32::from(byte - b'0')).collect();
            let sum: u32 =
                (1..).zip(digits[..11].iter().rev()).map(|(n, p)| p * if n <= 6 { n + 1 } else { n - 5 }).sum();
            assert_eq!(digits[11], if sum % 11 <= 1 { 0 } else { 11 - sum % 11 }, "{word}");
            numbers.insert(word.to_owned());
        }
    }
    assert_eq!(numbers.len(), 600);
}

#[test]
fn nested_and_renamed_files_are_what_they_are_not_called() {
    let mails = &leak("ntt-act").mails;
    let outer = unzipped(&attachments(&mails[0])[0].1);
    assert_eq!(outer.len(), 3);
    let clients: Vec<(Vec<u8>, Vec<u8>)> = outer.iter().flat_map(|(_, inner)| unzipped(inner)).collect();
    assert_eq!(clients.len(), 59);
    assert!(
        clients
            .iter()
            .all(|(name, content)| !name.ends_with(b".csv") && memchr::memchr_iter(b'\n', content).count() == 201)
    );
    let (name, photo) = &attachments(&mails[1])[0];
    assert_eq!(name, "IMG_0231.jpg");
    assert!(std::str::from_utf8(photo).is_ok_and(|text| text.lines().count() == 3_001));
    let body = parsed(&mails[2]).body_text(0).unwrap().replace(['\r', '\n'], "");
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    assert_eq!(String::from_utf8(decoded).unwrap().lines().count(), 1_051);
}

#[test]
fn protected_files_ask_for_their_password() {
    let mails = &leak("amagasaki").mails;
    let mut archive = zip::ZipArchive::new(Cursor::new(attachments(&mails[0]).remove(0).1)).unwrap();
    assert!(archive.by_index(0).is_err());
    let mut opened = Vec::new();
    archive.by_index_decrypt(0, b"Amagasaki2022").unwrap().read_to_end(&mut opened).unwrap();
    assert_eq!(memchr::memchr_iter(b'\n', &opened).count(), 2_001);
    for bytes in [
        attachments(&mails[1]).remove(0).1,
        cfb::protected_workbook("small", 10),
        cfb::protected_workbook("large", 3_000_000),
    ] {
        assert!(matches!(Xlsx::new(Cursor::new(bytes)), Err(XlsxError::Password)));
    }
}

#[test]
fn an_old_workbook_reads_back_with_hidden_sheets_and_long_tables_of_strings() {
    let long: Vec<String> = (0..3_000).map(|number| format!("長い文字列その{number}")).collect();
    let rows = long.iter().map(|text| vec![xlsx::Cell::from(text.as_str()), xlsx::Cell::Phone(9_012_345_678)]);
    let bytes = biff::Book::new().sheet("表").rows(rows).hidden_sheet("隠し").texts(&["見えない"]).finish();
    let mut book: calamine::Xls<_> = calamine::Xls::new(Cursor::new(&bytes)).unwrap();
    assert_eq!(book.sheet_names(), ["表", "隠し"]);
    let range = book.worksheet_range("表").unwrap();
    assert_eq!(range.get_value((2_999, 0)).map(ToString::to_string), Some("長い文字列その2999".to_owned()));
    assert_eq!(range.get_value((7, 1)).map(ToString::to_string), Some("9012345678".to_owned()));
}

#[test]
fn a_recall_says_so_in_its_message_class() {
    let files = attachments(&leak("uji-recall").mails[0]);
    assert_eq!(files[0].0, "winmail.dat");
    assert!(files[0].1.starts_with(&[0x78, 0x9F, 0x3E, 0x22]));
    assert!(files[0].1.windows(18).any(|window| window == b"IPM.Outlook.Recall"));
}

#[test]
fn a_workbook_reads_back_with_hidden_sheets_dates_and_both_kinds_of_strings() {
    for strings in [xlsx::Strings::Shared, xlsx::Strings::Inline] {
        let day = Date { year: 1985, month: 4, day: 3 };
        let bytes = xlsx::Book::new(strings)
            .titled("題名")
            .sheet("表")
            .texts(&["氏名", "氏名", "<&\">"])
            .row(&[xlsx::Cell::Empty, xlsx::Cell::Date(day), xlsx::Cell::Era(day), xlsx::Cell::Phone(9_012_345_678)])
            .hidden_sheet("隠し")
            .texts(&["見えない"])
            .finish();
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(&bytes)).unwrap();
        assert_eq!(book.sheet_names(), ["表", "隠し"]);
        assert_eq!(book.sheets_metadata()[1].visible, calamine::SheetVisible::Hidden);
        let range = book.worksheet_range("表").unwrap();
        assert_eq!(range.get((0, 2)).unwrap(), "<&\">");
        assert_eq!(range.get((1, 0)), Some(&Data::Empty));
        for column in [1, 2] {
            let Some(Data::DateTime(date)) = range.get((1, column)) else { panic!("column {column} is no date") };
            assert!((date.as_f64() - 31_140.0).abs() < f64::EPSILON);
        }
        assert_eq!(range.get((1, 3)).unwrap().to_string(), "9012345678");
        assert_eq!(book.worksheet_range("隠し").unwrap().get((0, 0)).unwrap(), "見えない");
    }
}

#[test]
fn mail_programs_write_what_a_reader_reads() {
    use letter::{Letter, Program};
    let name = "令和5年度　参加者名簿(最新版・個人情報注意)髙橋.zip";
    for program in [Program::Outlook, Program::Gmail, Program::Thunderbird, Program::Becky, Program::Telephone] {
        let mail = Letter::new(
            program,
            ("山内 直樹", "a@example.jp"),
            "Tue, 19 Sep 2023 16:12:00 +0900",
            "件名です。とても長い件名を折り返して書きます",
        )
        .to(["樋口様 <b@client.example.com>", "\"x\"@client.example.com"])
        .text("一行目\n.\n二行目 <b> & \"q\"\n")
        .attach(name, archive::zip(archive::Names::Utf8, [("a", "b")]))
        .finish();
        let message = parsed(&mail);
        assert_eq!(message.subject(), Some("件名です。とても長い件名を折り返して書きます"), "{program:?}");
        assert_eq!(message.to().unwrap().first().unwrap().name(), Some("樋口様"), "{program:?}");
        assert_eq!(message.body_text(0).unwrap().trim_end(), "一行目\r\n.\r\n二行目 <b> & \"q\"", "{program:?}");
        assert_eq!(mail.recipients, ["b@client.example.com", "\"x\"@client.example.com"]);
        let [(read, content)] = <[_; 1]>::try_from(attachments(&mail)).unwrap();
        // ISO-2022-JP lacks one of the characters, so only the other programs can keep the name whole.
        if !matches!(program, Program::Outlook | Program::Becky) {
            assert_eq!(read, name, "{program:?}");
        }
        assert_eq!(unzipped(&content), [(b"a".to_vec(), b"b".to_vec())]);
    }
}

#[test]
fn code_page_932_holds_every_name_of_the_lists() {
    use sekisho::cli::demo::fixtures::names::{FAMILY, MEN, WOMEN};
    for (name, _) in FAMILY.iter().chain(MEN.iter()).chain(WOMEN.iter()) {
        let bytes = Charset::Cp932.encode(name);
        assert_eq!(encoding_rs::SHIFT_JIS.decode(&bytes).0, *name);
        assert!(!Charset::Iso2022Jp.encode(name).starts_with(b"&#"), "{name}");
    }
}

#[test]
fn pictures_are_large_enough_to_be_a_page() {
    let bytes = picture::png("page", 620, 877);
    assert_eq!(bytes[16..24], [0, 0, 2, 108, 0, 0, 3, 109]);
    let pdf = picture::scanned_pdf("page", 310, 438);
    let start: usize = String::from_utf8_lossy(&pdf)
        .rsplit_once("startxref\n")
        .and_then(|(_, rest)| rest.lines().next().and_then(|line| line.parse().ok()))
        .unwrap();
    assert!(pdf[start..].starts_with(b"xref\n0 6\n"));
}
