//! Rich Text Format (RTF 1.9.1) as text, tables and the objects in it, in every code page and font charset that Japanese Word wrote.
//! It refuses to drop text because it is hidden, deleted or in an unknown group; only groups of data are skipped.

mod destination;
mod fonts;
mod token;

use super::grid::Grid;
use super::kind;
use super::{Extracted, PartInput, Why};
use super::{Role, embedded, html, image, ole, text};
use crate::limits::Budget;
use destination::Destination;
use fonts::Fonts;
use token::{Token, Tokens};

/// Groups in groups that are told apart; Word stops long before.
const DEEPEST: usize = 10_000;
/// Bytes that are the fallback for one `\u` at most.
const FALLBACK: i32 = 1_000;

/// What a group inherits from the one around it.
#[derive(Clone, Copy, Default)]
struct State {
    destination: Destination,
    /// The destination began with this group.
    begins: bool,
    /// Bytes that stand behind `\u` for readers without Unicode.
    fallback: usize,
    font: Option<i32>,
    /// The font of East Asian characters (`\dbch\af`).
    wide_font: Option<i32>,
    in_wide: bool,
    /// RTF that stands for markup (MS-OXRTFEX 2.1.3.1.2).
    stands_for_markup: bool,
}

/// Text that waits for its end before it is decoded.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    units: Vec<u16>,
}

struct Reader<'b> {
    grid: Grid<'b>,
    state: State,
    stack: Vec<State>,
    too_deep: usize,
    pending: Pending,
    skip: usize,
    /// `\*` came: what the group is says the next word.
    starred: bool,
    fonts: Fonts,
    /// The paragraph stands in a table.
    in_table: bool,
    in_row: bool,
    in_cell: bool,
    is_html: bool,
    html: String,
    margins: String,
    notes: String,
    besides: String,
    /// The other reading of runs whose code page is in doubt.
    doubtful: String,
    shape: String,
    picture: Vec<u8>,
    hex: Option<u8>,
    /// Of each picture, whether it is small.
    pictures: Vec<bool>,
    object: Vec<u8>,
    objects: Vec<Vec<u8>>,
}

/// Reads an RTF part.
pub(super) fn read(input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    let path = &input.path;
    let mut reader = Reader::new(Grid::new(budget));
    let mut tokens = Tokens { rest: input.bytes };
    let mut closed = false;
    for token in tokens.by_ref() {
        reader.token(token);
        if token == Token::Close && reader.stack.is_empty() && reader.too_deep == 0 {
            closed = true;
            break;
        }
        if reader.grid.is_full() {
            break;
        }
    }
    reader.flush();
    reader.end_data();
    let Reader { grid, is_html, html, margins, notes, besides, doubtful, pictures, objects, .. } = reader;
    let full = grid.is_full();
    let mut inside = grid.finish(path, input.role, out);
    if is_html {
        let page = PartInput {
            names: Vec::new(),
            declared_type: Some("text/html".to_owned()),
            declared_charset: Some("utf-8".to_owned()),
            bytes: html.as_bytes(),
            path: path.clone(),
            ..*input
        };
        html::read(&page, budget, out);
    }
    out.text(&format!("{path}!notes"), input.role, notes);
    out.text(path, Role::Property, margins);
    inside.extend(embedded::find(&besides));
    out.text(&format!("{path}!besides"), input.role, besides);
    out.text(&format!("{path}!charset"), input.role, doubtful);
    for (index, object) in objects.iter().enumerate() {
        match ole::embedded(object) {
            Some(object) => ole::hand_on(path, index + 1, &object, budget, out),
            None if is_link(object) => {}
            None => out.unread(&format!("{path}!object{}", index + 1), Why::Damaged),
        }
    }
    for (index, is_small) in pictures.iter().enumerate() {
        if !is_small {
            out.unread(&format!("{path}!picture{}", index + 1), Why::Image);
        }
    }
    embedded::read_all(path, inside, budget, out);
    if closed {
        // Word ignores what follows; whoever sends the file sends it too.
        let rest = tokens.rest.trim_ascii();
        if rest.iter().all(|byte| *byte == 0) {
            return;
        }
        if text::is_text(rest) {
            out.text(
                &format!("{path}!trailing"),
                input.role,
                text::decode(rest, None).into_iter().next().unwrap_or_default(),
            );
        } else {
            out.unread(path, Why::Damaged);
        }
    } else if !full {
        out.unread(path, Why::Damaged);
    }
}

/// An OLE 1.0 link (MS-OLEDS 2.2.6), or a picture of an object: nothing of a document is in it.
fn is_link(object: &[u8]) -> bool {
    matches!(object.get(4..8), Some([1 | 5 | 0, 0, 0, 0]))
}

impl<'b> Reader<'b> {
    fn new(grid: Grid<'b>) -> Self {
        Self {
            grid,
            state: State { fallback: 1, ..State::default() },
            stack: Vec::new(),
            too_deep: 0,
            pending: Pending::default(),
            skip: 0,
            starred: false,
            fonts: Fonts::default(),
            in_table: false,
            in_row: false,
            in_cell: false,
            is_html: false,
            html: String::new(),
            margins: String::new(),
            notes: String::new(),
            besides: String::new(),
            doubtful: String::new(),
            shape: String::new(),
            picture: Vec::new(),
            hex: None,
            pictures: Vec::new(),
            object: Vec::new(),
            objects: Vec::new(),
        }
    }

    fn token(&mut self, token: Token<'_>) {
        match token {
            Token::Open => {
                self.flush();
                self.skip = 0;
                if self.stack.len() >= DEEPEST {
                    self.too_deep += 1;
                } else {
                    self.stack.push(self.state);
                    self.state.begins = false;
                }
            }
            Token::Close => self.close(),
            Token::Word(name, number) => self.word(name, number),
            Token::Binary(data) => {
                if self.skip > 0 {
                    self.skip -= 1;
                } else if matches!(self.state.destination, Destination::Picture | Destination::Object) {
                    self.hex = None;
                    self.data().extend_from_slice(data);
                }
            }
            Token::Hex(byte) => self.bytes(&[byte]),
            Token::Text(bytes) => self.bytes(bytes),
            Token::Symbol(symbol) => self.symbol(symbol),
        }
    }

    /// `\~` and its like.
    fn symbol(&mut self, symbol: u8) {
        if symbol == b'*' {
            self.flush();
            self.starred = true;
            return;
        }
        if self.skipped() {
            return;
        }
        match symbol {
            b'\\' | b'{' | b'}' => self.bytes(&[symbol]),
            b'~' => self.character(' '),
            b'_' => self.character('-'),
            b'\r' | b'\n' => self.line(),
            b'\t' => self.character('\t'),
            // `\-` is a place to break a word, `\:` and `\|` belong to formulas and indexes.
            _ => {}
        }
    }

    /// Is this one of the characters behind `\u` that stand for it?
    fn skipped(&mut self) -> bool {
        let skipped = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        skipped
    }

    fn close(&mut self) {
        self.flush();
        self.skip = 0;
        self.starred = false;
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let Some(outer) = self.stack.pop() else { return };
        if self.state.begins {
            match self.state.destination {
                Destination::Picture | Destination::Object => self.end_data(),
                Destination::Main | Destination::Nothing | Destination::Fonts | Destination::ShapeName => {}
                Destination::Markup => {}
                _ => self.write("\n"),
            }
        }
        self.state = outer;
    }

    fn word(&mut self, name: &str, number: Option<i32>) {
        let starred = std::mem::take(&mut self.starred);
        if !matches!(name, "u" | "uc") && self.skipped() {
            return;
        }
        match name {
            "u" => self.unit(number.unwrap_or(0)),
            "uc" => self.state.fallback = usize::try_from(number.unwrap_or(1).clamp(0, FALLBACK)).unwrap_or(1),
            "ansicpg" => self.fonts.code_page = number.and_then(|number| u32::try_from(number).ok()),
            "mac" => self.fonts.code_page = self.fonts.code_page.or(Some(10000)),
            "deff" => self.fonts.default = number,
            "f" if self.state.destination == Destination::Fonts => self.fonts.defined = number,
            "fcharset" | "cpg" if self.state.destination == Destination::Fonts => self.fonts.define(name, number),
            "f" | "af" | "plain" | "dbch" | "loch" | "hich" => self.font(name, number),
            "par" | "line" | "sect" | "page" | "column" | "softline" => self.line(),
            "pard" => self.in_table = false,
            "intbl" => self.in_table = true,
            "trowd" if self.state.destination == Destination::Main => {
                self.flush();
                self.in_table = true;
            }
            "itap" => self.in_table = number.unwrap_or(0) > 0,
            "cell" => self.end_cell(),
            "row" => self.end_row(),
            "nestcell" | "tab" => self.character('\t'),
            "nestrow" => self.line(),
            "emdash" => self.character('\u{2014}'),
            "endash" => self.character('\u{2013}'),
            "lquote" => self.character('\u{2018}'),
            "rquote" => self.character('\u{2019}'),
            "ldblquote" => self.character('\u{201C}'),
            "rdblquote" => self.character('\u{201D}'),
            "bullet" => self.character('\u{2022}'),
            "emspace" | "enspace" | "qmspace" => self.character(' '),
            "fromhtml" => self.is_html = number != Some(0),
            "htmlrtf" => {
                self.flush();
                self.state.stands_for_markup = number != Some(0);
            }
            _ => self.destination(name, starred),
        }
    }

    /// A word that may open a destination.
    fn destination(&mut self, name: &str, starred: bool) {
        if self.state.destination == Destination::Nothing {
            return;
        }
        let opened = match destination::of(name) {
            Some(opened) => opened,
            None if starred && !destination::is_transparent(name) => Destination::Beside,
            None => return,
        };
        self.flush();
        if opened == Destination::ShapeName {
            self.shape.clear();
        }
        self.state.destination = opened;
        self.state.begins = true;
    }

    fn font(&mut self, name: &str, number: Option<i32>) {
        self.flush();
        match name {
            "f" => self.state.font = number,
            "af" if self.state.in_wide => self.state.wide_font = number,
            "plain" => (self.state.font, self.state.wide_font) = (None, None),
            "dbch" => self.state.in_wide = true,
            "loch" | "hich" => self.state.in_wide = false,
            _ => {}
        }
    }

    /// `\u`: a UTF-16 unit, which a signed number stands for.
    fn unit(&mut self, number: i32) {
        if !self.pending.bytes.is_empty() {
            self.flush();
        }
        self.skip = self.state.fallback;
        self.pending.units.push(u16::try_from(number.rem_euclid(0x1_0000)).unwrap_or_default());
    }

    /// Bytes of text, or hex digits of data.
    fn bytes(&mut self, bytes: &[u8]) {
        self.starred = false;
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let bytes = &bytes[skipped..];
        match self.state.destination {
            Destination::Nothing | Destination::Fonts => {}
            Destination::Picture | Destination::Object => {
                for byte in bytes {
                    let Some(digit) = char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()) else {
                        continue;
                    };
                    match self.hex.take() {
                        Some(high) => self.data().push(high << 4 | digit),
                        None => self.hex = Some(digit),
                    }
                }
            }
            _ => {
                if !bytes.is_empty() && !self.pending.units.is_empty() {
                    self.flush();
                }
                self.pending.bytes.extend_from_slice(bytes);
            }
        }
    }

    fn data(&mut self) -> &mut Vec<u8> {
        if self.state.destination == Destination::Picture { &mut self.picture } else { &mut self.object }
    }

    /// Ends a picture or an object.
    fn end_data(&mut self) {
        self.hex = None;
        let picture = std::mem::take(&mut self.picture);
        if !picture.is_empty() {
            self.pictures.push(image::is_small(kind::of(&picture).kind, &picture));
        }
        let object = std::mem::take(&mut self.object);
        if !object.is_empty() {
            self.objects.push(object);
        }
    }

    fn character(&mut self, character: char) {
        self.flush();
        self.write(character.encode_utf8(&mut [0; 4]));
    }

    fn line(&mut self) {
        self.flush();
        if self.state.destination == Destination::Main && !self.in_table && !self.is_html {
            self.leave_table();
        }
        self.write("\n");
    }

    /// Decodes what is pending and writes it.
    fn flush(&mut self) {
        if !self.pending.units.is_empty() {
            let units = std::mem::take(&mut self.pending.units);
            self.write(&String::from_utf16_lossy(&units));
        }
        if self.pending.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.pending.bytes);
        if bytes.is_ascii() {
            self.write(&String::from_utf8_lossy(&bytes));
            return;
        }
        let (chosen, others) = self.fonts.read(&bytes, self.state.font, self.state.wide_font);
        for other in others {
            self.doubtful.push_str(&other);
            self.doubtful.push('\n');
        }
        self.write(&chosen);
    }

    /// Writes text to where it belongs.
    fn write(&mut self, text: &str) {
        match self.state.destination {
            Destination::Main if self.is_html => {
                if self.state.stands_for_markup {
                    self.besides.push_str(text);
                    return;
                }
                for character in text.chars() {
                    match character {
                        '<' => self.html.push_str("&lt;"),
                        '&' => self.html.push_str("&amp;"),
                        other => self.html.push(other),
                    }
                }
            }
            Destination::Main => self.write_main(text),
            Destination::Markup => self.html.push_str(text),
            Destination::Property => self.margins.push_str(text),
            Destination::Note => self.notes.push_str(text),
            Destination::Beside => self.besides.push_str(text),
            Destination::ShapeName => self.shape.push_str(text),
            Destination::ShapeValue if destination::is_shown(&self.shape) => self.notes.push_str(text),
            _ => {}
        }
    }

    fn write_main(&mut self, text: &str) {
        if self.in_table {
            self.enter_cell();
        } else if self.grid.in_table() && !text.trim().is_empty() {
            self.leave_table();
        }
        self.grid.push(text);
    }

    fn enter_cell(&mut self) {
        if !self.grid.in_table() {
            self.grid.open_table(None);
        }
        if !self.in_row {
            self.grid.open_row();
            self.in_row = true;
        }
        if !self.in_cell {
            self.grid.open_cell(1, 1);
            self.in_cell = true;
        }
    }

    fn end_cell(&mut self) {
        self.flush();
        if self.state.destination == Destination::Main && !self.is_html {
            self.enter_cell();
            self.grid.close_cell(1);
            self.in_cell = false;
        } else {
            self.write("\t");
        }
    }

    fn end_row(&mut self) {
        self.flush();
        if self.state.destination == Destination::Main && !self.is_html {
            if self.in_row {
                self.grid.close_row(1);
            }
            (self.in_row, self.in_cell, self.in_table) = (false, false, false);
        } else {
            self.write("\n");
        }
    }

    fn leave_table(&mut self) {
        if self.grid.in_table() {
            self.grid.close_table();
            (self.in_row, self.in_cell) = (false, false);
        }
    }
}
