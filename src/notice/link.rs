//! Links of notices: a signed, expiring token that names one mail, one person and one purpose.
//! It refuses a token that was altered, is over, or was made for another mail, and never shows one in a log.

use crate::address::Address;
use crate::id::MailId;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// The first field of every token; another layout gets another word.
const VERSION: &str = "v1";
/// Octets of an HMAC-SHA256 (RFC 2104, FIPS 180-4).
const MAC_LENGTH: usize = 32;
/// Characters of a token at most: an address has at most 254 octets (RFC 5321 4.5.3.1.3), the rest is short.
const TOKEN_LENGTH: usize = 2_048;

/// What a link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The sender decides about his own mail.
    Sender,
    /// An approver decides about somebody else's mail.
    Approver,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Approver => "approver",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Sender, Self::Approver].into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The held mail.
    pub mail: MailId,
    /// Whom the link was sent to.
    pub person: Address,
    /// What it is good for.
    pub purpose: Purpose,
    /// Epoch milliseconds from which on it is no longer good: the expiry of the hold.
    pub expires_ms: u64,
}

impl Claim {
    /// Is the link good for this purpose?
    ///
    /// # Errors
    /// [`LinkError::WrongPurpose`] when it was made for another one.
    pub fn require(&self, purpose: Purpose) -> Result<(), LinkError> {
        if self.purpose == purpose { Ok(()) } else { Err(LinkError::WrongPurpose) }
    }
}

/// Why a link is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("read the link: it is cut off or has characters that no link has")]
    Malformed,
    #[error("verify the link: its signature is not ours")]
    BadSignature,
    #[error("use the link: its time is over")]
    Expired,
    #[error("use the link: it was made for somebody with another task, or for another mail")]
    WrongPurpose,
}

/// A token as text; whoever has it can act, so `Debug` does not show it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The text, for a link in a mail or a hidden field of a form only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

/// The key that signs and verifies; `Debug` does not show it.
#[derive(Clone)]
pub struct LinkKey(hmac::Key);

impl fmt::Debug for LinkKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("LinkKey(…)")
    }
}

impl LinkKey {
    /// Takes 32 random octets that stay the same over restarts, or all links sent before become invalid.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Signs a claim: `base64url(v1|mail|purpose|expiry|person)`, then a dot, then the base64url of its HMAC-SHA256.
    #[must_use]
    pub fn sign(&self, claim: &Claim) -> Token {
        // The person stands last, since only an address may hold the separator itself.
        let text = format!("{VERSION}|{}|{}|{}|{}", claim.mail, claim.purpose.as_str(), claim.expires_ms, claim.person);
        let mac = hmac::sign(&self.0, text.as_bytes());
        Token(format!("{}.{}", URL_SAFE_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(mac.as_ref())))
    }

    /// Verifies a token against the mail of its page; the signature first and in constant time, then what it says.
    ///
    /// # Errors
    /// A [`LinkError`]; the text of a token that is not ours is never interpreted.
    pub fn verify(&self, token: &str, mail: &MailId, now_ms: u64) -> Result<Claim, LinkError> {
        if token.len() > TOKEN_LENGTH {
            return Err(LinkError::Malformed);
        }
        let (text, mac) = token.split_once('.').ok_or(LinkError::Malformed)?;
        let text = URL_SAFE_NO_PAD.decode(text).map_err(|_| LinkError::Malformed)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| LinkError::Malformed)?;
        if mac.len() != MAC_LENGTH {
            return Err(LinkError::Malformed);
        }
        hmac::verify(&self.0, &text, &mac).map_err(|_| LinkError::BadSignature)?;
        let claim = String::from_utf8(text).ok().and_then(|text| read(&text)).ok_or(LinkError::Malformed)?;
        if claim.mail != *mail {
            return Err(LinkError::WrongPurpose);
        }
        if now_ms >= claim.expires_ms {
            return Err(LinkError::Expired);
        }
        Ok(claim)
    }

    /// The address of the page for this claim under a base such as `https://guard.example.jp`.
    #[must_use]
    pub fn url(&self, base: &str, claim: &Claim) -> String {
        format!("{}/held/{}?t={}", base.trim_end_matches('/'), claim.mail, self.sign(claim).reveal())
    }
}

/// Reads the signed text.
fn read(text: &str) -> Option<Claim> {
    let mut fields = text.splitn(5, '|');
    if fields.next()? != VERSION {
        return None;
    }
    Some(Claim {
        mail: MailId::parse(fields.next()?).ok()?,
        purpose: Purpose::parse(fields.next()?)?,
        expires_ms: fields.next()?.parse().ok()?,
        person: Address::new(fields.next()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> LinkKey {
        LinkKey::new(&[7; 32])
    }

    fn claim() -> Claim {
        Claim {
            mail: MailId::new(1_000, [1; 10]),
            person: Address::new("taro|o'hara@city.example.jp"),
            purpose: Purpose::Sender,
            expires_ms: 5_000,
        }
    }

    #[test]
    fn a_token_says_what_was_signed_until_its_last_millisecond() {
        let token = key().sign(&claim());
        assert_eq!(key().verify(token.reveal(), &claim().mail, 4_999), Ok(claim()));
        assert_eq!(key().verify(token.reveal(), &claim().mail, 5_000), Err(LinkError::Expired));
    }

    #[test]
    fn every_change_of_one_character_is_refused() {
        let token = key().sign(&claim()).reveal().to_owned();
        for place in 0..token.len() {
            for other in ['A', 'B', '.', '-', '!'] {
                let mut changed = token.clone();
                changed.replace_range(place..=place, &other.to_string());
                if changed != token {
                    let result = key().verify(&changed, &claim().mail, 0);
                    assert!(
                        matches!(result, Err(LinkError::Malformed | LinkError::BadSignature)),
                        "{place} {other} {result:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_ours_or_not_meant_is_refused() {
        let token = key().sign(&claim());
        let (text, mac) = token.reveal().split_once('.').unwrap();
        let approver = URL_SAFE_NO_PAD.encode(format!("v1|{}|approver|5000|x@y.test", claim().mail));
        let long = "A".repeat(3_000);
        for (what, token, expected) in [
            ("empty", "", LinkError::Malformed),
            ("no mac", text, LinkError::Malformed),
            ("cut", &token.reveal()[..token.reveal().len() - 2], LinkError::Malformed),
            ("long", &long, LinkError::Malformed),
            ("other claim under an old mac", &format!("{approver}.{mac}"), LinkError::BadSignature),
            ("other key", LinkKey::new(&[8; 32]).sign(&claim()).reveal(), LinkError::BadSignature),
        ] {
            assert_eq!(key().verify(token, &claim().mail, 0), Err(expected), "{what}");
        }
        let other = MailId::new(2_000, [1; 10]);
        assert_eq!(key().verify(token.reveal(), &other, 0), Err(LinkError::WrongPurpose));
        assert_eq!(claim().require(Purpose::Approver), Err(LinkError::WrongPurpose));
        assert_eq!(claim().require(Purpose::Sender), Ok(()));
    }

    #[test]
    fn neither_token_nor_key_shows_itself() {
        let token = key().sign(&claim());
        assert_eq!(format!("{token:?} {:?}", key()), "Token(…) LinkKey(…)");
    }

    #[test]
    fn the_link_needs_no_escaping() {
        let url = key().url("https://guard.example.jp/", &claim());
        assert!(url.starts_with("https://guard.example.jp/held/"));
        assert!(url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.?=-_".contains(&byte)), "{url}");
    }
}
