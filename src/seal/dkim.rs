//! DKIM signatures (RFC 6376; Ed25519 by RFC 8463) over a mail that leaves, in the relaxed forms.
//! It refuses to sign for a domain that is not the author's, and leaves no room for a second From, To, Cc or Subject.

use super::SealError;
use super::canonical;
use crate::address::Domain;
use crate::config::dkim::SigningKey;
use crate::mail::header::{Field, Header};
use crate::mail::recipients;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Fields that are signed as often as they stand (RFC 6376 5.4.1).
const SIGNED: [&str; 19] = [
    "from",
    "to",
    "cc",
    "subject",
    "sender",
    "reply-to",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "resent-from",
    "resent-to",
    "resent-cc",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
];

/// Those that are listed once more, so that one added later breaks the signature (RFC 6376 8.15).
const CLOSED: [&str; 4] = ["from", "to", "cc", "subject"];

/// One key of one domain.
#[derive(Clone, Debug)]
pub struct Signer {
    domain: Domain,
    selector: String,
    key: SigningKey,
}

impl Signer {
    /// A key that is published at `selector._domainkey.domain`.
    #[must_use]
    pub fn new(domain: &str, selector: &str, key: SigningKey) -> Self {
        Self { domain: Domain::new(domain), selector: selector.to_owned(), key }
    }

    /// The whole field, with its line end; `seconds` is the time of signing (epoch).
    pub(super) fn sign(&self, header: &Header<'_>, body: &[u8; 32], seconds: u64) -> Result<Vec<u8>, SealError> {
        let mut names: Vec<&str> = Vec::new();
        let mut data: Vec<u8> = Vec::new();
        for name in SIGNED {
            // From the last one upwards (RFC 6376 5.4.2).
            let mut fields: Vec<&Field> = header.named(name).filter(|field| is_written_so(header, field)).collect();
            fields.reverse();
            for field in fields {
                names.push(name);
                data.extend_from_slice(&canonical::field(name, header.value(field)));
            }
            if CLOSED.contains(&name) {
                names.push(name);
            }
        }
        let mut text = format!(
            "v=1; a={}; c=relaxed/relaxed;\r\n\td={}; s={};\r\n\tt={seconds};\r\n\th=",
            self.key.algorithm(),
            self.domain,
            self.selector
        );
        let mut width = 3;
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                text.push(':');
                width += 1;
            }
            if width + name.len() > 72 {
                text.push_str("\r\n\t ");
                width = 2;
            }
            text.push_str(name);
            width += name.len();
        }
        text.push_str(&format!(";\r\n\tbh={};\r\n\tb=", STANDARD.encode(body)));
        let own = canonical::field("dkim-signature", text.as_bytes());
        data.extend_from_slice(own.strip_suffix(b"\r\n").unwrap_or(&own));
        let error = || SealError { domain: self.domain.to_string(), selector: self.selector.clone() };
        let signature = STANDARD.encode(self.key.sign(&data).ok_or_else(error)?);
        let mut out = format!("DKIM-Signature: {text}").into_bytes();
        for (index, line) in signature.as_bytes().chunks(72).enumerate() {
            if index > 0 {
                out.extend_from_slice(b"\r\n\t ");
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b"\r\n");
        Ok(out)
    }
}

/// Is the name written as verifiers compare it? One with strange characters is another field to them.
fn is_written_so(header: &Header<'_>, field: &Field) -> bool {
    let name = header.whole(field).split(|byte| *byte == b':').next().unwrap_or_default();
    name.trim_ascii_end().eq_ignore_ascii_case(field.name.as_bytes())
}

/// The keys that shall sign: those of the author's domain, or of the nearest domain above it that has any, unless that has signed already.
pub(super) fn due<'s>(signers: &'s [Signer], header: &Header<'_>) -> Vec<&'s Signer> {
    let mut from = header.named("from");
    let (Some(field), None) = (from.next(), from.next()) else { return Vec::new() };
    let authors = recipients::field_addresses(header.value(field)).proper;
    let Some(domain) = authors.first().and_then(|author| author.domain()) else { return Vec::new() };
    let mut name = domain.as_str();
    loop {
        let keys: Vec<&Signer> = signers.iter().filter(|signer| signer.domain.as_str() == name).collect();
        if !keys.is_empty() {
            return if is_signed_by(header, name) { Vec::new() } else { keys };
        }
        match name.split_once('.') {
            Some((_, above)) => name = above,
            None => return Vec::new(),
        }
    }
}

/// Does the mail carry a signature of this domain (the tag `d=`)?
fn is_signed_by(header: &Header<'_>, domain: &str) -> bool {
    header.named("dkim-signature").any(|field| {
        let value = String::from_utf8_lossy(header.value(field)).into_owned();
        value.split(';').any(|tag| {
            let mut parts = tag.splitn(2, '=').map(str::trim);
            parts.next() == Some("d") && parts.next().is_some_and(|found| Domain::new(found).as_str() == domain)
        })
    })
}
