//! Addresses in any octets: a path that is taken reads as itself again, and of two readers of a field none sees more than both together.
//! It refuses to say which addresses are good; it says that all parts of the program see the same one.

use super::canonical;
use mail_parser::MessageParser;
use sekisho::address::{Address, Domain};
use sekisho::mail::header::Header;
use sekisho::mail::{mailbox, recipients};
use sekisho::smtp::path::{Path, is_mailbox, path};
use std::collections::HashSet;

/// The input is a path of MAIL or RCPT, and the value of a recipient field.
pub fn check(input: &[u8]) {
    wire(input);
    wire(&[b"<", input, b">"].concat());
    list(input);
    field(input);
    both_readers(&[b"To: ", input].concat());
}

fn wire(text: &[u8]) {
    let Ok((Path::Mailbox(mailbox), rest)) = path(text) else { return };
    assert!(is_mailbox(mailbox), "{mailbox:?}");
    let again = format!("<{mailbox}>");
    assert_eq!(path(again.as_bytes()), Ok((Path::Mailbox(mailbox), &b""[..])));
    assert!(text.ends_with(&[again.trim_start_matches('<').as_bytes(), rest].concat()), "it is what came");
    assert!(!mailbox.contains(|char: char| char.is_control()), "{mailbox:?}");
    let address = Address::new(mailbox);
    assert_eq!(address.as_str(), mailbox);
    assert_eq!(Address::new(&mailbox.to_uppercase().to_lowercase()), Address::new(&mailbox.to_lowercase()));
    let Some(domain) = address.domain() else { return };
    assert_eq!(&Domain::new(domain.as_str()), domain, "folded once is folded");
    // A rule for the domain must see it, however it is written.
    let behind = &mailbox[mailbox.rfind('@').expect("a domain has one") + 1..];
    assert_eq!(&Domain::new(behind), domain);
    assert!(domain.as_str().is_ascii() || !behind.is_ascii(), "{behind:?} became {domain}");
}

fn list(value: &[u8]) {
    let list = mailbox::read(value);
    let mut last = 0;
    for entry in &list.entries {
        assert!(last <= entry.span.start && entry.span.start <= entry.span.end && entry.span.end <= value.len());
        last = entry.span.end;
        assert!(entry.group.is_none_or(|group| group < list.groups.len()));
    }
    for group in &list.groups {
        assert!(group.name.start <= group.name.end && group.name.end <= value.len());
    }
}

/// What reads without doubt reads the same when it stands alone.
fn field(value: &[u8]) {
    let found = recipients::field_addresses(value);
    if found.damage.is_some() {
        return;
    }
    for address in found.proper.iter().filter(|address| is_mailbox(address.as_str())) {
        let alone = recipients::field_addresses(format!("<{address}>").as_bytes());
        assert_eq!((alone.proper.as_slice(), alone.damage), (std::slice::from_ref(address), None), "{address}");
    }
}

/// Everyone whom our reader or the library shows is counted.
pub fn both_readers(mail: &[u8]) {
    let mail = canonical(mail);
    let counted = recipients::read(&mail);
    let counts = |address: &Address| counted.addresses.contains(address);
    let header = Header::scan(&mail);
    for field in header.fields().iter().filter(|field| recipients::VISIBLE_FIELDS.contains(&field.name.as_str())) {
        let found = recipients::field_addresses(header.value(field));
        for address in found.proper.iter().chain(&found.mentioned) {
            assert!(counts(address), "{address} is not counted in {}", mail.escape_ascii());
        }
    }
    let distinct: HashSet<&str> = counted.addresses.iter().map(Address::key).collect();
    assert_eq!(distinct.len(), counted.addresses.len());
    // The library reads the whole mail in another way than our second reader uses it.
    let Ok(theirs) = std::panic::catch_unwind(|| library(&mail)) else { return };
    for address in theirs {
        let address = Address::new(&address);
        assert!(counts(&address), "{address} of the library is not counted in {}", mail.escape_ascii());
    }
}

/// The plain addresses of To and Cc as the library gives them.
fn library(mail: &[u8]) -> Vec<String> {
    let plain = |text: &str| {
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+'))
        };
        text.split_once('@').is_some_and(|(local, domain)| {
            let dots = |part: &str| part.starts_with('.') || part.ends_with('.');
            word(local)
                && word(domain)
                && !dots(local)
                && !dots(domain)
                && !domain.starts_with('-')
                && !domain.ends_with('-')
        })
    };
    let Some(message) = MessageParser::default().parse(mail) else { return Vec::new() };
    let fields = [message.to(), message.cc()];
    let texts = fields.into_iter().flatten().flat_map(|field| field.iter()).filter_map(|one| one.address());
    texts.filter(|text| plain(text)).map(str::to_owned).collect()
}
