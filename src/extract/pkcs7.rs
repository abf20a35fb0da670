//! The content of opaque-signed CMS data (RFC 5652 5.1): the mail inside an `smime.p7m` that is only signed.
//! It refuses to check the signature or to decrypt; enveloped data has no content here.

/// One BER element: its tag and content, and what follows it.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

/// Reads one element (ITU-T X.690 8.1); indefinite length reaches as far as the enclosing content.
fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *first == 0x80 {
        return Some(Element { tag: *tag, content: rest, rest: &[] });
    }
    let (length, rest) = if first & 0x80 == 0 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(first & 0x7F);
        if count > 4 || rest.len() < count {
            return None;
        }
        let length = rest[..count].iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        (length, &rest[count..])
    };
    // A cut-off file keeps what is there.
    let length = length.min(rest.len());
    Some(Element { tag: *tag, content: &rest[..length], rest: &rest[length..] })
}

/// The signed content, if the data is signed and carries it.
pub(super) fn content(bytes: &[u8]) -> Option<Vec<u8>> {
    let outer = element(bytes)?;
    let kind = element(outer.content)?;
    if kind.content != b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02" {
        return None;
    }
    let explicit = element(kind.rest)?;
    let signed = element(explicit.content)?;
    let version = element(signed.content)?;
    let digests = element(version.rest)?;
    // With indefinite lengths the end of `digests` is only known by its end-of-contents octets.
    let digests_rest = if digests.rest.is_empty() { skip_indefinite(digests.content)? } else { digests.rest };
    let inner = element(digests_rest)?;
    let inner_kind = element(inner.content)?;
    let carried = element(inner_kind.rest)?;
    if carried.tag != 0xA0 {
        return None;
    }
    let octets = element(carried.content)?;
    let mut out = Vec::new();
    gather(octets.tag, octets.content, &mut out);
    (!out.is_empty()).then_some(out)
}

/// What follows the end-of-contents octets of a set of flat elements.
fn skip_indefinite(mut content: &[u8]) -> Option<&[u8]> {
    loop {
        if let Some(rest) = content.strip_prefix(&[0, 0]) {
            return Some(rest);
        }
        content = element(content)?.rest;
    }
}

/// Joins an OCTET STRING, primitive (0x04) or in pieces (0x24).
fn gather(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    match tag {
        0x04 => out.extend_from_slice(content),
        0x24 => {
            let mut rest = content;
            while let Some(piece) = element(rest) {
                if piece.tag != 0x04 {
                    break;
                }
                out.extend_from_slice(piece.content);
                rest = piece.rest;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    }

    fn signed(content: &[u8]) -> Vec<u8> {
        let data_kind = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x01";
        let inner = wrap(0x30, &[data_kind.as_slice(), content].concat());
        let signed = wrap(0x30, &[b"\x02\x01\x01".as_slice(), &wrap(0x31, b""), &inner].concat());
        let outer = [b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02".as_slice(), &wrap(0xA0, &signed)].concat();
        wrap(0x30, &outer)
    }

    #[test]
    fn signed_content_is_given_and_a_detached_signature_has_none() {
        let whole = signed(&wrap(0xA0, &wrap(0x04, b"Content-Type: text/plain\r\n\r\nhi")));
        assert_eq!(content(&whole).as_deref(), Some(b"Content-Type: text/plain\r\n\r\nhi".as_slice()));
        let pieces = signed(&wrap(0xA0, &wrap(0x24, &[wrap(0x04, b"one "), wrap(0x04, b"two")].concat())));
        assert_eq!(content(&pieces).as_deref(), Some(b"one two".as_slice()));
        assert_eq!(content(&signed(b"")), None);
        for cut in 0..whole.len() {
            let _ = content(&whole[..cut]);
        }
    }
}
