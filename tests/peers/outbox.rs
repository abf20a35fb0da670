//! `sekisho outbox` beside a running guard: what waits is listed, tried at once and cancelled, and the guard goes on.
//! It refuses to look at tables: an administrator sees no more than the command line, the page for the monitoring and his mail.

use crate::client::{letter, owned, send};
use crate::fake_upstream::FakeUpstream;
use crate::faults::RULES;
use crate::guard::{Guard, Setup, wait};
use crate::web;

const SENDER: &str = "clerk@city.example.jp";

fn answers(address: &str, times: usize) -> &'static str {
    match address {
        "busy@hidden.test" => "451 4.2.1 <busy@hidden.test> mailbox busy",
        // Its reports are not taken either.
        "gone@hidden.test" | "bounced@city.example.jp" if times < 1 => "550 5.7.1 not today",
        _ => "250 2.1.5 ok",
    }
}

fn outbox(guard: &Guard, words: &[&str]) -> (Option<i32>, String) {
    let output = guard.command(&[&["outbox"], words].concat());
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// The one line of the list that has all of these words.
fn line(guard: &Guard, words: &[&str]) -> Option<String> {
    let (code, list) = outbox(guard, &["list"]);
    assert_eq!(code, Some(0), "{list}");
    list.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
}

#[test]
fn what_waits_is_seen_tried_and_cancelled_while_the_guard_runs() {
    let upstream = FakeUpstream::start(answers);
    let guard =
        Guard::start(&Setup { rules: Some(RULES), more: "[outbox]\nretry = \"1h\"", ..Setup::before(upstream.port) });
    assert_eq!(outbox(&guard, &["list"]), (Some(0), "nothing waits in the outbox\n".to_owned()));
    let to = owned(&["busy@hidden.test"]);
    assert_eq!(send(guard.smtp, SENDER, &to, &letter(SENDER, &to, 1)), Some(250));
    let listed = wait("the first attempt", || line(&guard, &["waiting", " 1 attempts"]));
    assert!(listed.contains(SENDER) && listed.contains("451 4.2.1"), "{listed}");
    assert!(!listed.contains("busy@"), "addresses of recipients are for those who ask for the item: {listed}");
    let id = listed.split(' ').next().unwrap();

    let (_, shown) = outbox(&guard, &["show", id]);
    assert!(shown.contains("to          busy@hidden.test") && shown.contains("mailbox busy"), "{shown}");
    let (_, json) = outbox(&guard, &["show", id, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json[0]["state"].as_str(), json[0]["attempts"].as_u64()), (Some("waiting"), Some(1)));
    assert_eq!(json[0]["to"][0]["address"].as_str(), Some("busy@hidden.test"));

    let (code, said) = outbox(&guard, &["retry", id]);
    assert_eq!((code, said.as_str()), (Some(0), "1 of the outbox tried again by the guard now\n"));
    wait("the second attempt, long before its time", || line(&guard, &["waiting", " 2 attempts"]));
    let (code, said) = outbox(&guard, &["cancel", id]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("its sender is told"), "{said}");
    let report = upstream.wait_for(SENDER);
    assert!(String::from_utf8_lossy(&report.data).contains("Status: 5.0.0"), "{report:?}");
    let (code, said) = outbox(&guard, &["cancel", id]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(outbox(&guard, &["show", "../../etc/passwd"]).0, Some(1));
    assert_eq!(outbox(&guard, &["retry"]).0, Some(2), "either an id or --all");

    // A report that cannot be delivered stays, and everybody can see it.
    let gone = owned(&["gone@hidden.test"]);
    let sender = "bounced@city.example.jp";
    assert_eq!(send(guard.smtp, sender, &gone, &letter(sender, &gone, 2)), Some(250));
    let stuck = wait("the report to be stuck", || line(&guard, &["stuck"]));
    assert!(stuck.contains("from <>") && stuck.contains("550 5.7.1"), "{stuck}");
    let health = format!("http://127.0.0.1:{}/healthz", guard.status);
    wait("the health page to say so", || {
        let page = web::get(&health);
        (page.status == 200 && page.body.contains("1 letter is stuck")).then_some(())
    });
    let metrics = web::get(&format!("http://127.0.0.1:{}/metrics", guard.status)).body;
    assert!(metrics.contains("sekisho_outbox_stuck 1\n"), "{metrics}");
    assert!(guard.log().contains("cannot be delivered; it is kept"));
    assert_eq!(outbox(&guard, &["retry", "--all"]).0, Some(0));
    upstream.wait_for(sender);
    wait("the outbox to be empty", || line(&guard, &["nothing waits"]));
    wait("the health page to be clean", || (web::get(&health).body == "ok\n").then_some(()));
}
