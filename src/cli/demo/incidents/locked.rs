//! Leaks that cannot be looked into: protected files and pictures; and the same city's data once in the open.
//! It refuses to pretend protection: the password of the archive is real, only nobody is given it.

use super::super::fixtures::archive::{Names, locked_zip, zip};
use super::super::fixtures::cfb;
use super::super::fixtures::csv::csv;
use super::super::fixtures::encoding::Charset;
use super::super::fixtures::letter::{Letter, Program};
use super::super::fixtures::people::Roster;
use super::super::fixtures::picture;
use super::{Expect, Incident, Words};
use crate::rules::verdict::Outcome;

/// The incidents of this file but [`whole_city`].
pub fn incidents() -> Vec<Incident> {
    vec![amagasaki(), shimada_scans()]
}

/// Rows of citizens: name, address, birth date, tax, welfare.
fn city(count: usize) -> Vec<u8> {
    let heading = ["氏名", "カナ氏名", "住所", "生年月日", "住民税額", "生活保護"].map(str::to_owned);
    let rows = (0..).zip(Roster::new("whole city").living_in("尼崎市").take(count)).map(|(index, p): (usize, _)| {
        [
            p.close_name(),
            p.narrow_kana(),
            p.address(),
            p.birth.slashes(),
            (index * 7_919 % 400_000).to_string(),
            if index % 23 == 0 { "受給中" } else { "" }.to_owned(),
        ]
    });
    csv(Charset::Cp932, std::iter::once(heading).chain(rows))
}

fn contractor(date: &str, subject: &str) -> Letter {
    Letter::new(Program::Outlook, ("給付金担当", "kyufu@city.example.jp"), date, subject)
        .to(["callcenter@contractor.example.net"])
}

fn amagasaki() -> Incident {
    let archive = locked_zip(Names::Cp932, "Amagasaki2022", [("住民データ.csv", city(2_000))]);
    Incident {
        id: "amagasaki",
        title: Words {
            en: "A city's data in password-protected form", ja: "パスワード付きで持ち出された全市民の情報"
        },
        what: Words {
            en: "All citizens' data left the building in password-protected form; nobody can look inside.",
            ja: "全市民の個人情報がパスワード付きの形で持ち出された。中身は誰にも確認できない。",
        },
        date: "2022-06-23",
        mails: vec![
            contractor("Tue, 21 Jun 2022 18:00:00 +0900", "データ送付")
                .text("パスワードは別途ご連絡します。\n")
                .attach("住民データ.zip", archive)
                .finish(),
            contractor("Tue, 21 Jun 2022 18:05:00 +0900", "データ送付(Excel)")
                .text("パスワードは別途ご連絡します。\n")
                .attach("住民データ.xlsx", cfb::protected_workbook("city", 200_000))
                .finish(),
        ],
        expect: Expect::of(Outcome::HoldApprover, &["unreadable-encrypted"]),
    }
}

/// The same data in the open: 460,000 people in one archive.
pub fn whole_city() -> Incident {
    let archive = zip(Names::Cp932, [("住民データ.csv", city(460_000))]);
    Incident {
        id: "amagasaki-open",
        title: Words { en: "A whole city in one file", ja: "全市民46万人分を1つのファイルで" },
        what: Words {
            en: "Name, address, birth date, tax and welfare benefits of 460,000 citizens, this time without a password.",
            ja: "全市民46万人の氏名・住所・生年月日・税額・生活保護の情報。今度はパスワードなし。",
        },
        date: "2022-06-23",
        mails: vec![
            contractor("Tue, 21 Jun 2022 18:10:00 +0900", "データ送付")
                .text("全件です。\n")
                .attach("住民データ.zip", archive)
                .finish(),
        ],
        expect: Expect::of(Outcome::Block, &["sensitive-data-bulk", "large-personal-data"]).persons(460_000),
    }
}

fn shimada_scans() -> Incident {
    let letter = |date: &str, subject: &str| {
        Letter::new(Program::Outlook, ("農林課", "norin@city.example.jp"), date, subject)
            .to(["norin.share.2019@yahoo.co.jp"])
            .text("スキャンしました。\n")
    };
    Incident {
        id: "shimada-scan",
        title: Words { en: "Scans to a free-mail account", ja: "スキャン画像をフリーメールへ" },
        what: Words {
            en: "Photographs and scans of paper lists: what cannot be read is not clean.",
            ja: "紙の名簿の写真とスキャン。読めないものは「問題なし」ではない。",
        },
        date: "2023",
        mails: vec![
            letter("Mon, 17 Apr 2023 17:30:00 +0900", "スキャン1")
                .attach("scan0001.png", picture::png("scan", 620, 877))
                .finish(),
            letter("Mon, 17 Apr 2023 17:33:00 +0900", "スキャン2")
                .attach("scan0002.pdf", picture::scanned_pdf("scan", 310, 438))
                .finish(),
        ],
        expect: Expect::of(Outcome::HoldSender, &["unreadable-image", "unreadable-other"]),
    }
}
