//! Tests of the plan: what leaves in which copy, byte for byte, over made-up mails of every form.
//! It refuses to compare by eye: every claim of the plan about bytes is a property.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

#[path = "plan/elsewhere.rs"]
mod elsewhere;
#[path = "plan/surgery.rs"]
mod surgery;

use bytes::Bytes;
use proptest::prelude::*;
use sekisho::address::{Address, DomainSet};
use sekisho::facts::Facts;
use sekisho::mail::envelope::Recipient;
use sekisho::mail::header::Header;
use sekisho::mail::recipients;
use sekisho::plan::{self, Change, Copy, Plan, Visible};
use sekisho::rules::verdict::{
    Bilingual, Decider, HoldTerms, Match, OnExpiry, Outcome, Repair, Rewriting, Tag, Verdict,
};
use std::collections::BTreeSet;

fn internal(address: &Address) -> bool {
    DomainSet::new(["city.example.jp"]).contains(address)
}

fn to(addresses: &[&str]) -> Vec<Recipient> {
    addresses.iter().map(|address| Recipient::new(address)).collect()
}

fn facts(raw: &[u8]) -> Facts {
    let read = recipients::read(raw);
    Facts { visible: read.addresses, recipients_unclear: read.unclear, ..Facts::default() }
}

fn rendered(raw: &str, change: &Change) -> String {
    String::from_utf8_lossy(&plan::render(&Bytes::from(raw.to_owned()), change).concat()).into_owned()
}

fn remove(raw: &str) -> String {
    let outside: Vec<Address> =
        recipients::read(raw.as_bytes()).addresses.into_iter().filter(|address| !internal(address)).collect();
    rendered(raw, &Change { visible: Visible::Remove(outside), tags: vec![] })
}

fn only(raw: &str, address: &str) -> String {
    rendered(raw, &Change { visible: Visible::Only(Address::new(address)), tags: vec![] })
}

#[test]
fn bcc_takes_outside_addresses_out_and_leaves_the_rest_as_written() {
    for (fields, expected) in [
        ("To: a@x.test\r\n", "To: undisclosed-recipients:;\r\n"),
        ("To: a@x.test\r\nCc: b@y.test\r\n", "To: undisclosed-recipients:;\r\n"),
        ("Cc: a@x.test\r\nTo: b@y.test\r\n", "To: undisclosed-recipients:;\r\n"),
        ("to: a@x.test, \"B, C\" <b@city.example.jp>\r\n", "to: \"B, C\" <b@city.example.jp>\r\n"),
        ("To: a@x.test\r\nCc: B <b@city.example.jp>\r\n", "Cc: B <b@city.example.jp>\r\n"),
        ("To:b@city.example.jp\r\n", "To:b@city.example.jp\r\n"),
        (
            "To: =?UTF-8?B?5bGx55Sw?= <b@city.example.jp>,\r\n A <a@x.test>,\r\n c@city.example.jp\r\n",
            "To: =?UTF-8?B?5bGx55Sw?= <b@city.example.jp>,\r\n c@city.example.jp\r\n",
        ),
        ("To: Team: a@x.test, b@city.example.jp;, c@z.test\r\n", "To: Team: b@city.example.jp;\r\n"),
        ("To: Team: a@x.test, c@z.test;\r\n", "To: undisclosed-recipients:;\r\n"),
        ("To: undisclosed-recipients:;\r\nCc: a@x.test\r\n", "To: undisclosed-recipients:;\r\n"),
        ("To: \"a@x.test\" <b@city.example.jp>\r\n", "To: <b@city.example.jp>\r\n"),
        ("To: \"a@x.test\": b@city.example.jp;\r\n", "To: b@city.example.jp\r\n"),
        ("To: \"B <b@city.example.jp>, a@x.test\r\n", "To: <b@city.example.jp>\r\n"),
        ("To: b@city.example.jp\r\nBcc: a@x.test\r\nResent-Bcc: c@y.test\r\n", "To: b@city.example.jp\r\n"),
        ("To: a@x.test, b@city.example.jp\r\nDelivered-To: a@x.test\r\n", "To: b@city.example.jp\r\n"),
        (
            "Received: from h by m with ESMTP id 1 for <a@x.test>;\r\n Mon, 1 Jan 2024 00:00:00 +0900\r\nTo: a@x.test\r\n",
            "Received: from h by m with ESMTP id 1;\r\n Mon, 1 Jan 2024 00:00:00 +0900\r\nTo: undisclosed-recipients:;\r\n",
        ),
        (
            "To: a@x.test\r\nX-Sent-To: A <A@X.test>\r\nX-Other: b@y.test\r\n",
            "To: undisclosed-recipients:;\r\nX-Other: b@y.test\r\n",
        ),
        ("Subject: no recipient fields\r\n", "Subject: no recipient fields\r\n"),
    ] {
        let tail = "From: s@city.example.jp\r\n\r\nTo: a@x.test stays in the body\r\n";
        assert_eq!(remove(&format!("{fields}{tail}")), format!("{expected}{tail}"), "{fields}");
    }
}

#[test]
fn an_individual_copy_shows_its_recipient_alone() {
    for (fields, expected) in [
        ("To: A <a@x.test>, b@y.test\r\nCc: c@z.test\r\nSubject: s\r\n", "To: A <a@x.test>\r\nSubject: s\r\n"),
        ("Cc: b@y.test, A <A@x.test>\r\n", "To: A <A@x.test>\r\n"),
        ("Subject: hidden\r\n", "Subject: hidden\r\nTo: <a@x.test>\r\n"),
        ("To: b@y.test\r\n", "To: <a@x.test>\r\n"),
        ("To: \"b@y.test\" <a@x.test>\r\n", "To: <a@x.test>\r\n"),
        ("To: \"A <a@x.test>, b@y.test\r\n", "To: <a@x.test>\r\n"),
        ("Resent-To: b@y.test\r\nApparently-To: c@y.test\r\nTo: a@x.test\r\nBcc: d@y.test\r\n", "To: a@x.test\r\n"),
    ] {
        assert_eq!(only(&format!("{fields}\r\nbody"), "a@x.test"), format!("{expected}\r\nbody"), "{fields}");
    }
}

#[test]
fn unchanged_copies_lose_bcc_and_nothing_else() {
    let raw = "Received: for <a@x.test>\r\nTo : a@x.test\r\nX-Odd line\r\n\r\nBcc: body\r\n";
    assert_eq!(rendered(raw, &Change::default()), raw);
    let raw = "To: a@x.test\r\nbcc: B\r\n <b@y.test>\r\nX-Note: b@y.test\r\nSubject: s\r\n\r\nbody";
    assert_eq!(rendered(raw, &Change::default()), "To: a@x.test\r\nSubject: s\r\n\r\nbody");
}

#[test]
fn tags_are_added_once_and_cannot_break_lines() {
    let tag = |tags: &[Tag], raw: &str| rendered(raw, &Change { visible: Visible::Keep, tags: tags.to_vec() });
    let outside = Tag::Subject("【社外】".into());
    let word = "=?UTF-8?B?44CQ56S+5aSW44CR?=";
    for (subject, expected) in [
        ("Subject: hello\r\n", format!("Subject: {word} hello\r\n")),
        ("SUBJECT:hello\r\n world\r\n", format!("Subject: {word} hello\r\n world\r\n")),
        ("Subject: =?UTF-8?B?6Zai?=\r\n", format!("Subject: {word} =?UTF-8?B?6Zai?=\r\n")),
        ("Subject:\r\n", format!("Subject: {word}\r\n")),
        ("X: y\r\n", format!("X: y\r\nSubject: {word}\r\n")),
        ("Subject: Re: =?UTF-8?B?44CQ56S+5aSW44CR?= hello\r\n", format!("Subject: Re: {word} hello\r\n")),
    ] {
        let once = tag(std::slice::from_ref(&outside), &format!("{subject}\r\nbody"));
        assert_eq!(once, format!("{expected}\r\nbody"), "{subject}");
        assert_eq!(tag(std::slice::from_ref(&outside), &once), once, "twice: {subject}");
    }
    let raw = "Subject: s\r\n\r\nbody";
    assert_eq!(
        tag(&[Tag::Header("X-Sekisho".into(), "external".into())], raw),
        format!("X-Sekisho: external\r\n{raw}")
    );
    for bad in [
        Tag::Header("X".into(), "a\r\nBcc: b@y.test".into()),
        Tag::Header("X\r\nY".into(), "a".into()),
        Tag::Subject("a\nb".into()),
    ] {
        assert_eq!(tag(&[bad], raw), raw);
    }
}

fn verdict(outcome: Outcome) -> Verdict {
    Verdict { outcome, ..Verdict::default() }
}

#[test]
fn each_outcome_has_its_plan() {
    let raw = b"To: a@x.test, b@y.test, c@city.example.jp\r\n\r\n";
    let facts = facts(raw);
    let all = to(&["a@x.test", "b@y.test", "c@city.example.jp", "hidden@z.test"]);
    let plan = |verdict: &Verdict| plan::decide(verdict, &all, &facts, &internal);

    for outcome in [Outcome::Pass, Outcome::Log, Outcome::Notify] {
        assert_eq!(plan(&verdict(outcome)), Plan::Relay);
    }
    let tagged = Verdict { tags: vec![Tag::Subject("x".into())], ..verdict(Outcome::Tag) };
    assert!(matches!(plan(&tagged), Plan::Queue(copies) if copies.len() == 1 && copies[0].change.tags.len() == 1));
    let copied = Verdict { copy_to: vec!["boss@city.example.jp".into(), "A@x.test".into()], ..verdict(Outcome::Log) };
    assert!(matches!(plan(&copied), Plan::Queue(copies) if copies.len() == 1 && copies[0].recipients.len() == 5));

    let Plan::Queue(copies) = plan(&verdict(Outcome::Bcc)) else { panic!("bcc is delivered at once") };
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].change.visible, Visible::Remove(vec![Address::new("a@x.test"), Address::new("b@y.test")]));

    let individual = Verdict {
        rewrite: Some(Rewriting::Individual),
        copy_to: vec!["boss@city.example.jp".into()],
        ..verdict(Outcome::Individual)
    };
    let Plan::Queue(copies) = plan(&individual) else { panic!("individual is delivered at once") };
    let recipients: Vec<Vec<&str>> = copies
        .iter()
        .map(|copy| copy.recipients.iter().map(|recipient| recipient.address.as_str()).collect())
        .collect();
    assert_eq!(
        recipients,
        [vec!["c@city.example.jp", "boss@city.example.jp"], vec!["a@x.test"], vec!["b@y.test"], vec!["hidden@z.test"]]
    );

    for (outcome, decider) in [
        (Outcome::HoldSender, Decider::Sender),
        (Outcome::HoldApprover, Decider::Approver),
        (Outcome::HoldAdmin, Decider::Admin),
    ] {
        assert!(
            matches!(plan(&verdict(outcome)), Plan::Hold { terms, held, now } if terms.decider == decider && held == all && now.is_empty())
        );
    }
    let delayed = Verdict { delay_ms: Some(300_000), ..verdict(Outcome::Delay) };
    assert!(matches!(plan(&delayed), Plan::Hold { terms, .. }
        if terms.decider == Decider::Nobody && terms.expires_ms == 300_000 && terms.on_expiry == OnExpiry::Release));
    let own = HoldTerms {
        decider: Decider::Admin,
        repairs: vec![Repair::Cancel],
        approvers: vec![],
        approvals: 1,
        escalate: vec![],
        expires_ms: 1,
        on_expiry: OnExpiry::Return,
    };
    let stated = Verdict { hold: Some(own.clone()), ..verdict(Outcome::HoldSender) };
    assert!(matches!(plan(&stated), Plan::Hold { terms, .. } if terms == own));

    let partly = Verdict { only_recipients: vec!["a@x.test".into()], ..verdict(Outcome::HoldSender) };
    let Plan::Hold { held, now, .. } = plan(&partly) else { panic!("a hold for one recipient is a hold") };
    assert_eq!(held, to(&["a@x.test"]));
    assert_eq!(now.iter().map(|copy| copy.recipients.len()).sum::<usize>(), 3);

    assert_eq!(plan(&Verdict { block_by_notice: true, ..verdict(Outcome::Block) }), Plan::Discard);
}

#[test]
fn a_refusal_is_one_line_of_ascii() {
    for (title, text) in [
        ("Personal data to free mail", "5.7.1 [personal-data] Personal data to free mail"),
        ("a\r\n550 b\tc 個人", "5.7.1 [personal-data] a 550 b c"),
        ("", "5.7.1 [personal-data] blocked by the organisation's mail rules"),
    ] {
        let rule = |observed, title: &str| Match {
            rule: "personal-data".into(),
            title: Bilingual { en: title.into(), ja: String::new() },
            outcome: Outcome::Block,
            observed,
            reasons: vec![],
        };
        let blocked = Verdict { matches: vec![rule(true, "observed"), rule(false, title)], ..verdict(Outcome::Block) };
        assert_eq!(plan::decide(&blocked, &to(&["a@x.test"]), &Facts::default(), &internal), Plan::Refuse(text.into()));
    }
}

#[test]
fn fields_in_doubt_are_held_instead_of_rewritten() {
    let raw = b"To: <a@x.test, b@y.test\r\n\r\n";
    let facts = facts(raw);
    let all = to(&["a@x.test", "b@y.test"]);
    for outcome in [Outcome::Bcc, Outcome::Individual] {
        let Plan::Hold { terms, held, now } = plan::decide(&verdict(outcome), &all, &facts, &internal) else {
            panic!("{outcome:?} rewrote a field it could not read")
        };
        assert_eq!((terms.decider, held.len(), now.len()), (Decider::Sender, 2, 0));
        assert!(!terms.repairs.contains(&Repair::AsIs));
    }
}

#[test]
fn release_adds_what_other_rules_asked_for() {
    let visible = [Address::new("a@x.test"), Address::new("b@y.test")];
    let all = to(&["a@x.test", "b@y.test"]);
    let kinds = |verdict: &Verdict, repair| {
        plan::released(verdict, repair, &all, &visible, &internal)
            .into_iter()
            .map(|copy| copy.change.visible)
            .collect::<Vec<_>>()
    };
    let plain = verdict(Outcome::HoldSender);
    assert_eq!(kinds(&plain, Repair::AsIs), [Visible::Keep]);
    assert_eq!(kinds(&plain, Repair::Cancel), []);
    assert_eq!(kinds(&plain, Repair::Bcc), [Visible::Remove(visible.to_vec())]);
    let alone: Vec<Visible> = visible.iter().cloned().map(Visible::Only).collect();
    assert_eq!(kinds(&plain, Repair::Individual), alone);
    assert_eq!(kinds(&Verdict { rewrite: Some(Rewriting::Individual), ..plain }, Repair::AsIs), alone);
}

#[test]
fn the_mail_of_421_addresses_shows_none_of_them_afterwards() {
    let list: Vec<String> = (0..421).map(|n| format!("p{n}@mail.test")).collect();
    let raw = format!("From: a@city.example.jp\r\nTo: {}\r\nSubject: x\r\n\r\nbody\r\n", list.join(",\r\n "));
    let visible = recipients::read(raw.as_bytes()).addresses;
    let all: Vec<Recipient> = list.iter().map(|address| Recipient::new(address)).collect();
    let bytes = Bytes::from(raw);
    for copy in plan::copies(Repair::Bcc, &all, &visible, &internal, &[]) {
        assert_eq!(
            plan::render(&bytes, &copy.change).concat(),
            b"From: a@city.example.jp\r\nTo: undisclosed-recipients:;\r\nSubject: x\r\n\r\nbody\r\n"
        );
    }
    let copies = plan::copies(Repair::Individual, &all, &visible, &internal, &[]);
    assert_eq!(copies.len(), 421);
    for copy in copies {
        let own = copy.recipients[0].address.as_str();
        let text = String::from_utf8(plan::render(&bytes, &copy.change).concat()).unwrap();
        assert_eq!(text, format!("From: a@city.example.jp\r\nTo: {own}\r\nSubject: x\r\n\r\nbody\r\n"));
    }
}

#[test]
fn a_large_body_is_shared_not_copied() {
    let raw = Bytes::from([b"To: a@x.test\r\n\r\n".to_vec(), vec![b'x'; 1_000_000]].concat());
    let pieces = plan::render(&raw, &Change { visible: Visible::Remove(vec![Address::new("a@x.test")]), tags: vec![] });
    let body = pieces.last().unwrap();
    assert!(raw.as_ptr_range().contains(&body.as_ptr()) && body.len() >= 1_000_000);
}

// Mails of every form.

const POOL: [&str; 8] = [
    "a@x.test",
    "b.c@y.test",
    "\"q r\"@x.test",
    "d@mail.z.test",
    "in@city.example.jp",
    "kacho@city.example.jp",
    "e..f@docomo.test",
    "o'neil@y.test",
];

fn entry() -> impl Strategy<Value = String> {
    (0..POOL.len(), 0..POOL.len(), 0..12_usize).prop_map(|(own, other, form)| {
        let (own, other) = (POOL[own], POOL[other]);
        match form {
            0 => own.to_owned(),
            1 => format!("<{own}>"),
            2 => format!("Name <{own}>"),
            3 => format!("\"Last, First\" <{own}>"),
            4 => format!("=?UTF-8?B?5bGx55Sw5aSq6YOO?= <{own}>"),
            5 => format!("\"{}\" <{own}>", own.replace('"', "")),
            6 => format!("\"'{}'\" <{own}>", other.replace('"', "")),
            7 => format!("{own} (comment, {})", other.replace('"', "")),
            8 => format!("Team: {own}, X <{other}>;"),
            9 => format!("Name\r\n <{own}>"),
            10 => format!("=?UTF-8?Q?{}?= <{own}>", other.replace('@', "=40").replace([' ', '"'], "_")),
            _ => format!("\"{}\": {own};", other.replace('"', "")),
        }
    })
}

fn field() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "To",
        "Cc",
        "to",
        "CC",
        "Resent-To",
        "Resent-Cc",
        "Apparently-To",
        "Bcc",
        "Resent-Bcc",
        "To ",
    ]);
    let separator = prop::sample::select(vec![", ", ",", ",\r\n ", ",\r\n\t", " ,,\r\n "]);
    (name, prop::collection::vec(entry(), 0..6), separator)
        .prop_map(|(name, entries, separator)| format!("{name}: {}\r\n", entries.join(separator)))
}

fn other_field() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "From: Sender <s@city.example.jp>\r\n",
        "Subject: =?UTF-8?B?6Zai5omA?=\r\n",
        "Received: from h by m id 1;\r\n\tMon, 1 Jan 2024 00:00:00 +0900\r\n",
        "X-Folded: one\r\n two\r\n",
        "Message-ID: <1@city.example.jp>\r\n",
        "X-8bit: \u{5C71}\r\n",
        "no colon here\r\n",
    ])
    .prop_map(str::to_owned)
}

fn mail() -> impl Strategy<Value = String> {
    let fields = prop::collection::vec(prop_oneof![2 => field(), 1 => other_field()], 1..7);
    (fields, prop::sample::select(vec!["body\r\n", "", "To: a@x.test\r\nBcc: b.c@y.test\r\n"]))
        .prop_map(|(fields, body)| format!("{}\r\n{body}", fields.concat()))
}

const RECIPIENT_FIELDS: [&str; 7] = ["to", "cc", "resent-to", "resent-cc", "apparently-to", "bcc", "resent-bcc"];

/// Everything but the recipient fields.
fn others(raw: &[u8]) -> Vec<u8> {
    let header = Header::scan(raw);
    let mut out = Vec::new();
    for field in header.fields().iter().filter(|field| !RECIPIENT_FIELDS.contains(&field.name.as_str())) {
        out.extend_from_slice(header.whole(field));
    }
    out.extend_from_slice(&raw[header.end()..]);
    out
}

/// To and Cc as the MIME library alone reads them.
fn library(raw: &[u8]) -> BTreeSet<String> {
    let message = mail_parser::MessageParser::default().parse_headers(raw);
    let mut found = BTreeSet::new();
    for part in message.iter().flat_map(|message| &message.parts) {
        for field in &part.headers {
            if RECIPIENT_FIELDS.contains(&field.name.as_str().to_ascii_lowercase().as_str()) {
                let list = field.value.as_address();
                found.extend(
                    list.iter()
                        .flat_map(|list| list.iter())
                        .filter_map(|mailbox| mailbox.address())
                        .map(|text| Address::new(text).key().to_owned()),
                );
            }
        }
    }
    found
}

fn check_copy(raw: &str, copy: &Copy, all: &[Recipient]) -> Result<(), TestCaseError> {
    let out = plan::render(&Bytes::from(raw.to_owned()), &copy.change).concat();
    let (before, after) = (others(raw.as_bytes()), others(&out));
    prop_assert_eq!(String::from_utf8_lossy(&after), String::from_utf8_lossy(&before));
    let header = Header::scan(&out);
    prop_assert!(header.named("bcc").next().is_none() && header.named("resent-bcc").next().is_none());
    let shown = recipients::read(&out).addresses;
    let text = String::from_utf8_lossy(&out[..header.end()]).to_lowercase();
    for recipient in all {
        if !shown.contains(&recipient.address) && !text.is_empty() {
            let address = recipient.address.as_str();
            // As a word of its own: `a@x.test` is not in `aa@x.test`.
            let found = text
                .match_indices(address)
                .any(|(at, _)| !text[..at].ends_with(|char: char| char.is_alphanumeric() || char == '.'));
            prop_assert!(!found, "{} is in\n{}", address, text);
        }
    }
    match &copy.change.visible {
        Visible::Keep => {}
        Visible::Remove(_) => {
            for address in &shown {
                prop_assert!(internal(address), "{} is shown in\n{}", address, text);
            }
            for key in library(&out) {
                prop_assert!(
                    !key.contains('@') || internal(&Address::new(&key)),
                    "the library sees {} in\n{}",
                    key,
                    text
                );
            }
        }
        Visible::Only(only) => {
            prop_assert_eq!(&shown, std::slice::from_ref(only), "in\n{}", text);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_copy_shows_what_its_recipient_must_not_see(raw in mail(), hidden in prop::collection::vec(0..3_usize, 0..3)) {
        let visible = recipients::read(raw.as_bytes());
        let mut names: Vec<&str> = POOL.to_vec();
        names.extend(hidden.iter().map(|index| ["secret@w.test", "s2@city.example.jp", "s3@x.test"][*index]));
        let all = to(&names);
        for repair in [Repair::AsIs, Repair::Bcc, Repair::Individual] {
            for copy in plan::copies(repair, &all, &visible.addresses, &internal, &[]) {
                check_copy(&raw, &copy, &all)?;
            }
        }
    }

    #[test]
    fn a_mail_without_bcc_leaves_byte_for_byte(raw in mail()) {
        let out = plan::render(&Bytes::from(raw.clone()), &Change::default()).concat();
        if Header::scan(raw.as_bytes()).fields().iter().all(|field| field.name != "bcc" && field.name != "resent-bcc") {
            prop_assert_eq!(out, raw.as_bytes());
        }
    }

    #[test]
    fn ordinary_forms_are_never_in_doubt(entries in prop::collection::vec(entry(), 0..6)) {
        let raw = format!("To: {}\r\n\r\n", entries.join(", "));
        prop_assert_eq!(recipients::read(raw.as_bytes()).unclear, None, "{}", raw);
    }

    #[test]
    fn any_bytes_are_rendered(raw in prop::collection::vec(any::<u8>(), 0..200), which in 0..3_usize) {
        let visible = match which {
            0 => Visible::Keep,
            1 => Visible::Remove(recipients::read(&raw).addresses),
            _ => Visible::Only(Address::new("a@x.test")),
        };
        let _ = plan::render(&Bytes::from(raw), &Change { visible, tags: vec![Tag::Subject("x".into())] });
    }
}
