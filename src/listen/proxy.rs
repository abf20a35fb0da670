//! The PROXY protocol, versions 1 and 2 (HAProxy's specification): a load balancer says whose connection it hands on.
//! It refuses everything that is not exactly such a header, and reads no octet behind it: TLS or SMTP begins there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The beginning of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets in front of the addresses of version 2.
const HEAD: usize = 16;
/// Octets of a line of version 1, its CRLF included.
const LINE: usize = 107;
/// Octets of addresses and additions of version 2 that are read; longer ones are refused.
const REST: usize = 4_096;

/// Who is behind the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The client has this address.
    Client(IpAddr),
    /// The balancer speaks for itself, or for a client whose address it does not know.
    Unknown,
}

/// What to do after some octets of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read exactly so many octets more.
    Read(usize),
    /// The header is complete.
    Done(Source),
}

/// The octets are no PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the header of a PROXY connection")]
pub struct Malformed;

/// Looks at all octets read so far, none at first.
///
/// # Errors
/// [`Malformed`]; close the connection.
pub fn step(read: &[u8]) -> Result<Step, Malformed> {
    // Whoever speaks without a header is told apart by the first octet, and not waited for.
    match read.first() {
        None => return Ok(Step::Read(1)),
        Some(b'P' | b'\r') => {}
        Some(_) => return Err(Malformed),
    }
    if read.len() < SIGNATURE.len() {
        return Ok(Step::Read(SIGNATURE.len() - read.len()));
    }
    if read.starts_with(SIGNATURE) {
        return second(read);
    }
    match read.strip_suffix(b"\r\n") {
        _ if !read.starts_with(b"PROXY ") || read.len() > LINE => Err(Malformed),
        Some(line) => first(line).map(Step::Done).ok_or(Malformed),
        None => Ok(Step::Read(1)),
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 25`.
fn first(line: &[u8]) -> Option<Source> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Source::Unknown);
    }
    let (source, destination, ports) = (words.next()?, words.next()?, [words.next()?, words.next()?]);
    let port = |text: &str| text == "0" || (!text.starts_with(['0', '+']) && text.parse::<u16>().is_ok());
    if words.next().is_some() || !ports.into_iter().all(port) {
        return None;
    }
    match family {
        "TCP4" => {
            destination.parse::<Ipv4Addr>().ok()?;
            source.parse::<Ipv4Addr>().ok().map(|ip| Source::Client(IpAddr::V4(ip)))
        }
        "TCP6" => {
            destination.parse::<Ipv6Addr>().ok()?;
            source.parse::<Ipv6Addr>().ok().map(|ip| Source::Client(IpAddr::V6(ip).to_canonical()))
        }
        _ => None,
    }
}

/// Version 2: signature, version and command, family, length, addresses, additions (TLV) that are not looked at.
fn second(read: &[u8]) -> Result<Step, Malformed> {
    let Some((head, rest)) = read.split_first_chunk::<HEAD>() else {
        return Ok(Step::Read(HEAD - read.len()));
    };
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > REST || !matches!(head[12], 0x20 | 0x21) {
        return Err(Malformed);
    }
    if rest.len() < length {
        return Ok(Step::Read(length - rest.len()));
    }
    let source = match (head[12], head[13]) {
        // LOCAL, and families without an address of the network.
        (0x20, _) | (_, 0x00 | 0x31) => Source::Unknown,
        (_, 0x11) if length >= 12 => {
            rest.first_chunk::<4>().map(|ip| Source::Client(IpAddr::from(*ip))).ok_or(Malformed)?
        }
        (_, 0x21) if length >= 36 => {
            rest.first_chunk::<16>().map(|ip| Source::Client(IpAddr::from(*ip).to_canonical())).ok_or(Malformed)?
        }
        _ => return Err(Malformed),
    };
    Ok(Step::Done(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a header as a connection does, and says how many octets were taken.
    fn read(octets: &[u8]) -> Result<(Source, usize), Malformed> {
        let mut taken = 0;
        loop {
            match step(&octets[..taken])? {
                Step::Done(source) => return Ok((source, taken)),
                Step::Read(more) if more > 0 && taken + more <= octets.len() => taken += more,
                // The client would be waited for.
                Step::Read(_) => return Err(Malformed),
            }
        }
    }

    fn version2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, addresses].concat()
    }

    fn client(ip: &str) -> Option<Source> {
        ip.parse().ok().map(Source::Client)
    }

    #[test]
    fn the_header_is_read_and_nothing_behind_it() {
        let ipv4 = [&[192, 0, 2, 7, 192, 0, 2, 1, 0xdc, 4, 0, 25][..], &[0x04, 0, 1, 0xff]].concat();
        let mut ipv6 = [0_u8; 36];
        ipv6[..16].copy_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        for (header, source) in [
            (b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n".to_vec(), client("192.0.2.7")),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n".to_vec(), client("2001:db8::7")),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 25\r\n".to_vec(), client("192.0.2.7")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Some(Source::Unknown)),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), Some(Source::Unknown)),
            (version2(0x21, 0x11, &ipv4[..12]), client("192.0.2.7")),
            (version2(0x21, 0x11, &ipv4), client("192.0.2.7")),
            (version2(0x21, 0x21, &ipv6), client("2001:db8::7")),
            (version2(0x20, 0x00, b""), Some(Source::Unknown)),
            (version2(0x20, 0x11, &ipv4), Some(Source::Unknown)),
            (version2(0x21, 0x00, b"abc"), Some(Source::Unknown)),
            (version2(0x21, 0x31, &[0; 216]), Some(Source::Unknown)),
        ] {
            let octets = [&header[..], b"EHLO c.test\r\n"].concat();
            assert_eq!(read(&octets).ok(), source.map(|source| (source, header.len())), "{}", header.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; LINE], b"\r\n"].concat();
        for octets in [
            b"EHLO client.test\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(),
            b"proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.777 192.0.2.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n".to_vec(),
            b"PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n\r\n".to_vec(),
            long,
            version2(0x11, 0x11, &[0; 12]),
            version2(0x22, 0x11, &[0; 12]),
            version2(0x21, 0x11, &[0; 11]),
            version2(0x21, 0x21, &[0; 35]),
            version2(0x21, 0x12, &[0; 12]),
            version2(0x21, 0x11, &[0; REST + 1]),
            SIGNATURE.to_vec(),
        ] {
            assert_eq!(read(&octets), Err(Malformed), "{}", octets.escape_ascii());
        }
        assert_eq!((step(b""), step(b"E")), (Ok(Step::Read(1)), Err(Malformed)));
    }
}
