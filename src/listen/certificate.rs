//! What a certificate says about itself (RFC 5280 4.1): names, issuer, validity; and whether a chain is in order.
//! It refuses to trust: signatures and revocation are checked by those who connect.

use super::tls::{TlsError, chain_of};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

/// One certificate in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// `CN=guard.example.jp, O=City`.
    pub subject: String,
    pub issuer: String,
    /// DNS names and addresses of subjectAltName (RFC 5280 4.2.1.6), which is what clients compare.
    pub names: Vec<String>,
    /// Epoch milliseconds.
    pub from_ms: u64,
    /// Epoch milliseconds.
    pub until_ms: u64,
    /// May it sign others?
    pub authority: bool,
    /// Subject and issuer as they are encoded, for comparison.
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
}

impl Described {
    /// Was it issued by the one of this description, as far as names tell?
    #[must_use]
    pub fn is_issued_by(&self, other: &Self) -> bool {
        self.issuer_der == other.subject_der
    }
}

/// The certificates of a PEM file in their order; `None` for one that does not read.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn chain(file: &Path) -> Result<Vec<Option<Described>>, TlsError> {
    Ok(chain_of(file)?.iter().map(|der| describe(der)).collect())
}

/// One DER element (ITU-T X.690 8.1): tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// The elements inside a content.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, content, rest) = element(bytes)?;
        bytes = rest;
        Some((tag, content))
    })
}

/// What a certificate in DER says; `None` when it is none.
#[must_use]
pub fn describe(der: &[u8]) -> Option<Described> {
    let (_, certificate, _) = element(der)?;
    let (_, signed, _) = element(certificate)?;
    // The version is there in every certificate with extensions; the others are of version 1 (1988).
    let mut fields = elements(signed).skip_while(|(tag, _)| *tag == 0xA0);
    let (_serial, _algorithm) = (fields.next()?, fields.next()?);
    let (_, issuer) = fields.next()?;
    let (_, validity) = fields.next()?;
    let (_, subject) = fields.next()?;
    let mut times = elements(validity).map(|(tag, text)| moment(tag, text));
    let mut out = Described {
        subject: name(subject),
        issuer: name(issuer),
        from_ms: times.next()??,
        until_ms: times.next()??,
        subject_der: subject.to_vec(),
        issuer_der: issuer.to_vec(),
        ..Described::default()
    };
    let extensions = fields.find(|(tag, _)| *tag == 0xA3).and_then(|(_, content)| element(content));
    for (_, extension) in extensions.into_iter().flat_map(|(_, list, _)| elements(list)) {
        let mut parts = elements(extension);
        let Some((_, kind)) = parts.next() else { continue };
        let Some((_, value)) = parts.find(|(tag, _)| *tag == 0x04) else { continue };
        let Some((_, value, _)) = element(value) else { continue };
        match kind {
            // subjectAltName, basicConstraints.
            [0x55, 0x1D, 0x11] => out.names.extend(elements(value).filter_map(|(tag, text)| alternative(tag, text))),
            [0x55, 0x1D, 0x13] => {
                out.authority = elements(value).any(|(tag, content)| tag == 0x01 && content != [0]);
            }
            _ => {}
        }
    }
    Some(out)
}

/// A dNSName or an iPAddress.
fn alternative(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        0x82 => Some(printable(content)),
        0x87 => {
            let four = <[u8; 4]>::try_from(content).map(IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(content).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// A distinguished name, of which the attributes that people know.
fn name(content: &[u8]) -> String {
    let mut out = String::new();
    for (_, set) in elements(content) {
        for (_, pair) in elements(set) {
            let mut parts = elements(pair);
            let (Some((_, kind)), Some((_, value))) = (parts.next(), parts.next()) else { continue };
            let word = match kind {
                [0x55, 0x04, 0x03] => "CN",
                [0x55, 0x04, 0x06] => "C",
                [0x55, 0x04, 0x07] => "L",
                [0x55, 0x04, 0x08] => "ST",
                [0x55, 0x04, 0x0A] => "O",
                [0x55, 0x04, 0x0B] => "OU",
                _ => continue,
            };
            let comma = if out.is_empty() { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(out, "{comma}{word}={}", printable(value));
        }
    }
    out
}

/// Text of a certificate, which anybody may have written, for one line.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|char| if char.is_control() { '\u{FFFD}' } else { char }).collect()
}

/// UTCTime or GeneralizedTime as epoch milliseconds (RFC 5280 4.1.2.5); a time before 1970 counts as 0.
fn moment(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let (year, at) = match tag {
        0x17 => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        0x18 => (number(0, 4)?, 4),
        _ => return None,
    };
    let part = |place: usize| number(at + 2 * place, at + 2 * place + 2).and_then(|value| i8::try_from(value).ok());
    let (month, day, hour, minute, second) = (part(0)?, part(1)?, part(2)?, part(3)?, part(4)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..24).contains(&hour) {
        return None;
    }
    let civil = DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(u64::try_from(zoned.timestamp().as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

    #[test]
    fn a_certificate_is_described_as_it_was_made() {
        let mut params = CertificateParams::new(vec!["guard.example.jp".to_owned(), "192.0.2.7".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "関所 one\nline");
        params.distinguished_name.push(DnType::OrganizationName, "City");
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 2), date_time_ymd(2051, 3, 4));
        let mut above = CertificateParams::new(Vec::new()).unwrap();
        above.distinguished_name.push(DnType::CommonName, "authority");
        above.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let above_key = KeyPair::generate().unwrap();
        let authority = describe(above.self_signed(&above_key).unwrap().der()).unwrap();
        let issuer = Issuer::new(above, above_key);
        let made = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        let found = describe(made.der()).unwrap();
        assert_eq!(found.subject, "CN=関所 one\u{FFFD}line, O=City");
        assert_eq!(found.issuer, "CN=authority");
        assert_eq!(found.names, ["guard.example.jp", "192.0.2.7"]);
        assert_eq!((found.from_ms, found.until_ms), (1_767_312_000_000, 2_561_500_800_000));
        assert!(!found.authority && authority.authority);
        assert!(found.is_issued_by(&authority) && !authority.is_issued_by(&found));
        for cut in 0..made.der().len() {
            let _ = describe(&made.der()[..cut]);
        }
    }
}
