//! Words of family: relation, household, divorce.
//! It refuses to count anybody: a word is sensitive only together with a person, and a mere relation column is not sensitive.
//!
//! *What it finds*: divorce, household make-up, adoption in the record or row of a person.
//! *Why it matters*: it shows how people live together; it serves for tracing victims of violence.
//! *Form and check digit (with source)*: a word list, no form; the classes follow article 2(3) of the act on the protection of personal information and the practice of public bodies.
//! *What lifts it*: a person in the same row, record or line.
//! *What it must not take*: the column 続柄, which only tells persons of a row apart.
//! *Examples*: `離婚調停中` beside a name is likely.

/// Words that are about one person's family, not about the subject in general.
pub const WORDS: &[&str] = &[
    "離婚",
    "離婚調停",
    "親権",
    "認知届",
    "養子縁組",
    "婚姻歴",
    "戸籍",
    "戸籍謄本",
    "家族構成",
    "世帯構成",
    "家庭環境",
    "家庭状況",
    "別居",
    "婚外子",
    "divorce",
];
