//! The default rule set, as it lies in `rules/` and inside the program.
//! It refuses to differ from the folder: the texts are included when the program is built.

use super::Sources;

/// The files below `rules/` that make the set: TOML files and lists.
const FILES: &[(&str, &str)] = &[
];

/// Names (relative to the folder) and texts.
pub fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().copied()
}

/// The set, ready to be compiled.
#[must_use]
pub fn sources() -> Sources {
    let mut sources = Sources::default();
    for (name, text) in FILES {
        let texts = if name.starts_with("lists/") { &mut sources.lists } else { &mut sources.files };
        texts.insert((*name).to_owned(), (*text).to_owned());
    }
    sources
}
