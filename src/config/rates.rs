//! Reads `[rates]`: how much one sender, or one login, may hand in within an hour.
//! It refuses zero, which would stop everybody, and an exemption that is no domain, mailbox or login.

use super::{Reader, file};
use crate::address::{Address, DomainSet};
use std::collections::BTreeSet;
use toml::Spanned;

/// The bounds; none by default.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    pub mails_per_hour: Option<u64>,
    pub recipients_per_hour: Option<u64>,
    /// Senders and logins without a bound.
    exempt: DomainSet,
    /// Logins that are words, without a domain.
    logins: BTreeSet<String>,
}

impl Rates {
    /// Is there any bound?
    #[must_use]
    pub fn any(&self) -> bool {
        self.mails_per_hour.is_some() || self.recipients_per_hour.is_some()
    }

    /// Is this sender or login without a bound?
    #[must_use]
    pub fn exempts(&self, name: &Address) -> bool {
        self.exempt.contains(name) || self.logins.contains(name.key())
    }
}

impl Reader<'_> {
    pub(super) fn rates(&mut self, given: &file::Rates) -> Rates {
        for bound in given.mails_per_hour.iter().chain(&given.recipients_per_hour) {
            if *bound.get_ref() == 0 {
                self.fail(bound.span(), "nobody could send any mail", "give a number above 0, or remove the key");
            }
        }
        let number = |bound: &Option<Spanned<u64>>| bound.as_ref().map(|bound| *bound.get_ref());
        let (mails, recipients) = (number(&given.mails_per_hour), number(&given.recipients_per_hour));
        if let (Some(first), None, None) = (given.exempt.first(), mails, recipients) {
            self.fail(
                first.span(),
                "there is no bound to be exempt from",
                "set `mails_per_hour` or `recipients_per_hour`, or remove `exempt`",
            );
        }
        for pattern in &given.exempt {
            let text = pattern.get_ref();
            let blank = text.is_empty() || text.chars().any(char::is_whitespace);
            if blank || text.starts_with('@') || text.ends_with('@') {
                self.fail(
                    pattern.span(),
                    "this is no domain, mailbox or login",
                    "write it as lists.example.jp, *.example.jp, newsletter@example.jp or printer-7",
                );
            }
        }
        let words = given.exempt.iter().map(|pattern| pattern.get_ref().as_str());
        Rates {
            mails_per_hour: mails,
            recipients_per_hour: recipients,
            exempt: DomainSet::new(words.clone()),
            logins: words
                .filter(|word| !word.contains(['@', '.']))
                .map(|word| Address::new(word).key().to_owned())
                .collect(),
        }
    }
}
