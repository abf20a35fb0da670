//! The key of the store: addresses in the history are kept as keyed hashes only.
//! It refuses to write an address down where a comparison is enough.

use super::StoreError;
use crate::address::Address;
use crate::id::MailId;
use aws_lc_rs::hmac;
use rustix::rand::{GetRandomFlags, getrandom};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FILE: &str = "history.key";
const LENGTH: usize = 32;

/// The key for hashes of addresses.
pub(super) struct Secret(hmac::Key);

impl Secret {
    /// The key of a store that is never written.
    pub(super) fn fresh() -> Result<Self, StoreError> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &random::<LENGTH>()?)))
    }

    /// Reads the key file of the folder, or makes one (mode 0600) at the first start.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                publish(&path, &random::<LENGTH>()?)?;
                fs::read(&path).map_err(|error| StoreError::file(&path, error))?
            }
            Err(error) => return Err(StoreError::file(&path, error)),
        };
        if bytes.len() != LENGTH {
            return Err(StoreError::Key(path));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A key for another purpose, which tells nothing about this one (HMAC as a key derivation function, NIST SP 800-108 in spirit of one block).
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let tag = hmac::sign(&self.0, format!("key for {purpose}").as_bytes());
        key.copy_from_slice(&tag.as_ref()[..32]);
        key
    }

    /// The keyed hash (first 128 bits of HMAC-SHA-256, hex) of an address in its comparison form.
    pub(super) fn hash(&self, address: &Address) -> String {
        hex(&hmac::sign(&self.0, address.key().as_bytes()).as_ref()[..16])
    }
}

/// Writes a new key file completely under another name first: a crash never leaves half a key, and two processes get the same one.
pub(super) fn publish(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or_else(|| Path::new("/"));
    let draft = path.with_extension(format!("{}.tmp", hex(&random::<8>()?)));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(bytes).map(|()| file))
        .and_then(|file| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let removed = fs::remove_file(&draft);
    linked.and(removed).map_err(|error| StoreError::file(path, error))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| StoreError::file(dir, error))
}

/// Bytes from the system's generator, up to 256 (getrandom(2): so many are never cut short). The generator of the TLS library would gather
/// entropy of its own first, for more than a tenth of a second in which the first mail after a start waits.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    match getrandom(&mut bytes[..], GetRandomFlags::empty()) {
        Ok(count) if count == N => Ok(bytes),
        _ => Err(StoreError::Random),
    }
}

/// A new id.
pub(super) fn new_id(now_ms: u64) -> Result<MailId, StoreError> {
    Ok(MailId::new(now_ms, random()?))
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_for_the_owner_only_and_hides_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let first = Secret::open(dir.path()).unwrap();
        let again = Secret::open(dir.path()).unwrap();
        let other = Secret::fresh().unwrap();
        let (one, same) = (Address::new("A@x.test"), Address::new("a@X.test"));
        assert_eq!(first.hash(&one), again.hash(&same));
        assert_ne!(first.hash(&one), other.hash(&one));
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn half_a_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), b"short").unwrap();
        assert!(matches!(Secret::open(dir.path()), Err(StoreError::Key(_))));
    }
}
