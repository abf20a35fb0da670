//! Parameters of MAIL and RCPT (RFC 5321 4.1.2): read by offer and by syntax, carried verbatim, written again for the upstream.
//! It refuses keywords that were not offered, repeated ones, and values that could be read as something else.

use super::extensions::{Extensions, least_size};
use super::reply::Reply;
use crate::mail::envelope::{MailParameters, Recipient};

/// Reads what follows the path of MAIL. `limit` is the largest mail in octets (0: none).
///
/// # Errors
/// The reply that refuses the command.
pub fn mail_parameters(text: &[u8], offered: &Extensions, limit: u64) -> Result<MailParameters, Reply> {
    let mut found = MailParameters::default();
    let (mut body, mut submitter) = (false, false);
    for (keyword, value) in pairs(text)? {
        match (keyword.as_str(), value) {
            ("SIZE", value) if offered.size.is_some() => {
                let value = once(found.size.is_none(), value)?;
                found.size = Some(size(value, least_size(limit, offered.size.unwrap_or(0)))?);
            }
            ("BODY", value) if offered.eight_bit_mime => {
                let value = once(!body, value)?;
                body = true;
                found.eight_bit = match value.to_ascii_uppercase().as_str() {
                    "7BIT" => false,
                    "8BITMIME" => true,
                    _ => return Err(Reply::new(501, "5.5.4", "Error: unsupported BODY type")),
                };
            }
            ("SMTPUTF8", value) if offered.smtputf8 => {
                if value.is_some() || found.smtputf8 {
                    return Err(syntax());
                }
                found.smtputf8 = true;
            }
            ("REQUIRETLS", value) if offered.require_tls => {
                if value.is_some() || found.require_tls {
                    return Err(syntax());
                }
                found.require_tls = true;
            }
            // RFC 4954 5: who wrote it is not known to us, so it is checked and not passed on, as if it were `<>`.
            ("AUTH", value) if !offered.auth.is_empty() => {
                let value = once(!submitter, value)?;
                submitter = true;
                if value != "<>" && !is_xtext(value) {
                    return Err(syntax());
                }
            }
            ("RET", value) if offered.dsn => {
                let value = once(found.ret.is_none(), value)?;
                if !value.eq_ignore_ascii_case("FULL") && !value.eq_ignore_ascii_case("HDRS") {
                    return Err(syntax());
                }
                found.ret = Some(value.to_owned());
            }
            ("ENVID", value) if offered.dsn => {
                let value = once(found.envid.is_none(), value)?;
                // RFC 3461 4.4: at most 100 characters.
                if value.len() > 100 || !is_xtext(value) {
                    return Err(syntax());
                }
                found.envid = Some(value.to_owned());
            }
            _ => return Err(unsupported()),
        }
    }
    Ok(found)
}

/// Reads what follows the path of RCPT into the recipient.
///
/// # Errors
/// The reply that refuses the command.
pub fn recipient_parameters(text: &[u8], offered: &Extensions, recipient: &mut Recipient) -> Result<(), Reply> {
    for (keyword, value) in pairs(text)? {
        match (keyword.as_str(), value) {
            ("NOTIFY", value) if offered.dsn => {
                let value = once(recipient.notify.is_none(), value)?;
                if !is_notify(value) {
                    return Err(syntax());
                }
                recipient.notify = Some(value.to_owned());
            }
            ("ORCPT", value) if offered.dsn => {
                let value = once(recipient.orcpt.is_none(), value)?;
                // RFC 3461 4.2: at most 500 characters.
                if value.len() > 500 || !is_original_recipient(value) {
                    return Err(syntax());
                }
                recipient.orcpt = Some(value.to_owned());
            }
            _ => return Err(unsupported()),
        }
    }
    Ok(())
}

/// May these parameters of RCPT be written as they are? Those that came through [`recipient_parameters`] always may.
#[must_use]
pub fn may_write(recipient: &Recipient) -> bool {
    recipient.notify.as_deref().is_none_or(is_notify) && recipient.orcpt.as_deref().is_none_or(is_original_recipient)
}

/// May these parameters of MAIL be written as they are?
#[must_use]
pub fn may_write_mail(parameters: &MailParameters) -> bool {
    let ret = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphabetic());
    parameters.ret.as_deref().is_none_or(ret) && parameters.envid.as_deref().is_none_or(is_xtext)
}

fn syntax() -> Reply {
    Reply::new(501, "5.5.4", "Error: bad parameter")
}

fn unsupported() -> Reply {
    Reply::new(555, "5.5.4", "Error: parameter not supported")
}

/// The value of a parameter that must have one and may come once.
fn once(first: bool, value: Option<&str>) -> Result<&str, Reply> {
    value.filter(|_| first).ok_or_else(syntax)
}

/// Splits `SP keyword[=value]…` (RFC 5321 4.1.2 esmtp-param); keywords in upper case.
fn pairs(text: &[u8]) -> Result<Vec<(String, Option<&str>)>, Reply> {
    if !text.is_empty() && !text.starts_with(b" ") {
        return Err(syntax());
    }
    let text = std::str::from_utf8(text).map_err(|_| syntax())?;
    let mut pairs = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = word.split_once('=').map_or((word, None), |(keyword, value)| (keyword, Some(value)));
        let named = keyword.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if keyword.is_empty() || !named || keyword.starts_with('-') || value.is_some_and(|value| !is_value(value)) {
            return Err(syntax());
        }
        pairs.push((keyword.to_ascii_uppercase(), value));
    }
    Ok(pairs)
}

/// RFC 5321 4.1.2 esmtp-value, with RFC 6531 3.3 for characters above 127.
fn is_value(value: &str) -> bool {
    !value.is_empty() && !value.contains(|char: char| char == '=' || char == ' ' || char.is_control())
}

/// RFC 1870 3: at most 20 digits.
fn size(value: &str, limit: u64) -> Result<u64, Reply> {
    if value.len() > 20 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reply::new(501, "5.5.4", "Error: bad message size syntax"));
    }
    match value.parse() {
        Ok(size) if limit == 0 || size <= limit => Ok(size),
        _ => Err(Reply::new(552, "5.3.4", "Error: message size exceeds fixed limit")),
    }
}

/// RFC 3461 4.1: NEVER alone, or a list of the others.
fn is_notify(value: &str) -> bool {
    let known = |word: &str| ["SUCCESS", "FAILURE", "DELAY"].iter().any(|known| word.eq_ignore_ascii_case(known));
    value.eq_ignore_ascii_case("NEVER") || value.split(',').all(known)
}

/// RFC 3461 4.2: `addr-type;xtext`, and RFC 6533 3 for the type utf-8.
fn is_original_recipient(value: &str) -> bool {
    let Some((kind, address)) = value.split_once(';') else { return false };
    let named = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let utf8 = kind.eq_ignore_ascii_case("utf-8");
    named(kind) && !address.is_empty() && if utf8 { is_value(address) } else { is_xtext(address) }
}

/// The octets that an xtext stands for (RFC 3461 4).
#[must_use]
pub fn xtext(value: &str) -> Option<Vec<u8>> {
    if !is_xtext(value) {
        return None;
    }
    let mut parts = value.split('+');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        out.push(u8::from_str_radix(code, 16).ok()?);
        out.extend_from_slice(rest.as_bytes());
    }
    Some(out)
}

/// RFC 3461 4: printable ASCII without `+` and `=`, or `+` and two upper-case hexadecimal digits.
fn is_xtext(value: &str) -> bool {
    let bytes = value.as_bytes();
    let hex = |byte: Option<&u8>| matches!(byte, Some(b'0'..=b'9' | b'A'..=b'F'));
    !bytes.is_empty()
        && bytes.iter().enumerate().all(|(at, byte)| match byte {
            b'+' => hex(bytes.get(at + 1)) && hex(bytes.get(at + 2)),
            b'=' => false,
            byte => byte.is_ascii_graphic(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::auth::Mechanism;

    fn mail(text: &str) -> Result<MailParameters, u16> {
        let offered = Extensions::ours(1000).now(true, false, &[]);
        mail_parameters(text.as_bytes(), &offered, 1000).map_err(|reply| reply.code)
    }

    #[test]
    fn mail_parameters_are_carried_verbatim() {
        assert_eq!(
            mail(" SIZE=1000  body=8bitMIME SmtpUtf8 RET=hdrs ENVID=QQ+2B1 "),
            Ok(MailParameters {
                eight_bit: true,
                smtputf8: true,
                require_tls: false,
                size: Some(1000),
                ret: Some("hdrs".into()),
                envid: Some("QQ+2B1".into())
            })
        );
        assert_eq!(mail(" BODY=7BIT"), Ok(MailParameters::default()));
    }

    #[test]
    fn bad_mail_parameters_have_their_code() {
        for (text, code) in [
            (" SIZE", 501),
            (" SIZE=", 501),
            (" SIZE=-1", 501),
            (" SIZE=1x", 501),
            (" SIZE=123456789012345678901", 501),
            (" SIZE=99999999999999999999", 552),
            (" SIZE=1001", 552),
            (" SIZE=1 SIZE=1", 501),
            (" BODY=BINARYMIME", 501),
            (" BODY=7BIT BODY=7BIT", 501),
            (" SMTPUTF8=1", 501),
            (" SMTPUTF8 SMTPUTF8", 501),
            (" RET=SOME", 501),
            (" ENVID=a+2", 501),
            (" ENVID=a+2b", 501),
            (" ENVID=a=b", 501),
            (" FOO", 555),
            (" FOO=BAR", 555),
            (" AUTH=<>", 555),
            (" REQUIRETLS", 555),
            (" =x", 501),
            (" -A=x", 501),
            ("SIZE=1", 501),
            (" NOTIFY=NEVER", 555),
        ] {
            assert_eq!(mail(text), Err(code), "{text}");
        }
    }

    #[test]
    fn after_a_login_under_tls_more_is_taken() {
        let offered = Extensions::ours(1000).now(false, true, &[Mechanism::Plain]);
        for (text, expected) in [
            (" REQUIRETLS", Ok(true)),
            (" AUTH=<> REQUIRETLS", Ok(true)),
            (" AUTH=taro+40example.jp", Ok(false)),
            (" REQUIRETLS=1", Err(501)),
            (" REQUIRETLS REQUIRETLS", Err(501)),
            (" AUTH", Err(501)),
            (" AUTH=", Err(501)),
            (" AUTH=a+4", Err(501)),
            (" AUTH=<> AUTH=<>", Err(501)),
        ] {
            let found = mail_parameters(text.as_bytes(), &offered, 1000);
            assert_eq!(found.map(|found| found.require_tls).map_err(|reply| reply.code), expected, "{text}");
        }
    }

    #[test]
    fn xtext_is_decoded() {
        for (text, octets) in [
            ("a+40b", Some(&b"a@b"[..])),
            ("+E5+A4+AA", Some("太".as_bytes())),
            ("a+4", None),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(xtext(text).as_deref(), octets, "{text}");
        }
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        let none = Extensions::default();
        for text in [" SIZE=1", " BODY=8BITMIME", " BODY=7BIT", " SMTPUTF8", " RET=FULL", " ENVID=x"] {
            assert_eq!(mail_parameters(text.as_bytes(), &none, 0).map_err(|reply| reply.code), Err(555), "{text}");
        }
        let mut recipient = Recipient::new("a@b.test");
        let refused = recipient_parameters(b" NOTIFY=NEVER", &none, &mut recipient);
        assert_eq!(refused.map_err(|reply| reply.code), Err(555));
    }

    #[test]
    fn recipient_parameters_are_checked_and_carried_verbatim() {
        let ours = Extensions::ours(0);
        for (text, expected) in [
            (" NOTIFY=never", Ok((Some("never"), None))),
            (" NOTIFY=SUCCESS,delay ORCPT=rfc822;a+40b", Ok((Some("SUCCESS,delay"), Some("rfc822;a+40b")))),
            (" ORCPT=utf-8;日本@x.test", Ok((None, Some("utf-8;日本@x.test")))),
            (" NOTIFY=NEVER,SUCCESS", Err(501)),
            (" NOTIFY=", Err(501)),
            (" NOTIFY=ALWAYS", Err(501)),
            (" ORCPT=rfc822", Err(501)),
            (" ORCPT=rfc822;", Err(501)),
            (" ORCPT=;a", Err(501)),
            (" ORCPT=rfc822;日本", Err(501)),
            (" ORCPT=rfc822;a ORCPT=rfc822;a", Err(501)),
            (" SIZE=1", Err(555)),
        ] {
            let mut recipient = Recipient::new("a@b.test");
            let result = recipient_parameters(text.as_bytes(), &ours, &mut recipient).map_err(|reply| reply.code);
            let found = result.map(|()| (recipient.notify.as_deref(), recipient.orcpt.as_deref()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
