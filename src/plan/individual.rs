//! Individual mails: one copy for each outside recipient, in which he sees himself alone.
//! It refuses to let a copy carry any other recipient's address in its recipient fields.

use super::bcc::{bare, field_bytes};
use super::{Change, Copy, Visible, bcc};
use crate::address::Address;
use crate::mail::envelope::Recipient;
use crate::mail::header::{Edits, Header};
use crate::mail::mailbox;
use crate::mail::recipients::{self, VISIBLE_FIELDS};
use crate::rules::verdict::Tag;

/// One copy for all inside recipients without the outside addresses, and one for each outside recipient.
#[must_use]
pub fn copies(
    recipients: &[Recipient],
    visible: &[Address],
    is_internal: &dyn Fn(&Address) -> bool,
    tags: &[Tag],
) -> Vec<Copy> {
    let (inside, outside): (Vec<Recipient>, Vec<Recipient>) =
        recipients.iter().cloned().partition(|recipient| is_internal(&recipient.address));
    let mut copies = Vec::with_capacity(outside.len() + 1);
    if !inside.is_empty() {
        copies.extend(bcc::copies(&inside, visible, is_internal, tags));
    }
    copies.extend(outside.into_iter().map(|recipient| Copy {
        change: Change { visible: Visible::Only(recipient.address.clone()), tags: tags.to_vec() },
        recipients: vec![recipient],
    }));
    copies
}

/// To becomes this address alone, with the display name it had; the other recipient fields go.
pub(super) fn edit(header: &Header<'_>, only: &Address, edits: &mut Edits) {
    let fields: Vec<_> = header.fields().iter().filter(|field| VISIBLE_FIELDS.contains(&field.name.as_str())).collect();
    let entry = fields
        .iter()
        .find_map(|field| named_entry(header.value(field), only))
        .or_else(|| bare(only))
        .unwrap_or_else(|| b"undisclosed-recipients:;".to_vec());
    let to = field_bytes("To", &entry);
    for field in &fields {
        edits.remove(field);
    }
    match fields.iter().find(|field| field.name == "to").or(fields.first()) {
        Some(field) => edits.replace(field, to),
        None => edits.insert_bottom(&to),
    }
}

/// The entry of this address as it was written, if both readers see this address in it and no other.
fn named_entry(value: &[u8], only: &Address) -> Option<Vec<u8>> {
    let list = mailbox::read(value);
    if list.damage.is_some() || std::str::from_utf8(value).is_err() {
        return None;
    }
    list.entries.iter().find_map(|entry| {
        let own = matches!(entry.addresses.as_slice(), [one] if Address::new(&String::from_utf8_lossy(one)) == *only);
        if !own {
            return None;
        }
        let bytes = value[entry.span.clone()].trim_ascii();
        let found = recipients::field_addresses(bytes);
        let alone = found.damage.is_none() && found.proper.len() == 1 && found.mentioned.is_empty();
        let library_agrees = recipients::library_reading(bytes).iter().all(|address| address == only);
        (alone && library_agrees).then(|| bytes.to_vec())
    })
}
