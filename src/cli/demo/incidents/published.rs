//! Public papers that must pass: minutes with officials, notices of bids, lists of facilities, newsletters.
//! It refuses private persons: everyone named is named for an office.

use super::super::fixtures::docx::Document;
use super::super::fixtures::letter::{Letter, Program};
use super::super::fixtures::numbers;
use super::super::fixtures::people::{Person, Roster};
use super::super::fixtures::places::PLACES;
use super::super::fixtures::seed::Seed;
use super::super::fixtures::xlsx::{Book, Strings};
use super::{Incident, Words, ordinary};

/// The mails of this file.
pub fn mails() -> Vec<Incident> {
    vec![minutes(), bids(), facilities(), newsletter()]
}

fn from_secretariat(program: Program, subject: &str) -> Letter {
    Letter::new(program, ("議会事務局", "gikai@city.example.jp"), "Thu, 21 Sep 2023 09:40:00 +0900", subject)
        .to(["news@press.example.com"])
}

fn minutes() -> Incident {
    let people: Vec<Person> = Roster::new("council").born(1950, 1985).take(9).collect();
    let titles = ["議長", "副議長", "市長", "副市長", "教育長", "総務部長", "福祉部長", "建設部長", "議会事務局長"];
    let present: String = titles.iter().zip(&people).map(|(title, p)| format!("{title} {}\n", p.wide_name())).collect();
    let debate = format!(
        "○議長({}君) ただいまから本日の会議を開きます。日程第1、一般質問を行います。\n\
         ○市長({}君) お答えいたします。防災行政無線の更新につきましては、来年度予算で対応してまいります。\n\
         ○福祉部長({}君) 生活困窮者の自立支援につきましては、相談窓口を1か所増設いたします。\n",
        people[0].family(),
        people[2].family(),
        people[6].family()
    );
    let document = Document::new("会議録")
        .header("例示市議会会議録")
        .paragraph("令和5年第3回定例会 会議録(第2日)")
        .paragraphs(&format!("日時 令和5年9月12日 午前10時\n場所 議場\n出席者\n{present}"))
        .paragraphs(&debate)
        .finish();
    ordinary(
        "minutes",
        Words { en: "Minutes with officials", ja: "会議録" },
        Words {
            en: "Officials with their offices, as text and as a document, to the press.",
            ja: "議長・市長・部長などの役職と氏名が載った公開の会議録。",
        },
        vec![
            from_secretariat(Program::Becky, "会議録(第2日)")
                .text(&format!("会議録を公開しました。\n\n出席者\n{present}\n{debate}"))
                .finish(),
            from_secretariat(Program::Outlook, "会議録(第2日)")
                .text("会議録をお送りします。\n")
                .attach("会議録.docx", document)
                .finish(),
        ],
    )
}

fn bids() -> Incident {
    let mut seed = Seed::new("bids");
    let firms: Vec<[String; 5]> = Roster::new("representatives")
        .born(1950, 1980)
        .take(14)
        .zip(PLACES)
        .map(|(p, place)| {
            [
                format!("株式会社{}建設", p.family()),
                numbers::corporate_number(&mut seed),
                format!("代表取締役 {}", p.wide_name()),
                format!("{}{}中央1-{}", place.prefecture, place.city, seed.between(1, 30)),
                format!("{},{}00円", seed.between(10, 90), seed.digits(3)),
            ]
        })
        .collect();
    let lines: String = firms.iter().map(|firm| firm.join(" ") + "\n").collect();
    let book = Book::new(Strings::Shared)
        .sheet("入札結果")
        .title_row("入札結果の公表(市道12号線舗装工事)", 5)
        .texts(&["商号又は名称", "法人番号", "代表者", "所在地", "入札金額"])
        .rows(firms.iter().map(|firm| firm.iter().cloned().map(Into::into).collect()))
        .finish();
    ordinary(
        "bids",
        Words { en: "A public notice of bids", ja: "入札結果の公告" },
        Words {
            en: "Companies with public corporate numbers, seats and representatives, published by law.",
            ja: "法令で公表される入札参加業者の法人番号・所在地・代表者。",
        },
        vec![
            from_secretariat(Program::Thunderbird, "入札結果の公表")
                .text(&format!("入札結果を公表します。\n\n{lines}"))
                .finish(),
            from_secretariat(Program::Outlook, "入札結果の公表")
                .text("入札結果です。\n")
                .attach("入札結果.xlsx", book)
                .finish(),
        ],
    )
}

fn facilities() -> Incident {
    let mut seed = Seed::new("facilities");
    let list: Vec<[String; 4]> = (0..20)
        .map(|number: usize| {
            let kind = ["公民館", "小学校", "図書館", "体育館", "保育所"][number % 5];
            [
                format!("{}{kind}", ["中央", "北部", "南部", "東部"][number / 5]),
                format!("522-{:04}", seed.below(9_000)),
                format!("滋賀県彦根市旭町{}-{}", number + 1, seed.between(1, 20)),
                format!("0749-2{}-{}", seed.digits(1), seed.digits(4)),
            ]
        })
        .collect();
    let lines: String = list.iter().map(|row| row.join("  ") + "\n").collect();
    let book = Book::new(Strings::Inline)
        .sheet("避難所")
        .texts(&["施設名", "郵便番号", "所在地", "電話番号"])
        .rows(list.iter().map(|row| row.iter().cloned().map(Into::into).collect()))
        .finish();
    ordinary(
        "facilities",
        Words { en: "A list of shelters", ja: "避難所の一覧" },
        Words {
            en: "Names, addresses and telephones of public buildings.",
            ja: "公共施設の名称・所在地・電話番号。個人ではない。",
        },
        vec![
            from_secretariat(Program::Becky, "指定避難所の一覧").text(&lines).finish(),
            from_secretariat(Program::Outlook, "指定避難所の一覧")
                .text("一覧です。\n")
                .attach("避難所.xlsx", book)
                .finish(),
        ],
    )
}

fn newsletter() -> Incident {
    ordinary(
        "newsletter",
        Words { en: "A newsletter to one list address", ja: "メーリングリストへの配信" },
        Words {
            en: "One visible address; the list's own server knows the readers.",
            ja: "見える宛先は配信用アドレス1件だけ。",
        },
        vec![
            Letter::new(Program::Gmail, ("例示市 広報", "koho@city.example.jp"), "Fri, 01 Sep 2023 12:00:00 +0900", "例示市メールマガジン 第214号")
                .to(["city-news@lists.example.com"])
                .field("List-Id: <city-news.lists.example.com>")
                .field("List-Unsubscribe: <https://lists.example.com/unsubscribe>")
                .field("Precedence: list")
                .text(
                    "━━━━━━━━━━━━━━━━━━━━\n例示市メールマガジン 第214号\n━━━━━━━━━━━━━━━━━━━━\n\
                     ■防災訓練のお知らせ\n9月3日(日)9時から、市内全域で実施します。\n\n■健康診断\n受診券をお持ちの方は市民病院へお電話ください。\n電話 0749-22-6001\n\n\
                     ■お問い合わせ\n例示市 広報課 電話 0749-22-1412\n",
                )
                .finish(),
        ],
    )
}
