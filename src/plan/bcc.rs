//! Bcc: outside addresses are taken out of To and Cc, inside ones stay as they were written.
//! It refuses to trust its own surgery: a field that still shows a removed address to either reader is written anew, or dropped.

use super::{Change, Copy, Visible};
use crate::address::Address;
use crate::mail::envelope::Recipient;
use crate::mail::header::{Edits, Field, Header};
use crate::mail::mailbox::{self, Entry, List};
use crate::mail::recipients::{self, VISIBLE_FIELDS};
use crate::rules::verdict::Tag;
use std::collections::HashSet;

/// One copy for all, without the outside addresses.
#[must_use]
pub fn copies(
    recipients: &[Recipient],
    visible: &[Address],
    is_internal: &dyn Fn(&Address) -> bool,
    tags: &[Tag],
) -> Vec<Copy> {
    vec![Copy {
        recipients: recipients.to_vec(),
        change: Change { visible: change(visible, is_internal), tags: tags.to_vec() },
    }]
}

/// What happens to the visible recipients: outside ones go.
#[must_use]
pub fn change(visible: &[Address], is_internal: &dyn Fn(&Address) -> bool) -> Visible {
    let outside: Vec<Address> = visible.iter().filter(|address| !is_internal(address)).cloned().collect();
    if outside.is_empty() { Visible::Keep } else { Visible::Remove(outside) }
}

/// Takes the hidden addresses out of all visible fields; when nothing is left in any of them, To becomes an empty group (RFC 5322 A.1.3).
pub(super) fn edit(header: &Header<'_>, hidden: &HashSet<&str>, edits: &mut Edits) {
    let mut first: Option<&Field> = None;
    let mut left = false;
    let mut touched = false;
    for field in header.fields().iter().filter(|field| VISIBLE_FIELDS.contains(&field.name.as_str())) {
        if first.is_none_or(|first| first.name != "to" && field.name == "to") {
            first = Some(field);
        }
        match without(header, field, hidden) {
            Rest::Unchanged { empty } => left |= !empty,
            Rest::Rewritten(bytes) => {
                left = true;
                touched = true;
                edits.replace(field, bytes);
            }
            Rest::Nothing => {
                touched = true;
                edits.remove(field);
            }
        }
    }
    if touched
        && !left
        && let Some(field) = first
    {
        edits.replace(field, b"To: undisclosed-recipients:;\r\n".to_vec());
    }
}

/// What is left of one field.
enum Rest {
    /// It shows none of the hidden addresses.
    Unchanged { empty: bool },
    /// Some entries are left.
    Rewritten(Vec<u8>),
    /// No entry is left.
    Nothing,
}

/// One field without the hidden addresses.
fn without(header: &Header<'_>, field: &Field, hidden: &HashSet<&str>) -> Rest {
    let value = header.value(field);
    let list = mailbox::read(value);
    if !shows(value, hidden) {
        return Rest::Unchanged { empty: list.entries.is_empty() && list.groups.is_empty() };
    }
    let name = header.whole(field).split(|byte| *byte == b':').next().unwrap_or_default();
    let name = if name.iter().all(u8::is_ascii_graphic) {
        String::from_utf8_lossy(name).into_owned()
    } else {
        field.name.clone()
    };
    if list.damage.is_none() && std::str::from_utf8(value).is_ok() {
        let items = kept(value, &list, hidden);
        if items.is_empty() {
            return Rest::Nothing;
        }
        let rewritten = items.join(&b",\r\n "[..]);
        if !shows(&rewritten, hidden) {
            return Rest::Rewritten(field_bytes(&name, &rewritten));
        }
    }
    // Last resort: the addresses that stay, alone.
    let bare: Vec<Vec<u8>> = recipients::field_addresses(value)
        .proper
        .iter()
        .filter(|address| !hidden.contains(address.key()))
        .filter_map(bare)
        .collect();
    let rewritten = bare.join(&b",\r\n "[..]);
    if bare.is_empty() || shows(&rewritten, hidden) {
        Rest::Nothing
    } else {
        Rest::Rewritten(field_bytes(&name, &rewritten))
    }
}

/// A field with its name as it was written.
pub(super) fn field_bytes(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b": ", value, b"\r\n"].concat()
}

/// An address as the only content of an entry; `None` when its text would not stay one.
pub(super) fn bare(address: &Address) -> Option<Vec<u8>> {
    let text = address.as_str();
    let plain = !text.is_empty()
        && !text.chars().any(|char| char.is_control() || char.is_whitespace() && !text.starts_with('"'));
    let entry = format!("<{text}>").into_bytes();
    let read = mailbox::read(&entry);
    let same = read.damage.is_none()
        && matches!(read.entries.as_slice(), [only] if matches!(only.addresses.as_slice(), [one] if Address::new(&String::from_utf8_lossy(one)) == *address));
    (plain && same).then_some(entry)
}

/// Does either reader see a hidden address in this value?
fn shows(value: &[u8], hidden: &HashSet<&str>) -> bool {
    let found = recipients::field_addresses(value);
    found.proper.iter().chain(&found.mentioned).any(|address| hidden.contains(address.key()))
        || recipients::library_reading(value).iter().any(|address| hidden.contains(address.key()))
}

/// The entries that stay, as they were written; groups keep their name around the members that stay.
fn kept(value: &[u8], list: &List, hidden: &HashSet<&str>) -> Vec<Vec<u8>> {
    let mut items: Vec<(usize, Vec<u8>)> = Vec::new();
    for entry in list.entries.iter().filter(|entry| entry.group.is_none()) {
        if let Some(bytes) = kept_entry(value, entry, hidden) {
            items.push((entry.span.start, bytes));
        }
    }
    for (index, group) in list.groups.iter().enumerate() {
        let members: Vec<&Entry> =
            list.entries.iter().filter(|entry| entry.group == Some(index) && !entry.span.is_empty()).collect();
        let stay: Vec<Vec<u8>> = members.iter().filter_map(|entry| kept_entry(value, entry, hidden)).collect();
        let title = list.entries.iter().filter(|entry| entry.group == Some(index) && entry.span.is_empty());
        let title_hides = title.flat_map(recipients::mentioned).any(|address| hidden.contains(address.key()));
        if stay.is_empty() && !members.is_empty() {
            continue;
        }
        let inside = stay.join(&b",\r\n "[..]);
        let bytes =
            if title_hides { inside } else { [value[group.name.clone()].trim_ascii(), b": ", &inside, b";"].concat() };
        if !bytes.is_empty() {
            items.push((group.name.start, bytes));
        }
    }
    items.sort_by_key(|(start, _)| *start);
    items.into_iter().map(|(_, bytes)| bytes).collect()
}

/// What stays of one entry: itself, its address alone when only its words show a hidden one, or nothing.
fn kept_entry(value: &[u8], entry: &Entry, hidden: &HashSet<&str>) -> Option<Vec<u8>> {
    let own: Vec<Address> = entry.addresses.iter().map(|text| Address::new(&String::from_utf8_lossy(text))).collect();
    let mentions = recipients::mentioned(entry).iter().any(|address| hidden.contains(address.key()));
    let stay: Vec<&Address> = own.iter().filter(|address| !hidden.contains(address.key())).collect();
    if !mentions && stay.len() == own.len() {
        return Some(value[entry.span.clone()].trim_ascii().to_vec());
    }
    let stay: Vec<Vec<u8>> = stay.into_iter().filter_map(bare).collect();
    if stay.is_empty() { None } else { Some(stay.join(&b",\r\n "[..])) }
}
