//! Addresses outside of the header: calendars in every transfer encoding, what a rewriting leaves of them, and what cannot be rewritten and so is asked about.
//! It refuses to look at rendered text alone: what a copy shows is read by the inspection again.

use super::{internal, to};
use bytes::Bytes;
use proptest::prelude::*;
use sekisho::address::Address;
use sekisho::cli::demo::fixtures::letter::{Letter, Program};
use sekisho::cli::demo::fixtures::{calendar, tnef};
use sekisho::facts::Facts;
use sekisho::inspect::{Context, Inspector, Want};
use sekisho::limits::Limits;
use sekisho::mail::envelope::{Client, Envelope, MailParameters};
use sekisho::mail::message::Message;
use sekisho::mail::shown::Place;
use sekisho::mail::transfer;
use sekisho::plan::{self, Change, Plan, Visible};
use sekisho::rules::verdict::{Decider, HoldTerms, OnExpiry, Outcome, Repair, Rewriting, Verdict};

fn facts(raw: &[u8]) -> Facts {
    let envelope = Envelope {
        client: Client { helo: "client.test".into(), esmtp: true, ..Client::new([127, 0, 0, 1].into()) },
        sender: Some(Address::new("s@city.example.jp")),
        parameters: MailParameters::default(),
        recipients: to(&["a@x.test", "b@y.test"]),
    };
    Inspector::new(Context::default()).inspect(&envelope, raw, Want::default()).facts
}

fn outside(facts: &Facts) -> Vec<Address> {
    facts.visible.iter().filter(|address| !internal(address)).cloned().collect()
}

fn copy(raw: &[u8], visible: Visible) -> Vec<u8> {
    plan::render(&Bytes::copy_from_slice(raw), &Change { visible, tags: vec![] }).concat()
}

/// The decoded parts that are calendars.
fn calendars(raw: &[u8]) -> Vec<String> {
    let parts = Message::parse(raw, &Limits::default()).parts;
    let texts = parts.iter().map(|part| String::from_utf8_lossy(&part.bytes).into_owned());
    texts.filter(|text| text.contains("BEGIN:VCALENDAR")).collect()
}

const PEOPLE: [&str; 4] = ["a@x.test", "b@y.test", "kacho@city.example.jp", "c@z.test"];

fn invitation() -> String {
    calendar::invitation(
        "s@city.example.jp",
        &PEOPLE,
        "20231020T010000Z",
        "20231020T020000Z",
        "定例会議 a@x.test",
        "会議室",
    )
    .replace('\n', "\r\n")
}

/// A mail with this calendar in this encoding, between two other parts.
fn mail(encoding: &str, body: &str) -> Vec<u8> {
    format!(
        "From: s@city.example.jp\r\nTo: b@y.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n\
         --=_b\r\nContent-Type: text/plain\r\n\r\nattendee: a@x.test\r\n\
         --=_b\r\nContent-Type: text/calendar; method=REQUEST; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n\
         --=_b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgc=\r\n--=_b--\r\n"
    )
    .into_bytes()
}

fn encoded() -> Vec<(&'static str, Vec<u8>)> {
    let text = invitation();
    vec![
        ("8bit", mail("8bit", text.trim_end())),
        ("base64", mail("base64", transfer::to_base64(text.as_bytes()).trim_end())),
        ("quoted-printable", mail("quoted-printable", transfer::to_quoted_printable(text.as_bytes()).trim_end())),
    ]
}

#[test]
fn people_of_a_calendar_are_visible_in_every_encoding() {
    for (encoding, raw) in encoded() {
        let facts = facts(&raw);
        let visible: Vec<&str> = facts.visible.iter().map(Address::as_str).collect();
        assert_eq!(
            visible,
            ["b@y.test", "s@city.example.jp", "a@x.test", "kacho@city.example.jp", "c@z.test"],
            "{encoding}"
        );
        assert!(facts.unremovable.is_empty(), "{encoding}: {:?}", facts.unremovable);
    }
    // As programs send them: twice, once as a part and once as a file.
    let attached = Letter::new(Program::Gmail, ("課", "s@city.example.jp"), "Mon, 16 Oct 2023 13:00:00 +0900", "会議")
        .to(["b@y.test"])
        .text("会議です。\n")
        .invitation(invitation().replace("\r\n", "\n"))
        .attach("invite.ics", invitation().into_bytes())
        .finish()
        .data;
    assert_eq!((facts(&attached).visible.len(), calendars(&attached).len()), (5, 2));
    let out = copy(&attached, Visible::Remove(outside(&facts(&attached))));
    assert_eq!(outside(&facts(&out)), []);
    assert_eq!(calendars(&out).len(), 2);
}

#[test]
fn hidden_people_leave_the_calendar_and_every_other_part_stays() {
    let text = invitation();
    let expected: String = {
        let attendee = |address: &str| {
            format!("ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:\r\n mailto:{address}\r\n")
        };
        ["a@x.test", "b@y.test", "c@z.test"].iter().fold(text, |text, address| text.replace(&attendee(address), ""))
    };
    for (encoding, raw) in encoded() {
        let out = copy(&raw, Visible::Remove(outside(&facts(&raw))));
        assert_eq!(calendars(&out).concat().trim_end(), expected.trim_end(), "{encoding}");
        assert_eq!(outside(&facts(&out)), [], "{encoding}");
        let (raw, out) = (String::from_utf8(raw).unwrap(), String::from_utf8(out).unwrap());
        let cut = |text: &str| {
            let start = text.find("--=_b\r\nContent-Type: text/calendar").unwrap();
            let body = start + text[start..].find("\r\n\r\n").unwrap();
            let end = body + text[body..].find("\r\n--=_b").unwrap();
            format!("{}{}", &text[..body], &text[end..])
        };
        assert_eq!(cut(&out), cut(&raw).replace("To: b@y.test", "To: undisclosed-recipients:;"), "{encoding}");
        let body = &out[out.find("text/calendar").unwrap()..];
        assert!(body.split("\r\n").all(|line| line.len() <= 76 || encoding == "8bit"), "{encoding}: {body}");
    }
}

#[test]
fn an_individual_copy_names_its_recipient_and_the_organizer() {
    for (encoding, raw) in encoded() {
        let out = copy(&raw, Visible::Only(Address::new("a@x.test")));
        let text = calendars(&out).concat().replace("\r\n ", "");
        assert_eq!(text.matches("mailto:").count(), 2, "{encoding}: {text}");
        assert!(text.contains("ORGANIZER:mailto:s@city.example.jp") && text.contains("TRUE:mailto:a@x.test"));
        // Somebody who is not among the attendees.
        let out = copy(&raw, Visible::Only(Address::new("d@x.test")));
        let text = calendars(&out).concat();
        assert!(text.contains("ATTENDEE;CN=undisclosed:invalid:nomail\r\n"), "{encoding}: {text}");
        // Another's invitation, passed on: its organizer is an outside person like any other.
        let foreign = String::from_utf8(raw).unwrap().replace("From: s@city", "From: t@city").into_bytes();
        let out = copy(&foreign, Visible::Only(Address::new("a@x.test")));
        assert!(calendars(&out).concat().contains("ORGANIZER:invalid:nomail\r\n"), "{encoding}");
    }
}

#[test]
fn one_part_alone_and_attached_mails() {
    let alone = format!("To: b@y.test\r\nContent-Type: text/calendar\r\n\r\n{}", invitation());
    let out = copy(alone.as_bytes(), Visible::Remove(outside(&facts(alone.as_bytes()))));
    assert!(out.ends_with(b"END:VCALENDAR\r\n") && outside(&facts(&out)).is_empty());
    // An attached mail is content: what its own header and calendar show was sent before.
    let nested = format!(
        "To: b@y.test\r\nContent-Type: message/rfc822\r\n\r\nTo: q@x.test\r\nContent-Type: text/calendar\r\n\r\n{}",
        invitation()
    );
    assert_eq!(facts(nested.as_bytes()).visible, [Address::new("b@y.test")]);
    let out = copy(nested.as_bytes(), Visible::Remove(vec![Address::new("b@y.test"), Address::new("a@x.test")]));
    assert_eq!(String::from_utf8(out).unwrap(), nested.replacen("To: b@y.test", "To: undisclosed-recipients:;", 1));
}

/// Mails that show people where nothing can be rewritten.
fn fixed() -> Vec<(Place, Vec<u8>)> {
    let winmail = |stream: &[u8]| {
        format!(
            "From: s@city.example.jp\r\nTo: b@y.test\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            transfer::to_base64(stream)
        )
        .into_bytes()
    };
    let whole = tnef::addressed("IPM.Note", &["a@x.test", "kacho@city.example.jp", "b@y.test"]);
    let signed = String::from_utf8(mail("8bit", invitation().trim_end()))
        .unwrap()
        .replace("multipart/mixed", "multipart/signed");
    vec![
        (Place::Winmail, winmail(&whole)),
        (Place::Winmail, winmail(&whole[..whole.len() - 30])),
        (Place::SignedCalendar, signed.into_bytes()),
        (
            Place::DamagedCalendar,
            mail("base64", &format!("{}!*", transfer::to_base64(invitation().as_bytes()).trim_end())),
        ),
        (Place::DamagedCalendar, mail("base64", "AAECAwQFBgc=")),
        // Where a line ends, and what it is called, depends on who reads it.
        (
            Place::DamagedCalendar,
            mail("base64", &transfer::to_base64(invitation().replacen("\r\nATTENDEE", "\rATTENDEE", 1).as_bytes())),
        ),
        (
            Place::DamagedCalendar,
            mail("base64", &transfer::to_base64(invitation().replacen("ATTENDEE", "ATTENDEE\u{b}", 1).as_bytes())),
        ),
        // Read by lines that a CR ends, it names nobody.
        (
            Place::DamagedCalendar,
            mail(
                "base64",
                &transfer::to_base64(
                    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nATTENDEE;CN=x\r:mailto:a@x.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
                ),
            ),
        ),
        (Place::DamagedCalendar, mail("x-uuencode", "begin 644 a.ics\r\n#0V%T\r\n`\r\nend")),
    ]
}

fn verdict(outcome: Outcome) -> Verdict {
    Verdict { outcome, ..Verdict::default() }
}

#[test]
fn what_cannot_be_rewritten_is_asked_about_and_no_rewriting_is_offered() {
    let all = to(&["a@x.test", "b@y.test"]);
    for (place, raw) in fixed() {
        let facts = facts(&raw);
        assert_eq!(facts.unremovable.keys().copied().collect::<Vec<_>>(), [place], "{:?}", facts.unremovable);
        assert!(plan::shows_anyway(&facts, &internal));
        for outcome in [Outcome::Bcc, Outcome::Individual] {
            let delayed = Verdict { delay_ms: Some(1_000), ..verdict(outcome) };
            for verdict in [verdict(outcome), delayed] {
                let Plan::Hold { terms, held, now } = plan::decide(&verdict, &all, &facts, &internal) else {
                    panic!("{outcome:?} rewrote what it could not")
                };
                assert_eq!(
                    (terms.decider, terms.repairs, terms.on_expiry),
                    (Decider::Sender, vec![Repair::Cancel], OnExpiry::Return)
                );
                assert_eq!((held.len(), now.len()), (2, 0));
            }
        }
        // A rule that asks: its repairs without those that would not hide anything.
        let terms = HoldTerms {
            decider: Decider::Sender,
            repairs: vec![Repair::Bcc, Repair::Individual, Repair::AsIs],
            approvers: vec![],
            approvals: 1,
            escalate: vec![],
            expires_ms: 1,
            on_expiry: OnExpiry::Release,
        };
        let asked = Verdict { hold: Some(terms), ..verdict(Outcome::HoldSender) };
        let Plan::Hold { terms, .. } = plan::decide(&asked, &all, &facts, &internal) else {
            panic!("a hold is a hold")
        };
        assert_eq!((terms.repairs, terms.on_expiry), (vec![Repair::AsIs, Repair::Cancel], OnExpiry::Release));
        // Released as it is, it would be rewritten by another rule.
        let both = Verdict { rewrite: Some(Rewriting::Bcc), only_recipients: vec!["a@x.test".into()], ..asked };
        let Plan::Hold { terms, held, now } = plan::decide(&both, &all, &facts, &internal) else {
            panic!("a hold is a hold")
        };
        assert_eq!((terms.repairs, terms.on_expiry), (vec![Repair::Cancel], OnExpiry::Return));
        assert_eq!((held.len(), now.len()), (2, 0));
        // Rules that rewrite nothing let it pass.
        assert_eq!(plan::decide(&verdict(Outcome::Pass), &all, &facts, &internal), Plan::Relay);
    }
    // Colleagues may see each other.
    let inside = tnef::addressed("IPM.Note", &["kacho@city.example.jp"]);
    let raw = [
        b"To: b@y.test\r\nContent-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_vec(),
        transfer::to_base64(&inside).into_bytes(),
    ]
    .concat();
    let inside = facts(&raw);
    assert!(inside.unremovable.contains_key(&Place::Winmail) && !plan::shows_anyway(&inside, &internal));
    assert!(matches!(plan::decide(&verdict(Outcome::Bcc), &all, &inside, &internal), Plan::Queue(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_calendar_shows_an_outside_person_after_a_rewriting(
        people in prop::collection::vec((0..PEOPLE.len(), 0..4_usize), 0..6),
        encoding in 0..3_usize,
        alone in any::<bool>(),
    ) {
        let lines: String = people.iter().map(|(index, form)| {
            let address = PEOPLE[*index];
            match form {
                0 => format!("ATTENDEE:mailto:{address}\r\n"),
                1 => format!("ATTENDEE;CN=\"{address}\";RSVP=TRUE:MAIL\r\n TO:{address}\r\n"),
                2 => format!("ORGANIZER;SENT-BY=\"mailto:{address}\":mailto:kacho@city.example.jp\r\n"),
                _ => format!("X-PERSON;X=1:mailto:{address}\r\n"),
            }
        }).collect();
        let text = format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{lines}SUMMARY:会議\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
        let (name, body) = match encoding {
            0 => ("8bit", text.clone()),
            1 => ("base64", transfer::to_base64(text.as_bytes())),
            _ => ("quoted-printable", transfer::to_quoted_printable(text.as_bytes())),
        };
        let raw = if alone {
            format!("To: b@y.test\r\nContent-Type: text/calendar\r\nContent-Transfer-Encoding: {name}\r\n\r\n{body}").into_bytes()
        } else {
            mail(name, body.trim_end())
        };
        let out = copy(&raw, Visible::Remove(outside(&facts(&raw))));
        prop_assert!(outside(&facts(&out)).is_empty(), "{}", String::from_utf8_lossy(&out));
        let only = Address::new("a@x.test");
        let out = copy(&raw, Visible::Only(only.clone()));
        let shown = facts(&out).visible;
        prop_assert!(shown.iter().all(|address| *address == only), "{:?} in {}", shown, String::from_utf8_lossy(&out));
        if !people.iter().any(|(index, form)| *form < 3 && PEOPLE[*index] != "a@x.test" || *form == 2) {
            prop_assert_eq!(calendars(&out).concat().matches("a@x.test").count(), calendars(&raw).concat().matches("a@x.test").count());
        }
    }
}
