//! Reads `[[dkim]]`: keys by which mails that leave are signed (RFC 6376).
//! It refuses a key it could not sign with, and never shows one.

use super::{Reader, file};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use std::sync::Arc;

/// One key of one domain.
#[derive(Clone, Debug)]
pub struct Dkim {
    /// In lower case, A-labels.
    pub domain: String,
    pub selector: String,
    pub key: SigningKey,
}

/// A private key.
#[derive(Clone)]
pub struct SigningKey(Arc<Pair>);

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a text is no key to sign with; fits behind "failed to".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("find a private key in PEM (a `-----BEGIN PRIVATE KEY-----` block)")]
    NoPem,
    #[error("use this key: it is neither RSA of 2048 to 8192 bits nor Ed25519, or it is damaged")]
    Unusable,
}

impl SigningKey {
    /// Reads a private key in PEM: PKCS#8, or PKCS#1 for RSA.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(text).map_err(|_| KeyError::NoPem)?;
        let pair = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().map(Pair::Rsa),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                let rsa = RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rsa);
                rsa.or_else(|| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Pair::Ed25519))
            }
            _ => None,
        };
        pair.map(|pair| Self(Arc::new(pair))).ok_or(KeyError::Unusable)
    }

    /// The value of the tag `a=` (RFC 6376 3.3, RFC 8463 3).
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match *self.0 {
            Pair::Rsa(_) => "rsa-sha256",
            Pair::Ed25519(_) => "ed25519-sha256",
        }
    }

    /// Signs these bytes; `None` when the library does not.
    #[must_use]
    pub fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        match &*self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature).ok()?;
                Some(signature)
            }
            // RFC 8463 3: what is signed is the SHA-256 of the data.
            Pair::Ed25519(pair) => Some(pair.sign(digest(&SHA256, data).as_ref()).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("SigningKey").field(&self.algorithm()).finish()
    }
}

impl Reader<'_> {
    pub(super) fn dkim(&mut self, given: &[file::Dkim]) -> Vec<Dkim> {
        let mut keys: Vec<Dkim> = Vec::new();
        for table in given {
            let domain = crate::address::Domain::new(table.domain.get_ref()).as_str().to_owned();
            if !is_name(&domain) || !domain.contains('.') {
                self.fail(table.domain.span(), "this is no domain", "write the part behind the @: example.jp");
                continue;
            }
            let selector = table.selector.get_ref().to_ascii_lowercase();
            if !is_name(&selector) {
                self.fail(
                    table.selector.span(),
                    "this is no selector",
                    "letters, digits, hyphens and dots, as in the name of the DNS record: 2026a._domainkey.example.jp",
                );
                continue;
            }
            if keys.iter().any(|key| key.domain == domain && key.selector == selector) {
                self.fail(
                    table.selector.span(),
                    "this selector has a key already",
                    "give each key a selector of its own",
                );
                continue;
            }
            let Some(bytes) = self.key_file(&table.key) else { continue };
            match SigningKey::from_pem(&bytes) {
                Ok(key) => keys.push(Dkim { domain, selector, key }),
                Err(error) => self.fail(
                    table.key.span(),
                    &format!("failed to {error}"),
                    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out dkim.pem",
                ),
            }
        }
        keys
    }
}

/// Letters, digits, hyphens, underscores and dots between them, as in DNS.
fn is_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}
