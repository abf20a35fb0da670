//! Reads `[outbox]` and `[grouping]`: how long the guard waits for a mail server, and for further transactions of one mail.
//! It refuses times that contradict each other, such as a warning behind the end.

use super::file;
use super::{Outbox, Reader, milliseconds};
use std::ops::Range;
use toml::Spanned;

/// Rows about the transactions of a mail are kept longer than this.
const MOST_TOGETHER_MS: u64 = 24 * 3_600_000;

impl Reader<'_> {
    pub(super) fn outbox(&mut self, given: &file::Outbox) -> Outbox {
        let retry_ms = self.duration(&given.retry);
        if milliseconds(given.retry.get_ref()) == Some(0) {
            self.fail(given.retry.span(), "the outbox cannot try again at once", "write a time such as 1m");
        }
        let longest_ms = self.duration(&given.longest_wait);
        let lifetime_ms = self.duration(&given.lifetime);
        // A length that was not understood is 0 and was told already.
        if lifetime_ms > 0 && lifetime_ms <= retry_ms {
            self.fail(
                written(&given.lifetime, &given.retry),
                "a mail would be given up before its second attempt",
                "let `lifetime` be longer than `retry`; RFC 5321 4.5.4.1 asks for 4 to 5 days, such as 5d",
            );
        }
        let off = given.warn_after.get_ref() == "off";
        let warn_ms = if off { u64::MAX } else { self.duration(&given.warn_after) };
        if !off && lifetime_ms > 0 && warn_ms >= lifetime_ms {
            self.fail(
                written(&given.warn_after, &given.lifetime),
                "the warning of a delay would come after the mail was given up",
                "let `warn_after` be shorter than `lifetime`, such as 4h, or write \"off\"",
            );
        }
        Outbox { retry_ms, longest_ms, lifetime_ms, warn_ms }
    }

    pub(super) fn grouping(&mut self, given: &file::Grouping, settle_ms: u64) -> u64 {
        let keep_ms = self.duration(&given.keep);
        if keep_ms < settle_ms {
            self.fail(
                given.keep.span(),
                "a mail's transactions would be forgotten before its notice goes out",
                "write a time longer than `settle` of [notice], such as 45m",
            );
        }
        if keep_ms > MOST_TOGETHER_MS {
            self.fail(given.keep.span(), "this is longer than transactions are remembered", "write at most 24h");
        }
        keep_ms
    }
}

/// The place of the first of two values that is written in the file, and not a default.
fn written(one: &Spanned<String>, other: &Spanned<String>) -> Range<usize> {
    if one.span().is_empty() { other.span() } else { one.span() }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use std::path::Path;

    const GUARD: &str = "hostname = \"guard.example.jp\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\n\
                         [upstream]\nserver = \"127.0.0.1:25\"\n";

    fn parse(more: &str) -> Result<Config, String> {
        let text = format!("{GUARD}{more}\n");
        Config::parse("sekisho.toml", &text, Path::new(".")).map_err(|problems| format!("{problems:?}"))
    }

    #[test]
    fn times_are_read_and_have_their_defaults() {
        let config = parse("").unwrap();
        let (minute, hour) = (60_000, 3_600_000);
        let outbox = config.outbox;
        assert_eq!((outbox.retry_ms, outbox.longest_ms), (minute, hour));
        assert_eq!((outbox.lifetime_ms, outbox.warn_ms, config.keep_together_ms), (120 * hour, 4 * hour, 45 * minute));
        let config = parse(
            "[outbox]\nretry = \"5s\"\nlongest_wait = \"2h\"\nlifetime = \"2d\"\nwarn_after = \"off\"\n[grouping]\nkeep = \"1h\"",
        );
        let config = config.unwrap();
        assert_eq!((config.outbox.retry_ms, config.outbox.longest_ms), (5_000, 2 * hour));
        assert_eq!((config.outbox.lifetime_ms, config.outbox.warn_ms), (48 * hour, u64::MAX));
        assert_eq!(config.keep_together_ms, hour);
    }

    #[test]
    fn times_that_contradict_each_other_are_refused() {
        for (more, complaint) in [
            ("[outbox]\nretry = \"0s\"", "cannot try again at once"),
            ("[outbox]\nretry = \"6d\"", "given up before its second attempt"),
            ("[outbox]\nlifetime = \"30s\"", "given up before its second attempt"),
            ("[outbox]\nlifetime = \"3h\"", "after the mail was given up"),
            ("[outbox]\nwarn_after = \"5d\"", "after the mail was given up"),
            ("[outbox]\nwarn_after = \"never\"", "no length of time"),
            ("[outbox]\nlongest_wait = \"x\"", "no length of time"),
            ("[grouping]\nkeep = \"5s\"", "forgotten before its notice"),
            ("[grouping]\nkeep = \"25h\"", "longer than transactions are remembered"),
        ] {
            let problems = parse(more).err().unwrap_or_else(|| panic!("{more} is taken"));
            assert!(problems.contains(complaint), "{more}: {problems}");
        }
    }
}
