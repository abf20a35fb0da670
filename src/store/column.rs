//! Columns that tell something about people, sealed like a body: each under a data key of its own, which stands in front.
//! It refuses to write such a column in clear; one of an old version is read as it is.

use super::StoreError;
use super::keyring::{InUse, Keyring};
use super::row::json;
use super::seal::{DataKey, Purpose};
use crate::id::MailId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// A value as sealed text: the wrapped data key, a colon, and the sealed JSON.
pub(super) fn lock<T: Serialize + ?Sized>(
    with: &InUse<'_>,
    purpose: Purpose,
    mail: &MailId,
    value: &T,
) -> Result<String, StoreError> {
    lock_text(with, purpose, mail, &json(value)?)
}

/// JSON text as sealed text.
pub(super) fn lock_text(with: &InUse<'_>, purpose: Purpose, mail: &MailId, text: &str) -> Result<String, StoreError> {
    let key = DataKey::fresh()?;
    let mut sealed = Vec::with_capacity(text.len() + 64);
    key.seal(purpose, mail, &[text.as_bytes()], |chunk| {
        sealed.extend_from_slice(chunk);
        Ok(())
    })
    .map_err(|error| StoreError::file(Path::new("column"), error))?;
    let wrapped = with.wrap(&key, purpose, mail)?;
    Ok(format!("{wrapped}:{}", BASE64.encode(sealed)))
}

/// The value of such a text, or of the JSON that version 1 wrote.
pub(super) fn unlock<T: DeserializeOwned>(
    keys: &Keyring,
    purpose: Purpose,
    mail: &MailId,
    column: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    let wrong = |error: serde_json::Error| StoreError::Row { column, why: error.to_string() };
    let Some((wrapped, sealed)) = text.split_once(':').filter(|_| is_sealed(text)) else {
        return serde_json::from_str(text).map_err(wrong);
    };
    let damaged = |why| StoreError::Damaged { mail: mail.clone(), why };
    let sealed = BASE64.decode(sealed).map_err(|_| damaged("what is known about it is no base64"))?;
    let key = keys.unwrap(wrapped, purpose, mail)?;
    let plain = key.open(purpose, mail, sealed).map_err(|_| damaged("the seal of what is known about it is broken"))?;
    serde_json::from_slice(&plain).map_err(wrong)
}

/// Is it not the JSON of version 1?
pub(super) fn is_sealed(text: &str) -> bool {
    !text.starts_with(['{', '['])
}

/// The column of a data key, alone or in front of what it seals, wrapped anew with another master key; `None` when it is by that one already.
pub(super) fn rewrap(
    keys: &Keyring,
    to: &str,
    purpose: Purpose,
    mail: &MailId,
    text: &str,
) -> Result<Option<String>, StoreError> {
    if !is_sealed(text) || text.split('.').next() == Some(to) {
        return Ok(None);
    }
    let (wrapped, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    let key = keys.unwrap(wrapped, purpose, mail)?;
    Ok(Some(keys.wrap(to, &key, purpose, mail)? + rest))
}
