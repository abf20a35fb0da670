//! Certificates by openssl, for listeners and for clients that verify them.
//! It refuses a key in the repository: each run makes its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The sections of a guard that speaks TLS with `guard.pem` and `guard.key` of its folder.
pub const SECTION: &str = "[tls]\ncertificate = \"guard.pem\"\nkey = \"guard.key\"\n";

/// Makes a self-signed certificate for the loopback with this common name, good for longer than anybody is warned: the PEM files of it and of
/// its key.
pub fn certificate(dir: &Path, name: &str, file: &str) -> (PathBuf, PathBuf) {
    lasting(60, dir, name, file)
}

/// One that is good for so many days.
pub fn lasting(days: u32, dir: &Path, name: &str, file: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (dir.join(format!("{file}.pem")), dir.join(format!("{file}.key")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            &days.to_string(),
        ])
        .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        // rustls takes no authority for a server (RFC 5280 4.2.1.9), and openssl would make one.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

/// What `openssl s_client` says about a port; `starttls` for SMTP that becomes TLS.
pub fn presented(port: u16, starttls: bool) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}")]);
    if starttls {
        command.args(["-starttls", "smtp"]);
    }
    let said = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned()
}
