//! What all archives have in common: entries go back to the entrance with their place, and everything that comes out is counted first.
//! It refuses to trust a name: whatever it says (`../`, `C:\`, a zero octet, a kilometre of letters) it is a label and opens nothing.

use super::kind::Kind;
use super::{Attachment, Content, Extracted, PartInput, Piece, Role, Why, read};
use crate::limits::Budget;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS};
use std::io::Read;

pub(super) mod cab;
pub(super) mod lzh;
pub(super) mod packed;
pub(super) mod rar;
pub(super) mod sevenz;
pub(super) mod tar;

/// Octets of a name that are kept. Paths are repeated for each piece of an entry, and no file system takes longer ones (PATH_MAX is 4096).
const LONGEST_NAME: usize = 4096;
/// Octets of names that the charset of an archive is guessed from.
const SAMPLE: usize = 64 * 1024;

/// Reads to the end or to the allowance, and takes what came from the budget.
pub(super) fn drain(entry: impl Read, allowance: u64, budget: &mut Budget) -> (Vec<u8>, Option<Why>) {
    let mut content = Vec::new();
    let result = entry.take(allowance.saturating_add(1)).read_to_end(&mut content);
    let missing = counted(&mut content, allowance, budget);
    (content, missing.or(result.is_err().then_some(Why::Damaged)))
}

/// Cuts what came out at its allowance, and takes it from the budget.
fn counted(content: &mut Vec<u8>, allowance: u64, budget: &mut Budget) -> Option<Why> {
    let over = content.len() as u64 > allowance;
    if over {
        content.truncate(usize::try_from(allowance).unwrap_or(usize::MAX));
    }
    let spent = budget.take_bytes(content.len() as u64).is_err();
    (over || spent).then_some(Why::Limit)
}

/// Hands on one entry, named in one or more readings; what is missing of it is recorded at its own place.
pub(super) fn entry(
    path: &str,
    names: Vec<String>,
    mut content: &[u8],
    missing: Option<Why>,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    let (place, names) = labelled(path, names, out);
    if let Some(why) = missing {
        out.unread(&place, why);
        // A character that was cut in two must not make the whole text look like one of another charset.
        if let Err(error) = std::str::from_utf8(content)
            && error.error_len().is_none()
        {
            content = &content[..error.valid_up_to()];
        }
    }
    let input = PartInput {
        path: place,
        names,
        declared_type: None,
        declared_charset: None,
        role: Role::Attachment,
        inline: false,
        bytes: content,
    };
    read::nested(&input, budget, out);
}

/// Records an entry under a password: its name is readable, its content is not.
pub(super) fn sealed(path: &str, names: Vec<String>, packed: u64, out: &mut Extracted) {
    let (place, names) = labelled(path, names, out);
    out.unread(&place, Why::Encrypted);
    out.attachments.push(Attachment {
        path: place.clone(),
        kind: Kind::Encrypted.as_str().to_owned(),
        bytes: packed,
        disguised: false,
        macros: false,
    });
    for name in names {
        out.pieces.push(Piece { path: place.clone(), role: Role::FileName, content: Content::Text(name) });
    }
}

/// The place of an entry, and its names; a name that is cut is not wholly read.
fn labelled(path: &str, mut names: Vec<String>, out: &mut Extracted) -> (String, Vec<String>) {
    let mut cut = false;
    for name in &mut names {
        if name.len() > LONGEST_NAME {
            name.truncate(name.floor_char_boundary(LONGEST_NAME));
            cut = true;
        }
    }
    let place = format!("{path}!{}", names.first().map_or("", String::as_str));
    if cut {
        out.unread(&place, Why::Limit);
    }
    (place, names)
}

/// A name as written: UTF-8 if it is that, else CP932, which Windows in Japan writes without saying so.
pub(super) fn name(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => SHIFT_JIS.decode_without_bom_handling(raw).0.into_owned(),
    }
}

/// The charset of names that do not say it and are not UTF-8: Shift_JIS or EUC-JP, by all names of the archive together.
fn charset<'a>(names: impl Iterator<Item = &'a [u8]>) -> &'static Encoding {
    let mut sample: Vec<u8> = Vec::new();
    for name in names.filter(|name| std::str::from_utf8(name).is_err()) {
        if sample.len() + name.len() > SAMPLE {
            break;
        }
        sample.extend_from_slice(name);
        sample.push(b'\n');
    }
    let fits = |encoding: &'static Encoding| !encoding.decode_without_bom_handling(&sample).1;
    match (fits(SHIFT_JIS), fits(EUC_JP)) {
        (false, true) => EUC_JP,
        (true, true) => {
            let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
            detector.feed(&sample, true);
            match detector.guess(Some(b"jp"), Utf8Detection::Deny) {
                guess if guess == EUC_JP => EUC_JP,
                _ => SHIFT_JIS,
            }
        }
        _ => SHIFT_JIS,
    }
}

/// The readings of a name in an archive of this charset, the better one first; a few octets may be right in both.
fn readings(raw: &[u8], charset: &'static Encoding) -> Vec<String> {
    if let Ok(name) = std::str::from_utf8(raw) {
        // A kanji in EUC-JP may be a letter of two octets in UTF-8 (表 is ɽ); Japanese in UTF-8 has three.
        let is_doubtful = charset == EUC_JP && !name.is_ascii() && name.chars().all(|letter| letter < '\u{800}');
        return match EUC_JP.decode(raw) {
            (other, _, false) if is_doubtful => vec![other.into_owned(), name.to_owned()],
            _ => vec![name.to_owned()],
        };
    }
    let mut names = vec![charset.decode_without_bom_handling(raw).0.into_owned()];
    let other = if charset == EUC_JP { SHIFT_JIS } else { EUC_JP };
    if let (other, _, false) = other.decode(raw)
        && !names.contains(&other.clone().into_owned())
    {
        names.push(other.into_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_the_charset_of_their_neighbours() {
        let encoded = |encoding: &'static Encoding| {
            ["名簿.csv", "児童/連絡先(緊急).xlsx", "表.txt", "ascii.txt"]
                .map(|name| encoding.encode(name).0.into_owned())
        };
        for encoding in [SHIFT_JIS, EUC_JP] {
            let names = encoded(encoding);
            let guess = charset(names.iter().map(Vec::as_slice));
            assert_eq!(guess, encoding);
            assert_eq!(readings(&names[0], guess)[0], "名簿.csv");
            assert_eq!(readings(&names[2], guess)[0], "表.txt");
            assert_eq!(readings(&names[3], guess), ["ascii.txt"]);
        }
    }
}
