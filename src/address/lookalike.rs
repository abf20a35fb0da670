//! Look-alike domains: one slip of the finger, or one trick, away from a domain that is meant far more often.
//! It refuses to suspect a domain that is known itself, and short names, where every other word is one letter away.

use super::Domain;
use std::collections::{HashMap, HashSet};

/// The domains people mean, and those that are nobody's misspelling.
#[derive(Clone, Debug, Default)]
pub struct KnownDomains {
    /// Domains that are never look-alikes themselves; a domain below one is none either.
    legitimate: HashSet<String>,
    /// Those that a typist may have meant, with how they are compared.
    targets: Vec<Target>,
    /// From every key under which a target may be found to its index in `targets`.
    index: HashMap<String, Vec<u32>>,
}

/// A domain somebody may have meant.
#[derive(Clone, Debug)]
struct Target {
    name: String,
    label: String,
    suffix: String,
    /// Everybody writes to it (free mail, carriers): another ending is suspicious too.
    public: bool,
}

/// Endings of two labels under which names are registered, in Japan and where free mail services have them.
const SECOND_LEVEL: [&str; 28] = [
    "co.jp", "ne.jp", "or.jp", "ac.jp", "ad.jp", "ed.jp", "go.jp", "gr.jp", "lg.jp", "co.uk", "org.uk", "me.uk",
    "com.au", "net.au", "co.nz", "co.kr", "com.cn", "com.tw", "com.hk", "com.sg", "co.th", "co.in", "co.id", "com.my",
    "com.br", "com.mx", "com.ar", "co.za",
];

/// Endings that exist nowhere and come from slipping keys.
const BROKEN_ENDINGS: [&str; 22] = [
    "con", "cim", "cpm", "vom", "xom", "comm", "ocm", "om", "cmo", "coml", "conm", "nett", "ner", "jpp", "jo", "jl",
    "pj", "cojp", "nejp", "orjp", "comjp", "ne",
];

/// Domains of companies that are one letter or one ending away from a consumer service.
const COMPANIES: [&str; 19] = [
    "cloud.com",
    "softbank.co.jp",
    "softbank.jp",
    "nifty.co.jp",
    "biglobe.co.jp",
    "so-net.co.jp",
    "jcom.co.jp",
    "docomo.com",
    "rakuten.co.jp",
    "rakuten.ne.jp",
    "rakuten.com",
    "livedoor.jp",
    "outlook.office.com",
    "disney.co.jp",
    "disney.com",
    "excite.com",
    "infoseek.com",
    "sakura.ad.jp",
    "mineo.co.jp",
];

/// Endings that belong together so often that a change between them is a slip.
const NEAR_ENDINGS: [(&str, &str); 10] = [
    ("co.jp", "ne.jp"),
    ("co.jp", "or.jp"),
    ("ne.jp", "or.jp"),
    ("com", "co"),
    ("com", "cm"),
    ("com", "om"),
    ("com", "co.jp"),
    ("co.jp", "jp"),
    ("ne.jp", "jp"),
    ("or.jp", "jp"),
];

/// Letters a label must have before one differing letter is suspicious; below it, only the ending and the shape of letters are.
const LONG_LABEL: usize = 5;
/// Letters from which any single differing letter is suspicious; below it, only slips to a neighbouring key, doubled, missing and swapped letters are.
const VERY_LONG_LABEL: usize = 8;

impl KnownDomains {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        let mut known = Self::default();
        known.legitimate.extend(COMPANIES.iter().map(|name| (*name).to_owned()));
        known
    }

    /// Adds services that everybody writes to (large webmail services, carriers): their names with another ending count as look-alikes too.
    #[must_use]
    pub fn with_public<'d>(mut self, names: impl IntoIterator<Item = &'d str>) -> Self {
        self.add(names, true);
        self
    }

    /// Adds the organisation's own domains, its partners' and internet providers': misspellings count, another ordinary ending does not
    /// (it may be another firm of the name, or the provider's own office).
    #[must_use]
    pub fn with_partners<'d>(mut self, names: impl IntoIterator<Item = &'d str>) -> Self {
        self.add(names, false);
        self
    }

    /// Adds domains that are nobody's misspelling and nobody's target: the long lists of small services.
    #[must_use]
    pub fn with_legitimate<'d>(mut self, names: impl IntoIterator<Item = &'d str>) -> Self {
        self.legitimate.extend(names.into_iter().map(|name| Domain::new(name).as_str().to_owned()));
        self
    }

    fn add<'d>(&mut self, names: impl IntoIterator<Item = &'d str>, public: bool) {
        for name in names {
            let name = Domain::new(name.trim().trim_start_matches("*.")).as_str().to_owned();
            let Some((label, suffix)) = split(&name) else { continue };
            let (label, suffix) = (label.to_owned(), suffix.to_owned());
            // A host below a registered name (`i.softbank.jp`) makes that name a target only by itself.
            let registered = format!("{label}.{suffix}");
            self.legitimate.insert(name.clone());
            self.legitimate.insert(registered.clone());
            if label.len() < 3 || (registered != name && public) {
                continue;
            }
            let Ok(number) = u32::try_from(self.targets.len()) else { return };
            let mut keys = HashSet::from([
                format!("={label}"),
                format!("~{}", shape(&label)),
                format!(".{}", registered.replace('.', "")),
            ]);
            if label.len() >= LONG_LABEL {
                keys.extend(shortened(&label));
                keys.insert(label.clone());
            }
            for key in keys {
                self.index.entry(key).or_default().push(number);
            }
            self.targets.push(Target { name: registered, label, suffix, public });
        }
    }

    /// Is it, or the domain it stands under, one of the known ones?
    fn knows(&self, name: &str) -> bool {
        self.legitimate.contains(name)
            || name.match_indices('.').any(|(dot, _)| self.legitimate.contains(&name[dot + 1..]))
    }
}

/// The known domain this one looks like, when it is not known itself.
///
/// Compared by the Damerau distance 1 (a missing, additional, wrong or swapped letter), by the shape of letters (`0`/`o`, `1`/`l`, `rn`/`m`, Cyrillic),
/// by the ending (`gmail.co`, `docomo.co.jp`, `gmail.con`), and by a lost dot (`yahooco.jp`).
#[must_use]
pub fn lookalike(domain: &Domain, known: &KnownDomains) -> Option<String> {
    let name = domain.as_str();
    if known.targets.is_empty() || name.starts_with('[') || known.knows(name) {
        return None;
    }
    let (label, suffix) = split(name)?;
    let readable = if label.starts_with("xn--") { idna::domain_to_unicode(label).0 } else { label.to_owned() };
    let shaped = shape(&readable);
    let find =
        |key: &str| known.index.get(key).into_iter().flatten().filter_map(|number| known.targets.get(*number as usize));

    if let Some(target) = find(&format!("={label}")).find(|target| other_ending(target, suffix)) {
        return Some(target.name.clone());
    }
    if let Some(target) = find(&format!("~{shaped}")).find(|target| {
        target.label != label && near(target, suffix) && (label.len() >= LONG_LABEL || has_disguise(&readable))
    }) {
        return Some(target.name.clone());
    }
    if let Some(target) = find(&format!(".{}", name.replace('.', "")))
        .find(|target| target.name != name && target.label.len() >= LONG_LABEL)
    {
        return Some(target.name.clone());
    }
    if label.len() + 1 < LONG_LABEL {
        return None;
    }
    std::iter::once(label.to_owned())
        .chain(shortened(label))
        .flat_map(|key| find(&key))
        .find(|target| {
            // A slip in the name and another ordinary ending would be two.
            (target.suffix == suffix || BROKEN_ENDINGS.contains(&suffix)) && slipped(label, &target.label)
        })
        .map(|target| target.name.clone())
}

/// The registered label and the ending behind it.
fn split(name: &str) -> Option<(&str, &str)> {
    let dot = name.rfind('.')?;
    let start = match name[..dot].rfind('.') {
        Some(second) if SECOND_LEVEL.contains(&&name[second + 1..]) => second,
        _ => dot,
    };
    let label = name[..start].rsplit('.').next()?;
    (!label.is_empty()).then_some((label, &name[start + 1..]))
}

/// Is the same label with this ending a slip?
fn other_ending(target: &Target, suffix: &str) -> bool {
    if target.suffix == suffix {
        return false;
    }
    if BROKEN_ENDINGS.contains(&suffix) || suffix.split('.').any(|part| BROKEN_ENDINGS.contains(&part) && part != "ne")
    {
        return true;
    }
    target.public && target.label.len() >= LONG_LABEL && endings_near(&target.suffix, suffix)
}

/// Is the ending the target's, or one beside it?
fn near(target: &Target, suffix: &str) -> bool {
    target.suffix == suffix
        || BROKEN_ENDINGS.contains(&suffix)
        || (target.public && endings_near(&target.suffix, suffix))
}

/// Do two endings belong together?
fn endings_near(one: &str, other: &str) -> bool {
    NEAR_ENDINGS.iter().any(|pair| *pair == (one, other) || *pair == (other, one))
        || (one == "com" && (other == "jp" || other == "ne.jp" || other == "net"))
}

/// The label with one letter left out, in every way.
fn shortened(label: &str) -> impl Iterator<Item = String> {
    label.char_indices().map(move |(at, char)| [&label[..at], &label[at + char.len_utf8()..]].concat())
}

/// Is `typed` one slip away from `meant`?
fn slipped(typed: &str, meant: &str) -> bool {
    if strsim::osa_distance(typed, meant) != 1 {
        return false;
    }
    if meant.len() >= VERY_LONG_LABEL {
        return true;
    }
    let (typed, meant) = (typed.as_bytes(), meant.as_bytes());
    let same = typed.iter().zip(meant).take_while(|(one, other)| one == other).count();
    match typed.len().cmp(&meant.len()) {
        // A letter is missing.
        std::cmp::Ordering::Less => true,
        // Two letters are swapped, or one is its neighbour.
        std::cmp::Ordering::Equal => {
            typed.get(same + 1..same + 2) == meant.get(same..=same) && typed.get(same) == meant.get(same + 1)
                || neighbours(typed[same], meant[same])
        }
        // A letter too many: the one beside it again, or a key hit with it, or a hyphen or digit.
        std::cmp::Ordering::Greater => {
            let extra = typed[same];
            let beside = [same.checked_sub(1).map(|at| typed[at]), typed.get(same + 1).copied()];
            meant.len() > LONG_LABEL
                || !extra.is_ascii_alphabetic()
                || beside.iter().flatten().any(|key| *key == extra || neighbours(*key, extra))
        }
    }
}

/// The rows of a keyboard; a key's neighbours are those beside it and in the rows above and below.
const KEYBOARD: [&str; 4] = ["1234567890-", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// Do two keys touch?
fn neighbours(one: u8, other: u8) -> bool {
    let place = |key: u8| {
        KEYBOARD
            .iter()
            .enumerate()
            .find_map(|(row, keys)| keys.bytes().position(|found| found == key).map(|column| (row, column)))
    };
    let (Some((row, column)), Some((other_row, other_column))) = (place(one), place(other)) else { return false };
    match row.abs_diff(other_row) {
        0 => column.abs_diff(other_column) == 1,
        // Each row is shifted to the right of the one above by less than a key.
        1 => {
            let (upper, lower) = if row < other_row { (column, other_column) } else { (other_column, column) };
            upper == lower || upper == lower + 1
        }
        _ => false,
    }
}

/// A label as the eye takes it in: letters and digits of one shape folded together.
fn shape(label: &str) -> String {
    let folded: String = label
        .chars()
        .map(|char| match char {
            '0' | 'о' | 'ο' => 'o',
            '1' | 'i' | 'ı' | 'і' | '|' => 'l',
            '5' | 'ѕ' => 's',
            '3' | 'е' | 'é' | 'è' => 'e',
            'а' | 'α' | 'à' | 'á' | 'ä' => 'a',
            'с' => 'c',
            'р' | 'ρ' => 'p',
            'у' | 'ý' => 'y',
            'х' => 'x',
            'һ' => 'h',
            'ј' => 'j',
            'ԁ' => 'd',
            'ո' | 'ñ' => 'n',
            'ԛ' => 'q',
            'ѡ' => 'w',
            other => other,
        })
        .filter(|char| *char != '-')
        .collect();
    folded.replace("rn", "m").replace("vv", "w")
}

/// Does the label hold a character that is rarely typed but for its shape?
fn has_disguise(label: &str) -> bool {
    label.contains(['0', '1', '3', '5']) || label.contains("rn") || label.contains("vv") || !label.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownDomains {
        KnownDomains::new()
            .with_public([
                "gmail.com",
                "googlemail.com",
                "yahoo.co.jp",
                "yahoo.com",
                "hotmail.com",
                "hotmail.co.jp",
                "outlook.com",
                "outlook.jp",
                "icloud.com",
                "docomo.ne.jp",
                "ezweb.ne.jp",
                "softbank.ne.jp",
                "i.softbank.jp",
                "au.com",
                "nifty.com",
                "biglobe.ne.jp",
                "ocn.ne.jp",
                "goo.jp",
                "mail.goo.ne.jp",
                "msn.com",
                "live.jp",
                "me.com",
                "ymobile.ne.jp",
            ])
            .with_partners(["city.example.jp", "tanaka-kensetsu.co.jp", "sekisui.example.com"])
            .with_legitimate(["mail.com", "ymail.com", "email.com", "tmail.com", "yahoo.fr", "hotmail.de", "goo.ne.jp"])
    }

    #[test]
    fn slips_and_tricks_are_found() {
        let known = known();
        for (typed, meant) in [
            ("gmai.com", "gmail.com"),
            ("gmial.com", "gmail.com"),
            ("gmal.com", "gmail.com"),
            ("gmaill.com", "gmail.com"),
            ("gmqil.com", "gmail.com"),
            ("gmail.co", "gmail.com"),
            ("gmail.con", "gmail.com"),
            ("gmail.cm", "gmail.com"),
            ("gmail.jp", "gmail.com"),
            ("gmail.co.jp", "gmail.com"),
            ("gmailcom.com", "gmail.com"),
            ("yaho.co.jp", "yahoo.co.jp"),
            ("yahooo.co.jp", "yahoo.co.jp"),
            ("yahoo.ne.jp", "yahoo.co.jp"),
            ("yhaoo.co.jp", "yahoo.co.jp"),
            ("yah00.co.jp", "yahoo.co.jp"),
            ("yahooco.jp", "yahoo.co.jp"),
            ("docomo.co.jp", "docomo.ne.jp"),
            ("docono.ne.jp", "docomo.ne.jp"),
            ("docomo.jp", "docomo.ne.jp"),
            ("dokomo.ne.jp", "docomo.ne.jp"),
            ("exweb.ne.jp", "ezweb.ne.jp"),
            ("ezweb.co.jp", "ezweb.ne.jp"),
            ("softbamk.ne.jp", "softbank.ne.jp"),
            ("hotmial.com", "hotmail.com"),
            ("hotrnail.com", "hotmail.com"),
            ("out1ook.com", "outlook.com"),
            ("outiook.com", "outlook.com"),
            ("iclould.com", "icloud.com"),
            ("g00.jp", "goo.jp"),
            ("msn.con", "msn.com"),
            ("tanaka-kensetu.co.jp", "tanaka-kensetsu.co.jp"),
            ("tanakakensetsu.co.jp", "tanaka-kensetsu.co.jp"),
            ("gmаil.com", "gmail.com"),
            ("mail.gmai.com", "gmail.com"),
        ] {
            let found = lookalike(&Domain::new(typed), &known);
            if typed == "gmailcom.com" || typed == "dokomo.ne.jp" {
                // Two slips, or a letter of the same sound: not claimed.
                assert_eq!(found, None, "{typed}");
            } else {
                assert_eq!(found.as_deref(), Some(meant), "{typed}");
            }
        }
    }

    #[test]
    fn honest_domains_are_left_alone() {
        let known = known();
        for name in [
            "gmail.com",
            "mail.com",
            "ymail.com",
            "email.com",
            "tmail.com",
            "yahoo.co.jp",
            "yahoo.fr",
            "hotmail.de",
            "goo.ne.jp",
            "goo.jp",
            "foo.jp",
            "good.jp",
            "mail.goo.ne.jp",
            "msn.com",
            "man.com",
            "mns.jp",
            "i.softbank.jp",
            "x.softbank.co.jp",
            "softbank.co.jp",
            "nifty.co.jp",
            "fifty.com",
            "wahoo.com",
            "au.com",
            "eu.com",
            "aw.com",
            "live.jp",
            "life.jp",
            "love.jp",
            "ocn.ne.jp",
            "odn.ne.jp",
            "oct.ne.jp",
            "city.example.jp",
            "sub.city.example.jp",
            "example.jp",
            "example.com",
            "tanaka-kensetsu.com",
            "tanaka-kensetsu.jp",
            "sekisui.co.jp",
            "yamada.co.jp",
            "me.com",
            "my.com",
            "mobil.ne.jp",
            "clouds.com",
            "cloud.com",
            "icon.com",
            "google.com",
            "ne.jp",
            "jp",
            "[192.0.2.1]",
            "docomo.com",
            "biz.ezweb.ne.jp",
            "town.example.jp",
            "u-tokyo.ac.jp",
            "ministry.go.jp",
            "hokkaido.lg.jp",
            "netmail.co.jp",
            "gaia.com",
            "mailgun.org",
        ] {
            assert_eq!(lookalike(&Domain::new(name), &known), None, "{name}");
        }
    }

    #[test]
    fn nothing_known_suspects_nothing() {
        assert_eq!(lookalike(&Domain::new("gmai.com"), &KnownDomains::new()), None);
    }

    #[test]
    fn keys_touch_as_on_the_desk() {
        for (one, other, touch) in [
            (b'a', b'q', true),
            (b'o', b'p', true),
            (b'm', b'k', true),
            (b'o', b'0', true),
            (b'a', b'p', false),
            (b'n', b'f', false),
        ] {
            assert_eq!(
                (neighbours(one, other), neighbours(other, one)),
                (touch, touch),
                "{} {}",
                char::from(one),
                char::from(other)
            );
        }
    }
}
