//! What `openssl s_client` gets out of a listener: the certificate, TLS 1.2 and 1.3, and nothing older, anonymous, without encryption or without forward secrecy.
//! It refuses to believe a refusal that a client would make by itself: the same openssl reaches its own server with each of them.

use crate::fake_upstream::{FakeUpstream, yes};
use crate::guard::{Guard, PATIENCE, Setup, wait};
use crate::postfix::free_port;
use crate::tls;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs `openssl s_client` with these options: was there a session, and what did it say?
fn client(port: u16, options: &[&str]) -> (bool, String) {
    let run = Command::new("timeout")
        .args([&PATIENCE.as_secs().to_string(), "openssl", "s_client", "-connect", &format!("127.0.0.1:{port}")])
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    // Without a session openssl writes "Cipher is (NONE)" or, before any handshake, nothing.
    (said.contains("Cipher is ") && !said.contains("Cipher is (NONE)"), said)
}

struct OpensslServer(Child);

impl Drop for OpensslServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server by openssl that takes everything openssl knows.
fn lax(dir: &Path) -> (OpensslServer, u16) {
    let (certificate, key) = tls::certificate(dir, "lax.example.jp", "lax");
    let port = free_port().unwrap();
    let child = Command::new("openssl")
        .args(["s_server", "-accept", &port.to_string(), "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-quiet"])
        .args(["-min_protocol", "TLSv1"])
        .arg("-cert")
        .arg(certificate)
        .arg("-key")
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait("openssl s_server", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    (OpensslServer(child), port)
}

/// Ways to ask that must fail.
const REFUSED: [(&str, &[&str]); 6] = [
    ("TLS 1.0", &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]),
    ("TLS 1.1", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]),
    ("anonymous", &["-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"]),
    ("without encryption", &["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"]),
    ("CBC", &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0"]),
    ("anonymous or old, whichever comes", &["-tls1_2", "-cipher", "ADH:AECDH:NULL:DES:3DES:RC4:MD5:@SECLEVEL=0"]),
];

#[test]
fn only_what_is_safe_today_is_spoken() {
    let upstream = FakeUpstream::start(yes);
    for (mode, start) in [("starttls", &["-starttls", "smtp"][..]), ("implicit", &[])] {
        let listener = format!("tls = \"{mode}\"");
        let mut guard =
            Guard::prepare(&Setup { listener: &listener, more: tls::SECTION, ..Setup::before(upstream.port) });
        tls::certificate(&guard.path(""), "guard.example.jp", "guard");
        guard.launch();
        for (version, cipher) in [("-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384"), ("-tls1_3", "TLS_AES")] {
            let ca = guard.path("guard.pem");
            let (met, said) = client(
                guard.smtp,
                &[start, &[version, "-CAfile", ca.to_str().unwrap(), "-verify_return_error"]].concat(),
            );
            assert!(met, "{mode} {version}: {said}");
            assert!(said.contains("CN = guard.example.jp") && said.contains("Verify return code: 0 (ok)"), "{said}");
            assert!(said.contains(&format!("Cipher is {cipher}")), "{version}: {said}");
        }
        for (what, options) in REFUSED {
            let (met, said) = client(guard.smtp, &[start, options].concat());
            assert!(!met, "{mode}, {what}: {said}");
        }
        assert!(guard.listens());
    }
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = lax(dir.path());
    for (what, options) in REFUSED.into_iter().skip(1).take(4) {
        let (met, said) = client(port, options);
        assert!(met, "this openssl cannot ask for {what} at all: {said}");
    }
}
