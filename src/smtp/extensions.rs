//! Service extensions: what an upstream says in its EHLO reply, and what we may offer to clients in front of it.
//! It refuses to offer what the next hop cannot take, as the mail could then only be altered or returned.

use super::auth::Mechanism;
use super::reply::Reply;
use std::fmt::Write as _;

/// The extensions one side offers (RFC 5321 2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870): the largest mail in octets; 0 is "no fixed limit".
    pub size: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub enhanced_status_codes: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// Mechanisms of AUTH (RFC 4954), in upper case.
    pub auth: Vec<String>,
}

impl Extensions {
    /// Everything this program can do itself, for mails of at most `size` octets.
    #[must_use]
    pub fn ours(size: u64) -> Self {
        Self {
            pipelining: true,
            size: Some(size),
            eight_bit_mime: true,
            smtputf8: true,
            enhanced_status_codes: true,
            dsn: true,
            starttls: true,
            chunking: true,
            require_tls: true,
            auth: Mechanism::ALL.map(|mechanism| mechanism.as_str().to_owned()).to_vec(),
        }
    }

    /// Reads a positive EHLO reply: the first line is the greeting, every further one a keyword with its parameters (RFC 5321 4.1.1.1).
    #[must_use]
    pub fn from_ehlo(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let line = line.to_ascii_uppercase();
            // Some servers still write `AUTH=LOGIN`, from a draft older than RFC 4954.
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("PIPELINING") => found.pipelining = true,
                Some("SIZE") => found.size = Some(words.next().and_then(|word| word.parse().ok()).unwrap_or(0)),
                Some("8BITMIME") => found.eight_bit_mime = true,
                Some("SMTPUTF8") => found.smtputf8 = true,
                Some("ENHANCEDSTATUSCODES") => found.enhanced_status_codes = true,
                Some("DSN") => found.dsn = true,
                Some("STARTTLS") => found.starttls = true,
                Some("CHUNKING") => found.chunking = true,
                Some("REQUIRETLS") => found.require_tls = true,
                Some("AUTH") => {
                    for word in words {
                        if !found.auth.iter().any(|known| known == word) {
                            found.auth.push(word.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// What may be offered to clients when mail goes on to `upstream`: what a mail or a login needs of the next hop (8BITMIME, SMTPUTF8, DSN,
    /// SIZE, REQUIRETLS, AUTH) only as far as it has it; what concerns our own conversation (PIPELINING, STARTTLS, status codes, CHUNKING) as
    /// we have it.
    #[must_use]
    pub fn offered_given(&self, upstream: &Self) -> Self {
        let size = match (self.size, upstream.size) {
            (Some(ours), Some(theirs)) => Some(least_size(ours, theirs)),
            (ours, _) => ours,
        };
        Self {
            size,
            eight_bit_mime: self.eight_bit_mime && upstream.eight_bit_mime,
            // RFC 6531 3.1 item 8: a server with SMTPUTF8 has 8BITMIME too.
            smtputf8: self.smtputf8 && upstream.smtputf8 && upstream.eight_bit_mime,
            dsn: self.dsn && upstream.dsn,
            require_tls: self.require_tls && upstream.require_tls,
            auth: self.auth.iter().filter(|name| upstream.auth.contains(name)).cloned().collect(),
            ..self.clone()
        }
    }

    /// What two servers both can take, when a mail may go to either.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> Self {
        Self {
            pipelining: self.pipelining && other.pipelining,
            size: match (self.size, other.size) {
                (Some(one), Some(two)) => Some(least_size(one, two)),
                (one, two) => one.or(two),
            },
            eight_bit_mime: self.eight_bit_mime && other.eight_bit_mime,
            smtputf8: self.smtputf8 && other.smtputf8,
            enhanced_status_codes: self.enhanced_status_codes && other.enhanced_status_codes,
            dsn: self.dsn && other.dsn,
            starttls: self.starttls && other.starttls,
            chunking: self.chunking && other.chunking,
            require_tls: self.require_tls && other.require_tls,
            auth: self.auth.iter().filter(|name| other.auth.contains(name)).cloned().collect(),
        }
    }

    /// What can be used at this moment of a session: STARTTLS while it is possible (RFC 3207 4.2), REQUIRETLS under TLS (RFC 8689 2), and
    /// these mechanisms.
    #[must_use]
    pub fn now(&self, starttls: bool, tls: bool, auth: &[Mechanism]) -> Self {
        Self {
            starttls: self.starttls && starttls,
            require_tls: self.require_tls && tls,
            auth: auth.iter().map(|mechanism| mechanism.as_str().to_owned()).collect(),
            ..self.clone()
        }
    }

    /// The text of an EHLO reply: the host name and a keyword a line.
    #[must_use]
    pub fn ehlo_text(&self, hostname: &str) -> String {
        let mut text = hostname.to_owned();
        if self.pipelining {
            text.push_str("\nPIPELINING");
        }
        if let Some(size) = self.size {
            let _ = write!(text, "\nSIZE {size}");
        }
        for (offered, keyword) in [
            (self.starttls, "\nSTARTTLS"),
            (self.enhanced_status_codes, "\nENHANCEDSTATUSCODES"),
            (self.eight_bit_mime, "\n8BITMIME"),
            (self.smtputf8, "\nSMTPUTF8"),
            (self.dsn, "\nDSN"),
            (self.chunking, "\nCHUNKING"),
            (self.require_tls, "\nREQUIRETLS"),
        ] {
            if offered {
                text.push_str(keyword);
            }
        }
        if !self.auth.is_empty() {
            let _ = write!(text, "\nAUTH {}", self.auth.join(" "));
        }
        text
    }
}

/// The smaller of two size limits, where 0 is no limit (RFC 1870 4).
#[must_use]
pub fn least_size(one: u64, other: u64) -> u64 {
    match (one, other) {
        (0, size) | (size, 0) => size,
        _ => one.min(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ehlo(lines: &str) -> Extensions {
        Extensions::from_ehlo(&Reply::new(250, "", lines))
    }

    #[test]
    fn an_ehlo_reply_is_read_in_any_spelling() {
        let found = ehlo(
            "SIZE.example hello\npipelining\nSize 1000\n8bitmime\nAUTH=LOGIN PLAIN\nAUTH LOGIN CRAM-MD5\nDSN \nX-NEW thing",
        );
        assert_eq!(
            found,
            Extensions {
                pipelining: true,
                size: Some(1000),
                eight_bit_mime: true,
                dsn: true,
                auth: ["LOGIN", "PLAIN", "CRAM-MD5"].map(str::to_owned).to_vec(),
                ..Extensions::default()
            }
        );
        assert_eq!(ehlo("host\nSIZE").size, Some(0));
        assert_eq!(ehlo("PIPELINING"), Extensions::default());
    }

    #[test]
    fn the_offer_never_exceeds_the_upstream() {
        let ours = Extensions { require_tls: false, auth: Vec::new(), ..Extensions::ours(50) };
        for (upstream, offered) in [
            ("h", Extensions { eight_bit_mime: false, smtputf8: false, dsn: false, ..ours.clone() }),
            ("h\nSMTPUTF8\nDSN", Extensions { eight_bit_mime: false, smtputf8: false, ..ours.clone() }),
            ("h\n8BITMIME\nSMTPUTF8\nDSN\nSIZE 10", Extensions { size: Some(10), ..ours.clone() }),
            ("h\n8BITMIME\nSMTPUTF8\nDSN\nSIZE 100", ours.clone()),
            ("h\n8BITMIME\nSMTPUTF8\nDSN\nSIZE 0", ours.clone()),
        ] {
            assert_eq!(ours.offered_given(&ehlo(upstream)), offered, "{upstream}");
        }
        let offered = Extensions::ours(50).offered_given(&ehlo("h\nREQUIRETLS\nAUTH CRAM-MD5 XOAUTH2 plain"));
        assert!(offered.require_tls);
        assert_eq!(offered.auth, ["PLAIN", "XOAUTH2"]);
    }

    #[test]
    fn what_we_write_is_what_we_read() {
        let ours = Extensions::ours(123);
        assert_eq!(ehlo(&ours.ehlo_text("host")), ours);
        let clear = ours.now(true, false, &[]);
        assert_eq!(ehlo(&clear.ehlo_text("host")), Extensions { require_tls: false, auth: Vec::new(), ..ours.clone() });
        let secret = ours.now(false, true, &[Mechanism::Login]);
        assert_eq!(
            ehlo(&secret.ehlo_text("host")),
            Extensions { starttls: false, auth: vec!["LOGIN".to_owned()], ..ours }
        );
    }
}
