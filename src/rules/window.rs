//! Windows: sums over a sender's recent mails, so that many small mails are seen as one large one.
//! It refuses to keep the sums; a store does, and puts them into `Facts::windows` under [`WindowQuery::key`].

use super::classes::{Class, ClassSet, Classes};
use crate::facts::Facts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Persons found in the mails.
    Persons,
    /// Visible outside addresses.
    VisibleExternal,
    /// Outside recipients, hidden ones too.
    ExternalRecipients,
    /// Mails with an outside recipient.
    Mails,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Persons, Self::VisibleExternal, Self::ExternalRecipients, Self::Mails];

    /// The word used in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Persons => "persons",
            Self::VisibleExternal => "visible_external",
            Self::ExternalRecipients => "external_recipients",
            Self::Mails => "mails",
        }
    }
}

/// One sum that a rule asks for, always per sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct WindowQuery {
    /// What is summed up.
    pub of: Counted,
    /// Only for recipients of this class: addresses of the class are counted; persons and mails count when any recipient is of the class.
    pub to: Option<Class>,
    /// How far back, in hours.
    pub hours: u32,
}

impl WindowQuery {
    /// The key in `Facts::windows`: `persons/webmail/168h`, `visible_external/any/24h`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}h", self.of.as_str(), self.to.map_or("any", Class::as_str), self.hours)
    }

    /// What one mail adds to the sum.
    #[must_use]
    pub fn contribution(&self, classes: &Classes, facts: &Facts) -> u64 {
        let wanted: ClassSet = [Class::External].into_iter().chain(self.to).collect();
        let wanted = if self.to == Some(Class::Internal) { [Class::Internal].into_iter().collect() } else { wanted };
        let count = |addresses: &[crate::address::Address]| {
            let distinct: BTreeSet<&str> = addresses
                .iter()
                .filter(|address| classes.of(address).includes(wanted))
                .map(crate::address::Address::key)
                .collect();
            distinct.len() as u64
        };
        match self.of {
            Counted::VisibleExternal => count(&facts.visible),
            Counted::ExternalRecipients => count(&facts.recipients),
            Counted::Persons if count(&facts.recipients) > 0 => facts.persons.total,
            Counted::Mails => u64::from(count(&facts.recipients) > 0),
            Counted::Persons => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::detect::Persons;

    #[test]
    fn a_mail_adds_what_it_shows_and_to_whom() {
        let lists = |name: &str| match name {
            "internal" => vec!["city.example.jp".to_owned()],
            "webmail" => vec!["gmail.com".to_owned()],
            _ => vec![],
        };
        let (internal, webmail) = (lists("internal"), lists("webmail"));
        let classes = Classes::new(|name| match name {
            "internal" => &internal,
            "webmail" => &webmail,
            _ => &[],
        });
        let all: Vec<Address> =
            ["a@city.example.jp", "b@gmail.com", "B@gmail.com", "c@other.test"].map(Address::new).to_vec();
        let facts = Facts {
            visible: all[..3].to_vec(),
            recipients: all,
            persons: Persons { total: 5, ..Persons::default() },
            ..Facts::default()
        };
        for (of, to, want) in [
            (Counted::VisibleExternal, None, 1),
            (Counted::ExternalRecipients, None, 2),
            (Counted::ExternalRecipients, Some(Class::Webmail), 1),
            (Counted::ExternalRecipients, Some(Class::Carrier), 0),
            (Counted::Persons, None, 5),
            (Counted::Persons, Some(Class::Personal), 5),
            (Counted::Persons, Some(Class::Carrier), 0),
            (Counted::Mails, None, 1),
            (Counted::Mails, Some(Class::Partner), 0),
            (Counted::ExternalRecipients, Some(Class::Internal), 1),
        ] {
            let query = WindowQuery { of, to, hours: 24 };
            assert_eq!(query.contribution(&classes, &facts), want, "{}", query.key());
        }
    }
}
