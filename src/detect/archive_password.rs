//! Passwords of protected attachments, sent in a mail of their own.
//! It refuses to call them credentials: they open one file, no account.
//!
//! *What it finds*: a password label with a value beside words of attachments, archives, opening.
//! *Why it matters*: file and password on the same road protect nothing (PPAP).
//! *Form and check digit (with source)*: label and value as for credentials; the words below tell them apart.
//! *What lifts it*: a word of the list within some lines.
//! *What it must not take*: login data, pass codes of web meetings.
//! *Examples*: `添付ファイルのパスワードは Abc123xyz です` is likely.

/// Words that speak of a protected file.
pub const WORDS: &[&str] = &[
    "添付ファイル",
    "添付のファイル",
    "添付資料",
    "添付した",
    "添付いたし",
    "添付",
    "zip",
    "解凍",
    "展開",
    "圧縮",
    "暗号化",
    "開封",
    "ファイルを開く",
    "pdfを開く",
    "開くための",
    "ファイルのパスワード",
    "先ほどお送り",
    "先程お送り",
    "先ほどのメール",
    "先程のメール",
    "先のメール",
    "前のメール",
    "attached file",
    "attachment",
    "attached",
    "archive",
    "ファイル",
    "ダウンロード",
];
