//! A further transaction of a mail that is held already: its recipients are merged, and the stricter verdict counts.
//! It refuses to relax anything: agreement given before new recipients came is asked for again.

use super::held::{Detail, Holding, approvers, due, joined};
use super::keyring::InUse;
use super::notice::{NewNotice, NoticeKind};
use super::row::{int, json};
use super::seal::Purpose;
use super::{HeldMail, StoreError, audit, column, history, notice, outbox, together};
use crate::mail::envelope::Recipient;
use sqlx::AnyConnection;
use std::collections::HashSet;

/// Writes what the further transaction adds.
pub(super) async fn join(at: &mut AnyConnection, mail: HeldMail, with: &Holding) -> Result<(), StoreError> {
    let new = &with.new;
    let mut recipients = mail.recipients;
    let grown = merge(&mut recipients, &new.recipients);
    let stricter = new.verdict.outcome > mail.verdict.outcome;
    let due_ms = new.now_ms.saturating_add(new.settle_ms);

    let mut facts = if stricter { new.facts.clone() } else { mail.facts.clone() };
    let mut seen: HashSet<_> = facts.recipients.iter().cloned().collect();
    let other = if stricter { &mail.facts.recipients } else { &new.facts.recipients };
    facts.recipients.extend(other.iter().filter(|address| seen.insert((*address).clone())).cloned());

    let (findings, verdict) =
        if stricter { (new.findings.clone(), new.verdict.clone()) } else { (mail.findings, mail.verdict) };
    let expires_ms = if stricter { new.expires_ms } else { mail.expires_ms };
    let escalated = if stricter { 0 } else { mail.escalated };
    let revision = mail.revision + 1;
    let (undone, approvals, repair) = if grown || stricter {
        (mail.approvals, Vec::new(), None)
    } else {
        (Vec::new(), mail.approvals, mail.approved_repair)
    };
    let due_at = due(mail.created_ms, expires_ms, verdict.hold.as_ref(), escalated);
    let asked = approvers(verdict.hold.as_ref(), escalated);
    let detail =
        Detail { client: mail.client, sender: mail.sender, parameters: mail.parameters, facts, findings, verdict };
    let key = InUse::now(at, &with.keys).await?;
    let detail = column::lock(&key, Purpose::Detail, &mail.id, &detail)?;
    let recipients = column::lock(&key, Purpose::Recipients, &mail.id, &recipients)?;
    sqlx::query(
        "UPDATE held SET detail = $1, recipients = $2, approvals = $3, approved_repair = $4, approvers = $5,
         escalated = $6, expires_ms = $7, due_ms = $8, revision = $9 WHERE id = $10",
    )
    .bind(detail)
    .bind(recipients)
    .bind(json(&approvals)?)
    .bind(repair.as_ref().map(json).transpose()?)
    .bind(asked)
    .bind(i64::from(escalated))
    .bind(int(expires_ms))
    .bind(int(due_at))
    .bind(int(revision))
    .bind(mail.id.as_str())
    .execute(&mut *at)
    .await?;
    // Another decider is another notice, in place of one that waits still; otherwise those are asked again whose agreement was undone.
    let again = if stricter {
        notice::withdraw(at, &mail.id, new.now_ms).await?;
        Some(NewNotice { occasion: revision, ..NewNotice::held(&mail.id, NoticeKind::Held, due_ms) })
    } else if undone.is_empty() {
        None
    } else {
        Some(NewNotice::ask(&mail.id, revision, undone, due_ms))
    };
    if let Some(again) = again {
        notice::insert(at, &again, new.now_ms).await?;
    }
    outbox::insert_items(at, &mail.id, &with.items).await?;
    if let Some(row) = &with.history {
        history::insert(at, &[row]).await?;
    }
    if let Some(group) = &new.group {
        together::keep(at, &[group]).await?;
    }
    audit::add(at, &joined(&new.audit, &mail.id)).await
}

/// Adds those that are not there; a mailbox keeps the parameters it came with first.
fn merge(recipients: &mut Vec<Recipient>, more: &[Recipient]) -> bool {
    let before = recipients.len();
    let mut seen: HashSet<_> = recipients.iter().map(|recipient| recipient.address.clone()).collect();
    recipients.extend(more.iter().filter(|recipient| seen.insert(recipient.address.clone())).cloned());
    recipients.len() > before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_joins_once_with_its_first_parameters() {
        let mut first = Recipient::new("a@x.test");
        first.notify = Some("NEVER".to_owned());
        let mut all = vec![first.clone()];
        assert!(merge(&mut all, &[Recipient::new("A@X.test"), Recipient::new("b@x.test"), Recipient::new("b@x.test")]));
        assert_eq!(all, [first, Recipient::new("b@x.test")]);
        assert!(!merge(&mut all, &[Recipient::new("b@x.test")]));
    }
}
