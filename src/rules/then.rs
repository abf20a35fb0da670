//! Reads `then`: what happens when a rule's conditions hold.
//! It refuses combinations that contradict each other, approvers who cannot be asked, and header fields that could forge a mail.

use super::document::{Table, Value};
use super::keys;
use super::lists::Lists;
use super::number::duration_ms;
use super::verdict::{Decider, Escalation, HoldTerms, OnExpiry, Outcome, Repair, Rewriting, Tag};
use crate::config::error::Problem;

/// Everything a rule asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// The strictest of them.
    pub outcome: Outcome,
    /// The terms when the mail is kept (hold or delay).
    pub hold: Option<HoldTerms>,
    /// How long it waits by itself.
    pub delay_ms: Option<u64>,
    /// With a delay: inside recipients get it at once.
    pub internal_now: bool,
    /// How recipients are hidden from each other.
    pub rewrite: Option<Rewriting>,
    /// Marks.
    pub tags: Vec<Tag>,
    /// Who is told: addresses, or `sender`.
    pub notify: Vec<String>,
    /// Additional recipients.
    pub copy_to: Vec<String>,
    /// Accept, discard and tell the sender, instead of a refusal.
    pub block_by_notice: bool,
}

/// Time for the sender to look at his own mail.
const SENDER_EXPIRES_MS: u64 = 24 * 3_600_000;
/// Time for others, a weekend included.
const OTHERS_EXPIRE_MS: u64 = 3 * 24 * 3_600_000;

type Read<T> = Result<T, Problem>;

/// Reads a `then`; warnings (an approver hold without approvers) go to `warnings`.
pub(super) fn read(
    value: Value<'_>,
    lists: &Lists,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Actions> {
    let before = problems.len();
    let actions = match value.as_string() {
        Some(word) => single(value, word).map_err(|problem| problems.push(problem)).ok(),
        None => match value.table() {
            Ok(table) => Outcomes { table: &table, lists, problems, warnings }.actions(),
            Err(problem) => {
                problems.push(problem.with_help("for example \"block\", or { hold = \"sender\" }"));
                None
            }
        },
    };
    actions.filter(|_| problems.len() == before)
}

/// The outcomes that need nothing else, as a single word.
fn single(value: Value<'_>, word: &str) -> Read<Actions> {
    let (outcome, rewrite) = match word {
        "log" => (Outcome::Log, None),
        "block" => (Outcome::Block, None),
        "bcc" => (Outcome::Bcc, Some(Rewriting::Bcc)),
        "individual" => (Outcome::Individual, Some(Rewriting::Individual)),
        "hold" => {
            return Err(value.problem("`hold` needs to know who decides").with_help("write { hold = \"sender\" }"));
        }
        "tag" | "notify" | "delay" => {
            return Err(value.problem(format!("`{word}` needs a value")).with_help(format!("write {{ {word} = … }}")));
        }
        _ => {
            return Err(value
                .problem(format!("unknown outcome `{word}`"))
                .with_help("single words: log, bcc, individual, block")
                .with_nearest(word, ["log", "bcc", "individual", "block", "hold"]));
        }
    };
    Ok(Actions { outcome, rewrite, ..Actions::default() })
}

struct Outcomes<'t, 'd> {
    table: &'t Table<'d>,
    lists: &'t Lists,
    problems: &'t mut Vec<Problem>,
    warnings: &'t mut Vec<Problem>,
}

impl<'d> Outcomes<'_, 'd> {
    fn value(&self, key: &str) -> Option<Value<'d>> {
        self.table.get(key).map(|entry| entry.value)
    }

    fn keep<T>(&mut self, read: Read<T>) -> Option<T> {
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    fn optional<T>(&mut self, key: &str, read: impl FnOnce(&mut Self, Value<'d>) -> Read<T>) -> Option<T> {
        let value = self.value(key)?;
        let read = read(self, value);
        self.keep(read)
    }

    fn actions(mut self) -> Option<Actions> {
        let before = self.problems.len();
        let known: Vec<&str> = keys::OUTCOMES.iter().map(|(name, ..)| *name).collect();
        self.table.refuse_unknown(&known, self.problems);
        let mut outcomes = Vec::new();
        let log = self.optional("log", |_, value| value.flag());
        outcomes.extend((log == Some(true)).then_some(Outcome::Log));
        let tags = self.optional("tag", Self::tags).unwrap_or_default();
        outcomes.extend((!tags.is_empty()).then_some(Outcome::Tag));
        let notify = self.optional("notify", |this, value| this.people(value, &["sender"])).unwrap_or_default();
        let copy_to = self.optional("copy_to", |this, value| this.people(value, &[])).unwrap_or_default();
        outcomes.extend((!notify.is_empty() || !copy_to.is_empty()).then_some(Outcome::Notify));
        let rewrite = self.rewriting();
        outcomes.extend(rewrite.map(|rewrite| match rewrite {
            Rewriting::Bcc => Outcome::Bcc,
            Rewriting::Individual => Outcome::Individual,
        }));
        let delay_ms = self.optional("delay", |_, value| duration(value));
        let internal_now = self.optional("internal", |_, value| internal_now(value)).unwrap_or(false);
        let block_by_notice = self.optional("block", |_, value| match (value.as_flag(), value.as_string()) {
            (Some(true), _) | (_, Some("reply")) => Ok(false),
            (_, Some("notice")) => Ok(true),
            _ => Err(value.problem("write block = true, or block = \"notice\"")),
        });
        outcomes.extend(block_by_notice.map(|_| Outcome::Block));
        let hold = self.hold(delay_ms);
        outcomes.extend(match hold.as_ref().map(|terms| terms.decider) {
            None => None,
            Some(Decider::Nobody) => Some(Outcome::Delay),
            Some(Decider::Sender) => Some(Outcome::HoldSender),
            // Without approvers an administrator decides, but the rule asked for an approval.
            Some(_) if self.value("hold").and_then(Value::as_string) == Some("approver") => Some(Outcome::HoldApprover),
            Some(Decider::Approver) => Some(Outcome::HoldApprover),
            Some(Decider::Admin) => Some(Outcome::HoldAdmin),
        });
        self.contradictions();
        let Some(outcome) = outcomes.into_iter().max() else {
            if self.problems.len() == before {
                let problem = self.table.problem("`then` asks for nothing");
                self.problems.push(problem.with_help("to record a match only, write then = \"log\""));
            }
            return None;
        };
        let block_by_notice = block_by_notice == Some(true);
        Some(Actions { outcome, hold, delay_ms, internal_now, rewrite, tags, notify, copy_to, block_by_notice })
    }

    /// Keys that make no sense together.
    fn contradictions(&mut self) {
        let has = |key: &str| self.table.get(key).is_some();
        let hold = self.value("hold").and_then(Value::as_string);
        let mut refused = Vec::new();
        for (key, together, reason) in [
            ("hold", !has("block"), "a blocked mail is not held as well"),
            ("hold", !has("delay"), "a held mail does not leave by itself: use `hold` or `delay`"),
            ("delay", !has("block"), "a blocked mail is not delayed as well"),
            ("internal", has("delay"), "`internal` needs `delay`"),
            ("repairs", has("hold"), "`repairs` needs `hold`"),
            ("expires", has("hold"), "`expires` needs `hold`"),
            ("on_expiry", has("hold"), "`on_expiry` needs `hold`"),
            ("approvers", hold == Some("approver") || !has("approvers"), "`approvers` needs hold = \"approver\""),
            ("approvals", hold == Some("approver"), "`approvals` needs hold = \"approver\""),
            ("escalate", hold == Some("approver"), "`escalate` needs hold = \"approver\""),
        ] {
            if let Some(entry) = self.table.get(key).filter(|_| !together) {
                refused.push(entry.problem(reason));
            }
        }
        self.problems.append(&mut refused);
    }

    fn rewriting(&mut self) -> Option<Rewriting> {
        let bcc = self.optional("bcc", |_, value| value.flag()) == Some(true);
        let individual = self.optional("individual", |_, value| value.flag()) == Some(true);
        if individual { Some(Rewriting::Individual) } else { bcc.then_some(Rewriting::Bcc) }
    }

    fn hold(&mut self, delay_ms: Option<u64>) -> Option<HoldTerms> {
        let Some(value) = self.value("hold") else {
            return delay_ms.map(|expires_ms| HoldTerms {
                decider: Decider::Nobody,
                repairs: vec![Repair::AsIs, Repair::Cancel],
                approvers: Vec::new(),
                approvals: 1,
                escalate: Vec::new(),
                expires_ms,
                on_expiry: OnExpiry::Release,
            });
        };
        let word = value.string();
        let mut decider = match self.keep(word)? {
            "sender" => Decider::Sender,
            "approver" => Decider::Approver,
            "admin" => Decider::Admin,
            other => {
                let problem = value.problem(format!("unknown decider `{other}`"));
                let problem = problem.with_help("known: sender, approver, admin");
                self.problems.push(problem.with_nearest(other, ["sender", "approver", "admin"]));
                return None;
            }
        };
        let mut approvers = Vec::new();
        if decider == Decider::Approver {
            let Some(entry) = self.table.get("approvers") else {
                let problem = value.problem("nobody is named who may approve");
                self.problems.push(problem.with_help("add approvers = [\"@managers\"]"));
                return None;
            };
            let people = self.people(entry.value, &[]);
            approvers = self.keep(people)?;
            if approvers.is_empty() {
                self.warnings.extend(self.empty_lists(entry.value));
                decider = Decider::Admin;
            }
        }
        let approvals = self.approvals(approvers.len());
        let escalate = self.optional("escalate", Self::escalations).unwrap_or_default();
        let on_expiry = self.optional("on_expiry", |_, value| on_expiry(value)).unwrap_or(OnExpiry::Return);
        if on_expiry == OnExpiry::Escalate && escalate.is_empty() {
            let problem = self.table.get("on_expiry").map(|entry| entry.value.problem("nobody to escalate to"));
            self.problems
                .extend(problem.map(|problem| problem.with_help("add escalate = [{ after = \"4h\", to = […] }]")));
        }
        let own = if decider == Decider::Sender { SENDER_EXPIRES_MS } else { OTHERS_EXPIRE_MS };
        let expires_ms = self.optional("expires", |_, value| duration(value)).unwrap_or(own);
        let repairs = self.optional("repairs", |_, value| repairs(value)).unwrap_or_else(|| default_repairs(decider));
        Some(HoldTerms { decider, repairs, approvers, approvals, escalate, expires_ms, on_expiry })
    }

    /// Warnings at the lists of approvers, all of which are empty.
    fn empty_lists(&self, value: Value<'d>) -> Vec<Problem> {
        let values = value.one_or_many().unwrap_or_default();
        let names = values.into_iter().filter_map(Value::as_string).filter_map(|text| text.strip_prefix('@'));
        names
            .filter_map(|name| Some((name, self.lists.get(name)?)))
            .map(|(name, list)| {
                let message =
                    format!("the list `{name}` has no entries: an administrator decides instead of an approver");
                Problem::warning(&list.source, list.span.clone(), message)
            })
            .collect()
    }

    fn approvals(&mut self, approvers: usize) -> u32 {
        let Some(value) = self.value("approvals") else { return 1 };
        let number = value.whole_number();
        let Some(number) = self.keep(number) else { return 1 };
        let reachable = approvers == 0 || usize::try_from(number).is_ok_and(|number| number <= approvers);
        match u32::try_from(number) {
            Ok(number) if number > 0 && reachable => number,
            _ => {
                let message = format!("{number} of {approvers} approvers cannot agree");
                self.problems.push(value.problem(message));
                1
            }
        }
    }

    fn escalations(&mut self, value: Value<'d>) -> Read<Vec<Escalation>> {
        let mut steps = Vec::new();
        for value in value.one_or_many()? {
            let table = value.table()?;
            table.refuse_unknown(&["after", "to"], self.problems);
            let after = table.get("after").ok_or_else(|| table.problem("`after` is missing"))?;
            let to = table.get("to").ok_or_else(|| table.problem("`to` is missing"))?;
            let to = self.people(to.value, &[])?;
            // A list that is still empty has nobody to ask; the approvers stay responsible.
            if !to.is_empty() {
                steps.push(Escalation { after_ms: duration(after.value)?, to });
            }
        }
        steps.sort_by_key(|step| step.after_ms);
        Ok(steps)
    }

    fn tags(&mut self, value: Value<'d>) -> Read<Vec<Tag>> {
        let table = value.table().map_err(|problem| problem.with_help("write { tag = { subject = \"【社外】\" } }"))?;
        table.refuse_unknown(&["header", "subject"], self.problems);
        if table.entries.is_empty() {
            return Err(table.problem("a tag needs `subject` or `header`"));
        }
        let mut tags = Vec::new();
        for entry in &table.entries {
            for value in entry.value.one_or_many()? {
                let text = value.string()?;
                if text.trim().is_empty() || text.chars().any(char::is_control) {
                    return Err(value.problem("a mark must have text, without line breaks"));
                }
                if entry.key == "subject" {
                    tags.push(Tag::Subject(text.to_owned()));
                    continue;
                }
                let field = text.split_once(':').map(|(name, content)| (name.trim(), content.trim()));
                match field {
                    Some((name, content)) if is_own_field(name) && !content.is_empty() => {
                        tags.push(Tag::Header(name.to_owned(), content.to_owned()));
                    }
                    _ => {
                        return Err(value
                            .problem("a header mark is a field of your own")
                            .with_help("write header = \"X-Name: text\"; other fields belong to the mail"));
                    }
                }
            }
        }
        Ok(tags)
    }

    /// Addresses, from lists or written out; `words` are allowed besides.
    fn people(&mut self, value: Value<'d>, words: &[&str]) -> Read<Vec<String>> {
        let mut people = Vec::new();
        for value in value.one_or_many()? {
            let text = value.string()?.trim();
            if let Some(list) = self.lists.referred(value, text) {
                for entry in &list?.entries {
                    if !is_mailbox(&entry.text) {
                        let message = format!("`{}` is not the address of a person", entry.text);
                        self.problems.push(Problem::error(&entry.source, entry.span.clone(), message));
                    }
                    people.push(entry.text.clone());
                }
            } else if words.contains(&text) || is_mailbox(text) {
                people.push(text.to_owned());
            } else {
                let problem = value.problem(format!("`{text}` is neither an address nor a list"));
                return Err(problem
                    .with_help("write \"a@city.example.jp\" or \"@list\"")
                    .with_nearest(text, words.iter().copied()));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        people.retain(|one| seen.insert(one.to_lowercase()));
        Ok(people)
    }
}

fn duration(value: Value<'_>) -> Read<u64> {
    duration_ms(value.string()?).map_err(|message| value.problem(message))
}

fn internal_now(value: Value<'_>) -> Read<bool> {
    match value.string()? {
        "now" => Ok(true),
        "wait" => Ok(false),
        _ => Err(value.problem("write internal = \"now\" or \"wait\"")),
    }
}

fn on_expiry(value: Value<'_>) -> Read<OnExpiry> {
    let word = value.string()?;
    keys::from_word(word).ok_or_else(|| {
        value
            .problem(format!("unknown ending `{word}`"))
            .with_help("known: return, release, escalate")
            .with_nearest(word, ["return", "release", "escalate"])
    })
}

fn repairs(value: Value<'_>) -> Read<Vec<Repair>> {
    let mut repairs = Vec::new();
    for value in value.one_or_many()? {
        let word = value.string()?;
        let repair = keys::from_word(word).ok_or_else(|| {
            value
                .problem(format!("unknown repair `{word}`"))
                .with_help("known: bcc, individual, as_is, cancel")
                .with_nearest(word, ["bcc", "individual", "as_is", "cancel"])
        })?;
        if !repairs.contains(&repair) {
            repairs.push(repair);
        }
    }
    if !repairs.contains(&Repair::Cancel) {
        repairs.push(Repair::Cancel);
    }
    Ok(repairs)
}

fn default_repairs(decider: Decider) -> Vec<Repair> {
    match decider {
        Decider::Nobody | Decider::Approver => vec![Repair::AsIs, Repair::Cancel],
        Decider::Sender => vec![Repair::Bcc, Repair::Individual, Repair::AsIs, Repair::Cancel],
        Decider::Admin => vec![Repair::AsIs, Repair::Bcc, Repair::Individual, Repair::Cancel],
    }
}

/// An extension field (`X-…`), letters, digits and hyphens only: it cannot change what the mail is.
fn is_own_field(name: &str) -> bool {
    name.len() > 2
        && name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_mailbox(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, _)| !local.is_empty()) && super::lists::check_domain_pattern(text).is_ok()
}
