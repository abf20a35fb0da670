//! Notices as people get them: golden mails, who is told, and what must never stand in one.
//! It refuses to accept a changed sentence silently: `UPDATE_GOLDEN=1 cargo test --test notice` writes the files, a person reads the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]

#[path = "notice/scene.rs"]
mod scene;

use mail_parser::{Message, MessageParser};
use proptest::prelude::*;
use scene::{
    APPROVER, DAY, DEPUTY, HIDDEN, RECEIVED, SENDER, VALUE, delayed, enquete, found, held, id, roster, terms, voice,
};
use sekisho::address::Address;
use sekisho::detect::{Confidence, Finding, Kind};
use sekisho::facts::MailKind;
use sekisho::notice::errand::errands;
use sekisho::notice::text::letter::why_stopped;
use sekisho::notice::{Errand, Event, Language, Letter, Role, Voice, write};
use sekisho::rules::example::Input;
use sekisho::rules::verdict::{Decider, OnExpiry, Outcome, Repair, Rewriting, Verdict};
use sekisho::rules::{compile, evaluate, shipped};
use sekisho::store::{About, Actor, Decision, HeldMail, Notice, NoticeKind, State};
use std::fmt::Write as _;
use std::path::Path;

const BOTH: [Language; 2] = [Language::Ja, Language::En];

fn letter(voice: &Voice, event: &Event<'_>, to: &str, role: Role) -> Letter {
    let errand = Errand { to: Address::new(to), role };
    write(voice, event, &errand, &id(99), RECEIVED + 60_000).unwrap().expect("there is something to say")
}

fn text(message: &Message<'_>) -> String {
    message.body_text(0).unwrap().replace("\r\n", "\n")
}

/// The mail as its reader sees it: the header fields that matter, decoded, and the text.
fn readable(letter: &Letter) -> String {
    let message = MessageParser::new().parse(&letter.bytes).unwrap();
    let raw = String::from_utf8(letter.bytes.clone()).unwrap();
    let mut out = String::new();
    for name in [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "Content-Language",
        "Content-Type",
    ] {
        let value = match name {
            "Subject" => message.subject().map(str::to_owned),
            "From" => message
                .from()
                .and_then(|from| from.first())
                .map(|from| format!("{} <{}>", from.name().unwrap_or_default(), from.address().unwrap_or_default())),
            _ => raw
                .split("\r\n")
                .take_while(|line| !line.is_empty())
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned)),
        };
        if let Some(value) = value {
            let _ = writeln!(out, "{name}: {value}");
        }
    }
    format!("{out}\n{}", text(&message))
}

fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notice/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name} differs; read it, then UPDATE_GOLDEN=1");
}

fn decided(mut mail: HeldMail, state: State, by: Actor, repair: Option<Repair>, comment: &str) -> HeldMail {
    mail.state = state;
    mail.decision = Some(Decision { by, repair, comment: comment.to_owned(), at_ms: RECEIVED + 3_600_000 });
    mail
}

fn recall() -> About {
    let verdict = Verdict {
        outcome: Outcome::Block,
        matches: vec![found(
            "recall",
            "社外に送ったメールは取り消せません",
            "Mail sent to others cannot be recalled",
            Outcome::Block,
            &[("mail_kind", "recall", "recall")],
        )],
        block_by_notice: true,
        notify: vec!["privacy@school.example.jp".to_owned()],
        ..Verdict::default()
    };
    let to: Vec<String> = (1..=421).map(|number| format!("applicant{number}@mail.test")).collect();
    let mut mail = held(4, "取り消し: アンケートのお願い", &to, &[], verdict);
    mail.facts.mail_kind.insert(MailKind::Recall);
    About { sender: mail.sender, facts: mail.facts, findings: Vec::new(), verdict: mail.verdict, created_ms: RECEIVED }
}

fn notice(kind: NoticeKind, about: Option<About>) -> Notice {
    Notice { id: id(50), mail: id(4), kind, asked: vec![DEPUTY.to_owned()], about, attempts: 1 }
}

#[test]
fn letters_read_as_written_down() {
    let approver = || Actor::Approver(APPROVER.to_owned());
    let sender = || Actor::Sender(SENDER.to_owned());
    let (enquete, roster, delayed) = (enquete(), roster(), delayed());
    let bcc = decided(enquete.clone(), State::Released, sender(), Some(Repair::Bcc), "");
    let single = decided(enquete.clone(), State::Releasing, sender(), Some(Repair::Individual), "");
    let as_is = decided(roster.clone(), State::Released, approver(), Some(Repair::AsIs), "");
    let returned = decided(
        roster.clone(),
        State::Returned,
        approver(),
        None,
        "パスワードを付けて、保護者ごとに分けてください。\nBcc: x@y.test",
    );
    let cancelled = decided(enquete.clone(), State::Cancelled, sender(), None, "");
    let expired = decided(enquete.clone(), State::Expired, Actor::Expiry, None, "");
    let blocked = notice(NoticeKind::Blocked, Some(recall()));
    let deputies = [DEPUTY.to_owned()];
    let mut escalated = roster.clone();
    escalated.escalated = 1;
    let cases = [
        ("hold-sender", Event::Held(&enquete), SENDER, Role::Sender),
        ("hold-approver", Event::Held(&roster), APPROVER, Role::Approver),
        ("hold-deputy", Event::Escalated(&escalated, &deputies), DEPUTY, Role::Approver),
        ("hold-sender-waits-for-approver", Event::Held(&roster), SENDER, Role::Sender),
        ("hold-informed", Event::Held(&roster), "privacy@school.example.jp", Role::Informed),
        ("hold-admin", Event::Held(&roster), "admin@school.example.jp", Role::Admin),
        ("delay", Event::Held(&delayed), SENDER, Role::Sender),
        ("released-bcc", Event::Decided(&bcc), SENDER, Role::Sender),
        ("releasing-individual", Event::Decided(&single), SENDER, Role::Sender),
        ("released-as-is", Event::Decided(&as_is), SENDER, Role::Sender),
        ("returned", Event::Decided(&returned), SENDER, Role::Sender),
        ("cancelled", Event::Decided(&cancelled), SENDER, Role::Sender),
        ("expired", Event::Decided(&expired), SENDER, Role::Sender),
        ("blocked-recall", Event::due(&blocked, None).unwrap(), SENDER, Role::Sender),
        ("blocked-informed", Event::due(&blocked, None).unwrap(), "privacy@school.example.jp", Role::Informed),
    ];
    for (name, event, to, role) in &cases {
        let letter = letter(&voice(&BOTH), event, to, *role);
        golden(&format!("{name}.txt"), &readable(&letter));
    }
    let html = letter(&voice(&BOTH), &Event::Held(&enquete), SENDER, Role::Sender);
    let message = MessageParser::new().parse(&html.bytes).unwrap();
    golden("hold-sender.html", &message.body_html(0).unwrap().replace("\r\n", "\n"));
    let english = letter(&voice(&[Language::En, Language::Ja]), &Event::Held(&enquete), SENDER, Role::Sender);
    golden("hold-sender.en-first.txt", &readable(&english));
    let alone = letter(&voice(&[Language::Ja]), &Event::Held(&enquete), SENDER, Role::Sender);
    golden("hold-sender.ja-only.txt", &readable(&alone));
}

#[test]
fn the_first_sentence_says_that_nothing_was_sent_and_to_whom_it_was() {
    let first = |mail: &HeldMail, languages: &[Language]| {
        let letter = letter(&voice(languages), &Event::Held(mail), SENDER, Role::Sender);
        let message = MessageParser::new().parse(&letter.bytes).unwrap();
        text(&message).lines().next().unwrap().to_owned()
    };
    assert_eq!(first(&enquete(), &[Language::Ja]), "このメールは、まだどなたにも送信されていません。");
    assert_eq!(first(&enquete(), &[Language::En]), "This mail has not been sent to anybody yet.");
    assert_eq!(
        first(&delayed(), &[Language::Ja]),
        "このメールは、宛先のうち1件にはまだ送信されていません（ほかの1件には、先に送信の手続きをしました）。"
    );
}

#[test]
fn both_forms_say_the_same() {
    for (event, to, role) in [
        (Event::Held(&enquete()), SENDER, Role::Sender),
        (Event::Held(&roster()), APPROVER, Role::Approver),
        (Event::Held(&roster()), "privacy@school.example.jp", Role::Informed),
    ] {
        let letter = letter(&voice(&BOTH), &event, to, role);
        let message = MessageParser::new().parse(&letter.bytes).unwrap();
        assert!(message.parts[0].is_multipart() && message.parts.len() == 3);
        let html = message.body_html(0).unwrap();
        let mut bare = String::new();
        let mut inside = false;
        for char in html.chars() {
            match char {
                '<' => inside = true,
                '>' => inside = false,
                other if !inside => bare.push(other),
                _ => {}
            }
        }
        let bare = bare.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
        for line in text(&message).lines().filter(|line| !line.starts_with(['─', '(', '（'])) {
            let line = line.trim_start_matches(['■', '・', '-', ' ']);
            // Names and values of the table stand in cells of their own.
            let pieces: Vec<&str> = if bare.contains(line) { vec![line] } else { line.split([':', '：']).collect() };
            for piece in pieces {
                assert!(bare.contains(piece.trim()), "{piece:?} of {line:?} is not in the HTML form");
            }
        }
        for forbidden in ["<script", "<img", "<link", "src=", "@import", "url("] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
    }
}

fn told(event: &Event<'_>) -> Vec<(String, Role)> {
    let list = errands(&voice(&BOTH), event);
    list.into_iter().map(|errand| (errand.to.as_str().to_owned(), errand.role)).collect()
}

#[test]
fn everybody_concerned_is_told_once_and_nobody_else() {
    let is = |list: &[(&str, Role)]| list.iter().map(|(to, role)| ((*to).to_owned(), *role)).collect::<Vec<_>>();
    let privacy = ("privacy@school.example.jp", Role::Informed);
    let admin = ("admin@school.example.jp", Role::Admin);

    assert_eq!(told(&Event::Held(&enquete())), is(&[(SENDER, Role::Sender)]));
    // The sender stands in the list of approvers too, and an approver in the list of those to be informed.
    assert_eq!(told(&Event::Held(&roster())), is(&[(SENDER, Role::Sender), (APPROVER, Role::Approver), privacy]));
    let mut own = roster();
    own.facts.header_from = vec![Address::new(APPROVER)];
    let answer = told(&Event::Held(&own));
    assert!(answer.contains(&(admin.0.to_owned(), Role::Admin)), "nobody else may decide: {answer:?}");
    assert!(!answer.contains(&(APPROVER.to_owned(), Role::Approver)), "he wrote it himself: {answer:?}");

    let mut stranger = enquete();
    stranger.sender = Some(Address::new("somebody@elsewhere.test"));
    assert_eq!(told(&Event::Held(&stranger)), is(&[admin]), "a forwarded mail's author is not written to");
    stranger.sender = None;
    assert_eq!(told(&Event::Held(&stranger)), is(&[admin]));
    stranger.sender = Some(Address::new("somebody@elsewhere.test"));
    stranger.facts.login = Some("kyoto".to_owned());
    assert_eq!(told(&Event::Held(&stranger)), is(&[("somebody@elsewhere.test", Role::Sender)]));

    let mut for_admin = enquete();
    for_admin.verdict.hold = Some(terms(Decider::Admin, &[Repair::AsIs]));
    assert_eq!(told(&Event::Held(&for_admin)), is(&[(SENDER, Role::Sender), admin]));

    let roster = roster();
    let deputies = [DEPUTY.to_owned(), SENDER.to_owned()];
    assert_eq!(told(&Event::Escalated(&roster, &deputies)), is(&[(DEPUTY, Role::Approver)]));
    assert_eq!(told(&Event::Escalated(&roster, &[])), is(&[admin]));

    let done = decided(roster, State::Cancelled, Actor::Sender(SENDER.to_owned()), None, "");
    assert_eq!(told(&Event::Decided(&done)), is(&[(SENDER, Role::Sender)]));
    assert_eq!(told(&Event::Held(&done)), is(&[privacy, (APPROVER, Role::Informed)]), "it was decided meanwhile");
    assert_eq!(told(&Event::Escalated(&done, &deputies)), is(&[]));

    for (kind, expected) in [
        (NoticeKind::Blocked, is(&[(SENDER, Role::Sender), privacy])),
        (NoticeKind::Refused, is(&[privacy])),
        (NoticeKind::Sent, is(&[privacy])),
    ] {
        let notice = notice(kind, Some(recall()));
        assert_eq!(told(&Event::due(&notice, None).unwrap()), expected, "{kind:?}");
    }
}

#[test]
fn a_notice_whose_mail_is_gone_or_decided_says_nothing() {
    assert!(Event::due(&notice(NoticeKind::Held, None), None).is_none());
    assert!(Event::due(&notice(NoticeKind::Blocked, None), None).is_none());
    let done = decided(enquete(), State::Cancelled, Actor::Sender(SENDER.to_owned()), None, "");
    let errand = Errand { to: Address::new(SENDER), role: Role::Sender };
    assert_eq!(write(&voice(&BOTH), &Event::Held(&done), &errand, &id(99), RECEIVED), Ok(None));
    assert_eq!(write(&voice(&BOTH), &Event::Decided(&enquete()), &errand, &id(99), RECEIVED), Ok(None));
}

#[test]
fn what_happens_at_the_end_of_the_time_is_said() {
    for (decider, on_expiry, ja, en) in [
        (Decider::Sender, OnExpiry::Return, "送信せずに終了し", "will not be sent"),
        (Decider::Sender, OnExpiry::Release, "自動で送信されます", "will be sent by itself"),
        (Decider::Approver, OnExpiry::Escalate, "ほかの担当者に確認をお願いします", "somebody else will be asked"),
        (
            Decider::Nobody,
            OnExpiry::Release,
            "2026年11月22日（日） 18:00 になると自動で送信されます",
            "by itself at 2026-11-22 18:00",
        ),
    ] {
        let mut mail = enquete();
        let mut terms = terms(decider, &[Repair::Bcc]);
        terms.on_expiry = on_expiry;
        mail.verdict.hold = Some(terms);
        let letter = readable(&letter(&voice(&BOTH), &Event::Held(&mail), SENDER, Role::Sender));
        assert!(letter.contains(ja) && letter.contains(en), "{decider:?} {on_expiry:?}\n{letter}");
    }
}

#[test]
fn every_rule_that_ships_says_why_and_never_that_a_kept_mail_was_sent() {
    let set = compile(&shipped::sources()).unwrap();
    let mut stopped = 0;
    for example in set.examples() {
        let Input::Facts(facts) = &example.input else { continue };
        let verdict = evaluate(&set, facts);
        if !verdict.outcome.stops() {
            continue;
        }
        stopped += 1;
        let about = About {
            sender: facts.sender.clone(),
            facts: (**facts).clone(),
            findings: Vec::new(),
            verdict,
            created_ms: RECEIVED,
        };
        let notice = notice(NoticeKind::Blocked, Some(about));
        let event = Event::due(&notice, None).unwrap();
        let reasons = why_stopped(Language::Ja, &event.about());
        assert!(reasons.iter().any(|(_, sentences)| !sentences.is_empty()), "{}: {reasons:?}", example.name());
        let mut said = std::collections::BTreeSet::new();
        for (title, sentences) in &reasons {
            assert!(!title.contains("組織外に送られました"), "{}: {title}", example.name());
            assert!(sentences.iter().all(|sentence| said.insert(sentence)), "{}: said twice", example.name());
        }
    }
    assert!(stopped > 20, "{stopped}");
}

#[test]
fn a_choice_promises_what_the_rules_will_really_do() {
    let mut mail = enquete();
    mail.verdict.hold = Some(terms(Decider::Sender, &[Repair::AsIs, Repair::Bcc, Repair::Cancel]));
    mail.verdict.rewrite = Some(Rewriting::Bcc);
    let letter = readable(&letter(&voice(&[Language::Ja]), &Event::Held(&mail), SENDER, Role::Sender));
    assert!(!letter.contains("このまま送信"), "a rule rewrites it however it leaves:\n{letter}");
    assert_eq!(letter.matches("・Bcc に変更して送信").count(), 1, "{letter}");
}

#[test]
fn no_word_blames_or_needs_a_dictionary() {
    let enquete = enquete();
    let roster = roster();
    let blocked = notice(NoticeKind::Blocked, Some(recall()));
    for (event, to, role) in [
        (Event::Held(&enquete), SENDER, Role::Sender),
        (Event::Held(&roster), APPROVER, Role::Approver),
        (Event::Held(&roster), "privacy@school.example.jp", Role::Informed),
        (Event::due(&blocked, None).unwrap(), SENDER, Role::Sender),
    ] {
        let letter = readable(&letter(&voice(&BOTH), &event, to, role)).to_lowercase();
        for word in [
            "違反",
            "不正",
            "禁止",
            "警告",
            "ポリシー",
            "ゲートウェイ",
            "検疫",
            "エンベロープ",
            "smtp",
            "gateway",
            "policy",
            "violation",
            "quarantine",
            "envelope",
            "forbidden",
            "warning",
            "illegal",
            "dlp",
        ] {
            assert!(!letter.contains(word), "{word}: {letter}");
        }
    }
}

#[test]
fn addresses_that_no_library_takes_get_their_notice() {
    for sender in ["a..b@docomo.example.jp", ".x.@docomo.example.jp", "太郎@school.example.jp"] {
        let mut mail = enquete();
        mail.sender = Some(Address::new(sender));
        let letter = letter(&voice(&BOTH), &Event::Held(&mail), sender, Role::Sender);
        assert_eq!(letter.to.as_str(), sender);
        assert!(readable(&letter).contains("まだどなたにも送信されていません"));
    }
}

/// Everything a letter carries, in every coding a reader could see it in.
fn everything(letter: &Letter) -> String {
    let message = MessageParser::new().parse(&letter.bytes).unwrap();
    let raw = String::from_utf8(letter.bytes.clone()).unwrap();
    format!(
        "{raw}\n{}\n{}\n{}",
        message.subject().unwrap_or_default(),
        message.body_text(0).unwrap_or_default(),
        message.body_html(0).unwrap_or_default()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the mail is like, no notice has the value of a finding, and none but the sender's own may name a hidden recipient.
    #[test]
    fn no_value_and_no_hidden_recipient_is_in_any_notice(
        hidden in proptest::collection::vec("[a-z]{8,12}", 1..6),
        value in "[0-9]{12}",
        place in "(body line [0-9]{1,3}|名簿\\.xlsx!Sheet1!C[0-9]{1,2}|subject)",
        subject in "[ -~ぁ-ん]{0,40}",
        found_value in "[0-9]{1,4}",
        state in 0..6usize,
        comment in "[ぁ-ん\r\n]{0,20}",
    ) {
        let hidden: Vec<String> = hidden.into_iter().map(|local| format!("{local}@bcc.test")).collect();
        let bcc: Vec<&str> = hidden.iter().map(String::as_str).collect();
        let mut verdict = roster().verdict;
        // A rule that found a hidden recipient may say so in its reasons.
        for (key, wanted) in [("to", "webmail"), ("to", "lookalike"), ("first_contact", "true"), ("from", "@x"), ("text", "@y")] {
            verdict.matches.push(found("r", "題", "title", Outcome::HoldApprover, &[(key, wanted, &hidden[0]), (key, wanted, &value), ("persons", ">= 1", &found_value)]));
        }
        let mut mail = held(7, &format!("{subject} {value}"), &["office@school.example.jp".to_owned()], &bcc, verdict);
        mail.findings = vec![Finding { kind: Kind::MyNumber, confidence: Confidence::Certain, place: "subject".to_owned(), masked: "62**".to_owned(), value: Some(value.clone()) },
            Finding { kind: Kind::MyNumber, confidence: Confidence::Certain, place: format!("{value}.xlsx!{place}"), masked: "62**".to_owned(), value: Some(value.clone()) }];
        mail.state = [State::Held, State::Releasing, State::Released, State::Returned, State::Expired, State::Cancelled][state];
        if mail.state != State::Held {
            mail.decision = Some(Decision { by: Actor::Approver(APPROVER.to_owned()), repair: Some(Repair::AsIs), comment, at_ms: RECEIVED });
        }
        let about = About { sender: mail.sender.clone(), facts: mail.facts.clone(), findings: mail.findings.clone(), verdict: mail.verdict.clone(), created_ms: RECEIVED };
        let notices: Vec<Notice> = [NoticeKind::Blocked, NoticeKind::Sent, NoticeKind::Refused].map(|kind| notice(kind, Some(about.clone()))).into();
        let deputies = [DEPUTY.to_owned()];
        let mut events = vec![Event::Held(&mail), Event::Escalated(&mail, &deputies), Event::Decided(&mail)];
        events.extend(notices.iter().filter_map(|notice| Event::due(notice, None)));
        let voice = voice(&BOTH);
        for event in &events {
            for errand in errands(&voice, event) {
                let Some(letter) = write(&voice, event, &errand, &id(99), RECEIVED + DAY).unwrap() else { continue };
                let all = everything(&letter);
                prop_assert!(!all.contains(&value), "{event:?} {errand:?}");
                for address in &hidden {
                    prop_assert!(!all.contains(address.as_str()), "{address} {errand:?}");
                }
            }
        }
    }

    /// Foreign text in subjects, titles and comments cannot add a header field or markup.
    #[test]
    fn foreign_text_stays_text(
        bad in "(\\PC|[\u{0}-\u{20}\u{202a}-\u{202e}]|<script>|=\\?utf-8\\?B\\?|\r\nBcc: ){0,40}",
    ) {
        let mut mail = enquete();
        mail.facts.subject.clone_from(&bad);
        mail.facts.headers = vec![("message-id".to_owned(), format!("<{bad}@x.test>"))];
        mail.verdict.matches[0].title.ja.clone_from(&bad);
        let mail = decided(mail, State::Returned, Actor::Approver(APPROVER.to_owned()), None, &bad);
        let mut waiting = mail.clone();
        waiting.state = State::Held;
        for event in [Event::Held(&waiting), Event::Decided(&mail)] {
            let letter = letter(&voice(&BOTH), &event, SENDER, Role::Sender);
            let message = MessageParser::new().parse(&letter.bytes).unwrap();
            prop_assert!(message.bcc().is_none() && message.cc().is_none());
            prop_assert_eq!(message.parts.len(), 3);
            let html = message.body_html(0).unwrap();
            prop_assert!(!html.contains("<script"));
            let reordering = html.chars().any(|char| ('\u{202a}'..='\u{202e}').contains(&char));
            prop_assert!(!reordering);
            prop_assert!(!message.subject().unwrap().chars().any(char::is_control));
        }
    }
}

#[test]
fn the_scene_has_what_must_stay_hidden() {
    let roster = roster();
    assert!(roster.recipients.iter().any(|recipient| recipient.address == Address::new(HIDDEN)));
    assert!(roster.findings.iter().all(|finding| finding.value.as_deref() == Some(VALUE)));
    let letter = letter(&voice(&BOTH), &Event::Held(&roster), APPROVER, Role::Approver);
    assert!(!everything(&letter).contains(HIDDEN) && !everything(&letter).contains(VALUE));
}
