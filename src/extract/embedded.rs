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
    let mut group = String::new();
    for word in text.split_ascii_whitespace() {
        let word = word.trim_start_matches('>');
        if word.is_empty() {
            continue;
        }
        let plain = word.bytes().all(is_base64);
        if plain && (word.len() >= WORD || !group.is_empty()) {
            group.push_str(word);
            if word.len() >= WORD && !word.ends_with('=') {
                continue;
            }
        }
        close(&mut group, &mut found);
        if !plain && word.len() >= SHORTEST {
            for run in word.split(|character| !u8::try_from(character).is_ok_and(is_base64)) {
                group.push_str(run);
                close(&mut group, &mut found);
            }
        }
    }
    close(&mut group, &mut found);
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

/// Ends a group of base64 words and keeps it when it is a file.
fn close(group: &mut String, found: &mut Vec<Inside>) {
    if group.len() >= SHORTEST
        && let Some(bytes) = decoded(group)
        && is_file(&bytes)
    {
        found.push(Inside { how: "base64", name: None, bytes });
    }
    group.clear();
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
    fn uuencoded_files_and_data_urls_are_found() {
        let found = find("hello\nbegin 644 memo.txt\n#0V%T\n`\nend\n");
        assert_eq!((found[0].name.as_deref(), found[0].bytes.as_slice()), (Some("memo.txt"), b"Cat".as_slice()));
        assert_eq!(data_url("data:text/plain,%E5%B1%B1").unwrap().bytes, "山".as_bytes());
        assert_eq!(data_url("DATA:text/csv;base64,QSxC").unwrap().bytes, b"A,B");
        assert!(data_url("https://example.jp/").is_none());
    }
}
