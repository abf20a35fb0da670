//! Words of crime: records, arrests, victims.
//! It refuses to count anybody: a word is sensitive only together with a person.
//!
//! *What it finds*: criminal records, arrests, the fact of being a victim, in the record or row of a person.
//! *Why it matters*: sensitive personal information by law.
//! *Form and check digit (with source)*: a word list, no form; the classes follow article 2(3) of the act on the protection of personal information and the practice of public bodies.
//! *What lifts it*: a person in the same row, record or line; a column or title of this kind.
//! *What it must not take*: crime prevention circulars.
//! *Examples*: `前科` beside a name is likely; `防犯パトロール` is nothing.

/// Words that are about one person's criminal record, not about the subject in general.
pub const WORDS: &[&str] = &[
    "前科",
    "前歴",
    "犯罪歴",
    "逮捕歴",
    "逮捕",
    "起訴",
    "被疑者",
    "被告人",
    "有罪判決",
    "服役",
    "受刑",
    "保護観察",
    "少年院",
    "被害届",
    "被害者氏名",
    "性犯罪",
    "万引き",
    "薬物使用",
    "覚醒剤",
    "犯罪被害者",
    "criminal record",
];
