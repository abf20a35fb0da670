//! Outlook's `winmail.dat` ([MS-OXTNEF]): the message class, and the addresses in its recipient table, which no rewriting can take out.
//! It refuses to go beyond a length that the stream claims, to take files or bodies out, and to call a damaged stream empty.

use super::recipients;
use crate::address::Address;

/// The first four octets of a stream ([MS-OXTNEF] 2.1.3.1).
const SIGNATURE: [u8; 4] = 0x223E_9F78_u32.to_le_bytes();

/// Attributes of the message ([MS-OXTNEF] 2.1.3.2).
const ATT_MESSAGE_CLASS: u32 = 0x0007_8008;
const ATT_MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const ATT_RECIPIENT_TABLE: u32 = 0x0006_9004;

/// Property ids ([MS-OXPROPS]): class, the address type of a recipient, the lists of names that Outlook shows, and the recipients as an object.
const MESSAGE_CLASS: u16 = 0x001A;
const ADDRESS_TYPE: u16 = 0x3002;
const DISPLAY_LISTS: [u16; 3] = [0x0E02, 0x0E03, 0x0E04];
const MESSAGE_RECIPIENTS: u16 = 0x0E12;
/// Named properties (numeric names) with the attendees of a meeting: all, of To, of Cc ([MS-OXOCAL] 2.2.1.16 to 18).
const ATTENDEE_LISTS: [u32; 3] = [0x8238, 0x823B, 0x823C];

/// Properties of one list, and rows of one table, that are read at most; more is damage.
const MOST: u32 = 10_000;

/// What a stream says about itself and its recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tnef {
    /// The message class, such as `IPM.Note`.
    pub class: Option<String>,
    /// Addresses in the recipient table and in the lists of recipients that Outlook shows, with repetitions.
    pub recipients: Vec<Address>,
    /// There may be recipients that could not be read: the stream is damaged, or a recipient has neither an address nor is one of the own Exchange.
    pub unclear: bool,
}

/// Does this content begin as a stream does?
#[must_use]
pub fn is_tnef(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE)
}

/// Reads a stream. Never fails; linear in its length.
#[must_use]
pub fn read(bytes: &[u8]) -> Tnef {
    let mut tnef = Tnef::default();
    let mut reader = Reader { rest: bytes };
    if reader.take(4) != Some(&SIGNATURE[..]) || reader.take(2).is_none() {
        tnef.unclear = true;
        return tnef;
    }
    while !reader.rest.is_empty() {
        let Some((id, data)) = attribute(&mut reader) else {
            tnef.unclear = true;
            break;
        };
        match id {
            ATT_MESSAGE_CLASS => tnef.class = Some(narrow(data)),
            ATT_MESSAGE_PROPERTIES if message_properties(data, &mut tnef).is_none() => tnef.unclear = true,
            ATT_RECIPIENT_TABLE if recipient_table(data, &mut tnef).is_none() => {
                tnef.unclear = true;
                tnef.recipients.extend(recipients::runs(&narrow(data)));
            }
            _ => {}
        }
    }
    tnef
}

/// Level, id, length, data, sum of the data's octets.
fn attribute<'t>(reader: &mut Reader<'t>) -> Option<(u32, &'t [u8])> {
    reader.take(1)?;
    let id = reader.u32()?;
    let length = reader.u32()?;
    let data = reader.take(usize::try_from(length).ok()?)?;
    reader.take(2)?;
    Some((id, data))
}

/// attMsgProps: the class, and what Outlook shows of the recipients.
fn message_properties(data: &[u8], tnef: &mut Tnef) -> Option<()> {
    let mut reader = Reader { rest: data };
    for property in properties(&mut reader)? {
        let shown =
            DISPLAY_LISTS.contains(&property.id) || property.name.is_some_and(|name| ATTENDEE_LISTS.contains(&name));
        if property.id == MESSAGE_CLASS {
            tnef.class = property.texts().next().or(tnef.class.take());
        } else if shown {
            tnef.recipients.extend(property.texts().flat_map(|text| recipients::runs(&text)));
        } else if property.id == MESSAGE_RECIPIENTS {
            // An object whose form is Outlook's own; addresses in it are found by their look.
            for value in &property.values {
                tnef.recipients.extend(recipients::runs(&narrow(value)));
                tnef.recipients.extend(recipients::runs(&wide(value)));
            }
        }
    }
    Some(())
}

/// attRecipTable: rows of properties.
fn recipient_table(data: &[u8], tnef: &mut Tnef) -> Option<()> {
    let mut reader = Reader { rest: data };
    let rows = reader.u32().filter(|rows| *rows <= MOST)?;
    for _ in 0..rows {
        let row = properties(&mut reader)?;
        let addresses: Vec<Address> =
            row.iter().flat_map(Property::texts).flat_map(|text| recipients::runs(&text)).collect();
        let own_exchange = row.iter().any(|property| {
            property.id == ADDRESS_TYPE && property.texts().any(|kind| kind.eq_ignore_ascii_case("EX"))
        });
        tnef.unclear |= addresses.is_empty() && !own_exchange;
        tnef.recipients.extend(addresses);
    }
    Some(())
}

/// One MAPI property.
struct Property<'t> {
    kind: u16,
    id: u16,
    /// The numeric name of a named one.
    name: Option<u32>,
    values: Vec<&'t [u8]>,
}

impl Property<'_> {
    /// Its values, when they are texts.
    fn texts(&self) -> impl Iterator<Item = String> {
        let decode: Option<fn(&[u8]) -> String> = match self.kind & !MULTIPLE {
            STRING_8 => Some(narrow),
            STRING_16 => Some(wide),
            _ => None,
        };
        self.values.iter().filter_map(move |value| decode.map(|decode| decode(value)))
    }
}

/// Property types ([MS-OXCDATA] 2.11.1).
const STRING_8: u16 = 0x001E;
const STRING_16: u16 = 0x001F;
const OBJECT: u16 = 0x000D;
const BINARY: u16 = 0x0102;
const MULTIPLE: u16 = 0x1000;

/// A count, then the properties ([MS-OXTNEF] 2.1.3.4).
fn properties<'t>(reader: &mut Reader<'t>) -> Option<Vec<Property<'t>>> {
    let count = reader.u32().filter(|count| *count <= MOST)?;
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(property(reader)?);
    }
    Some(list)
}

fn property<'t>(reader: &mut Reader<'t>) -> Option<Property<'t>> {
    let kind = reader.u16()?;
    let id = reader.u16()?;
    let mut name = None;
    if id >= 0x8000 {
        reader.take(16)?;
        if reader.u32()? == 0 {
            name = Some(reader.u32()?);
        } else {
            let length = reader.u32()?;
            reader.padded(length)?;
        }
    }
    let variable = matches!(kind & !MULTIPLE, STRING_8 | STRING_16 | OBJECT | BINARY);
    let count = if variable || kind & MULTIPLE != 0 { reader.u32()? } else { 1 };
    let mut values = Vec::new();
    for _ in 0..count {
        let length = match kind & !MULTIPLE {
            STRING_8 | STRING_16 | OBJECT | BINARY => reader.u32()?,
            // NULL, and numbers of up to four octets.
            0x0001..=0x0004 | 0x000A | 0x000B => 4,
            // Numbers, money and times of eight octets.
            0x0005..=0x0007 | 0x0014 | 0x0040 => 8,
            // A GUID.
            0x0048 => 16,
            _ => return None,
        };
        values.push(reader.padded(length)?);
    }
    Some(Property { kind, id, name, values })
}

/// The rest of a stream.
struct Reader<'t> {
    rest: &'t [u8],
}

impl<'t> Reader<'t> {
    fn take(&mut self, length: usize) -> Option<&'t [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A value that is padded to a multiple of four; the padding of the last one may be missing.
    fn padded(&mut self, length: u32) -> Option<&'t [u8]> {
        let length = usize::try_from(length).ok()?;
        let taken = self.take(length)?;
        let padding = (length.next_multiple_of(4) - length).min(self.rest.len());
        self.take(padding)?;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
    }
}

/// 8-bit text to its final NUL; its code page does not matter for addresses.
fn narrow(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches('\0').to_owned()
}

/// UTF-16 text to its final NUL.
fn wide(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned()
}
