//! From a verdict to a plan: which copies leave, what is held, what is refused, who is told. Pure.
//! It refuses to perform anything and to touch any byte of a mail that the verdict lets pass.

use crate::address::Address;
use crate::facts::Facts;
use crate::mail::envelope::Recipient;
use crate::rules::verdict::{Decider, HoldTerms, OnExpiry, Outcome, Repair, Rewriting, Tag, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

pub mod bcc;
pub mod individual;
mod render;
mod signature;

pub use render::render;

/// What shall happen to one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Relay while the client waits, as it is: the bytes to send are those of [`render`] with the default [`Change`], which takes out Bcc fields and nothing else.
    Relay,
    /// Accept and deliver these copies from the outbox.
    Queue(Vec<Copy>),
    /// Accept and keep for a decision; recipients not concerned may have these copies now.
    Hold { terms: HoldTerms, held: Vec<Recipient>, now: Vec<Copy> },
    /// Refuse in the dialogue with code 550 and this text, which begins with the enhanced status code (`5.7.1 …`, RFC 3463).
    Refuse(String),
    /// Accept, do not deliver, tell the sender.
    Discard,
}

/// One copy of the mail for some recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// Who gets it.
    pub recipients: Vec<Recipient>,
    /// How it differs from the mail as it came.
    pub change: Change,
}

/// How a copy differs from the mail as it came; the default is not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happens to To and Cc.
    pub visible: Visible,
    /// Marks to add.
    pub tags: Vec<Tag>,
}

/// What happens to the visible recipients of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visible {
    /// They stay.
    #[default]
    Keep,
    /// These addresses are removed from To, Cc and the people of calendars.
    Remove(Vec<Address>),
    /// To holds this address alone; Cc and the other people of calendars go.
    Only(Address),
}

/// Milliseconds a mail waits for its sender when no rule says how long: one day.
const DEFAULT_WAIT_MS: u64 = 24 * 60 * 60 * 1000;

/// Turns a verdict into a plan.
///
/// A rewriting of recipient fields that cannot be read without doubt becomes a question to the sender: a wrong rewrite would leak silently.
/// A block concerns the whole mail, also when its rule looks at single recipients: one reply to the data cannot refuse some of them.
#[must_use]
pub fn decide(
    verdict: &Verdict,
    recipients: &[Recipient],
    facts: &Facts,
    is_internal: &dyn Fn(&Address) -> bool,
) -> Plan {
    match verdict.outcome {
        Outcome::Block if verdict.block_by_notice => Plan::Discard,
        Outcome::Block => Plan::Refuse(refusal(verdict)),
        Outcome::HoldSender => hold(verdict, Decider::Sender, recipients, facts, is_internal),
        Outcome::HoldApprover => hold(verdict, Decider::Approver, recipients, facts, is_internal),
        Outcome::HoldAdmin => hold(verdict, Decider::Admin, recipients, facts, is_internal),
        Outcome::Delay => hold(verdict, Decider::Nobody, recipients, facts, is_internal),
        Outcome::Bcc | Outcome::Individual if shows_anyway(facts, is_internal) => {
            Plan::Hold { terms: question(vec![Repair::Cancel]), held: recipients.to_vec(), now: Vec::new() }
        }
        Outcome::Bcc | Outcome::Individual if facts.recipients_unclear.is_some() => Plan::Hold {
            terms: question(vec![Repair::Individual, Repair::Bcc, Repair::Cancel]),
            held: recipients.to_vec(),
            now: Vec::new(),
        },
        Outcome::Bcc | Outcome::Individual if verdict.delay_ms.is_some() => {
            hold(verdict, Decider::Nobody, recipients, facts, is_internal)
        }
        Outcome::Pass | Outcome::Log | Outcome::Tag | Outcome::Notify | Outcome::Bcc | Outcome::Individual => {
            let rewriting = verdict.rewrite.or(match verdict.outcome {
                Outcome::Bcc => Some(Rewriting::Bcc),
                Outcome::Individual => Some(Rewriting::Individual),
                _ => None,
            });
            let copies =
                leaving(rewriting.into(), recipients, &facts.visible, is_internal, &verdict.tags, &verdict.copy_to);
            match copies.as_slice() {
                [] => Plan::Relay,
                [only] if only.change == Change::default() && only.recipients == recipients => Plan::Relay,
                _ => Plan::Queue(copies),
            }
        }
    }
}

/// The copies that leave when a held mail is released with a repair. `Cancel` gives none.
#[must_use]
pub fn copies(
    repair: Repair,
    recipients: &[Recipient],
    visible: &[Address],
    is_internal: &dyn Fn(&Address) -> bool,
    tags: &[Tag],
) -> Vec<Copy> {
    match repair {
        Repair::Cancel => Vec::new(),
        _ if recipients.is_empty() => Vec::new(),
        Repair::AsIs => vec![Copy {
            recipients: recipients.to_vec(),
            change: Change { visible: Visible::Keep, tags: tags.to_vec() },
        }],
        Repair::Bcc => bcc::copies(recipients, visible, is_internal, tags),
        Repair::Individual => individual::copies(recipients, visible, is_internal, tags),
    }
}

/// The copies that leave when a held mail is released: those of [`copies`] with the verdict's tags and its additional recipients.
/// The mail of an expired delay, or one released as it is, still gets the rewriting that other rules asked for.
#[must_use]
pub fn released(
    verdict: &Verdict,
    repair: Repair,
    recipients: &[Recipient],
    visible: &[Address],
    is_internal: &dyn Fn(&Address) -> bool,
) -> Vec<Copy> {
    let repair = match (repair, verdict.rewrite) {
        (Repair::AsIs, rewriting) => rewriting.into(),
        (Repair::Bcc, Some(Rewriting::Individual)) => Repair::Individual,
        (repair, _) => repair,
    };
    leaving(repair, recipients, visible, is_internal, &verdict.tags, &verdict.copy_to)
}

impl From<Option<Rewriting>> for Repair {
    fn from(rewriting: Option<Rewriting>) -> Self {
        match rewriting {
            None => Self::AsIs,
            Some(Rewriting::Bcc) => Self::Bcc,
            Some(Rewriting::Individual) => Self::Individual,
        }
    }
}

/// Copies for the recipients and for those the rules add to the envelope. The added ones share a copy in which no outside address was put in their stead.
fn leaving(
    repair: Repair,
    recipients: &[Recipient],
    visible: &[Address],
    is_internal: &dyn Fn(&Address) -> bool,
    tags: &[Tag],
    copy_to: &[String],
) -> Vec<Copy> {
    let mut copies = copies(repair, recipients, visible, is_internal, tags);
    let mut known: HashSet<&str> = recipients.iter().map(|recipient| recipient.address.key()).collect();
    let added: Vec<Address> = copy_to.iter().map(|text| Address::new(text)).collect();
    let added: Vec<Recipient> = added
        .iter()
        .filter(|address| known.insert(address.key()))
        .map(|address| Recipient { address: address.clone(), notify: None, orcpt: None })
        .collect();
    if added.is_empty() || copies.is_empty() {
        return copies;
    }
    if let Some(shared) = copies.iter_mut().find(|copy| !matches!(copy.change.visible, Visible::Only(_))) {
        shared.recipients.extend(added);
    } else {
        let change = Change { visible: bcc::change(visible, is_internal), tags: tags.to_vec() };
        copies.push(Copy { recipients: added, change });
    }
    copies
}

/// A hold by the verdict's terms; recipients that the deciding rules do not concern get their copies now.
fn hold(
    verdict: &Verdict,
    decider: Decider,
    recipients: &[Recipient],
    facts: &Facts,
    is_internal: &dyn Fn(&Address) -> bool,
) -> Plan {
    let terms = verdict.hold.clone().unwrap_or_else(|| default_terms(verdict, decider));
    let concerned = |recipient: &&Recipient| {
        verdict.only_recipients.is_empty() || verdict.only_recipients.iter().any(|key| key == recipient.address.key())
    };
    // A copy for some that must be rewritten first cannot leave while the fields are in doubt.
    let shows_anyway = shows_anyway(facts, is_internal);
    let doubtful = verdict.rewrite.is_some() && (shows_anyway || facts.recipients_unclear.is_some());
    let terms = if shows_anyway { without_rewriting(terms, verdict.rewrite) } else { terms };
    if doubtful || recipients.iter().all(|recipient| concerned(&recipient)) {
        return Plan::Hold { terms, held: recipients.to_vec(), now: Vec::new() };
    }
    let (held, free): (Vec<Recipient>, Vec<Recipient>) =
        recipients.iter().cloned().partition(|recipient| concerned(&recipient));
    let now = copies(verdict.rewrite.into(), &free, &facts.visible, is_internal, &verdict.tags);
    if held.is_empty() { Plan::Queue(now) } else { Plan::Hold { terms, held, now } }
}

/// Would the mail show an outside address even after a rewriting (or may it, since it is not known whom it shows)?
#[must_use]
pub fn shows_anyway(facts: &Facts, is_internal: &dyn Fn(&Address) -> bool) -> bool {
    facts.unremovable.values().any(|people| people.is_empty() || people.iter().any(|address| !is_internal(address)))
}

/// Terms that offer no rewriting, also not by the way of a rule that rewrites what is released as it is.
fn without_rewriting(mut terms: HoldTerms, rewriting: Option<Rewriting>) -> HoldTerms {
    terms.repairs.retain(|repair| match repair {
        Repair::Bcc | Repair::Individual => false,
        Repair::AsIs => rewriting.is_none(),
        Repair::Cancel => true,
    });
    if !terms.repairs.contains(&Repair::Cancel) {
        terms.repairs.push(Repair::Cancel);
    }
    if rewriting.is_some() {
        terms.on_expiry = OnExpiry::Return;
    }
    terms
}

/// The terms of a hold whose rule gives none: the strict choice, given back to the sender after a day.
fn default_terms(verdict: &Verdict, decider: Decider) -> HoldTerms {
    let delay = decider == Decider::Nobody;
    HoldTerms {
        decider,
        repairs: vec![Repair::AsIs, Repair::Cancel],
        approvers: Vec::new(),
        approvals: 1,
        escalate: Vec::new(),
        expires_ms: verdict.delay_ms.filter(|_| delay).unwrap_or(DEFAULT_WAIT_MS),
        on_expiry: if delay && verdict.delay_ms.is_some() { OnExpiry::Release } else { OnExpiry::Return },
    }
}

/// The terms when a rewriting was asked for that would not be safe: in doubt about the recipient fields the sender chooses a form in which
/// every field is written anew; a mail that would show outside addresses all the same he can only take back and send in another form.
fn question(repairs: Vec<Repair>) -> HoldTerms {
    HoldTerms {
        decider: Decider::Sender,
        repairs,
        approvers: Vec::new(),
        approvals: 1,
        escalate: Vec::new(),
        expires_ms: DEFAULT_WAIT_MS,
        on_expiry: OnExpiry::Return,
    }
}

/// Octets of the sentence in a refusal: a reply line holds 512 octets (RFC 5321 4.5.3.1.5), and clients show the beginning.
const REFUSAL_OCTETS: usize = 400;

/// `5.7.1 [rule-id] English title`, in printable ASCII on one line.
fn refusal(verdict: &Verdict) -> String {
    let printable = |text: &str| {
        let shown: String =
            text.chars().map(|char| if char.is_ascii_graphic() { char } else { ' ' }).collect::<String>();
        shown.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    };
    let decisive = verdict.matches.iter().find(|rule| !rule.observed && rule.outcome == Outcome::Block);
    let (id, title) = decisive.map_or_else(Default::default, |rule| (printable(&rule.rule), printable(&rule.title.en)));
    let title = if title.is_empty() { "blocked by the organisation's mail rules" } else { title.as_str() };
    let mut text = if id.is_empty() { format!("5.7.1 {title}") } else { format!("5.7.1 [{id}] {title}") };
    text.truncate(REFUSAL_OCTETS);
    text
}
