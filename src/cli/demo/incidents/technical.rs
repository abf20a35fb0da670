//! Technical mail that must pass: logs, source code, patches, meeting invitations.
//! It refuses real keys and numbers: what looks like one is a placeholder, a documented test value or an identifier.

use super::super::fixtures::archive::{Names, zip};
use super::super::fixtures::calendar;
use super::super::fixtures::letter::{Letter, Program};
use super::super::fixtures::seed::Seed;
use super::{Incident, Words, ordinary};

/// The mails of this file.
pub fn mails() -> Vec<Incident> {
    vec![logs(), source(), patch(), meeting()]
}

fn from_engineer(program: Program, subject: &str) -> Letter {
    Letter::new(program, ("情報システム課", "joho@city.example.jp"), "Mon, 16 Oct 2023 11:25:00 +0900", subject)
        .to(["support@vendor.example.com"])
}

fn logs() -> Incident {
    let mut seed = Seed::new("logs");
    let log: String = (0..600)
        .map(|line: u32| {
            format!(
                "2023-10-16T{:02}:{:02}:{:02}.{}+09:00 web{:02} nginx[{}]: 192.0.2.{} request_id={} trace={} status={} bytes={}\n",
                line / 60,
                line % 60,
                seed.below(60),
                seed.digits(3),
                seed.between(1, 4),
                seed.digits(4),
                seed.below(255),
                seed.digits(12),
                seed.digits(16),
                [200, 204, 301, 404, 500][seed.below(5) as usize],
                seed.digits(6)
            )
        })
        .collect();
    let excerpt: String = log.lines().take(20).map(|line| format!("{line}\n")).collect();
    ordinary(
        "logs",
        Words { en: "Server logs", ja: "サーバのログ" },
        Words {
            en: "Thousands of twelve- and sixteen-digit identifiers and addresses of documentation networks.",
            ja: "12桁・16桁の識別子と、文書用のIPアドレスが並ぶアクセスログ。",
        },
        vec![
            from_engineer(Program::Thunderbird, "エラー発生時のログ")
                .text(&format!("該当箇所です。\n\n{excerpt}"))
                .finish(),
            from_engineer(Program::Outlook, "エラー発生時のログ")
                .text("ログをお送りします。\n")
                .attach("access.log", log.clone().into_bytes())
                .attach("logs.zip", zip(Names::Utf8, [("web01/access.log", log)]))
                .finish(),
        ],
    )
}

const SOURCE: &str = r#"#!/usr/bin/env python3
"""Checks card numbers with the Luhn formula; the numbers are the schemes' documented test values."""
import os

TEST_CARDS = ["4111 1111 1111 1111", "5555 5555 5555 4444", "3782 822463 10005"]
DATABASE = {
    "user": os.environ["DB_USER"],
    "password": os.environ["DB_PASSWORD"],
    "host": "db.example.jp",
}


def valid(number: str) -> bool:
    digits = [int(c) for c in reversed(number) if c.isdigit()]
    return sum(d if i % 2 == 0 else (d * 2) % 9 or (9 if d else 0) for i, d in enumerate(digits)) % 10 == 0


class Person:
    def __init__(self, name, address, phone, birth_date):
        self.name, self.address, self.phone, self.birth_date = name, address, phone, birth_date


if __name__ == "__main__":
    assert all(valid(card) for card in TEST_CARDS)
    print(Person("name", "address", "090-0000-0000", "2000-01-01"))
"#;

fn source() -> Incident {
    ordinary(
        "source",
        Words { en: "Source code", ja: "ソースコード" },
        Words {
            en: "Test card numbers, a password read from the environment, a class with name and address.",
            ja: "テスト用カード番号、環境変数から読むパスワード、氏名・住所を持つクラスを含むコード。",
        },
        vec![
            from_engineer(Program::Thunderbird, "検証用スクリプト")
                .text(&format!("検証用スクリプトです。\n\n{SOURCE}"))
                .finish(),
            from_engineer(Program::Gmail, "検証用スクリプト")
                .text("添付のとおりです。\n")
                .attach("luhn.py", SOURCE.as_bytes().to_vec())
                .attach(
                    "src.zip",
                    zip(
                        Names::Utf8,
                        [("luhn/luhn.py", SOURCE), ("luhn/README.md", "# luhn\n\nテストは `make test`。\n")],
                    ),
                )
                .finish(),
        ],
    )
}

const PATCH: &str = "\
From 3f1c9a07d2b84e5f6a7b8c9d0e1f2a3b4c5d6e7f Mon Sep 17 00:00:00 2001
From: 情報システム課 <joho@city.example.jp>
Date: Mon, 16 Oct 2023 11:20:00 +0900
Subject: [PATCH] 入力欄の必須チェックを修正

Reviewed-by: Vendor Support <support@vendor.example.com>
---
 form.html | 4 ++--
 1 file changed, 2 insertions(+), 2 deletions(-)

diff --git a/form.html b/form.html
index 8c9d0e1..5a6b7c8 100644
--- a/form.html
+++ b/form.html
@@ -12,8 +12,8 @@
   <label>氏名</label>
-  <input name=\"shimei\">
+  <input name=\"shimei\" required>
   <label>パスワード</label>
-  <input name=\"password\" type=\"password\">
+  <input name=\"password\" type=\"password\" required minlength=\"12\">
";

fn patch() -> Incident {
    ordinary(
        "patch",
        Words { en: "A patch", ja: "修正パッチ" },
        Words {
            en: "Author and reviewer lines, and a form with fields for name and password.",
            ja: "作成者・確認者の行と、氏名・パスワード入力欄の修正。",
        },
        vec![from_engineer(Program::Thunderbird, "[PATCH] 入力欄の必須チェックを修正").text(PATCH).finish()],
    )
}

fn meeting() -> Incident {
    let partners = ["kondo@partner.example.com", "ueda@partner.example.com"];
    let invite = |attendees: &[&str]| {
        calendar::invitation(
            "joho@city.example.jp",
            attendees,
            "20231020T010000Z",
            "20231020T020000Z",
            "次期システム 定例会議",
            "例示市役所 3階 302会議室",
        )
    };
    let text = "定例会議にご参加ください。\n日時:10月20日(金)10時から11時\n場所:例示市役所 3階 302会議室\nオンライン:https://meet.example.jp/302\n";
    let letter = |program| {
        Letter::new(
            program,
            ("情報システム課", "joho@city.example.jp"),
            "Mon, 16 Oct 2023 13:00:00 +0900",
            "次期システム 定例会議",
        )
    };
    ordinary(
        "meeting",
        Words { en: "A meeting invitation", ja: "会議の招待" },
        Words {
            en: "Two partners as attendees of a calendar entry, and one vendor.",
            ja: "協力会社2名、業者1名を参加者とする会議の招待。",
        },
        vec![
            letter(Program::Outlook).to(partners).text(text).invitation(invite(&partners)).finish(),
            letter(Program::Gmail)
                .to(["support@vendor.example.com"])
                .text(text)
                .invitation(invite(&["support@vendor.example.com"]))
                .attach("invite.ics", invite(&["support@vendor.example.com"]).replace('\n', "\r\n").into_bytes())
                .finish(),
        ],
    )
}
