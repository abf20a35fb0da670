//! From parts to text: every piece of readable content with its place, and every unread one with its reason.
//! It refuses to fail: what cannot be read becomes `Unreadable`, never an error and never silence.

use serde::{Deserialize, Serialize};

pub mod table;

pub use table::Table;

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
}
