//! Loading rules from a folder (or the shipped set), and noticing that files changed.
//! It refuses to run with half a rule set: a set is loaded and its examples pass, or the old one stays and the reason is said.

use crate::config::error::{Problem, render_all};
use crate::facts::Facts;
use crate::inspect::{Context, Inspector, Want};
use crate::limits::Limits;
use crate::mail::envelope::Envelope;
use crate::rules::{self, RuleSet, Sources, shipped};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Why a rule set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("read {file}: {cause}")]
    Read { file: PathBuf, cause: io::Error },
    #[error("find any rule file (*.toml) in {0}")]
    Empty(PathBuf),
    #[error("use the rules:\n{}", render_all(.0, false))]
    Wrong(Vec<Problem>),
}

/// Loads, compiles and tries the examples of a set; without a folder, the shipped one.
///
/// # Errors
/// [`RulesError`], with every problem and its place.
pub fn load(folder: Option<&Path>, limits: &Limits) -> Result<RuleSet, RulesError> {
    let sources = match folder {
        Some(folder) => read(folder)?,
        None => shipped::sources(),
    };
    let set = rules::compile(&sources).map_err(RulesError::Wrong)?;
    let inspector = Inspector::new(context(&set, limits));
    let inspect =
        |envelope: &Envelope, mail: &[u8]| -> Facts { inspector.inspect(envelope, mail, Want::default()).facts };
    let failures = rules::example::run(&set, &inspect);
    if failures.is_empty() {
        return Ok(set);
    }
    Err(RulesError::Wrong(failures.into_iter().map(|failure| failure.problem).collect()))
}

/// What the inspection must know of a set.
#[must_use]
pub fn context(rules: &RuleSet, limits: &Limits) -> Context {
    Context { internal: rules.internal_patterns(), patterns: rules.text_patterns(), limits: limits.clone() }
}

/// Reads a folder: its rule files, and everything below it that a list or an example may name.
///
/// # Errors
/// [`RulesError::Read`] and [`RulesError::Empty`].
pub fn read(folder: &Path) -> Result<Sources, RulesError> {
    let mut sources = Sources::default();
    for file in files(folder)? {
        let name = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let failed = |cause| RulesError::Read { file: file.clone(), cause };
        if file.extension().is_some_and(|extension| extension == "toml") && !name.contains('/') {
            let shown = folder.join(&name).display().to_string();
            sources.files.insert(shown, fs::read_to_string(&file).map_err(failed)?);
        } else if file.extension().is_some_and(|extension| extension == "txt") {
            sources.lists.insert(name, fs::read_to_string(&file).map_err(failed)?);
        } else if file.extension().is_some_and(|extension| extension == "eml") {
            sources.mails.insert(name, fs::read(&file).map_err(failed)?);
        }
    }
    if sources.files.is_empty() { Err(RulesError::Empty(folder.to_owned())) } else { Ok(sources) }
}

/// All files below a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, RulesError> {
    let failed = |cause| RulesError::Read { file: folder.to_owned(), cause };
    let mut found = Vec::new();
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// Names, sizes and times of files: when it differs, something changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, (u64, Option<SystemTime>)>);

impl Fingerprint {
    /// Of these files, and of all below these folders. What is missing counts as absent.
    #[must_use]
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut seen = BTreeMap::new();
        for path in paths {
            let inside = if path.is_dir() { files(path).unwrap_or_default() } else { vec![path.to_owned()] };
            for file in inside {
                // Symbolic links are followed: a mounted folder may swap what they point to.
                if let Ok(metadata) = fs::metadata(&file) {
                    seen.insert(file, (metadata.len(), metadata.modified().ok()));
                }
            }
        }
        Self(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_added_or_removed_file_changes_the_fingerprint() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("a.toml");
        fs::write(&file, "1")?;
        let first = Fingerprint::of([folder.path()]);
        assert_eq!(first, Fingerprint::of([folder.path()]));
        fs::write(&file, "12")?;
        let second = Fingerprint::of([folder.path()]);
        assert_ne!(first, second);
        fs::write(folder.path().join("b.txt"), "")?;
        let third = Fingerprint::of([folder.path()]);
        assert_ne!(second, third);
        fs::remove_file(&file)?;
        assert_ne!(third, Fingerprint::of([folder.path()]));
        Ok(())
    }
}
