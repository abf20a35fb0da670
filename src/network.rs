//! Networks in CIDR form (RFC 4632), to say who may relay.
//! It refuses host bits beyond the prefix: `192.0.2.1/24` is more often a slip than a wish.

use std::net::IpAddr;
use std::str::FromStr;

/// One network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

/// Why a text is no network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("read a network: write it as 192.0.2.0/24 or 2001:db8::/32")]
    Syntax,
    #[error("read a network: the prefix length is at most {0}")]
    Prefix(u32),
    #[error("read a network: clients of IPv4 are known by their IPv4 addresses; write it as {0}")]
    Mapped(String),
    #[error("read a network: bits are set behind the prefix; did you mean {0}?")]
    HostBits(String),
}

impl Network {
    /// Is the address in the network?
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        width(ip) == width(self.base) && masked(ip, self.prefix) == self.base
    }

    /// Is everybody (of IPv4 or of IPv6) in it?
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.prefix == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let base: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| NetworkError::Syntax)?,
            None => width(base),
        };
        if prefix > width(base) {
            return Err(NetworkError::Prefix(width(base)));
        }
        let network = masked(base, prefix);
        if network != base {
            return Err(NetworkError::HostBits(format!("{network}/{prefix}")));
        }
        if let (IpAddr::V6(mapped), 96..) = (base, prefix)
            && let Some(meant) = mapped.to_ipv4_mapped()
        {
            return Err(NetworkError::Mapped(format!("{meant}/{}", prefix - 96)));
        }
        Ok(Self { base, prefix })
    }
}

fn width(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn masked(ip: IpAddr, prefix: u32) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_follows_the_prefix() -> Result<(), Box<dyn std::error::Error>> {
        for (network, ip, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            assert_eq!(network.parse::<Network>()?.contains(ip.parse()?), inside, "{network} {ip}");
        }
        Ok(())
    }

    #[test]
    fn slips_are_named() {
        assert_eq!("192.0.2.1/24".parse::<Network>(), Err(NetworkError::HostBits("192.0.2.0/24".into())));
        assert_eq!("192.0.2.0/33".parse::<Network>(), Err(NetworkError::Prefix(32)));
        assert_eq!("::ffff:192.0.2.0/120".parse::<Network>(), Err(NetworkError::Mapped("192.0.2.0/24".into())));
        assert_eq!("city.example.jp".parse::<Network>(), Err(NetworkError::Syntax));
    }
}
