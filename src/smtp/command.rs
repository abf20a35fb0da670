//! Command lines of a client (RFC 5321 4.1.1), split into verb and argument.
//! It refuses control characters anywhere in a line, and leaves order and permission to the receiver.

use super::reply::Reply;

/// One command; arguments are still octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Ehlo(&'a [u8]),
    Helo(&'a [u8]),
    /// What follows `MAIL FROM:`.
    Mail(&'a [u8]),
    /// What follows `RCPT TO:`.
    Rcpt(&'a [u8]),
    Data,
    /// Octets of the chunk, and is it the last one (RFC 3030 2)? `None` when the line does not say how many: what follows cannot be told apart.
    Bdat(Option<(u64, bool)>),
    /// What follows `AUTH`.
    Auth(&'a [u8]),
    /// What follows `XCLIENT`.
    XClient(&'a [u8]),
    /// What follows `XFORWARD`.
    XForward(&'a [u8]),
    Rset,
    Noop,
    Quit,
    StartTls,
    Vrfy,
    Expn,
    Help,
    /// Commands of other standards that we know and do not have.
    Absent,
    /// A request of HTTP: a browser or proxy was led here.
    Http,
}

impl<'a> Command<'a> {
    /// Reads one line without its CRLF. Blanks at the end are tolerated (RFC 5321 4.1.1).
    ///
    /// # Errors
    /// The reply that refuses the line.
    pub fn parse(line: &'a [u8]) -> Result<Self, Reply> {
        let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
        let line = &line[..end];
        if line.iter().any(u8::is_ascii_control) {
            if is_bdat(line) {
                return Ok(Self::Bdat(None));
            }
            return Err(Reply::new(500, "5.5.2", "Error: control character in command"));
        }
        let verb_end = memchr::memchr(b' ', line).unwrap_or(line.len());
        let (verb, argument) = line.split_at(verb_end);
        let argument = argument.trim_ascii_start();
        let bare = |command, syntax| if argument.is_empty() { Ok(command) } else { Err(usage(syntax)) };
        let given = |command, syntax| if argument.is_empty() { Err(usage(syntax)) } else { Ok(command) };
        match verb.to_ascii_uppercase().as_slice() {
            b"EHLO" => given(Self::Ehlo(argument), "EHLO hostname"),
            b"HELO" => given(Self::Helo(argument), "HELO hostname"),
            b"MAIL" => Ok(Self::Mail(behind(argument, b"FROM:").ok_or_else(|| usage("MAIL FROM:<address>"))?)),
            b"RCPT" => Ok(Self::Rcpt(behind(argument, b"TO:").ok_or_else(|| usage("RCPT TO:<address>"))?)),
            b"DATA" => bare(Self::Data, "DATA"),
            b"BDAT" => Ok(Self::Bdat(chunk(argument))),
            b"AUTH" => given(Self::Auth(argument), "AUTH mechanism"),
            b"XCLIENT" => given(Self::XClient(argument), "XCLIENT attribute=value..."),
            b"XFORWARD" => given(Self::XForward(argument), "XFORWARD attribute=value..."),
            b"RSET" => bare(Self::Rset, "RSET"),
            b"STARTTLS" => bare(Self::StartTls, "STARTTLS"),
            b"NOOP" => Ok(Self::Noop),
            // An argument of QUIT is an error by the letter; a client that wants to go is let go.
            b"QUIT" => Ok(Self::Quit),
            b"VRFY" => given(Self::Vrfy, "VRFY address"),
            b"EXPN" => Ok(Self::Expn),
            b"HELP" => Ok(Self::Help),
            b"ETRN" | b"TURN" | b"ATRN" | b"SEND" | b"SOML" | b"SAML" | b"BURL" => Ok(Self::Absent),
            b"GET" | b"POST" | b"PUT" | b"HEAD" | b"PATCH" | b"DELETE" | b"OPTIONS" | b"CONNECT" | b"TRACE"
            | b"PRI" => Ok(Self::Http),
            b"" => Err(Reply::new(500, "5.5.2", "Error: bad syntax")),
            _ => Err(Reply::new(500, "5.5.2", "Error: command not recognized")),
        }
    }
}

/// Does a line begin as BDAT does? Then octets follow that are no commands, whatever else is wrong with the line.
#[must_use]
pub fn is_bdat(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
        && line.get(4).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// The arguments of BDAT (RFC 3030 2): `chunk-size [SP "LAST"]`.
fn chunk(argument: &[u8]) -> Option<(u64, bool)> {
    let mut words = argument.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let size = words.next().filter(|word| word.len() <= 20 && word.iter().all(u8::is_ascii_digit))?;
    let size = std::str::from_utf8(size).ok()?.parse().ok()?;
    match (words.next(), words.next()) {
        (None, _) => Some((size, false)),
        (Some(last), None) if last.eq_ignore_ascii_case(b"LAST") => Some((size, true)),
        _ => None,
    }
}

fn usage(syntax: &str) -> Reply {
    Reply::new(501, "5.5.4", &format!("Syntax: {syntax}"))
}

/// What follows `prefix` in any case; a blank behind the colon is a common mistake (RFC 5321 3.3) that changes nothing.
fn behind<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| rest.trim_ascii_start())
}

/// The name of EHLO or HELO for the records: printable ASCII, other octets as `?`. `None` when it has characters no host name or literal can have.
#[must_use]
pub fn hello_name(argument: &[u8]) -> Option<String> {
    // Names of Windows computers come with foreign octets and odd signs; only what could break a trace field is refused.
    let refused = |byte: &u8| byte.is_ascii_whitespace() || b"<>()\"\\,;@".contains(byte);
    if argument.len() > 255 || argument.iter().any(refused) {
        return None;
    }
    Some(argument.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split() {
        for (line, command) in [
            (&b"ehlo [192.0.2.1]"[..], Command::Ehlo(b"[192.0.2.1]")),
            (b"HeLo  a.test \t ", Command::Helo(b"a.test")),
            (b"mail from:<a@b.test> SIZE=1", Command::Mail(b"<a@b.test> SIZE=1")),
            (b"MAIL From: <>", Command::Mail(b"<>")),
            (b"RCPT TO:<a@b.test>", Command::Rcpt(b"<a@b.test>")),
            (b"DATA ", Command::Data),
            (b"NOOP anything at all", Command::Noop),
            (b"VRFY x", Command::Vrfy),
            (b"HELP me", Command::Help),
            (b"BDAT 3 LAST", Command::Bdat(Some((3, true)))),
            (b"bdat 0  last ", Command::Bdat(Some((0, true)))),
            (b"BDAT 86", Command::Bdat(Some((86, false)))),
            (b"BDAT 18446744073709551615", Command::Bdat(Some((u64::MAX, false)))),
            (b"BDAT", Command::Bdat(None)),
            (b"BDAT 18446744073709551616", Command::Bdat(None)),
            (b"BDAT -1", Command::Bdat(None)),
            (b"BDAT +1", Command::Bdat(None)),
            (b"BDAT 1 FIRST", Command::Bdat(None)),
            (b"BDAT 1 LAST LAST", Command::Bdat(None)),
            (b"BDAT\t1", Command::Bdat(None)),
            (b"BDAT 1\0", Command::Bdat(None)),
            (b"AUTH PLAIN AGEAYg==", Command::Auth(b"PLAIN AGEAYg==")),
            (b"XCLIENT NAME=a", Command::XClient(b"NAME=a")),
            (b"XFORWARD NAME=a", Command::XForward(b"NAME=a")),
            (b"ETRN x", Command::Absent),
            (b"GET / HTTP/1.1", Command::Http),
        ] {
            assert_eq!(Command::parse(line), Ok(command));
        }
    }

    #[test]
    fn lines_that_are_no_commands_have_their_code() {
        for (line, code) in [
            (&b""[..], 500),
            (b"   ", 500),
            (b" NOOP", 500),
            (b"NOPE", 500),
            (b"MAILFROM:<a@b.test>", 500),
            (b"NOOP\0", 500),
            (b"NOOP\r", 500),
            (b"EHLO\ta", 500),
            (b"EHLO", 501),
            (b"HELO ", 501),
            (b"MAIL", 501),
            (b"MAIL <a@b.test>", 501),
            (b"MAIL FROM <a@b.test>", 501),
            (b"MAIL FROM :<a@b.test>", 501),
            (b"RCPT FROM:<a@b.test>", 501),
            (b"DATA now", 501),
            (b"RSET now", 501),
            (b"STARTTLS now", 501),
            (b"VRFY", 501),
            (b"AUTH", 501),
            (b"XCLIENT", 501),
            (b"BDATA 1", 500),
        ] {
            assert_eq!(
                Command::parse(line).map_err(|reply| reply.code),
                Err(code),
                "{:?}",
                line.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn hello_names_are_read_loosely() {
        for (name, kept) in [
            (&b"a.test"[..], Some("a.test")),
            (b"PC_1$", Some("PC_1$")),
            (b"[IPv6:2001:db8::1]", Some("[IPv6:2001:db8::1]")),
            (b"\x88\xb6", Some("??")),
            (b"a b", None),
            (b"<a>", None),
            (b"a(b)", None),
            (b"a;b", None),
            (&[b'a'; 256], None),
        ] {
            assert_eq!(hello_name(name).as_deref(), kept);
        }
    }
}
