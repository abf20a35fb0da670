//! Made-up held mails and a voice, for the tests of notices and pages.
//! It refuses real persons and real organisations.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of it, and a scene that cannot be set is a failed test"
)]

use jiff::tz::TimeZone;
use sekisho::address::{Address, DomainSet};
use sekisho::detect::{Confidence, Count, Finding, Kind, Persons};
use sekisho::extract::{Attachment, Unreadable, Why};
use sekisho::facts::Facts;
use sekisho::id::MailId;
use sekisho::mail::envelope::{Client, MailParameters, Recipient};
use sekisho::notice::{Author, Language, LinkKey, Voice};
use sekisho::rules::verdict::{Bilingual, Decider, HoldTerms, Match, OnExpiry, Outcome, Reason, Repair, Verdict};
use sekisho::store::{HeldMail, MailKey, State};

/// 2026-11-21 18:00 in Tokyo.
pub const RECEIVED: u64 = 1_795_251_600_000;
pub const DAY: u64 = 24 * 3_600_000;
pub const SENDER: &str = "kyoto@school.example.jp";
pub const APPROVER: &str = "kacho@school.example.jp";
pub const DEPUTY: &str = "buchou@school.example.jp";
/// A recipient whom To and Cc do not show.
pub const HIDDEN: &str = "hidden.person@mail.test";
/// A value that a detector found; it must never be seen.
pub const VALUE: &str = "621498320257";

pub fn id(number: u8) -> MailId {
    MailId::new(RECEIVED, [0, 0, 0, 0, 0, 0, 0, 0, 0, number])
}

pub fn voice(languages: &[Language]) -> Voice {
    Voice {
        author: Author::new("関所（メール送信前の確認）", "postmaster@school.example.jp").unwrap(),
        base_url: "https://guard.example.jp".to_owned(),
        languages: languages.to_vec(),
        zone: TimeZone::get("Asia/Tokyo").unwrap(),
        internal: DomainSet::new(["school.example.jp"]),
        contact: Bilingual {
            ja: "教育委員会 情報担当（内線 1234）".to_owned(),
            en: "the IT desk of the board of education (ext. 1234)".to_owned(),
        },
        admins: vec![Address::new("admin@school.example.jp")],
        key: LinkKey::new(&[7; 32]),
    }
}

pub fn terms(decider: Decider, repairs: &[Repair]) -> HoldTerms {
    HoldTerms {
        decider,
        repairs: repairs.to_vec(),
        approvers: Vec::new(),
        approvals: 1,
        escalate: Vec::new(),
        expires_ms: DAY,
        on_expiry: OnExpiry::Return,
    }
}

pub fn found(rule: &str, ja: &str, en: &str, outcome: Outcome, reasons: &[(&str, &str, &str)]) -> Match {
    let reason = |(key, wanted, found): &(&str, &str, &str)| Reason {
        key: (*key).to_owned(),
        wanted: (*wanted).to_owned(),
        found: (*found).to_owned(),
    };
    Match {
        rule: rule.to_owned(),
        title: Bilingual { ja: ja.to_owned(), en: en.to_owned() },
        outcome,
        observed: false,
        reasons: reasons.iter().map(reason).collect(),
    }
}

pub fn held(number: u8, subject: &str, to: &[String], bcc: &[&str], verdict: Verdict) -> HeldMail {
    let visible: Vec<Address> = to.iter().map(|address| Address::new(address)).collect();
    let all: Vec<&str> = to.iter().map(String::as_str).chain(bcc.iter().copied()).collect();
    HeldMail {
        id: id(number),
        key: MailKey(format!("{number:064x}")),
        state: State::Held,
        client: Client {
            helo: "pc.school.example.jp".to_owned(),
            esmtp: true,
            tls: true,
            ..Client::new("192.0.2.7".parse().unwrap())
        },
        sender: Some(Address::new(SENDER)),
        parameters: MailParameters::default(),
        recipients: all.iter().map(|address| Recipient::new(address)).collect(),
        facts: Facts {
            sender: Some(Address::new(SENDER)),
            header_from: vec![Address::new(SENDER)],
            recipients: all.iter().map(|address| Address::new(address)).collect(),
            visible,
            subject: subject.to_owned(),
            headers: vec![("message-id".to_owned(), "<enquete.421@school.example.jp>".to_owned())],
            ..Facts::default()
        },
        findings: Vec::new(),
        expires_ms: RECEIVED + verdict.hold.as_ref().map_or(DAY, |terms| terms.expires_ms),
        verdict,
        created_ms: RECEIVED,
        decision: None,
        approvals: Vec::new(),
        approved_repair: None,
        escalated: 0,
        revision: 0,
    }
}

/// A school's enquête with 421 addresses in To.
pub fn enquete() -> HeldMail {
    let to: Vec<String> = (1..=421).map(|number| format!("applicant{number}@mail.test")).collect();
    let verdict = Verdict {
        outcome: Outcome::HoldSender,
        matches: vec![found(
            "visible-addresses",
            "社外の方のアドレスが、お互いに見える状態です",
            "Many outside addresses can see each other",
            Outcome::HoldSender,
            &[("visible_external", ">= 10", "421")],
        )],
        hold: Some(terms(Decider::Sender, &[Repair::Bcc, Repair::Individual, Repair::Cancel])),
        ..Verdict::default()
    };
    held(1, "アンケートのお願い", &to, &[], verdict)
}

fn finding(kind: Kind, confidence: Confidence, place: &str, masked: &str) -> Finding {
    Finding { kind, confidence, place: place.to_owned(), masked: masked.to_owned(), value: Some(VALUE.to_owned()) }
}

/// Lists of pupils to one visible and one hidden outside address, for an approver.
pub fn roster() -> HeldMail {
    let mut terms = terms(Decider::Approver, &[Repair::AsIs, Repair::Cancel]);
    terms.approvers = vec![APPROVER.to_owned(), SENDER.to_owned()];
    terms.escalate = vec![sekisho::rules::verdict::Escalation { after_ms: DAY / 6, to: vec![DEPUTY.to_owned()] }];
    terms.expires_ms = 3 * DAY;
    let verdict = Verdict {
        outcome: Outcome::HoldApprover,
        matches: vec![
            found(
                "bulk-personal-data",
                "多くの方の個人情報が社外に送られます",
                "Personal data of many people is sent outside",
                Outcome::HoldApprover,
                &[("to", "external", "2 / 3"), ("persons", ">= 50", "69"), ("data.my_number", ">= 1", "2")],
            ),
            found(
                "unreadable",
                "中を確認できないファイルがあります",
                "A file could not be checked",
                Outcome::HoldSender,
                &[("unreadable", "any", "encrypted, image")],
            ),
        ],
        hold: Some(terms),
        notify: vec!["privacy@school.example.jp".to_owned(), APPROVER.to_owned()],
        ..Verdict::default()
    };
    let to = ["office@school.example.jp".to_owned(), "manabu@partner.test".to_owned()];
    let mut mail = held(2, "給食費の口座振替結果について", &to, &[HIDDEN], verdict);
    let facts = &mut mail.facts;
    facts.persons = Persons { total: 69, sensitive: 0, financial: 69, estimated: false };
    facts.data.insert(Kind::MyNumber, Count { weak: 2, likely: 2, certain: 2 });
    facts.data.insert(Kind::BankAccount, Count { weak: 28, likely: 28, certain: 28 });
    facts.data.insert(Kind::Name, Count { weak: 80, likely: 69, certain: 60 });
    facts.data.insert(Kind::Phone, Count { weak: 3, likely: 0, certain: 0 });
    let file = |path: &str, kind: &str, bytes| Attachment {
        path: path.to_owned(),
        kind: kind.to_owned(),
        bytes,
        disguised: false,
        macros: false,
    };
    facts.attachments = vec![
        file("振替結果.xlsx", "xlsx", 48_213),
        file("名簿.zip", "zip", 1_310_720),
        file("名簿.zip!5年生.xlsx", "xlsx", 20_000),
    ];
    facts.unreadable = vec![
        Unreadable { path: "名簿.zip!090-1234-5678.xlsx".to_owned(), why: Why::Encrypted },
        Unreadable { path: "写真.jpg".to_owned(), why: Why::Image },
    ];
    mail.findings = vec![
        finding(Kind::MyNumber, Confidence::Certain, "振替結果.xlsx!Sheet1!C12", "62**********"),
        finding(Kind::MyNumber, Confidence::Certain, "振替結果.xlsx!Sheet1!C13", "11**********"),
        finding(Kind::BankAccount, Confidence::Certain, "振替結果.xlsx!Sheet1!F4", "普通 12*****"),
        finding(Kind::BankAccount, Confidence::Certain, "振替結果.xlsx!Sheet1!F5", "普通 98*****"),
        finding(Kind::Name, Confidence::Likely, "振替結果.xlsx!Sheet1!B4", "山** 太*"),
        finding(Kind::Name, Confidence::Likely, "body line 3", "鈴* 花*"),
        finding(Kind::Phone, Confidence::Weak, "body line 8", "090-****-**78"),
    ];
    mail
}

/// A mail that leaves by itself; its inside recipient has it already.
pub fn delayed() -> HeldMail {
    let mut terms = terms(Decider::Nobody, &[]);
    terms.expires_ms = 300_000;
    let verdict = Verdict {
        outcome: Outcome::Delay,
        matches: vec![found(
            "outside-delay",
            "社外へのメールは5分後に送信されます",
            "Mail to other organisations leaves after five minutes",
            Outcome::Delay,
            &[("to", "external", "1 / 2")],
        )],
        hold: Some(terms),
        ..Verdict::default()
    };
    let to = ["office@school.example.jp".to_owned(), "manabu@partner.test".to_owned()];
    let mut mail = held(3, "打合せの件", &to, &[], verdict);
    mail.recipients.remove(0);
    mail
}
