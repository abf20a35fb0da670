//! Windows that are not asked for must not change a verdict, whatever they would have said.
//! It refuses hand-picked mails: facts are drawn, and every rule of these and of the shipped set sees them.

use proptest::prelude::*;
use sekisho::address::Address;
use sekisho::detect::Persons;
use sekisho::facts::{Facts, MailKind};
use sekisho::rules::{RuleSet, Sources, compile, evaluate, shipped};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Windows in every place where a condition can stand.
const RULES: &str = r#"
[lists]
internal = ["city.example.jp"]
partners = ["partner.test"]
webmail  = ["gmail.com"]
managers = ["boss@city.example.jp"]

[[rule]]
id   = "alone"
when = { window = { of = "mails", hours = 1, value = ">= 40" } }
then = "log"

[[rule]]
id   = "beside"
when = { persons = ">= 2", window = { of = "persons", hours = 24, value = ">= 20" } }
then = { hold = "sender" }

[[rule]]
id   = "either"
when = { any = [{ visible_external = ">= 3" }, { window = { of = "visible_external", to = "webmail", hours = 24, value = ">= 9" } }] }
then = { hold = "approver", approvers = ["@managers"] }

[[rule]]
id     = "not"
when   = { to = "webmail", not = { window = { of = "external_recipients", hours = 48, value = ">= 5" } } }
unless = { persons = "< 1" }
then   = { delay = "5m" }

[[rule]]
id     = "unless"
when   = { persons = ">= 1", to = "external" }
unless = { window = { of = "persons", hours = 168, value = "< 10" } }
mode   = "observe"
then   = "block"

[[rule]]
id   = "off"
mode = "off"
when = { window = { of = "persons", hours = 2, value = ">= 1" } }
then = "block"
"#;

static SETS: LazyLock<[RuleSet; 2]> = LazyLock::new(|| {
    let own = Sources { files: BTreeMap::from([("rules.toml".to_owned(), RULES.to_owned())]), ..Sources::default() };
    [own, shipped::sources()].map(|sources| {
        compile(&sources).unwrap_or_else(|problems| panic!("{}", sekisho::config::error::render_all(&problems, false)))
    })
});

fn addresses() -> impl Strategy<Value = Vec<Address>> {
    let domains = ["city.example.jp", "partner.test", "gmail.com", "mail.test", "docomo.ne.jp"];
    let one = (0..4u8, proptest::sample::select(domains.to_vec()))
        .prop_map(|(number, domain)| Address::new(&format!("u{number}@{domain}")));
    proptest::collection::vec(one, 0..6)
}

prop_compose! {
    fn facts()(recipients in addresses(), hidden in addresses(), total in 0..4u64, sensitive in 0..2u64) -> Facts {
        Facts {
            sender: Some(Address::new("clerk@city.example.jp")),
            visible: recipients.clone(),
            recipients: recipients.into_iter().chain(hidden).collect(),
            persons: Persons { total, sensitive: sensitive.min(total), ..Persons::default() },
            mail_kind: [MailKind::Ordinary].into(),
            ..Facts::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_not_asked_for_does_not_count(
        facts in facts(),
        before in proptest::collection::vec(prop_oneof![0..12u64, 0..2_000u64], 24),
    ) {
        for set in SETS.iter() {
            let sum = |index: usize| before[index % before.len()] + set.contribution(&set.windows()[index], &facts);
            let all = (0..set.windows().len()).map(|index| (set.windows()[index].key(), sum(index))).collect();
            let everything = Facts { windows: all, ..facts.clone() };
            let open = set.open_windows(&facts);
            prop_assert!(open.iter().all(|query| set.windows().contains(query)));
            let mut asked = everything.clone();
            asked.windows.retain(|key, _| open.iter().any(|query| query.key() == *key));
            prop_assert_eq!(evaluate(set, &everything), evaluate(set, &asked), "asked for {:?}", open);
        }
    }
}

#[test]
fn a_plain_mail_needs_no_history_and_a_list_does() {
    let set = &SETS[1];
    let to = |number: usize| Facts {
        sender: Some(Address::new("clerk@city.example.jp")),
        visible: (0..number).map(|number| Address::new(&format!("c{number}@customer.test"))).collect(),
        recipients: (0..number).map(|number| Address::new(&format!("c{number}@customer.test"))).collect(),
        ..Facts::default()
    };
    assert!(!set.windows().is_empty());
    assert_eq!(set.open_windows(&to(1)), []);
    let asked: Vec<String> = set.open_windows(&to(3)).iter().map(sekisho::rules::WindowQuery::key).collect();
    assert!(asked.contains(&"visible_external/any/24h".to_owned()), "{asked:?}");
    let persons = Facts { persons: Persons { total: 1, ..Persons::default() }, ..to(1) };
    let asked: Vec<String> = set.open_windows(&persons).iter().map(sekisho::rules::WindowQuery::key).collect();
    assert!(asked.contains(&"persons/any/168h".to_owned()), "{asked:?}");
}
