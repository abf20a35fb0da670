//! Files encoded as text inside text: base64, uuencode and `data:` URLs.
//! It refuses random-looking words: what decodes to no known kind and to no text is left alone.

use super::kind::{self, Kind};
use super::read;
use super::{Extracted, PartInput, Role, Why};
use crate::limits::Budget;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Characters below which base64 is not worth a look.
const SHORTEST: usize = 200;
/// Characters of one word (line) of wrapped base64.
const WORD: usize = 16;

/// Tolerant base64 (RFC 4648 4): padding and trailing bits as they come.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One file found inside a text.
pub(super) struct Inside {
    how: &'static str,
    name: Option<String>,
    bytes: Vec<u8>,
}

/// Finds and reads the files inside a text.
pub(super) fn read(path: &str, text: &str, budget: &mut Budget, out: &mut Extracted) {
    read_all(path, find(text), budget, out);
}

/// Reads files found inside the text at `path`.
pub(super) fn read_all(path: &str, inside: Vec<Inside>, budget: &mut Budget, out: &mut Extracted) {
    for (index, file) in inside.into_iter().enumerate() {
        let place = match (&file.name, index) {
            (Some(name), _) => format!("{path}!{name}"),
            (None, 0) => format!("{path}!{}", file.how),
            (None, _) => format!("{path}!{}-{}", file.how, index + 1),
        };
        if budget.take_entry().is_err() || budget.take_bytes(file.bytes.len() as u64).is_err() {
            out.unread(&place, Why::Limit);
            return;
        }
        let input = PartInput {
            path: place,
            names: file.name.into_iter().collect(),
            declared_type: None,
            declared_charset: None,
            role: Role::Attachment,
            inline: file.how == "data",
            bytes: &file.bytes,
        };
        read::nested(&input, budget, out);
    }
}

/// Finds the files inside a text.
pub(super) fn find(text: &str) -> Vec<Inside> {
    let mut found = Vec::new();
    uuencoded(text, &mut found);
    let mut group = Group::default();
    for word in text.split_ascii_whitespace() {
        let word = word.trim_start_matches('>');
        if word.is_empty() {
            continue;
        }
        let plain = word.bytes().all(is_base64);
        if plain && (word.len() >= WORD || group.characters > 0) {
            group.push(word);
            if word.len() >= WORD && !word.ends_with('=') {
                continue;
            }
        }
        group.close(&mut found);
        if !plain && word.len() >= SHORTEST {
            let runs = word.split(|character| !u8::try_from(character).is_ok_and(is_base64));
            for run in runs.filter(|run| run.len() >= SHORTEST) {
                group.push(run);
                group.close(&mut found);
            }
        }
    }
    group.close(&mut found);
    found
}

/// A `data:` URL (RFC 2397).
pub(super) fn data_url(url: &str) -> Option<Inside> {
    let rest = url.trim_start().get(5..).filter(|_| url.trim_start()[..5].eq_ignore_ascii_case("data:"))?;
    let (kind, data) = rest.split_once(',')?;
    let bytes = if kind.to_ascii_lowercase().ends_with(";base64") {
        decoded(&data.split_ascii_whitespace().collect::<String>())?
    } else {
        percent_decoded(data)
    };
    (!bytes.is_empty()).then_some(Inside { how: "data", name: None, bytes })
}

/// `%E5` as octets (RFC 3986 2.1).
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let octet = (*byte == b'%')
            .then(|| bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(octet.unwrap_or(*byte));
        at += if octet.is_some() { 3 } else { 1 };
    }
    out
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// The value of a base64 character, in either alphabet (RFC 4648 4, 5).
fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Words of base64 that follow one another, decoded as they come: a text may be one such group, and is held once already.
#[derive(Default)]
struct Group {
    /// Characters so far, padding included.
    characters: usize,
    /// Bits that wait for a whole group of four characters, and how many characters they are.
    bits: u32,
    waiting: u8,
    bytes: Vec<u8>,
}

impl Group {
    fn push(&mut self, word: &str) {
        self.characters += word.len();
        self.bytes.reserve(word.len() / 4 * 3 + 3);
        // Padding is passed over wherever it stands.
        for value in word.bytes().filter_map(value) {
            self.bits = self.bits << 6 | value;
            self.waiting += 1;
            if self.waiting == 4 {
                self.bytes.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                (self.bits, self.waiting) = (0, 0);
            }
        }
    }

    /// Ends the group and keeps it when it is a file.
    fn close(&mut self, found: &mut Vec<Inside>) {
        let mut group = std::mem::take(self);
        if group.characters < SHORTEST {
            return;
        }
        match group.waiting {
            2 => group.bytes.extend_from_slice(&(group.bits << 12).to_be_bytes()[1..2]),
            3 => group.bytes.extend_from_slice(&(group.bits << 6).to_be_bytes()[1..3]),
            _ => {}
        }
        if is_file(&group.bytes) {
            found.push(Inside { how: "base64", name: None, bytes: group.bytes });
        }
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut clean: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b'=')
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    ENGINE.decode(clean).ok()
}

/// Is it of a kind that chance does not make? Kinds told by two bytes alone do not count.
fn is_file(bytes: &[u8]) -> bool {
    let kind = kind::of(bytes).kind;
    match kind {
        Kind::Binary | Kind::Empty | Kind::Audio | Kind::Arj | Kind::Pgp | Kind::Lzh | Kind::P7s => false,
        Kind::Doc => bytes.get(1) != Some(&0xA5),
        _ => true,
    }
}

/// Files between `begin 644 name` and `end` (POSIX uuencode).
fn uuencoded(text: &str, found: &mut Vec<Inside>) {
    let mut open: Option<(String, Vec<u8>)> = None;
    if !text.contains("begin ") {
        return;
    }
    for line in text.lines() {
        let line = line.trim_end();
        match &mut open {
            None => {
                let mut words = line.splitn(3, ' ');
                if words.next() == Some("begin")
                    && words
                        .next()
                        .is_some_and(|mode| mode.len() >= 3 && mode.bytes().all(|byte| byte.is_ascii_digit()))
                    && let Some(name) = words.next()
                {
                    open = Some((name.to_owned(), Vec::new()));
                }
            }
            Some((_, bytes)) => {
                if line == "end" || !uudecode(line, bytes) {
                    keep(open.take(), found);
                }
            }
        }
    }
    keep(open, found);
}

fn keep(file: Option<(String, Vec<u8>)>, found: &mut Vec<Inside>) {
    if let Some((name, bytes)) = file
        && !bytes.is_empty()
    {
        found.push(Inside { how: "uuencode", name: Some(name), bytes });
    }
}

/// Decodes one line; `false` when it is not one.
fn uudecode(line: &str, out: &mut Vec<u8>) -> bool {
    let line = line.as_bytes();
    let Some(first) = line.first() else { return true };
    if !line.iter().all(|byte| (b' '..=b'`').contains(byte)) {
        return false;
    }
    let value = |byte: u8| byte.wrapping_sub(b' ') & 0x3F;
    let length = usize::from(value(*first));
    let mut bytes = Vec::with_capacity(length + 3);
    for four in line[1..].chunks(4) {
        let at = |index: usize| four.get(index).map_or(0, |byte| value(*byte));
        bytes.extend([at(0) << 2 | at(1) >> 4, at(1) << 4 | at(2) >> 2, at(2) << 6 | at(3)]);
    }
    bytes.resize(length, 0);
    out.append(&mut bytes);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_quoted_and_inline_base64_is_found_and_hashes_are_not() {
        let csv = "氏名,電話,住所\n".repeat(20);
        let encoded = ENGINE.encode(&csv);
        let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        for text in [
            format!("よろしく\n{}\n以上", lines.join("\n")),
            format!("> {}\n", lines.join("\n> ")),
            format!(">{}\n", lines.join("\n>")),
            format!("{{\"data\":\"{encoded}\"}}"),
            encoded.replace('+', "-").replace('/', "_"),
        ] {
            let found = find(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].bytes, csv.as_bytes());
        }
        let hash = |n: u128| format!("{:064x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
        let hashes = (0..20).map(hash).collect::<Vec<_>>().join("\n");
        assert!(find(&hashes).is_empty());
        assert!(find("This is ordinary prose without any blob. ".repeat(50).as_str()).is_empty());
    }

    #[test]
    fn a_group_is_decoded_alike_in_one_word_or_many_with_or_without_its_end() {
        let csv = "氏名,電話,住所\n".repeat(20);
        let encoded = ENGINE.encode(&csv);
        for cut in 0..6 {
            let whole = &encoded[..encoded.len() - cut];
            let lines: Vec<&str> = whole.as_bytes().chunks(17).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let expected = decoded(whole).unwrap();
            for text in [whole.to_owned(), lines.join("\n"), format!("{whole}==\n"), format!("[{whole}]")] {
                assert_eq!(find(&text)[0].bytes, expected, "{text}");
            }
        }
    }

    #[test]
    fn uuencoded_files_and_data_urls_are_found() {
        let found = find("hello\nbegin 644 memo.txt\n#0V%T\n`\nend\n");
        assert_eq!((found[0].name.as_deref(), found[0].bytes.as_slice()), (Some("memo.txt"), b"Cat".as_slice()));
        assert_eq!(data_url("data:text/plain,%E5%B1%B1").unwrap().bytes, "山".as_bytes());
        assert_eq!(data_url("DATA:text/csv;base64,QSxC").unwrap().bytes, b"A,B");
        assert!(data_url("https://example.jp/").is_none());
    }
}
