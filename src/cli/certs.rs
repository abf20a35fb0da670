//! `sekisho certs`: a local authority and a certificate for trying out, and what the certificates in use say about themselves.
//! It refuses to overwrite a file, and to leave a key where others may read it.

use super::{NO, OK, WRONG, complain, load, print};
use crate::listen::certificate::{Described, chain};
use crate::listen::tls::Certificate;
use clap::Subcommand;
use jiff::{Timestamp, ToSpan, Zoned};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Days that the certificate is good; clients refuse more than 398.
const DAYS: i64 = 397;
/// Days that the authority is good.
const AUTHORITY_DAYS: i64 = 5 * 365;
const DAY_MS: u64 = 86_400_000;

/// Arguments of `certs`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a local authority and a certificate from it, for trying out.
    Dev {
        /// Names and addresses by which clients reach the guard; the loopback is always among them.
        #[arg(long = "name")]
        names: Vec<String>,
        /// The folder.
        #[arg(long, default_value = "certs")]
        dir: PathBuf,
    },
    /// Names, issuer and validity of the certificates in use, whether the key fits, and whether their order is right.
    Show {
        /// The configuration file whose [tls] is meant.
        #[arg(short, long, env = "SEKISHO_CONFIG", default_value = "sekisho.toml")]
        config: PathBuf,
        /// Another certificate instead.
        #[arg(long, requires = "key")]
        certificate: Option<PathBuf>,
        /// Its key.
        #[arg(long, requires = "certificate")]
        key: Option<PathBuf>,
    },
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    match &arguments.command {
        Command::Dev { names, dir } => match dev(names, dir) {
            Ok(text) => {
                print(&text);
                OK
            }
            Err(why) => {
                complain(&format!("failed to {why}"));
                WRONG
            }
        },
        Command::Show { config, certificate, key } => {
            let pair = certificate.clone().zip(key.clone()).or_else(|| load::config(config)?.tls);
            let Some((certificate, key)) = pair else {
                complain("there is no [tls] in the configuration; name a pair with --certificate and --key");
                return WRONG;
            };
            match show(&certificate, &key, Timestamp::now()) {
                Ok((text, well)) => {
                    print(&text);
                    if well { OK } else { NO }
                }
                Err(why) => {
                    complain(&format!("failed to {why}"));
                    WRONG
                }
            }
        }
    }
}

/// A certificate good from yesterday on, since clocks differ, for so many days.
fn params(names: Vec<String>, common: &str, days: i64) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::new(names).map_err(|error| format!("use these names: {error}"))?;
    let today = Zoned::now().date();
    let moment = |days: i64| {
        let date = today.checked_add(days.days()).unwrap_or(today);
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (moment(-1), moment(days));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    Ok(params)
}

fn dev(names: &[String], dir: &Path) -> Result<String, String> {
    let file = |name: &str| dir.join(name);
    let (authority, authority_key) = (file("dev-ca.pem"), file("dev-ca.key"));
    let (certificate, key) = (file("guard.pem"), file("guard.key"));
    for path in [&authority, &authority_key, &certificate, &key] {
        if fs::symlink_metadata(path).is_ok() {
            return Err(format!("write {}: it is there already, and nothing is overwritten", path.display()));
        }
    }
    let mut all: Vec<String> = names.to_vec();
    all.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    let made = |error: rcgen::Error| format!("make a certificate: {error}");

    let mut above = params(Vec::new(), "sekisho local authority (for trying out)", AUTHORITY_DAYS)?;
    above.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    above.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let above_key = KeyPair::generate().map_err(made)?;
    let above_pem = above.self_signed(&above_key).map_err(made)?.pem();
    let above_key_pem = above_key.serialize_pem();

    let mut leaf = params(all.clone(), &all[0], DAYS)?;
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let leaf_key = KeyPair::generate().map_err(made)?;
    let leaf_pem = leaf.signed_by(&leaf_key, &Issuer::new(above, above_key)).map_err(made)?.pem();

    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(dir)
        .map_err(|error| format!("make {}: {error}", dir.display()))?;
    for (path, mode, text) in [
        (&authority_key, 0o600, above_key_pem.as_str()),
        (&authority, 0o644, above_pem.as_str()),
        (&key, 0o600, leaf_key.serialize_pem().as_str()),
        (&certificate, 0o644, (leaf_pem + &above_pem).as_str()),
    ] {
        let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|error| format!("write {}: {error}", path.display()))?;
    }
    Ok(format!(
        "made for {}, good for {DAYS} days:\n  {}\n  {}\n\n\
         put into sekisho.toml:\n\n[tls]\ncertificate = \"{1}\"\nkey         = \"{2}\"\n\n\
         clients must trust the authority {3} (good for {AUTHORITY_DAYS} days):\n  \
         Debian   cp {3} /usr/local/share/ca-certificates/sekisho-dev.crt && update-ca-certificates\n  \
         Postfix  smtp_tls_CAfile = {3}\n  \
         openssl  openssl s_client -starttls smtp -CAfile {3} -verify_return_error -connect localhost:10025\n\
         whoever has {4} can make certificates that they trust: delete it when you need no more.\n",
        all.join(", "),
        certificate.display(),
        key.display(),
        authority.display(),
        authority_key.display(),
    ))
}

/// The chain in words, and whether it can be used now.
fn show(certificate: &Path, key: &Path, now: Timestamp) -> Result<(String, bool), String> {
    let now_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let chain = chain(certificate).map_err(|error| error.to_string())?;
    let mut out = String::new();
    let mut well = true;
    let mut above: Option<&Described> = None;
    for (number, described) in (1..).zip(&chain) {
        let Some(described) = described else {
            let _ = writeln!(out, "certificate {number}: it does not read");
            well = false;
            continue;
        };
        let _ = writeln!(out, "certificate {number}  {}", described.subject);
        let _ = writeln!(out, "  issuer       {}", described.issuer);
        if !described.names.is_empty() || number == 1 {
            let _ = writeln!(out, "  names        {}", described.names.join(", "));
        }
        let _ = writeln!(out, "  valid        {} to {}", day(described.from_ms), day(described.until_ms));
        let state = if now_ms >= described.until_ms {
            "expired".to_owned()
        } else if now_ms < described.from_ms {
            "not valid yet".to_owned()
        } else {
            format!("{} days left", (described.until_ms - now_ms) / DAY_MS)
        };
        well &= (described.from_ms..described.until_ms).contains(&now_ms);
        let _ = writeln!(out, "  state        {state}{}", if described.authority { ", an authority" } else { "" });
        if number == 1 && described.names.is_empty() {
            out.push_str("  problem      it names no host: clients cannot verify it\n");
            well = false;
        }
        if above.is_some_and(|above| !above.is_issued_by(described)) {
            out.push_str("  problem      it did not issue the one before it: the order is wrong, or one is missing\n");
            well = false;
        }
        above = Some(described);
    }
    match Certificate::load(certificate, key) {
        Ok(_) => out.push_str("the key fits\n"),
        Err(error) => {
            let _ = writeln!(out, "failed to {error}");
            well = false;
        }
    }
    Ok((out, well))
}

fn day(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX);
    moment.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_made_can_be_used_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let certs = dir.path().join("certs");
        let text = dev(&["guard.example.jp".to_owned()], &certs).unwrap();
        let (certificate, key) = (certs.join("guard.pem"), certs.join("guard.key"));
        assert!(text.contains(&format!("certificate = \"{}\"", certificate.display())), "{text}");
        for (name, mode) in [("dev-ca.pem", 0o644), ("dev-ca.key", 0o600), ("guard.pem", 0o644), ("guard.key", 0o600)] {
            assert_eq!(fs::metadata(certs.join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
        }
        let now = Timestamp::now();
        let (shown, well) = show(&certificate, &key, now).unwrap();
        assert!(well, "{shown}");
        for words in ["guard.example.jp, localhost, 127.0.0.1, ::1", "396 days left", "an authority", "the key fits"] {
            assert!(shown.contains(words) || shown.contains("397 days left"), "{words} in\n{shown}");
        }
        let before = fs::read(&certificate).unwrap();
        assert!(dev(&[], &certs).unwrap_err().contains("nothing is overwritten"));
        assert_eq!(fs::read(&certificate).unwrap(), before);

        let later = now.checked_add((400 * 24).hours()).unwrap();
        let (shown, well) = show(&certificate, &key, later).unwrap();
        assert!(!well && shown.contains("expired"), "{shown}");
        let (shown, well) = show(&certificate, &certs.join("dev-ca.key"), now).unwrap();
        assert!(!well && shown.contains("failed to use the key"), "{shown}");
        let text = fs::read_to_string(&certificate).unwrap();
        let half = text.find("-----END CERTIFICATE-----\n").unwrap() + "-----END CERTIFICATE-----\n".len();
        let turned = dir.path().join("turned.pem");
        fs::write(&turned, format!("{}{}", &text[half..], &text[..half])).unwrap();
        let (shown, well) = show(&turned, &key, now).unwrap();
        assert!(!well && shown.contains("the order is wrong"), "{shown}");
    }
}
