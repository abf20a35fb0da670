//! The people of a calendar (RFC 5545): who is named in ATTENDEE and ORGANIZER, and the lines that change when some of them must not be shown.
//! It refuses to re-serialise: a line that names nobody hidden stays byte for byte, and what is left is still a valid invitation.

use super::recipients;
use super::transfer::{self, hex};
use crate::address::Address;
use std::ops::Range;

/// How a calendar names a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// ATTENDEE (RFC 5545 3.8.4.1), and people in properties of programs' own.
    Attendee,
    /// ORGANIZER (RFC 5545 3.8.4.3).
    Organizer,
}

/// Who shall not be shown.
pub type Hides<'f> = &'f dyn Fn(&Address, Role) -> bool;

/// The address of nobody, as Outlook writes it ([MS-OXCICAL] 2.1.3.1.1.20.2): a request must name an organizer and an attendee (RFC 5546 3.2.2).
const NOBODY: &str = "invalid:nomail";
/// Octets of a content line without its line end (RFC 5545 3.1).
const LINE_OCTETS: usize = 75;

/// Does this content begin as a calendar does?
#[must_use]
pub fn is_calendar(text: &[u8]) -> bool {
    const BEGIN: &[u8] = b"BEGIN:VCALENDAR";
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text).trim_ascii_start();
    text.get(..BEGIN.len()).is_some_and(|start| start.eq_ignore_ascii_case(BEGIN))
}

/// Do all clients read the same lines in it? A CR that no LF follows is the end of a line for some, and other control characters have no place in
/// a calendar (RFC 5545 3.1).
#[must_use]
pub fn is_clear(text: &[u8]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let (line, _, octets) = next_line(rest);
        let last = rest.get(octets - 1);
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') || last == Some(&b'\r') {
            return false;
        }
        rest = &rest[octets..];
    }
    true
}

/// The addresses that a client shows as people of the calendar, in the order they stand, with repetitions.
#[must_use]
pub fn people(text: &[u8]) -> Vec<Address> {
    let lines = lines(text);
    let named = lines.iter().filter_map(person);
    named.flat_map(|person| person.main.into_iter().chain(person.mentioned)).collect()
}

/// The lines to change, as ranges of the text and what comes in their place, so that nobody who is hidden is named.
#[must_use]
pub fn without(text: &[u8], hides: Hides<'_>) -> Vec<(Range<usize>, Vec<u8>)> {
    let mut changes: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let mut open = vec![Component::default()];
    for line in lines(text) {
        match line.name.as_str() {
            "BEGIN" => open.push(Component::default()),
            "END" if open.len() > 1 => {
                if let Some(closed) = open.pop() {
                    closed.end(&mut changes);
                }
            }
            _ => {}
        }
        let Some(person) = person(&line) else { continue };
        let outcome = reduced(&line, &person, hides);
        let attendees = open.last_mut().filter(|_| line.name == "ATTENDEE");
        match (outcome, attendees) {
            (Outcome::Stays, Some(component)) => component.stay += 1,
            (Outcome::Stays, None) => {}
            (Outcome::Shorter(bytes), attendees) => {
                if let Some(component) = attendees {
                    component.stay += 1;
                }
                changes.push((line.range.clone(), folded(&bytes, line.end)));
            }
            (Outcome::Goes, attendees) => {
                if let Some(component) = attendees {
                    component.first.get_or_insert((changes.len(), line.end));
                }
                let nobody = if person.role == Role::Organizer {
                    folded(format!("ORGANIZER:{NOBODY}").as_bytes(), line.end)
                } else {
                    Vec::new()
                };
                changes.push((line.range.clone(), nobody));
            }
        }
    }
    for component in open {
        component.end(&mut changes);
    }
    changes
}

/// The attendees of a component while it is read.
#[derive(Default)]
struct Component {
    stay: usize,
    /// The change that took the first one out, and its line end.
    first: Option<(usize, &'static [u8])>,
}

impl Component {
    /// When no attendee is left, nobody takes the place of the first.
    fn end(self, changes: &mut [(Range<usize>, Vec<u8>)]) {
        if let (0, Some((index, end))) = (self.stay, self.first)
            && let Some((_, bytes)) = changes.get_mut(index)
        {
            *bytes = folded(format!("ATTENDEE;CN=undisclosed:{NOBODY}").as_bytes(), end);
        }
    }
}

/// A content line (RFC 5545 3.1).
struct Line {
    /// Where it stands, folds and line end included.
    range: Range<usize>,
    /// Unfolded, without its line end.
    text: Vec<u8>,
    end: &'static [u8],
    /// In upper case, without parameters.
    name: String,
}

/// The next line without its end, that end as it is written anew, and how many octets both are. CRLF and LF end a line; so do CRs in front of one,
/// and a CR alone, since there are clients that take them so.
fn next_line(text: &[u8]) -> (&[u8], &'static [u8], usize) {
    let Some(at) = memchr::memchr2(b'\r', b'\n', text) else { return (text, b"\r\n", text.len()) };
    let returns = text[at..].iter().take_while(|byte| **byte == b'\r').count();
    match (returns, text.get(at + returns)) {
        (0, _) => (&text[..at], b"\n", at + 1),
        (_, Some(b'\n')) => (&text[..at], b"\r\n", at + returns + 1),
        _ => (&text[..at], b"\r\n", at + returns),
    }
}

/// The content lines of a text; a blank at the beginning of the next line folds it.
fn lines(text: &[u8]) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let mut at = if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    while at < text.len() {
        let (line, end, octets) = next_line(&text[at..]);
        let next = at + octets;
        match found.last_mut() {
            Some(before) if matches!(line.first(), Some(b' ' | b'\t')) => {
                before.text.extend_from_slice(&line[1..]);
                before.range.end = next;
            }
            // vCalendar 1.0 folds quoted-printable text by a `=` at the end of the line.
            Some(before) if before.text.ends_with(b"=") && is_quoted_printable(&before.text) => {
                before.text.pop();
                before.text.extend_from_slice(line);
                before.range.end = next;
            }
            _ => found.push(Line { range: at..next, text: line.to_vec(), end, name: String::new() }),
        }
        at = next;
    }
    for line in &mut found {
        let name = line.text.split(|byte| matches!(byte, b';' | b':')).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        line.name = name.trim_matches(|char: char| char.is_whitespace() || char.is_control()).to_ascii_uppercase();
    }
    found
}

fn is_quoted_printable(line: &[u8]) -> bool {
    // Parameters stand at the beginning; a long line is not searched again for each of its folds.
    let head =
        line[..line.len().min(1_000)].split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_uppercase();
    memchr::memmem::find(&head, b"QUOTED-PRINTABLE").is_some()
}

/// Whom a line names.
struct Person {
    role: Role,
    /// The calendar user address (RFC 5545 3.3.3).
    main: Option<Address>,
    /// All others: in CN, SENT-BY, DELEGATED-TO, MEMBER, EMAIL and whatever programs add.
    mentioned: Vec<Address>,
}

/// The person of an ATTENDEE or ORGANIZER line, or of a line of a program's own that names one (`X-…:mailto:`).
fn person(line: &Line) -> Option<Person> {
    let role = match line.name.as_str() {
        "ATTENDEE" => Role::Attendee,
        "ORGANIZER" => Role::Organizer,
        name if name.starts_with("X-") && contains_mailto(&line.text) => Role::Attendee,
        _ => return None,
    };
    let value = &line.text[parts(&line.text).1..];
    let main = main_address(value);
    let mut mentioned = mentions(&line.text);
    if let Some(main) = &main {
        mentioned.retain(|address| address != main);
    }
    Some(Person { role, main, mentioned })
}

fn contains_mailto(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    memchr::memmem::find(&lower, b"mailto:").is_some()
}

/// The address of a value such as `mailto:a@example.jp`, with percent signs decoded (RFC 6068 2), or `Name <a@example.jp>` of vCalendar 1.0.
fn main_address(value: &[u8]) -> Option<Address> {
    let value = decoded(value);
    let text = String::from_utf8_lossy(&value);
    let text = text.trim().trim_matches(['"', '<', '>']);
    match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => {
            let address = text[7..].split('?').next().unwrap_or_default().trim().trim_matches(['<', '>']);
            address.contains('@').then(|| Address::new(address))
        }
        _ => recipients::runs(text).pop(),
    }
}

/// Percent signs decoded.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (byte, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(*byte);
            rest = tail;
        }
    }
    out
}

/// Every address in a text, as it stands and with percent signs and quoted-printable decoded.
fn mentions(text: &[u8]) -> Vec<Address> {
    let mut found = recipients::runs(&String::from_utf8_lossy(text));
    if text.contains(&b'%') {
        found.extend(recipients::runs(&String::from_utf8_lossy(&decoded(text))));
    }
    if is_quoted_printable(text) {
        found.extend(recipients::runs(&String::from_utf8_lossy(&transfer::quoted_printable(text).bytes)));
    }
    // `mailto:a@x` without the colon is no address of its own.
    found.retain(|address| !address.as_str().to_ascii_lowercase().starts_with("mailto:"));
    found
}

/// What becomes of a line.
enum Outcome {
    Stays,
    Shorter(Vec<u8>),
    Goes,
}

/// A line without the hidden: it goes when its own person is hidden, and loses the parameters that mention a hidden one.
fn reduced(line: &Line, person: &Person, hides: Hides<'_>) -> Outcome {
    if person.main.as_ref().is_some_and(|main| hides(main, person.role)) {
        return Outcome::Goes;
    }
    let named = |text: &[u8]| {
        let own = |address: &Address| person.main.as_ref() == Some(address);
        mentions(text).iter().any(|address| !own(address) && hides(address, Role::Attendee))
    };
    if !named(&line.text) {
        return Outcome::Stays;
    }
    let (parameters, value) = parts(&line.text);
    let mut shorter = line.name.clone().into_bytes();
    for parameter in parameters.into_iter().map(|range| &line.text[range]).filter(|parameter| !named(parameter)) {
        shorter.push(b';');
        shorter.extend_from_slice(parameter);
    }
    shorter.push(b':');
    shorter.extend_from_slice(&line.text[value..]);
    if named(&shorter) { Outcome::Goes } else { Outcome::Shorter(shorter) }
}

/// The parameters of a line, and where its value begins. Quotes hide `;` and `:` (RFC 5545 3.1).
fn parts(text: &[u8]) -> (Vec<Range<usize>>, usize) {
    let mut parameters: Vec<Range<usize>> = Vec::new();
    let mut quoted = false;
    let mut start: Option<usize> = None;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b';' | b':' if !quoted => {
                parameters.extend(start.map(|start| start..at));
                start = Some(at + 1);
                if byte == b':' {
                    return (parameters, at + 1);
                }
            }
            _ => {}
        }
    }
    // Without a value, or with a quote that has no end, everything is value.
    (Vec::new(), memchr::memchr(b':', text).map_or(0, |at| at + 1))
}

/// A line with its folds (RFC 5545 3.1), which cut no UTF-8 character.
fn folded(line: &[u8], end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + 8);
    let mut room = LINE_OCTETS;
    let mut rest = line;
    while rest.len() > room {
        let mut cut = room;
        while cut > room - 4 && rest[cut] & 0xC0 == 0x80 {
            cut -= 1;
        }
        out.extend_from_slice(&rest[..cut]);
        out.extend_from_slice(end);
        out.push(b' ');
        rest = &rest[cut..];
        room = LINE_OCTETS - 1;
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(end);
    out
}

/// A text with its changes.
#[must_use]
pub fn changed(text: &[u8], changes: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for (range, bytes) in changes {
        out.extend_from_slice(&text[at..range.start.max(at)]);
        out.extend_from_slice(bytes);
        at = range.end.max(at);
    }
    out.extend_from_slice(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hides(address: &Address, _: Role) -> bool {
        !address.key().ends_with("@city.test")
    }

    fn scrubbed(lines: &str) -> String {
        let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{lines}END:VEVENT\nEND:VCALENDAR\n").replace('\n', "\r\n");
        let out = String::from_utf8(changed(text.as_bytes(), &without(text.as_bytes(), &hides))).unwrap();
        let out = out.replace("\r\n", "\n");
        let inner = out.strip_prefix("BEGIN:VCALENDAR\nBEGIN:VEVENT\n").unwrap();
        inner.strip_suffix("END:VEVENT\nEND:VCALENDAR\n").unwrap().to_owned()
    }

    #[test]
    fn hidden_people_go_and_everything_else_stays_as_it_was() {
        let own = "ATTENDEE;CN=\"A; B: C\":MAILTO:a@city.test\n";
        let nobody = "ATTENDEE;CN=undisclosed:invalid:nomail\n";
        for (lines, left) in [
            ("ATTENDEE:mailto:x@out.test\n", nobody.to_owned()),
            ("ATTENDEE:mailto:x@out.test\nattendee:MAILTO:y@out.test\n", nobody.to_owned()),
            (&format!("{own}ATTENDEE;ROLE=CHAIR:mailto:x@out.test\n"), own.to_owned()),
            (&format!("ATTENDEE;ROLE=CHAIR:mail\n to:x@ou\n\tt.test\n{own}"), own.to_owned()),
            (&format!("ATTENDEE;CN=\"x:;y\":mailto:x%40out.test\n{own}"), own.to_owned()),
            ("ORGANIZER;CN=Boss:mailto:x@out.test\n", "ORGANIZER:invalid:nomail\n".to_owned()),
            ("ORGANIZER;CN=Boss:mailto:b@city.test\n", "ORGANIZER;CN=Boss:mailto:b@city.test\n".to_owned()),
            (
                "ORGANIZER;SENT-BY=\"mailto:x@out.test\";CN=B:mailto:b@city.test\n",
                "ORGANIZER;CN=B:mailto:b@city.test\n".to_owned(),
            ),
            ("ATTENDEE;CN=x@out.test:mailto:a@city.test\n", "ATTENDEE:mailto:a@city.test\n".to_owned()),
            ("ATTENDEE;CN=X;EMAIL=x@out.test:urn:uuid:1\n", "ATTENDEE;CN=X:urn:uuid:1\n".to_owned()),
            ("X-MS-OLK-SENDER:mailto:x@out.test\nX-NOTE:x@out.test\n", "X-NOTE:x@out.test\n".to_owned()),
            (
                "DESCRIPTION:ask x@out.test\nCONTACT:x@out.test\n",
                "DESCRIPTION:ask x@out.test\nCONTACT:x@out.test\n".to_owned(),
            ),
            (&format!("ATTENDEE;ENCODING=QUOTED-PRINTABLE:X <x=40ou=\nt.test>\n{own}"), own.to_owned()),
            (&format!("ATTENDEE:mailto:太郎@例え.test\n{own}"), own.to_owned()),
            (&format!("ATTENDEE;CN=\"open:mailto:x@out.test\n{own}"), own.to_owned()),
            (
                &format!("BEGIN:VALARM\nATTENDEE:mailto:x@out.test\nEND:VALARM\n{own}"),
                format!("BEGIN:VALARM\n{nobody}END:VALARM\n{own}"),
            ),
            (
                "ATTENDEE;MEMBER=\"mailto:x@out.test\",\"mailto:y@out.test\";CN=とても長い名前の人とても長い名前の人とても長い名前の人:mailto:a@city.test\n",
                "ATTENDEE;CN=とても長い名前の人とても長い名前の人とても\n 長い名前の人:mailto:a@city.test\n".to_owned(),
            ),
        ] {
            assert_eq!(scrubbed(lines), left, "{lines}");
        }
    }

    #[test]
    fn ends_of_lines_that_only_some_clients_take_are_ends() {
        let own = "ATTENDEE:mailto:a@city.test\r\n";
        for (lines, left, clear) in [
            ("ATTENDEE:mailto:x@ou\r\r\n t.test\r\r\n", "", true),
            ("SUMMARY:s\rATTENDEE:mailto:x@out.test\rLOCATION:l\r\n", "SUMMARY:s\rLOCATION:l\r\n", false),
            ("\r\r\rATTENDEE ;CN=X:mailto:x@out.test\r", "\r\r\r", false),
            ("ATTENDEE\u{b};CN=X:mailto:x@out.test\r\n", "", false),
            ("ATTENDEE;CN=X\t:mailto:x@out.test", "", true),
        ] {
            let text = format!("BEGIN:VCALENDAR\r\n{own}{lines}");
            let out = changed(text.as_bytes(), &without(text.as_bytes(), &hides));
            assert_eq!(String::from_utf8(out).unwrap(), format!("BEGIN:VCALENDAR\r\n{own}{left}"), "{lines:?}");
            assert_eq!(is_clear(text.as_bytes()), clear, "{lines:?}");
        }
    }

    #[test]
    fn people_are_named_by_value_and_by_parameter() {
        let text = b"BEGIN:VCALENDAR\nORGANIZER:mailto:o@a.test\nATTENDEE;SENT-BY=\"mailto:s@a.test\":MAILTO:\n b@a.test\nSUMMARY:c@a.test\n";
        let keys: Vec<String> = people(text).iter().map(|address| address.key().to_owned()).collect();
        assert_eq!(keys, ["o@a.test", "b@a.test", "s@a.test"]);
        assert!(is_calendar(b"\xEF\xBB\xBF\r\nbegin:vcalendar\r\n") && !is_calendar(b"BEGIN:VCARD"));
    }

    proptest! {
        #[test]
        fn nobody_hidden_is_left_and_other_lines_are_untouched(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "ATTENDEE", "ORGANIZER", ";CN=", "\"", ":", ";", "mailto:", "x@out.test", "a@city.test", "\r\n", "\r\n ",
                "BEGIN:VEVENT\r\n", "END:VEVENT\r\n", "X-A:mailto:", "=", "%40", "ENCODING=QUOTED-PRINTABLE", "SUMMARY:x@out.test\r\n", "\u{5C71}", "\n",
            ]), 0..40)
        ) {
            let text = format!("BEGIN:VCALENDAR\r\n{}\r\nEND:VCALENDAR\r\n", parts.concat());
            let changes = without(text.as_bytes(), &hides);
            let out = changed(text.as_bytes(), &changes);
            let left: Vec<_> = people(&out).into_iter().filter(|address| hides(address, Role::Attendee)).collect();
            prop_assert!(left.is_empty(), "{left:?} in\n{}", String::from_utf8_lossy(&out));
            let kept = |line: &Line| !matches!(line.name.as_str(), "ATTENDEE" | "ORGANIZER") && !line.name.starts_with("X-");
            let others = |text: &[u8]| {
                lines(text).iter().filter(|line| kept(line)).flat_map(|line| text[line.range.clone()].to_vec()).collect::<Vec<u8>>()
            };
            prop_assert_eq!(others(text.as_bytes()), others(&out));
        }

        #[test]
        fn any_bytes_are_read(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let changes = without(&text, &|_, _| true);
            let _ = changed(&text, &changes);
        }
    }
}
