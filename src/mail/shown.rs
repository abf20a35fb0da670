//! Addresses of other people that a mail shows outside of its header: the people of its calendars, and the recipient table of a `winmail.dat`.
//! It refuses to go into attached mails, which are content, and to change a part that a signature covers or that could not be read to its end.

use super::calendar::{self, Hides};
use super::header::Edits;
use super::leaves::{Leaf, leaves};
use super::message::{Message, Part};
use super::mime::Encoding;
use super::{tnef, transfer};
use crate::address::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where addresses stand that no rewriting can take out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The recipient table of Outlook's `winmail.dat`.
    Winmail,
    /// A calendar in a multipart/signed.
    SignedCalendar,
    /// A calendar that is damaged, that clients read in different ways, or in an encoding that cannot be written again.
    DamagedCalendar,
}

impl Place {
    /// The word in JSON and in what the program prints.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Winmail => "winmail",
            Self::SignedCalendar => "signed_calendar",
            Self::DamagedCalendar => "damaged_calendar",
        }
    }
}

/// What a mail shows outside of its header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// People of calendars, distinct, in the order they stand.
    pub calendar: Vec<Address>,
    /// Those that no rewriting can take out. An empty list: it is not known who is shown there.
    pub fixed: BTreeMap<Place, Vec<Address>>,
}

/// Reads a mail; `message` is the reading of its structure by two readers, if there is one, and where that has other calendars than an edit would find, it is said.
#[must_use]
pub fn read(raw: &[u8], message: Option<&Message>) -> Shown {
    let mut shown = Shown::default();
    let mut known = 0;
    for leaf in leaves(raw) {
        let content = Content::of(raw, &leaf);
        known += usize::from(content.is_calendar() || content.is_tnef());
        match content.place(&leaf) {
            Some(place) => shown.fix(place, &content),
            None if content.is_calendar() => add(&mut shown.calendar, calendar::people(&content.bytes)),
            None => {}
        }
    }
    let matters =
        |part: &&Part| part.mail.is_none() && (calendar::is_calendar(&part.bytes) || tnef::is_tnef(&part.bytes));
    if message.is_some_and(|message| message.parts.iter().filter(matters).count() != known) {
        shown.fixed.insert(Place::DamagedCalendar, Vec::new());
    }
    shown
}

/// Takes the hidden people out of every calendar that can be changed. Only their lines change; a part in base64 or quoted-printable is encoded anew as a whole.
pub fn hide(raw: &[u8], hides: Hides<'_>, edits: &mut Edits) {
    for leaf in leaves(raw) {
        let content = Content::of(raw, &leaf);
        if !content.is_calendar() || content.place(&leaf).is_some() {
            continue;
        }
        let changes = calendar::without(&content.bytes, hides);
        if changes.is_empty() {
            continue;
        }
        let encode = match leaf.encoding {
            Encoding::Base64 => transfer::to_base64,
            Encoding::QuotedPrintable => transfer::to_quoted_printable,
            Encoding::None | Encoding::Uuencode => {
                for (range, bytes) in changes {
                    edits.replace_range(leaf.body.start + range.start..leaf.body.start + range.end, bytes);
                }
                continue;
            }
        };
        let mut encoded = encode(&calendar::changed(&content.bytes, &changes)).into_bytes();
        let ends = raw[leaf.body.clone()].ends_with(b"\n");
        match (ends, encoded.ends_with(b"\r\n")) {
            (true, false) => encoded.extend_from_slice(b"\r\n"),
            // The line end before a delimiter belongs to the delimiter.
            (false, true) if leaf.encoding == Encoding::Base64 => encoded.truncate(encoded.len() - 2),
            _ => {}
        }
        edits.replace_range(leaf.body, encoded);
    }
}

/// The decoded content of a part, if it may be of interest; empty otherwise.
struct Content<'m> {
    bytes: Cow<'m, [u8]>,
    damaged: bool,
}

/// Octets of an encoded part that decide whether it is worth decoding.
const PROBE: usize = 1_024;

impl<'m> Content<'m> {
    fn of(raw: &'m [u8], leaf: &Leaf) -> Self {
        let body = &raw[leaf.body.clone()];
        let nothing = Self { bytes: Cow::Borrowed(&[]), damaged: false };
        if matches!(leaf.kind.as_str(), "message/rfc822" | "message/global") {
            return nothing;
        }
        if leaf.encoding == Encoding::None {
            return Self { bytes: Cow::Borrowed(body), damaged: false };
        }
        let start = leaf.encoding.decode(&body[..body.len().min(PROBE)]).bytes;
        if calendar::is_calendar(&start) || tnef::is_tnef(&start) || leaf.is_declared_calendar() {
            let decoded = leaf.encoding.decode(body);
            return Self { bytes: Cow::Owned(decoded.bytes), damaged: decoded.damaged };
        }
        nothing
    }

    fn is_calendar(&self) -> bool {
        calendar::is_calendar(&self.bytes)
    }

    fn is_tnef(&self) -> bool {
        tnef::is_tnef(&self.bytes)
    }

    /// Why what it shows cannot be taken out; `None` when it can, or when it shows nobody.
    fn place(&self, leaf: &Leaf) -> Option<Place> {
        if self.is_tnef() {
            return Some(Place::Winmail);
        }
        if !self.is_calendar() {
            let unread = leaf.is_declared_calendar() && !self.bytes.trim_ascii().is_empty();
            return unread.then_some(Place::DamagedCalendar);
        }
        match leaf.encoding {
            _ if self.damaged || !calendar::is_clear(&self.bytes) => Some(Place::DamagedCalendar),
            Encoding::Uuencode => Some(Place::DamagedCalendar),
            _ if leaf.signed => Some(Place::SignedCalendar),
            _ => None,
        }
    }
}

impl Leaf {
    fn is_declared_calendar(&self) -> bool {
        let ics = |name: &String| {
            name.get(name.len().saturating_sub(4)..).is_some_and(|end| end.eq_ignore_ascii_case(".ics"))
        };
        matches!(self.kind.as_str(), "text/calendar" | "text/x-vcalendar" | "application/ics")
            || self.names.iter().any(ics)
    }
}

impl Shown {
    /// Notes whom a part shows for good.
    fn fix(&mut self, place: Place, content: &Content<'_>) {
        let (people, unknown) = if place == Place::Winmail {
            let tnef = tnef::read(&content.bytes);
            (tnef.recipients, tnef.unclear)
        } else {
            let unknown = content.damaged || !content.is_calendar() || !calendar::is_clear(&content.bytes);
            (calendar::people(&content.bytes), unknown)
        };
        let known_unknown = self.fixed.get(&place).is_some_and(Vec::is_empty);
        if unknown || known_unknown {
            self.fixed.insert(place, Vec::new());
        } else if !people.is_empty() {
            add(self.fixed.entry(place).or_default(), people);
        }
    }

    /// Everybody who is shown, in no order of importance.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.calendar.iter().chain(self.fixed.values().flatten())
    }
}

fn add(list: &mut Vec<Address>, people: Vec<Address>) {
    let mut seen: std::collections::HashSet<String> = list.iter().map(|address| address.key().to_owned()).collect();
    list.extend(people.into_iter().filter(|address| seen.insert(address.key().to_owned())));
}
