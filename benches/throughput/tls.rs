//! One certificate for everybody in a run, and streams that are clear or encrypted.
//! It refuses to measure handshakes: connections live as long as a run.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Either kind of stream.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The keys of a run.
#[derive(Clone)]
pub struct Keys {
    pub certificate: PathBuf,
    pub key: PathBuf,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    _dir: Arc<tempfile::TempDir>,
}

impl Keys {
    /// Makes a self-signed certificate for `localhost`.
    pub fn new() -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
        let dir = tempfile::tempdir()?;
        let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        let own = CertificateDer::from_pem_file(&certificate).map_err(io::Error::other)?;
        let secret = PrivateKeyDer::from_pem_file(&key).map_err(io::Error::other)?;
        let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.clone()], secret);
        let mut roots = RootCertStore::empty();
        roots.add(own).map_err(io::Error::other)?;
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self {
            certificate,
            key,
            acceptor: TlsAcceptor::from(Arc::new(server.map_err(io::Error::other)?)),
            connector: TlsConnector::from(Arc::new(client)),
            _dir: Arc::new(dir),
        })
    }

    /// The server's side of a handshake.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.acceptor.accept(stream).await?))
    }

    /// The client's side.
    pub async fn connect(&self, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        Ok(Box::new(self.connector.connect(name, stream).await?))
    }
}
