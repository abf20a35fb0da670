//! Reads `[stamp]`: whether mails that leave say that they were checked, and with which key.
//! It refuses a key that could be guessed, and a time in which nothing is believed.

use super::{Reader, file};
use std::fmt;

/// Octets of a key at least.
const SHORTEST: usize = 32;

/// The stamp.
#[derive(Clone)]
pub struct Stamp {
    /// A key that several guards share; `None` for one made of this guard's own.
    pub key: Option<Vec<u8>>,
    /// Milliseconds that a stamp is believed.
    pub max_age_ms: u64,
}

impl fmt::Debug for Stamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Stamp").field("max_age_ms", &self.max_age_ms).finish_non_exhaustive()
    }
}

impl Reader<'_> {
    pub(super) fn stamp(&mut self, given: &file::Stamp) -> Option<Stamp> {
        if !given.enabled {
            return None;
        }
        let max_age_ms = self.duration(&given.max_age);
        if super::milliseconds(given.max_age.get_ref()) == Some(0) {
            self.fail(given.max_age.span(), "no stamp would be believed", "write a time such as 1h");
        }
        let key = match &given.key_file {
            None => None,
            Some(name) => {
                let bytes = self.key_file(name)?.trim_ascii().to_vec();
                if bytes.len() < SHORTEST {
                    self.fail(
                        name.span(),
                        &format!("this key has {} octets, at least {SHORTEST} are needed", bytes.len()),
                        "openssl rand -base64 32",
                    );
                    return None;
                }
                Some(bytes)
            }
        };
        Some(Stamp { key, max_age_ms })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    const BASE: &str =
        "hostname = \"g.example.jp\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\n[upstream]\nserver = \"127.0.0.1:25\"\n";

    fn config(folder: &Path, more: &str) -> Result<Config, String> {
        Config::parse("sekisho.toml", &format!("{BASE}{more}"), folder)
            .map_err(|problems| problems.iter().map(|problem| problem.render(false)).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn keys_are_read_and_what_is_wrong_with_one_is_said_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
        write("dkim.pem", &pem, 0o600);
        write("group.pem", &pem, 0o640);
        write("open.pem", &pem, 0o644);
        write("writable.pem", &pem, 0o620);
        write("not.pem", "hello", 0o600);
        write("stamp.key", "0123456789abcdef0123456789abcdef\n", 0o600);
        write("short.key", "0123456789abcdef\n", 0o600);
        let dkim = |domain: &str, selector: &str, key: &str| {
            format!("[[dkim]]\ndomain = \"{domain}\"\nselector = \"{selector}\"\nkey = \"{key}\"\n")
        };
        let two = dkim("City.example.jp", "S1", "dkim.pem") + &dkim("city.example.jp", "s2", "group.pem");
        let read =
            config(folder.path(), &format!("{two}[stamp]\nenabled = true\nkey_file = \"stamp.key\"\nmax_age = \"2h\""))
                .unwrap();
        let names: Vec<_> = read.dkim.iter().map(|key| (key.domain.as_str(), key.selector.as_str())).collect();
        assert_eq!(names, [("city.example.jp", "s1"), ("city.example.jp", "s2")]);
        let stamp = read.stamp.clone().unwrap();
        assert_eq!(
            (stamp.key.as_deref(), stamp.max_age_ms),
            (Some(&b"0123456789abcdef0123456789abcdef"[..]), 7_200_000)
        );
        let shown = format!("{read:?}");
        assert!(!shown.contains("0123456789") && !shown.contains("48, 49, 50"), "no key in what is printed");
        assert!(config(folder.path(), "[stamp]\nkey_file = \"missing\"").unwrap().stamp.is_none());
        assert!(config(folder.path(), "[stamp]\nenabled = true").unwrap().stamp.unwrap().key.is_none());
        for (more, said, place) in [
            (dkim("example.jp", "s", "open.pem"), "others can read or change this key (mode 0644)", ":9:7"),
            (dkim("example.jp", "s", "writable.pem"), "mode 0620", ":9:7"),
            (dkim("example.jp", "s", "not.pem"), "failed to find a private key in PEM", ":9:7"),
            (dkim("example.jp", "s", "missing.pem"), "missing.pem: No such file", ":9:7"),
            (dkim("example jp", "s", "dkim.pem"), "this is no domain", ":7:10"),
            (dkim("example.jp", "s/../t", "dkim.pem"), "this is no selector", ":8:12"),
            (dkim("example.jp", "s", "dkim.pem") + &dkim("EXAMPLE.jp", "S", "dkim.pem"), "has a key already", ":12:12"),
            ("[stamp]\nenabled = true\nkey_file = \"short.key\"".to_owned(), "this key has 16 octets", ":8:12"),
            ("[stamp]\nenabled = true\nmax_age = \"0s\"".to_owned(), "no stamp would be believed", ":8:11"),
            ("[stamp]\nenable = true".to_owned(), "did you mean `enabled`", ":7:1"),
        ] {
            let text = config(folder.path(), &more).unwrap_err();
            assert!(text.contains(said) && text.contains(&format!("sekisho.toml{place}")), "{more}\n{text}");
        }
    }
}
