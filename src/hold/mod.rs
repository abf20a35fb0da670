//! The life of a held mail: Held → Releasing → Released, or Returned, Expired, Cancelled.
//! It refuses any change that does not pass the compare-and-set of the store, so two people pressing release send one mail.

mod act;
mod expiry;
mod permission;

pub use expiry::Ticked;
pub use permission::{Denial, choices, effective};

use crate::address::Address;
use crate::id::MailId;
use crate::rules::verdict::Repair;
use crate::store::{Actor, HeldFilter, HeldMail, State, Store, StoreError};
use std::sync::Arc;

/// Who is inside the organisation; asked anew each time, since the rules may be reloaded.
pub type IsInternal = Arc<dyn Fn(&Address) -> bool + Send + Sync>;

/// The one door: every decision on a held mail passes here, whoever makes it.
pub struct Desk {
    store: Arc<Store>,
    is_internal: IsInternal,
}

/// What somebody wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send it, repaired so.
    Release(Repair),
    /// Give it back to the sender, with a word for him.
    Return { comment: String },
    /// Take it back.
    Cancel,
    /// Agree that it is sent, repaired so; it leaves when enough approvers agree.
    Approve(Repair),
}

/// What an action came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is leaving, with this repair (which a rule may have made stricter than the one chosen).
    Released(Repair),
    /// It was given back.
    Returned,
    /// It was taken back.
    Cancelled,
    /// The agreement is noted; more are needed.
    Approved { given: u32, needed: u32 },
}

/// Why an action was not done; the texts fit behind "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such mail, or it was purged.
    #[error("find the mail")]
    NotFound,
    /// Somebody was faster.
    #[error("decide on the mail: it is {} already", .state.as_str())]
    AlreadyDecided {
        state: State,
        /// Who decided.
        by: Option<Actor>,
    },
    /// This person may not do this.
    #[error("decide on the mail: {why}")]
    NotAllowed { why: Denial },
    /// Its time ran out.
    #[error("decide on the mail: its time has run out")]
    Expired,
    /// The plan for this repair leaves somebody out, so nothing was done.
    #[error("release the mail: the plan does not reach every recipient")]
    Unreachable,
    /// Rewritten, it would still show outside addresses.
    #[error(
        "release the mail with hidden addresses: it also shows them where nothing can be rewritten; it has to be sent again in another form"
    )]
    Shown,
    /// It changed again and again while it was being decided.
    #[error("decide on the mail: it keeps changing, please try again")]
    Busy,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Desk {
    /// A desk over a store.
    #[must_use]
    pub fn new(store: Arc<Store>, is_internal: IsInternal) -> Self {
        Self { store, is_internal }
    }

    /// One held mail, in whatever state.
    ///
    /// # Errors
    /// [`ActError::NotFound`]; errors of the store.
    pub async fn view(&self, id: &MailId) -> Result<HeldMail, ActError> {
        self.store.held(id).await?.ok_or(ActError::NotFound)
    }

    /// Held mails, newest first.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn list(&self, filter: &HeldFilter) -> Result<Vec<HeldMail>, ActError> {
        Ok(self.store.list_held(filter).await?)
    }

    /// What this person may choose for this mail now, for the page that asks; empty when he can do nothing.
    #[must_use]
    pub fn choices(&self, mail: &HeldMail, actor: &Actor, now_ms: u64) -> Vec<Action> {
        choices(mail, actor, now_ms)
    }
}
