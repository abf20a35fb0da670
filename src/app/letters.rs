//! Turns notices that are due into letters in the outbox.
//! It refuses to drop one: a notice is done only in the same commit that queues its letters.

use crate::address::Address;
use crate::id::MailId;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::notice::errand::errands;
use crate::notice::{self, About, Event, Voice};
use crate::plan::{Change, Copy};
use crate::store::{NewQueued, Notice, NoticeKind, State, Store, StoreError};
use bytes::Bytes;

/// How long a claimed notice is ours, in milliseconds.
const LEASE_MS: u64 = 60_000;
/// Notices claimed at once.
const BATCH: u32 = 64;

/// Writes all letters that are due; gives the number of notices.
pub(super) async fn write_due(store: &Store, voice: &Voice, now_ms: u64) -> Result<usize, StoreError> {
    let due = store.claim_notices(now_ms, LEASE_MS, BATCH).await?;
    for row in &due {
        let letters = letters(store, voice, row, now_ms).await?;
        store.notice_done(&row.id, letters, now_ms).await?;
    }
    Ok(due.len())
}

/// The letters for one notice; none when nobody has to be told any more.
async fn letters(store: &Store, voice: &Voice, row: &Notice, now_ms: u64) -> Result<Vec<NewQueued>, StoreError> {
    let held = if row.about.is_none() { store.held(&row.mail).await? } else { None };
    let event = match (row.kind, &row.about, &held) {
        // What was decided meanwhile needs no question any more.
        (NoticeKind::Held | NoticeKind::Escalated, _, Some(mail)) if mail.state != State::Held => return Ok(Vec::new()),
        (NoticeKind::Held, _, Some(mail)) => Event::Held(mail),
        (NoticeKind::Escalated, _, Some(mail)) => Event::Escalated(mail, &row.asked),
        (NoticeKind::Decided, _, Some(mail)) => Event::Decided(mail),
        (NoticeKind::Blocked, Some(about), _) => Event::Blocked(About::passed(&row.mail, about)),
        (NoticeKind::Sent, Some(about), _) => Event::Sent(About::passed(&row.mail, about)),
        (NoticeKind::Refused, Some(about), _) => Event::Refused(About::passed(&row.mail, about)),
        _ => return Ok(Vec::new()),
    };
    let mut letters = Vec::new();
    for errand in errands(voice, &event) {
        let Some(id) = crate::pipeline::new_id(now_ms) else { continue };
        match notice::write(voice, &event, &errand, &id, now_ms) {
            Ok(Some(letter)) => letters.push(queued(id, &errand.to, letter.bytes, now_ms)),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(mail = %row.mail, "failed to {error}: somebody is not told, see `sekisho held list`");
            }
        }
    }
    Ok(letters)
}

/// A letter as an outbox item: null reverse-path, so that nothing can answer it automatically (RFC 3834, RFC 5321 4.5.5).
pub(super) fn queued(id: MailId, to: &Address, letter: Vec<u8>, now_ms: u64) -> NewQueued {
    let recipient = Recipient { notify: Some("NEVER".to_owned()), ..Recipient::new(to.as_str()) };
    NewQueued {
        id,
        head: Bytes::new(),
        body: letter.into(),
        copies: vec![Copy { recipients: vec![recipient], change: Change::default() }],
        sender: None,
        parameters: MailParameters { smtputf8: !to.as_str().is_ascii(), ..MailParameters::default() },
        now_ms,
        not_before_ms: now_ms,
        history: None,
        contacts: Vec::new(),
        notices: Vec::new(),
        group: None,
        audit: Vec::new(),
    }
}
