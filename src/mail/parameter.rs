//! Structured MIME fields (Content-Type, Content-Disposition): the token in front and every reading of every parameter.
//! It refuses to settle on one reading of a file name: RFC 2231, encoded words, raw bytes and repetitions all count.

use super::header::unfold;
use super::{charset, encoded_word, transfer};

/// A field such as `text/plain; charset=utf-8; name="a.txt"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structured {
    /// The part before the first semicolon, in lower case, without comments and blanks.
    pub token: String,
    parameters: Vec<Parameter>,
}

/// One `name=value`, in the order they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    /// In lower case, without the marks of RFC 2231.
    name: String,
    /// The section number of RFC 2231 3 (`name*1`).
    section: Option<u32>,
    /// Percent-encoded (RFC 2231 4, a final `*`).
    extended: bool,
    value: Vec<u8>,
}

impl Structured {
    /// Reads the raw value of a field. Never fails.
    #[must_use]
    pub fn read(value: &[u8]) -> Self {
        let value = unfold(value);
        let mut pieces = split(&value).into_iter();
        let token = pieces
            .next()
            .unwrap_or_default()
            .iter()
            .filter(|byte| !byte.is_ascii_whitespace() && **byte != b'"')
            .map(|byte| char::from(byte.to_ascii_lowercase()))
            .collect();
        Self { token, parameters: pieces.filter_map(|piece| parameter(&piece)).collect() }
    }

    /// Every reading of a parameter, the most usual one first, without repetition.
    #[must_use]
    pub fn readings(&self, name: &str) -> Vec<String> {
        let mut readings = Vec::new();
        let mut add = |texts: Vec<String>| {
            for text in texts {
                if !text.is_empty() && !readings.contains(&text) {
                    readings.push(text);
                }
            }
        };
        let all: Vec<&Parameter> = self.parameters.iter().filter(|parameter| parameter.name == name).collect();
        let mut sections: Vec<&Parameter> =
            all.iter().copied().filter(|parameter| parameter.section.is_some()).collect();
        if !sections.is_empty() {
            // As they stand, too: some programs do not sort them.
            let unsorted = joined(&sections);
            sections.sort_by_key(|parameter| parameter.section);
            add(joined(&sections));
            add(unsorted);
        }
        for parameter in all.iter().filter(|parameter| parameter.section.is_none()) {
            add(joined(&[parameter]));
        }
        readings
    }

    /// The first reading of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.readings(name).into_iter().next()
    }

    /// Names and first readings of all parameters, in the order they stand.
    #[must_use]
    pub fn all(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        for parameter in &self.parameters {
            if !all.iter().any(|(name, _)| *name == parameter.name)
                && let Some(value) = self.get(&parameter.name)
            {
                all.push((parameter.name.clone(), value));
            }
        }
        all
    }
}

/// Splits at semicolons outside of quotes, and drops comments (RFC 2045 5.1 allows them).
fn split(value: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let mut quoted = false;
    let mut depth = 0_usize;
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        let Some(piece) = pieces.last_mut() else { break };
        match byte {
            b'\\' if quoted => {
                piece.push(byte);
                piece.extend(bytes.next());
            }
            b'"' if depth == 0 => {
                quoted = !quoted;
                piece.push(byte);
            }
            // A parenthesis in an unquoted file name (`a(1).pdf`) has no blank before it; a comment has.
            b'(' if !quoted
                && (depth > 0 || piece.last().is_none_or(|last| matches!(last, b' ' | b'\t')))
                && !in_value(piece) =>
            {
                depth += 1;
            }
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            b';' if !quoted => pieces.push(Vec::new()),
            _ => piece.push(byte),
        }
    }
    pieces
}

/// Does the piece already hold the beginning of an unquoted file name (`filename=a `)?
fn in_value(piece: &[u8]) -> bool {
    memchr::memchr(b'=', piece).is_some_and(|at| {
        let name = piece[..at].trim_ascii().to_ascii_lowercase();
        let value = piece[at + 1..].trim_ascii();
        (name.starts_with(b"filename") || name.starts_with(b"name")) && !value.is_empty() && !value.ends_with(b"\"")
    })
}

/// Reads one `name=value`.
fn parameter(piece: &[u8]) -> Option<Parameter> {
    let equals = memchr::memchr(b'=', piece)?;
    let written: String = piece[..equals]
        .iter()
        .filter(|byte| byte.is_ascii_graphic())
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    let (bare, extended) = match written.strip_suffix('*') {
        Some(bare) => (bare, true),
        None => (written.as_str(), false),
    };
    let (name, section) = match bare.split_once('*') {
        Some((name, number)) => (name, Some(number.parse().unwrap_or(u32::MAX))),
        None => (bare, None),
    };
    if name.is_empty() {
        return None;
    }
    Some(Parameter { name: name.to_owned(), section, extended, value: unquoted(piece[equals + 1..].trim_ascii()) })
}

/// A value without its quotes. A backslash before a quote or backslash goes; before other characters it stays, as in `C:\list.xls` or Shift_JIS.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"") else { return value.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        match (byte, inner.get(at + 1)) {
            (b'"', _) => break,
            (b'\\', Some(next @ (b'"' | b'\\'))) => {
                out.push(*next);
                at += 1;
            }
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

/// The readings of a parameter's sections put together.
fn joined(sections: &[&Parameter]) -> Vec<String> {
    let extended = sections.first().is_some_and(|first| first.extended);
    if extended || sections.iter().any(|section| section.extended) {
        let mut label = None;
        let mut bytes = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            let mut value = section.value.as_slice();
            if index == 0
                && section.extended
                && let Some((charset, rest)) = charset_prefix(value)
            {
                label = Some(charset);
                value = rest;
            }
            if section.extended {
                percent_decode(value, &mut bytes);
            } else {
                bytes.extend_from_slice(value);
            }
        }
        return charset::decode(&bytes, label.as_deref()).texts;
    }
    let bytes: Vec<u8> = sections.iter().flat_map(|section| section.value.iter().copied()).collect();
    let mut texts = encoded_word::readings(&bytes);
    // Percent signs in a plain value are decoded by some web mailers.
    if bytes.contains(&b'%') && bytes.is_ascii() {
        let mut decoded = Vec::new();
        percent_decode(&bytes, &mut decoded);
        if !decoded.is_ascii() {
            texts.extend(charset::decode(&decoded, None).texts);
        }
    }
    texts
}

/// `charset'language'` in front of an extended value (RFC 2231 4).
fn charset_prefix(value: &[u8]) -> Option<(String, &[u8])> {
    let first = memchr::memchr(b'\'', value)?;
    let second = first + 1 + memchr::memchr(b'\'', &value[first + 1..])?;
    Some((String::from_utf8_lossy(&value[..first]).into_owned(), &value[second + 1..]))
}

/// Decodes `%XX`; what is no code stays.
fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        if let (b'%', [high, low, after @ ..]) = (byte, tail)
            && let (Some(high), Some(low)) = (transfer::hex(*high), transfer::hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(byte);
            rest = tail;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_of_a_name_counts() {
        for (value, expected) in [
            (&b"attachment; filename=\"a.txt\""[..], &["a.txt"][..]),
            (b"attachment; filename=a b (1).txt", &["a b (1).txt"]),
            (b"attachment; filename=a(1).txt; x=y", &["a(1).txt"]),
            (b"attachment (comment; x=y); FileName = a.txt", &["a.txt"]),
            (b"attachment; filename*=UTF-8''%E5%90%8D%E7%B0%BF.xlsx", &["名簿.xlsx"]),
            (b"attachment; filename*0*=iso-2022-jp'ja'%1B$BL>; filename*1*=Jm%1B(B.xlsx", &["名簿.xlsx"]),
            (b"attachment; filename*1=\"c.xlsx\"; filename*0=\"ab\"", &["abc.xlsx", "c.xlsxab"]),
            (b"attachment; filename*0*=Shift_JIS''%96%BC%95; filename*1*=%EB.xlsx", &["名簿.xlsx"]),
            (b"attachment; filename=\"=?UTF-8?B?5ZCN57C/Lnhsc3g=?=\"", &["名簿.xlsx"]),
            (b"attachment; filename=\"=?ISO-2022-JP?B?GyRCTD5KbRsoQi54bHN4?=\"", &["名簿.xlsx"]),
            (b"attachment; filename=\"\x96\xBC\x95\xEB.xlsx\"", &["名簿.xlsx"]),
            (b"attachment; filename=\"\x1B$BL>Jm\x1B(B.xlsx\"", &["名簿.xlsx"]),
            (b"attachment; filename=a.txt; filename=b.exe", &["a.txt", "b.exe"]),
            (b"attachment; filename=a.txt; filename*=utf-8''b.exe", &["a.txt", "b.exe"]),
            (b"attachment; filename=\"%E5%90%8D.xlsx\"", &["%E5%90%8D.xlsx", "名.xlsx"]),
            (b"attachment; filename=\"unclosed.xlsx", &["unclosed.xlsx"]),
            (b"attachment; filename=\"C:\\list.xls\"", &["C:\\list.xls"]),
        ] {
            let read = Structured::read(value);
            assert_eq!(read.token, "attachment");
            assert!(
                expected.iter().all(|name| read.readings("filename").contains(&(*name).to_owned())),
                "{}: {:?}",
                String::from_utf8_lossy(value),
                read.readings("filename")
            );
            assert_eq!(read.readings("filename")[0], expected[0]);
        }
    }

    #[test]
    fn types_are_read_with_comments_and_folds() {
        let read =
            Structured::read(b" Text/Plain (really);\r\n\tcharset=\"ISO-2022-JP\" (Japanese);\r\n format=flowed");
        assert_eq!(read.token, "text/plain");
        assert_eq!(read.get("charset").as_deref(), Some("ISO-2022-JP"));
        assert_eq!(read.all().len(), 2);
        assert_eq!(Structured::read(b"").token, "");
        assert_eq!(Structured::read(b"text/plain; charset").get("charset"), None);
    }
}
