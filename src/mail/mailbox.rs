//! Address lists (RFC 5322 3.4) read from the bytes of a field as tolerantly as mail clients read them, each entry with its place.
//! It refuses to drop text: what is no addr-spec is handed on as words, and what does not parse is said.

use std::ops::Range;

/// One entry of a list, between commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the value, surrounding blanks left out.
    pub span: Range<usize>,
    /// The addr-specs: what stands in angle brackets, or else every word with an `@`. Comments, folds and routes are taken out. Usually one, none for a bare name.
    pub addresses: Vec<Vec<u8>>,
    /// Everything else as bytes: display name, quoted strings without their quotes, comments; still in encoded words.
    pub words: Vec<u8>,
    /// The index of the group in [`List::groups`] it stands in.
    pub group: Option<usize>,
}

/// A group (RFC 5322 3.4 `display-name ":" [group-list] ";"`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where its name stands, without the colon.
    pub name: Range<usize>,
}

/// A list of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    pub entries: Vec<Entry>,
    pub groups: Vec<Group>,
    /// Why it cannot be read without doubt.
    pub damage: Option<&'static str>,
}

/// Reads the raw value of a recipient field. Never fails; linear in its length.
#[must_use]
pub fn read(value: &[u8]) -> List {
    let mut reader =
        Reader { value, at: 0, list: List::default(), entry: Building::default(), group: None, broken: [false; 3] };
    reader.run();
    reader.list
}

/// An entry while it is read.
#[derive(Default)]
struct Building {
    start: Option<usize>,
    end: usize,
    /// Contents of angle brackets.
    angles: Vec<Vec<u8>>,
    /// Text outside of brackets, comments and quotes, with the quoted strings that are local parts.
    free: Vec<u8>,
    /// Quoted strings and comments.
    aside: Vec<u8>,
}

struct Reader<'v> {
    value: &'v [u8],
    at: usize,
    list: List,
    entry: Building,
    group: Option<usize>,
    /// A quote, parenthesis or bracket was found to have no end: later ones are plain characters (this keeps the reading linear).
    broken: [bool; 3],
}

impl Reader<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.value.get(self.at) {
            match byte {
                b',' => self.finish(1),
                b';' => {
                    self.finish(1);
                    self.group = None;
                }
                b'"' if !self.broken[0] => self.quoted(),
                b'(' if !self.broken[1] => self.comment(),
                b'<' => self.angle(),
                b'[' if self.entry.free.ends_with(b"@") && !self.broken[2] => self.literal(),
                b':' if self.starts_group() => self.begin_group(),
                b' ' | b'\t' | b'\r' | b'\n' => {
                    self.entry.free.push(b' ');
                    self.at += 1;
                }
                _ => {
                    // This byte, and those behind it that have no meaning of their own.
                    let rest = &self.value[self.at + 1..];
                    let plain = rest
                        .iter()
                        .take_while(|byte| {
                            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@' | b'=' | b'?')
                        })
                        .count();
                    let end = self.at + 1 + plain;
                    self.mark(self.at, end);
                    self.entry.free.extend_from_slice(&self.value[self.at..end]);
                    self.at = end;
                }
            }
        }
        self.finish(0);
    }

    /// Notes that the entry covers these bytes.
    fn mark(&mut self, start: usize, end: usize) {
        self.entry.start.get_or_insert(start);
        self.entry.end = end;
    }

    fn damage(&mut self, what: &'static str) {
        self.list.damage.get_or_insert(what);
    }

    /// A quoted string: a local part when `@` follows, words otherwise.
    fn quoted(&mut self) {
        let Some(length) = quoted_length(&self.value[self.at..]) else {
            self.broken[0] = true;
            return self.damage("a quote without end");
        };
        let end = self.at + length;
        self.mark(self.at, end);
        let next = self.value[end..].iter().find(|byte| !byte.is_ascii_whitespace());
        if next == Some(&b'@') {
            self.entry.free.extend(self.value[self.at..end].iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        } else {
            self.entry.free.push(b' ');
            push_unescaped(&mut self.entry.aside, &self.value[self.at + 1..end - 1]);
        }
        self.at = end;
    }

    /// A comment with the comments inside it.
    fn comment(&mut self) {
        let Some(length) = comment_length(&self.value[self.at..]) else {
            self.broken[1] = true;
            return self.damage("a comment without end");
        };
        let end = self.at + length;
        self.mark(self.at, end);
        push_unescaped(&mut self.entry.aside, &self.value[self.at + 1..end - 1]);
        self.at = end;
    }

    /// An addr-spec in angle brackets.
    fn angle(&mut self) {
        let start = self.at;
        let mut spec = Vec::new();
        let mut at = start + 1;
        let closed = loop {
            match self.value.get(at) {
                Some(b'>') => break true,
                Some(b'"') if !self.broken[0] => match quoted_length(&self.value[at..]) {
                    Some(length) => {
                        spec.extend(self.value[at..at + length].iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
                        at += length;
                    }
                    None => self.broken[0] = true,
                },
                Some(b'(') if !self.broken[1] => match comment_length(&self.value[at..]) {
                    Some(length) => {
                        push_unescaped(&mut self.entry.aside, &self.value[at + 1..at + length - 1]);
                        at += length;
                    }
                    None => self.broken[1] = true,
                },
                // A comma stands in a route (`<@a,@b:c@d>`, RFC 5322 4.4); elsewhere the bracket was never closed.
                Some(b',') if !spec.starts_with(b"@") => break false,
                Some(b'<') | None => break false,
                Some(byte) if byte.is_ascii_whitespace() => at += 1,
                Some(_) => {
                    let rest = &self.value[at + 1..];
                    let end = at
                        + 1
                        + rest
                            .iter()
                            .take_while(|byte| {
                                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@')
                            })
                            .count();
                    spec.extend_from_slice(&self.value[at..end]);
                    at = end;
                }
            }
        };
        if !closed || self.broken[0] || self.broken[1] {
            self.damage("an angle bracket without end");
        }
        self.mark(start, if closed { at + 1 } else { at });
        self.at = if closed { at + 1 } else { at };
        self.entry.free.push(b' ');
        self.entry.angles.push(spec);
    }

    /// A domain literal (RFC 5322 3.4.1).
    fn literal(&mut self) {
        let Some(length) = memchr::memchr(b']', &self.value[self.at..]) else {
            self.broken[2] = true;
            return self.damage("a domain literal without end");
        };
        let end = self.at + length + 1;
        self.mark(self.at, end);
        self.entry.free.extend(self.value[self.at..end].iter().filter(|byte| !byte.is_ascii_whitespace()));
        self.at = end;
    }

    /// Does a colon here end a group's name? Not within an address, and not in `mailto:`.
    fn starts_group(&self) -> bool {
        let free = self.entry.free.trim_ascii();
        self.group.is_none()
            && self.entry.angles.is_empty()
            && !free.contains(&b'@')
            && !free.eq_ignore_ascii_case(b"mailto")
            && !self.value[self.at..].starts_with(b"://")
    }

    fn begin_group(&mut self) {
        let entry = std::mem::take(&mut self.entry);
        let name = entry.start.unwrap_or(self.at)..entry.end.max(entry.start.unwrap_or(self.at));
        self.list.groups.push(Group { name });
        self.group = Some(self.list.groups.len() - 1);
        // The name is shown to readers, so its words count; it has no address of its own.
        let mut words = entry.free;
        words.push(b' ');
        words.extend(entry.aside);
        if words.contains(&b'@') || memchr::memmem::find(&words, b"=?").is_some() {
            let at = self.at;
            self.list.entries.push(Entry { span: at..at, addresses: Vec::new(), words, group: self.group });
        }
        self.at += 1;
    }

    /// Ends the entry and skips its separator.
    fn finish(&mut self, separator: usize) {
        let entry = std::mem::take(&mut self.entry);
        self.at += separator;
        let Some(start) = entry.start else { return };
        let mut words = entry.aside;
        let addresses = if entry.angles.is_empty() {
            let (addresses, rest) = bare_addresses(&entry.free);
            words.push(b' ');
            words.extend(rest);
            addresses
        } else {
            words.push(b' ');
            words.extend_from_slice(&entry.free);
            if entry.angles.len() > 1 {
                self.damage("two addresses without a comma between them");
            }
            entry.angles.iter().map(|spec| clean(spec)).filter(|spec| !spec.is_empty()).collect()
        };
        for address in &addresses {
            if memchr::memchr_iter(b'@', address).count() > 1 {
                self.damage("an address with two @");
            }
        }
        self.list.entries.push(Entry { span: start..entry.end, addresses, words, group: self.group });
    }
}

/// The length of a quoted string with its quotes, or `None` without an end.
fn quoted_length(value: &[u8]) -> Option<usize> {
    let mut at = 1;
    while let Some(&byte) = value.get(at) {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// The length of a comment with its parentheses, or `None` without an end.
fn comment_length(value: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Adds the inside of a quoted string or comment, without the backslashes (RFC 5322 3.2.1 quoted-pair) and with a blank before it.
fn push_unescaped(out: &mut Vec<u8>, inside: &[u8]) {
    out.push(b' ');
    let mut bytes = inside.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            b'\r' | b'\n' => {}
            _ => out.push(byte),
        }
    }
}

/// The words with an `@` in text without brackets (blanks around `@` and `.` are obsolete syntax, RFC 5322 4.4), and the rest.
fn bare_addresses(free: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    if !free.contains(&b'@') {
        return (Vec::new(), free.to_vec());
    }
    let mut joined: Vec<u8> = Vec::with_capacity(free.len());
    let mut quoted = false;
    let mut blanks = false;
    for (index, &byte) in free.iter().enumerate() {
        if byte == b'"' && (index == 0 || free[index - 1] != b'\\') {
            quoted = !quoted;
        }
        if byte == b' ' && !quoted {
            blanks = true;
            continue;
        }
        let glued = matches!(byte, b'@' | b'.') || matches!(joined.last(), Some(b'@' | b'.'));
        if blanks && !glued && !joined.is_empty() {
            joined.push(0);
        }
        blanks = false;
        joined.push(byte);
    }
    let mut addresses = Vec::new();
    let mut rest = Vec::new();
    for word in joined.split(|byte| *byte == 0) {
        let spec = clean(word);
        let local = spec.iter().position(|byte| *byte == b'@');
        if local.is_some_and(|at| at > 0 && at + 1 < spec.len()) {
            addresses.push(spec);
        } else {
            rest.push(b' ');
            rest.extend_from_slice(word);
        }
    }
    (addresses, rest)
}

/// An addr-spec without what clients ignore: a route, `mailto:`, single quotes around it (Outlook), a final dot.
fn clean(spec: &[u8]) -> Vec<u8> {
    let mut spec = spec.trim_ascii();
    if spec.starts_with(b"@")
        && let Some(colon) = memchr::memrchr(b':', spec)
    {
        spec = &spec[colon + 1..];
    }
    if spec.len() > 7 && spec[..7].eq_ignore_ascii_case(b"mailto:") {
        spec = &spec[7..];
    }
    while let [b'\'' | b'<', inner @ ..] = spec {
        spec = inner;
    }
    while let [inner @ .., b'\'' | b'>' | b'.'] = spec {
        spec = inner;
    }
    spec.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(value: &str) -> Vec<String> {
        let list = read(value.as_bytes());
        assert_eq!(list.damage, None, "{value}");
        list.entries
            .iter()
            .flat_map(|entry| &entry.addresses)
            .map(|address| String::from_utf8_lossy(address).into_owned())
            .collect()
    }

    #[test]
    fn every_usual_form_gives_its_addresses() {
        for (value, expected) in [
            ("a@b.test", &["a@b.test"][..]),
            (" <a@b.test>", &["a@b.test"]),
            ("A B <a@b.test>, c@d.test,", &["a@b.test", "c@d.test"]),
            ("\"B, A\" <a@b.test>", &["a@b.test"]),
            ("\"a@b.test\" <a@b.test>", &["a@b.test"]),
            ("'a@b.test'", &["a@b.test"]),
            ("\"'a@b.test'\" <a@b.test>", &["a@b.test"]),
            ("a@b.test (A, B)", &["a@b.test"]),
            ("a (x) @ b (y) . test", &["a@b.test"]),
            ("<a@b.\r\n test>", &["a@b.test"]),
            ("<@r.test,@s.test:a@b.test>", &["a@b.test"]),
            ("Team: a@b.test, C <c@d.test>;, e@f.test", &["a@b.test", "c@d.test", "e@f.test"]),
            ("undisclosed-recipients:;", &[]),
            ("undisclosed-recipients: ;", &[]),
            ("Team:;, x@y.test", &["x@y.test"]),
            ("a@b.test; c@d.test;", &["a@b.test", "c@d.test"]),
            ("\"a b\"@c.test", &["\"a b\"@c.test"]),
            ("\"a..b\"@docomo.test", &["\"a..b\"@docomo.test"]),
            ("a..b.@docomo.test", &["a..b.@docomo.test"]),
            ("a@[192.0.2.1]", &["a@[192.0.2.1]"]),
            ("Taro", &[]),
            ("mailto:a@b.test, <mailto:c@d.test>", &["a@b.test", "c@d.test"]),
            ("=?UTF-8?B?6Zai5omA?= <a@b.test>,\r\n =?UTF-8?B?6Zai5omA?=\r\n <c@d.test>", &["a@b.test", "c@d.test"]),
            ("", &[]),
            (" , ,", &[]),
        ] {
            assert_eq!(addresses(value), expected, "{value}");
        }
    }

    #[test]
    fn what_does_not_parse_is_said_and_still_read() {
        for value in [
            "\"A <a@b.test>, c@d.test",
            "A (x <a@b.test>, c@d.test",
            "<a@b.test, c@d.test",
            "<a@b.test> <c@d.test>",
            "a@b.test@c.test",
        ] {
            let list = read(value.as_bytes());
            assert!(list.damage.is_some(), "{value}");
            let found: usize = list.entries.iter().map(|entry| entry.addresses.len()).sum();
            assert!(found > usize::from(!value.starts_with("a@")), "{value}: {list:?}");
        }
    }

    #[test]
    fn spans_cover_the_entry_without_its_separators() {
        let value = b" A <a@b.test> ,\r\n\tc@d.test (C)\r\n ,G: \"x\" <x@y.test>;";
        let spans: Vec<&[u8]> = read(value).entries.iter().map(|entry| &value[entry.span.clone()]).collect();
        assert_eq!(spans, [&b"A <a@b.test>"[..], b"c@d.test (C)", b"\"x\" <x@y.test>"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_with_spans_inside(value in proptest::collection::vec(proptest::sample::select(b"a@.,;:<>()\"\\[] \r\n=?\xE3".to_vec()), 0..60)) {
            let list = read(&value);
            let mut last = 0;
            for entry in &list.entries {
                prop_assert!(last <= entry.span.start && entry.span.start <= entry.span.end && entry.span.end <= value.len());
                last = entry.span.end;
            }
        }
    }
}
