//! Paths of MAIL and RCPT: the one grammar for addresses on the wire (RFC 5321 4.1.2, RFC 6531 3.3), for what we read and what we send.
//! It refuses every address that two programs could read differently; of the obsolete forms it takes only the dots of Japanese carriers.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A path between angle brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path<'a> {
    /// `<>`
    Null,
    /// A mailbox; its text is what came, without brackets and source route.
    Mailbox(&'a str),
}

/// Why a path is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// Angle brackets are missing or something else does not fit the grammar.
    Syntax,
    /// A mailbox without domain that is not `postmaster` (RFC 5321 2.3.5, 4.5.1).
    Unqualified,
    /// Octets above 127 that are not UTF-8, or a domain that IDNA refuses (RFC 6531 3.3).
    NotUtf8,
}

/// Reads a path at the head of `text`; what follows the closing bracket is the second value.
///
/// # Errors
/// [`PathFault`] with the reason.
pub fn path(text: &[u8]) -> Result<(Path<'_>, &[u8]), PathFault> {
    let inner = text.strip_prefix(b"<").ok_or(PathFault::Syntax)?;
    if let Some(rest) = inner.strip_prefix(b">") {
        return Ok((Path::Null, rest));
    }
    let inner = without_route(inner)?;
    let (mailbox, rest) = mailbox(inner)?;
    Ok((Path::Mailbox(mailbox), rest.strip_prefix(b">").ok_or(PathFault::Syntax)?))
}

/// May this text stand between angle brackets as it is? The sender asks before it writes an address that did not come through [`path`].
#[must_use]
pub fn is_mailbox(text: &str) -> bool {
    matches!(mailbox(text.as_bytes()), Ok((_, rest)) if rest.is_empty())
}

/// Takes off an obsolete source route `@one,@two:` (RFC 5321 appendix C: accepted and ignored).
fn without_route(text: &[u8]) -> Result<&[u8], PathFault> {
    let mut rest = text;
    while let Some(at) = rest.strip_prefix(b"@") {
        let (_, behind) = domain(at)?;
        match behind.split_first() {
            Some((b':', mailbox)) => return Ok(mailbox),
            Some((b',', next)) if next.starts_with(b"@") => rest = next,
            _ => return Err(PathFault::Syntax),
        }
    }
    Ok(rest)
}

fn mailbox(text: &[u8]) -> Result<(&str, &[u8]), PathFault> {
    let local = match text.first() {
        Some(b'"') => quoted_len(text)?,
        _ => text.iter().take_while(|byte| is_atext(**byte) || **byte == b'.').count(),
    };
    let (name, behind) = text.split_at(local);
    if name.is_empty() {
        return Err(PathFault::Syntax);
    }
    let Some(at) = behind.strip_prefix(b"@") else {
        let ended = behind.is_empty() || behind.starts_with(b">");
        return match () {
            () if !ended => Err(PathFault::Syntax),
            () if name.eq_ignore_ascii_case(b"postmaster") => Ok((utf8(name)?, behind)),
            () => Err(PathFault::Unqualified),
        };
    };
    let (_, rest) = domain(at)?;
    Ok((utf8(&text[..text.len() - rest.len()])?, rest))
}

/// Octets of a Quoted-string with both quotes (RFC 5321 4.1.2).
fn quoted_len(text: &[u8]) -> Result<usize, PathFault> {
    let mut at = 1;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match text.get(at + 1) {
                Some(0x20..=0x7e) => at += 2,
                _ => return Err(PathFault::Syntax),
            },
            Some(0x20..=0x7e | 0x80..) => at += 1,
            _ => return Err(PathFault::Syntax),
        }
    }
}

/// A domain or an address literal at the head of `text`.
fn domain(text: &[u8]) -> Result<(&str, &[u8]), PathFault> {
    if text.starts_with(b"[") {
        let end = memchr::memchr(b']', text).ok_or(PathFault::Syntax)?;
        let (literal, rest) = text.split_at(end + 1);
        let inner = utf8(&literal[1..end])?;
        let valid = match inner.get(..5) {
            Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner[5..].parse::<Ipv6Addr>().is_ok(),
            _ => inner.parse::<Ipv4Addr>().is_ok(),
        };
        return if valid { Ok((utf8(literal)?, rest)) } else { Err(PathFault::Syntax) };
    }
    let len = text.iter().take_while(|byte| is_domain_byte(**byte)).count();
    let (name, rest) = text.split_at(len);
    let name = utf8(name)?;
    if is_domain(name) { Ok((name, rest)) } else { Err(PathFault::Syntax) }
}

fn is_domain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | 0x80..)
}

/// RFC 5321 4.1.2 Domain with the lengths of 4.5.3.1.2 and RFC 1035 2.3.4; an underscore is tolerated, a name of digits only is not (it is an address
/// without its brackets).
fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && (label.len() <= 63 || !label.is_ascii())
    };
    let shape = name.len() <= 255 && name.split('.').all(label);
    let numeric = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    shape && !numeric && (name.is_ascii() || idna::domain_to_ascii(name).is_ok())
}

/// RFC 5322 3.2.3 atext, with RFC 6531 3.3 for octets above 127.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte) || byte >= 0x80
}

/// UTF-8 without control characters, line separators and direction marks (C1 controls hide behind two octets).
fn utf8(text: &[u8]) -> Result<&str, PathFault> {
    let text = std::str::from_utf8(text).map_err(|_| PathFault::NotUtf8)?;
    let hidden = |char: char| {
        char.is_control() || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.is_ascii() && text.contains(hidden) { Err(PathFault::NotUtf8) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_kept_as_they_came() {
        for inner in [
            "a@b.test",
            "a..b@docomo.test",
            ".a@docomo.test",
            "a.@docomo.test",
            "a@b_c.test",
            "a@localhost",
            "postmaster",
            "PostMaster",
            "postmaster@b.test",
            "\"a b\"@b.test",
            "\"a\\\"@<>b\"@b.test",
            "\"\"@b.test",
            "a!b%c@d.test",
            "o'brien+tag=x@b.test",
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
            "a@[ipv6:::ffff:192.0.2.1]",
            "用户@例え.test",
            "a@xn--r8jz45g.test",
            "\"日 本\"@b.test",
        ] {
            let text = format!("<{inner}> NEXT");
            assert_eq!(path(text.as_bytes()), Ok((Path::Mailbox(inner), &b" NEXT"[..])), "{inner}");
            assert!(is_mailbox(inner), "{inner}");
        }
        assert_eq!(path(b"<>"), Ok((Path::Null, &b""[..])));
    }

    #[test]
    fn source_routes_are_taken_off() {
        for text in ["<@a.test:u@b.test>", "<@a.test,@c.test:u@b.test>", "<@[192.0.2.1]:u@b.test>"] {
            assert_eq!(path(text.as_bytes()), Ok((Path::Mailbox("u@b.test"), &b""[..])), "{text}");
        }
    }

    #[test]
    fn what_two_programs_could_read_differently_is_refused() {
        for text in [
            "a@b.test",
            "<a@b.test",
            "a@b.test>",
            "<a@b@c.test>",
            "<a b@c.test>",
            "<a@b.test,c@d.test>",
            "<a@b.test c@d.test>",
            "<<a@b.test>>",
            "<@>",
            "<@b.test>",
            "<a@>",
            "<a@.test>",
            "<a@b..test>",
            "<a@b.test.>",
            "<a@-b.test>",
            "<a@b-.test>",
            "<a@192.0.2.1>",
            "<a@[192.0.2.256]>",
            "<a@[192.0.2.1>",
            "<a@[IPv6:192.0.2.1]>",
            "<a@[IPv6:2001:db8::g]>",
            "<a@[x:y]>",
            "<a@b.test(comment)>",
            "<(c)a@b.test>",
            "<\"a\"b@c.test>",
            "<\"a\".b@c.test>",
            "<\"a@c.test>",
            "<\"a\\\"@c.test>",
            "<a\\@b@c.test>",
            "<a@b.test\r>",
            "<a\0@b.test>",
            "<@a.test u@b.test>",
            "<@a.test,u@b.test>",
            "<@a.test,:u@b.test>",
            "<Name <a@b.test>>",
            "< a@b.test>",
            "<a@b.test >",
            "<a:b@c.test>",
            "<postmaster@>",
            "",
        ] {
            assert_eq!(path(text.as_bytes()), Err(PathFault::Syntax), "{text}");
        }
        let long = format!("<a@{}.test>", "b".repeat(64));
        assert_eq!(path(long.as_bytes()), Err(PathFault::Syntax));
        assert_eq!(path(b"<root>"), Err(PathFault::Unqualified));
        for text in [
            &b"<a\xff@b.test>"[..],
            b"<a@\x88\xb6.test>",
            "<a\u{85}@b.test>".as_bytes(),
            "<a\u{202e}@b.test>".as_bytes(),
        ] {
            assert_eq!(path(text), Err(PathFault::NotUtf8), "{text:?}");
        }
    }
}
