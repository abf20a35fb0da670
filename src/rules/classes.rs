//! Classes of addresses: inside, partner, free mail, mobile carrier, internet provider, throw-away, look-alike.
//! It refuses to know any domain by itself: every class comes from a list of the rule set.

use crate::address::{Address, Domain, DomainSet, KnownDomains, lookalike};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A class of addresses. One address may be of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// In the list `internal`.
    Internal,
    /// Not in the list `internal`.
    External,
    /// In the list `partners`.
    Partner,
    /// In the list `webmail`.
    Webmail,
    /// In the list `carrier`.
    Carrier,
    /// In the list `isp`.
    Isp,
    /// In the list `disposable`.
    Disposable,
    /// Nearly the name of a known domain.
    Lookalike,
    /// Webmail, carrier or isp: a person's own mailbox.
    Personal,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 9] = [
        Self::Internal,
        Self::External,
        Self::Partner,
        Self::Webmail,
        Self::Carrier,
        Self::Isp,
        Self::Disposable,
        Self::Lookalike,
        Self::Personal,
    ];

    /// The word used in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
            Self::Partner => "partner",
            Self::Webmail => "webmail",
            Self::Carrier => "carrier",
            Self::Isp => "isp",
            Self::Disposable => "disposable",
            Self::Lookalike => "lookalike",
            Self::Personal => "personal",
        }
    }

    /// The class of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet(u16);

impl ClassSet {
    /// Adds a class.
    pub fn insert(&mut self, class: Class) {
        self.0 |= 1 << class as u16;
    }

    /// Is the class in the set?
    #[must_use]
    pub fn contains(self, class: Class) -> bool {
        self.0 & (1 << class as u16) != 0
    }

    /// Have the two sets a class in common?
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Is every class of the other set in this one too?
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The classes in their fixed order.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

impl FromIterator<Class> for ClassSet {
    fn from_iter<I: IntoIterator<Item = Class>>(classes: I) -> Self {
        let mut set = Self::default();
        for class in classes {
            set.insert(class);
        }
        set
    }
}

/// The lists from which the classes come.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    internal: DomainSet,
    partners: DomainSet,
    webmail: DomainSet,
    carrier: DomainSet,
    isp: DomainSet,
    disposable: DomainSet,
    known: KnownDomains,
    seen: Seen,
}

/// Answers given lately: one evaluation asks for the same few addresses a hundred times, and look-alikes are costly to compare.
#[derive(Debug, Default)]
struct Seen(Mutex<HashMap<String, ClassSet>>);

impl Seen {
    /// Addresses remembered at most; then all are forgotten.
    const MOST: usize = 4_096;

    fn get_or(&self, address: &Address, find: impl FnOnce() -> ClassSet) -> ClassSet {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(address.key()).copied();
        known.unwrap_or_else(|| {
            let found = find();
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() >= Self::MOST {
                seen.clear();
            }
            seen.insert(address.key().to_owned(), found);
            found
        })
    }
}

impl Clone for Seen {
    /// A copy learns anew.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Classes {
    /// Builds the classes; `list` gives the entries of the list of a name (`internal`, `partners`, `webmail`, `carrier`, `isp`, `disposable`, `well-known`).
    /// Look-alikes are compared with the organisation's own domains, its partners', and those of `well-known`.
    #[must_use]
    pub fn new<'l>(list: impl Fn(&str) -> &'l [String]) -> Self {
        let set = |name: &str| DomainSet::new(list(name));
        let (internal, partners, webmail) = (set("internal"), set("partners"), set("webmail"));
        let (carrier, isp) = (set("carrier"), set("isp"));
        let (disposable, well_known) = (set("disposable"), set("well-known"));
        let everybodys = |domain: &&str| {
            let domain = Domain::new(domain);
            webmail.contains_domain(&domain) || carrier.contains_domain(&domain)
        };
        let known = KnownDomains::new()
            .with_public(well_known.domains().filter(everybodys))
            .with_partners(well_known.domains().filter(|domain| !everybodys(domain)))
            .with_partners(internal.domains().chain(partners.domains()))
            .with_legitimate([&webmail, &carrier, &isp, &disposable].into_iter().flat_map(DomainSet::domains));
        Self { internal, partners, webmail, carrier, isp, disposable, known, seen: Seen::default() }
    }

    /// All classes of an address.
    #[must_use]
    pub fn of(&self, address: &Address) -> ClassSet {
        self.seen.get_or(address, || self.find(address))
    }

    fn find(&self, address: &Address) -> ClassSet {
        let mut classes = ClassSet::default();
        if self.is_internal(address) {
            classes.insert(Class::Internal);
            return classes;
        }
        classes.insert(Class::External);
        for (set, class) in [
            (&self.partners, Class::Partner),
            (&self.webmail, Class::Webmail),
            (&self.carrier, Class::Carrier),
            (&self.isp, Class::Isp),
            (&self.disposable, Class::Disposable),
        ] {
            if set.contains(address) {
                classes.insert(class);
            }
        }
        if classes.intersects([Class::Webmail, Class::Carrier, Class::Isp].into_iter().collect()) {
            classes.insert(Class::Personal);
        } else if !classes.contains(Class::Partner) && self.meant(address).is_some() {
            classes.insert(Class::Lookalike);
        }
        classes
    }

    /// Is the address the organisation's own? `postmaster` alone is (RFC 5321 4.5.1); a local part that routes on (`victim%mail.test@…`, `mail.test!victim@…`, RFC 5321 appendix F.2 and the habits before it) is not.
    #[must_use]
    pub fn is_internal(&self, address: &Address) -> bool {
        if address.domain().is_none() {
            return address.key() == "postmaster";
        }
        let local = address.key().rsplit_once('@').map_or("", |(local, _)| local);
        !local.contains(['%', '!', '@']) && self.internal.contains(address)
    }

    /// The known domain that was probably meant, when the address's own is a look-alike.
    #[must_use]
    pub fn meant(&self, address: &Address) -> Option<String> {
        lookalike(address.domain()?, &self.known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Classes {
        let lists: std::collections::BTreeMap<&str, Vec<String>> = [
            ("internal", vec!["city.example.jp", "*.city.example.jp"]),
            ("partners", vec!["partner.test"]),
            ("webmail", vec!["gmail.com", "yahoo.co.jp", "yahoo.com"]),
            ("carrier", vec!["docomo.ne.jp", "au.com"]),
            ("isp", vec!["nifty.com"]),
            ("well-known", vec!["gmail.com", "yahoo.co.jp", "docomo.ne.jp", "nifty.com"]),
            ("disposable", vec!["throwaway.test"]),
        ]
        .into_iter()
        .map(|(name, all)| (name, all.into_iter().map(String::from).collect()))
        .collect();
        Classes::new(|name| lists.get(name).map_or(&[][..], Vec::as_slice))
    }

    #[test]
    fn an_address_has_its_classes() {
        let classes = classes();
        for (address, want) in [
            ("a@city.example.jp", "internal"),
            ("a@KA.City.example.jp", "internal"),
            ("postmaster", "internal"),
            ("nonsense", "external"),
            ("victim%mail.test@city.example.jp", "external"),
            ("\"a@b\"@city.example.jp", "external"),
            ("a@partner.test", "external partner"),
            ("a@gmail.com", "external webmail personal"),
            ("a@docomo.ne.jp", "external carrier personal"),
            ("a@nifty.com", "external isp personal"),
            ("a@throwaway.test", "external disposable"),
            ("a@other.test", "external"),
        ] {
            let found: Vec<&str> = classes.of(&Address::new(address)).iter().map(Class::as_str).collect();
            assert_eq!(found.join(" "), want, "{address}");
        }
    }

    #[test]
    fn look_alikes_name_the_domain_that_was_meant() {
        let classes = classes();
        for (domain, meant) in [
            ("gmai.com", Some("gmail.com")),
            ("gmial.com", Some("gmail.com")),
            ("gmaill.com", Some("gmail.com")),
            ("yaho.co.jp", Some("yahoo.co.jp")),
            ("yahoo.ne.jp", Some("yahoo.co.jp")),
            ("docomo.co.jp", Some("docomo.ne.jp")),
            ("gmail.co.jp", Some("gmail.com")),
            ("partnr.test", Some("partner.test")),
            ("cty.example.jp", None),
            ("gmail.com", None),
            ("ab.com", None),
            ("throwaway.test", None),
            ("city.example.com", None),
            ("nifty.co.jp", None),
            ("example.test", None),
        ] {
            assert_eq!(classes.meant(&Address::new(&format!("a@{domain}"))).as_deref(), meant, "{domain}");
        }
    }
}
