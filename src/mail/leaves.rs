//! Where the parts of a mail stand in its bytes, for edits inside of one part: a walk over the delimiters that decodes and copies nothing.
//! It refuses to go where an edit must not: into attached mails and encoded multiparts; and it says which parts are under a signature.

use super::header::Header;
use super::message::Damage;
use super::mime::{Declared, Encoding, delimiters, trim_line_end};
use std::ops::Range;

/// Multiparts above a part, and parts, that are looked at: the defaults of `Limits`. What lies beyond is counted by the reader of the structure alone.
const DEPTH: usize = 50;
const PARTS: usize = 2_000;

/// A part without parts of its own.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Where its content stands, still in its transfer encoding.
    pub body: Range<usize>,
    /// Declared `type/subtype` in lower case.
    pub kind: String,
    pub names: Vec<String>,
    pub encoding: Encoding,
    /// It is inside a multipart/signed (RFC 1847): a change would break the signature.
    pub signed: bool,
}

/// The parts of the mail itself, in the order they stand.
pub(super) fn leaves(raw: &[u8]) -> Vec<Leaf> {
    let mut found = Vec::new();
    let whole = Place { range: 0..raw.len(), depth: 0, signed: false, default_type: "text/plain" };
    entity(raw, whole, &mut found);
    found
}

struct Place {
    range: Range<usize>,
    depth: usize,
    signed: bool,
    /// Type of a part that declares none (RFC 2046 5.1.5).
    default_type: &'static str,
}

fn entity(raw: &[u8], place: Place, found: &mut Vec<Leaf>) {
    if place.depth > DEPTH || found.len() >= PARTS {
        return;
    }
    let bytes = &raw[place.range.clone()];
    let header = Header::scan(bytes);
    let declared = Declared::read(&header, place.default_type, &mut Damage::default());
    let start = place.range.start + header.body();
    let body = &bytes[header.body()..];
    let kind = declared.kind.token.clone();
    if !kind.starts_with("multipart/") {
        found.push(Leaf {
            body: start..place.range.end,
            kind,
            names: declared.names,
            encoding: declared.encoding,
            signed: place.signed,
        });
        return;
    }
    let boundaries = declared.kind.readings("boundary");
    let lines = boundaries.iter().map(|boundary| delimiters(body, boundary.as_bytes()));
    let lines = lines.into_iter().find(|lines| !lines.is_empty()).unwrap_or_default();
    for (index, line) in lines.iter().enumerate().take_while(|(_, line)| !line.closing) {
        let stop = lines.get(index + 1).map_or(body.len(), |next| next.line.start).max(line.line.end);
        let part = trim_line_end(&body[line.line.end..stop]);
        let below = Place {
            range: start + line.line.end..start + line.line.end + part.len(),
            depth: place.depth + 1,
            signed: place.signed || kind == "multipart/signed",
            default_type: if kind == "multipart/digest" { "message/rfc822" } else { "text/plain" },
        };
        entity(raw, below, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_where_they_stand() {
        let raw = b"Content-Type: multipart/mixed; boundary=a\r\n\r\npre\r\n--a\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: text/calendar; name=\"x.ics\"\r\nContent-Transfer-Encoding: base64\r\n\r\nTwo=\r\n--b--\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nthree\r\n--a--\r\nepilogue\r\n";
        let found: Vec<_> = leaves(raw)
            .into_iter()
            .map(|leaf| (String::from_utf8_lossy(&raw[leaf.body]).into_owned(), leaf.kind, leaf.signed, leaf.names))
            .collect();
        let own = |body: &str, kind: &str, signed, names: &[&str]| {
            (body.to_owned(), kind.to_owned(), signed, names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            found,
            [
                own("one", "text/plain", true, &[]),
                own("Two=", "text/calendar", true, &["x.ics"]),
                own("Subject: inner\r\n\r\nthree", "message/rfc822", false, &[]),
            ]
        );
        assert_eq!(leaves(b"Subject: s\r\n\r\nbody\r\n")[0].body, 14..20);
        assert_eq!(leaves(b"").len(), 1);
    }
}
