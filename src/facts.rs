//! The flat record of one mail: the only thing that rules see.
//! It refuses to hold personal values: numbers, kinds, places, addresses of the envelope and of visible recipients, nothing from the content.

use crate::address::Address;
use crate::detect::{Count, Kind, Persons};
use crate::extract::{Attachment, Unreadable};
use crate::mail::shown::{Place, Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

/// All facts of one mail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// Reverse-path; `None` for the null reverse-path.
    pub sender: Option<Address>,
    /// Addresses of From and Sender.
    pub header_from: Vec<Address>,
    /// The name the client authenticated as.
    pub login: Option<String>,
    /// The client's network address.
    pub client: Option<IpAddr>,
    /// Distinct envelope recipients of the whole mail, over all its transactions seen so far.
    pub recipients: Vec<Address>,
    /// Distinct addresses a receiving client would show: in To, Cc, Resent-To and Resent-Cc, as people of calendars, in a `winmail.dat`.
    pub visible: Vec<Address>,
    /// Those of them that no rewriting can take out, by the place that shows them; an empty list: it is not known whom it shows.
    #[serde(default)]
    pub unremovable: BTreeMap<Place, Vec<Address>>,
    /// Why the recipient fields cannot be read without doubt (unparsable field, two readers differ); `None` when they can.
    pub recipients_unclear: Option<String>,
    /// The decoded Subject.
    pub subject: String,
    /// Decoded header fields that rules may ask for: lower-case name, value. Recipient fields, Received and signatures are left out.
    pub headers: Vec<(String, String)>,
    /// Keys of the rule set's text conditions (`body:…`, `text:…`) that matched; the text itself is not kept.
    pub matched: BTreeSet<String>,
    /// Attachments and archive entries.
    pub attachments: Vec<Attachment>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Distinct persons.
    pub persons: Persons,
    /// Distinct values by kind.
    pub data: BTreeMap<Kind, Count>,
    /// Accounts whose credentials are in the mail.
    pub credentials: u64,
    /// The strongest confidential mark, as written.
    pub confidential: Option<String>,
    /// What kinds of mail it is.
    pub mail_kind: BTreeSet<MailKind>,
    /// Octets of the mail.
    pub bytes: u64,
    /// Why the inspection could not be finished (worker killed, crashed, out of memory); then the content facts are empty.
    pub inspection_failed: Option<String>,
    /// When the mail came, in the organisation's local time.
    pub time: LocalTime,
    /// Recipients this sender never wrote to before (only filled when a rule asks).
    pub first_contact: Vec<Address>,
    /// Sums over the sender's recent mails, this one included: key as written by `rules::WindowQuery::key`.
    pub windows: BTreeMap<String, u64>,
}

/// What kind of mail it is; one mail may be of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    /// None of the others.
    Ordinary,
    /// Outlook's "would like to recall the message", as TNEF or as text.
    Recall,
    /// Carries a text/calendar part.
    Calendar,
    /// Auto-Submitted (RFC 3834) other than `no`.
    AutoReply,
    /// Carries a message/rfc822 part or is a Resent- mail.
    Forward,
    /// List-Id or Precedence: list.
    List,
    /// multipart/report; delivery-status (RFC 3464).
    DeliveryReport,
    /// multipart/signed or an opaque S/MIME signature.
    Signed,
    /// S/MIME or PGP encrypted.
    Encrypted,
}

/// A moment in the organisation's local time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalTime {
    /// Epoch milliseconds.
    pub epoch_ms: u64,
    /// Minutes since local midnight, 0–1439.
    pub minute: u16,
    /// 1 Monday … 7 Sunday (ISO 8601).
    pub weekday: u8,
    /// A Japanese public holiday.
    pub holiday: bool,
}

impl Facts {
    /// Adds whom the mail shows outside of its header.
    pub fn show(&mut self, shown: Shown) {
        let mut seen: HashSet<String> = self.visible.iter().map(|address| address.key().to_owned()).collect();
        let new = shown.addresses().filter(|address| seen.insert(address.key().to_owned()));
        self.visible.extend(new.cloned());
        self.unremovable = shown.fixed;
    }

    /// Did the client log in as somebody who is not the sender, by envelope or by header? A login without `@` is compared with the local
    /// part. The null reverse-path names nobody, so that only the header counts then.
    #[must_use]
    pub fn login_mismatch(&self) -> bool {
        let Some(login) = self.login.as_deref().map(str::to_lowercase) else { return false };
        let differs = |address: &Address| {
            let text = address.as_str().to_lowercase();
            let own =
                if login.contains('@') { text.as_str() } else { text.rsplit_once('@').map_or("", |(local, _)| local) };
            own != login
        };
        self.sender.iter().chain(&self.header_from).any(differs)
    }

    /// The facts of a mail whose inspection could not be finished: only the envelope is known.
    #[must_use]
    pub fn failed(envelope: &crate::mail::envelope::Envelope, bytes: u64, cause: &str) -> Self {
        Self {
            sender: envelope.sender.clone(),
            login: envelope.client.login.clone(),
            client: Some(envelope.client.origin()),
            recipients: envelope.recipients.iter().map(|recipient| recipient.address.clone()).collect(),
            bytes,
            inspection_failed: Some(cause.to_owned()),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_compared_with_envelope_and_header() {
        for (login, sender, from, mismatch) in [
            (None, "taro@example.jp", "boss@example.jp", false),
            (Some("taro@example.jp"), "Taro@Example.JP", "taro@example.jp", false),
            (Some("TARO"), "taro@example.jp", "taro@mail.example.jp", false),
            (Some("taro"), "boss@example.jp", "taro@example.jp", true),
            (Some("taro"), "taro@example.jp", "boss@example.jp", true),
            (Some("taro@example.jp"), "taro@other.example.jp", "taro@example.jp", true),
            (Some("taro"), "", "taro@example.jp", false),
            (Some("taro"), "", "boss@example.jp", true),
            (Some("tar"), "taro@example.jp", "taro@example.jp", true),
        ] {
            let facts = Facts {
                login: login.map(str::to_owned),
                sender: (!sender.is_empty()).then(|| Address::new(sender)),
                header_from: vec![Address::new(from)],
                ..Facts::default()
            };
            assert_eq!(facts.login_mismatch(), mismatch, "{login:?} {sender} {from}");
        }
    }
}
