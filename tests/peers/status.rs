//! What operators see: health, metrics, and a log that names no recipient and no subject.
//! It refuses a log that is silent: it must say what happened, with the mail's number.

use crate::client::{owned, send};
use crate::fake_upstream::FakeUpstream;
use crate::faults::RULES;
use crate::guard::{Guard, Setup, wait};
use crate::web;

const SENDER: &str = "clerk@city.example.jp";
const SUBJECT: &str = "Tender-4711-opening";

/// Refuses like servers do that repeat the address in their reply.
fn talkative(address: &str, _: usize) -> &'static str {
    match address {
        "refused.person@mail.test" => "550 5.1.1 <refused.person@mail.test>: no such user here",
        "deferred.person@mail.test" => "451 4.2.1 <deferred.person@mail.test>: try later",
        _ => "250 2.1.5 ok",
    }
}

#[test]
fn operators_see_numbers_and_no_person() {
    let upstream = FakeUpstream::start(talkative);
    for format in ["text", "json"] {
        let mut guard = Guard::start(&Setup { rules: Some(RULES), log: format, ..Setup::before(upstream.port) });
        let status = format!("http://127.0.0.1:{}", guard.status);
        let health = web::get(&format!("{status}/healthz"));
        assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));

        let people = [
            "first.person@kept.test",
            "second.person@kept.test",
            "refused.person@mail.test",
            "deferred.person@mail.test",
            "plain.person@mail.test",
        ];
        let mail = |to: &[&str]| {
            let data = format!(
                "From: <{SENDER}>\r\nTo: {}\r\nSubject: {SUBJECT}\r\nMessage-ID: <{format}.{}@example.jp>\r\n\r\nwords\r\n",
                to.join(", "),
                to.len()
            );
            send(guard.smtp, SENDER, &owned(to), data.as_bytes())
        };
        assert_eq!(mail(&people[..2]), Some(250), "held");
        assert_eq!(mail(&people[2..]), Some(250), "one is taken, one refused, one deferred");
        assert_eq!(mail(&people[2..3]), Some(550));
        let id = guard.held().remove(0).0;
        let link = {
            let notice = wait("the notice", || {
                upstream.taken_for(SENDER).into_iter().find(|taken| String::from_utf8_lossy(&taken.data).contains(&id))
            });
            web::link(&notice.data, &guard.url())
        };
        let form = web::form(&web::get(&link)).unwrap();
        assert_eq!(form.choices, ["as_is", "cancel"]);
        assert_eq!(form.press(&guard.url(), "as_is").status, 303);
        wait("the released mail", || {
            let mails = upstream.taken_for(people[0]);
            mails.iter().any(|mail| String::from_utf8_lossy(&mail.data).contains(&format!("<{format}."))).then_some(())
        });

        let metrics = web::get(&format!("{status}/metrics"));
        assert_eq!(metrics.status, 200);
        assert!(metrics.head.contains("application/openmetrics-text"), "{}", metrics.head);
        for line in [
            "sekisho_mails_total{outcome=\"hold_sender\"} 1",
            "sekisho_mails_total{outcome=\"pass\"} 2",
            "sekisho_replies_total{code=\"250\"} 2",
            "sekisho_replies_total{code=\"550\"} 1",
            "# EOF",
        ] {
            assert!(metrics.body.lines().any(|other| other == line), "{line} in\n{}", metrics.body);
        }

        guard.signal("TERM");
        assert_eq!(guard.ended(), Some(0));
        let log = guard.log();
        assert!(log.contains(&id), "the log says which mail was held:\n{log}");
        for line in log.lines().filter(|_| format == "json") {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["timestamp"].is_string() && value["level"].is_string(), "{line}");
        }
        for word in people.iter().chain([&SUBJECT, &SENDER, &".person", &"words"]) {
            assert!(!log.contains(word), "{word} is in the log:\n{log}");
            assert!(!metrics.body.contains(word), "{word} is in the metrics");
        }
    }
}
