//! Everyday correspondence that must pass: signatures, quoted threads, the recipient's own data, partners, colleagues.
//! It refuses to be easy: each mail has something that a careless detector takes for a leak.

use super::super::fixtures::letter::{Letter, Outgoing, Program, escaped};
use super::super::fixtures::people::{Person, Roster};
use super::super::fixtures::picture;
use super::super::fixtures::xlsx::{Book, Cell, Strings};
use super::{Incident, Words, ordinary, rosters};

/// The mails of this file.
pub fn mails() -> Vec<Incident> {
    vec![
        signature(),
        thread(),
        own_data(),
        partners(),
        colleagues(),
        mentions(),
        undisclosed(),
        short(),
        acquaintance(),
    ]
}

const SIGNATURE: &str = "\
--------------------------------------------------
例示市役所 総務部 総務課 庶務係
主査 山内 直樹(やまうち なおき)
〒522-0001 滋賀県彦根市元町4番2号
TEL:0749-22-1411(内線215) FAX:0749-22-1398
携帯:090-2345-6701
E-mail:yamauchi.naoki@city.example.jp
https://www.city.example.jp/
--------------------------------------------------
";

fn from_office(program: Program, subject: &str) -> Letter {
    Letter::new(program, ("山内 直樹", "yamauchi.naoki@city.example.jp"), "Wed, 11 Oct 2023 10:12:00 +0900", subject)
}

fn signature() -> Incident {
    let text = format!(
        "株式会社サンプル印刷\n営業部 樋口様\n\nいつもお世話になっております。例示市役所の山内です。\n\n\
         先日ご提案いただいた広報紙の件、課内で検討いたしました。\n紙質は案2でお願いしたく存じます。\n\
         お手数ですが、10月20日(金)までに校正刷りをお送りください。\n\n何卒よろしくお願いいたします。\n\n{SIGNATURE}"
    );
    let logo = format!(
        "<p>{}</p><p><img src=\"cid:image001.png\" width=\"120\" height=\"40\" alt=\"例示市\"></p>",
        text.lines().map(escaped).collect::<Vec<_>>().join("<br>\n")
    );
    let mails = [Program::Becky, Program::Outlook, Program::Gmail, Program::Thunderbird, Program::Telephone]
        .into_iter()
        .map(|program| {
            from_office(program, "広報紙の紙質について").to(["樋口様 <higuchi@print.example.com>"]).text(&text).finish()
        })
        .chain(std::iter::once(
            from_office(Program::Outlook, "広報紙の紙質について")
                .to(["higuchi@print.example.com"])
                .text(&text)
                .html(&logo)
                .picture("image001.png", picture::png("logo", 120, 40))
                .finish(),
        ))
        .collect();
    ordinary(
        "signature",
        Words { en: "A signature block", ja: "署名のあるメール" },
        Words {
            en: "The sender's own name, address and telephones below an ordinary mail, from five mail programs, once with a logo.",
            ja: "通常の連絡の末尾に、送信者自身の氏名・住所・電話番号がある。5種類のメールソフトとロゴ画像付き。",
        },
        mails,
    )
}

fn thread() -> Incident {
    let quoted = "\
> 例示市役所 総務課\n> 山内様\n>\n> お世話になっております。サンプル印刷の樋口です。\n> 校正刷りをお送りしました。ご確認ください。\n>\n\
> ==============================\n> 株式会社サンプル印刷 営業部\n> 樋口 康弘\n> 〒604-0001 京都府京都市中京区元町18-3\n\
> TEL 075-221-3344 / FAX 075-221-3345\n> mobile 080-3456-7812\n> higuchi@print.example.com\n> ==============================\n>\n\
>> 山内です。納期は10月末で問題ありません。\n>> --\n>> 例示市役所 総務課 山内 直樹\n>> 0749-22-1411\n";
    let text = format!(
        "樋口様\n\n山内です。校正刷りを確認しました。\n2ページの見出しのみ修正をお願いします。\n\n{SIGNATURE}\n2023/10/18 14:02、樋口 康弘のメール:\n{quoted}"
    );
    let outlook = format!(
        "樋口様\n\n山内です。承知しました。\n\n{SIGNATURE}\nFrom: 樋口 康弘 <higuchi@print.example.com>\nSent: Wednesday, October 18, 2023 2:02 PM\n\
         To: 山内 直樹 <yamauchi.naoki@city.example.jp>\nCc: 服部 恵 <hattori@print.example.com>\nSubject: 校正刷りの送付\n\n{}",
        quoted.lines().map(|line| line.trim_start_matches(['>', ' ']).to_owned() + "\n").collect::<String>()
    );
    ordinary(
        "quoted-thread",
        Words { en: "A reply with the thread below it", ja: "やり取りの引用を含む返信" },
        Words {
            en: "Two other people's signature blocks stand in the quoted part; both are in the conversation.",
            ja: "引用部分に、やり取りの相手2名の署名が含まれる。",
        },
        vec![
            from_office(Program::Thunderbird, "Re: 校正刷りの送付")
                .to(["樋口 康弘 <higuchi@print.example.com>"])
                .cc(["服部 恵 <hattori@print.example.com>"])
                .text(&text)
                .finish(),
            from_office(Program::Outlook, "RE: 校正刷りの送付")
                .to(["樋口 康弘 <higuchi@print.example.com>"])
                .text(&outlook)
                .finish(),
        ],
    )
}

/// Mails to a citizen about himself.
fn own_data() -> Incident {
    let citizen = Roster::new("applicant").born(1985, 1990).take(1).collect::<Vec<Person>>();
    let mails = citizen
        .iter()
        .flat_map(|p| {
            let (name, email) = (p.name(), p.email());
            let form = format!(
                "氏名:{name}\nフリガナ:{}\n住所:〒{} {}\n電話番号:{}\n生年月日:{}\nメールアドレス:{email}\n講座:はじめての陶芸(全4回)\n",
                p.kana(),
                p.postal_code(),
                p.address(),
                p.mobile(),
                p.birth.japanese()
            );
            let quoted: String = form.lines().map(|line| format!("> {line}\n")).collect();
            let to = format!("{name} <{email}>");
            [
                from_office(Program::Becky, "講座のお申し込みを受け付けました")
                    .to([to.clone()])
                    .field("Auto-Submitted: auto-replied")
                    .text(&format!("{name} 様\n\n以下の内容でお申し込みを受け付けました。\n\n{form}\n{SIGNATURE}"))
                    .finish(),
                from_office(Program::Gmail, "Re: 講座の申込みについて")
                    .to([to])
                    .text(&format!("{name} 様\n\nお申し込みありがとうございます。\n当日は10分前までにお越しください。\n\n{SIGNATURE}\n{quoted}"))
                    .finish(),
            ]
        })
        .collect();
    ordinary(
        "own-data",
        Words { en: "The recipient's own data", ja: "宛先本人の情報" },
        Words {
            en: "A receipt and a reply that quote the name, address, telephone and birth date of the citizen they go to.",
            ja: "申込者本人あての受付確認と返信。本人の氏名・住所・電話・生年月日を引用している。",
        },
        mails,
    )
}

fn partners() -> Incident {
    let team: Vec<Person> = Roster::new("partners").born(1970, 1998).take(12).collect();
    let address = |p: &Person| p.email().split('@').next().unwrap_or_default().to_owned() + "@partner.example.com";
    let tasks = Book::new(Strings::Shared)
        .sheet("WBS")
        .title_row("次期システム構築 作業計画", 5)
        .texts(&["No.", "作業", "担当", "開始", "終了"])
        .rows((1..).zip(&team).map(|(number, p): (u16, _)| {
            let day = |n: u16| super::super::fixtures::birth::Date { year: 2023, month: 10, day: (n % 28 + 1) as u8 };
            vec![
                Cell::Number(u64::from(number)),
                format!("工程{number} 設計").into(),
                p.family().into(),
                day(number).into(),
                day(number + 7).into(),
            ]
        }))
        .finish();
    ordinary(
        "partners",
        Words { en: "A project with partners", ja: "協力会社とのプロジェクトメール" },
        Words {
            en: "Twelve people at an allow-listed partner see each other and a plan with their family names.",
            ja: "許可リストの協力会社12名が互いに見える宛先と、担当者の姓が入った作業計画。",
        },
        vec![
            from_office(Program::Outlook, "【次期システム】作業計画の更新")
                .to(team.iter().map(|p| format!("{}様 <{}>", p.family(), address(p))))
                .cc(["joho@city.example.jp", "somu@city.example.jp"])
                .text(&format!("各位\n\n作業計画を更新しました。担当欄をご確認ください。\n\n{SIGNATURE}"))
                .attach("作業計画.xlsx", tasks)
                .finish(),
            from_office(Program::Gmail, "明日の定例について")
                .to(team[..5].iter().map(address))
                .text("各位\n\n明日の定例は15時開始に変更します。\n会議室はこちらで押さえました。\n\n山内\n")
                .finish(),
        ],
    )
}

fn colleagues() -> Incident {
    let book = Book::new(Strings::Shared)
        .sheet("受講者")
        .texts(&["氏名", "所属", "生年月日", "電話番号", "住所"])
        .rows(
            Roster::new("colleagues inside")
                .take(300)
                .map(|p| vec![p.name().into(), "総務課".into(), p.birth.into(), p.mobile().into(), p.address().into()]),
        )
        .finish();
    ordinary(
        "inside",
        Words { en: "A roster to a colleague", ja: "組織内の同僚への名簿" },
        Words {
            en: "300 people with addresses and birth dates, to two addresses inside the organisation only.",
            ja: "300人分の住所・生年月日を含む名簿。宛先は組織内の2名だけ。",
        },
        vec![
            from_office(Program::Outlook, "研修受講者名簿")
                .to(["jinji@city.example.jp"])
                .cc(["kenshu@pref.example.jp"])
                .text("受講者名簿です。取扱いにご注意ください。\n")
                .attach("受講者名簿.xlsx", book)
                .finish(),
        ],
    )
}

fn mentions() -> Incident {
    let letter = |program, subject: &str, text: &str| {
        from_office(program, subject)
            .to(["樋口様 <higuchi@print.example.com>"])
            .text(&format!("{text}\n{SIGNATURE}"))
            .finish()
    };
    let mails: Vec<Outgoing> = vec![
        letter(
            Program::Becky,
            "マイナンバー確認書類のご提出について",
            "報酬のお支払いに伴い、マイナンバー(個人番号)の確認が必要です。\n通知カードまたは個人番号カードの写しは、メールに添付せず、\
             簡易書留でお送りください。\n個人番号は12桁の数字です。記入欄:□□□□-□□□□-□□□□\n",
        ),
        letter(
            Program::Outlook,
            "パスワードの再設定のお願い",
            "共有サイトのパスワードは90日ごとに変更してください。\nパスワードは8文字以上とし、IDと同じ文字列は使えません。\n\
             パスワードを忘れた場合は、画面の「再設定」を押してください。\n",
        ),
        letter(
            Program::Gmail,
            "広報紙12月号の原稿(福祉特集)",
            "特集は生活保護制度、障害者手帳、介護保険の3本立てです。\n「相談することは権利です」という見出しを1面に置きます。\n\
             健康診断の受診率、がん検診の案内も掲載します。\n",
        ),
        letter(
            Program::Thunderbird,
            "会議資料の事前送付",
            "資料は当日配布します。なお、このメールには秘密情報が含まれる場合があります。\n誤って受信された場合は、破棄のうえご連絡ください。\n\
             This e-mail may contain confidential information intended only for the addressee.\n",
        ),
        letter(
            Program::Becky,
            "申込書の記入例",
            "申込書は次の例にならってご記入ください。\n\n【記入例】\n氏名:見本 太郎\n住所:○○県○○市○○町1-2-3\n電話番号:090-XXXX-XXXX\n\
             生年月日:昭和  年  月  日\n口座番号:(右詰めで7桁)\n",
        ),
    ];
    ordinary(
        "mentions",
        Words { en: "Talking about it is not leaking it", ja: "話題にしているだけ" },
        Words {
            en: "My Numbers, passwords, welfare and confidentiality as subjects of circulars, blanks and filling examples.",
            ja: "マイナンバー、パスワード、福祉、秘密情報という言葉が、案内文・記入欄・記入例に出てくるだけ。",
        },
        mails,
    )
}

fn undisclosed() -> Incident {
    let readers: Vec<String> = Roster::new("readers").take(120).map(|p| p.email()).collect();
    ordinary(
        "bcc",
        Words { en: "Many readers, properly in Bcc", ja: "Bccでの一斉案内" },
        Words {
            en: "120 private addresses in the envelope only; the header shows the office's own address.",
            ja: "120件の個人アドレスはBccだけにあり、Toには部署のアドレスだけが見える。",
        },
        vec![
            from_office(Program::Outlook, "市民講座のご案内(11月)")
                .to(["koza@city.example.jp"])
                .bcc(readers)
                .text(&format!("受講者の皆様\n\n11月の講座をご案内します。\n・11月4日(土) 秋の寄せ植え\n・11月18日(土) 防災教室\n\n{SIGNATURE}"))
                .finish(),
        ],
    )
}

fn short() -> Incident {
    ordinary(
        "short",
        Words { en: "A line or two", ja: "短い連絡" },
        Words {
            en: "One-line replies, in Japanese and in English, one to a private mailbox.",
            ja: "1、2行の返信。英文と、個人アドレスあてを含む。",
        },
        vec![
            from_office(Program::Telephone, "Re: 集合時間").to(["hattori@print.example.com"]).text("了解しました。9時に正面玄関で。\n").finish(),
            from_office(Program::Gmail, "Re: Samples")
                .to(["Anna Lindqvist <anna@paper.example.com>"])
                .text("Dear Anna,\n\nThank you for the samples. We will let you know by Friday.\n\nBest regards,\nNaoki Yamauchi\nGeneral Affairs, City of Example\n+81-749-22-1411\n")
                .finish(),
            from_office(Program::Telephone, "お忘れ物の件")
                .to(["koto.iwata0812@docomo.ne.jp"])
                .text("傘をお預かりしています。平日の8時30分から17時まで、総務課窓口でお受け取りください。\n")
                .finish(),
        ],
    )
}

fn acquaintance() -> Incident {
    ordinary(
        "one-person",
        Words { en: "One person's address to a firm", ja: "1名の住所を業者へ連絡" },
        Words {
            en: "One name and address, to a company that delivers there: recorded, not stopped.",
            ja: "配送を依頼する業者に、1名の氏名と住所を伝える。記録はするが止めない。",
        },
        vec![rosters::one_acquaintance("dispatch@delivery.example.com")],
    )
}
