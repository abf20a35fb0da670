//! Leaks of lists of people: rosters mailed to private mailboxes, in one piece, in many small files, disguised, or bit by bit.
//! It refuses to invent other quantities than those that were reported, where they were reported.

use super::super::fixtures::archive::{Names, zip};
use super::super::fixtures::biff;
use super::super::fixtures::csv::{csv, tsv};
use super::super::fixtures::docx::Document;
use super::super::fixtures::encoding::{Charset, base64_lines};
use super::super::fixtures::letter::{Letter, Program};
use super::super::fixtures::msg::{self, Message};
use super::super::fixtures::people::{Person, Roster};
use super::super::fixtures::rtf::{self, Written};
use super::super::fixtures::xlsx::{Book, Cell, Strings};
use super::{Expect, Incident, Outgoing, Words};
use crate::rules::verdict::Outcome;

/// The incidents of this file.
pub fn incidents() -> Vec<Incident> {
    vec![shimada(), hiratsuka(), hiratsuka_book(), ntt_act(), jipdec(), jipdec_old(), sendai(), kamaishi()]
}

const WEBMAIL_RULES: [&str; 1] = ["personal-data-to-webmail"];

fn shimada() -> Incident {
    let mut people = Roster::new("shimada").living_in("島田市");
    let mut take = |count: usize| people.by_ref().take(count).collect::<Vec<Person>>();
    let letter = |date: &str, subject: &str| {
        Letter::new(Program::Outlook, ("農林課", "norin@city.example.jp"), date, subject)
            .to(["norin.share.2019@yahoo.co.jp"])
            .text("自席のパソコンに移すため送ります。\n")
    };
    let farmers = Book::new(Strings::Shared)
        .titled("農業者名簿")
        .sheet("農業者")
        .title_row("令和4年度 農業者名簿(農林課)", 5)
        .texts(&["番号", "氏名", "住所", "生年月日", "電話番号"])
        .rows((1..).zip(take(821)).map(|(number, p)| {
            vec![Cell::Number(number), p.wide_name().into(), p.address().into(), p.birth.into(), p.landline().into()]
        }))
        .sheet("世帯員")
        .texts(&["氏名", "続柄", "生年月日", "住所"])
        .rows((0..).zip(take(377)).map(|(index, p): (usize, _)| {
            let relation = ["世帯主", "妻", "子", "父", "母"][index % 5];
            vec![p.name().into(), relation.into(), Cell::Era(p.birth), p.address().into()]
        }))
        .finish();
    let owners = Book::new(Strings::Inline)
        .sheet("土地所有者")
        .texts(&["所有者氏名", "所有者住所"])
        .rows(take(800).iter().map(|p| vec![p.name().into(), p.address().into()]))
        .finish();
    let members = csv(
        Charset::Cp932,
        std::iter::once(["氏名", "住所", "電話"].map(str::to_owned))
            .chain(take(166).iter().map(|p| [p.name(), p.address(), p.mobile()])),
    );
    let subsidy = take(12);
    let contact = take(34);
    let [licence, parcel] = [take(1), take(1)].map(|one| one[0]);
    let report = Document::new("補助金振込先")
        .paragraph("補助金の振込先一覧")
        .table(
            std::iter::once(["氏名", "住所", "電話番号", "銀行", "支店", "種別", "口座番号"].map(str::to_owned)).chain(
                subsidy.iter().map(|p| {
                    let (bank, branch, account) = p.bank_account();
                    [p.name(), p.address(), p.landline(), bank, branch, "普通".to_owned(), account]
                }),
            ),
        )
        .paragraph("緊急連絡先")
        .table(
            std::iter::once(["氏名", "電話番号"].map(str::to_owned))
                .chain(contact.iter().map(|p| [p.name(), p.mobile()])),
        )
        .paragraph("本人確認書類(運転免許証)")
        .paragraph(&format!("氏名:{} 運転免許証番号:{}", licence.name(), licence.drivers_license()))
        .paragraph("農地の権利者")
        .paragraph(&format!("氏名:{} 住所:{} 生年月日:{}", parcel.name(), parcel.address(), parcel.birth.japanese()))
        .finish();
    let attendance = tsv(
        Charset::Utf8,
        std::iter::once(["No.".to_owned(), "氏名".to_owned()])
            .chain((1..).zip(take(234)).map(|(number, p): (u32, _)| [number.to_string(), p.wide_name()])),
    );
    Incident {
        id: "shimada",
        title: Words {
            en: "Moving files over a free-mail account", ja: "禁止されたフリーメールでのファイル移動"
        },
        what: Words {
            en: "An office used a forbidden free-mail account for years to move files between two PCs; it was broken into, with the data of 2,446 persons.",
            ja: "禁止されているフリーメールを数年間ファイルの受け渡しに使い、不正アクセスで2,446人分の個人情報が漏えいした可能性がある。",
        },
        date: "2023",
        mails: vec![
            letter("Mon, 10 Apr 2023 17:40:00 +0900", "名簿").attach("農業者名簿.xlsx", farmers).finish(),
            letter("Tue, 11 Apr 2023 17:42:00 +0900", "所有者一覧")
                .attach("土地所有者.xlsx", owners)
                .attach("組合員.csv", members)
                .finish(),
            letter("Wed, 12 Apr 2023 17:55:00 +0900", "補助金").attach("補助金振込先.docx", report).finish(),
            letter("Thu, 13 Apr 2023 18:10:00 +0900", "出席者").attach("説明会出席者.tsv", attendance).finish(),
        ],
        expect: Expect::of(Outcome::Block, &WEBMAIL_RULES).persons(2_446),
    }
}

/// What the employee carried out: name, address, phone, e-mail, sex, birth date, account.
const CITIZEN: [&str; 9] =
    ["氏名", "フリガナ", "住所", "電話番号", "メールアドレス", "性別", "生年月日", "口座番号", "口座名義"];

fn citizen(p: &Person) -> [String; 9] {
    [
        p.name(),
        p.kana(),
        p.address(),
        p.mobile(),
        p.email(),
        p.sex().to_owned(),
        p.birth.slashes(),
        p.bank_account().2,
        p.narrow_kana(),
    ]
}

fn hiratsuka_letter(date: &str, subject: &str) -> Letter {
    Letter::new(Program::Gmail, ("政策課", "seisaku@city.example.jp"), date, subject)
        .to(["hiratsuka.backup77@gmail.com"])
        .text("バックアップです。\n")
}

fn hiratsuka() -> Incident {
    // 1,035 files: 627 with 31 people and 408 with 30 make 31,677.
    let mut people = Roster::new("hiratsuka").living_in("平塚市");
    let files: Vec<(String, Vec<u8>)> = (0..1_035)
        .map(|number| {
            let group: Vec<Person> = people.by_ref().take(if number < 627 { 31 } else { 30 }).collect();
            let folder = ["自治会", "講座申込", "健康づくり", "見守り", "防災"][number % 5];
            if number % 25 == 24 {
                let book = Book::new(Strings::Shared)
                    .sheet("名簿")
                    .texts(&CITIZEN)
                    .rows(group.iter().map(|p| citizen(p).map(Cell::from).to_vec()))
                    .finish();
                (format!("{folder}/{number:04}_名簿.xlsx"), book)
            } else {
                let rows = std::iter::once(CITIZEN.map(str::to_owned)).chain(group.iter().map(citizen));
                (format!("{folder}/{number:04}_名簿.csv"), csv(Charset::Cp932, rows))
            }
        })
        .collect();
    let mails = files
        .chunks(207)
        .zip(1..)
        .map(|(part, number)| {
            let archive = zip(Names::Cp932, part.iter().map(|(name, bytes)| (name, bytes)));
            hiratsuka_letter(&format!("Fri, 31 Mar 2023 20:{:02}:00 +0900", number * 7), &format!("backup {number}/5"))
                .attach(&format!("データ{number}.zip"), archive)
                .finish()
        })
        .collect();
    Incident {
        id: "hiratsuka",
        title: Words { en: "1,035 files taken by a leaver", ja: "退職者による1,035ファイルの持ち出し" },
        what: Words {
            en: "A leaving employee carries out 1,035 files with 31,677 citizens, later used to send election cards.",
            ja: "退職する職員が31,677人分の市民の情報を含む1,035ファイルを持ち出し、選挙はがきの送付に使った。",
        },
        date: "2023",
        mails,
        expect: Expect::of(Outcome::Block, &WEBMAIL_RULES).repeated(&["personal-data-drip"]).persons(31_677),
    }
}

fn hiratsuka_book() -> Incident {
    let book = Book::new(Strings::Shared)
        .sheet("概要")
        .texts(&["支援者管理", "最終更新 2023/3/31"])
        .hidden_sheet("元データ")
        .title_row("市民データ(統合)", 9)
        .texts(&CITIZEN)
        .rows(Roster::new("hiratsuka").living_in("平塚市").take(31_677).map(|p| citizen(&p).map(Cell::from).to_vec()))
        .finish();
    let mail = hiratsuka_letter("Sat, 01 Apr 2023 21:10:00 +0900", "まとめ").attach("まとめ.xlsx", book).finish();
    Incident {
        id: "hiratsuka-xlsx",
        title: Words { en: "The same citizens in one workbook", ja: "同じ市民情報を1つのブックに" },
        what: Words {
            en: "The day after leaving: one workbook with all 31,677 people on a sheet that is hidden.",
            ja: "退職の翌日、31,677人全員を非表示シートに収めた1つのブックを送る。",
        },
        date: "2023",
        mails: vec![mail],
        expect: Expect::of(Outcome::Block, &WEBMAIL_RULES).persons(31_677),
    }
}

fn ntt_act() -> Incident {
    const HEADING: [&str; 5] = ["顧客番号", "氏名", "住所", "電話番号", "生年月日"];
    let mut people = Roster::new("call centre");
    let mut customers = |count: usize| {
        let rows: Vec<[String; 5]> = (0..)
            .zip(people.by_ref().take(count))
            .map(|(number, p): (u32, Person)| {
                [format!("C{number:06}"), p.name(), p.address(), p.mobile(), p.birth.slashes()]
            })
            .collect();
        std::iter::once(HEADING.map(str::to_owned)).chain(rows).collect::<Vec<_>>()
    };
    let letter = |date: &str, text: &str| {
        Letter::new(Program::Thunderbird, ("運用保守", "unyo@callcenter.example.jp"), date, "ログ")
            .to(["buyer@lists.example.net"])
            .text(text)
    };
    // 59 clients, a file each, under other names, in archives within an archive.
    let inner: Vec<(String, Vec<u8>)> = (0..59)
        .map(|client| {
            let suffix = ["txt", "dat", "jpg", "log"][client % 4];
            (format!("client{client:02}.{suffix}"), csv(Charset::Cp932, customers(200)))
        })
        .collect();
    let nested = zip(
        Names::Utf8,
        inner.chunks(20).zip(0..).map(|(part, number): (_, u32)| {
            (format!("part{number}.dat"), zip(Names::Utf8, part.iter().map(|(name, bytes)| (name, bytes))))
        }),
    );
    let renamed = csv(Charset::Utf8, customers(3_000));
    let in_body = base64_lines(&csv(Charset::Utf8, customers(1_050))).replace("\r\n", "\n");
    Incident {
        id: "ntt-act",
        title: Words {
            en: "Customer lists of 59 clients, renamed and nested",
            ja: "59社の顧客リストを改名・入れ子で持ち出し",
        },
        what: Words {
            en: "A temporary worker sells customer records of 59 clients over years: split, renamed, zipped in zips, as base64 in the text. (About nine million records were reported; here 15,850.)",
            ja: "派遣社員が59社の顧客情報を長年持ち出して売却した。分割、拡張子の変更、入れ子のzip、本文へのbase64埋め込み。(報道では約900万件、ここでは15,850件)",
        },
        date: "2023-10-17",
        mails: vec![
            letter("Sun, 02 Jul 2023 02:14:00 +0900", "添付\n").attach("syslog.dat", nested).finish(),
            letter("Sun, 09 Jul 2023 02:20:00 +0900", "写真\n").attach("IMG_0231.jpg", renamed).finish(),
            letter("Sun, 16 Jul 2023 02:31:00 +0900", &in_body).finish(),
        ],
        expect: Expect::of(Outcome::Block, &["large-personal-data"]).repeated(&["personal-data-drip"]).persons(15_850),
    }
}

fn jipdec() -> Incident {
    let roster = Book::new(Strings::Shared)
        .titled("審査員名簿")
        .sheet("審査員")
        .title_row("審査員名簿(取扱注意)", 5)
        .texts(&["登録番号", "審査員氏名", "自宅住所", "電話番号", "E-mail"])
        .rows((0..).zip(Roster::new("assessors").born(1950, 1990).take(669)).map(|(number, p): (u32, Person)| {
            vec![
                format!("A-{number:05}").into(),
                p.name().into(),
                p.address().into(),
                p.mobile().into(),
                p.email().into(),
            ]
        }))
        .finish();
    let report = Document::new("審査報告書")
        .paragraph("審査報告書")
        .paragraphs("対象:例示株式会社\n所見:規程の改定履歴に一部不備があった。\n是正期限:次回審査まで")
        .finish();
    let mail = Letter::new(
        Program::Outlook,
        ("審査部", "shinsa@assessor.example.jp"),
        "Mon, 07 Aug 2023 22:03:00 +0900",
        "自宅作業用",
    )
    .to(["home.nas.659@icloud.com"])
    .text("自宅で続きを行います。\n")
    .attach("審査員名簿.xlsx", roster)
    .attach("審査報告書.docx", report)
    .finish();
    Incident {
        id: "jipdec",
        title: Words { en: "669 assessors taken home", ja: "審査員669名の名簿を自宅へ" },
        what: Words {
            en: "An assessor keeps audit papers and a roster of 669 assessors on a home storage that the world could read.",
            ja: "審査員が審査資料と669名の審査員名簿を自宅のNASに保存し、外部から閲覧できる状態になっていた。",
        },
        date: "2023",
        mails: vec![mail],
        expect: Expect::of(Outcome::Block, &WEBMAIL_RULES).persons(669),
    }
}

/// The same assessors in the formats that old machines still write.
fn jipdec_old() -> Incident {
    const HEADING: [&str; 4] = ["審査員氏名", "自宅住所", "電話番号", "E-mail"];
    let mut people = Roster::new("assessors").born(1950, 1990);
    let mut take = |count: usize| -> Vec<[String; 4]> {
        people.by_ref().take(count).map(|p| [p.name(), p.address(), p.mobile(), p.email()]).collect()
    };
    let book = |sheet: &str, rows: Vec<[String; 4]>| {
        let rows = rows.into_iter().map(|row| row.map(Cell::from).to_vec());
        biff::Book::new().sheet(sheet).texts(&HEADING).rows(rows).finish()
    };
    let first = book("審査員", take(223));
    let rows = std::iter::once(HEADING.map(str::to_owned)).chain(take(223));
    let second = rtf::Document::new(Written::Hex).paragraph("審査員名簿(取扱注意)").table(rows).finish();
    let third = Message::new()
        .code_page(932)
        .text(msg::SUBJECT, "名簿の続き")
        .text(msg::BODY, "添付のとおりです。\r\n")
        .file("審査員名簿3.xls", &book("続き", take(223)))
        .finish();
    let mail = Letter::new(
        Program::Outlook,
        ("審査部", "shinsa@assessor.example.jp"),
        "Mon, 07 Aug 2023 22:41:00 +0900",
        "自宅作業用(旧形式)",
    )
    .to(["home.nas.659@icloud.com"])
    .text("自宅のパソコンでも開ける形式にしました。\n")
    .attach("審査員名簿1.xls", first)
    .attach("審査員名簿2.rtf", second)
    .attach("名簿の続き.msg", third)
    .finish();
    Incident {
        id: "jipdec-old",
        title: Words { en: "The same assessors in old formats", ja: "同じ名簿を旧形式で" },
        what: Words {
            en: "The roster in three parts, as old machines write them: an Excel 97 workbook, rich text, and a saved Outlook message with a workbook in it.",
            ja: "同じ名簿を3つに分け、古い形式で送る。Excel 97 のブック、リッチテキスト、ブックを添付した Outlook のメッセージ。",
        },
        date: "2023",
        mails: vec![mail],
        expect: Expect::of(Outcome::Block, &WEBMAIL_RULES).persons(669),
    }
}

/// One acquaintance's name and address, and nothing else.
pub fn one_acquaintance(to: &str) -> Outgoing {
    let person = Roster::new("acquaintance").living_in("仙台市青葉区").take(1).collect::<Vec<_>>();
    let text: String =
        person.iter().map(|p| format!("{}さん\n〒{}\n{}\n", p.name(), p.postal_code(), p.address())).collect();
    Letter::new(
        Program::Telephone,
        ("区役所", "madoguchi@city.example.jp"),
        "Thu, 08 Jun 2023 12:20:00 +0900",
        "例の件",
    )
    .to([to])
    .text(&text)
    .finish()
}

fn sendai() -> Incident {
    Incident {
        id: "sendai",
        title: Words { en: "One looked-up address", ja: "知人1人の住所を調べて送信" },
        what: Words {
            en: "An official looks up one acquaintance's address for private use.",
            ja: "職員が私的な目的で知人1人の住所を調べた。",
        },
        date: "2023",
        mails: vec![one_acquaintance("tomodachi.1192@gmail.com")],
        expect: Expect::of(Outcome::Block, &WEBMAIL_RULES).persons(1),
    }
}

fn kamaishi() -> Incident {
    const HEADING: [&str; 5] = ["氏名", "住所", "生年月日", "続柄", "個人番号"];
    // 21 mails: 12 with 29 people and 9 with 28 make 600.
    let mut people = Roster::new("kamaishi").living_in("釜石市");
    let mails = (0..21)
        .map(|number| {
            let group: Vec<Person> = people.by_ref().take(if number < 12 { 29 } else { 28 }).collect();
            let rows =
                group.iter().map(|p| [p.name(), p.address(), p.birth.japanese(), "世帯主".to_owned(), p.my_number()]);
            let letter = Letter::new(
                Program::Outlook,
                ("住民係", "jumin@city.example.jp"),
                &format!("Fri, {:02} Oct 2021 19:{:02}:00 +0900", 1 + number % 4 * 7, 10 + number),
                &format!("台帳{}", number + 1),
            )
            .to(["kazoku.jitaku.3@yahoo.co.jp"])
            .text("自宅分\n");
            match number % 3 {
                0 => letter.attach(
                    "台帳.xlsx",
                    Book::new(Strings::Shared)
                        .sheet("台帳")
                        .texts(&HEADING)
                        .rows(rows.map(|row| row.map(Cell::from).to_vec()))
                        .finish(),
                ),
                1 => letter
                    .attach("台帳.csv", csv(Charset::Cp932, std::iter::once(HEADING.map(str::to_owned)).chain(rows))),
                _ => {
                    let lines: String = rows.map(|row| row.join("\t") + "\n").collect();
                    letter.text(&format!("自宅分\n\n{}\n{lines}", HEADING.join("\t")))
                }
            }
            .finish()
        })
        .collect();
    Incident {
        id: "kamaishi",
        title: Words {
            en: "A resident register mailed home in 21 parts", ja: "住民基本台帳を21回に分けて自宅へ送信"
        },
        what: Words {
            en: "A resident register is mailed home 21 times, with 600 My Numbers.",
            ja: "住民基本台帳の情報が21回に分けて自宅に送られ、600件のマイナンバーが含まれていた。",
        },
        date: "2022",
        mails,
        expect: Expect::of(Outcome::Block, &["my-number-outside", "personal-data-to-webmail"])
            .repeated(&["personal-data-drip"])
            .persons(600),
    }
}
