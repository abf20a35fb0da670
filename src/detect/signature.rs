//! Tells a signature block from a record: both hold a name, an address and a number.
//! It refuses to take a labelled record (`氏名：…`, `生年月日：…`) for a signature.

use super::Kind;
use super::context::{Entity, Hit, Word};

/// Lines a signature has at most.
const LINES: usize = 14;

/// Is the paragraph a signature, a letterhead or a contact box?
pub(super) fn is_one(text: &str, entities: &[Entity], words: &[Hit], is_own: impl Fn(&Entity) -> bool) -> bool {
    if text.lines().count() > LINES
        || ["氏名:", "氏名 :", "名前:", "生年月日", "口座番号:", "患者", "児童名"]
            .iter()
            .any(|label| text.contains(label))
    {
        return false;
    }
    if entities.iter().any(|entity| matches!(entity.kind, Kind::BirthDate | Kind::MyNumber | Kind::CreditCard)) {
        return false;
    }
    let office = words.iter().filter(|hit| matches!(hit.word, Word::Organisation | Word::Business)).count();
    let own = entities.iter().any(|entity| entity.kind == Kind::EmailAddress && is_own(entity));
    let contacts = entities
        .iter()
        .filter(|entity| matches!(entity.kind, Kind::Phone | Kind::EmailAddress | Kind::Address | Kind::PostalCode))
        .count();
    let lower = text.to_ascii_lowercase();
    let marks = ["tel", "fax", "mail", "http", "〒", "内線", "直通", "代表", "mobile", "電話"]
        .iter()
        .filter(|mark| lower.contains(*mark))
        .count();
    let people = text.lines().filter(|line| line.contains('様')).count();
    people == 0 && (own && contacts >= 1 || office >= 1 && (contacts >= 1 && marks >= 1 || marks >= 2))
}
