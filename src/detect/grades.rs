//! Words of results: school marks, report cards, work evaluations.
//! It refuses to count anybody: a word is sensitive only together with a person.
//!
//! *What it finds*: marks, report cards, intelligence tests, staff evaluations in the record or row of a person.
//! *Why it matters*: children and employees cannot defend themselves against a known mark.
//! *Form and check digit (with source)*: a word list, no form; the classes follow article 2(3) of the act on the protection of personal information and the practice of public bodies.
//! *What lifts it*: a person in the same row, record or line; a column or title of this kind.
//! *What it must not take*: timetables, evaluation of products or tenders.
//! *Examples*: a column 評定 beside 児童名 is likely; `評価版のご案内` is nothing.

/// Words that are about one person's school or work results, not about the subject in general.
pub const WORDS: &[&str] = &[
    "成績",
    "成績表",
    "成績一覧",
    "通知表",
    "評定",
    "内申点",
    "内申",
    "調査書",
    "偏差値",
    "素点",
    "得点率",
    "試験結果",
    "合否",
    "合否判定",
    "合格者",
    "不合格",
    "不合格者",
    "再試験",
    "指導要録",
    "個別指導計画",
    "個別の教育支援計画",
    "知能検査",
    "iq",
    "学力検査",
    "欠席日数",
    "不登校",
    "いじめ",
    "人事評価",
    "人事考課",
    "考課",
    "考課結果",
    "業績評価",
    "能力評価",
    "評価ランク",
    "昇給",
    "昇格",
    "降格",
    "査定",
    "賞与査定",
    "面談記録",
    "評価点",
    "評価結果",
    "gpa",
    "report card",
];
