//! Outlook's messages (`.msg`, `.oft`, MS-OXMSG): subject, every form of the body, recipients, attachments, messages in messages.
//! It refuses to choose between the forms of a body, which need not say the same; all of them are read.

use super::compound::Compound;
use super::little_endian::{u16_at, u32_at};
use super::{Extracted, PartInput, Role, Why};
use super::{code_page, html, lzfu, read, rtf, storage};
use crate::limits::Budget;
use std::collections::BTreeMap;

const PROPERTIES: &str = "__properties_version1.0";
const VALUE: &str = "__substg1.0_";

/// Property ids (MS-OXPROPS): subject, body, HTML, RTF, class, charsets.
const SUBJECT: u16 = 0x0037;
const BODY: u16 = 0x1000;
const HTML: u16 = 0x1013;
const RTF: u16 = 0x1009;
const MESSAGE_CLASS: u16 = 0x001A;
const MESSAGE_CODE_PAGE: u16 = 0x3FFD;
const INTERNET_CODE_PAGE: u16 = 0x3FDE;
/// Of recipients and attachments.
const DISPLAY_NAME: u16 = 0x3001;
const ADDRESS: u16 = 0x3003;
const SMTP_ADDRESS: u16 = 0x39FE;
const DATA: u16 = 0x3701;
const SHORT_NAME: u16 = 0x3704;
const LONG_NAME: u16 = 0x3707;
const MEDIA_TYPE: u16 = 0x370E;
const CONTENT_ID: u16 = 0x3712;

/// Types (MS-OXCDATA 2.11.1).
const STRING_8: u16 = 0x001E;
const STRING_16: u16 = 0x001F;
const OBJECT: u16 = 0x000D;
const BINARY: u16 = 0x0102;
const MULTIPLE: u16 = 0x1000;

/// The values of one storage: texts, and places of what is none.
#[derive(Default)]
struct Values {
    texts: BTreeMap<u16, String>,
    others: BTreeMap<u16, (u16, usize)>,
}

impl Values {
    fn take(&mut self, id: u16) -> Option<String> {
        self.texts.remove(&id).filter(|text| !text.trim().is_empty())
    }
}

/// A message that is being read.
struct Message<'c, 'a> {
    compound: &'c Compound<'a>,
    path: &'c str,
    role: Role,
    depth: usize,
    code_page: Option<u32>,
    internet_code_page: Option<u32>,
}

/// Is this storage a message?
pub(super) fn is_message(compound: &Compound<'_>, storage: usize) -> bool {
    compound.find(storage, PROPERTIES).is_some()
}

/// Reads the message in a storage.
pub(super) fn read(
    compound: &Compound<'_>,
    storage: usize,
    path: &str,
    role: Role,
    depth: usize,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    let fixed = compound.stream(storage, PROPERTIES, budget).map(|(stream, _)| stream).unwrap_or_default();
    let code_page = number(&fixed, MESSAGE_CODE_PAGE);
    let internet_code_page = number(&fixed, INTERNET_CODE_PAGE);
    let message = Message { compound, path, role, depth, code_page, internet_code_page };
    let mut values = message.values(storage, budget, out);
    if let Some(subject) = values.take(SUBJECT) {
        out.text(path, role, subject);
    }
    message.body(&mut values, budget, out);
    let mut recipients = String::new();
    let storages: Vec<(usize, String)> = compound
        .children(storage)
        .filter(|(_, entry)| !entry.is_stream)
        .map(|(index, entry)| (index, entry.name.to_ascii_lowercase()))
        .collect();
    for (index, name) in &storages {
        if !name.starts_with("__recip_version1.0_") {
            continue;
        }
        let mut values = message.values(*index, budget, out);
        let name = values.take(DISPLAY_NAME).unwrap_or_default();
        let address = values.take(SMTP_ADDRESS).or_else(|| values.take(ADDRESS)).unwrap_or_default();
        recipients.push_str(&format!("{name} <{address}>\n"));
    }
    out.text(&format!("{path}!recipients"), role, recipients);
    values.texts.remove(&MESSAGE_CLASS);
    let mut besides: Vec<String> = values.texts.into_values().collect();
    // Forms of the subject, and names that several properties repeat.
    besides.dedup();
    out.text(&format!("{path}!properties"), role, besides.join("\n"));
    let mut number = 0;
    for (index, name) in storages {
        if name.starts_with("__attach_version1.0_") {
            number += 1;
            message.attachment(index, number, budget, out);
        }
    }
}

/// A number among the properties of fixed size (MS-OXMSG 2.4.2); their list begins behind a head of 8, 24 or 32 bytes.
fn number(properties: &[u8], id: u16) -> Option<u32> {
    let entries = properties.chunks_exact(8).skip(1);
    let mut values = properties.chunks_exact(8).skip(2);
    // Heads and entries are multiples of eight bytes, so an entry is found at any of these.
    for entry in entries {
        let value = values.next()?;
        if u16_at(entry, 0) == Some(0x0003) && u16_at(entry, 2) == Some(id) {
            return u32_at(value, 0);
        }
    }
    None
}

impl Message<'_, '_> {
    /// The values of a storage (MS-OXMSG 2.1.3).
    fn values(&self, storage: usize, budget: &mut Budget, out: &mut Extracted) -> Values {
        let mut values = Values::default();
        let streams: Vec<(usize, u16, u16, bool)> = self
            .compound
            .children(storage)
            .filter_map(|(index, entry)| {
                let tag = entry.name.get(..VALUE.len()).filter(|start| start.eq_ignore_ascii_case(VALUE));
                let tag = tag.and(entry.name.get(VALUE.len()..VALUE.len() + 8))?;
                let tag = u32::from_str_radix(tag, 16).ok()?;
                let (id, kind) = (u16::try_from(tag >> 16).ok()?, u16::try_from(tag & 0xFFFF).ok()?);
                Some((index, id, kind, entry.is_stream))
            })
            .collect();
        for (index, id, kind, is_stream) in streams {
            if !is_stream || kind == BINARY {
                values.others.insert(id, (kind, index));
                continue;
            }
            // Several texts of one property have streams of their own.
            if !matches!(kind & !MULTIPLE, STRING_8 | STRING_16) {
                continue;
            }
            if budget.take_entry().is_err() {
                out.unread(self.path, Why::Limit);
                break;
            }
            let (stream, missing) = self.compound.content(index, budget);
            if let Some(why) = missing {
                out.unread(self.path, why);
            }
            let text = if kind & !MULTIPLE == STRING_16 { code_page::utf16(&stream) } else { self.narrow(&stream) };
            let text = text.trim_end_matches('\0').replace("\r\n", "\n");
            let known = values.texts.entry(id).or_default();
            if !known.is_empty() {
                known.push('\n');
            }
            known.push_str(&text);
        }
        values
    }

    /// 8-bit text in the message's code page.
    fn narrow(&self, bytes: &[u8]) -> String {
        match self.code_page.or(self.internet_code_page) {
            Some(page) => {
                let (text, clean) = code_page::decoded(bytes, page);
                if clean { text } else { crate::mail::charset::decode(bytes, None).best().to_owned() }
            }
            None => crate::mail::charset::decode(bytes, None).best().to_owned(),
        }
    }

    /// The forms of the body (MS-OXCMSG 2.2.1.56).
    fn body(&self, values: &mut Values, budget: &mut Budget, out: &mut Extracted) {
        if let Some(text) = values.take(BODY) {
            super::text::prose_and_rows(self.path, self.role, text.into(), Some(false), true, budget, out);
        }
        if let Some(page) = values.take(HTML) {
            self.html(page.as_bytes(), Some("utf-8".to_owned()), budget, out);
        }
        if let Some((BINARY, index)) = values.others.get(&HTML) {
            let (page, missing) = self.compound.content(*index, budget);
            let charset = self.internet_code_page.map(|page| code_page::encoding(page).name().to_owned());
            self.html(&page, charset, budget, out);
            if let Some(why) = missing {
                out.unread(self.path, why);
            }
        }
        if let Some((BINARY, index)) = values.others.get(&RTF) {
            let (packed, missing) = self.compound.content(*index, budget);
            if let Some(why) = missing {
                out.unread(self.path, why);
            }
            if packed.is_empty() {
                return;
            }
            match lzfu::decompressed(&packed, budget.allowance(packed.len() as u64)) {
                Some(text) => {
                    if text.over || budget.take_bytes(text.bytes.len() as u64).is_err() {
                        out.unread(self.path, Why::Limit);
                    }
                    rtf::read(&self.part(&text.bytes), budget, out);
                }
                None => out.unread(self.path, Why::Damaged),
            }
        }
    }

    fn html(&self, page: &[u8], charset: Option<String>, budget: &mut Budget, out: &mut Extracted) {
        html::read(&PartInput { declared_charset: charset, ..self.part(page) }, budget, out);
    }

    /// Something that stands at the place of the message itself.
    fn part<'p>(&self, bytes: &'p [u8]) -> PartInput<'p> {
        PartInput {
            path: self.path.to_owned(),
            names: Vec::new(),
            declared_type: None,
            declared_charset: None,
            role: self.role,
            inline: false,
            bytes,
        }
    }

    /// One attachment (MS-OXMSG 2.2.2): a file, a message, or an object of OLE.
    fn attachment(&self, storage: usize, number: usize, budget: &mut Budget, out: &mut Extracted) {
        if budget.take_entry().is_err() {
            out.unread(self.path, Why::Limit);
            return;
        }
        let mut values = self.values(storage, budget, out);
        let names: Vec<String> =
            [LONG_NAME, SHORT_NAME, DISPLAY_NAME].into_iter().filter_map(|id| values.take(id)).collect();
        let name = names.first().cloned().unwrap_or_else(|| format!("attachment{number}"));
        let place = format!("{}!{name}", self.path);
        match values.others.get(&DATA) {
            Some((OBJECT, index)) => {
                let input = PartInput { path: place, names, ..self.part(&[]) };
                storage::inside(self.compound, *index, &input, self.depth, budget, out);
            }
            Some((_, index)) => {
                let (bytes, missing) = self.compound.content(*index, budget);
                if let Some(why) = missing {
                    out.unread(&place, why);
                }
                // The short name repeats the long one with other characters; it claims nothing of its own.
                let input = PartInput {
                    path: place,
                    names: names.into_iter().take(1).collect(),
                    declared_type: values.take(MEDIA_TYPE),
                    role: Role::Attachment,
                    inline: values.take(CONTENT_ID).is_some(),
                    ..self.part(&bytes)
                };
                read::nested(&input, budget, out);
            }
            None => {}
        }
    }
}
