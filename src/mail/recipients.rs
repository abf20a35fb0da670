//! The recipients a mail client would show, read by two readers.
//! It refuses to choose between them: where they differ, the fact says so.

use super::header::{Header, unfold};
use super::{charset, encoded_word, mailbox, message};
use crate::address::Address;
use std::collections::HashSet;

/// The fields whose recipients every receiver sees (RFC 5322 3.6.3, 3.6.6; Apparently-To of old Sendmail).
pub const VISIBLE_FIELDS: [&str; 5] = ["to", "cc", "resent-to", "resent-cc", "apparently-to"];
/// The fields that must not leave (RFC 5322 3.6.3).
pub const BLIND_FIELDS: [&str; 2] = ["bcc", "resent-bcc"];

/// Everyone named in the recipient fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visible {
    /// Distinct addresses that a receiving client could show, in the order they stand.
    pub addresses: Vec<Address>,
    /// Distinct addresses of Bcc and Resent-Bcc, which are taken out before the mail leaves.
    pub blind: Vec<Address>,
    /// Why the fields cannot be read without doubt; it names no address.
    pub unclear: Option<String>,
}

/// Distinct addresses in the order they came.
#[derive(Default)]
struct Distinct {
    seen: HashSet<String>,
    list: Vec<Address>,
}

impl Distinct {
    fn add(&mut self, address: Address) {
        if !self.seen.contains(address.key()) {
            self.seen.insert(address.key().to_owned());
            self.list.push(address);
        }
    }
}

/// Reads the recipient fields of a mail, by our own reader and by the MIME library.
#[must_use]
pub fn read(raw: &[u8]) -> Visible {
    let header = Header::scan(raw);
    let mut visible = Distinct::default();
    let mut blind = Distinct::default();
    let mut proper: Vec<Address> = Vec::new();
    let mut unclear = None;
    for field in header.fields() {
        let shown = VISIBLE_FIELDS.contains(&field.name.as_str());
        if !shown && !BLIND_FIELDS.contains(&field.name.as_str()) {
            continue;
        }
        let found = field_addresses(header.value(field));
        if shown {
            if let Some(what) = found.damage {
                unclear.get_or_insert_with(|| format!("{} holds {what}", field.name));
            }
            // The library does not read Apparently-To, so there is nothing to compare.
            if field.name != "apparently-to" {
                proper.extend(found.proper.iter().cloned());
            }
        }
        let list = if shown { &mut visible } else { &mut blind };
        for address in found.proper.into_iter().chain(found.mentioned) {
            list.add(address);
        }
    }
    let reading = message::library_recipients(&raw[..header.body()]);
    let library: Vec<Address> = reading.iter().flatten().flat_map(|text| library_addresses(text)).collect();
    let library_keys: HashSet<&str> = library.iter().map(Address::key).collect();
    let differs = reading.is_none()
        || library.iter().any(|address| !visible.seen.contains(address.key()))
        || proper.iter().any(|address| !library_keys.contains(address.key()));
    if differs {
        unclear.get_or_insert_with(|| "two readers of the recipient fields see different addresses".to_owned());
        for address in library {
            visible.add(address);
        }
    }
    Visible { addresses: visible.list, blind: blind.list, unclear }
}

/// The addresses of one recipient field.
#[derive(Debug, Default)]
pub struct FieldAddresses {
    /// Those a mail would go to: addr-specs.
    pub proper: Vec<Address>,
    /// Those that stand elsewhere: in display names, quoted strings, comments, encoded words, broken syntax.
    pub mentioned: Vec<Address>,
    /// Why the field cannot be read without doubt.
    pub damage: Option<&'static str>,
}

/// Reads the raw value of one recipient field, as it is and with its charset decoded.
#[must_use]
pub fn field_addresses(value: &[u8]) -> FieldAddresses {
    let mut found = FieldAddresses::default();
    let list = mailbox::read(value);
    found.damage = list.damage;
    collect(&list, &mut found);
    if found.damage.is_some() {
        found.mentioned.extend(runs(&String::from_utf8_lossy(&unfold(value))));
    }
    // Raw bytes of another charset may hold commas, quotes and brackets as second halves of characters.
    if std::str::from_utf8(value).is_err() || value.contains(&0x1B) {
        for text in charset::decode(value, None).texts {
            let list = mailbox::read(text.as_bytes());
            let mut other = FieldAddresses { damage: list.damage, ..FieldAddresses::default() };
            collect(&list, &mut other);
            let same = other.proper.len() == found.proper.len()
                && other.proper.iter().zip(&found.proper).all(|(one, two)| one == two);
            if !same || other.damage != found.damage {
                found.damage.get_or_insert("text in an undeclared charset that can be read in two ways");
            }
            found.mentioned.extend(other.proper);
            found.mentioned.extend(other.mentioned);
        }
    }
    found
}

/// Takes the addresses out of a list.
fn collect(list: &mailbox::List, found: &mut FieldAddresses) {
    for entry in &list.entries {
        for address in &entry.addresses {
            let text = String::from_utf8_lossy(address);
            if text.contains('@') {
                found.proper.push(Address::new(&text));
            } else if text.contains("=?") {
                found.mentioned.extend(runs(&encoded_word::decode(address)));
            }
        }
        found.mentioned.extend(mentioned(entry));
    }
}

/// The addresses that an entry mentions besides its own. One equal to its own, also with letters in front (`mail=a@b.test`), is none.
#[must_use]
pub fn mentioned(entry: &mailbox::Entry) -> Vec<Address> {
    let encoded = memchr::memmem::find(&entry.words, b"=?").is_some();
    let at = entry.words.contains(&b'@') || contains_wide_at(&entry.words);
    if !encoded && !at {
        return Vec::new();
    }
    let mut found = if at { runs(&String::from_utf8_lossy(&entry.words)) } else { Vec::new() };
    if encoded {
        found.extend(encoded_word::readings(&entry.words).iter().flat_map(|text| runs(text)));
    }
    if found.is_empty() {
        return found;
    }
    let own: Vec<Address> =
        entry.addresses.iter().map(|address| Address::new(&String::from_utf8_lossy(address))).collect();
    let belongs = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_' | '+' | '&');
    found.retain(|address| {
        !own.iter().any(|own| address.key().strip_suffix(own.key()).is_some_and(|before| !before.ends_with(belongs)))
    });
    found
}

/// Every address-like run in a text: ASCII characters of a dot-atom (RFC 5322 3.2.3) on the left of an `@`, a domain name on its right.
#[must_use]
pub fn runs(text: &str) -> Vec<Address> {
    if text.contains(WIDE_AT) {
        return runs(&text.replace(WIDE_AT, "@"));
    }
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for at in memchr::memchr_iter(b'@', bytes) {
        let left = bytes[..at]
            .iter()
            .rev()
            .take(MAX_LOCAL)
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(byte))
            .count();
        let right = bytes[at + 1..]
            .iter()
            .take(MAX_DOMAIN)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
            .count();
        let local = text[at - left..at].trim_start_matches(['\'', '/', '.', '=', '`']);
        let domain = text[at + 1..at + 1 + right].trim_matches(['.', '-']);
        if !local.is_empty() && !domain.is_empty() {
            found.push(Address::new(&format!("{local}@{domain}")));
        }
    }
    found
}

/// What people type for an `@` on a Japanese keyboard, and take for one when they read it.
const WIDE_AT: [char; 2] = ['\u{FF20}', '\u{FE6B}'];

fn contains_wide_at(words: &[u8]) -> bool {
    WIDE_AT.iter().any(|wide| memchr::memmem::find(words, wide.encode_utf8(&mut [0; 4]).as_bytes()).is_some())
}

/// Octets of a local part (RFC 5321 4.5.3.1.1 says 64; senders exceed it).
const MAX_LOCAL: usize = 320;
/// Octets of a domain (RFC 5321 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

/// The addresses that the MIME library reads in a value of a recipient field.
#[must_use]
pub fn library_reading(value: &[u8]) -> Vec<Address> {
    let field = [b"To: ", value, b"\r\n\r\n"].concat();
    message::library_recipients(&field).iter().flatten().flat_map(|text| library_addresses(text)).collect()
}

/// The addresses in one text of the library, without what it leaves around them and our reader takes off.
fn library_addresses(text: &str) -> Vec<Address> {
    let text = text.trim();
    let text = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &text[7..],
        _ => text,
    };
    let text = match text.strip_prefix('@').and_then(|rest| rest.rsplit_once(':')) {
        Some((_, routed)) => routed,
        None => text,
    };
    let text = text.trim_matches('\'').trim_end_matches('.');
    let Some((local, domain)) = text.rsplit_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty())
    else {
        return Vec::new();
    };
    // Several words or addresses run together: only what looks like an address in it is one.
    let whole = !domain.contains([' ', ',']) && (local.starts_with('"') || !local.contains([' ', ',', '@']));
    if whole { vec![Address::new(text)] } else { runs(text) }
}
