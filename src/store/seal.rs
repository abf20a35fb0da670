//! Sealing: AES-256-GCM over chunks of one mebibyte, under a data key that seals one thing once and is wrapped by a master key.
//! It refuses to open what was changed, cut short, put into another order, or moved to another mail or place.

use super::StoreError;
use super::secret::random;
use crate::id::MailId;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::io;
use zeroize::Zeroizing;

/// Octets of a chunk before it is sealed.
pub(super) const CHUNK: usize = 1024 * 1024;
/// Octets that a chunk grows by.
pub(super) const TAG: usize = 16;
/// Octets of a key.
pub(super) const LENGTH: usize = 32;

/// What was sealed is not what was written, or the key is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// What a sealed thing belongs to; it does not open anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The bytes of a mail.
    Body,
    /// What is known about a held mail.
    Detail,
    /// Its recipients.
    Recipients,
}

impl Purpose {
    fn aad(self, what: &str, mail: &MailId) -> Aad<String> {
        let purpose = match self {
            Self::Body => "body",
            Self::Detail => "detail",
            Self::Recipients => "recipients",
        };
        Aad::from(format!("sekisho {what} {purpose} {mail}"))
    }
}

/// A key for one thing; it is forgotten in memory when it is dropped.
pub(super) struct DataKey(Zeroizing<[u8; LENGTH]>);

impl DataKey {
    pub(super) fn fresh() -> Result<Self, StoreError> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// Seals the pieces as one text, chunk by chunk, and hands each sealed chunk on. The key must not seal anything else.
    ///
    /// # Errors
    /// What `write` says.
    pub(super) fn seal(
        &self,
        purpose: Purpose,
        mail: &MailId,
        pieces: &[&[u8]],
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let cipher = cipher(&self.0)?;
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut chunk = Vec::with_capacity(length.min(CHUNK) + TAG);
        let mut done = 0;
        let mut seal = |chunk: &mut Vec<u8>, last| {
            let nonce = nonce(done, last).ok_or(io::ErrorKind::FileTooLarge)?;
            done += 1;
            let aad = purpose.aad("sealed", mail);
            let tag = cipher.seal_in_place_separate_tag(nonce, aad, chunk).map_err(|_| io::ErrorKind::Other)?;
            chunk.extend_from_slice(tag.as_ref());
            write(chunk)?;
            chunk.clear();
            io::Result::Ok(())
        };
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                // Only now is it known that the full chunk is not the last one.
                if chunk.len() == CHUNK {
                    seal(&mut chunk, false)?;
                }
                let (now, later) = rest.split_at(rest.len().min(CHUNK - chunk.len()));
                chunk.extend_from_slice(now);
                rest = later;
            }
        }
        seal(&mut chunk, true)
    }

    /// Opens what was sealed, in its own place.
    pub(super) fn open(&self, purpose: Purpose, mail: &MailId, mut sealed: Vec<u8>) -> Result<Vec<u8>, Broken> {
        let cipher = cipher(&self.0).map_err(|_| Broken)?;
        let (mut from, mut to) = (0, 0);
        for number in 0.. {
            let end = sealed.len().min(from + CHUNK + TAG);
            let nonce = nonce(number, end == sealed.len()).ok_or(Broken)?;
            let aad = purpose.aad("sealed", mail);
            let length = cipher.open_in_place(nonce, aad, &mut sealed[from..end]).map_err(|_| Broken)?.len();
            if from > to {
                sealed.copy_within(from..from + length, to);
            }
            to += length;
            from = end;
            if end == sealed.len() {
                break;
            }
        }
        sealed.truncate(to);
        Ok(sealed)
    }
}

/// The nonce of a chunk: its number and whether it is the last (the STREAM construction). The key is used for one thing only, so no further
/// octets need to differ.
fn nonce(number: u32, last: bool) -> Option<Nonce> {
    // The number itself is never the largest one, so that no count can come round.
    (number < u32::MAX).then(|| {
        let mut bytes = [0; NONCE_LEN];
        bytes[7..11].copy_from_slice(&number.to_be_bytes());
        bytes[11] = u8::from(last);
        Nonce::assume_unique_for_key(bytes)
    })
}

fn cipher(key: &[u8; LENGTH]) -> io::Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| io::ErrorKind::Other.into())
}

/// A key that wraps data keys.
pub(super) struct MasterKey(LessSafeKey);

impl MasterKey {
    pub(super) fn new(key: &[u8; LENGTH]) -> Result<Self, StoreError> {
        cipher(key).map(Self).map_err(|_| StoreError::Random)
    }

    /// The data key sealed for its place, with a random nonce in front.
    pub(super) fn wrap(&self, key: &DataKey, purpose: Purpose, mail: &MailId) -> Result<Vec<u8>, StoreError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = Zeroizing::new(*key.0);
        let aad = purpose.aad("key", mail);
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed[..])
            .map_err(|_| StoreError::Random)?;
        Ok([&nonce[..], &sealed[..], tag.as_ref()].concat())
    }

    /// The data key that was wrapped for this place.
    pub(super) fn unwrap(&self, wrapped: &[u8], purpose: Purpose, mail: &MailId) -> Result<DataKey, Broken> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(Broken)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let aad = purpose.aad("key", mail);
        let key = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut sealed).map_err(|_| Broken)?;
        let key: &[u8; LENGTH] = (&*key).try_into().map_err(|_| Broken)?;
        Ok(DataKey(Zeroizing::new(*key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(number: u8) -> MailId {
        MailId::new(1_000, [number; 10])
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect()
    }

    fn sealed(key: &DataKey, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        key.seal(Purpose::Body, &mail(1), pieces, |chunk| {
            out.extend_from_slice(chunk);
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn all_lengths_and_pieces_open_to_what_was_sealed() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7] {
            let text = text(length);
            for cut in [0, length / 3, length.saturating_sub(1), length] {
                let key = DataKey::fresh().unwrap();
                let out = sealed(&key, &[&text[..cut], b"", &text[cut..]]);
                assert_eq!(out.len(), length + TAG * length.div_ceil(CHUNK).max(1));
                assert_eq!(key.open(Purpose::Body, &mail(1), out), Ok(text.clone()), "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let text = text(2 * CHUNK + CHUNK / 2);
        let key = DataKey::fresh().unwrap();
        let whole = sealed(&key, &[&text]);
        let one = CHUNK + TAG;
        let open = |changed: Vec<u8>| key.open(Purpose::Body, &mail(1), changed);
        for place in [0, CHUNK - 1, CHUNK, one - 1, one, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            assert_eq!(open(flipped), Err(Broken), "a bit at {place}");
        }
        let swapped = [&whole[one..2 * one], &whole[..one], &whole[2 * one..]].concat();
        assert_eq!(open(swapped), Err(Broken), "chunks in another order");
        let doubled = [&whole[..one], &whole[..one], &whole[2 * one..]].concat();
        assert_eq!(open(doubled), Err(Broken), "a chunk twice");
        for kept in [0, 1, TAG, one, 2 * one, whole.len() - 1] {
            assert_eq!(open(whole[..kept].to_vec()), Err(Broken), "cut to {kept}");
        }
        assert_eq!(open([&whole[..], &[0]].concat()), Err(Broken), "something behind its end");
        assert_eq!(key.open(Purpose::Body, &mail(2), whole.clone()), Err(Broken), "another mail");
        assert_eq!(key.open(Purpose::Detail, &mail(1), whole.clone()), Err(Broken), "another place");
        let other = DataKey::fresh().unwrap();
        assert_eq!(other.open(Purpose::Body, &mail(1), whole), Err(Broken), "another key");
    }

    #[test]
    fn a_wrapped_key_opens_for_its_own_place_only() {
        let (one, other) = (MasterKey::new(&[1; LENGTH]).unwrap(), MasterKey::new(&[2; LENGTH]).unwrap());
        let key = DataKey::fresh().unwrap();
        let wrapped = one.wrap(&key, Purpose::Body, &mail(1)).unwrap();
        assert_eq!(*one.unwrap(&wrapped, Purpose::Body, &mail(1)).ok().unwrap().0, *key.0);
        assert!(one.unwrap(&wrapped, Purpose::Body, &mail(2)).is_err());
        assert!(one.unwrap(&wrapped, Purpose::Detail, &mail(1)).is_err());
        assert!(other.unwrap(&wrapped, Purpose::Body, &mail(1)).is_err());
        assert!(one.unwrap(&wrapped[1..], Purpose::Body, &mail(1)).is_err());
        assert_ne!(one.wrap(&key, Purpose::Body, &mail(1)).unwrap(), wrapped, "never the same nonce");
    }
}
