//! The receiver behind real sockets: balancers, certificates, logins, and clients that are slow, many or gone.
//! It refuses to look at single replies beyond what the socket changes; those are in the dialogs.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sekisho::limits::Limits;
use sekisho::listen::tls::{Certificate, Clients};
use sekisho::listen::{self, Auth, Listener, Shared, Start};
use sekisho::mail::envelope::Envelope;
use sekisho::smtp::extensions::Extensions;
use sekisho::smtp::reply::Reply;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

/// What came in.
#[derive(Default)]
struct Seen {
    mails: Mutex<Vec<Envelope>>,
    logins: Mutex<Vec<(String, u64)>>,
    ended: Mutex<Vec<u64>>,
}

fn listener(limits: Limits) -> Listener {
    Listener {
        hostname: "relay.test".to_owned(),
        tls: None,
        require_tls: false,
        allowed: vec!["127.0.0.0/8".parse().unwrap()],
        auth: Auth::Off,
        allowed_names: Vec::new(),
        xclient: Vec::new(),
        proxies: Vec::new(),
        limits,
    }
}

async fn serve(listener: Listener) -> (SocketAddr, Arc<Seen>, Arc<Shared>) {
    let seen = Arc::new(Seen::default());
    let (mails, logins, ended) = (Arc::clone(&seen), Arc::clone(&seen), Arc::clone(&seen));
    let shared = Shared::new(
        Arc::new(move |envelope, _| {
            mails.mails.lock().unwrap().push(envelope);
            Box::pin(async { Reply::new(250, "2.0.0", "Ok") })
        }),
        Arc::new(|| Box::pin(async { Extensions::ours(1_000_000) })),
        CancellationToken::new(),
    )
    .with_logins(
        Arc::new(move |login, session| {
            logins.logins.lock().unwrap().push((login.user, session));
            Box::pin(async { Reply::new(235, "2.7.0", "welcome") })
        }),
        Arc::new(move |session| ended.ended.lock().unwrap().push(session)),
    );
    let shared = Arc::new(shared);
    let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(listen::serve(socket, Arc::new(listener), Arc::clone(&shared)));
    (at, seen, shared)
}

/// Sends, then reads until the text has come or the connection has ended; everything that was read.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, send: &str, until: &str) -> String {
    let _ = stream.write_all(send.as_bytes()).await;
    let mut read = String::new();
    let mut buffer = [0; 4096];
    while until.is_empty() || !read.contains(until) {
        match tokio::time::timeout(Duration::from_secs(20), stream.read(&mut buffer)).await.expect("a reply in time") {
            Ok(0) | Err(_) => break,
            Ok(count) => read.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
    }
    read
}

const MAIL: &str = "EHLO c.test\r\nMAIL FROM:<a@in.test>\r\nRCPT TO:<b@out.test>\r\n";

#[tokio::test]
async fn a_balancer_says_who_the_client_is() {
    let mut behind = listener(Limits { connections_per_client: 1, ..Limits::default() });
    behind.proxies = vec!["127.0.0.1".parse().unwrap()];
    behind.allowed = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1".parse().unwrap()];
    behind.xclient = behind.allowed.clone();
    let (at, _, shared) = serve(behind).await;
    for (header, expected) in [
        ("PROXY TCP4 10.1.2.3 127.0.0.1 5 25\r\n", "250 2.1.5"),
        ("PROXY TCP4 203.0.113.9 127.0.0.1 5 25\r\n", "554 5.7.1"),
        // The balancer itself would be allowed; a client that it does not know is not.
        ("PROXY UNKNOWN\r\n", "554 5.7.1"),
        // LOCAL of version 2: the balancer asks whether we live.
        ("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "554 5.7.1"),
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let greeting = talk(&mut stream, header, "220 ").await;
        assert!(greeting.starts_with("220 relay.test"), "{header}: {greeting}");
        let said = talk(&mut stream, MAIL, expected).await;
        assert!(said.contains(expected), "{header}: {said}");
        assert_eq!(said.contains("XCLIENT"), expected.starts_with("250"), "{header}: {said}");
    }
    let mut stream = TcpStream::connect(at).await.unwrap();
    assert_eq!(talk(&mut stream, "EHLO c\r\n", "").await, "", "shorter than a header, and not waited for");
    // The clients behind it have their own bound.
    let mut first = TcpStream::connect(at).await.unwrap();
    assert!(talk(&mut first, "PROXY TCP4 203.0.113.7 127.0.0.1 5 25\r\n", "220 ").await.starts_with("220"));
    let mut second = TcpStream::connect(at).await.unwrap();
    assert!(talk(&mut second, "PROXY TCP4 203.0.113.7 127.0.0.1 5 25\r\n", "").await.starts_with("421 4.7.0"));
    assert!(shared.connections() >= 1);
}

#[tokio::test]
async fn behind_a_balancer_nobody_else_may_connect() {
    let mut behind = listener(Limits::default());
    behind.proxies = vec!["10.0.0.1".parse().unwrap()];
    let (at, _, _) = serve(behind).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    assert_eq!(talk(&mut stream, "PROXY TCP4 10.1.2.3 127.0.0.1 5 25\r\n", "").await, "");
}

#[tokio::test]
async fn a_client_that_drips_is_cut_wherever_it_drips() {
    let limits =
        Limits { idle_seconds: 2, data_seconds: 2, data_rate: 1_000_000, handshake_seconds: 2, ..Limits::default() };
    let (at, _, shared) = serve(listener(limits.clone())).await;
    let quick = limits.clone();
    let mut behind = listener(limits);
    behind.proxies = behind.allowed.clone();
    let (behind, _, _) = serve(behind).await;
    let mut safe = Pki::new().listener(Start::Implicit, None);
    safe.limits = quick;
    let (safe, _, _) = serve(safe).await;
    let start = Instant::now();
    let drips = [
        (at, "EHLO c".to_owned(), "421 4.4.2"),
        (at, format!("{MAIL}DATA\r\n"), "421 4.4.2"),
        (behind, "PROXY TCP4".to_owned(), ""),
        // The head of a handshake record, of which the rest never comes (RFC 8446 5.1).
        (safe, "\x16\x03\x01\x02\0".to_owned(), ""),
    ];
    let cut = drips.map(|(at, begin, end)| {
        tokio::spawn(async move {
            let (mut reading, mut writing) = TcpStream::connect(at).await.unwrap().into_split();
            let drip = tokio::spawn(async move {
                writing.write_all(begin.as_bytes()).await.unwrap();
                while writing.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
            let mut said = String::new();
            let _ =
                tokio::time::timeout(Duration::from_secs(20), reading.read_to_string(&mut said)).await.expect("cut");
            drip.abort();
            assert!(said.contains(end), "{said}");
        })
    });
    for client in cut {
        client.await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(shared.connections(), 0);
}

#[tokio::test]
async fn a_client_that_takes_no_replies_is_cut() {
    let limits =
        Limits { reply_seconds: 1, idle_commands: usize::MAX, commands_per_minute: usize::MAX, ..Limits::default() };
    let (at, _, shared) = serve(listener(limits)).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    let flood = "HELP\r\n".repeat(10_000);
    let sending = async { while stream.write_all(flood.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(30), sending).await.expect("the connection is cut");
    assert_eq!(shared.connections(), 0);
}

#[tokio::test]
async fn the_last_reply_is_not_lost_when_the_client_is_still_sending() {
    let (at, _, _) = serve(listener(Limits::default())).await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let text = format!("EHLO c.test\r\nNOOP\n{}", "x".repeat(300_000));
        let said = talk(&mut stream, &text, "").await;
        assert!(said.contains("500 5.5.2 Error: bare <LF>"), "{said}");
    }
}

#[tokio::test]
async fn clients_that_wait_leave_room_for_one_that_works() {
    let limits = Limits { connections: 400, ..Limits::default() };
    let (at, seen, shared) = serve(listener(limits)).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        assert!(talk(&mut stream, "", "220 ").await.starts_with("220"));
        idle.push(stream);
    }
    assert_eq!(shared.connections(), 300);
    // One address alone leaves a quarter to the others.
    let mut stream = TcpStream::connect(at).await.unwrap();
    assert!(talk(&mut stream, "", "").await.starts_with("421 4.7.0 relay.test too many"));
    drop(idle.pop());
    while shared.connections() == 300 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let start = Instant::now();
    let mut stream = TcpStream::connect(at).await.unwrap();
    assert!(talk(&mut stream, "", "220 ").await.starts_with("220"));
    let said = talk(&mut stream, &format!("{MAIL}DATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"), "221 ").await;
    assert!(said.contains("221 2.0.0"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(seen.mails.lock().unwrap().len(), 1);
}

struct Pki {
    folder: tempfile::TempDir,
    ca: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = parameters.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        Self { folder, ca, issuer: rcgen::Issuer::new(parameters, key) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn leaf(&self, name: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn listener(&self, start: Start, clients: Option<bool>) -> Listener {
        let (certificate, key) = self.leaf("relay.test");
        let (pem, key_pem) = (self.file("relay.pem"), self.file("relay.key"));
        std::fs::write(&pem, certificate.pem()).unwrap();
        std::fs::write(&key_pem, key.serialize_pem()).unwrap();
        let loaded = Arc::new(Certificate::load(Path::new(&pem), Path::new(&key_pem)).unwrap());
        let clients = clients.map(|required| Clients { ca: self.file("ca.pem"), required });
        let mut listener = listener(Limits::default());
        listener.tls = Some((start, loaded.server_config(clients.as_ref()).unwrap()));
        listener.allowed = Vec::new();
        listener.allowed_names = vec!["mail.example.jp".to_owned()];
        listener
    }

    /// A client with a certificate of this name, signed by us or by itself.
    async fn connect(
        &self,
        stream: TcpStream,
        name: Option<(&str, bool)>,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match name {
            None => builder.with_no_client_auth(),
            Some((name, ours)) => {
                let (certificate, key) = if ours {
                    self.leaf(name)
                } else {
                    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
                    (made.cert, made.signing_key)
                };
                let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap()
            }
        };
        let server = ServerName::try_from("relay.test").unwrap();
        TlsConnector::from(Arc::new(config)).connect(server, stream).await
    }
}

#[tokio::test]
async fn a_verified_certificate_of_a_named_host_may_relay() {
    let pki = Pki::new();
    let (at, _, _) = serve(pki.listener(Start::Implicit, Some(false))).await;
    for (name, expected) in [
        (Some(("mail.example.jp", true)), "250 2.1.5"),
        (Some(("mail.example.com", true)), "554 5.7.1"),
        (None, "554 5.7.1"),
    ] {
        let mut stream = pki.connect(TcpStream::connect(at).await.unwrap(), name).await.unwrap();
        assert!(talk(&mut stream, "", "220 ").await.starts_with("220"));
        let said = talk(&mut stream, MAIL, expected).await;
        assert!(said.contains(expected), "{name:?}: {said}");
    }
}

#[tokio::test]
async fn a_certificate_that_must_be_there_and_be_ours() {
    let pki = Pki::new();
    for (required, name) in
        [(true, None), (true, Some(("mail.example.jp", false))), (false, Some(("mail.example.jp", false)))]
    {
        let (at, seen, _) = serve(pki.listener(Start::Implicit, Some(required))).await;
        // With TLS 1.3 the client learns of it by its first read.
        if let Ok(mut stream) = pki.connect(TcpStream::connect(at).await.unwrap(), name).await {
            assert_eq!(talk(&mut stream, "", "").await, "", "{required} {name:?}");
        }
        assert!(seen.ended.lock().unwrap().len() <= 1);
    }
}

#[tokio::test]
async fn a_login_goes_to_whoever_verifies_it_and_its_end_is_told() {
    let pki = Pki::new();
    let mut listener = pki.listener(Start::Command, None);
    listener.auth = Auth::Required;
    let (at, seen, shared) = serve(listener).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    assert!(talk(&mut stream, "", "220 ").await.starts_with("220"));
    let said = talk(&mut stream, "EHLO c.test\r\n", "250 ").await;
    assert!(!said.contains("AUTH") && said.contains("STARTTLS"), "{said}");
    assert!(talk(&mut stream, "STARTTLS\r\n", "220 ").await.starts_with("220"));
    let mut stream = pki.connect(stream, None).await.unwrap();
    assert!(talk(&mut stream, "EHLO c.test\r\n", "\r\n250 ").await.contains("AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2"));
    assert!(talk(&mut stream, "MAIL FROM:<a@in.test>\r\n", "\r\n").await.starts_with("530 5.7.0"));
    assert!(talk(&mut stream, "AUTH PLAIN AHRhcm8Ac2VjcmV0\r\n", "\r\n").await.starts_with("235 2.7.0 welcome"));
    let said = talk(&mut stream, &format!("{}DATA\r\n", MAIL.trim_start_matches("EHLO c.test\r\n")), "354 ").await;
    assert!(said.contains("354"), "{said}");
    assert!(talk(&mut stream, "Subject: x\r\n\r\n.\r\n", "\r\n").await.starts_with("250"));
    let (user, session) = seen.logins.lock().unwrap()[0].clone();
    assert_eq!(user, "taro");
    let client = seen.mails.lock().unwrap()[0].client.clone();
    assert_eq!((client.login.as_deref(), client.session), (Some("taro"), Some(session)));
    assert!(seen.ended.lock().unwrap().is_empty());
    drop(stream);
    while shared.connections() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(*seen.ended.lock().unwrap(), [session]);
}
