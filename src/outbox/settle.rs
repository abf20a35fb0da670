//! From the fates of one attempt to what is written down: who is open still, who is reported, when the next attempt is. Pure.
//! It refuses to lose a recipient between the two: each one is accepted, reported, open, or stuck and shown.

use super::patience::Patience;
use super::report::{Disposition, Reported, said};
use crate::mail::envelope::Recipient;
use crate::smtp::reply::Reply;
use crate::smtp::sender::Fate;
use crate::store::{OutboxItem, Said};

/// What an attempt came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    /// To be tried again.
    pub open: Vec<Recipient>,
    /// To be reported, whatever their NOTIFY says; the report leaves out those who do not want it.
    pub reported: Vec<Reported>,
    /// Failed for good, and there is no sender to tell: kept.
    pub stuck: Vec<Recipient>,
    /// What the next server said about those open and those stuck.
    pub said: Vec<Said>,
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
        if let Fate::Deferred(reply) | Fate::Refused(reply) = &fate {
            let address = recipient.address.clone();
            sorted.said.push(Said { address, at_ms: now_ms, reply: said(reply) });
        }
        let failed = match fate {
            Fate::Accepted(reply) => {
                sorted.accepted += 1;
                if !carries_dsn {
                    sorted.tell(recipient, Disposition::Relayed(reply));
                }
                continue;
            }
            Fate::Deferred(reply) if now_ms < end_ms => {
                sorted.open.push(recipient.clone());
                if warn {
                    sorted.delayed += 1;
                    sorted.warned = true;
                    sorted.tell(recipient, Disposition::Delayed { reply, until_ms: end_ms });
                }
                continue;
            }
            Fate::Refused(reply) => Disposition::Failed(reply),
            Fate::Deferred(reply) => Disposition::Expired(reply),
        };
        sorted.failed += 1;
        if item.sender.is_some() {
            sorted.tell(recipient, failed);
        } else {
            sorted.stuck.push(recipient.clone());
        }
    }
    sorted
}

impl Sorted {
    fn tell(&mut self, recipient: &Recipient, disposition: Disposition) {
        self.reported.push(Reported { recipient: recipient.clone(), disposition });
    }
}
