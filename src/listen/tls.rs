//! The certificate that listeners present, exchangeable while they run.
//! It refuses a key that does not belong to the certificate, and TLS below 1.2 (rustls knows no older).

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The pair in use, shared by all listeners.
#[derive(Debug)]
pub struct Certificate {
    current: ArcSwap<CertifiedKey>,
}

/// Why a pair cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("read {file}: {cause}")]
    Read { file: PathBuf, cause: rustls::pki_types::pem::Error },
    #[error("read {0}: there is no certificate in it")]
    Empty(PathBuf),
    #[error("use the key {key} with the certificate {certificate}: {cause}")]
    Mismatch { certificate: PathBuf, key: PathBuf, cause: rustls::Error },
    #[error("set up TLS: {0}")]
    Setup(rustls::Error),
}

impl Certificate {
    /// Loads a pair from PEM files.
    ///
    /// # Errors
    /// [`TlsError`], naming the file.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self { current: ArcSwap::from_pointee(read(certificate, key)?) })
    }

    /// Loads the pair again; on any error the old one stays in use.
    ///
    /// # Errors
    /// As for [`Certificate::load`].
    pub fn reload(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(certificate, key)?));
        Ok(())
    }

    /// The certificate in use itself, in DER.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        self.current.load().cert.first().map(|leaf| leaf.to_vec()).unwrap_or_default()
    }

    /// A server configuration that always presents the current pair.
    ///
    /// # Errors
    /// [`TlsError::Setup`] when the crypto provider lacks what rustls needs.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificates of a PEM file, at least one.
pub(super) fn chain_of(certificate: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |cause| TlsError::Read { file: certificate.to_owned(), cause };
    let chain = CertificateDer::pem_file_iter(certificate)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| TlsError::Read { file: certificate.to_owned(), cause })?;
    if chain.is_empty() { Err(TlsError::Empty(certificate.to_owned())) } else { Ok(chain) }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = chain_of(certificate)?;
    let failed = |cause| TlsError::Read { file: key.to_owned(), cause };
    let private = PrivateKeyDer::from_pem_file(key).map_err(failed)?;
    let mismatch = |cause| TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned(), cause };
    let signer = provider().key_provider.load_private_key(private).map_err(mismatch)?;
    let pair = CertifiedKey::new(chain, signer);
    pair.keys_match().map_err(mismatch)?;
    Ok(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(dir: &Path, name: &str) -> Result<(PathBuf, PathBuf), Box<dyn std::error::Error>> {
        let made = rcgen::generate_simple_self_signed(vec!["guard.example.jp".to_owned()])?;
        let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        Ok((certificate, key))
    }

    #[test]
    fn a_pair_that_does_not_match_leaves_the_old_one() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let (certificate, key) = pair(dir.path(), "one")?;
        let (other, other_key) = pair(dir.path(), "two")?;
        let loaded = Certificate::load(&certificate, &key)?;
        let before = loaded.current.load().cert.clone();
        assert!(matches!(loaded.reload(&certificate, &other_key), Err(TlsError::Mismatch { .. })));
        assert!(matches!(loaded.reload(&key, &key), Err(TlsError::Empty(_) | TlsError::Read { .. })));
        assert_eq!(loaded.current.load().cert, before);
        loaded.reload(&other, &other_key)?;
        assert_ne!(loaded.current.load().cert, before);
        Ok(())
    }
}
