//! Reads files with secrets that the configuration names: only when nobody else can read them.
//! It refuses a file open to others, and never shows what is in one.

use super::Reader;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use toml::Spanned;

/// Octets of a key file; no key is longer.
const MOST: u64 = 64 * 1024;
/// The owner may do anything and the group may read; nobody else.
const OPEN: u32 = 0o037;

impl Reader<'_> {
    /// The bytes of a key file; a problem at the place of its name otherwise.
    pub(super) fn key_file(&mut self, name: &Spanned<String>) -> Option<Vec<u8>> {
        let path = self.path(Path::new(name.get_ref()));
        let read = File::open(&path).and_then(|mut file| {
            let mode = file.metadata()?.permissions().mode();
            let mut bytes = Vec::new();
            file.by_ref().take(MOST).read_to_end(&mut bytes)?;
            Ok((mode, bytes))
        });
        match read {
            Ok((mode, _)) if mode & OPEN != 0 => {
                self.fail(
                    name.span(),
                    &format!("others can read or change this key (mode {:04o})", mode & 0o7777),
                    &format!("chmod 600 {}", path.display()),
                );
                None
            }
            Ok((_, bytes)) => Some(bytes),
            Err(error) => {
                self.fail(
                    name.span(),
                    &format!("failed to read {}: {error}", path.display()),
                    "name a file that the guard's user can read",
                );
                None
            }
        }
    }
}
