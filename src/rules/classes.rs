//! Classes of addresses: inside, partner, free mail, mobile carrier, internet provider, throw-away, look-alike.
//! It refuses to know any domain by itself: every class comes from a list of the rule set.

use crate::address::{Address, Domain, DomainSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    known: Known,
}

impl Classes {
    /// Builds the classes; `list` gives the entries of the list of a name (`internal`, `partners`, `webmail`, `carrier`, `isp`, `disposable`, `well-known`).
    /// Look-alikes are compared with the organisation's own domains, its partners', and the well-known ones; without a list `well-known`, with all free mail services, carriers and providers.
    #[must_use]
    pub fn new<'l>(list: impl Fn(&str) -> &'l [String]) -> Self {
        let set = |name: &str| DomainSet::new(list(name));
        let (internal, partners, webmail) = (set("internal"), set("partners"), set("webmail"));
        let (carrier, isp) = (set("carrier"), set("isp"));
        let mut known = Known::default();
        let well_known = set("well-known");
        let imitated: &[&DomainSet] = if well_known.is_empty() { &[&webmail, &carrier, &isp] } else { &[&well_known] };
        for domain in imitated.iter().flat_map(|set| set.domains()) {
            let provider = Domain::new(domain);
            known.insert(domain, webmail.contains_domain(&provider) || carrier.contains_domain(&provider));
        }
        for domain in internal.domains().chain(partners.domains()) {
            known.insert(domain, false);
        }
        Self { internal, partners, webmail, carrier, isp, disposable: set("disposable"), known }
    }

    /// All classes of an address.
    #[must_use]
    pub fn of(&self, address: &Address) -> ClassSet {
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
    pub fn meant(&self, address: &Address) -> Option<&str> {
        lookalike(address.domain()?, &self.known)
    }
}

/// Endings below which anybody gets a name, or which are mistaken for one another.
const ENDINGS: [&str; 8] = [".co.jp", ".ne.jp", ".or.jp", ".ad.jp", ".com", ".net", ".org", ".jp"];

/// Characters the first label of a known domain must have, so that short names (`au.com`) do not make half the world suspicious.
const SHORTEST: usize = 4;

/// Known domains, prepared so that a look-alike is found with a handful of look-ups.
#[derive(Clone, Debug, Default)]
pub struct Known {
    domains: BTreeSet<String>,
    /// Each known domain under every spelling with one character left out.
    shortened: BTreeMap<String, Vec<String>>,
    /// Domains of large providers by their name without the ending.
    stems: BTreeMap<String, String>,
}

impl Known {
    /// Adds a domain; `by_stem` when the same name below another ending is suspicious too (`docomo.co.jp`).
    pub fn insert(&mut self, domain: &str, by_stem: bool) {
        if !self.domains.insert(domain.to_owned()) || first_label(domain) < SHORTEST {
            return;
        }
        for shorter in shortened(domain) {
            self.shortened.entry(shorter).or_default().push(domain.to_owned());
        }
        if by_stem && let Some(stem) = stem(domain) {
            self.stems.entry(stem.to_owned()).or_insert_with(|| domain.to_owned());
        }
    }
}

/// The known domain that this one imitates: one character more, less, other or swapped (Damerau–Levenshtein distance 1), or a large provider's name below another common ending.
#[must_use]
pub fn lookalike<'k>(domain: &Domain, known: &'k Known) -> Option<&'k str> {
    let name = domain.as_str();
    if known.domains.contains(name) || first_label(name) + 1 < SHORTEST {
        return None;
    }
    // Two names at distance 1 share a spelling with one character left out, or one is such a spelling of the other.
    if let Some(meant) = known.shortened.get(name).and_then(|all| all.first()) {
        return Some(meant);
    }
    for shorter in shortened(name) {
        if let Some(meant) = known.domains.get(&shorter).filter(|meant| first_label(meant) >= SHORTEST) {
            return Some(meant);
        }
        let near = known.shortened.get(&shorter).into_iter().flatten();
        for meant in near {
            if strsim::damerau_levenshtein(name, meant) <= 1 {
                return Some(meant);
            }
        }
    }
    stem(name).and_then(|stem| known.stems.get(stem)).map(String::as_str)
}

fn first_label(domain: &str) -> usize {
    domain.split('.').next().map_or(0, |label| label.chars().count())
}

fn shortened(domain: &str) -> impl Iterator<Item = String> {
    domain.char_indices().map(|(at, char)| {
        let mut shorter = String::with_capacity(domain.len());
        shorter.push_str(&domain[..at]);
        shorter.push_str(&domain[at + char.len_utf8()..]);
        shorter
    })
}

fn stem(domain: &str) -> Option<&str> {
    let stem = ENDINGS.iter().find_map(|ending| domain.strip_suffix(ending))?;
    (stem.chars().count() > SHORTEST).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Classes {
        let lists: BTreeMap<&str, Vec<String>> = [
            ("internal", vec!["city.example.jp", "*.city.example.jp"]),
            ("partners", vec!["partner.test"]),
            ("webmail", vec!["gmail.com", "yahoo.co.jp", "yahoo.com"]),
            ("carrier", vec!["docomo.ne.jp", "au.com"]),
            ("isp", vec!["nifty.com"]),
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
            ("gmeil.com", Some("gmail.com")),
            ("yaho.co.jp", Some("yahoo.co.jp")),
            ("yahoo.ne.jp", Some("yahoo.co.jp")),
            ("docomo.co.jp", Some("docomo.ne.jp")),
            ("gmail.co.jp", Some("gmail.com")),
            ("partnr.test", Some("partner.test")),
            ("gmail.com", None),
            ("ab.com", None),
            ("at.com", None),
            ("mail.com", Some("gmail.com")),
            ("city.example.com", None),
            ("nifty.co.jp", None),
            ("example.test", None),
        ] {
            assert_eq!(classes.meant(&Address::new(&format!("a@{domain}"))), meant, "{domain}");
        }
    }

    #[test]
    fn the_prepared_search_agrees_with_the_plain_definition() {
        let mut known = Known::default();
        known.insert("icloud.com", false);
        let letters = ['i', 'c', 'l', 'o', 'u', 'd', 'x', '-'];
        for at in 0..="icloud.com".len() {
            for letter in letters {
                let mut longer = "icloud.com".to_owned();
                longer.insert(at, letter);
                assert_eq!(lookalike(&Domain::new(&longer), &known), Some("icloud.com"), "{longer}");
                let mut two = longer.clone();
                two.insert(0, 'z');
                let near = strsim::damerau_levenshtein(&two, "icloud.com") <= 1;
                assert_eq!(lookalike(&Domain::new(&two), &known).is_some(), near, "{two}");
            }
        }
    }
}
