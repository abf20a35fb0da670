//! One copy of a mail as bytes: the mail that came, with the header lines and the calendar lines of its change written anew.
//! It refuses to copy the body, and to let a Bcc field or a trace of a hidden recipient leave.

use super::{Change, Visible, bcc, individual, signature};
use crate::address::Address;
use crate::mail::calendar::Role;
use crate::mail::encoded_word;
use crate::mail::header::{Edits, Field, Header, HeaderValue, unfold, write_field};
use crate::mail::recipients::{self, BLIND_FIELDS, VISIBLE_FIELDS};
use crate::mail::shown;
use crate::rules::verdict::Tag;
use bytes::Bytes;
use std::collections::HashSet;

/// The bytes of one copy, in pieces that share everything unchanged with `raw`.
///
/// Bcc and Resent-Bcc never leave. A mail without them and without a change comes back as it is.
#[must_use]
pub fn render(raw: &Bytes, change: &Change) -> Vec<Bytes> {
    let header = Header::scan(raw);
    let mut edits = Edits::default();
    let mut hidden: Vec<Address> = Vec::new();
    for field in header.fields() {
        if BLIND_FIELDS.contains(&field.name.as_str()) {
            let found = recipients::field_addresses(header.value(field));
            hidden.extend(found.proper.into_iter().chain(found.mentioned));
            edits.remove(field);
        }
    }
    match &change.visible {
        Visible::Keep => {
            if !hidden.is_empty() {
                let shown = recipients::read(&raw[..header.body()]).addresses;
                hidden.retain(|address| !shown.contains(address));
            }
        }
        Visible::Remove(addresses) => {
            hidden.extend_from_slice(addresses);
            let keys: HashSet<&str> = addresses.iter().map(Address::key).collect();
            bcc::edit(&header, &keys, &mut edits);
        }
        Visible::Only(only) => {
            // Reading all recipients for each of as many copies is the dearest part of them; most mails have no field that needs it.
            if header.fields().iter().any(|field| may_trace(&header, field)) {
                hidden.extend(recipients::read(&raw[..header.body()]).addresses);
                hidden.retain(|address| address != only);
            }
            individual::edit(&header, only, &mut edits);
        }
    }
    let rewritten = change.visible != Visible::Keep;
    if rewritten || !hidden.is_empty() {
        let keys: HashSet<&str> = hidden.iter().map(Address::key).collect();
        hide_traces(&header, &keys, rewritten, &mut edits);
    }
    hide_attendees(raw, &header, &change.visible, &mut edits);
    for tag in &change.tags {
        mark(&header, tag, &mut edits);
    }
    signature::drop_broken(&header, &mut edits);
    edits.apply(raw, header.end())
}

/// Takes out of the calendars whom the recipient fields no longer show. The organizer of an individual copy stays when the mail is from him.
fn hide_attendees(raw: &[u8], header: &Header<'_>, visible: &Visible, edits: &mut Edits) {
    match visible {
        Visible::Keep => {}
        Visible::Remove(addresses) => {
            let hidden: HashSet<&str> = addresses.iter().map(Address::key).collect();
            shown::hide(raw, &|address, _| hidden.contains(address.key()), edits);
        }
        Visible::Only(only) => {
            let own: Vec<Address> = ["from", "sender"]
                .iter()
                .flat_map(|name| header.named(name))
                .flat_map(|field| recipients::field_addresses(header.value(field)).proper)
                .collect();
            let author = |address: &Address, role| role == Role::Organizer && own.contains(address);
            shown::hide(raw, &|address, role| address != only && !author(address, role), edits);
        }
    }
}

/// Fields in which an address is the sender's own statement or part of an identifier, not a trace of the delivery.
const STATEMENTS: [&str; 14] = [
    "from",
    "sender",
    "reply-to",
    "resent-from",
    "resent-sender",
    "subject",
    "message-id",
    "resent-message-id",
    "in-reply-to",
    "references",
    "return-path",
    "disposition-notification-to",
    "content-id",
    "dkim-signature",
];

/// Fields in which programs on the way write envelope recipients (RFC 9228 Delivered-To, RFC 3798 Original-Recipient, the others by habit).
const TRACES: [&str; 9] = [
    "delivered-to",
    "original-recipient",
    "envelope-to",
    "x-envelope-to",
    "x-original-to",
    "x-delivered-to",
    "x-rcpt-to",
    "x-real-to",
    "x-apparently-to",
];

/// Takes out what names a hidden recipient outside of the recipient fields. In a `rewritten` copy every trace of the envelope goes, since it may name recipients that no field shows.
fn hide_traces(header: &Header<'_>, hidden: &HashSet<&str>, rewritten: bool, edits: &mut Edits) {
    for field in header.fields() {
        let name = field.name.as_str();
        if !speaks_of_delivery(name) {
            continue;
        }
        if rewritten && TRACES.contains(&name) {
            edits.remove(field);
            continue;
        }
        let whole = header.whole(field);
        let cut =
            if name == "received" { without_for(whole, |clause| rewritten || names_any(clause, hidden)) } else { None };
        let named = |bytes: &[u8]| names_any(bytes, hidden);
        match cut {
            Some(bytes) if !named(&bytes) => edits.replace(field, bytes),
            None if !named(whole) => {}
            _ => edits.remove(field),
        }
    }
}

/// May a field name a recipient without being a recipient field or the sender's own statement?
fn speaks_of_delivery(name: &str) -> bool {
    !(STATEMENTS.contains(&name) || VISIBLE_FIELDS.contains(&name) || BLIND_FIELDS.contains(&name))
}

/// Could [`hide_traces`] find a hidden address in this field of a rewritten copy?
fn may_trace(header: &Header<'_>, field: &Field) -> bool {
    let name = field.name.as_str();
    // Of a Received field only what is left without its `for` clause is looked at; that any `@` is in it is reason enough.
    speaks_of_delivery(name) && !TRACES.contains(&name) && may_name(header.whole(field))
}

/// Can there be any address in these bytes?
fn may_name(bytes: &[u8]) -> bool {
    bytes.contains(&b'@') || memchr::memmem::find(bytes, b"=?").is_some()
}

/// Is a hidden address written in these bytes, plainly or in encoded words?
fn names_any(bytes: &[u8], hidden: &HashSet<&str>) -> bool {
    if !may_name(bytes) {
        return false;
    }
    let plain = unfold(bytes);
    let mut texts = vec![String::from_utf8_lossy(&plain).into_owned()];
    if memchr::memmem::find(&plain, b"=?").is_some() {
        texts.extend(encoded_word::readings(&plain));
    }
    texts.iter().flat_map(|text| recipients::runs(text)).any(|address| hidden.contains(address.key()))
}

/// A Received field without its `for` clause (RFC 5321 4.4), if it has one that shall go.
fn without_for(whole: &[u8], goes: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let lower = whole.to_ascii_lowercase();
    let start = memchr::memmem::find_iter(&lower, b"for").find(|at| {
        let before = at.checked_sub(1).and_then(|at| lower.get(at)).is_some_and(u8::is_ascii_whitespace);
        before && lower.get(at + 3).is_some_and(u8::is_ascii_whitespace)
    })?;
    let rest = &whole[start + 3..];
    let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let word = rest[blanks..].iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b';').count();
    let clause = &rest[blanks..blanks + word];
    if !clause.contains(&b'@') || !goes(clause) {
        return None;
    }
    let end = start + 3 + blanks + word;
    let before = whole[..start].trim_ascii_end();
    Some([before, &whole[end..]].concat())
}

/// Adds one mark.
fn mark(header: &Header<'_>, tag: &Tag, edits: &mut Edits) {
    match tag {
        Tag::Header(name, value) => {
            if let Ok(value) = HeaderValue::new(value) {
                edits.insert_top(&write_field(name, &value));
            }
        }
        Tag::Subject(text) => {
            let Ok(prefix) = HeaderValue::new(text) else { return };
            match header.named("subject").next() {
                Some(field) => {
                    if let Some(bytes) = marked_subject(header, field, prefix.as_str()) {
                        edits.replace(field, bytes);
                    }
                }
                None => edits.insert_bottom(&write_field("Subject", &prefix)),
            }
        }
    }
}

/// A Subject with a prefix in front of its value, whose bytes stay; `None` when the prefix is in it already (also behind `Re:`).
fn marked_subject(header: &Header<'_>, field: &Field, prefix: &str) -> Option<Vec<u8>> {
    let value = header.value(field);
    if prefix.is_empty() || encoded_word::decode(value).contains(prefix) {
        return None;
    }
    let mut bytes = b"Subject: ".to_vec();
    let encoded = encoded_word::encode(prefix, bytes.len());
    bytes.extend_from_slice(&encoded);
    let value = value.trim_ascii_start();
    if !value.is_empty() {
        let word = encoded.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len);
        let first = value.split(|byte| *byte == b'\r' || *byte == b'\n').next().map_or(0, <[u8]>::len);
        // RFC 2047 2: a line that holds an encoded word has at most 76 octets.
        bytes.extend_from_slice(if word + first + 10 > 76 { b"\r\n " } else { b" " });
        bytes.extend_from_slice(value);
    }
    bytes.extend_from_slice(b"\r\n");
    Some(bytes)
}
