//! Leaks of accounts and of marked documents: IDs with passwords, trade secrets under their stamps.
//! It refuses machine-made keys: in these cases people wrote labels and values by hand.

use super::super::fixtures::docx::Document;
use super::super::fixtures::letter::{Letter, Outgoing, Program};
use super::super::fixtures::people::{Person, Roster};
use super::super::fixtures::picture;
use super::super::fixtures::seed::Seed;
use super::super::fixtures::xlsx::{Book, Cell, Strings};
use super::{Expect, Incident, Words};
use crate::rules::verdict::Outcome;

/// The incidents of this file.
pub fn incidents() -> Vec<Incident> {
    vec![tsuyama(), tsuyama_photo(), sansan(), trade_secret()]
}

/// Pupil, ID and password, 30 times.
fn accounts() -> Vec<[String; 4]> {
    const WORDS: [&str; 8] = ["sakura", "momiji", "tsubame", "kaede", "hotaru", "suzume", "kumo", "minato"];
    let mut seed = Seed::new("school accounts");
    (1..)
        .zip(Roster::new("tsuyama").born(2012, 2013).take(30))
        .map(|(number, p): (u32, Person)| {
            let password =
                format!("{}{}{}", seed.pick(&WORDS), seed.digits(3), ["!", "#", "%"][seed.below(3) as usize]);
            [number.to_string(), p.wide_name(), format!("r5s{}", seed.digits(5)), password]
        })
        .collect()
}

fn school(date: &str, subject: &str) -> Letter {
    Letter::new(Program::Outlook, ("5年担任", "tannin5@school.example.jp"), date, subject)
        .to(["ict-support@edu.example.net"])
}

fn tsuyama() -> Incident {
    const HEADING: [&str; 4] = ["番号", "氏名", "ID", "パスワード"];
    let rows = accounts();
    let book = Book::new(Strings::Shared)
        .sheet("5年1組")
        .title_row("学習用端末 アカウント一覧", 4)
        .texts(&HEADING)
        .rows(rows.iter().map(|row| row.iter().map(|cell| Cell::from(cell.as_str())).collect()))
        .finish();
    let document = Document::new("アカウント一覧")
        .paragraph("学習用端末 アカウント一覧 5年1組")
        .table(std::iter::once(HEADING.map(str::to_owned)).chain(rows.iter().cloned()))
        .finish();
    let lines: String =
        rows.iter().map(|[number, name, id, password]| format!("{number}\t{name}\t{id}\t{password}\n")).collect();
    let mails: Vec<Outgoing> = vec![
        school("Tue, 06 Jun 2023 16:30:00 +0900", "アカウント一覧")
            .text("一覧です。\n")
            .attach("5年1組.xlsx", book)
            .finish(),
        school("Tue, 06 Jun 2023 16:35:00 +0900", "アカウント一覧(印刷用)")
            .text("印刷用です。\n")
            .attach("一覧.docx", document)
            .finish(),
        school("Tue, 06 Jun 2023 16:40:00 +0900", "アカウント一覧(本文)")
            .text(&format!("{}\n{lines}", HEADING.join("\t")))
            .finish(),
    ];
    Incident {
        id: "tsuyama",
        title: Words { en: "IDs and passwords of 30 pupils", ja: "児童30人のIDとパスワードの一覧" },
        what: Words {
            en: "A printed list of about 30 pupils' names, IDs and passwords gets into other hands.",
            ja: "児童約30人の氏名・ID・パスワードの一覧が第三者の手に渡った。",
        },
        date: "2023",
        mails,
        expect: Expect::of(Outcome::Block, &["credentials-bulk"]).persons(90),
    }
}

fn tsuyama_photo() -> Incident {
    let mail = school("Tue, 06 Jun 2023 16:50:00 +0900", "写真")
        .text("撮影しました。\n")
        .attach("IMG_4412.png", picture::png("list", 600, 800))
        .finish();
    Incident {
        id: "tsuyama-photo",
        title: Words { en: "The list as a photograph", ja: "一覧を撮影した写真" },
        what: Words {
            en: "The same list photographed: nobody can say what the picture shows.",
            ja: "同じ一覧を撮影した画像。何が写っているか機械には分からない。",
        },
        date: "2023",
        mails: vec![mail],
        expect: Expect::of(Outcome::HoldSender, &["unreadable-image"]),
    }
}

fn sansan() -> Incident {
    let letter = |program, text: &str| {
        Letter::new(program, ("営業部", "eigyo@broker.example.jp"), "Wed, 15 Feb 2023 19:05:00 +0900", "名刺の件")
            .to(["motodoryo@newfirm.example.net"])
            .text(text)
            .finish()
    };
    Incident {
        id: "sansan",
        title: Words { en: "A login for a former colleague", ja: "元同僚にログイン情報を提供" },
        what: Words {
            en: "A former employee gives an ID and password of the business-card system to a colleague at his new firm.",
            ja: "名刺管理システムのIDとパスワードを、転職先の同僚に渡した。",
        },
        date: "2023-09",
        mails: vec![
            letter(Program::Gmail, "https://cards.broker.example.jp/login ID: eigyo07 パスワード: Meishi#2023kan\n"),
            letter(
                Program::Telephone,
                "まだ使えるはず\nhttps://cards.broker.example.jp/\nID\u{3000}eigyo07\nPW\u{3000}Meishi#2023kan\n",
            ),
        ],
        expect: Expect::of(Outcome::HoldApprover, &["credentials"]),
    }
}

fn trade_secret() -> Incident {
    let letter = |date: &str, subject: &str| {
        Letter::new(Program::Outlook, ("研究所", "kenkyu@glass.example.jp"), date, subject)
            .to(["tenshoku.junbi@gmail.com"])
            .text("控え\n")
    };
    let process = "溶融窯の温度履歴と清澄剤の配合を以下に示す。\n徐冷の勾配は毎分2.4度以下とする。\n歩留まりは旧条件から3.1ポイント向上した。";
    let stamped = Document::new("徐冷条件")
        .header("社外秘")
        .footer("例示硝子 研究所")
        .paragraph("徐冷条件の検討")
        .paragraphs(process)
        .finish();
    let labelled = Document::new("配合表").label("Confidential").paragraph("配合表").paragraphs(process).finish();
    let property = Document::new("取引条件")
        .keywords("極秘")
        .paragraph("取引条件")
        .paragraphs("仕入先ごとの掛け率\n第一商事 62%\n第二物産 58%")
        .finish();
    Incident {
        id: "trade-secret",
        title: Words {
            en: "Marked documents to a private mailbox", ja: "秘密表示のある文書を私用アドレスへ"
        },
        what: Words {
            en: "Documents under their stamps, in a page header, as a sensitivity label, as a file property and in the text, go to the sender's private mailbox before he changes employer.",
            ja: "社外秘・極秘・Confidentialの表示(ヘッダー、秘密度ラベル、プロパティ、本文)がある文書を、転職前に私用アドレスへ送る。",
        },
        date: "2022",
        mails: vec![
            letter("Sun, 04 Sep 2022 23:10:00 +0900", "条件").attach("徐冷条件.docx", stamped).finish(),
            letter("Sun, 04 Sep 2022 23:12:00 +0900", "配合").attach("配合表.docx", labelled).finish(),
            letter("Sun, 04 Sep 2022 23:15:00 +0900", "条件2").attach("取引条件.docx", property).finish(),
            letter("Sun, 04 Sep 2022 23:20:00 +0900", "【極秘】新規案件の見積方針")
                .text("【極秘】\n\n新規案件の見積方針\n原価に対し18%を下限とする。\n")
                .finish(),
        ],
        expect: Expect::of(Outcome::HoldApprover, &["confidential-mark"]),
    }
}
