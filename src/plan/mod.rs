//! From a verdict to a plan: which copies leave, what is held, what is refused, who is told. Pure.
//! It refuses to perform anything and to touch any byte of a mail that the verdict lets pass.

use crate::address::Address;
use crate::mail::envelope::Recipient;
use crate::rules::verdict::{HoldTerms, Tag};
use serde::{Deserialize, Serialize};

/// What shall happen to one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Relay as it is while the client waits.
    Relay,
    /// Accept and deliver these copies from the outbox.
    Queue(Vec<Copy>),
    /// Accept and keep for a decision; recipients not concerned may have these copies now.
    Hold { terms: HoldTerms, held: Vec<Recipient>, now: Vec<Copy> },
    /// Refuse in the dialogue with this reply text (`550 5.7.1 …`).
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
    /// These addresses are removed from To and Cc.
    Remove(Vec<Address>),
    /// To holds this address alone; Cc goes.
    Only(Address),
}
