//! What a column of a table holds, by the words of its heading; where the heading is silent, by what its cells contain.
//! It refuses to believe a heading against its cells: a column of product names under "name" is no column of persons.

use super::context::{Buffers, Word};
use super::number::{self, Chain};
use super::{Kind, address, birth_date, check_digit, credit_card, email_address, name, phone, postal_code};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Full names of persons.
    Name,
    /// Family names, given names in the next column.
    Surname,
    Given,
    /// Their readings.
    Reading,
    /// Further persons of the row: guardian, account holder, spouse.
    Other,
    /// Names that are an office's face: representative, contact, lecturer, committee member.
    Official,
    /// Kinds of values.
    Value(Kind),
    /// A column that makes its persons sensitive.
    Sensitive(Kind),
    Login,
    Password,
    Organisation,
    /// Post or rank.
    Title,
    /// Order numbers, slips, codes: numbers in it are nobody's.
    Code,
    /// Anything else.
    Free,
}

const NAME: &[&str] = &[
    "氏名",
    "名前",
    "お名前",
    "姓名",
    "児童名",
    "生徒名",
    "園児名",
    "学生名",
    "患者名",
    "職員名",
    "社員名",
    "会員名",
    "顧客名",
    "お客様名",
    "利用者名",
    "対象者名",
    "参加者名",
    "受講者名",
    "申込者名",
    "申込者",
    "世帯主",
    "世帯主名",
    "本人",
    "被保険者名",
    "受給者名",
    "従業員名",
    "契約者名",
    "申請者名",
    "組合員名",
    "審査員名",
    "入所者名",
    "受験者名",
    "応募者名",
    "来場者名",
    "住民名",
    "隊員名",
    "購入者名",
    "注文者名",
    "届先名",
    "宛名",
    "氏名漢字",
    "漢字氏名",
    "name",
    "fullname",
    "customername",
    "studentname",
    "membername",
    "patientname",
    "employeename",
];
const OTHER: &[&str] = &[
    "保護者",
    "保護者名",
    "保護者氏名",
    "名義",
    "名義人",
    "口座名義",
    "口座名義人",
    "口座名義カナ",
    "口座名義人カナ",
    "名義人名",
    "配偶者",
    "配偶者名",
    "配偶者氏名",
    "扶養者",
    "家族氏名",
    "緊急連絡先氏名",
    "accountholder",
    "holder",
    "guardian",
    "spouse",
    "世帯員",
];
const OFFICIAL: &[&str] = &[
    "代表者",
    "代表者名",
    "代表者氏名",
    "担当者",
    "担当者名",
    "担当者氏名",
    "担当",
    "責任者",
    "責任者名",
    "講師",
    "講師名",
    "発表者",
    "委員",
    "委員名",
    "議員名",
    "記入者",
    "作成者",
    "承認者",
    "施設長",
    "園長",
    "校長",
    "会長",
    "contact",
    "contactperson",
    "author",
    "speaker",
];
const ORGANISATION: &[&str] = &[
    "会社名",
    "法人名",
    "事業者名",
    "事業所名",
    "企業名",
    "団体名",
    "店名",
    "店舗名",
    "施設名",
    "組織名",
    "取引先",
    "取引先名",
    "屋号",
    "機関名",
    "加盟店名",
    "会社",
    "company",
    "companyname",
    "organization",
    "organisation",
    "shop",
    "facility",
    "名称",
    "施設",
    "避難所名",
    "商号",
];
const TITLE: &[&str] = &["役職", "役職名", "職名", "肩書", "官職", "title", "position", "職"];
const CODE: &[&str] = &[
    "注文番号",
    "伝票番号",
    "管理番号",
    "受付番号",
    "商品コード",
    "品番",
    "型番",
    "jan",
    "janコード",
    "登録番号",
    "追跡番号",
    "送り状番号",
    "法人番号",
    "no",
    "no.",
    "番号",
    "連番",
    "id番号",
    "数量",
    "単価",
    "金額",
    "合計",
    "sku",
    "isbn",
    "請求番号",
    "インボイス番号",
    "fax",
    "fax番号",
];

/// The comparison form of a heading: folded, without blanks, without what stands in brackets, without marks.
fn plain(heading: &str) -> String {
    let mut depth = 0usize;
    heading
        .chars()
        .filter(|char| {
            match char {
                '(' | '[' | '【' | '〔' | '<' => depth += 1,
                ')' | ']' | '】' | '〕' | '>' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
                && !char.is_whitespace()
                && !matches!(char, '*' | '※' | '●' | '○' | '■' | '_' | '-' | ':' | '・' | '/')
        })
        .flat_map(char::to_lowercase)
        .collect()
}

fn ends(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text == *word || (!word.is_ascii() && text.len() > word.len() && text.ends_with(word)))
}

/// Reads a folded heading; `None` when it names nothing that is known.
pub fn of_heading(heading: &str, buffers: &mut Buffers) -> Option<Column> {
    let count = heading.chars().count();
    if count == 0 || count > 30 || heading.bytes().filter(u8::is_ascii_digit).count() > 3 {
        return None;
    }
    let text = plain(heading);
    if text.is_empty() {
        return None;
    }
    let reading = ["フリガナ", "ふりがな", "カナ", "かな", "kana", "ヨミ", "よみ", "読み"]
        .iter()
        .any(|word| text.contains(word) || heading.contains(word));
    if ends(&text, OTHER) {
        return Some(Column::Other);
    }
    if reading {
        return Some(Column::Reading);
    }
    match text.as_str() {
        "姓" | "苗字" | "氏" | "lastname" | "familyname" | "surname" => return Some(Column::Surname),
        "名" | "firstname" | "givenname" => return Some(Column::Given),
        "メール"
        | "メールアドレス"
        | "eメール"
        | "email"
        | "mail"
        | "emailaddress"
        | "mailaddress"
        | "アドレス"
        | "連絡先メール" => {
            return Some(Column::Value(Kind::EmailAddress));
        }
        "郵便番号" | "〒" | "postalcode" | "zip" | "zipcode" | "郵便" => {
            return Some(Column::Value(Kind::PostalCode));
        }
        "住所" | "現住所" | "自宅住所" | "住所1" | "住所2" | "所在地" | "address" => {
            return Some(Column::Value(Kind::Address));
        }
        _ => {}
    }
    if CODE.contains(&text.as_str()) {
        return Some(Column::Code);
    }
    if ends(&text, OFFICIAL) {
        return Some(Column::Official);
    }
    if ends(&text, ORGANISATION) {
        return Some(Column::Organisation);
    }
    if ends(&text, TITLE) {
        return Some(Column::Title);
    }
    if ends(&text, NAME) {
        return Some(Column::Name);
    }
    let mut found = None;
    for hit in buffers.scan(heading).words {
        let column = match hit.word {
            Word::Password => Column::Password,
            Word::Account => Column::Login,
            Word::Label(kind) => Column::Value(kind),
            Word::Sensitive(kind) => Column::Sensitive(kind),
            Word::Stop => Column::Code,
            _ => continue,
        };
        // A password column may be called `ログインパスワード`: the stricter word wins.
        if found.is_none() || column == Column::Password {
            found = Some(column);
        }
    }
    found
}

/// Guesses from sample cells (folded, not empty) what a column without a telling heading holds.
pub fn of_cells(cells: &[String], chains: &mut Vec<Chain>) -> Column {
    if cells.len() < 3 {
        return Column::Free;
    }
    let mut share = |test: &mut dyn FnMut(&str, &mut Vec<Chain>) -> bool| {
        let hits = cells.iter().filter(|cell| test(cell, chains)).count();
        hits as f64 / cells.len() as f64
    };
    let one = |cell: &str, chains: &mut Vec<Chain>| {
        number::chains(cell, chains);
        match chains.as_slice() {
            [chain] if chain.start <= 1 && chain.end == cell.len() => Some(*chain),
            _ => None,
        }
    };
    if share(&mut |cell, _| {
        cell.contains('@') && cell.find('@').and_then(|at| email_address::around(cell, at)).is_some()
    }) > 0.6
    {
        return Column::Value(Kind::EmailAddress);
    }
    // Of random numbers 1 in 11 passes the check digit, of real ones all do; a column of other codes never comes near.
    if share(&mut |cell, chains| {
        one(cell, chains).is_some_and(|chain| chain.digits().len() == 12 && check_digit::my_number(chain.digits()))
    }) > 0.8
    {
        return Column::Value(Kind::MyNumber);
    }
    if share(&mut |cell, chains| one(cell, chains).is_some_and(|chain| credit_card::valid(chain.digits()))) > 0.8 {
        return Column::Value(Kind::CreditCard);
    }
    if share(&mut |cell, chains| {
        one(cell, chains)
            .and_then(|chain| phone::parse(&chain))
            .is_some_and(|phone| phone.written || phone.line == phone::Line::Mobile)
    }) > 0.6
    {
        return Column::Value(Kind::Phone);
    }
    if share(&mut |cell, chains| {
        one(cell.trim_start_matches('〒'), chains)
            .is_some_and(|chain| postal_code::form(&chain) && chain.groups().len() == 2)
    }) > 0.8
    {
        return Column::Value(Kind::PostalCode);
    }
    if share(&mut |cell, _| address::cell(cell)) > 0.6 {
        return Column::Value(Kind::Address);
    }
    if share(&mut |cell, _| name::known(cell)) > 0.5 {
        return Column::Name;
    }
    // Dates of birth lie far apart and in the past; dates of a project do not.
    let years: Vec<u16> = cells.iter().filter_map(|cell| birth_date::parse(cell)).map(|(date, _)| date.year).collect();
    if years.len() as f64 > 0.8 * cells.len() as f64 {
        let (least, most) = (years.iter().min().copied().unwrap_or(0), years.iter().max().copied().unwrap_or(0));
        if most - least >= 8 && least < 2012 {
            return Column::Value(Kind::BirthDate);
        }
    }
    Column::Free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_understood_in_many_writings() {
        let mut buffers = Buffers::default();
        for (heading, want) in [
            ("氏名", Some(Column::Name)),
            ("お客様氏名(漢字)", Some(Column::Name)),
            ("氏 名", Some(Column::Name)),
            ("フリガナ", Some(Column::Reading)),
            ("保護者氏名", Some(Column::Other)),
            ("口座名義人(カナ)", Some(Column::Other)),
            ("電話番号", Some(Column::Value(Kind::Phone))),
            ("生年月日", Some(Column::Value(Kind::BirthDate))),
            ("マイナンバー", Some(Column::Value(Kind::MyNumber))),
            ("口座番号", Some(Column::Value(Kind::BankAccount))),
            ("E-mail", Some(Column::Value(Kind::EmailAddress))),
            ("ログインID", Some(Column::Login)),
            ("初期パスワード", Some(Column::Password)),
            ("病名", Some(Column::Sensitive(Kind::Health))),
            ("会社名", Some(Column::Organisation)),
            ("代表者氏名", Some(Column::Official)),
            ("商品名", None),
            ("2026年度予算書の説明文がここに入ります長い長い長い長い", None),
        ] {
            assert_eq!(of_heading(heading, &mut buffers), want, "{heading}");
        }
    }
}
