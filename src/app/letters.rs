//! Turns notices that are due into letters in the outbox.
//! It refuses to drop one: a notice is done only in the same commit that queues its letter.

use crate::address::{Address, DomainSet};
use crate::config::Config;
use crate::id::MailId;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::notice::link::LinkKey;
use crate::notice::{self, About, Errand, Event, Language, Role, Voice};
use crate::plan::{Change, Copy};
use crate::rules::RuleSet;
use crate::rules::verdict::{Bilingual, Outcome};
use crate::store::{self, NewQueued, Notice, NoticeKind, State, Store, StoreError};
use jiff::tz::TimeZone;

/// How long a claimed notice is ours, in milliseconds.
const LEASE_MS: u64 = 60_000;
/// Notices claimed at once.
const BATCH: u32 = 64;

/// How this organisation speaks, from the configuration and the rules in force.
pub(super) fn voice(config: &Config, rules: &RuleSet, key: &LinkKey, zone: &TimeZone) -> Voice {
    let languages = config.notice.languages.iter();
    Voice {
        author: config.notice.author.clone(),
        base_url: config.console.as_ref().map(|console| console.url.clone()).unwrap_or_default(),
        languages: languages.map(|word| if word == "ja" { Language::Ja } else { Language::En }).collect(),
        zone: zone.clone(),
        internal: DomainSet::new(rules.internal_patterns()),
        contact: Bilingual::default(),
        admins: config.notice.admins.iter().map(|admin| Address::new(admin)).collect(),
        key: key.clone(),
    }
}

/// Writes all letters that are due; gives their number.
pub(super) async fn write_due(store: &Store, voice: &Voice, now_ms: u64) -> Result<usize, StoreError> {
    let due = store.claim_notices(now_ms, LEASE_MS, BATCH).await?;
    let mut written = 0;
    for row in due {
        let Some(letter) = letter(store, voice, &row, now_ms).await? else {
            store.notice_done(&row.id, now_ms).await?;
            continue;
        };
        written += usize::from(store.notice_queued(&row.id, letter).await?);
    }
    Ok(written)
}

/// The letter for one notice; `None` when there is nothing to say, or nobody who may be told.
async fn letter(store: &Store, voice: &Voice, row: &Notice, now_ms: u64) -> Result<Option<NewQueued>, StoreError> {
    let held = if row.about.is_none() { store.held(&row.mail).await? } else { None };
    let event = match (&row.about, &held) {
        (Some(about), _) => at_once(&row.mail, row.kind, about),
        (None, Some(mail)) if row.kind == NoticeKind::Result => Event::Decided(mail),
        // What was decided meanwhile needs no question any more.
        (None, Some(mail)) if mail.state != State::Held => return Ok(None),
        (None, Some(mail)) => Event::Held(mail),
        (None, None) => return Ok(None),
    };
    let role = match row.kind {
        NoticeKind::HoldSender | NoticeKind::Result | NoticeKind::Blocked => Role::Sender,
        NoticeKind::HoldApprover => Role::Approver,
        NoticeKind::RuleNotify if voice.admins.contains(&row.to) && row.about.is_none() => Role::Admin,
        NoticeKind::RuleNotify if row.about.as_ref().is_some_and(|about| about.sender.as_ref() == Some(&row.to)) => Role::Sender,
        NoticeKind::RuleNotify => Role::Informed,
    };
    if role == Role::Sender && !notice::errands(voice, &event).iter().any(|errand| errand.role == role) {
        return Ok(None);
    }
    let Some(id) = crate::pipeline::new_id(now_ms) else { return Ok(None) };
    let errand = Errand { to: row.to.clone(), role };
    match notice::write(voice, &event, &errand, &id, now_ms) {
        Ok(Some(letter)) => Ok(Some(queued(id, &row.to, letter.bytes, now_ms))),
        Ok(None) => Ok(None),
        Err(error) => {
            tracing::error!(mail = %row.mail, "failed to {error}: nobody is told by mail, see `sekisho held list`");
            Ok(None)
        }
    }
}

/// A mail that was not held: blocked, or sent with a word to somebody.
fn at_once<'a>(mail: &'a MailId, kind: NoticeKind, about: &'a store::About) -> Event<'a> {
    let mut told = About::at_once(mail, &about.facts, &about.findings, &about.verdict);
    told.received_ms = about.created_ms;
    match (kind, about.verdict.outcome) {
        (NoticeKind::Blocked, _) => Event::Blocked(told),
        (_, Outcome::Block) if about.verdict.block_by_notice => Event::Blocked(told),
        (_, Outcome::Block) => Event::Refused(told),
        _ => Event::Sent(told),
    }
}

/// A letter as an outbox item: null reverse-path, so that nothing can answer it automatically (RFC 3834, RFC 5321 4.5.5).
fn queued(id: MailId, to: &Address, letter: Vec<u8>, now_ms: u64) -> NewQueued {
    let recipient = Recipient { notify: Some("NEVER".to_owned()), ..Recipient::new(to.as_str()) };
    NewQueued {
        id,
        body: letter.into(),
        copies: vec![Copy { recipients: vec![recipient], change: Change::default() }],
        sender: None,
        parameters: MailParameters { smtputf8: !to.as_str().is_ascii(), ..MailParameters::default() },
        now_ms,
        not_before_ms: now_ms,
        history: None,
        contacts: Vec::new(),
        notices: Vec::new(),
        audit: Vec::new(),
    }
}
