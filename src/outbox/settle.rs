//! From the fates of one attempt to what is written down: who is open still, who is reported, when the next attempt is. Pure.
//! It refuses to lose a recipient between the two: each one is accepted, reported or open.

use super::patience::Patience;
use super::report::{Disposition, Reported};
use crate::mail::envelope::Recipient;
use crate::smtp::reply::Reply;
use crate::smtp::sender::Fate;
use crate::store::OutboxItem;

/// What an attempt came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    /// To be tried again.
    pub open: Vec<Recipient>,
    /// To be reported, whatever their NOTIFY says; the report leaves out those who do not want it.
    pub reported: Vec<Reported>,
    /// Has the sender been told of the delay, now or before?
    pub warned: bool,
    pub accepted: u64,
    pub failed: u64,
    /// Told of as late in this attempt.
    pub delayed: u64,
}

/// A temporary failure of our own making.
pub(super) fn deferred(text: &str) -> Fate {
    Fate::Deferred(Reply { code: 451, lines: vec![text.as_bytes().to_vec()] })
}

/// Sorts recipients by their fates; a missing fate is a temporary failure.
pub(super) fn sort(item: &OutboxItem, fates: Vec<Fate>, patience: &Patience, carries_dsn: bool, now_ms: u64) -> Sorted {
    let end_ms = item.created_ms.saturating_add(patience.lifetime_ms);
    let warn = !item.warned && now_ms >= item.created_ms.saturating_add(patience.warn_ms);
    let mut sorted = Sorted { warned: item.warned, ..Sorted::default() };
    let missing = std::iter::repeat_with(|| deferred("4.4.2 no answer for this recipient"));
    for (recipient, fate) in item.recipients.iter().zip(fates.into_iter().chain(missing)) {
        let mut tell = |disposition| sorted.reported.push(Reported { recipient: recipient.clone(), disposition });
        match fate {
            Fate::Accepted(reply) => {
                sorted.accepted += 1;
                if !carries_dsn {
                    tell(Disposition::Relayed(reply));
                }
            }
            Fate::Refused(reply) => {
                sorted.failed += 1;
                tell(Disposition::Failed(reply));
            }
            Fate::Deferred(reply) if now_ms >= end_ms => {
                sorted.failed += 1;
                tell(Disposition::Expired(reply));
            }
            Fate::Deferred(reply) => {
                sorted.open.push(recipient.clone());
                if warn {
                    sorted.delayed += 1;
                    sorted.warned = true;
                    tell(Disposition::Delayed { reply, until_ms: end_ms });
                }
            }
        }
    }
    sorted
}
