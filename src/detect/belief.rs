//! Words of belief and origin: religion, party, union, origin.
//! It refuses to count anybody: a word is sensitive only together with a person.
//!
//! *What it finds*: religion, party or union membership, social origin in the record or row of a person.
//! *Why it matters*: sensitive personal information by law.
//! *Form and check digit (with source)*: a word list, no form; the classes follow article 2(3) of the act on the protection of personal information and the practice of public bodies.
//! *What lifts it*: a person in the same row, record or line; a column or title of this kind.
//! *What it must not take*: names of unions as organisations.
//! *Examples*: a column 宗教 beside 氏名 is likely.

/// Words that are about one person's belief or origin, not about the subject in general.
pub const WORDS: &[&str] = &[
    "宗教",
    "信仰",
    "信条",
    "思想",
    "支持政党",
    "党員",
    "党籍",
    "組合員名簿",
    "労組加入",
    "本籍",
    "国籍",
    "人種",
    "民族",
    "社会的身分",
    "同和",
    "部落",
    "在留資格",
    "性的指向",
    "性自認",
    "lgbt",
    "religion",
    "nationality",
];
