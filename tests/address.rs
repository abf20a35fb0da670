//! Tests of the shipped address lists and of look-alikes found with them.
//! It refuses lists that hold a public suffix, a school or an authority, or that suspect each other.

use sekisho::address::{Domain, DomainSet, KnownDomains, lookalike};
use std::time::Instant;

const WEBMAIL: &str = include_str!("../rules/lists/webmail.txt");
const CARRIER: &str = include_str!("../rules/lists/carrier.txt");
const ISP: &str = include_str!("../rules/lists/isp.txt");
const DISPOSABLE: &str = include_str!("../rules/lists/disposable.txt");

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|line| !line.is_empty())
}

/// The services that people in Japan mean when they mistype; the rest of webmail.txt is only never a misspelling.
const MEANT: [&str; 14] = [
    "gmail.com",
    "googlemail.com",
    "yahoo.co.jp",
    "yahoo.com",
    "hotmail.com",
    "hotmail.co.jp",
    "outlook.com",
    "outlook.jp",
    "icloud.com",
    "live.jp",
    "excite.co.jp",
    "infoseek.jp",
    "ymail.ne.jp",
    "rakuten.jp",
];

fn known() -> KnownDomains {
    KnownDomains::new()
        .with_public(MEANT)
        .with_public(entries(CARRIER))
        .with_partners(entries(ISP))
        .with_legitimate(entries(WEBMAIL))
}

#[test]
fn lists_hold_well_formed_domains_and_no_organisations() {
    for (name, list) in [("webmail", WEBMAIL), ("carrier", CARRIER), ("isp", ISP), ("disposable", DISPOSABLE)] {
        assert!(list.starts_with('#'), "{name} says where it comes from");
        for entry in entries(list) {
            let domain = entry.strip_prefix("*.").unwrap_or(entry);
            assert_eq!(Domain::new(domain).as_str(), domain, "{name}: {entry} is in its comparison form");
            assert!(
                domain.contains('.')
                    && domain
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)),
                "{name}: {entry}"
            );
            let suffix = [
                "co.jp", "ne.jp", "or.jp", "ac.jp", "go.jp", "lg.jp", "ad.jp", "ed.jp", "gr.jp", "co.uk", "com.au",
                "co.kr",
            ]
            .contains(&domain);
            let official = [".go.jp", ".lg.jp", ".ac.jp", ".ed.jp", ".gov", ".edu", ".mil"]
                .iter()
                .any(|end| domain.ends_with(end));
            assert!(!suffix && !official, "{name}: {entry}");
        }
    }
    for organisation in [
        "google.com",
        "microsoft.com",
        "facebook.com",
        "softbank.co.jp",
        "city.example.jp",
        "example.com",
        "nus.edu.sg",
        "ntt.com",
    ] {
        for list in [WEBMAIL, CARRIER, ISP, DISPOSABLE] {
            assert!(!DomainSet::new(entries(list)).contains_domain(&Domain::new(organisation)), "{organisation}");
        }
    }
}

#[test]
fn addresses_of_private_persons_are_in_their_list() {
    for (list, members) in [
        (
            WEBMAIL,
            &[
                "gmail.com",
                "yahoo.co.jp",
                "ymail.ne.jp",
                "outlook.jp",
                "hotmail.co.jp",
                "live.jp",
                "icloud.com",
                "me.com",
                "mac.com",
                "aol.jp",
                "excite.co.jp",
                "infoseek.jp",
                "goo.jp",
                "qq.com",
                "naver.com",
                "proton.me",
            ][..],
        ),
        (
            CARRIER,
            &[
                "docomo.ne.jp",
                "ezweb.ne.jp",
                "biz.ezweb.ne.jp",
                "au.com",
                "softbank.ne.jp",
                "i.softbank.jp",
                "t.vodafone.ne.jp",
                "ymobile.ne.jp",
                "y-mobile.ne.jp",
                "willcom.com",
                "di.pdx.ne.jp",
                "uqmobile.jp",
                "rakumail.jp",
                "mineo.jp",
                "disney.ne.jp",
                "emnet.ne.jp",
            ],
        ),
        (
            ISP,
            &[
                "nifty.com",
                "biglobe.ne.jp",
                "so-net.ne.jp",
                "aa1.so-net.ne.jp",
                "ocn.ne.jp",
                "vega.ocn.ne.jp",
                "plala.or.jp",
                "dion.ne.jp",
                "asahi-net.or.jp",
                "eonet.ne.jp",
                "dti.ne.jp",
                "jcom.home.ne.jp",
                "jcom.zaq.ne.jp",
            ],
        ),
        (DISPOSABLE, &["mailinator.com", "yopmail.com", "guerrillamail.com", "10minutemail.com"]),
    ] {
        let set = DomainSet::new(entries(list));
        for member in members {
            assert!(set.contains_domain(&Domain::new(member)), "{member}");
        }
    }
    for misspelt in ["gmai.com", "gmial.com", "yaho.co.jp", "docomo.co.jp", "hotmai.com", "yahoo.co"] {
        assert!(!DomainSet::new(entries(WEBMAIL)).contains_domain(&Domain::new(misspelt)), "{misspelt}");
    }
}

#[test]
fn no_listed_domain_is_suspected_and_misspellings_are() {
    let known = known();
    for entry in entries(WEBMAIL).chain(entries(CARRIER)).chain(entries(ISP)) {
        let domain = Domain::new(entry.strip_prefix("*.").unwrap_or(entry));
        assert_eq!(lookalike(&domain, &known), None, "{domain}");
    }
    for (typed, meant) in [
        ("gmai.com", "gmail.com"),
        ("yaho.co.jp", "yahoo.co.jp"),
        ("docomo.co.jp", "docomo.ne.jp"),
        ("yahoo.ne.jp", "yahoo.co.jp"),
        ("gmail.co", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("ezweb.or.jp", "ezweb.ne.jp"),
        ("softbnk.ne.jp", "softbank.ne.jp"),
        ("hotmai.com", "hotmail.com"),
    ] {
        assert_eq!(lookalike(&Domain::new(typed), &known).as_deref(), Some(meant), "{typed}");
    }
}

#[test]
fn organisations_are_not_suspected() {
    let known = known();
    for name in
        include_str!("address/organisations.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        assert_eq!(lookalike(&Domain::new(name), &known), None, "{name}");
    }
}

#[test]
fn a_thousand_recipients_are_compared_in_no_time() {
    let known = known();
    let domains: Vec<Domain> = (0..1_000).map(|n| Domain::new(&format!("office{n}.example-company.co.jp"))).collect();
    let started = Instant::now();
    assert!(domains.iter().all(|domain| lookalike(domain, &known).is_none()));
    // Without optimisation; the release build needs about a microsecond each.
    assert!(started.elapsed().as_millis() < 2_000, "{:?}", started.elapsed());
}
