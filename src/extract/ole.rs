//! Embedded objects in the forms that OLE gives them (MS-OLEDS): files in a package, OLE 1.0 objects, and the bytes they hold.
//! It refuses to follow a link, and to go beyond the bytes that are there whatever lengths they claim.

use super::read;
use super::{Extracted, PartInput, Role, Why};
use crate::limits::Budget;

/// Bytes of the longest name in a package.
const LONGEST_NAME: usize = 1024;

/// One embedded object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object<'a> {
    /// The file's name, when it has one.
    pub name: Option<String>,
    pub bytes: &'a [u8],
    /// Fewer bytes are there than the object claims.
    pub cut: bool,
}

/// Hands an object on as a part inside `path`; `number` names one without a name.
pub(super) fn hand_on(path: &str, number: usize, object: &Object<'_>, budget: &mut Budget, out: &mut Extracted) {
    let place = match &object.name {
        Some(name) => format!("{path}!{name}"),
        None => format!("{path}!object{number}"),
    };
    if budget.take_entry().is_err() || budget.take_bytes(object.bytes.len() as u64).is_err() {
        out.unread(&place, Why::Limit);
        return;
    }
    if object.cut {
        out.unread(&place, Why::Damaged);
    }
    let input = PartInput {
        path: place,
        names: object.name.iter().cloned().collect(),
        declared_type: None,
        declared_charset: None,
        role: Role::Attachment,
        inline: true,
        bytes: object.bytes,
    };
    read::nested(&input, budget, out);
}

/// The stream `\x01Ole10Native` (MS-OLEDS 2.3.6): its length, then native data, which for a packager object is a file.
pub(super) fn native(stream: &[u8]) -> Option<Object<'_>> {
    let (length, data) = stream.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let cut = length > data.len();
    let data = &data[..length.min(data.len())];
    Some(package(data).unwrap_or(Object { name: None, bytes: data, cut }))
}

/// The packager's native data: type 2, label, path, type 3, the path of a temporary file, then the file.
/// No specification describes it; this is how Windows 3.1 to 11 write it.
fn package(data: &[u8]) -> Option<Object<'_>> {
    let mut rest = data.strip_prefix(b"\x02\0")?;
    let label = text(&mut rest)?;
    let path = text(&mut rest)?;
    let (kind, behind) = rest.split_first_chunk::<4>()?;
    // 0x0003_0000: embedded; 0x0001_0000: a link to a file, whose path is all there is.
    if *kind != [0, 0, 3, 0] {
        return None;
    }
    let (_, behind) = sized(behind)?;
    let (length, behind) = behind.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let bytes = &behind[..length.min(behind.len())];
    let name = if label.is_empty() { path } else { label };
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    Some(Object { name: (!name.is_empty()).then_some(name), bytes, cut: length > behind.len() })
}

/// An OLE 1.0 object (MS-OLEDS 2.2.5): version, format, class, topic, item, native data.
pub(super) fn embedded(data: &[u8]) -> Option<Object<'_>> {
    let (_, rest) = data.split_first_chunk::<4>()?;
    let (format, rest) = rest.split_first_chunk::<4>()?;
    // 2: embedded. 1 is a link, 5 a picture of an object.
    if u32::from_le_bytes(*format) != 2 {
        return None;
    }
    let (_class, rest) = sized(rest)?;
    let (_topic, rest) = sized(rest)?;
    let (_item, rest) = sized(rest)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let native = &rest[..length.min(rest.len())];
    Some(package(native).unwrap_or(Object { name: None, bytes: native, cut: length > rest.len() }))
}

/// A text behind its length of four bytes.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// A text that ends with NUL, in the code page of the machine that wrote it.
fn text(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().take(LONGEST_NAME).position(|byte| *byte == 0)?;
    let (text, behind) = rest.split_at(end);
    *rest = &behind[1..];
    Some(crate::mail::charset::decode(text, Some("cp932")).best().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8], claimed: u32) -> Vec<u8> {
        let mut data = b"\x02\0".to_vec();
        data.extend_from_slice(b"\x96\xBC\x95\xEB.csv\0C:\\tmp\\\x96\xBC\x95\xEB.csv\0\0\0\x03\0\x04\0\0\0C:\\\0");
        data.extend_from_slice(&claimed.to_le_bytes());
        data.extend_from_slice(bytes);
        data
    }

    #[test]
    fn packages_and_objects_are_opened_and_never_believed() {
        let data = packed(b"a,b\n", 4);
        let file = Object { name: Some("名簿.csv".to_owned()), bytes: b"a,b\n", cut: false };
        let mut stream = u32::try_from(data.len()).unwrap().to_le_bytes().to_vec();
        stream.extend_from_slice(&data);
        assert_eq!(native(&stream), Some(file));
        let object = [
            b"\x01\x05\0\0\x02\0\0\0\x08\0\0\0Package\0\0\0\0\0\0\0\0\0".as_slice(),
            &u32::try_from(data.len()).unwrap().to_le_bytes(),
            &data,
        ]
        .concat();
        assert_eq!(embedded(&object).and_then(|object| object.name), Some("名簿.csv".to_owned()));
        assert!(embedded(b"\x01\x05\0\0\x01\0\0\0").is_none());
        assert!(native(&[&[255, 255, 255, 255], packed(b"abc", u32::MAX).as_slice()].concat()).unwrap().cut);
        for end in 0..stream.len() {
            let _ = (native(&stream[..end]), embedded(&object[..end]));
        }
    }
}
