//! What the rules decided about one mail, with every rule that matched and why.
//! It refuses to act: the plan turns it into deliveries, holds and refusals.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Outcomes from the mildest to the strictest; the derived order is the rule "strictest wins".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No enforced rule matched.
    #[default]
    Pass,
    Log,
    Tag,
    Notify,
    Delay,
    /// Outside visible addresses are removed.
    Bcc,
    /// One copy per outside recipient.
    Individual,
    /// Waits for the sender himself.
    HoldSender,
    /// Waits for an approver.
    HoldApprover,
    /// Waits for an administrator.
    HoldAdmin,
    Block,
}

impl Outcome {
    /// The word for logs, audit rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Log => "log",
            Self::Tag => "tag",
            Self::Notify => "notify",
            Self::Delay => "delay",
            Self::Bcc => "bcc",
            Self::Individual => "individual",
            Self::HoldSender => "hold_sender",
            Self::HoldApprover => "hold_approver",
            Self::HoldAdmin => "hold_admin",
            Self::Block => "block",
        }
    }

    /// Is the mail kept back (held or blocked)?
    #[must_use]
    pub fn stops(self) -> bool {
        self >= Self::HoldSender
    }
}

/// A sentence in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bilingual {
    pub en: String,
    pub ja: String,
}

/// The decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The strictest enforced outcome.
    pub outcome: Outcome,
    /// Every rule whose conditions held, strictest first, then in the order of files; observed ones too.
    pub matches: Vec<Match>,
    /// The rewriting of all enforced matches (individual includes bcc).
    pub rewrite: Option<Rewriting>,
    /// Tags of all enforced matches, without repetition.
    pub tags: Vec<Tag>,
    /// Who else is told: addresses, or the word `sender`.
    pub notify: Vec<String>,
    /// Additional envelope recipients.
    pub copy_to: Vec<String>,
    /// Milliseconds the mail waits by itself, if the outcome is `delay`.
    pub delay_ms: Option<u64>,
    /// The terms of the strictest hold (also of a delay), when the mail is kept for a decision.
    pub hold: Option<HoldTerms>,
    /// With `block = "notice"`: accept, discard and tell the sender, instead of refusing in the dialogue.
    pub block_by_notice: bool,
    /// Recipients that the deciding rules (all of `scope = "recipient"`) do not concern may have the mail now; comparison keys of the addresses concerned. Empty: the whole mail.
    pub only_recipients: Vec<String>,
}

/// One rule whose conditions held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// The rule's stable id.
    pub rule: String,
    /// The sentence for people.
    pub title: Bilingual,
    /// What it asks for.
    pub outcome: Outcome,
    /// `mode = "observe"`: recorded, not enforced.
    pub observed: bool,
    /// The conditions with the values found, for "why".
    pub reasons: Vec<Reason>,
}

/// One condition that held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The condition's key (`visible_external`).
    pub key: String,
    /// What the rule asks (`>= 10`).
    pub wanted: String,
    /// What the mail has (`421`).
    pub found: String,
}

/// How recipients are hidden from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rewriting {
    Bcc,
    Individual,
}

/// What may be chosen when a held mail is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Send with the outside visible addresses removed.
    Bcc,
    /// Send one copy to each outside recipient.
    Individual,
    /// Send as it is.
    AsIs,
    /// Do not send.
    Cancel,
}

/// A mark on the mail when it leaves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// A header field to add at the top: name, value.
    Header(String, String),
    /// Text put in front of the subject, unless it is there already.
    Subject(String),
}

/// Who decides about a held mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// Nobody needs to: it leaves when its time is over; the sender may cancel or send at once.
    Nobody,
    Sender,
    Approver,
    Admin,
}

/// The terms of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldTerms {
    /// Who decides.
    pub decider: Decider,
    /// What may be chosen, in the order to show.
    pub repairs: Vec<Repair>,
    /// Addresses of the approvers.
    pub approvers: Vec<String>,
    /// How many of them must agree, at least 1.
    pub approvals: u32,
    /// Further approvers, and after how many milliseconds they are asked.
    pub escalate: Vec<Escalation>,
    /// Milliseconds until it expires.
    pub expires_ms: u64,
    /// What happens then.
    pub on_expiry: OnExpiry,
}

/// Deputies who are asked after a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Escalation {
    pub after_ms: u64,
    pub to: Vec<String>,
}

/// What happens when nobody decided in time; the sender is always told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    Return,
    Release,
    Escalate,
}
