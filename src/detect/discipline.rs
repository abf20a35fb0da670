//! Words of discipline: warnings, dismissals, guidance.
//! It refuses to count anybody: a word is sensitive only together with a person.
//!
//! *What it finds*: disciplinary measures, suspensions, guidance records in the record or row of a person.
//! *Why it matters*: it damages a reputation for years.
//! *Form and check digit (with source)*: a word list, no form; the classes follow article 2(3) of the act on the protection of personal information and the practice of public bodies.
//! *What lifts it*: a person in the same row, record or line; a column or title of this kind.
//! *What it must not take*: rules about discipline, public notices of a measure without name.
//! *Examples*: `懲戒処分：戒告` beside a name is likely; `懲戒処分の指針` is nothing.

/// Words that are about one person's discipline, not about the subject in general.
pub const WORDS: &[&str] = &[
    "懲戒",
    "懲戒処分",
    "懲戒解雇",
    "懲戒免職",
    "停職",
    "減給処分",
    "戒告",
    "譴責",
    "訓告",
    "諭旨解雇",
    "分限処分",
    "分限免職",
    "停学",
    "退学処分",
    "謹慎",
    "生徒指導記録",
    "問題行動",
    "非行歴",
    "ハラスメント",
    "パワハラ",
    "セクハラ",
    "始末書",
    "事故報告",
    "勤務不良",
    "disciplinary",
];
