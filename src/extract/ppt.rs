//! PowerPoint 97 to 2003 presentations (MS-PPT): slides with their tables, notes, comments, margins, masters and embedded objects.
//! It refuses to open what a password protects; text of slides that were deleted but are still in the file is read as well.

mod records;

use super::archive::drain;
use super::compound::Compound;
use super::little_endian::{u16_at, u32_at};
use super::{Extracted, PartInput, Role, Table, Why};
use super::{blip, code_page, kind, read};
use crate::limits::Budget;
use flate2::read::ZlibDecoder;
use records::{Records, Step};
use std::collections::{BTreeMap, HashMap};

/// `headerToken` of an encrypted presentation (MS-PPT 2.3.2).
const ENCRYPTED: u32 = 0xF3D1_C4DF;

/// Records (MS-PPT 2.13.24).
const SLIDE: u16 = 0x03EE;
const NOTES: u16 = 0x03F0;
const MASTER: u16 = 0x03F8;
const HANDOUT: u16 = 0x0FC9;
const SLIDE_PERSIST: u16 = 0x03F3;
const SLIDE_LIST: u16 = 0x0FF0;
const TEXT_CHARS: u16 = 0x0FA0;
const TEXT_BYTES: u16 = 0x0FA8;
const C_STRING: u16 = 0x0FBA;
const HEADERS_FOOTERS: u16 = 0x0FD9;
const PERSIST_DIRECTORY: u16 = 0x1772;
const COMMENT: u16 = 0x2EE0;
const OLE_STORAGE: u16 = 0x1011;
/// Of drawings (MS-ODRAW 2.2): a group of shapes, a shape, its place in the group, its further properties.
const GROUP: u16 = 0xF003;
const SHAPE: u16 = 0xF004;
const CHILD_ANCHOR: u16 = 0xF00F;
/// Named shapes and what a person who cannot see hears (MS-ODRAW 2.3.4.1, 2.3.4.2) are in these.
const PROPERTIES: [u16; 2] = [0xF00B, 0xF122];

/// Where a text belongs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Block {
    Document,
    /// A slide, by its place among those the document shows.
    Outline(usize),
    /// A container, by its place in the stream.
    Slide(usize),
    Notes,
    Master,
}

/// What a container is to the text in it.
#[derive(Clone, Copy)]
struct Level {
    kind: u16,
    block: Block,
}

/// A shape of a group: top, left, text.
type Cell = (i32, i32, String);

#[derive(Default)]
struct Presentation {
    levels: Vec<Level>,
    texts: BTreeMap<Block, String>,
    tables: BTreeMap<Block, Vec<Table>>,
    margins: String,
    besides: String,
    /// Groups that are open, each with its shapes so far, and the place of the shape that is being read.
    groups: Vec<Vec<Cell>>,
    anchor: Option<(i32, i32)>,
    /// Text of the open shape.
    shape: Option<String>,
    /// Numbers of slides by their persist ids, and persist ids by places.
    numbers: HashMap<u32, usize>,
    persists: HashMap<usize, u32>,
    shown: usize,
    objects: Vec<(bool, Vec<u8>)>,
    spent: bool,
}

/// Reads the presentation in a storage.
pub(super) fn read(
    compound: &Compound<'_>,
    storage: usize,
    path: &str,
    role: Role,
    budget: &mut Budget,
    out: &mut Extracted,
) {
    let user = compound.stream(storage, "Current User", budget).map(|(stream, _)| stream).unwrap_or_default();
    if u32_at(&user, 12) == Some(ENCRYPTED) || compound.find(storage, "EncryptedSummary").is_some() {
        out.unread(path, Why::Encrypted);
        return;
    }
    let Some((stream, missing)) = compound.stream(storage, "PowerPoint Document", budget) else { return };
    if let Some(why) = missing {
        out.unread(path, why);
    }
    let mut presentation = Presentation::default();
    let mut records = Records::new(&stream);
    for step in records.by_ref() {
        match step {
            Step::Open { kind, instance, at } => presentation.open(kind, instance, at),
            Step::Close => presentation.close(budget),
            Step::Atom { kind, instance, data } => presentation.atom(kind, instance, data, budget),
        }
        if presentation.spent {
            break;
        }
    }
    while !presentation.levels.is_empty() {
        presentation.close(budget);
    }
    if presentation.spent || records.too_deep {
        out.unread(path, Why::Limit);
    }
    if records.damaged || stream.is_empty() {
        out.unread(path, Why::Damaged);
    }
    let objects = std::mem::take(&mut presentation.objects);
    presentation.give(path, role, out);
    if let Some((pictures, _)) = compound.stream(storage, "Pictures", budget) {
        blip::report(path, [pictures.as_slice()], out);
    }
    for (number, (packed, data)) in objects.iter().enumerate() {
        object(path, number + 1, *packed, data, budget, out);
    }
}

impl Presentation {
    fn block(&self) -> Block {
        self.levels.last().map_or(Block::Document, |level| level.block)
    }

    fn open(&mut self, kind: u16, instance: u16, at: usize) {
        let block = match kind {
            SLIDE => Block::Slide(at),
            NOTES => Block::Notes,
            MASTER | HANDOUT => Block::Master,
            SLIDE_LIST => match instance {
                0 => {
                    self.shown = 0;
                    Block::Outline(0)
                }
                1 => Block::Master,
                _ => Block::Notes,
            },
            _ => self.block(),
        };
        match kind {
            GROUP => self.groups.push(Vec::new()),
            SHAPE => (self.shape, self.anchor) = (Some(String::new()), None),
            _ => {}
        }
        self.levels.push(Level { kind, block });
    }

    fn close(&mut self, budget: &mut Budget) {
        let Some(level) = self.levels.pop() else { return };
        match level.kind {
            SHAPE => {
                let text = self.shape.take().unwrap_or_default();
                match (self.anchor.take(), self.groups.last_mut()) {
                    (Some((top, left)), Some(group)) => group.push((top, left, text)),
                    _ => self.text(level.block, &text),
                }
            }
            GROUP => self.end_group(level.block, budget),
            _ => {}
        }
    }

    /// Shapes of one group that stand in rows and columns are a table: PowerPoint 97 draws it so.
    fn end_group(&mut self, block: Block, budget: &mut Budget) {
        let Some(mut group) = self.groups.pop() else { return };
        group.retain(|(_, _, text)| !text.trim().is_empty());
        group.sort_by_key(|(top, left, _)| (*top, *left));
        let mut lefts: Vec<i32> = group.iter().map(|(_, left, _)| *left).collect();
        lefts.sort_unstable();
        lefts.dedup();
        let rows = group.chunk_by(|one, other| one.0 == other.0).count();
        if rows < 2 || lefts.len() < 2 || group.len() < rows + 2 {
            for (_, _, text) in &group {
                self.text(block, text);
            }
            return;
        }
        let mut table = Table::default();
        for row in group.chunk_by(|one, other| one.0 == other.0) {
            let mut stored = 0;
            for (_, left, text) in row {
                let column = lefts.partition_point(|known| known < left).max(stored);
                self.spent |= budget.take_bytes((column - stored + 1) as u64 * 4).is_err();
                if self.spent {
                    return;
                }
                for _ in stored..column {
                    self.spent |= table.push_cell("").is_err();
                }
                self.spent |= table.push_cell(text.trim()).is_err();
                stored = column + 1;
            }
            table.end_row();
        }
        self.tables.entry(block).or_default().push(table);
    }

    fn text(&mut self, block: Block, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let target = self.texts.entry(block).or_default();
        target.push_str(text);
        if !target.ends_with('\n') {
            target.push('\n');
        }
    }

    fn atom(&mut self, kind: u16, instance: u16, data: &[u8], budget: &mut Budget) {
        match kind {
            TEXT_CHARS | TEXT_BYTES | C_STRING => {
                // Each character of the bytes is one of Unicode's first 256 (MS-PPT 2.9.45).
                let text: String = match kind {
                    TEXT_BYTES => data.iter().map(|byte| char::from(*byte)).collect(),
                    _ => code_page::utf16(data),
                };
                self.spent |= budget.take_bytes(text.len() as u64).is_err();
                let text: String = text
                    .chars()
                    .filter_map(|character| match character {
                        '\r' | '\u{B}' => Some('\n'),
                        '\t' | '\n' => Some(character),
                        other => (!other.is_control()).then_some(other),
                    })
                    .collect();
                self.place(kind, &text);
            }
            SLIDE_PERSIST => {
                if let (Some(level), Some(id)) = (self.levels.last_mut(), u32_at(data, 0))
                    && matches!(level.block, Block::Outline(_))
                {
                    self.shown += 1;
                    level.block = Block::Outline(self.shown);
                    self.numbers.insert(id & 0xF_FFFF, self.shown);
                }
            }
            PERSIST_DIRECTORY => self.persist_directory(data),
            CHILD_ANCHOR if data.len() >= 8 => {
                let at = |at| u32_at(data, at).map_or(0, |value| i32::from_le_bytes(value.to_le_bytes()));
                self.anchor = Some((at(4), at(0)));
            }
            OLE_STORAGE => {
                if budget.take_bytes(data.len() as u64).is_ok() {
                    self.objects.push((instance != 0, data.to_vec()));
                } else {
                    self.spent = true;
                }
            }
            _ if PROPERTIES.contains(&kind) => shape_texts(instance, data, &mut self.besides),
            _ => {}
        }
    }

    /// Puts a text where it belongs.
    fn place(&mut self, kind: u16, text: &str) {
        let holder = self.levels.last().map_or(0, |level| level.kind);
        if kind == C_STRING {
            let in_slide = matches!(self.block(), Block::Slide(_));
            match holder {
                HEADERS_FOOTERS => push_line(&mut self.margins, text),
                COMMENT if in_slide => self.text(self.block(), text),
                _ => push_line(&mut self.besides, text),
            }
        } else if let Some(shape) = &mut self.shape {
            push_line(shape, text);
        } else {
            self.text(self.block(), text);
        }
    }

    /// Which persist object lies where (MS-PPT 2.3.4); later directories replace earlier ones.
    fn persist_directory(&mut self, data: &[u8]) {
        let mut words = data.chunks_exact(4).map(|raw| u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]));
        while let Some(head) = words.next() {
            let (first, count) = (head & 0xF_FFFF, head >> 20);
            for id in first..first + count {
                let Some(at) = words.next() else { return };
                self.persists.insert(at as usize, id);
            }
        }
    }

    /// Gives everything as pieces.
    fn give(mut self, path: &str, role: Role, out: &mut Extracted) {
        let mut places: BTreeMap<(usize, String), (String, Vec<Table>)> = BTreeMap::new();
        for (block, text) in std::mem::take(&mut self.texts) {
            places.entry(self.named(block)).or_default().0.push_str(&text);
        }
        for (block, tables) in std::mem::take(&mut self.tables) {
            places.entry(self.named(block)).or_default().1.extend(tables);
        }
        for ((_, name), (text, tables)) in places {
            let place = if name.is_empty() { path.to_owned() } else { format!("{path}!{name}") };
            out.text(&place, role, text);
            for (index, table) in tables.into_iter().enumerate() {
                out.table(&format!("{place}!table{}", index + 1), role, table);
            }
        }
        out.text(path, Role::Property, self.margins);
        out.text(&format!("{path}!besides"), role, self.besides);
    }

    /// Order and name of the place of a block.
    fn named(&self, block: Block) -> (usize, String) {
        let slide = |number: usize| (number, format!("slide{number}"));
        match block {
            Block::Document | Block::Outline(0) => (0, String::new()),
            Block::Outline(number) => slide(number),
            Block::Slide(at) => match self.persists.get(&at).and_then(|id| self.numbers.get(id)) {
                Some(number) => slide(*number),
                // No list names it any more: a slide that was deleted or an earlier state of one.
                None => (usize::MAX - 2, "earlier".to_owned()),
            },
            Block::Notes => (usize::MAX - 1, "notes".to_owned()),
            Block::Master => (usize::MAX, "master".to_owned()),
        }
    }
}

fn push_line(target: &mut String, text: &str) {
    target.push_str(text);
    target.push('\n');
}

/// Names and descriptions of a shape (MS-ODRAW 2.2.9): pairs of number and value, then the data of those that are complex.
fn shape_texts(count: u16, data: &[u8], out: &mut String) {
    let pairs = usize::from(count).min(data.len() / 6);
    let mut rest = &data[pairs * 6..];
    for pair in data.chunks_exact(6).take(pairs) {
        let (Some(number), Some(length)) = (u16_at(pair, 0), u32_at(pair, 2)) else { return };
        if number & 0x8000 == 0 {
            continue;
        }
        let Some((value, behind)) = rest.split_at_checked(length as usize) else { return };
        rest = behind;
        // gtextUNICODE, wzName, wzDescription, wzTooltip.
        if matches!(number & 0x3FFF, 0x00C0 | 0x0380 | 0x0381 | 0x038D) {
            push_line(out, code_page::to_nul(&code_page::utf16(value)));
        }
    }
}

/// An embedded object (MS-PPT 2.10.36): a compound file, packed by zlib behind its length or as it is.
fn object(path: &str, number: usize, packed: bool, data: &[u8], budget: &mut Budget, out: &mut Extracted) {
    let place = format!("{path}!object{number}");
    if budget.take_entry().is_err() {
        out.unread(&place, Why::Limit);
        return;
    }
    let allowance = budget.allowance(data.len() as u64);
    let (bytes, missing) = if packed {
        drain(ZlibDecoder::new(data.get(4..).unwrap_or_default()), allowance, budget)
    } else {
        drain(data, allowance, budget)
    };
    if let Some(why) = missing {
        out.unread(&place, why);
    }
    let found = kind::of(&bytes);
    if found.kind == kind::Kind::Cfb && found.macros {
        // The macro project is reported as such on the document itself.
        for file in out.attachments.iter_mut().filter(|file| file.path == path) {
            file.macros = true;
        }
        return;
    }
    let input = PartInput {
        path: place,
        names: Vec::new(),
        declared_type: None,
        declared_charset: None,
        role: Role::Attachment,
        inline: true,
        bytes: &bytes,
    };
    read::nested(&input, budget, out);
}
