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

/// Where the value of a key stands: behind the first place where it is a whole word and an equals sign follows.
fn value_of(text: &str, key: &str) -> Range<usize> {
    for (at, _) in text.match_indices(key) {
        let apart = !text[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | '-'));
        let rest = &text[at + key.len()..];
        if let Some(value) = rest.trim_start().strip_prefix('=').filter(|_| apart) {
            let start = text.len() - value.trim_start().len();
            return start..start + 1;
        }
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
        let text = "hostname = \"guard.example.jp\"\n[[listener]]\nlisten = \"127.0.0.1:9\"\n[upstream]\nserver = \"127.0.0.1:8\"\n\
                    [limits]\nerrors = 20\nmessage_bytes = 0\n";
        let problems = Config::parse("sekisho.toml", text, Path::new(".")).unwrap_err();
        let said = render_all(&problems, false);
        assert_eq!(problems.len(), 1, "{said}");
        assert!(said.contains("sekisho.toml:8:17") && said.contains("`message_bytes` is 0"), "{said}");
    }
}
