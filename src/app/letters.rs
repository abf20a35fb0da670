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

/// Writes all letters that are due; gives the number of notices that are done. One about a mail that is damaged does not hold up the others;
/// it is tried again the next time.
pub(super) async fn write_due(store: &Store, voice: &Voice, now_ms: u64) -> Result<usize, StoreError> {
    let due = store.claim_notices(now_ms, LEASE_MS, BATCH).await?;
    let mut done = 0;
    for row in &due {
        let letters = match letters(store, voice, row, now_ms).await {
            Err(error) if error.is_about_row() => {
                tracing::error!(mail = %row.mail, %error, "failed to write a notice: somebody is not told, see `sekisho store check`");
                continue;
            }
            letters => letters?,
        };
        store.notice_done(&row.id, letters, now_ms).await?;
        done += 1;
    }
    Ok(done)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::DomainSet;
    use crate::facts::Facts;
    use crate::mail::envelope::Client;
    use crate::notice::{Author, Language, LinkKey};
    use crate::rules::verdict::{Bilingual, Decider, HoldTerms, OnExpiry, Outcome, Repair, Verdict};
    use crate::store::{MailKey, NewHold, Options, Role};
    use jiff::tz::TimeZone;
    use sqlx::Connection;

    const NOW: u64 = 1_800_000_000_000;

    fn voice() -> Voice {
        Voice {
            author: Author::new("sekisho", "guard@city.example.jp").unwrap(),
            base_url: "https://guard.example.jp".to_owned(),
            languages: vec![Language::En],
            zone: TimeZone::UTC,
            internal: DomainSet::new(["city.example.jp"]),
            contact: Bilingual::default(),
            admins: Vec::new(),
            key: LinkKey::new(&[7; 32]),
        }
    }

    fn hold(number: u8) -> NewHold {
        let sender = Address::new("clerk@city.example.jp");
        let terms = HoldTerms {
            decider: Decider::Sender,
            repairs: vec![Repair::Cancel],
            approvers: Vec::new(),
            approvals: 1,
            escalate: Vec::new(),
            expires_ms: 1_000_000,
            on_expiry: OnExpiry::Return,
        };
        NewHold {
            id: MailId::new(NOW, [number; 10]),
            key: MailKey(format!("{number:064x}")),
            client: Client::new([192, 0, 2, 1].into()),
            sender: Some(sender.clone()),
            parameters: MailParameters::default(),
            recipients: vec![Recipient::new("one@mail.test")],
            facts: Facts { sender: Some(sender), ..Facts::default() },
            findings: Vec::new(),
            verdict: Verdict { outcome: Outcome::HoldSender, hold: Some(terms), ..Verdict::default() },
            head: Bytes::new(),
            body: Bytes::from_static(b"Subject: x\r\n\r\nwords\r\n"),
            now: Vec::new(),
            now_ms: NOW,
            expires_ms: NOW + 1_000_000,
            settle_ms: 0,
            history: None,
            group: None,
            audit: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_damaged_mail_does_not_keep_others_from_being_told() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { dir: dir.path().to_owned(), role: Role::Server, key_file: None };
        let store = Store::open(&options).await.unwrap();
        for number in 1..=3 {
            store.hold(hold(number)).await.unwrap();
        }
        let url = format!("sqlite://{}/store.db", dir.path().display());
        let mut at = sqlx::AnyConnection::connect(&url).await.unwrap();
        let first = MailId::new(NOW, [1; 10]);
        let damage = sqlx::query("UPDATE held SET detail = detail || '!' WHERE id = $1").bind(first.as_str());
        assert_eq!(damage.execute(&mut at).await.unwrap().rows_affected(), 1);
        at.close().await.unwrap();
        assert_eq!(write_due(&store, &voice(), NOW).await.unwrap(), 2);
        assert_eq!(store.outbox_depth(NOW).await.unwrap().0, 2);
        // Its own notice is not given up: it is due again after the lease.
        assert_eq!(write_due(&store, &voice(), NOW + LEASE_MS).await.unwrap(), 0);
        assert_eq!(store.claim_notices(NOW + 2 * LEASE_MS, LEASE_MS, 9).await.unwrap()[0].mail, first);
    }
}
