//! Text in every charset and form that Japanese mail carries.
//! The tests refuse to accept a text without its place.

use super::fixture::{attachment, body, cp932, kinds, places, read, unread, utf16, zip};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sekisho::extract::PartInput;

const ROSTER: &str =
    "番号,氏名,電話番号\r\n1,山田太郎,090-0000-0001\r\n2,髙橋花子,090-0000-0002\r\n3,\"佐藤, 次郎\",090-0000-0003\r\n";

fn charsets(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("utf-8", text.as_bytes().to_vec()),
        ("utf-8 with mark", ["\u{FEFF}", text].concat().into_bytes()),
        ("cp932", cp932(text)),
        ("euc-jp", encoding_rs::EUC_JP.encode(text).0.into_owned()),
        ("iso-2022-jp", encoding_rs::ISO_2022_JP.encode(&text.replace('髙', "高")).0.into_owned()),
        ("utf-16", utf16(text)),
        ("utf-16 without mark", utf16(text)[2..].to_vec()),
    ]
}

#[test]
fn a_roster_is_a_table_in_every_charset_and_under_every_name() {
    for (charset, bytes) in charsets(ROSTER) {
        for name in ["名簿.csv", "meibo.txt", "meibo.dat", "meibo"] {
            let out = read(&attachment(name, &bytes));
            assert_eq!(places(&out, "佐藤, 次郎"), [format!("{name}#B4")], "{charset} {name}");
            assert_eq!(places(&out, "090-0000-0001"), [format!("{name}#C2")], "{charset} {name}");
            assert_eq!(kinds(&out), [format!("{name}: csv")], "{charset} {name}");
            assert!(out.unreadable.is_empty());
        }
        let out = read(&attachment("写真.jpg", &bytes));
        assert_eq!(kinds(&out), ["写真.jpg: csv!"], "{charset}");
        assert_eq!(places(&out, "山田太郎"), ["写真.jpg#B2"]);
    }
}

#[test]
fn a_roster_pasted_into_a_body_is_rows_and_the_rest_is_prose() {
    for separator in [",", "\t", "|", ";"] {
        let rows = ROSTER.replace("\"佐藤, 次郎\"", "佐藤次郎").replace(',', separator);
        let text =
            format!("お世話になっております。\r\n下記のとおりです。\r\n\r\n{rows}\r\n以上、よろしくお願いします。\r\n");
        let out = read(&body("text/plain", text.as_bytes()));
        assert_eq!(places(&out, "髙橋花子"), ["body#B6"], "{separator:?}");
        assert_eq!(places(&out, "よろしく"), ["body"]);
        assert_eq!(kinds(&out), [] as [&str; 0], "a body is no attachment");
    }
}

#[test]
fn html_says_what_it_shows_and_what_it_hides() {
    let html = "<html><head><meta charset='CHARSET'><title>件名の題</title></head><body>\
        <p>連絡先 090<b>-0000-</b>0004</p><div style='display:none'>隠し文字</div>\
        <font color=white>白い文字</font><table><tr><th>氏名<th>住所</tr><tr><td>山田太郎<td>東京都港区</tr></table>\
        <!-- 注釈の中 --><img alt='画像の説明' src='cid:1'><a href='mailto:himitsu@example.jp'>送信</a></body></html>";
    for (charset, bytes) in charsets(html) {
        let label = match charset {
            "cp932" => "Shift_JIS",
            "utf-8 with mark" => "utf-8",
            other => other,
        };
        let bytes = if charset == "cp932" || charset == "euc-jp" {
            let labelled = html.replace("CHARSET", label);
            charsets(&labelled).into_iter().find(|(name, _)| *name == charset).unwrap().1
        } else {
            bytes
        };
        let out = read(&body("text/html", &bytes));
        for (needle, place) in [
            ("090-0000-0004", "body"),
            ("隠し文字", "body"),
            ("白い文字", "body"),
            ("件名の題", "body"),
            ("注釈の中", "body"),
            ("画像の説明", "body"),
            ("山田太郎", "body!table1#A2"),
            ("himitsu@example.jp", "body!attributes"),
        ] {
            assert_eq!(places(&out, needle), [place], "{charset} {needle}");
        }
    }
}

#[test]
fn a_wrong_charset_label_costs_nothing() {
    let text = "氏名は山田太郎です。カナはﾔﾏﾀﾞ。\r\n";
    for label in ["utf-8", "us-ascii", "iso-8859-1", "iso-2022-jp", "shift_jis", "unknown-8bit"] {
        for (charset, bytes) in charsets(text) {
            if charset == "iso-2022-jp" {
                continue;
            }
            let input = PartInput { declared_charset: Some(label.to_owned()), ..body("text/plain", &bytes) };
            assert!(!places(&read(&input), "山田太郎").is_empty(), "{charset} labelled {label}");
        }
    }
}

#[test]
fn files_encoded_in_a_body_are_read() {
    let wrapped = |bytes: &[u8]| {
        let encoded = STANDARD.encode(bytes);
        encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\r\n")
    };
    let long = ROSTER.repeat(3);
    let archive = zip(&[("名簿.csv", long.as_bytes())]);
    for (bytes, needle_place, kind) in
        [(cp932(&long), "body!base64#B2", "csv"), (archive, "body!base64!名簿.csv#B2", "zip")]
    {
        let text = format!("こんにちは\r\n\r\n{}\r\n\r\nでは\r\n", wrapped(&bytes));
        let out = read(&body("text/plain", text.as_bytes()));
        assert_eq!(places(&out, "山田太郎").first().map(String::as_str), Some(needle_place));
        assert_eq!(kinds(&out)[0], format!("body!base64: {kind}"));
        let html = format!("<p>x<br>{}</p>", wrapped(&bytes));
        let out = read(&body("text/html", html.as_bytes()));
        assert_eq!(places(&out, "山田太郎").first().map(String::as_str), Some(needle_place), "in HTML");
    }
}

#[test]
fn calendars_cards_json_and_xml_are_text() {
    for (name, text, needle) in [
        (
            "予定.ics",
            "BEGIN:VCALENDAR\r\nATTENDEE;CN=山田:mailto:yama\r\n da@example.jp\r\nEND:VCALENDAR\r\n",
            "yamada@example.jp",
        ),
        ("連絡先.vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:山田太郎\r\nTEL:090-0000-0001\r\nEND:VCARD\r\n", "山田太郎"),
        ("data.json", "{\"name\": \"\\u5c71\\u7530\\u592a\\u90ce\"}", "山田太郎"),
        ("data.xml", "<?xml version=\"1.0\"?><a><n>&#23665;&#x7530;太郎</n></a>", "山田太郎"),
        ("figure.svg", "<svg xmlns='http://www.w3.org/2000/svg'><text>山田太郎</text></svg>", "山田太郎"),
    ] {
        let out = read(&attachment(name, text.as_bytes()));
        assert_eq!(places(&out, needle), [name], "{name}");
        assert_eq!(unread(&out), [] as [&str; 0]);
        assert!(!out.attachments[0].disguised);
    }
}

#[test]
fn prose_source_code_and_logs_stay_text() {
    for text in [
        "各位\n\nお疲れさまです。山田です。\n明日の会議、10時からです。\nよろしくお願いします。\n",
        "fn main() {\n\tlet a = 1;\n\tprintln!(\"{a}\");\n}\n",
        "2026-11-22 10:00:00 INFO started\n2026-11-22 10:00:01 INFO ready\n2026-11-22 10:00:02 WARN slow\n",
        "Dear Sir, Madam,\nthank you, as always, for your help.\nBest regards, yours, truly\n",
    ] {
        let out = read(&attachment("memo.txt", text.as_bytes()));
        assert_eq!(out.attachments[0].kind, "text", "{text}");
        assert_eq!(out.pieces.len(), 2, "{text}");
    }
}
