//! Header edits under any mail: what is not named stays octet by octet, and no address that shall be hidden is left anywhere.
//! It refuses to ask the editor what it did; the mail before and after is read anew.

use super::canonical;
use bytes::Bytes;
use sekisho::address::{Address, DomainSet};
use sekisho::mail::envelope::Recipient;
use sekisho::mail::header::Header;
use sekisho::mail::recipients::{self, BLIND_FIELDS, VISIBLE_FIELDS};
use sekisho::mail::shown::{self, Shown};
use sekisho::plan::{self, Change, Visible};
use sekisho::rules::verdict::{Repair, Tag};
use std::sync::LazyLock;

static INSIDE: LazyLock<DomainSet> = LazyLock::new(|| DomainSet::new(["in.test", "*.in.test"]));
const ENVELOPE: [&str; 4] = ["a@in.test", "b@out.test", "c@far.test", "\"d d\"@out.test"];
/// Fields whose addresses are the writer's own words or an identifier.
const WORDS: [&str; 14] = [
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

/// The first octet chooses the repair and the tags, the rest is the mail.
pub fn check(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let raw = Bytes::from(canonical(text));
    let repair = [Repair::AsIs, Repair::Bcc, Repair::Individual][usize::from(choice % 4).min(2)];
    let tags = match choice >> 4 {
        0 => vec![Tag::Subject("[外]".to_owned())],
        1 => vec![Tag::Header("X-Mark".to_owned(), "checked: 関所".to_owned())],
        _ => Vec::new(),
    };
    let envelope: Vec<Recipient> = ENVELOPE.iter().map(|text| Recipient::new(text)).collect();
    let outside = shown::read(&raw, None);
    let mut visible = recipients::read(&raw).addresses;
    visible.extend(outside.addresses().cloned());
    for copy in plan::copies(repair, &envelope, &visible, &|address| INSIDE.contains(address), &tags) {
        let sent = plan::render(&raw, &copy.change).concat();
        stays(&raw, &sent, &tags, outside == Shown::default());
        hides(&raw, &sent, &copy.change, outside.fixed.is_empty());
    }
}

/// All fields that no edit may name, and the body.
fn stays(raw: &[u8], sent: &[u8], tags: &[Tag], body: bool) {
    let (before, after) = (Header::scan(raw), Header::scan(sent));
    let rest = |mail: &[u8], header: &Header<'_>| mail[header.end()..].escape_ascii().to_string();
    assert!(!body || rest(raw, &before) == rest(sent, &after), "the body");
    let marked = |name: &str| match tags {
        [Tag::Subject(_)] => name == "subject",
        [Tag::Header(header, _)] => header.eq_ignore_ascii_case(name),
        _ => false,
    };
    let plain = |header: &Header<'_>| -> Vec<String> {
        let fields = header.fields().iter().filter(|field| {
            let name = field.name.as_str();
            let whole = header.whole(field);
            let named = whole.contains(&b'@') || memchr::memmem::find(whole, b"=?").is_some();
            let trace = !WORDS.contains(&name) && (named || name.contains("-to") || name == "received");
            // A signature that no longer holds goes.
            let signature = name == "dkim-signature" || name == "domainkey-signature" || name.starts_with("arc-");
            !signature && !VISIBLE_FIELDS.contains(&name) && !BLIND_FIELDS.contains(&name) && !marked(name) && !trace
        });
        fields.map(|field| header.whole(field).escape_ascii().to_string()).collect()
    };
    assert_eq!(plain(&before), plain(&after), "fields that nobody named");
}

fn hides(raw: &[u8], sent: &[u8], change: &Change, all: bool) {
    let header = Header::scan(sent);
    let blind = header.fields().iter().any(|field| BLIND_FIELDS.contains(&field.name.as_str()));
    assert!(!blind, "a Bcc field leaves: {}", sent.escape_ascii());
    let shown = recipients::read(sent);
    assert!(shown.blind.is_empty());
    let allowed = |address: &Address| match &change.visible {
        Visible::Keep => true,
        Visible::Remove(_) => INSIDE.contains(address),
        Visible::Only(only) => address == only,
    };
    if change.visible == Visible::Keep {
        assert_eq!(shown.addresses, recipients::read(raw).addresses);
        return;
    }
    for address in &shown.addresses {
        assert!(allowed(address), "{address} is left in {}", sent.escape_ascii());
    }
    let own: Vec<Address> = ["from", "sender"]
        .iter()
        .flat_map(|name| header.named(name))
        .flat_map(|field| recipients::field_addresses(header.value(field)).proper)
        .collect();
    for address in shown::read(sent, None).addresses().filter(|_| all) {
        assert!(allowed(address) || own.contains(address), "{address} is left in {}", sent.escape_ascii());
    }
    // Also where no reader of recipients looks: in whatever other field a program on the way may have written one.
    let hidden = recipients::read(raw);
    for field in header.fields().iter().filter(|field| !WORDS.contains(&field.name.as_str())) {
        let text = String::from_utf8_lossy(header.whole(field)).replace(['\r', '\n'], "");
        for address in recipients::runs(&text) {
            let known = hidden.addresses.contains(&address) || hidden.blind.contains(&address);
            assert!(!known || allowed(&address), "{address} is left in {text:?} of {}", sent.escape_ascii());
        }
    }
}
