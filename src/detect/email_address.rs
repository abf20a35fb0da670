//! Mail addresses in content.
//! It refuses to look at the mail's own recipients: those are facts of the envelope, not of the content.
//!
//! *What it finds*: addr-specs in text and cells; ten or more outside ones in a mail are a list, and each is then a person.
//! *Why it matters*: a list of addresses in the body is the To-leak in another form.
//! *Form and check digit (with source)*: RFC 5322 3.4.1 dot-atom; domain of at least two labels (RFC 1035 2.3.1).
//! *What lifts it*: nothing; the form is certain.
//! *What it must not take*: role addresses as persons (info@, support@ …), internal addresses, Message-IDs, the sender's and the recipients' own.
//! *Examples*: `taro@example.com` certain; `info@example.com` counts as data, never as a person.

use super::context::{Entity, Scan, Weight};
use super::{Confidence, Kind, hash};

/// Local parts that stand for an office and not for a person.
const ROLES: &[&str] = &[
    "info",
    "support",
    "sales",
    "contact",
    "admin",
    "office",
    "webmaster",
    "postmaster",
    "noreply",
    "no-reply",
    "donotreply",
    "help",
    "helpdesk",
    "inquiry",
    "toiawase",
    "soumu",
    "jinji",
    "keiri",
    "kouhou",
    "koho",
    "pr",
    "press",
    "recruit",
    "saiyo",
    "abuse",
    "hostmaster",
    "root",
    "mailer-daemon",
    "daemon",
    "news",
    "newsletter",
    "customer",
    "service",
    "staff",
    "team",
    "desk",
    "center",
    "jimukyoku",
    "mail",
    "marketing",
    "billing",
    "security",
    "privacy",
    "order",
    "shop",
    "form",
    "system",
    "alert",
    "notification",
    "notify",
    "bounce",
    "eigyo",
];

/// Characters of a domain (RFC 5321 4.5.3.1.2).
const DOMAIN: usize = 255;

/// Is this the address of an office?
#[must_use]
pub fn is_role(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or("");
    let head = local.split(['+']).next().unwrap_or("").trim_end_matches(|char: char| char.is_ascii_digit());
    ROLES.iter().any(|role| head.eq_ignore_ascii_case(role))
}

fn local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

/// The addr-spec around an `@` at this offset: its bounds.
#[must_use]
pub fn around(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut start = at;
    while start > 0 && local_byte(bytes[start - 1]) {
        start -= 1;
    }
    while start < at && !(bytes[start].is_ascii_alphanumeric() || bytes[start] == b'_') {
        start += 1;
    }
    let rest = &text[at + 1..];
    let mut end = at + 1;
    for (offset, char) in rest.char_indices() {
        let japanese = !char.is_ascii() && char.is_alphanumeric() && !('ぁ'..='ゖ').contains(&char);
        // A domain in Japanese letters (IDN) is taken only when it goes on to an ASCII top level.
        if char.is_ascii_alphanumeric() || char == '-' || char == '.' {
            end = at + 1 + offset + 1;
        } else if !(japanese
            && rest[offset..].chars().take(DOMAIN).take_while(|next| !next.is_whitespace()).any(|next| next == '.')
            && offset == 0)
        {
            break;
        }
    }
    while end > at + 1 && matches!(bytes[end - 1], b'.' | b'-') {
        end -= 1;
    }
    let domain = &text[at + 1..end];
    let top = domain.rsplit('.').next()?;
    (start < at
        && domain.contains('.')
        && !domain.contains("..")
        && at - start <= 64
        && top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_alphabetic()))
    .then_some((start, end))
}

/// Hash of an address in its comparison form.
#[must_use]
pub fn key(address: &str) -> u64 {
    hash::of_chars(address.chars().map(|char| char.to_ascii_lowercase()))
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    let mut done = 0;
    let mut around_here = Surroundings::default();
    for at in memchr::memchr_iter(b'@', scan.text.as_bytes()) {
        if at < done {
            continue;
        }
        if let Some((start, end)) = around(scan.text, at) {
            done = end;
            // `https://user@host` and `<id@host>` of a Message-ID are not mailboxes.
            around_here.go_on(scan.text.as_bytes(), start);
            let head = &scan.text[around_here.line..start];
            if head.ends_with("//")
                || starts_with_ignore_case(head, "message-id:")
                || starts_with_ignore_case(head, "references:")
                || starts_with_ignore_case(head, "in-reply-to:")
                || around_here.url
            {
                continue;
            }
            let address = &scan.text[start..end];
            out.push(Entity {
                kind: Kind::EmailAddress,
                confidence: Confidence::Certain,
                weight: if is_role(address) { Weight::None } else { Weight::Soft },
                hash: key(address),
                start,
                end,
            });
        }
    }
}

/// What stands before a position, read on from one address to the next: a text may be one line of a million addresses.
#[derive(Default)]
struct Surroundings {
    /// Up to where the text was read.
    seen: usize,
    /// Where the line begins, and the word that has no blank, `<` or `"` in it.
    line: usize,
    word: usize,
    /// `://` stands in that word.
    url: bool,
}

impl Surroundings {
    fn go_on(&mut self, bytes: &[u8], at: usize) {
        if let Some(found) = memchr::memrchr(b'\n', &bytes[self.seen..at]) {
            self.line = self.seen + found + 1;
            (self.word, self.url) = (self.line, false);
        }
        let rest = self.seen.max(self.line);
        if let Some(found) = memchr::memrchr3(b' ', b'<', b'"', &bytes[rest..at]) {
            (self.word, self.url) = (rest + found + 1, false);
        }
        // Two octets of it may have been read before.
        let rest = self.word.max(self.seen.saturating_sub(2));
        self.url |= memchr::memmem::find(&bytes[rest..at], b"://").is_some();
        self.seen = at;
    }
}

fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_out_of_text() {
        for (text, want) in [
            ("宛先taro.yamada@example.co.jpです", Some("taro.yamada@example.co.jp")),
            ("<a+b@x.test>", Some("a+b@x.test")),
            ("end a@example.com.", Some("a@example.com")),
            ("@mention", None),
            ("a@b", None),
            ("v1@2.3", None),
        ] {
            let at = text.find('@').expect("an @");
            assert_eq!(around(text, at).map(|(start, end)| &text[start..end]), want, "{text}");
        }
    }

    #[test]
    fn what_stands_before_an_address_is_known_however_far_away() {
        use super::super::context::Buffers;
        let far = "x,".repeat(5_000);
        for (text, want) in [
            (format!("a@example.com,{far}b@example.com"), vec!["a@example.com", "b@example.com"]),
            (format!("c@x.test {far}https://x/?{far}a@example.com b@example.com"), vec!["c@x.test", "b@example.com"]),
            ("a@x.test:/\u{2F}b@y.test".replace("test:", "test ht:"), vec!["a@x.test"]),
            (format!("a@x.test\nReferences: <b@x.test> {far} <c@x.test>\nd@x.test"), vec!["a@x.test", "d@x.test"]),
            ("http://h/?a@x.test\nb@x.test,<c@x.test>".to_owned(), vec!["b@x.test", "c@x.test"]),
        ] {
            let mut buffers = Buffers::default();
            let mut out = Vec::new();
            find(&buffers.scan(&text), &mut out);
            assert_eq!(out.iter().map(|found| &text[found.start..found.end]).collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn offices_are_no_persons() {
        assert!(is_role("info@example.jp"));
        assert!(is_role("Sales2@example.jp"));
        assert!(!is_role("information.taro@example.jp"));
    }
}
