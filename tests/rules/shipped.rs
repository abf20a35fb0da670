//! The rules that come with the program: they compile, their examples come out, and each published leak ends as it must.
//! It refuses to look at real mails; the incidents do that.

use super::verdicts::{BOUND, quickest};
use sekisho::config::error::{Severity, render_all};
use sekisho::rules::verdict::{Decider, Outcome, Repair};
use sekisho::rules::{RuleSet, Sources, compile, evaluate, example, lint};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The folder as a program reads it.
fn sources() -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let read = |below: &str, end: &str| -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder.join(below)).into_iter().flatten().flatten().map(|entry| entry.path());
        entries
            .filter(|path| path.extension().is_some_and(|found| found == end))
            .filter_map(|path| {
                let name = path.file_name()?.to_string_lossy().into_owned();
                Some((format!("{below}{name}"), fs::read_to_string(&path).ok()?))
            })
            .collect()
    };
    Sources { files: read("", "toml"), lists: read("lists/", "txt"), ..Sources::default() }
}

fn shipped() -> RuleSet {
    compile(&sources()).unwrap_or_else(|problems| panic!("{}", render_all(&problems, false)))
}

#[test]
fn the_shipped_rules_compile_and_their_examples_come_out() {
    let set = shipped();
    assert!(set.rules().len() >= 20, "{}", set.rules().len());
    assert!(set.examples().len() >= 40, "{}", set.examples().len());
}

#[test]
fn every_shipped_rule_has_an_example_and_both_languages() {
    let set = shipped();
    for rule in set.rules() {
        assert!(set.examples().iter().any(|one| one.rule.as_deref() == Some(&rule.id)), "no example for {}", rule.id);
        assert!(rule.title.en.is_ascii() && !rule.title.ja.is_ascii(), "{}: {:?}", rule.id, rule.title);
    }
}

#[test]
fn the_only_warnings_are_what_an_administrator_must_fill_in() {
    let warnings: Vec<String> = lint(&shipped())
        .iter()
        .inspect(|warning| assert_eq!(warning.severity(), Severity::Warning))
        .map(|warning| format!("{} {}", warning.file(), warning.message()))
        .collect();
    let expected = [
        "`internal` still names example.jp",
        "`internal` still names example.jp",
        "the list `partners` has no entries",
        "the list `managers` has no entries",
        "the list `deputies` has no entries",
        "the list `newsletter-senders` has no entries",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.contains(expected), "{warning}\n{expected}");
    }
}

/// Facts of the published leaks, as an inspection would give them.
const LEAKS: &[(&str, &str, &str)] = &[
    ("uji-to", r#"to = ["p{1..421}@gmail.com"]"#, "hold_sender"),
    ("uji-recall", r#"to = ["p{1..421}@gmail.com"], mail_kind = ["recall"]"#, "block"),
    ("niigata", r#"to = ["s{1..7}@gmail.com"]"#, "hold_sender"),
    (
        "niigata, the 18th",
        r#"to = ["s{1..7}@gmail.com"], windows = { "visible_external/personal/4320h" = 126 }"#,
        "hold_approver",
    ),
    (
        "saga, the 4th",
        r#"to = ["s{1..404}@mail.test"], windows = { "visible_external/any/24h" = 1622 }"#,
        "hold_approver",
    ),
    ("shimada", r#"to = "n@yahoo.co.jp", persons = 2446"#, "block"),
    ("shimada, a scan", r#"to = "n@yahoo.co.jp", attachments = ["a.jpeg"], unreadable = ["image"]"#, "hold_sender"),
    ("hiratsuka", r#"to = "n@gmail.com", persons = 31677, financial_persons = 31677"#, "block"),
    (
        "hiratsuka, a drip",
        r#"to = "n@docomo.ne.jp", persons = 1, windows = { "persons/personal/168h" = 12 }"#,
        "hold_approver",
    ),
    ("amagasaki", r#"to = "n@contractor.test", attachments = ["a.zip"], unreadable = ["encrypted"]"#, "hold_approver"),
    ("amagasaki, open", r#"to = "n@contractor.test", persons = 460000, sensitive_persons = 460000"#, "block"),
    ("osaka-school", r#"to = "n@lunch.test", persons = 69, financial_persons = 28"#, "hold_approver"),
    ("tsuyama", r#"to = "n@support.test", credentials = 30, persons = 30"#, "block"),
    ("sansan", r#"to = "n@newfirm.test", credentials = 1"#, "hold_approver"),
    ("ntt-act", r#"to = "n@buyer.test", persons = 3000"#, "block"),
    ("jipdec", r#"to = "n@icloud.com", persons = 669"#, "block"),
    ("visionary", r#"to = "n@rival.test", persons = 4061, sensitive_persons = 4061"#, "block"),
    ("tsuchiura", r#"to = "n@consulting.test", persons = 836, sensitive_persons = 836"#, "hold_approver"),
    ("trade-secret", r#"to = "n@gmail.com", confidential = "極秘""#, "hold_approver"),
    ("sendai", r#"to = "n@gmail.com", persons = 1"#, "block"),
    ("sendai, to a company", r#"to = "n@delivery.test", persons = 1"#, "log"),
    ("gmai", r#"to = "n@gmai.com""#, "hold_sender"),
    ("gmai, yahoo", r#"to = "n@yaho.co.jp""#, "hold_sender"),
    ("gmai, docomo", r#"to = "n@docomo.co.jp""#, "hold_sender"),
    ("kamaishi", r#"to = "n@home.test", persons = 29, data = { my_number = 29 }"#, "block"),
    ("kamaishi, one number", r#"to = "n@home.test", data = { my_number = 1 }"#, "block"),
    ("inspection broke", r#"to = "n@mail.test", inspection_failed = "killed""#, "hold_admin"),
    ("12 partners", r#"to = ["p{1..12}@partner.test"]"#, "pass"),
    ("12 partners and a stranger", r#"to = ["p{1..12}@partner.test", "x@mail.test"]"#, "hold_sender"),
    ("encrypted to a partner", r#"to = "x@partner.test", attachments = ["a.zip"], unreadable = ["encrypted"]"#, "pass"),
    ("1,500 persons to a partner", r#"to = "x@partner.test", persons = 1500"#, "hold_approver"),
    ("a roster of 8 to a company", r#"to = "n@mail.test", persons = 8"#, "log"),
];

/// The shipped set of an organisation that has filled in its partners and managers.
fn filled_in(more: &str) -> Sources {
    let mut sources = sources();
    let organisation = sources.files.entry("00-organisation.toml".to_owned()).or_default();
    let filled = organisation
        .replace("managers = []", "managers = [\"kacho@example.jp\"]")
        .replace("deputies = []", "deputies = [\"jicho@example.jp\"]")
        .replace("\npartners = { file = \"lists/partners.txt\" }", "\npartners = [\"partner.test\"]");
    *organisation = filled;
    sources.files.insert("99-cases.toml".to_owned(), more.to_owned());
    sources
}

#[test]
fn every_published_leak_ends_as_it_must() {
    let cases: Vec<String> = LEAKS
        .iter()
        .map(|(name, facts, expect)| {
            format!("# {name}\n[[example]]\nfacts = {{ from = \"a@example.jp\", {facts} }}\nexpect = \"{expect}\"\n")
        })
        .collect();
    if let Err(problems) = compile(&filled_in(&cases.concat())) {
        panic!("{}", render_all(&problems, false));
    }
}

#[test]
fn the_terms_of_a_list_in_to_leave_no_way_to_send_it_as_it_is() {
    let set = compile(&filled_in("")).unwrap();
    let inspected = |envelope: &sekisho::mail::envelope::Envelope| sekisho::facts::Facts {
        sender: envelope.sender.clone(),
        recipients: envelope.recipients.iter().map(|one| one.address.clone()).collect(),
        visible: envelope.recipients.iter().map(|one| one.address.clone()).collect(),
        ..Default::default()
    };
    let example = set.examples().iter().find_map(|one| match &one.input {
        example::Input::Mail(envelope, bytes) => Some((envelope, bytes)),
        example::Input::Facts(_) => None,
    });
    let (envelope, bytes) = example.unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains("<p421@mail.test>") || text.contains("p421@mail.test"), "{text}");
    assert!(text.contains("Subject: =?utf-8?B?") && text.ends_with("\r\n"));
    let verdict = evaluate(&set, &inspected(envelope));
    assert_eq!(verdict.outcome, Outcome::HoldSender);
    let terms = verdict.hold.unwrap();
    assert_eq!(
        (terms.decider, terms.repairs),
        (Decider::Sender, vec![Repair::Bcc, Repair::Individual, Repair::Cancel])
    );
    let failures = example::run(&set, &|envelope, _| inspected(envelope));
    assert!(failures.is_empty(), "{failures:?}");
    let blind = example::run(&set, &|_, _| sekisho::facts::Facts::default());
    assert!(!blind.is_empty(), "an inspection that sees nothing must fail the mail example");
}

#[test]
fn approvals_are_asked_of_managers_or_of_the_administrator() {
    let facts = sekisho::facts::Facts {
        sender: Some(sekisho::address::Address::new("a@example.jp")),
        recipients: vec![sekisho::address::Address::new("x@mail.test")],
        persons: sekisho::detect::Persons { total: 200, ..Default::default() },
        ..Default::default()
    };
    let terms = evaluate(&compile(&filled_in("")).unwrap(), &facts).hold.unwrap();
    assert_eq!((terms.decider, terms.approvers), (Decider::Approver, vec!["kacho@example.jp".to_owned()]));
    assert_eq!(terms.escalate[0].to, ["jicho@example.jp"]);
    let terms = evaluate(&shipped(), &facts).hold.unwrap();
    assert_eq!(terms.decider, Decider::Admin);
}

/// The rules and examples in the read-me, in both of its languages, as its readers would copy them.
#[test]
fn the_read_me_can_be_copied() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/README.md")).unwrap();
    let (english, japanese) = page.split_once("# 規則の書き方").unwrap();
    for page in [english, japanese] {
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(blocks.len(), 2);
        let mut sources = sources();
        sources.files.insert("60-ours.toml".to_owned(), blocks.concat());
        let set = compile(&sources).unwrap_or_else(|problems| panic!("{}", render_all(&problems, false)));
        let rule = set.rule("project-names-outside").unwrap();
        assert_eq!(rule.then.outcome, Outcome::HoldSender);
        let keys: Vec<String> = set.text_patterns().into_iter().map(|one| one.key).collect();
        let failures = example::run(&set, &|envelope, _| sekisho::facts::Facts {
            sender: envelope.sender.clone(),
            recipients: envelope.recipients.iter().map(|one| one.address.clone()).collect(),
            visible: envelope.recipients.iter().map(|one| one.address.clone()).collect(),
            matched: keys.iter().cloned().collect(),
            ..Default::default()
        });
        assert!(failures.is_empty(), "{failures:?}");
    }
}

#[test]
fn the_shipped_rules_decide_fast() {
    let set = shipped();
    let facts = sekisho::facts::Facts {
        sender: Some(sekisho::address::Address::new("a@example.jp")),
        recipients: vec![sekisho::address::Address::new("higuchi@print.test")],
        visible: vec![sekisho::address::Address::new("higuchi@print.test")],
        subject: "広報紙の紙質について".to_owned(),
        ..Default::default()
    };
    let each = quickest(|| assert_eq!(evaluate(&set, &facts).outcome, Outcome::Pass));
    eprintln!("one evaluation of the shipped rules: {each:?}");
    assert!(each < BOUND, "{each:?}");
}
