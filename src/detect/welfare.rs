//! Words of welfare: public assistance, child care, care services.
//! It refuses to count anybody: a word is sensitive only together with a person.
//!
//! *What it finds*: public assistance, child abuse consultation, allowances in the record or row of a person.
//! *Why it matters*: it reveals need or family distress; leaks of such lists were reported again and again.
//! *Form and check digit (with source)*: a word list, no form; the classes follow article 2(3) of the act on the protection of personal information and the practice of public bodies.
//! *What lifts it*: a person in the same row, record or line; a column or title of this kind.
//! *What it must not take*: circulars about allowances, office names (福祉課).
//! *Examples*: `生活保護受給` in the row of a person is likely; `福祉まつりのご案内` is nothing.

/// Words that are about one person's welfare, not about the subject in general.
pub const WORDS: &[&str] = &[
    "生活保護",
    "生保受給",
    "被保護者",
    "保護費",
    "生活扶助",
    "住宅扶助",
    "医療扶助",
    "ケース番号",
    "ケース記録",
    "児童虐待",
    "虐待",
    "虐待通告",
    "要保護児童",
    "一時保護",
    "dv被害",
    "dv被害者",
    "支援措置",
    "児童扶養手当",
    "特別児童扶養手当",
    "就学援助",
    "要保護",
    "準要保護",
    "ひとり親",
    "母子家庭",
    "父子家庭",
    "養育費",
    "里親",
    "介護認定",
    "要介護認定",
    "介護保険被保険者",
    "ケアプラン",
    "成年後見",
    "被後見人",
    "障害福祉サービス",
    "自立支援医療",
    "生活困窮",
    "ホームレス",
    "給付金対象者",
    "非課税世帯",
    "災害弱者",
    "避難行動要支援者",
    "要支援者名簿",
    "遺族年金",
    "障害年金",
    "welfare",
    "public assistance",
];
