//! What must survive a crash: held mails, the outbox, pending notices, history and the audit trail, behind a dozen domain methods.
//! It refuses to answer before a commit is on the disk, and keeps all SQL of the program to itself.

mod audit;
mod backup;
mod body;
mod check;
mod column;
mod contact;
mod error;
mod held;
mod history;
mod join;
mod keyring;
mod look;
mod many;
mod notice;
mod open;
mod outbox;
mod purge;
mod rate;
mod rotate;
mod row;
mod schema;
mod seal;
mod secret;
mod together;
mod told;
mod transition;
mod waiting;
mod writer;

pub use audit::{AuditFilter, AuditRow, Event, NewAudit, Record};
pub use backup::{Backup, backup};
pub use check::{Checked, check};
pub use error::StoreError;
pub(crate) use held::steps;
pub use held::{Held, HeldFilter, NewHold};
pub use history::{ANY, HistoryRow, Sums, Window};
pub use look::free_bytes;
pub use notice::{About, NewNotice, Notice, NoticeKind};
pub use open::{Options, Role, Store};
pub use outbox::{NewQueued, Settlement};
pub use purge::{Purged, Retention};
pub use rate::{NewSent, SENT, SENT_BY_LOGIN, Sent};
pub use rotate::Rotated;
pub(crate) use secret::random;
pub use together::MailGroup;
pub use transition::{Escalated, Transition};
pub use waiting::{Said, Waiting, WaitingFilter};

use crate::address::Address;
use crate::detect::Finding;
use crate::facts::Facts;
use crate::id::MailId;
use crate::mail::envelope::{Client, MailParameters, Recipient};
use crate::plan::Change;
use crate::rules::verdict::{Repair, Verdict};
use serde::{Deserialize, Serialize};

/// What makes several transactions one mail. Of a mail as it came: a keyed digest over sender, Message-ID and content (trace fields left out), as
/// lower-case hex; of a mail that was judged: the id of its first transaction, so that the same content is another mail another day.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MailKey(pub String);

/// A mail that waits for a decision, or had one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldMail {
    pub id: MailId,
    pub key: MailKey,
    pub state: State,
    pub client: Client,
    pub sender: Option<Address>,
    pub parameters: MailParameters,
    /// All recipients, of all transactions that joined.
    pub recipients: Vec<Recipient>,
    pub facts: Facts,
    pub findings: Vec<Finding>,
    pub verdict: Verdict,
    /// Epoch milliseconds.
    pub created_ms: u64,
    /// Epoch milliseconds.
    pub expires_ms: u64,
    /// What was decided, once it was.
    pub decision: Option<Decision>,
    /// Approvers who agreed so far.
    pub approvals: Vec<String>,
    /// The repair the first of them chose; the others agree to the same one.
    pub approved_repair: Option<Repair>,
    /// How many escalation steps were taken, in the order of their times.
    pub escalated: u32,
    /// Grows with every change; a decision names the revision it was made on, so that it never misses a recipient who joined meanwhile.
    pub revision: u64,
}

/// The states of a held mail; every change goes through one compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits.
    Held,
    /// Released; copies are still in the outbox.
    Releasing,
    /// Released and delivered (or reported).
    Released,
    /// Given back to the sender by an approver or administrator, or on expiry with `on_expiry = "return"`.
    Returned,
    /// Its time ran out and it was given back.
    Expired,
    /// The sender took it back.
    Cancelled,
}

impl State {
    /// The word in the database, logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Returned => "returned",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Did the mail leave, or is it leaving?
    #[must_use]
    pub fn leaves(self) -> bool {
        matches!(self, Self::Releasing | Self::Released)
    }
}

/// Who acts on a held mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The sender by the link of his notice.
    Sender(String),
    /// An approver by the link of his notice.
    Approver(String),
    /// An administrator on the command line.
    Admin(String),
    /// The clock.
    Expiry,
}

/// A decision on a held mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub by: Actor,
    /// The repair chosen; `None` when the mail was returned or expired.
    pub repair: Option<Repair>,
    pub comment: String,
    /// Epoch milliseconds.
    pub at_ms: u64,
}

/// One copy waiting in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxItem {
    /// The item's own id.
    pub id: MailId,
    /// The mail it belongs to.
    pub mail: MailId,
    pub sender: Option<Address>,
    pub parameters: MailParameters,
    /// Recipients still open.
    pub recipients: Vec<Recipient>,
    pub change: Change,
    /// Attempts so far, the one it is claimed for included.
    pub attempts: u32,
    /// Has the sender been told of the delay?
    pub warned: bool,
    /// Epoch milliseconds.
    pub created_ms: u64,
    /// What the next server said last about each recipient.
    pub said: Vec<Said>,
}
