//! Commercial papers that must pass: invoices, quotes, orders, parcels, statistics.
//! It refuses to be free of numbers: account, registration, product and slip numbers look like personal ones.

use super::super::fixtures::csv::csv;
use super::super::fixtures::docx::Document;
use super::super::fixtures::encoding::Charset;
use super::super::fixtures::letter::{Letter, Program};
use super::super::fixtures::numbers;
use super::super::fixtures::places::PLACES;
use super::super::fixtures::seed::Seed;
use super::super::fixtures::xlsx::{Book, Cell, Strings};
use super::{Incident, Words, ordinary};

/// The mails of this file.
pub fn mails() -> Vec<Incident> {
    vec![invoice(), quote(), parcels(), order(), statistics(), blank_form()]
}

fn from_sales(program: Program, subject: &str) -> Letter {
    Letter::new(program, ("経理部 浅野", "keiri@shop.example.jp"), "Tue, 31 Oct 2023 17:05:00 +0900", subject)
        .to(["購買ご担当者様 <purchase@client.example.com>"])
}

const CLOSING: &str =
    "\n例示商事株式会社 経理部 浅野 亮\n〒464-0001 愛知県名古屋市千種区青葉台2-14\nTEL 052-731-4402 FAX 052-731-4409\n";

fn invoice() -> Incident {
    let mut seed = Seed::new("invoice");
    let registration = format!("T{}", numbers::corporate_number(&mut seed));
    let (_, branch, account) = numbers::bank_account(&mut seed);
    let terms = format!(
        "請求書番号:INV-202310-{}\n登録番号:{registration}\nご請求金額:1,284,800円(税込)\nお支払期限:2023年11月30日\n\
         お振込先:例示銀行 千種支店({branch}) 普通 {account} レイジシヨウジ(カ\n",
        seed.digits(5)
    );
    let book = Book::new(Strings::Shared)
        .sheet("請求書")
        .title_row("御請求書", 5)
        .texts(&["株式会社クライアント 御中"])
        .texts(&["登録番号", &registration])
        .texts(&["振込先", "例示銀行 千種支店", "普通", &account, "レイジシヨウジ(カ"])
        .texts(&["商品コード", "品名", "数量", "単価", "金額"])
        .rows((0..18).map(|line: u64| {
            let price = 480 + line * 35;
            vec![
                numbers::jan(&mut seed).into(),
                format!("コピー用紙 A4 {}枚", 250 * (line % 3 + 1)).into(),
                Cell::Number(line + 2),
                Cell::Number(price),
                Cell::Number(price * (line + 2)),
            ]
        }))
        .finish();
    ordinary(
        "invoice",
        Words { en: "An invoice", ja: "請求書" },
        Words {
            en: "The firm's own account, registration number (a public corporate number) and product codes, as text and as a sheet.",
            ja: "自社の振込口座、登録番号(公開されている法人番号)、商品コードを含む請求書。",
        },
        vec![
            from_sales(Program::Becky, "10月分ご請求書の送付")
                .text(&format!("いつもお世話になっております。\n\n{terms}{CLOSING}"))
                .finish(),
            from_sales(Program::Outlook, "10月分ご請求書の送付")
                .text(&format!("請求書を添付いたします。\n{CLOSING}"))
                .attach("請求書_202310.xlsx", book)
                .finish(),
        ],
    )
}

fn quote() -> Incident {
    let mut seed = Seed::new("quote");
    let rows: Vec<[String; 4]> = (1..=12)
        .map(|line: u32| {
            [
                numbers::jan(&mut seed),
                format!("会議用椅子 型番 KX-{:04}", line * 117),
                line.to_string(),
                format!("{},800", line + 11),
            ]
        })
        .collect();
    let document = Document::new("御見積書")
        .header("例示商事株式会社")
        .paragraph("御見積書")
        .paragraphs("見積番号:2023-1031-0042\n有効期限:2023年11月30日\n担当:浅野 亮 / 承認:大久保 聡")
        .table(std::iter::once(["JANコード", "品名", "数量", "単価"].map(str::to_owned)).chain(rows))
        .footer("例示商事株式会社 TEL 052-731-4402")
        .finish();
    ordinary(
        "quote",
        Words { en: "A quote", ja: "見積書" },
        Words {
            en: "Product codes, part numbers and two employees' names in a document.",
            ja: "JANコードと型番、担当者・承認者の氏名が入った見積書。",
        },
        vec![
            from_sales(Program::Outlook, "お見積書の送付")
                .text(&format!("お見積書をお送りします。\n{CLOSING}"))
                .attach("御見積書.docx", document)
                .finish(),
        ],
    )
}

fn parcels() -> Incident {
    let mut seed = Seed::new("parcels");
    let list: String = (1..=15)
        .map(|number| {
            format!("{number}. お問い合わせ番号 {} / 注文番号 {}\n", numbers::parcel(&mut seed), seed.digits(12))
        })
        .collect();
    let plain: String = (0..30).map(|_| numbers::parcel(&mut seed).replace('-', "") + "\n").collect();
    ordinary(
        "parcels",
        Words { en: "Tracking numbers", ja: "荷物の追跡番号" },
        Words {
            en: "Slip and order numbers of twelve digits, like My Numbers in form; by chance one in eleven has their check digit.",
            ja: "マイナンバーと同じ12桁の送り状番号と注文番号。偶然、11件に1件は検査数字も合う。",
        },
        vec![
            from_sales(Program::Gmail, "出荷のお知らせ")
                .text(&format!("本日、次のとおり出荷しました。\n\n{list}{CLOSING}"))
                .finish(),
            from_sales(Program::Becky, "送り状番号一覧")
                .text(&format!("本日出荷分の送り状番号です。\n\n{plain}{CLOSING}"))
                .finish(),
        ],
    )
}

fn order() -> Incident {
    let mut seed = Seed::new("order");
    let rows: Vec<[String; 5]> = (0..400)
        .map(|line: u32| {
            [
                seed.digits(12),
                numbers::jan(&mut seed),
                ["ボールペン 黒", "付箋 75mm", "クリアホルダー", "名札ケース", "氏名印スタンド"][line as usize % 5]
                    .to_owned(),
                (line % 9 + 1).to_string(),
                format!("2023/11/{:02}", line % 28 + 1),
            ]
        })
        .collect();
    let table = csv(
        Charset::Cp932,
        std::iter::once(["発注番号", "JANコード", "商品名", "数量", "納期"].map(str::to_owned)).chain(rows),
    );
    ordinary(
        "order",
        Words { en: "An order file", ja: "発注データ" },
        Words {
            en: "400 lines with a column of twelve-digit order numbers and product codes.",
            ja: "12桁の発注番号とJANコードが並ぶ400行のデータ。",
        },
        vec![
            from_sales(Program::Outlook, "発注データの送付")
                .text(&format!("発注データです。\n{CLOSING}"))
                .attach("発注.csv", table)
                .finish(),
        ],
    )
}

fn statistics() -> Incident {
    let mut seed = Seed::new("statistics");
    let book = Book::new(Strings::Shared)
        .sheet("地区別")
        .title_row("地区別統計(令和5年9月末)", 6)
        .texts(&["市区町村", "人口", "世帯数", "出生", "死亡", "要介護認定者数"])
        .rows(PLACES.iter().map(|place| {
            let people = u64::from(seed.between(20_000, 400_000));
            vec![
                format!("{}{}", place.prefecture, place.city).into(),
                Cell::Number(people),
                Cell::Number(people * 10 / 23),
                Cell::Number(people / 1_400),
                Cell::Number(people / 900),
                Cell::Number(people / 19),
            ]
        }))
        .finish();
    ordinary(
        "statistics",
        Words { en: "Figures by district", ja: "地区別の統計" },
        Words {
            en: "Sums by municipality, with births, deaths and care levels, and no person.",
            ja: "市区町村別の人口・出生・死亡・要介護認定者数。個人は含まれない。",
        },
        vec![
            from_sales(Program::Thunderbird, "統計資料")
                .text("ご依頼の統計です。\n")
                .attach("地区別統計.xlsx", book)
                .finish(),
        ],
    )
}

fn blank_form() -> Incident {
    let document = Document::new("参加申込書")
        .paragraph("参加申込書")
        .table([
            ["氏名", ""],
            ["フリガナ", ""],
            ["住所", "〒   -    "],
            ["電話番号", "(   )   -    "],
            ["生年月日", "   年  月  日"],
            ["既往歴・アレルギー", "有 ・ 無"],
            ["口座番号", ""],
        ])
        .paragraph("記入例:例示 花子 / 〒000-0000 ○○県○○市○○1-1 / 000-0000-0000")
        .finish();
    ordinary(
        "blank-form",
        Words { en: "A blank form", ja: "未記入の申込書" },
        Words {
            en: "Every label of a leak, and not one value.",
            ja: "漏えいで見る項目名がすべてあるが、値は1つもない。",
        },
        vec![
            from_sales(Program::Outlook, "申込書の様式")
                .text("様式をお送りします。\n")
                .attach("参加申込書.docx", document)
                .finish(),
        ],
    )
}
