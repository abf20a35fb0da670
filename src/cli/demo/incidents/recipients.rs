//! Leaks by the address fields: a list of applicants in To, Outlook's recall after it, small repetitions, mistyped domains.
//! It refuses attachments and personal data in the text, so that only the address fields can be the reason.

use super::super::fixtures::encoding::Charset;
use super::super::fixtures::letter::{Letter, Program};
use super::super::fixtures::people::{Person, Roster};
use super::super::fixtures::tnef;
use super::{Expect, Incident, Outgoing, Words};
use crate::rules::verdict::Outcome;

const DEPUTY_HEAD: (&str, &str) = ("教頭 内藤", "kyoto@school.example.jp");
const ENQUETE: &str = "【アンケートのお願い】オープンキャンパスにご参加の皆様へ";

/// The incidents of this file.
pub fn incidents() -> Vec<Incident> {
    let mut all = vec![uji_to()];
    all.extend(recalls());
    all.extend([niigata(), saga(), gmai()]);
    all
}

/// Addresses of course applicants: most are private mailboxes, one in twenty is at work.
fn applicants(roster: &str, count: usize) -> Vec<String> {
    Roster::new(roster)
        .take(count)
        .enumerate()
        .map(|(index, person)| match index % 20 {
            19 => person.email().split('@').next().unwrap_or_default().to_owned() + "@company.example.com",
            _ => person.email(),
        })
        .collect()
}

/// The leak that the demonstration repairs at the end: 421 applicants in To.
#[must_use]
pub fn uji_to() -> Incident {
    let mail = Letter::new(Program::Outlook, DEPUTY_HEAD, "Tue, 19 Sep 2023 16:12:00 +0900", ENQUETE)
        .to(applicants("uji", 421))
        .text(
            "オープンキャンパスにお申し込みいただいた皆様\n\nこのたびはご参加いただき、誠にありがとうございました。\n\
             今後の運営の参考とするため、下記のアンケートにご協力をお願いいたします。\n\n\
             https://forms.school.example.jp/open-campus\n\n回答期限:9月29日(金)\n\n例示高等学校 教頭 内藤\n",
        )
        .finish();
    Incident {
        id: "uji-to",
        title: Words { en: "421 applicants in To", ja: "申込者421名のアドレスをToに入れて一斉送信" },
        what: Words {
            en: "A school's deputy head asks 421 course applicants to fill in an enquête, with all their addresses in To.",
            ja: "学校の教頭が、講座の申込者421名全員のアドレスをToに入れたままアンケートの依頼を送った。",
        },
        date: "2023-09-19",
        mails: vec![mail],
        expect: Expect::of(Outcome::HoldSender, &["visible-addresses"]).visible_external(421),
    }
}

fn recalls() -> Vec<Incident> {
    let letter = |subject: String| {
        Letter::new(Program::Outlook, DEPUTY_HEAD, "Tue, 26 Sep 2023 09:05:00 +0900", &subject)
            .to(applicants("uji", 421))
    };
    let subject = format!("取り消し: {ENQUETE}");
    let stream = tnef::message("IPM.Outlook.Recall", &Charset::Cp932.encode(&subject));
    let attached = letter(subject.clone())
        .field("X-MS-TNEF-Correlator: <0123456789abcdef@school.example.jp>")
        .text("")
        .html("")
        .attach("winmail.dat", stream)
        .finish();
    let japanese = letter(subject).text(&format!("教頭 内藤 は、メッセージ \"{ENQUETE}\" を取り消します。\n")).finish();
    let english = letter(format!("Recall: {ENQUETE}"))
        .text(&format!("Naito would like to recall the message, \"{ENQUETE}\".\n"))
        .finish();
    [("uji-recall", attached), ("uji-recall-ja", japanese), ("uji-recall-en", english)]
        .into_iter()
        .map(|(id, mail)| Incident {
            id,
            title: Words { en: "Recalling a mail outside", ja: "社外に送ったメールの「取り消し」" },
            what: Words {
                en: "A week later he uses Outlook's recall: 421 recall mails show all 421 addresses once more, and remove nothing.",
                ja: "1週間後、Outlookの「メッセージの取り消し」を使い、421件の取り消しメールで全員のアドレスが再び見えた。何も取り消されない。",
            },
            date: "2023-09-26",
            mails: vec![mail],
            expect: Expect::of(Outcome::Block, &["recall-outside"]).visible_external(421),
        })
        .collect()
}

fn niigata() -> Incident {
    let students: Vec<String> =
        Roster::new("niigata").born(2002, 2005).take(18 * 7).map(|person| person.email()).collect();
    let mails = students
        .chunks(7)
        .zip(1..)
        .map(|(seven, number)| {
            let letter = Letter::new(
                Program::Gmail,
                ("学務係", "gakumu@univ.example.jp"),
                &format!("Mon, {:02} Jun 2023 10:{:02}:00 +0900", 5 + number % 4 * 7, 10 + number),
                &format!("第{number}回ゼミ面談の日程について"),
            );
            // Half of them stand in To, half in Cc: each can be seen either way.
            letter
                .to(seven[..3].to_vec())
                .cc(seven[3..].to_vec())
                .text("各位\n\n面談の候補日を別紙のとおり調整しています。\n都合のよい時間帯を今週中にご返信ください。\n\n学務係\n")
                .finish()
        })
        .collect();
    Incident {
        id: "niigata",
        title: Words { en: "The same small error 18 times", ja: "同じ小さな誤りが18回" },
        what: Words {
            en: "Seven students see each other's private addresses; the same sender had done it 18 times in six months.",
            ja: "学生7名が互いの個人アドレスを見られる状態のメールを、同じ送信者が半年間に18回送っていた。",
        },
        date: "2023",
        mails,
        expect: Expect::of(Outcome::HoldSender, &["visible-personal-addresses"])
            .repeated(&["visible-addresses-repeated"])
            .visible_external(18 * 7),
    }
}

fn saga() -> Incident {
    let all = applicants("saga", 1_622);
    let mails = all
        .chunks(406)
        .zip(0..)
        .map(|(part, number)| {
            Letter::new(
                Program::Becky,
                ("イベント事務局", "event@pref.example.jp"),
                &format!("Fri, 10 Nov 2023 13:{:02}:00 +0900", 5 + number * 12),
                "当日のご案内",
            )
            .to(part.to_vec())
            .text("ご応募いただいた皆様\n\n当日の集合場所と持ち物をお知らせします。\n\n集合:9時30分 正面入口\n持ち物:飲み物、帽子\n\nイベント事務局\n")
            .finish()
        })
        .collect();
    Incident {
        id: "saga",
        title: Words { en: "1,622 addresses in four mails", ja: "1,622件のアドレスを4通に分けて送信" },
        what: Words {
            en: "Four near-identical mails within an hour show about 400 addresses each.",
            ja: "1時間のうちに約400件ずつ、ほぼ同じ内容の4通で、合計1,622件のアドレスが互いに見える状態になった。",
        },
        date: "2023",
        mails,
        expect: Expect::of(Outcome::HoldSender, &["visible-addresses"])
            .repeated(&["visible-addresses-repeated"])
            .visible_external(1_622),
    }
}

fn gmai() -> Incident {
    let locals: Vec<String> = Roster::new("gmai")
        .take(4)
        .map(|person: Person| person.email().split('@').next().unwrap_or_default().to_owned())
        .collect();
    let mails: Vec<Outgoing> = ["gmai.com", "yaho.co.jp", "docomo.co.jp", "gmial.com"]
        .iter()
        .zip(&locals)
        .map(|(domain, local)| {
            Letter::new(
                Program::Outlook,
                ("教務課", "kyomu@univ.example.jp"),
                "Wed, 06 Jul 2022 11:30:00 +0900",
                "実習の資料について",
            )
            .to([format!("{local}@{domain}")])
            .text("先日お話しした実習の資料の件です。\n印刷が終わりましたので、受け取り方法をお知らせください。\n\n教務課\n")
            .finish()
        })
        .collect();
    Incident {
        id: "gmai",
        title: Words {
            en: "A look-alike domain", ja: "よく似たドメインへの誤送信(ドッペルゲンガードメイン)"
        },
        what: Words {
            en: "For months mails went to gmai.com instead of gmail.com, and somebody received them.",
            ja: "gmail.comの打ち間違いであるgmai.comに、何か月もメールが送られ、受信されていた。",
        },
        date: "2022",
        mails,
        expect: Expect::of(Outcome::HoldSender, &["lookalike-domain"]),
    }
}
