//! From parts to text: every piece of readable content with its place, and every unread one with its reason.
//! It refuses to fail: what cannot be read becomes `Unreadable`, never an error and never silence.

use crate::limits::Budget;
use serde::{Deserialize, Serialize};

mod archive;
mod blip;
mod card;
mod code_page;
mod compound;
mod csv;
mod disguise;
mod doc;
mod embedded;
mod entity;
mod grid;
mod html;
mod image;
pub mod kind;
mod little_endian;
mod lzfu;
mod msg;
mod number_format;
mod office;
mod ole;
mod pkcs7;
mod ppt;
mod properties;
mod read;
mod rtf;
mod shared_strings;
mod sheet;
mod storage;
pub mod table;
pub mod text;
mod walk;
mod xls;
mod xml;
mod zip;

pub use kind::Kind;
pub use table::Table;

/// One leaf of the MIME tree, decoded from its transfer encoding.
#[derive(Clone, Debug)]
pub struct PartInput<'a> {
    /// The place: `body`, or the attachment's name.
    pub path: String,
    /// Every reading of the file name (RFC 2231, RFC 2047, raw); the worst of them decides about [`Attachment::disguised`].
    pub names: Vec<String>,
    /// The media type as declared, `text/csv`.
    pub declared_type: Option<String>,
    /// The charset as declared.
    pub declared_charset: Option<String>,
    /// [`Role::Body`] or [`Role::Attachment`].
    pub role: Role,
    /// Shown inside the mail: it has a Content-ID or `Content-Disposition: inline`.
    pub inline: bool,
    /// The content.
    pub bytes: &'a [u8],
}

/// Reads one part and everything inside it into `out`; whatever could not be read is in [`Extracted::unreadable`].
pub fn part(input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    read::part(input, budget, out);
}

/// One piece of content with the place it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The place: `body`, or a path through attachments and archives joined with `!`, such as `名簿.zip!5年生.xlsx!Sheet1`.
    pub path: String,
    /// What role the piece plays in the mail.
    pub role: Role,
    /// The content.
    pub content: Content,
}

/// The role of a piece in the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The subject field.
    Subject,
    /// The body as the sender wrote it (plain or HTML).
    Body,
    /// Content of an attachment.
    Attachment,
    /// A name of an attachment or archive entry.
    FileName,
    /// Page header or footer, document property, label: what marks a whole document.
    Property,
}

/// Prose or rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Running text; lines are separated by `\n`.
    Text(String),
    /// Rows of cells.
    Table(Table),
}

/// Something that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unreadable {
    /// The place, in the form of [`Piece::path`].
    pub path: String,
    /// The reason.
    pub why: Why,
}

/// Why something could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Protected by a password or a key.
    Encrypted,
    /// A kind this program does not read.
    Unsupported,
    /// A limit was reached; the text before it was read.
    Limit,
    /// The structure is broken.
    Damaged,
    /// An image, in which no text could be read.
    Image,
}

impl Why {
    /// The word used in rules and facts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::Damaged => "damaged",
            Self::Image => "image",
        }
    }
}

/// One attachment (or the leaf of an archive) as rules see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Attachment {
    /// The place, in the form of [`Piece::path`]; its last segment is the file name.
    pub path: String,
    /// The kind by content, one of the short names of `extract::kind` (`xlsx`, `zip`, `jpeg`, `text`, …).
    pub kind: String,
    /// Its size in bytes, decoded.
    pub bytes: u64,
    /// The content is not what the name says.
    pub disguised: bool,
    /// It carries macros.
    pub macros: bool,
}

/// Everything that reading one mail gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extracted {
    /// The readable pieces in document order.
    pub pieces: Vec<Piece>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// The attachments, archives' entries included.
    pub attachments: Vec<Attachment>,
    /// Mails found inside (attached, in archives, under an opaque signature): path and bytes, for the reader of mails.
    pub nested_mails: Vec<(String, Vec<u8>)>,
    /// A TNEF part carries the message class `IPM.Outlook.Recall` (MS-OXOMSG 2.2.2).
    pub recall: bool,
}

impl Extracted {
    /// Adds a text unless it is blank.
    pub(crate) fn text(&mut self, path: &str, role: Role, text: String) {
        if !text.trim().is_empty() {
            self.pieces.push(Piece { path: path.to_owned(), role, content: Content::Text(text) });
        }
    }

    /// Adds a table unless it has no rows.
    pub(crate) fn table(&mut self, path: &str, role: Role, table: Table) {
        if !table.is_empty() {
            self.pieces.push(Piece { path: path.to_owned(), role, content: Content::Table(table) });
        }
    }

    /// Records that a place could not be read; the same place and reason is recorded once.
    pub(crate) fn unread(&mut self, path: &str, why: Why) {
        if !self.unreadable.iter().rev().take(16).any(|known| known.path == path && known.why == why) {
            self.unreadable.push(Unreadable { path: path.to_owned(), why });
        }
    }
}
