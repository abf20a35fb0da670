//! A delivery report as an outbox entry of its own, and the act that needs one at once: an administrator cancels a copy.
//! It refuses to give a report a sender, so that its own failure is never reported.

use super::OutboxError;
use super::report::{Disposition, Report, Reported, Reporter, report};
use crate::id::MailId;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::plan::{self, Change, Copy};
use crate::rules::verdict::Outcome;
use crate::store::{Actor, Event, NewAudit, NewQueued, OutboxItem, Store};
use aws_lc_rs::rand;
use bytes::Bytes;

/// The report about some recipients of an item, ready for the outbox; `None` when nobody wants it.
pub(super) fn letter(
    reporter: &Reporter,
    item: &OutboxItem,
    reported: &[Reported],
    mail: &[Bytes],
    now_ms: u64,
) -> Result<Option<NewQueued>, OutboxError> {
    let mut random = [0; 10];
    rand::fill(&mut random).map_err(|_| OutboxError::Random)?;
    let id = MailId::new(now_ms, random);
    let about = Report {
        id: &id,
        sender: item.sender.as_ref(),
        parameters: &item.parameters,
        mail,
        recipients: reported,
        arrived_ms: item.created_ms,
        now_ms,
    };
    let Some(letter) = report(reporter, &about) else { return Ok(None) };
    let recipient = Recipient { address: letter.to, notify: None, orcpt: None };
    Ok(Some(NewQueued {
        audit: vec![NewAudit::new(now_ms, Some(id.clone()), Event::Queued, Outcome::Pass).count("reports", 1)],
        id,
        head: bytes::Bytes::new(),
        body: letter.bytes,
        copies: vec![Copy { recipients: vec![recipient], change: Change::default() }],
        sender: None,
        parameters: letter.parameters,
        now_ms,
        not_before_ms: now_ms,
        history: None,
        contacts: Vec::new(),
        notices: Vec::new(),
        group: None,
    }))
}

/// Takes an item out of the outbox for an administrator, and tells its sender unless it shall be done quietly. `None`, and nothing is done, when it is being
/// delivered at this moment or changed since it was read; otherwise whether a report was queued.
///
/// # Errors
/// When the mail cannot be read or nothing was written.
pub async fn cancel(
    store: &Store,
    reporter: &Reporter,
    item: &OutboxItem,
    actor: Actor,
    quietly: bool,
    now_ms: u64,
) -> Result<Option<bool>, OutboxError> {
    let report = if quietly || item.sender.is_none() {
        None
    } else {
        let tell =
            |recipient: &Recipient| Reported { recipient: recipient.clone(), disposition: Disposition::Cancelled };
        let reported: Vec<Reported> = item.recipients.iter().map(tell).collect();
        // A mail whose bytes cannot be read any more can be cancelled all the same.
        let body = store.body(&item.mail).await.unwrap_or_else(|error| {
            tracing::warn!(%error, mail = %item.mail, "the report of a cancelled mail has no header of it");
            None
        });
        let mail = body.map(|body| plan::render(&body, &item.change)).unwrap_or_default();
        // Its sender knows what he wrote: the header is enough, whatever RET says.
        let parameters = MailParameters { ret: None, ..item.parameters.clone() };
        letter(reporter, &OutboxItem { parameters, ..item.clone() }, &reported, &mail, now_ms)?
    };
    let told = report.is_some();
    let done = store.cancel_outbox(item, report, actor, now_ms).await?;
    Ok(done.then_some(told))
}
