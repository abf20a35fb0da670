//! TLS towards the upstream: off, opportunistic, always, or verified.
//! It refuses to call an unverified connection safe: only `verify` lets credentials pass.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// When TLS is spoken, and how much is asked of the certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    Off,
    /// When offered, unverified (RFC 7435).
    #[default]
    May,
    /// Always, unverified.
    Encrypt,
    /// Always, with a certificate that is good for the name (RFC 6125).
    Verify,
}

/// The resolved TLS side of the upstream.
#[derive(Clone, Debug)]
pub struct RelayTls {
    pub policy: Policy,
    /// TLS from the first octet (RFC 8314 3.3), not by STARTTLS.
    pub implicit: bool,
    /// The name its certificate must have, also sent as SNI; without it, the name of the host.
    pub name: Option<ServerName<'static>>,
    pub config: Arc<ClientConfig>,
}

/// Files in PEM that TLS is set up from.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsFiles<'a> {
    /// Roots to trust with `verify`, instead of the system's.
    pub ca: Option<&'a Path>,
    /// Certificate and key that we show when we are asked (RFC 8446 4.4.2).
    pub identity: Option<(&'a Path, &'a Path)>,
}

/// Why the TLS side cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum RelayTlsError {
    #[error("use {name} as the upstream's name: {cause}")]
    Name { name: String, cause: InvalidDnsNameError },
    #[error("read the roots in {file}: {cause}")]
    Roots { file: PathBuf, cause: rustls::pki_types::pem::Error },
    #[error("use a root of {file}: {cause}")]
    Root { file: PathBuf, cause: rustls::Error },
    #[error("find trusted roots on this system; name a file in `ca`")]
    NoRoots,
    #[error("show the certificate in {file}: {cause}")]
    Identity { file: PathBuf, cause: rustls::pki_types::pem::Error },
    #[error("show the certificate in {file}: {cause}")]
    Pair { file: PathBuf, cause: rustls::Error },
    #[error("use the name servers of this system: {0}; write them as `resolvers`")]
    Resolver(String),
    #[error("set up TLS: {0}")]
    Setup(rustls::Error),
}

impl RelayTls {
    /// Sets it up. With `verify` the roots come from the file, or else from the system.
    ///
    /// # Errors
    /// [`RelayTlsError`].
    pub fn new(
        policy: Policy,
        implicit: bool,
        name: Option<&str>,
        files: &TlsFiles<'_>,
    ) -> Result<Self, RelayTlsError> {
        let bad = |name: &str, cause| RelayTlsError::Name { name: name.to_owned(), cause };
        let name =
            name.map(|name| ServerName::try_from(name.to_owned()).map_err(|cause| bad(name, cause))).transpose()?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(RelayTlsError::Setup)?;
        let builder = if policy == Policy::Verify {
            builder.with_root_certificates(roots(files.ca)?)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        };
        let config = match files.identity {
            Some((certificate, key)) => {
                let failed = |file: &Path, cause| RelayTlsError::Identity { file: file.to_owned(), cause };
                let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
                let chain: Vec<_> = chain.map_err(|cause| failed(certificate, cause))?;
                let private = PrivateKeyDer::from_pem_file(key).map_err(|cause| failed(key, cause))?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|cause| RelayTlsError::Pair { file: certificate.to_owned(), cause })?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self { policy, implicit, name, config: Arc::new(config) })
    }
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, RelayTlsError> {
    let mut store = RootCertStore::empty();
    if let Some(file) = ca {
        let failed = |cause| RelayTlsError::Roots { file: file.to_owned(), cause };
        for certificate in CertificateDer::pem_file_iter(file).map_err(failed)? {
            store
                .add(certificate.map_err(failed)?)
                .map_err(|cause| RelayTlsError::Root { file: file.to_owned(), cause })?;
        }
    } else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if store.is_empty() { Err(RelayTlsError::NoRoots) } else { Ok(store) }
}

/// Accepts any certificate but still checks that the peer holds its key: protection against listeners, not against impostors.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
