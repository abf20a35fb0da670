//! The third part of a report: the mail it is about, or its header section, in the media type that its octets allow.
//! It refuses to make a report that could fail for the same reason as the mail: content that was refused does not come back whole.

use super::field::base64_lines;
use super::report::{Report, Reported};

/// A mail that is larger than this comes back as its header only, whatever RET says.
const RETURNED_BYTES: usize = 1024 * 1024;
/// RFC 5322 2.1.1.
const LINE: usize = 998;

/// The mail itself or its header (RFC 3461 4.3: RET counts for failures; without it, the header). Says whether eight-bit octets are in it.
///
/// A mail with SMTPUTF8 comes back as `message/global` or `message/global-headers` (RFC 6533 4), which may be encoded (RFC 6532 3.7); so its
/// report travels over servers that refused the mail.
pub(super) fn original(out: &mut Vec<u8>, about: &Report<'_>, wanted: &[&Reported]) -> bool {
    let whole = about.mail.concat();
    let failed = wanted.iter().any(|reported| reported.disposition.action() == "failed");
    let full = about.parameters.ret.as_deref().is_some_and(|ret| ret.eq_ignore_ascii_case("FULL"));
    let disliked = wanted.iter().any(|reported| is_about_content(&reported.disposition.status()));
    if failed && full && !disliked && whole.len() <= RETURNED_BYTES {
        if about.parameters.smtputf8 {
            encoded(out, "message/global", &whole);
            return false;
        }
        if is_canonical(&whole) {
            let eight_bit = !whole.is_ascii();
            let encoding = if eight_bit { "8bit" } else { "7bit" };
            out.extend_from_slice(
                format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes(),
            );
            out.extend_from_slice(&whole);
            return eight_bit;
        }
    }
    let header = header_section(&whole);
    if about.parameters.smtputf8 && !header.is_ascii() {
        encoded(out, "message/global-headers", header);
    } else if header.is_ascii() && is_canonical(header) {
        out.extend_from_slice(b"Content-Type: text/rfc822-headers\r\n\r\n");
        out.extend_from_slice(header);
    } else {
        let utf8 = std::str::from_utf8(header).is_ok();
        encoded(out, if utf8 { "text/rfc822-headers; charset=utf-8" } else { "text/rfc822-headers" }, header);
    }
    false
}

/// Was the mail refused for what it contains: its size (x.2.3, x.3.4), its form (x.6.x) or by policy (x.7.x)? A report with the same content
/// would meet the same end.
fn is_about_content(status: &str) -> bool {
    let detail = status.split_once('.').map_or("", |(_, detail)| detail);
    matches!(detail, "2.3" | "3.4") || detail.starts_with("6.") || detail.starts_with("7.")
}

fn encoded(out: &mut Vec<u8>, kind: &str, content: &[u8]) {
    out.extend_from_slice(format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n").as_bytes());
    out.extend_from_slice(base64_lines(content).as_bytes());
}

/// Everything before the first empty line.
fn header_section(mail: &[u8]) -> &[u8] {
    if mail.starts_with(b"\r\n") {
        return &[];
    }
    memchr::memmem::find(mail, b"\r\n\r\n").map_or(mail, |end| &mail[..end + 2])
}

/// Only CRLF line ends, no NUL, no line above the limit: what may stand in a mail unencoded.
fn is_canonical(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (line, behind) = match memchr::memmem::find(rest, b"\r\n") {
            Some(end) => (&rest[..end], &rest[end + 2..]),
            None => (rest, &rest[..0]),
        };
        if line.len() > LINE || line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return false;
        }
        rest = behind;
    }
    true
}
