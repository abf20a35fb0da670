//! The default rule set, as it lies in `rules/` and inside the program.
//! It refuses to differ from the folder: the texts are included when the program is built.

use super::Sources;

/// The files below `rules/` that make the set: TOML files and lists.
const FILES: &[(&str, &str)] = &[
    ("00-organisation.toml", include_str!("../../rules/00-organisation.toml")),
    ("10-recipients.toml", include_str!("../../rules/10-recipients.toml")),
    ("20-personal-data.toml", include_str!("../../rules/20-personal-data.toml")),
    ("30-confidential.toml", include_str!("../../rules/30-confidential.toml")),
    ("40-unreadable.toml", include_str!("../../rules/40-unreadable.toml")),
    ("50-ordinary-mail.toml", include_str!("../../rules/50-ordinary-mail.toml")),
    ("lists/carrier.txt", include_str!("../../rules/lists/carrier.txt")),
    ("lists/disposable.txt", include_str!("../../rules/lists/disposable.txt")),
    ("lists/isp.txt", include_str!("../../rules/lists/isp.txt")),
    ("lists/partners.txt", include_str!("../../rules/lists/partners.txt")),
    ("lists/webmail.txt", include_str!("../../rules/lists/webmail.txt")),
    ("lists/well-known.txt", include_str!("../../rules/lists/well-known.txt")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_rule_file_and_list_of_the_folder_is_included() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut wanted = BTreeSet::new();
        for (below, extension) in [("", "toml"), ("lists/", "txt")] {
            for entry in std::fs::read_dir(folder.join(below)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(extension) {
                    wanted.insert(format!("{below}{name}"));
                }
            }
        }
        let included: BTreeSet<String> = files().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(included, wanted);
    }
}
