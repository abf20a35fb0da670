//! Words of tax and income: assessments, arrears, seizures.
//! It refuses to count anybody: a word is sensitive only together with a person.
//!
//! *What it finds*: income, tax amounts, arrears, seizures in the record or row of a person.
//! *Why it matters*: tax secrecy; income and debt are what swindlers look for.
//! *Form and check digit (with source)*: a word list, no form; the classes follow article 2(3) of the act on the protection of personal information and the practice of public bodies.
//! *What lifts it*: a person in the same row, record or line; a column or title of this kind.
//! *What it must not take*: invoices with consumption tax, circulars about tax returns.
//! *Examples*: a column 滞納額 beside 氏名 is likely; `消費税` is nothing.

/// Words that are about one person's tax, not about the subject in general.
pub const WORDS: &[&str] = &[
    "滞納",
    "滞納額",
    "滞納者",
    "滞納整理",
    "差押",
    "差押え",
    "課税額",
    "市県民税",
    "市民税",
    "町県民税",
    "住民税",
    "税額",
    "固定資産税",
    "軽自動車税",
    "国民健康保険税",
    "国民健康保険料",
    "所得",
    "所得額",
    "所得金額",
    "課税所得",
    "総所得",
    "給与収入",
    "年収",
    "年税額",
    "納税",
    "納税義務者",
    "未納",
    "未納額",
    "未納者",
    "督促",
    "催告",
    "不納欠損",
    "源泉徴収票",
    "源泉徴収",
    "扶養控除",
    "給与明細",
    "支給額",
    "基本給",
    "月給",
    "賞与額",
    "annual income",
    "salary",
];
