//! Addresses and domains: the only owner of "same address", "same domain", "inside this list".
//! It refuses to decide what a class of address means for a mail; that is the rules' work.

use idna::AsciiDenyList;
use serde::{Deserialize, Serialize};
use std::fmt;

mod lookalike;

pub use lookalike::{KnownDomains, lookalike};

/// A domain name in its comparison form: lower case, A-labels (RFC 5890 2.3.2.1), no final dot; an address literal stays as written in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

impl Domain {
    /// Folds any spelling of a domain to its comparison form; a name IDNA refuses is only lower-cased, so that it still can be compared.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-')
            && !text.contains("xn--")
        {
            return Self(text.to_owned());
        }
        match idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::EMPTY) {
            Ok(ascii) => Self(ascii.to_ascii_lowercase()),
            Err(_) => Self(text.to_lowercase()),
        }
    }

    /// The comparison form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One mailbox: the text as received, and the form by which two spellings are the same mailbox.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Address {
    raw: String,
    key: String,
    domain: Option<Domain>,
}

impl Address {
    /// Takes any text as an address. Everything behind the last `@` is the domain; a text without one (`postmaster`) has none.
    /// The comparison form lower-cases the local part too: no mail provider tells two persons apart by case.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        let (local, domain) = match raw.rsplit_once('@') {
            Some((local, domain)) => (local, Some(Domain::new(domain))),
            None => (raw, None),
        };
        let mut key = unquoted(local).to_lowercase();
        if let Some(domain) = &domain {
            key.push('@');
            key.push_str(domain.as_str());
        }
        Self { raw: raw.to_owned(), key, domain }
    }

    /// The text as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The form by which two spellings are the same mailbox.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The domain, if there is one.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        self.domain.as_ref()
    }
}

/// A quoted local part without its quotes and backslashes (RFC 5321 4.1.2 Quoted-string); others as they are.
fn unquoted(local: &str) -> String {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        out.push(if char == '\\' { chars.next().unwrap_or('\\') } else { char });
    }
    out
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Address {}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.raw)
    }
}

impl From<String> for Address {
    fn from(raw: String) -> Self {
        Self::new(&raw)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.raw
    }
}

/// A list of domains and addresses. `city.example.jp` is that domain alone, `*.city.example.jp` every domain below it, `a@b.jp` one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainSet {
    exact: std::collections::BTreeSet<String>,
    below: std::collections::BTreeSet<String>,
    mailboxes: std::collections::BTreeSet<String>,
}

impl DomainSet {
    /// Builds the set from its patterns.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Self {
        let mut set = Self::default();
        for pattern in patterns {
            let pattern = pattern.as_ref().trim();
            if pattern.contains('@') && !pattern.starts_with('@') {
                set.mailboxes.insert(Address::new(pattern).key().to_owned());
            } else if let Some(parent) = pattern.strip_prefix("*.") {
                set.below.insert(Domain::new(parent).as_str().to_owned());
            } else {
                set.exact.insert(Domain::new(pattern.trim_start_matches('@')).as_str().to_owned());
            }
        }
        set
    }

    /// Is this mailbox, or its domain, in the set?
    #[must_use]
    pub fn contains(&self, address: &Address) -> bool {
        self.mailboxes.contains(address.key()) || address.domain().is_some_and(|domain| self.contains_domain(domain))
    }

    /// Is this domain in the set (mailbox patterns do not count)?
    #[must_use]
    pub fn contains_domain(&self, domain: &Domain) -> bool {
        let name = domain.as_str();
        if self.exact.contains(name) {
            return true;
        }
        if self.below.is_empty() {
            return false;
        }
        name.match_indices('.').any(|(dot, _)| self.below.contains(&name[dot + 1..]))
    }

    /// Does the set hold nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty() && self.mailboxes.is_empty()
    }

    /// The plain domains of the set, for look-alike comparison.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mailbox_are_equal() {
        for (one, other) in [
            ("A.B@Example.JP", "a.b@example.jp"),
            ("a@日本.example", "a@xn--wgv71a.example"),
            ("\"a b\"@x.test", "\"A\\ b\"@X.test."),
        ] {
            assert_eq!(Address::new(one), Address::new(other));
        }
    }

    #[test]
    fn lists_match_on_label_boundaries() {
        let set = DomainSet::new(["city.example.jp", "*.pref.example.jp", "one@partner.test"]);
        for (address, inside) in [
            ("a@city.example.jp", true),
            ("a@CITY.example.jp", true),
            ("a@sub.city.example.jp", false),
            ("a@notcity.example.jp", false),
            ("a@x.pref.example.jp", true),
            ("a@y.x.pref.example.jp", true),
            ("a@pref.example.jp", false),
            ("One@partner.test", true),
            ("two@partner.test", false),
            ("postmaster", false),
        ] {
            assert_eq!(set.contains(&Address::new(address)), inside, "{address}");
        }
    }
}
