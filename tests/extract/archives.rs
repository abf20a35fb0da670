//! Zip archives: nested, named in CP932, under a password, cut off, hidden behind other files, or made to explode.
//! The tests refuse an archive that is only partly read without saying so.

use super::fixture::{attachment, cp932, kinds, places, png, read, read_within, unread, zip, zip_sealed, zip_with};
use sekisho::limits::Limits;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

const CSV: &[u8] = "氏名,電話,住所\n山田太郎,090-0000-0001,東京都\n佐藤花子,090-0000-0002,大阪府\n".as_bytes();

#[test]
fn entries_are_read_at_any_depth_with_their_path() {
    let inner = zip(&[("5年/名簿.csv", CSV)]);
    let outer = zip(&[("readme.txt", b"hello\n"), ("中身.zip", &inner)]);
    let out = read(&attachment("配布.zip", &outer));
    assert_eq!(places(&out, "佐藤花子"), ["配布.zip!中身.zip!5年/名簿.csv#A3"]);
    assert_eq!(places(&out, "名簿.csv"), ["配布.zip!中身.zip!5年/名簿.csv:name"]);
    assert_eq!(
        kinds(&out),
        ["配布.zip: zip", "配布.zip!readme.txt: text", "配布.zip!中身.zip: zip", "配布.zip!中身.zip!5年/名簿.csv: csv"]
    );
    assert_eq!(unread(&out), [] as [&str; 0]);
}

#[test]
fn names_in_cp932_are_read() {
    let name = cp932("表.csv");
    let placeholder = "x".repeat(name.len());
    let mut bytes = zip(&[(&placeholder, CSV)]);
    let at: Vec<usize> =
        (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(placeholder.as_bytes())).collect();
    assert_eq!(at.len(), 2);
    for at in at {
        bytes[at..at + name.len()].copy_from_slice(&name);
    }
    assert_eq!(places(&read(&attachment("a.zip", &bytes)), "表.csv"), ["a.zip!表.csv:name"]);
}

#[test]
fn an_entry_under_a_password_is_encrypted_and_its_name_is_read() {
    for aes in [true, false] {
        let out = read(&attachment("a.zip", &zip_sealed(&[("全市民.xlsx", CSV), ("b/c.csv", CSV)], aes)));
        assert_eq!(unread(&out), ["a.zip!全市民.xlsx: encrypted", "a.zip!b/c.csv: encrypted"]);
        assert_eq!(places(&out, "全市民"), ["a.zip!全市民.xlsx:name"]);
        assert_eq!(kinds(&out)[1], "a.zip!全市民.xlsx: encrypted");
    }
}

#[test]
fn disguised_entries_are_told() {
    let inner = zip(&[("名簿.csv", CSV)]);
    let out = read(&attachment("a.zip", &zip(&[("写真.jpg", &inner), ("b.png", CSV), ("c.dat", CSV)])));
    assert_eq!(
        kinds(&out)[1..],
        ["a.zip!写真.jpg: zip!", "a.zip!写真.jpg!名簿.csv: csv", "a.zip!b.png: csv!", "a.zip!c.dat: csv"]
    );
    assert_eq!(places(&out, "佐藤花子").len(), 3);
}

#[test]
fn an_archive_behind_another_file_is_read() {
    let archive = zip(&[("名簿.csv", CSV)]);
    for (name, front, kind) in [
        ("photo.png", png(800, 600, 20_000), "png!"),
        ("paper.pdf", b"%PDF-1.4\n%%EOF\n".to_vec(), "pdf!"),
        ("setup.exe", b"MZ\x90\0\x03\0\0\0".to_vec(), "exe"),
        ("memo.txt", b"only a memo\n".repeat(20_000), "binary!"),
    ] {
        let mut bytes = front;
        bytes.extend_from_slice(&archive);
        let out = read(&attachment(name, &bytes));
        assert_eq!(places(&out, "佐藤花子"), [format!("{name}!名簿.csv#A3")], "{name}");
        assert_eq!(kinds(&out)[0], format!("{name}: {kind}"));
    }
    let mut trailed = archive.clone();
    trailed.extend_from_slice(b"\0\0 trailing bytes");
    assert_eq!(places(&read(&attachment("a.zip", &trailed)), "佐藤花子"), ["a.zip!名簿.csv#A3"]);
}

#[test]
fn a_cut_off_archive_keeps_what_is_there_and_is_damaged() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let bytes = zip_with(&[("a.csv", CSV), ("b.csv", CSV), ("c.csv", &CSV.repeat(50))], stored);
    let out = read(&attachment("cut.zip", &bytes[..bytes.len() - 2_000]));
    assert_eq!(places(&out, "佐藤花子")[..2], ["cut.zip!a.csv#A3", "cut.zip!b.csv#A3"]);
    assert!(places(&out, "佐藤花子").len() > 10, "the cut entry is read up to the cut");
    assert!(unread(&out).contains(&"cut.zip: damaged".to_owned()));
}

#[test]
fn a_second_entry_of_the_same_name_is_read_and_told() {
    let one = zip(&[("a.csv", b"harmless,1,2\nx,y,z\nx,y,z\n"), ("b.csv", CSV)]);
    // Both headers of the second entry take the first one's name.
    let mut bytes = one.clone();
    for at in (0..bytes.len() - 5).filter(|at| one[*at..].starts_with(b"b.csv")) {
        bytes[at..at + 5].copy_from_slice(b"a.csv");
    }
    let out = read(&attachment("twice.zip", &bytes));
    assert_eq!(places(&out, "佐藤花子").len(), 1);
    assert_eq!(places(&out, "harmless").len(), 1);
    assert_eq!(unread(&out), ["twice.zip: damaged"]);
}

#[test]
fn bombs_end_at_the_limit_and_say_where() {
    let limits = Limits { part_bytes: 3 * 1024 * 1024, archive_ratio: 50, ..Limits::default() };
    let lines = "山田太郎,090-0000-0001,東京都\n".repeat(400_000);
    let bomb = zip(&[("bomb.csv", lines.as_bytes()), ("after.csv", CSV)]);
    let out = read_within(&limits, &attachment("a.zip", &bomb));
    assert_eq!(unread(&out), ["a.zip!bomb.csv: limit"]);
    assert!(places(&out, "山田太郎").len() > 10_000, "what came before the limit is kept");
    assert!(!places(&out, "佐藤花子").is_empty(), "the next entry is read");

    let nested = (0..12).fold(zip(&[("x.csv", CSV)]), |inner, _| zip(&[("n.zip", &inner)]));
    let out = read(&attachment("deep.zip", &nested));
    assert_eq!(out.unreadable.len(), 1);
    assert!(unread(&out)[0].ends_with("n.zip: limit"), "{:?}", unread(&out));

    let names: Vec<String> = (0..300).map(|index| format!("{index}.txt")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x\n".as_slice())).collect();
    let out = read_within(&Limits { archive_entries: 100, ..Limits::default() }, &attachment("many.zip", &zip(&many)));
    assert_eq!((out.attachments.len(), unread(&out)), (101, vec!["many.zip: limit".to_owned()]));

    let out = read_within(
        &Limits { unpacked_bytes: 100, ..Limits::default() },
        &attachment("a.zip", &zip(&[("1.csv", CSV), ("2.csv", CSV)])),
    );
    assert!(unread(&out).iter().all(|unread| unread.ends_with("limit")) && !out.unreadable.is_empty());
}

#[test]
fn an_unknown_compression_is_unsupported() {
    let mut bytes = zip(&[("a.csv", CSV)]);
    // Method 97 (WavPack) in both headers.
    let central = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes[8] = 97;
    bytes[central + 10] = 97;
    let out = read(&attachment("a.zip", &bytes));
    assert_eq!(unread(&out), ["a.zip!a.csv: unsupported"]);
}
