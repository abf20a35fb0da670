//! Archives beside zip, made by other programs (`files/make.py`) or built here: what must be found in them, where, and what is said to be missing.
//! The tests refuse an archive that is only partly read without saying so.

use super::fixture::{attachment, kinds, places, read, read_within, unread};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sekisho::limits::Limits;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const CSV: &str = "氏名,電話,住所\n山田太郎,090-0000-0001,東京都\n佐藤花子,090-0000-0002,大阪府\n";

/// A committed archive.
fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extract/files").join(name)).unwrap()
}

/// Every committed archive but the bombs, which cost time.
fn files() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extract/files");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            !["make.py", "zeros.xz", "zeros.7z", "folders.7z", "again.cab", "mszip.cab"].contains(&name.as_str())
        })
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), file(&name))).collect()
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

/// A member of a tar in the old form (V7): name, size, checksum, nothing else.
fn member(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut block = name.to_vec();
    block.resize(512, 0);
    block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.extend_from_slice(content);
    block.resize(block.len().div_ceil(512) * 512, 0);
    block
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes: Vec<u8> = members.iter().flat_map(|(name, content)| member(name.as_bytes(), content)).collect();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn a_roster_is_found_at_its_place() {
    let long = format!("{0}/{0}/{0}/名簿.csv", "学年別".repeat(8));
    for (name, place) in [
        ("ustar.tar", "ustar.tar!5年/名簿.csv#A3".to_owned()),
        ("pax.tar", format!("pax.tar!{long}#A3")),
        ("gnu.tar", format!("gnu.tar!{long}#A3")),
        ("old.tar", "old.tar!meibo.csv#A3".to_owned()),
        ("sparse-gnu.tar", "sparse-gnu.tar!holes.csv#A3".to_owned()),
        ("sparse-pax.tar", "sparse-pax.tar!holes.csv#A3".to_owned()),
        ("roster.tar.gz", "roster.tar.gz!名簿.csv#A3".to_owned()),
        ("roster.tar.bz2", "roster.tar.bz2!名簿.csv#A3".to_owned()),
        ("roster.tar.xz", "roster.tar.xz!名簿.csv#A3".to_owned()),
        ("roster.tar.zst", "roster.tar.zst!名簿.csv#A3".to_owned()),
        ("roster.csv.gz", "roster.csv.gz!名簿.csv#A3".to_owned()),
        ("two.csv.gz", "two.csv.gz!two.csv#A3".to_owned()),
        ("two.csv.bz2", "two.csv.bz2!two.csv#A3".to_owned()),
        ("two.csv.xz", "two.csv.xz!two.csv#A3".to_owned()),
        ("two.csv.zst", "two.csv.zst!two.csv#A3".to_owned()),
        ("lzma2.7z", "lzma2.7z!5年/名簿.csv#A3".to_owned()),
        ("lzma.7z", "lzma.7z!5年/名簿.csv#A3".to_owned()),
        ("ppmd.7z", "ppmd.7z!5年/名簿.csv#A3".to_owned()),
        ("bzip2.7z", "bzip2.7z!5年/名簿.csv#A3".to_owned()),
        ("copy.7z", "copy.7z!5年/名簿.csv#A3".to_owned()),
        ("bcj.7z", "bcj.7z!5年/名簿.csv#A3".to_owned()),
        ("bcj2.7z", "bcj2.7z!5年/名簿.csv#A3".to_owned()),
        ("delta.7z", "delta.7z!5年/名簿.csv#A3".to_owned()),
        ("level0.lzh", "level0.lzh!5年/表と名簿.csv#A3".to_owned()),
        ("level1.lzh", "level1.lzh!5年/表と名簿.csv#A3".to_owned()),
        ("level2.lzh", "level2.lzh!5年/表と名簿.csv#A3".to_owned()),
        ("level3.lzh", "level3.lzh!5年/表と名簿.csv#A3".to_owned()),
        ("wide.lzh", "wide.lzh!5年/𠮷田名簿.csv#A3".to_owned()),
        ("stored5.rar", "stored5.rar!5年/名簿.csv#A3".to_owned()),
        ("cp932.cab", "cp932.cab!表.csv#A3".to_owned()),
        ("utf8.cab", "utf8.cab!名簿.csv#A3".to_owned()),
        ("mszip.cab", "mszip.cab!long.csv#A3003".to_owned()),
        ("lzx.cab", "lzx.cab!meibo.csv#A3".to_owned()),
        ("x86.csv.xz", "x86.csv.xz!x86.csv#A3".to_owned()),
    ] {
        let out = read(&attachment(name, &file(name)));
        assert_eq!(places(&out, "佐藤花子"), [place], "{name}");
        assert_eq!(unread(&out), [] as [&str; 0], "{name}");
        assert!(out.attachments.iter().all(|file| !file.disguised), "{name}: {:?}", kinds(&out));
    }
}

#[test]
fn names_in_japanese_charsets_are_read() {
    for (name, guessed) in
        [("cp932.tar", "児童の連絡先.csv"), ("euc_jp.tar", "児童の連絡先.csv"), ("euc_jp.lzh", "児童の連絡先.csv")]
    {
        let out = read(&attachment(name, &file(name)));
        assert_eq!(places(&out, guessed), [format!("{name}!{guessed}:name")], "{name}");
        assert_eq!(places(&out, "名簿.csv"), [format!("{name}!名簿.csv:name")]);
        assert_eq!(unread(&out), [] as [&str; 0]);
    }
}

#[test]
fn what_is_said_beside_the_content_is_read() {
    assert_eq!(places(&read(&attachment("a.tar", &file("pax.tar"))), "取扱注意"), ["a.tar:property"]);
    assert_eq!(places(&read(&attachment("a.tar", &file("ustar.tar"))), "最新.csv"), ["a.tar:name"]);
    let out = read(&attachment("1.gz", &file("roster.csv.gz")));
    assert_eq!(places(&out, "夏の名簿"), ["1.gz!名簿.csv:property"]);
    assert_eq!(places(&out, "名簿.csv"), ["1.gz!名簿.csv:name"]);
    assert_eq!(kinds(&out), ["1.gz: gz", "1.gz!名簿.csv: csv"]);
    for level in 1..4 {
        let out = read(&attachment("a.lzh", &file(&format!("level{level}.lzh"))));
        assert_eq!(places(&out, "夏の名簿"), ["a.lzh:property"]);
    }
    assert_eq!(kinds(&read(&attachment("a.7z", &file("lzma2.7z"))))[3], "a.7z!empty.txt: empty");
}

#[test]
fn what_is_under_a_password_is_encrypted_and_its_name_is_read() {
    assert_eq!(unread(&read(&attachment("a.7z", &file("names.7z")))), ["a.7z: encrypted"]);
    let out = read(&attachment("a.7z", &file("content.7z")));
    assert_eq!(unread(&out), ["a.7z!5年/名簿.csv: encrypted", "a.7z!b.txt: encrypted"]);
    assert_eq!(places(&out, "名簿"), ["a.7z!5年/名簿.csv:name"]);
    assert_eq!(kinds(&out)[1], "a.7z!5年/名簿.csv: encrypted");
    let out = read(&attachment("a.7z", &file("mixed.7z")));
    assert_eq!(unread(&out), ["a.7z!5年/名簿.csv: encrypted"]);
    assert_eq!(places(&out, "hello"), ["a.7z!b.txt"]);

    for (name, sealed) in [("content4.rar", "meibo.csv"), ("content5.rar", "5年/名簿.csv")] {
        let out = read(&attachment("a.rar", &file(name)));
        assert_eq!(unread(&out), [format!("a.rar!{sealed}: encrypted")]);
        assert_eq!(places(&out, sealed), [format!("a.rar!{sealed}:name")]);
        assert_eq!(places(&out, "hello"), ["a.rar!b.txt"]);
    }
    for name in ["names4.rar", "names5.rar"] {
        assert_eq!(unread(&read(&attachment("a.rar", &file(name)))), ["a.rar: encrypted"]);
    }
}

#[test]
fn a_rar_gives_its_names_and_what_is_only_stored() {
    let out = read(&attachment("a.rar", &file("stored4.rar")));
    assert_eq!(places(&out, "佐藤花子"), ["a.rar!表.csv#A3", "a.rar!名簿.csv#A3"]);
    assert_eq!(unread(&out), [] as [&str; 0]);
    let out = read(&attachment("a.rar", &file("stored5.rar")));
    assert_eq!(places(&out, "夏の名簿"), ["a.rar:property"]);
    assert_eq!(places(&out, "最新.csv"), ["a.rar:name"]);
    for (name, packed) in [("packed4.rar", "meibo.csv"), ("packed5.rar", "5年/名簿.csv")] {
        let out = read(&attachment("a.rar", &file(name)));
        assert_eq!(unread(&out), [format!("a.rar!{packed}: unsupported")]);
        assert_eq!(places(&out, packed), [format!("a.rar!{packed}:name")]);
        assert_eq!(places(&out, "hello"), ["a.rar!b.txt"]);
        let whole = file(name);
        let out = read(&attachment("a.rar", &whole[..whole.len() - 10]));
        assert!(unread(&out).contains(&"a.rar: damaged".to_owned()) || unread(&out).len() == 2, "{:?}", unread(&out));
    }
    let out = read(&attachment("a.part1.rar", &file("part5.rar")));
    assert_eq!(unread(&out), ["a.part1.rar!5年/名簿.csv: unsupported", "a.part1.rar: unsupported"]);
}

#[test]
fn a_method_that_is_not_known_is_said_with_the_names() {
    for (name, unknown) in [
        ("deflate64.7z", vec!["deflate64.7z!5年/名簿.csv: unsupported", "deflate64.7z!b.txt: unsupported"]),
        ("deflate.7z", vec!["deflate.7z!5年/名簿.csv: unsupported", "deflate.7z!b.txt: unsupported"]),
        ("quantum.cab", vec!["quantum.cab!meibo.csv: unsupported"]),
    ] {
        assert_eq!(unread(&read(&attachment(name, &file(name)))), unknown);
    }
    let mut unknown = file("level2.lzh");
    unknown[5] = b'9';
    assert_eq!(unread(&read(&attachment("a.lzh", &unknown))), ["a.lzh!5年/表と名簿.csv: unsupported"]);
}

#[test]
fn names_open_nothing() {
    let out = read(&attachment("hostile.tar.xz", &file("hostile.tar.xz")));
    let found = places(&out, "佐藤花子");
    assert_eq!(
        found[..3],
        [
            "hostile.tar.xz!../../etc/meibo.csv#A3",
            "hostile.tar.xz!/root/.ssh/meibo.csv#A3",
            "hostile.tar.xz!C:\\windows\\meibo.csv#A3"
        ]
    );
    // A name of nine thousand octets is cut, and that is said.
    assert_eq!(found.len(), 4);
    assert!(found[3].len() < 5_000);
    assert_eq!(out.unreadable.len(), 1, "{:?}", unread(&out));
    assert!(unread(&out)[0].ends_with(": limit"));

    let twice = tar(&[("a.csv", b"harmless,1,2\nx,y,z\nx,y,z\n"), ("a.csv", CSV.as_bytes())]);
    let out = read(&attachment("twice.tar", &twice));
    assert_eq!((places(&out, "harmless").len(), places(&out, "佐藤花子").len()), (1, 1));
}

#[test]
fn archives_lie_in_archives() {
    let inner = gz(&tar(&[("名簿.csv", CSV.as_bytes())]));
    let outer = tar(&[("中身.tgz", &inner), ("写真.jpg", &inner)]);
    let out = read(&attachment("配布.tar.gz", &gz(&outer)));
    assert_eq!(places(&out, "佐藤花子"), ["配布.tar.gz!中身.tgz!名簿.csv#A3", "配布.tar.gz!写真.jpg!名簿.csv#A3"]);
    assert_eq!(kinds(&out)[3], "配布.tar.gz!写真.jpg: gz!");
    assert_eq!(unread(&out), [] as [&str; 0]);
}

#[test]
fn what_stands_behind_the_end_is_read_or_told() {
    let mut behind = tar(&[("a.txt", b"hello\n")]);
    behind.extend(tar(&[("名簿.csv", CSV.as_bytes())]));
    let out = read(&attachment("a.tar", &behind));
    assert_eq!(places(&out, "佐藤花子"), ["a.tar!名簿.csv#A3"]);
    assert_eq!(unread(&out), [] as [&str; 0]);

    for name in ["two.csv.gz", "two.csv.bz2", "two.csv.xz", "two.csv.zst"] {
        let padded = [file(name), vec![0; 512]].concat();
        assert_eq!(unread(&read(&attachment(name, &padded))), [] as [&str; 0], "{name}");
        let trailed = [file(name), "山田太郎,090-0000-0001".as_bytes().to_vec()].concat();
        let out = read(&attachment(name, &trailed));
        assert_eq!(places(&out, "佐藤花子").len(), 1, "{name}");
        assert_eq!(unread(&out).len(), 1, "{name}");
        assert!(unread(&out)[0].ends_with(": damaged"), "{name}");
    }
}

#[test]
fn a_damaged_archive_keeps_what_is_there() {
    let whole = tar(&[("a.csv", CSV.as_bytes()), ("b.csv", CSV.as_bytes()), ("c.csv", &CSV.as_bytes().repeat(50))]);
    let out = read(&attachment("cut.tar", &whole[..whole.len() - 3_000]));
    assert_eq!(places(&out, "佐藤花子")[..2], ["cut.tar!a.csv#A3", "cut.tar!b.csv#A3"]);
    assert!(places(&out, "佐藤花子").len() > 10, "the cut member is read up to the cut");
    assert_eq!(unread(&out), ["cut.tar!c.csv: damaged", "cut.tar: damaged"]);

    // A header that is broken: the members behind it are found again.
    let mut broken = whole.clone();
    broken[1024] ^= 1;
    let out = read(&attachment("broken.tar", &broken));
    assert!(places(&out, "佐藤花子").len() > 50);
    assert_eq!(unread(&out), ["broken.tar: damaged"]);

    // A lzh: the first header broken, the content broken, the end cut off.
    let whole = file("level2.lzh");
    let with = |at: usize| whole.iter().enumerate().map(|(n, byte)| byte ^ u8::from(n == at)).collect::<Vec<u8>>();
    let out = read(&attachment("a.lzh", &with(20)));
    assert_eq!(
        (places(&out, "hello"), unread(&out)),
        (vec!["a.lzh!b.txt".to_owned()], vec!["a.lzh: damaged".to_owned()])
    );
    let out = read(&attachment("a.lzh", &with(whole.len() - 4)));
    assert_eq!(unread(&out), ["a.lzh!b.txt: damaged"]);
    let out = read(&attachment("a.lzh", &whole[..whole.len() - 1]));
    assert_eq!((places(&out, "hello").len(), unread(&out)), (1, vec!["a.lzh: damaged".to_owned()]));

    // A cabinet: a checksum that is wrong, and the end cut off.
    let whole = file("mszip.cab");
    let mut broken = whole.clone();
    let sum = broken.windows(2).position(|pair| pair == b"CK").unwrap() - 8;
    broken[sum] ^= 1;
    let out = read(&attachment("a.cab", &broken));
    assert_eq!(places(&out, "佐藤花子").len(), 1);
    assert_eq!(unread(&out), ["a.cab!long.csv: damaged", "a.cab!b.txt: damaged"]);
    let out = read(&attachment("a.cab", &whole[..whole.len() / 2]));
    assert!(places(&out, "行番号9").len() > 50);
    assert_eq!(unread(&out), ["a.cab!long.csv: damaged", "a.cab!b.txt: damaged"]);

    // Random lines do not compress, so half of the stream is about half of the lines.
    let lines: String = (0..4_000_u32).map(|n| format!("{},{}\n", n.wrapping_mul(2_654_435_761), n * 7)).collect();
    let packed = gz(&tar(&[("a.csv", CSV.as_bytes()), ("b.csv", lines.as_bytes())]));
    let out = read(&attachment("cut.tar.gz", &packed[..packed.len() / 2]));
    assert_eq!(places(&out, "佐藤花子"), ["cut.tar.gz!a.csv#A3"]);
    assert!(places(&out, ",").is_empty() && out.pieces.len() >= 4);
    assert_eq!(unread(&out), ["cut.tar.gz!b.csv: damaged", "cut.tar.gz: damaged"]);
}

#[test]
fn a_part_of_several_volumes_says_so() {
    let mut part = member(b"b.csv", CSV.as_bytes());
    part[156] = b'M';
    part[148..156].fill(b' ');
    let sum: u32 = part[..512].iter().map(|byte| u32::from(*byte)).sum();
    part[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    part.resize(part.len() + 1024, 0);
    let out = read(&attachment("a.tar", &part));
    assert_eq!(unread(&out), ["a.tar!b.csv: unsupported"]);
    assert_eq!(places(&out, "佐藤花子"), ["a.tar!b.csv#A3"]);

    let out = read(&attachment("a.cab", &file("next.cab")));
    assert_eq!(unread(&out), ["a.cab!b.csv: unsupported", "a.cab: unsupported"]);
    assert_eq!(places(&out, "佐藤花子")[0], "a.cab!a.csv#A3");
    // The index of a 7z lies in its last volume.
    assert_eq!(unread(&read(&attachment("a.7z.001", &file("parts.7z.001")))), ["a.7z.001: damaged"]);
}

#[test]
fn bombs_stop_while_they_unpack() {
    let limits = Limits { part_bytes: 1024 * 1024, archive_ratio: 50, ..Limits::default() };
    let lines = "山田太郎,090-0000-0001,東京都\n".repeat(150_000);
    let bomb = gz(&tar(&[("bomb.csv", lines.as_bytes()), ("after.csv", CSV.as_bytes())]));
    let out = read_within(&limits, &attachment("a.tar.gz", &bomb));
    assert_eq!(unread(&out), ["a.tar.gz!bomb.csv: limit", "a.tar.gz: limit"]);
    assert!(places(&out, "山田太郎").len() > 10_000, "what came before the limit is kept");

    for (name, zeros) in [
        ("zeros.gz", gz(&vec![0; 16 * 1024 * 1024])),
        ("zeros.xz", file("zeros.xz")),
        ("zeros.7z", file("zeros.7z")),
        ("folders.7z", file("folders.7z")),
        ("again.cab", file("again.cab")),
    ] {
        let start = Instant::now();
        let limits = Limits { unpacked_bytes: 4 * 1024 * 1024, ..Limits::default() };
        let out = read_within(&limits, &attachment(name, &zeros));
        assert!(start.elapsed() < Duration::from_secs(60), "{name} took {:?}", start.elapsed());
        assert!(unread(&out).iter().any(|unread| unread.ends_with(": limit")), "{name}: {:?}", unread(&out));
    }

    let nested = (0..12).fold(gz(CSV.as_bytes()), |inner, _| gz(&inner));
    let out = read(&attachment("deep.gz", &nested));
    assert_eq!(out.unreadable.len(), 1);
    assert!(unread(&out)[0].ends_with(": limit"), "{:?}", unread(&out));

    let names: Vec<String> = (0..300).map(|index| format!("{index}.txt")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x\n".as_slice())).collect();
    let out = read_within(&Limits { archive_entries: 100, ..Limits::default() }, &attachment("many.tar", &tar(&many)));
    assert_eq!((out.attachments.len(), unread(&out)), (101, vec!["many.tar: limit".to_owned()]));
    let streams = gz(b"x\n").repeat(300);
    let out = read_within(&Limits { archive_entries: 100, ..Limits::default() }, &attachment("many.gz", &streams));
    assert_eq!(unread(&out), ["many.gz!many: limit"]);
}

#[test]
fn every_file_cut_anywhere_is_read_or_told() {
    for (name, bytes) in files() {
        let step = 1 + bytes.len() / 150;
        for cut in (40..bytes.len()).step_by(step) {
            let out = read(&attachment(&name, &bytes[..cut]));
            let empty = out.unreadable.is_empty() && out.attachments.len() <= 1 && out.pieces.len() <= 1;
            assert!(!empty, "{name} cut at {cut} looks clean and empty");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_archives_end_without_a_panic(seed in any::<u64>(), flips in 1_usize..12) {
        // The extractor contains panics as damage of the whole part; the readers themselves must have none.
        let limits = Limits { part_bytes: 4 * 1024 * 1024, ..Limits::default() };
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap()
        };
        let files = files();
        let (name, bytes) = &files[next() % files.len()];
        let mut broken = bytes.clone();
        for _ in 0..flips {
            let at = next() % broken.len();
            broken[at] = next().to_le_bytes()[0];
        }
        let out = read_within(&limits, &attachment(name, &broken));
        prop_assert!(!out.attachments.is_empty());
    }

    #[test]
    fn any_bytes_behind_a_magic_number_end_without_a_panic(which in 0_usize..9, bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let magic: &[u8] = [
            b"\x1F\x8B\x08\0\0\0\0\0\0\0".as_slice(), b"BZh91AY&SY", b"\xFD7zXZ\0\0\x04\xE6\xD6\xB4\x46", b"\x28\xB5\x2F\xFD",
            b"7z\xBC\xAF\x27\x1C\0\x04", b"\x1A\0-lh5-", b"MSCF\0\0\0\0", b"Rar!\x1A\x07\0", b"Rar!\x1A\x07\x01\0",
        ][which];
        let out = read(&attachment("a.bin", &[magic, &bytes].concat()));
        prop_assert!(!out.attachments.is_empty());
        prop_assert!(!out.unreadable.is_empty() || out.attachments.len() > 1 || out.pieces.len() > 1);
    }
}
