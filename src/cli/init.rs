//! `sekisho init`: a commented configuration and the default rules, ready to be edited.
//! It refuses to overwrite any file.

use super::{OK, WRONG, complain, print};
use crate::rules::shipped;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The commented example, with every key and its default.
const EXAMPLE: &str = include_str!("sekisho.example.toml");

/// Arguments of `init`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to write to.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let mut files = vec![("sekisho.toml".to_owned(), EXAMPLE)];
    files.extend(shipped::files().map(|(name, text)| (format!("rules/{name}"), text)));
    let existing = files.iter().find(|(name, _)| arguments.folder.join(name).exists());
    if let Some((name, _)) = existing {
        complain(&format!("{} is already there; nothing was written", arguments.folder.join(name).display()));
        return WRONG;
    }
    for (name, text) in &files {
        if let Err(error) = write(&arguments.folder.join(name), text) {
            complain(&format!("failed to write {}: {error}", arguments.folder.join(name).display()));
            return WRONG;
        }
    }
    print(&format!(
        "Wrote {} files to {}.\n\nNext:\n  1. rules/00-organisation.toml: your own domains and partners\n  2. sekisho.toml: the mail server behind the guard, and who may connect\n  3. sekisho rules test rules && sekisho serve --config sekisho.toml\n",
        files.len(),
        arguments.folder.display()
    ));
    OK
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::File::create_new(path)?.write_all(text.as_bytes())
}
