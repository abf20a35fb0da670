//! Checks `[limits]` after it was read.
//! It refuses zero, which would stop all mail or, for sizes, be no limit at all.

use super::Reader;
use crate::limits::Limits;
use std::ops::Range;

impl Reader<'_> {
    pub(super) fn limits(&mut self, limits: &Limits) {
        let Ok(serde_json::Value::Object(all)) = serde_json::to_value(limits) else { return };
        for (key, value) in all {
            if value.as_u64() == Some(0) {
                let span = value_of(self.source.text(), &key);
                self.fail(
                    span,
                    &format!("`{key}` is 0, and there is no value that means \"no limit\""),
                    "give a number above 0, or remove the key for its default",
                );
            }
        }
    }
}

/// Where the value of a key of `[limits]` stands: behind that heading, at the beginning of a line, with an equals sign behind it. Other
/// sections have keys of the same names.
fn value_of(text: &str, key: &str) -> Range<usize> {
    let mut at = text.find("[limits]").unwrap_or(0);
    for line in text[at..].split_inclusive('\n') {
        if let Some(value) = line.trim_start().strip_prefix(key).and_then(|rest| rest.trim_start().strip_prefix('=')) {
            let start = at + line.len() - value.trim_start().len();
            return start..start + 1;
        }
        at += line.len();
    }
    0..0
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::error::render_all;
    use std::path::Path;

    #[test]
    fn zero_is_refused_where_it_stands() {
        for (limits, place) in [
            ("errors = 20\nmessage_bytes = 0\n", "sekisho.toml:9:17"),
            // The mail server's own bound has the same name.
            ("# connections = 5\nconnections_per_client = 9\nconnections =  0\n", "sekisho.toml:10:16"),
        ] {
            let text = format!(
                "hostname = \"guard.example.jp\"\n[[listener]]\nlisten = \"127.0.0.1:9\"\n[upstream]\nserver = \"127.0.0.1:8\"\n\
                 connections = 5\n[limits]\n{limits}"
            );
            let problems = Config::parse("sekisho.toml", &text, Path::new(".")).unwrap_err();
            let said = render_all(&problems, false);
            assert_eq!(problems.len(), 1, "{said}");
            assert!(said.contains(place) && said.contains("is 0, and there is no value"), "{said}");
        }
    }
}
