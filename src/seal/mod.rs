//! What is put on top of a mail as it leaves: the stamp "checked by this guard", and DKIM signatures of the own domains.
//! It refuses to change any byte below: fields are added above the others, and only stamps of strangers are taken out.

mod canonical;
mod dkim;
mod stamp;

pub use dkim::Signer;
pub use stamp::{FIELD, Stamp};

use crate::address::Address;
use crate::mail::envelope::Recipient;
use crate::mail::header::{Edits, Header};
use bytes::Bytes;
use canonical::{Split, body_hash, split};

/// What is put on mails that leave.
#[derive(Debug, Default)]
pub struct Sealer {
    stamp: Option<Stamp>,
    signers: Vec<Signer>,
}

/// A signature cannot be made; the text fits behind "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sign the mail for {domain} with the DKIM key of selector {selector}")]
pub struct SealError {
    pub domain: String,
    pub selector: String,
}

impl SealError {
    /// The work was stopped before any key was used.
    #[must_use]
    pub fn stopped() -> Self {
        Self { domain: "any domain".to_owned(), selector: "none".to_owned() }
    }
}

impl Sealer {
    /// With a stamp or without, and with any number of keys.
    #[must_use]
    pub fn new(stamp: Option<Stamp>, signers: Vec<Signer>) -> Self {
        Self { stamp, signers }
    }

    /// Is there nothing to put on any mail?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stamp.is_none() && self.signers.is_empty()
    }

    /// The mail with its stamp, and with a signature by every key of its author's domain unless that has signed it already.
    ///
    /// # Errors
    /// [`SealError`] when the key does not sign; then the mail should wait.
    pub fn seal(
        &self,
        mail: Vec<Bytes>,
        sender: Option<&Address>,
        recipients: &[Recipient],
        now_ms: u64,
    ) -> Result<Vec<Bytes>, SealError> {
        if self.is_idle() {
            return Ok(mail);
        }
        let Split { head, body } = split(&mail);
        let header = Header::scan(&head);
        let signers = dkim::due(&self.signers, &header);
        if self.stamp.is_none() && signers.is_empty() {
            return Ok(mail);
        }
        let hash = body_hash(&body);
        let mut top = Vec::new();
        for signer in signers {
            top.extend_from_slice(&signer.sign(&header, &hash, now_ms / 1_000)?);
        }
        let Some(stamp) = &self.stamp else {
            return Ok(std::iter::once(Bytes::from(top)).chain(mail).collect());
        };
        top.extend_from_slice(&stamp.field(&header, &hash, sender, recipients, now_ms));
        let mut edits = Edits::default();
        edits.insert_top(&top);
        for foreign in header.named(stamp::NAME) {
            edits.remove(foreign);
        }
        if header.named(stamp::NAME).next().is_none() {
            return Ok(std::iter::once(Bytes::from(top)).chain(mail).collect());
        }
        let end = header.end();
        let head = Bytes::from(head);
        Ok(edits.apply(&head, end).into_iter().chain(body).collect())
    }

    /// Does a stamp in this mail say that this very mail was checked for all of these recipients, not long ago?
    #[must_use]
    pub fn passed_before(&self, mail: &Bytes, sender: Option<&Address>, recipients: &[Recipient], now_ms: u64) -> bool {
        let Some(stamp) = &self.stamp else { return false };
        let Split { head, body } = split(std::slice::from_ref(mail));
        let header = Header::scan(&head);
        header.named(stamp::NAME).next().is_some()
            && stamp.verifies(&header, &body_hash(&body), sender, recipients, now_ms)
    }
}
