//! The "relaxed" forms of RFC 6376 3.4 that signatures and stamps are made over: blanks and folds that relays change do not count.
//! It refuses to join a mail's pieces: the body is hashed as it lies, line by line.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

/// A mail in pieces, as header and body.
pub(super) struct Split {
    /// The fields, with the line end of the last one.
    pub head: Vec<u8>,
    /// The rest, the empty line included.
    pub body: Vec<Bytes>,
}

/// Cuts a mail behind its last field. The bytes of the body are shared, not copied.
pub(super) fn split(mail: &[Bytes]) -> Split {
    let mut head: Vec<u8> = Vec::new();
    for (index, piece) in mail.iter().enumerate() {
        // The empty line may begin in the piece before.
        let from = head.len().saturating_sub(3);
        let before = head.len();
        // Usually the header ends in the first kilobytes of a piece that holds the whole body.
        let mut seen = 0;
        while seen < piece.len() {
            let next = (seen + 64 * 1024).min(piece.len());
            head.extend_from_slice(&piece[seen..next]);
            let look = (before + seen).saturating_sub(3).max(from);
            let start = if head.starts_with(b"\r\n") {
                Some(0)
            } else {
                memchr::memmem::find(&head[look..], b"\r\n\r\n").map(|at| look + at + 2)
            };
            if let Some(end) = start {
                let mut body = Vec::with_capacity(mail.len() - index + 1);
                if end < before {
                    body.push(Bytes::copy_from_slice(&head[end..before]));
                    body.push(piece.clone());
                } else {
                    body.push(piece.slice(end - before..));
                }
                body.extend_from_slice(&mail[index + 1..]);
                head.truncate(end);
                return Split { head, body };
            }
            seen = next;
        }
    }
    Split { head, body: Vec::new() }
}

/// A field in relaxed form (RFC 6376 3.4.2), with CRLF: name in lower case, unfolded, runs of blanks as one, none at the ends.
pub(super) fn field(name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = name.as_bytes().to_vec();
    out.push(b':');
    let start = out.len();
    collapse(value.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).copied(), &mut out);
    if out.get(start) == Some(&b' ') {
        out.remove(start);
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Runs of blanks as one, none at the end.
fn collapse(bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let mut blank = false;
    for byte in bytes {
        if matches!(byte, b' ' | b'\t') {
            blank = true;
            continue;
        }
        if blank {
            out.push(b' ');
            blank = false;
        }
        out.push(byte);
    }
}

/// SHA-256 of the body in relaxed form (RFC 6376 3.4.4); `body` begins with the empty line that ends the header.
pub(super) fn body_hash(body: &[Bytes]) -> [u8; 32] {
    let mut hasher = Hasher { context: Context::new(&SHA256), empty: 0, line: Vec::new() };
    let mut open: Vec<u8> = Vec::new();
    let mut first = true;
    let mut take = |hasher: &mut Hasher, line: &[u8]| {
        if !std::mem::take(&mut first) {
            hasher.line(line);
        }
    };
    for piece in body {
        let mut rest: &[u8] = piece;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            if open.is_empty() {
                take(&mut hasher, &rest[..at]);
            } else {
                open.extend_from_slice(&rest[..at]);
                take(&mut hasher, &open);
                open.clear();
            }
            rest = &rest[at + 1..];
        }
        open.extend_from_slice(rest);
    }
    if !open.is_empty() {
        take(&mut hasher, &open);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(hasher.context.finish().as_ref());
    hash
}

struct Hasher {
    context: Context,
    /// Empty lines that count only when another line follows.
    empty: usize,
    line: Vec<u8>,
}

impl Hasher {
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if memchr::memchr2(b' ', b'\t', line).is_some() {
            self.line.clear();
            collapse(line.iter().copied(), &mut self.line);
            &self.line
        } else {
            line
        };
        if line.is_empty() {
            self.empty += 1;
            return;
        }
        for _ in 0..std::mem::take(&mut self.empty) {
            self.context.update(b"\r\n");
        }
        self.context.update(line);
        self.context.update(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::digest::digest;
    use proptest::prelude::*;

    fn hash_of(text: &str) -> Vec<u8> {
        digest(&SHA256, text.as_bytes()).as_ref().to_vec()
    }

    #[test]
    fn fields_and_bodies_are_relaxed_as_the_standard_shows() {
        // The example of RFC 6376 3.4.5.
        assert_eq!(field("a", b" X\r\n"), b"a:X\r\n");
        assert_eq!(field("b", b" Y\t\r\n\tZ  \r\n"), b"b:Y Z\r\n");
        for (body, canonical) in [
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"),
            ("", ""),
            ("\r\n\r\n", ""),
            ("no end", "no end\r\n"),
            ("a\r\n\r\nb\r\n \t\r\n", "a\r\n\r\nb\r\n"),
        ] {
            let whole = Bytes::from(format!("\r\n{body}"));
            assert_eq!(body_hash(&[whole]).to_vec(), hash_of(canonical), "{body:?}");
        }
        assert_eq!(body_hash(&[]).to_vec(), hash_of(""));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in proptest::collection::vec(proptest::sample::select(vec!["a", ": ", "\r\n", "\r\n\r\n", " ", "\t", "b c"]), 0..30),
            cuts in proptest::collection::vec(0_usize..60, 0..6),
        ) {
            let text = text.concat();
            let whole = Bytes::from(text.clone());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<Bytes> = cuts.windows(2).map(|pair| whole.slice(pair[0]..pair[1])).collect();
            let (one, many) = (split(std::slice::from_ref(&whole)), split(&pieces));
            prop_assert_eq!(&one.head, &many.head);
            prop_assert_eq!(one.body.concat(), many.body.concat());
            prop_assert_eq!(body_hash(&one.body), body_hash(&many.body));
            prop_assert_eq!([one.head, one.body.concat()].concat(), text.as_bytes());
        }
    }
}
