//! The published leaks and the ordinary mails, judged by the shipped rules: outcome, rule, persons, visible addresses, repetition.
//! It refuses to skip: all mails of a kind are judged, and every disagreement is listed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

use sekisho::address::Address;
use sekisho::cli::demo::incidents::{self, Incident, Outgoing, PARTNERS};
use sekisho::config::file::Confine;
use sekisho::facts::Facts;
use sekisho::inspect::{Context, Inspector, Want};
use sekisho::limits::Limits;
use sekisho::mail::envelope::{Client, Envelope, MailParameters, Recipient};
use sekisho::rules::verdict::{Outcome, Verdict};
use sekisho::rules::{self, RuleSet, shipped};
use sekisho::worker::{Options, Pool};
use std::collections::BTreeMap;
use std::time::Duration;

/// The envelope of a mail from a program on this machine.
fn envelope(mail: &Outgoing) -> Envelope {
    Envelope {
        client: Client {
            helo: "client.example.jp".to_owned(),
            esmtp: true,
            ..Client::new("127.0.0.1".parse().unwrap())
        },
        sender: Some(Address::new(&mail.from)),
        parameters: MailParameters::default(),
        recipients: mail.recipients.iter().map(|recipient| Recipient::new(recipient)).collect(),
    }
}

/// The shipped rules with the demonstration's partner filled in, as an administrator would.
struct Guard {
    set: RuleSet,
    inspector: Inspector,
}

fn guard() -> Guard {
    let mut sources = shipped::sources();
    sources.lists.insert("lists/partners.txt".to_owned(), PARTNERS.join("\n"));
    let set = rules::compile(&sources).unwrap_or_else(|problems| panic!("{problems:?}"));
    let context =
        Context { internal: set.internal_patterns(), patterns: set.text_patterns(), limits: Limits::default() };
    Guard { set, inspector: Inspector::new(context) }
}

impl Guard {
    fn inspect(&self, mail: &Outgoing) -> Facts {
        let envelope = envelope(mail);
        self.inspector.inspect(&envelope, &mail.data, Want::default()).facts
    }

    /// What this mail adds to the sums that rules ask for, by key.
    fn contributions(&self, facts: &Facts) -> BTreeMap<String, u64> {
        self.set.windows().iter().map(|window| (window.key(), self.set.contribution(window, facts))).collect()
    }

    /// The verdict when the sender's earlier mails are these sums.
    fn judge(&self, facts: &Facts, earlier: &BTreeMap<String, u64>) -> Verdict {
        let mut facts = facts.clone();
        facts.windows = self.contributions(&facts);
        for (key, sum) in earlier {
            *facts.windows.entry(key.clone()).or_default() += sum;
        }
        rules::evaluate(&self.set, &facts)
    }
}

fn matched(verdict: &Verdict) -> Vec<&str> {
    verdict.matches.iter().filter(|each| !each.observed).map(|each| each.rule.as_str()).collect()
}

/// Everything in which the program disagrees with what an incident expects.
fn disagreements(guard: &Guard, incident: &Incident) -> Vec<String> {
    let expect = &incident.expect;
    let mut wrong = Vec::new();
    let mut earlier = BTreeMap::new();
    let (mut persons, mut visible) = (0, 0);
    for (number, mail) in (1..).zip(&incident.mails) {
        let facts = guard.inspect(mail);
        let verdict = guard.judge(&facts, &BTreeMap::new());
        let rules = matched(&verdict);
        let by_itself = if expect.rules.is_empty() {
            !verdict.outcome.stops() && verdict.outcome < Outcome::Delay
        } else {
            verdict.outcome == expect.outcome && expect.rules.iter().any(|rule| rules.contains(rule))
        };
        if !by_itself {
            wrong.push(format!(
                "mail {number}: {} by {rules:?}, wanted {} by {:?}; persons {:?}, unread {:?}",
                verdict.outcome.as_str(),
                expect.outcome.as_str(),
                expect.rules,
                facts.persons,
                facts.unreadable
            ));
        }
        if number == incident.mails.len() && !expect.repeated.is_empty() {
            let verdict = guard.judge(&facts, &earlier);
            let rules = matched(&verdict);
            if !expect.repeated.iter().any(|rule| rules.contains(rule)) {
                wrong.push(format!("the repetition gives {rules:?}, wanted {:?}; sums {earlier:?}", expect.repeated));
            }
        }
        for (key, sum) in guard.contributions(&facts) {
            *earlier.entry(key).or_default() += sum;
        }
        persons += facts.persons.total;
        visible += facts.visible.iter().filter(|address| !guard.set.is_internal(address)).count() as u64;
    }
    if let Some(wanted) = expect.persons
        && persons.abs_diff(wanted) * 20 > wanted
    {
        wrong.push(format!("{persons} persons, wanted {wanted} within 5 %"));
    }
    if let Some(wanted) = expect.visible_external
        && visible != wanted
    {
        wrong.push(format!("{visible} outside addresses are visible, wanted {wanted}"));
    }
    wrong.into_iter().map(|line| format!("{}: {line}", incident.id)).collect()
}

fn all_agree(incidents: &[Incident]) {
    let guard = guard();
    let wrong: Vec<String> = incidents.iter().flat_map(|incident| disagreements(&guard, incident)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_published_leak_is_stopped() {
    all_agree(&incidents::all());
}

#[test]
fn no_ordinary_mail_is_stopped() {
    all_agree(&incidents::must_pass());
}

/// Readers must not need what a worker gives up: every kind of file of the incidents goes through one.
#[tokio::test]
async fn a_confined_worker_says_what_an_inspection_without_walls_says() {
    let guard = guard();
    let limits = Limits::default();
    let options = Options {
        program: env!("CARGO_BIN_EXE_sekisho").into(),
        count: 2,
        deadline: Duration::from_mins(2),
        mebibytes: limits.worker_mebibytes,
        confine: Confine::Auto,
    };
    let context = Context { internal: guard.set.internal_patterns(), patterns: guard.set.text_patterns(), limits };
    let pool = Pool::new(options, context);
    let held = pool.open().await.unwrap();
    if !held.whole() {
        #[allow(clippy::print_stderr, reason = "what was not tested is said")]
        {
            eprintln!("skipped in part: this kernel confines a worker by {held:?}");
        }
    }
    let all: Vec<Outgoing> = [incidents::all(), incidents::must_pass()]
        .into_iter()
        .flatten()
        .filter_map(|incident| incident.mails.into_iter().next())
        .filter(|mail| mail.data.len() < 60_000)
        .collect();
    assert!(all.len() > 20, "{}", all.len());
    for mail in &all {
        let envelope = envelope(mail);
        let there = pool.inspect(&envelope, &mail.data, Want::default()).await.unwrap().facts;
        assert_eq!(there, guard.inspect(mail));
    }
    assert_eq!(pool.failures(), 0);
}

#[test]
fn an_expectation_that_is_not_met_is_listed() {
    let guard = guard();
    let mut swapped = incidents::must_pass().remove(0);
    swapped.expect = incidents::all().remove(0).expect;
    assert!(disagreements(&guard, &swapped).len() > swapped.mails.len());
    let mut swapped = incidents::all().into_iter().find(|incident| incident.id == "saga").unwrap();
    swapped.expect.visible_external = Some(1_621);
    swapped.expect.repeated = vec!["no-such-rule"];
    assert_eq!(disagreements(&guard, &swapped).len(), 2);
}

#[test]
fn the_named_rules_are_shipped() {
    let guard = guard();
    for incident in incidents::all() {
        for rule in incident.expect.rules.iter().chain(&incident.expect.repeated) {
            assert!(guard.set.rule(rule).is_some(), "{}: {rule}", incident.id);
        }
    }
}
