//! Signatures that a change of ours breaks: they are taken out, since a broken one counts as none (RFC 6376 6.1) and is held against the sender by some.
//! It refuses to touch a signature that covers nothing of what changes, and to verify any.

use crate::mail::header::{Edits, Header, unfold};
use std::collections::BTreeSet;

/// DKIM (RFC 6376) and its forerunner (RFC 4870). The sets of ARC (RFC 8617) are a chain of other hops' words, and stay.
const SIGNATURES: [&str; 2] = ["dkim-signature", "domainkey-signature"];

/// Takes out every signature over a field that changes, or over the body when that changes.
pub(super) fn drop_broken(header: &Header<'_>, edits: &mut Edits) {
    if edits.is_empty() || !header.fields().iter().any(|field| SIGNATURES.contains(&field.name.as_str())) {
        return;
    }
    let names = edits.names(header);
    let body = edits.reach(header.body());
    for field in header.fields().iter().filter(|field| SIGNATURES.contains(&field.name.as_str())) {
        if body || covers(header.value(field), &names) {
            edits.remove(field);
        }
    }
}

/// Is one of these fields in the list of signed ones (the tag `h=`)? A signature without the list covers all.
fn covers(value: &[u8], names: &BTreeSet<String>) -> bool {
    let value = unfold(value);
    let list = value.split(|byte| *byte == b';').find_map(|tag| {
        let tag = tag.trim_ascii();
        let rest = tag.strip_prefix(b"h")?.trim_ascii_start();
        rest.strip_prefix(b"=")
    });
    let Some(list) = list else { return !names.is_empty() };
    let mut signed =
        list.split(|byte| *byte == b':').map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase());
    signed.any(|name| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_signed_fields_decides() {
        let names = BTreeSet::from(["to".to_owned(), "subject".to_owned()]);
        for (value, covered) in [
            (&b" v=1; h=from:to:date; b=x"[..], true),
            (b"v=1; h = from :\r\n\t Subject\r\n ; b=x", true),
            (b"v=1; bh=to; h=from:date; b=to", false),
            (b"v=1; b=x", true),
            (b"", true),
        ] {
            assert_eq!(covers(value, &names), covered, "{}", String::from_utf8_lossy(value));
        }
        assert!(!covers(b"", &BTreeSet::new()));
    }
}
