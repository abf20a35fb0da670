//! Leaks of records about people: school-lunch debits, eyesight and hearing, evaluations of colleagues.
//! It refuses lists of bare names: every row says something a person would not want told.

use super::super::fixtures::letter::{Letter, Program};
use super::super::fixtures::people::{Person, Roster};
use super::super::fixtures::xlsx::{Book, Cell, Strings};
use super::{Expect, Incident, Words};
use crate::rules::verdict::Outcome;

/// The incidents of this file.
pub fn incidents() -> Vec<Incident> {
    vec![osaka_school(), visionary(), tsuchiura()]
}

fn osaka_school() -> Incident {
    // 28 households: 28 account holders and 41 pupils are 69 persons; the first 13 households have two children at school.
    let holders: Vec<Person> = Roster::new("lunch holders").born(1978, 1992).take(28).collect();
    let pupils: Vec<(Person, Person)> = Roster::new("lunch pupils")
        .born(2011, 2016)
        .take(41)
        .enumerate()
        .map(|(index, child)| {
            let head = holders[if index < 26 { index / 2 } else { index - 13 }];
            (child.in_family_of(&head), head)
        })
        .collect();
    let book = Book::new(Strings::Shared)
        .titled("給食費口座振替結果")
        .sheet("9月分")
        .title_row("学校給食費 口座振替結果一覧(9月分)", 8)
        .texts(&[])
        .texts(&["学年", "組", "児童名", "金融機関", "支店", "口座番号", "口座名義", "結果"])
        .rows((0..).zip(&pupils).map(|(index, (child, head)): (usize, _)| {
            let (bank, branch, account) = head.bank_account();
            vec![
                Cell::Number(u64::from(2_023 - child.birth.year) - 6),
                Cell::Number(1 + index as u64 % 3),
                child.wide_name().into(),
                bank.into(),
                branch.into(),
                account.into(),
                head.narrow_kana().into(),
                if index % 9 == 4 { "残高不足" } else { "振替済" }.into(),
            ]
        }))
        .finish();
    let mail = Letter::new(
        Program::Outlook,
        ("学校事務", "jimu@school.example.jp"),
        "Mon, 02 Oct 2023 15:20:00 +0900",
        "口座振替結果の送付",
    )
    .to(["給食会 <office@lunch.example.net>"])
    .text("お世話になっております。\n9月分の振替結果をお送りします。\n\n例示小学校 事務室\n")
    .attach("振替結果9月.xlsx", book)
    .finish();
    Incident {
        id: "osaka-school",
        title: Words { en: "School-lunch debits of 28 households", ja: "28世帯の給食費口座振替結果" },
        what: Words {
            en: "A list of debit results: year, class, pupil, account and holder; 28 households, 69 persons.",
            ja: "学年・組・児童名・口座番号・口座名義を含む振替結果一覧。28世帯69人分。",
        },
        date: "2023",
        mails: vec![mail],
        expect: Expect::of(Outcome::HoldApprover, &["financial-data", "sensitive-data"]).persons(69),
    }
}

fn visionary() -> Incident {
    let customers: Vec<Person> = Roster::new("optician").take(4_061).collect();
    let mut seed = super::super::fixtures::seed::Seed::new("eyesight");
    let mut sight = move || format!("{:.1}", f64::from(seed.between(1, 15)) / 10.0);
    let book = Book::new(Strings::Shared)
        .titled("顧客管理")
        .sheet("顧客")
        .texts(&[
            "会員番号",
            "氏名",
            "生年月日",
            "住所",
            "電話番号",
            "レンズ度数 右",
            "レンズ度数 左",
            "支払方法",
            "家族",
        ])
        .rows((1..).zip(&customers).map(|(number, p): (u64, _)| {
            vec![
                Cell::Number(100_000 + number),
                p.name().into(),
                p.birth.into(),
                p.address().into(),
                Cell::Phone(p.mobile().replace('-', "").parse().unwrap_or_default()),
                format!("S-{}.25", number % 7).into(),
                format!("S-{}.50", number % 6).into(),
                ["現金", "カード", "分割"][number as usize % 3].into(),
                ["独身", "配偶者あり", "子2人"][number as usize % 3].into(),
            ]
        }))
        .sheet("視力検査")
        .texts(&["検査日", "氏名", "生年月日", "裸眼視力 右", "裸眼視力 左", "所見"])
        .rows((0..5_707).map(|test: usize| {
            let p = &customers[test * 3 % customers.len()];
            vec![
                format!("2022/{:02}/{:02}", test % 12 + 1, test % 28 + 1).into(),
                p.name().into(),
                p.birth.into(),
                sight().into(),
                sight().into(),
                ["近視", "乱視", "老視", "白内障の疑い"][test % 4].into(),
            ]
        }))
        .sheet("聴力検査")
        .texts(&["氏名", "生年月日", "聴力 右(dB)", "聴力 左(dB)", "所見"])
        .rows((0..151).map(|test: usize| {
            let p = &customers[test * 26];
            vec![
                p.name().into(),
                p.birth.into(),
                Cell::Number(20 + test as u64 % 50),
                Cell::Number(25 + test as u64 % 45),
                "難聴 補聴器使用".into(),
            ]
        }))
        .finish();
    let mail = Letter::new(
        Program::Gmail,
        ("店舗運営部", "tenpo@optician.example.jp"),
        "Fri, 19 May 2023 21:40:00 +0900",
        "顧客データ",
    )
    .to(["sales@rival.example.net"])
    .text("お約束のデータです。\n")
    .attach("顧客管理.xlsx", book)
    .finish();
    Incident {
        id: "visionary",
        title: Words { en: "4,061 customers of an optician", ja: "眼鏡店の顧客4,061人分" },
        what: Words {
            en: "4,061 customers with birth date, address, phone and lens data; 5,707 eyesight and 151 hearing tests.",
            ja: "生年月日・住所・電話・レンズ度数を含む顧客4,061人分と、視力検査5,707件、聴力検査151件。",
        },
        date: "2023",
        mails: vec![mail],
        expect: Expect::of(Outcome::Block, &["sensitive-data-bulk", "large-personal-data"]).persons(4_061),
    }
}

fn tsuchiura() -> Incident {
    let book = Book::new(Strings::Shared)
        .titled("人事評価")
        .sheet("評価結果")
        .title_row("令和4年度 人事評価結果一覧", 7)
        .texts(&["職員番号", "氏名", "所属", "職位", "能力評価", "業績評価", "懲戒歴", "備考"])
        .rows((0..).zip(Roster::new("colleagues").born(1960, 2000).take(836)).map(|(index, p): (usize, Person)| {
            vec![
                format!("{:06}", 30_000 + index * 7).into(),
                p.name().into(),
                ["総務課", "税務課", "福祉課", "建設課", "教育委員会"][index % 5].into(),
                ["主事", "主任", "係長", "課長補佐"][index % 4].into(),
                ["S", "A", "B", "C"][index * 7 % 4].into(),
                ["A", "B", "B", "C"][index * 3 % 4].into(),
                if index % 97 == 5 { "戒告" } else { "なし" }.into(),
                if index % 41 == 8 { "昇任見送り" } else { "" }.into(),
            ]
        }))
        .finish();
    let mail = Letter::new(
        Program::Outlook,
        ("総務課", "somu@city.example.jp"),
        "Wed, 12 Jul 2023 18:30:00 +0900",
        "評価データ",
    )
    .to(["analyst@consulting.example.net"])
    .text("ご依頼のデータをお送りします。\n")
    .attach("評価結果.xlsx", book)
    .finish();
    Incident {
        id: "tsuchiura",
        title: Words { en: "Evaluations of 836 colleagues", ja: "職員836人の人事評価" },
        what: Words {
            en: "Evaluations of 836 colleagues are copied from the personnel system.",
            ja: "人事システムから職員836人分の人事評価データが複製された。",
        },
        date: "2023",
        mails: vec![mail],
        expect: Expect::of(Outcome::HoldApprover, &["sensitive-data", "bulk-personal-data"]).persons(836),
    }
}
