//! Calendars and address cards as lines of text: unfolded (RFC 5545 3.1), unescaped, quoted-printable of vCard 2.1 decoded.
//! It refuses to interpret properties; attendees and names are for those who need them.

use super::text;

/// Turns the content lines of a calendar or card into plain lines.
pub(super) fn plain(bytes: &[u8], source: &str) -> String {
    if memchr::memmem::find(bytes, b"QUOTED-PRINTABLE").is_some()
        || memchr::memmem::find(bytes, b"quoted-printable").is_some()
    {
        return quoted_printable(bytes);
    }
    unescaped(&unfolded(source))
}

fn unfolded(source: &str) -> String {
    source.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
}

/// `\n`, `\,`, `\;` and `\\` (RFC 5545 3.3.11).
fn unescaped(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n' | 'N') => out.push('\n'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

/// vCard 2.1: lines with `ENCODING=QUOTED-PRINTABLE`, in the charset they name, continued by a final `=`.
fn quoted_printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    while let Some(line) = lines.next() {
        let split = line.iter().position(|byte| *byte == b':').map_or((line, &[][..]), |at| line.split_at(at + 1));
        let name = String::from_utf8_lossy(split.0).to_ascii_uppercase();
        if !name.contains("QUOTED-PRINTABLE") {
            out.push_str(&text::decode(line, None).into_iter().next().unwrap_or_default());
            out.push('\n');
            continue;
        }
        let mut value = split.1.to_vec();
        while value.last() == Some(&b'=') {
            value.pop();
            let Some(next) = lines.next() else { break };
            value.extend_from_slice(next);
        }
        let charset =
            name.split(';').find_map(|field| field.trim_end_matches(':').strip_prefix("CHARSET=").map(str::to_owned));
        let name = name.split(';').next().unwrap_or_default();
        out.push_str(name.trim_end_matches(':'));
        out.push(':');
        out.push_str(&text::decode(&octets(&value), charset.as_deref()).into_iter().next().unwrap_or_default());
        out.push('\n');
    }
    out
}

/// `=8E` as an octet (RFC 2045 6.7).
fn octets(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        let hex = value.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        if let (b'=', Some(octet)) = (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            out.push(octet);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_escaped_and_quoted_lines_become_plain() {
        let calendar = "ATTENDEE;CN=A:mailto:very.long.na\r\n me@example.jp\r\nLOCATION:港区\\, 東京\r\n";
        assert_eq!(
            plain(calendar.as_bytes(), calendar),
            "ATTENDEE;CN=A:mailto:very.long.name@example.jp\nLOCATION:港区, 東京\n"
        );
        let card = b"BEGIN:VCARD\r\nN;CHARSET=SHIFT_JIS;ENCODING=QUOTED-PRINTABLE:=8E=52=\r\n=93=63\r\nEND:VCARD\r\n";
        assert_eq!(plain(card, ""), "BEGIN:VCARD\nN:山田\nEND:VCARD\n\n");
    }
}
