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
