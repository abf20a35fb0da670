//! How the outcomes of several rules become one verdict.
//! It refuses to test single conditions; `language` does.

use sekisho::address::Address;
use sekisho::detect::Persons;
use sekisho::facts::{Facts, MailKind};
use sekisho::inspect::TextScope;
use sekisho::rules::verdict::{Decider, Escalation, OnExpiry, Outcome, Repair, Rewriting, Tag, Verdict};
use sekisho::rules::{Counted, RuleSet, Sources, WindowQuery, classes::Class, compile, evaluate, explain, lint};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const LISTS: &str = "
[lists]
internal = [\"city.example.jp\"]
partners = [\"partner.test\"]
webmail  = [\"gmail.com\"]
well-known = [\"gmail.com\"]
managers = [\"boss@city.example.jp\", \"vice@city.example.jp\"]
nobody   = []
";

fn set(rules: &str) -> RuleSet {
    let files = BTreeMap::from([("rules.toml".to_owned(), format!("{LISTS}{rules}"))]);
    compile(&Sources { files, ..Sources::default() })
        .unwrap_or_else(|problems| panic!("{}", sekisho::config::error::render_all(&problems, false)))
}

/// Rules that all match a mail with one person: `then` and further keys of each.
fn rules(all: &[(&str, &str, &str)]) -> RuleSet {
    let all: Vec<String> = all
        .iter()
        .map(|(id, then, more)| {
            format!("[[rule]]\nid = \"{id}\"\nwhen = {{ persons = \">= 1\" }}\nthen = {then}\n{more}\n")
        })
        .collect();
    set(&all.concat())
}

fn mail() -> Facts {
    Facts {
        sender: Some(Address::new("a@city.example.jp")),
        recipients: vec![Address::new("b@mail.test"), Address::new("c@gmail.com"), Address::new("d@city.example.jp")],
        visible: vec![Address::new("b@mail.test")],
        persons: Persons { total: 1, ..Persons::default() },
        mail_kind: [MailKind::Ordinary].into(),
        ..Facts::default()
    }
}

fn verdict(all: &[(&str, &str, &str)]) -> Verdict {
    evaluate(&rules(all), &mail())
}

#[test]
fn the_strictest_outcome_wins_and_all_matches_are_kept() {
    let verdict = verdict(&[
        ("one", "\"log\"", ""),
        ("two", "{ hold = \"sender\" }", ""),
        ("three", "\"block\"", ""),
        ("four", "{ hold = \"admin\" }", ""),
    ]);
    assert_eq!(verdict.outcome, Outcome::Block);
    assert_eq!(verdict.hold, None);
    let order: Vec<&str> = verdict.matches.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(order, ["three", "four", "two", "one"]);
    let reason = &verdict.matches[0].reasons[0];
    assert_eq!((reason.key.as_str(), reason.wanted.as_str(), reason.found.as_str()), ("persons", ">= 1", "1"));
}

#[test]
fn observed_rules_are_recorded_and_do_nothing() {
    let verdict = verdict(&[
        ("one", "\"block\"", "mode = \"observe\""),
        ("two", "\"log\"", ""),
        ("three", "\"block\"", "mode = \"off\""),
    ]);
    assert_eq!(verdict.outcome, Outcome::Log);
    let seen: Vec<(&str, bool)> = verdict.matches.iter().map(|one| (one.rule.as_str(), one.observed)).collect();
    assert_eq!(seen, [("one", true), ("two", false)]);
}

#[test]
fn a_clean_mail_passes() {
    let set = rules(&[("one", "\"block\"", "")]);
    let verdict = evaluate(&set, &Facts { persons: Persons::default(), ..mail() });
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn what_adds_up_is_added_up() {
    let verdict = verdict(&[
        ("one", "{ tag = { subject = \"【社外】\", header = \"X-Checked: yes\" }, notify = \"sender\" }", ""),
        (
            "two",
            "{ tag = { subject = \"【社外】\" }, notify = [\"@managers\", \"sender\"], copy_to = \"archive@city.example.jp\" }",
            "",
        ),
        ("three", "\"bcc\"", ""),
        ("four", "{ individual = true, hold = \"sender\" }", ""),
        ("five", "{ tag = { header = \"X-Not: seen\" } }", "mode = \"observe\""),
    ]);
    assert_eq!(verdict.outcome, Outcome::HoldSender);
    assert_eq!(verdict.rewrite, Some(Rewriting::Individual));
    assert_eq!(verdict.tags, [Tag::Subject("【社外】".into()), Tag::Header("X-Checked".into(), "yes".into())]);
    assert_eq!(verdict.notify, ["sender", "boss@city.example.jp", "vice@city.example.jp"]);
    assert_eq!(verdict.copy_to, ["archive@city.example.jp"]);
}

#[test]
fn holds_have_defaults() {
    for (then, decider, hours, repairs) in [
        (
            "{ hold = \"sender\" }",
            Decider::Sender,
            24,
            vec![Repair::Bcc, Repair::Individual, Repair::AsIs, Repair::Cancel],
        ),
        (
            "{ hold = \"approver\", approvers = \"@managers\" }",
            Decider::Approver,
            72,
            vec![Repair::AsIs, Repair::Cancel],
        ),
        (
            "{ hold = \"admin\" }",
            Decider::Admin,
            72,
            vec![Repair::AsIs, Repair::Bcc, Repair::Individual, Repair::Cancel],
        ),
        (
            "{ hold = \"sender\", repairs = [\"bcc\"], expires = \"2h\" }",
            Decider::Sender,
            2,
            vec![Repair::Bcc, Repair::Cancel],
        ),
        (
            "{ hold = \"approver\", approvers = \"@nobody\" }",
            Decider::Admin,
            72,
            vec![Repair::AsIs, Repair::Bcc, Repair::Individual, Repair::Cancel],
        ),
    ] {
        let terms = verdict(&[("one", then, "")]).hold.unwrap();
        assert_eq!(
            (terms.decider, terms.expires_ms, terms.on_expiry),
            (decider, hours * 3_600_000, OnExpiry::Return),
            "{then}"
        );
        assert_eq!(terms.repairs, repairs, "{then}");
    }
}

#[test]
fn equal_holds_are_joined_and_repairs_must_satisfy_each() {
    let verdict = verdict(&[
        ("visible", "{ hold = \"sender\", repairs = [\"bcc\", \"individual\", \"cancel\"] }", ""),
        (
            "persons",
            "{ hold = \"approver\", approvers = [\"@managers\"], repairs = [\"as_is\", \"cancel\"], expires = \"2d\" }",
            "",
        ),
        (
            "marks",
            "{ hold = \"approver\", approvers = [\"x@city.example.jp\"], approvals = 1, expires = \"1d\", on_expiry = \"escalate\", escalate = [{ after = \"4h\", to = \"y@city.example.jp\" }] }",
            "",
        ),
    ]);
    assert_eq!(verdict.outcome, Outcome::HoldApprover);
    let terms = verdict.hold.unwrap();
    assert_eq!(terms.decider, Decider::Approver);
    assert_eq!(terms.approvers, ["boss@city.example.jp", "vice@city.example.jp", "x@city.example.jp"]);
    assert_eq!(terms.repairs, [Repair::Bcc, Repair::Individual, Repair::Cancel]);
    assert_eq!((terms.expires_ms, terms.on_expiry), (24 * 3_600_000, OnExpiry::Return));
    assert_eq!(terms.escalate, [Escalation { after_ms: 4 * 3_600_000, to: vec!["y@city.example.jp".into()] }]);
}

#[test]
fn nobody_approves_his_own_mail() {
    let set = rules(&[("one", "{ hold = \"approver\", approvers = [\"@managers\"], approvals = 2 }", "")]);
    let from = |sender: &str| {
        let facts = Facts { sender: Some(Address::new(sender)), header_from: vec![], ..mail() };
        evaluate(&set, &facts).hold.unwrap()
    };
    let terms = from("Boss@City.example.jp");
    assert_eq!((terms.approvers, terms.approvals), (vec!["vice@city.example.jp".to_owned()], 1));
    let set = rules(&[("one", "{ hold = \"approver\", approvers = [\"a@city.example.jp\"] }", "")]);
    let terms = evaluate(&set, &mail()).hold.unwrap();
    assert_eq!((terms.decider, terms.approvers), (Decider::Admin, vec![]));
}

#[test]
fn a_delay_leaves_by_itself_and_a_hold_outweighs_it() {
    let verdict =
        verdict(&[("one", "{ delay = \"5m\" }", ""), ("two", "{ delay = \"1m\" }", ""), ("three", "\"bcc\"", "")]);
    assert_eq!((verdict.outcome, verdict.delay_ms), (Outcome::Bcc, Some(300_000)));
    let terms = verdict.hold.unwrap();
    assert_eq!((terms.decider, terms.on_expiry, terms.expires_ms), (Decider::Nobody, OnExpiry::Release, 300_000));
    let verdict = self::verdict(&[("one", "{ delay = \"5m\" }", ""), ("two", "{ hold = \"sender\" }", "")]);
    assert_eq!((verdict.outcome, verdict.delay_ms), (Outcome::HoldSender, None));
    assert_eq!(verdict.hold.map(|terms| terms.decider), Some(Decider::Sender));
}

#[test]
fn a_rule_about_recipients_lets_the_others_go() {
    let webmail = "[[rule]]\nid = \"w\"\nscope = \"recipient\"\nwhen = { to = \"webmail\", persons = \">= 1\" }\nthen = { hold = \"sender\" }\n";
    let only = |text: &str| evaluate(&set(text), &mail()).only_recipients;
    assert_eq!(only(webmail), ["c@gmail.com"]);
    let outside =
        "[[rule]]\nid = \"o\"\nscope = \"recipient\"\nwhen = { persons = \">= 1\" }\nthen = { hold = \"sender\" }\n";
    assert_eq!(only(&format!("{webmail}{outside}")), ["b@mail.test", "c@gmail.com"]);
    let whole = "[[rule]]\nid = \"m\"\nwhen = { persons = \">= 1\" }\nthen = { hold = \"sender\" }\n";
    assert!(only(&format!("{webmail}{whole}")).is_empty());
    let tagged = "[[rule]]\nid = \"t\"\nwhen = { persons = \">= 1\" }\nthen = \"log\"\n";
    assert_eq!(only(&format!("{webmail}{tagged}")), ["c@gmail.com"]);
    let delay = "[[rule]]\nid = \"d\"\nwhen = { persons = \">= 1\" }\nthen = { delay = \"5m\", internal = \"now\" }\n";
    assert_eq!(only(delay), ["b@mail.test", "c@gmail.com"]);
    let everybody =
        "[[rule]]\nid = \"e\"\nscope = \"recipient\"\nwhen = { to = [\"internal\", \"external\"] }\nthen = \"block\"\n";
    assert!(only(everybody).is_empty());
}

#[test]
fn blocks_say_how() {
    assert!(!verdict(&[("one", "\"block\"", "")]).block_by_notice);
    assert!(verdict(&[("one", "{ block = \"notice\" }", "")]).block_by_notice);
    assert!(
        !verdict(&[("one", "{ block = \"notice\" }", ""), ("two", "{ block = true, notify = \"sender\" }", "")])
            .block_by_notice
    );
}

#[test]
fn a_mail_that_could_not_be_inspected_never_passes() {
    for rules in [
        "",
        "[[rule]]\nid = \"weak\"\nwhen = { inspection_failed = true }\nthen = \"log\"\n",
        "[[rule]]\nid = \"seen\"\nmode = \"observe\"\nwhen = { inspection_failed = true }\nthen = { hold = \"admin\" }\n",
        "[[rule]]\nid = \"other\"\nwhen = { to = \"external\" }\nthen = { hold = \"sender\" }\n",
    ] {
        let facts = Facts { inspection_failed: Some("worker killed".into()), ..mail() };
        let verdict = evaluate(&set(rules), &facts);
        assert_eq!(verdict.outcome, Outcome::HoldAdmin);
        assert_eq!(verdict.hold.map(|terms| terms.decider), Some(Decider::Admin));
    }
    let facts = Facts { recipients_unclear: Some("two readers differ".into()), ..mail() };
    assert_eq!(evaluate(&set(""), &facts).outcome, Outcome::HoldSender);
    let allowed = set("[[rule]]\nid = \"known\"\nwhen = { recipients_unclear = true }\nthen = \"log\"\n");
    assert_eq!(evaluate(&allowed, &facts).outcome, Outcome::Log);
}

#[test]
fn no_reason_shows_a_recipient() {
    let text = "
[[rule]]
id = \"r\"
when = { to = [\"webmail\", \"external\"], to_all = [\"internal\", \"external\"], first_contact = true, recipients = \">= 1\" }
then = \"block\"
";
    let facts = Facts { first_contact: vec![Address::new("c@gmail.com")], ..mail() };
    let verdict = evaluate(&set(text), &facts);
    assert_eq!(verdict.outcome, Outcome::Block);
    let said = format!("{:?} {:?}", verdict.matches, explain(&set(text), &facts));
    for secret in ["c@gmail.com", "b@mail.test"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_look_alike_is_explained() {
    let set = set("[[rule]]\nid = \"r\"\nwhen = { to = \"lookalike\" }\nthen = { hold = \"sender\" }\n");
    let address = Address::new("taro@gmai.com");
    let facts = Facts { recipients: vec![address.clone()], ..mail() };
    assert_eq!(evaluate(&set, &facts).matches[0].reasons[0].found, "gmai.com (gmail.com?)");
    assert_eq!(set.did_you_mean(&address).as_deref(), Some("gmail.com"));
    assert_eq!(set.did_you_mean(&Address::new("a@gmail.com")), None);
    assert_eq!(set.class_names(&address), ["external", "lookalike"]);
}

#[test]
fn why_and_why_not() {
    let text = "
[[rule]]
id = \"r\"
when = { persons = \">= 2\", any = [{ to = \"webmail\" }, { to = \"partner\" }], not = { mail_kind = \"list\" } }
unless = { from = \"boss@city.example.jp\" }
then = \"block\"
";
    let explained = explain(&set(text), &mail());
    assert!(!explained[0].matched);
    let conditions: Vec<(&str, &str, bool)> =
        explained[0].conditions.iter().map(|one| (one.key.as_str(), one.found.as_str(), one.held)).collect();
    assert_eq!(
        conditions,
        [
            ("persons", "1", false),
            ("any[1].to", "1 / 3", true),
            ("any[2].to", "0 / 3", false),
            ("not.mail_kind", "ordinary", false),
            ("unless.from", "a@city.example.jp", false),
        ]
    );
}

#[test]
fn the_set_says_what_it_needs_to_know() {
    let set = set("
[[rule]]
id = \"one\"
when = { body = \"社外秘\", text = [\"極秘\", \"/AB[0-9]+/\"], window = { of = \"persons\", to = \"webmail\", hours = 168, value = \">= 10\" } }
then = \"log\"
[[rule]]
id = \"two\"
when = { body = \"社外秘\", first_contact = true }
then = \"log\"
[[rule]]
id = \"off\"
mode = \"off\"
when = { window = { of = \"mails\", hours = 1, value = \">= 10\" } }
then = \"log\"
");
    let keys: Vec<(String, TextScope, bool)> =
        set.text_patterns().into_iter().map(|one| (one.key, one.scope, one.folded)).collect();
    assert_eq!(
        keys,
        [
            ("body:社外秘".to_owned(), TextScope::Body, true),
            ("text:/AB[0-9]+/".to_owned(), TextScope::Text, false),
            ("text:極秘".to_owned(), TextScope::Text, true),
        ]
    );
    assert_eq!(set.windows(), [WindowQuery { of: Counted::Persons, to: Some(Class::Webmail), hours: 168 }]);
    assert_eq!(set.longest_window_hours(), 168);
    assert_eq!(set.contribution(&set.windows()[0], &mail()), 1);
    assert!(set.uses_first_contact());
    assert_eq!(set.internal_patterns(), ["city.example.jp"]);
    assert!(set.is_internal(&Address::new("x@City.example.jp")));
}

#[test]
fn lint_finds_what_is_probably_not_meant() {
    let text = "
[[rule]]
id = \"strict\"
when = { to = \"external\", persons = \">= 1\" }
then = \"block\"
[[rule]]
id = \"shadowed\"
when = { persons = \">= 10\", to = \"webmail\" }
then = { hold = \"sender\" }
[[rule]]
id = \"not-shadowed\"
when = { persons = \">= 10\" }
then = { hold = \"sender\" }
[[rule]]
id = \"impossible\"
when = { all = [{ visible = \">= 10\" }, { visible = \"< 5\" }] }
then = \"log\"
[[rule]]
id = \"always-excepted\"
when = { to = \"webmail\", persons = \">= 2\" }
unless = { to = \"external\" }
then = \"log\"
[[rule]]
id = \"resting\"
mode = \"off\"
when = { persons = \">= 1\" }
then = \"log\"
[[rule]]
id = \"slow\"
when = { body = \"/[0-9]{4}-[0-9]{4}/\", unreadable = \"any\" }
then = { hold = \"approver\", approvers = [\"@nobody\"] }
";
    let warnings: Vec<String> = lint(&set(text)).iter().map(|one| one.message().to_owned()).collect();
    let expected = [
        "no rule in force asks for `inspection_failed`",
        "no rule in force asks for `recipients_unclear`",
        "`internal` still names example.jp",
        "the list `managers` is not used",
        "the list `nobody` has no entries: an administrator decides instead of an approver",
        "the rule `shadowed` never decides",
        "the rule `impossible` can never match: visible is never >= 10 and < 5",
        "the rule `always-excepted` can never match: its exception holds whenever its conditions do",
        "the rule `resting` is off",
        "no text of three bytes must be in every match",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}\n{expected}");
    }
}

/// Fifty rules on an ordinary mail.
#[test]
fn evaluation_is_fast() {
    let kinds = [
        "persons = \">= 100\"",
        "to = \"webmail\", persons = \">= 1\"",
        "visible_external = \">= 10\"",
        "subject = \"社外秘\"",
        "data.my_number = \">= 1\", to = \"external\"",
        "to = \"lookalike\"",
        "unreadable = \"encrypted\"",
        "credentials = \">= 1\"",
        "attachment.disguised = true",
        "mail_kind = \"recall\"",
    ];
    let text: Vec<String> = (0..50)
        .map(|index| {
            format!("[[rule]]\nid = \"r{index}\"\nwhen = {{ {} }}\nthen = \"block\"\n", kinds[index % kinds.len()])
        })
        .collect();
    let set = set(&text.concat());
    let facts = Facts { persons: Persons::default(), subject: "打合せの件".into(), ..mail() };
    let each = quickest(|| assert_eq!(evaluate(&set, &facts).outcome, Outcome::Pass));
    eprintln!("one evaluation of 50 rules: {each:?}");
    assert!(each < BOUND, "{each:?}");
}

/// What one evaluation of an ordinary mail may take; a debug build gets twenty times as long.
pub const BOUND: Duration = Duration::from_micros(if cfg!(debug_assertions) { 400 } else { 20 });

/// The time of one call in the quickest of many batches, so that a busy machine does not count.
pub fn quickest(mut call: impl FnMut()) -> Duration {
    let batches = (0..200).map(|_| {
        let start = Instant::now();
        (0..20).for_each(|_| call());
        start.elapsed() / 20
    });
    batches.min().unwrap_or(Duration::MAX)
}
