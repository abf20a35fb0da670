//! Reads a table row by row: every cell of a typed column is a value, every row with a person is one person.
//! It refuses to count strings: a person is counted once, however many of his values stand in the row.

use super::column::Column;
use super::context::Word;
use super::hash;
use super::layout::{self, Layout};
use super::ledger::Ledger;
use super::number::{self, Chain, Joint};
use super::person::{Individual, short};
use super::{
    Confidence, Kind, address, bank_account, birth_date, check_digit, credential, credit_card, drivers_license,
    email_address, name, normalize, passport, phone, postal_code, residence_card,
};
use crate::extract::Table;
use crate::extract::table::Row;
use std::borrow::Cow;

/// Cells that say "nothing".
const NOTHING: &[&str] = &[
    "",
    "-",
    "なし",
    "無し",
    "無",
    "0",
    "×",
    "x",
    "該当なし",
    "特になし",
    "n/a",
    "none",
    "ー",
    "―",
    "未",
    "異常なし",
    "null",
];

/// Reads a table; `path` is its place.
pub(super) fn read(ledger: &mut Ledger<'_>, path: &str, table: &Table, sensitive_title: Option<Kind>) {
    let mut buffers = std::mem::take(&mut ledger.buffers);
    let mut chains = std::mem::take(&mut ledger.chains);
    let found = layout::find(table, 0, &mut buffers, &mut chains);
    let mut layout = match found {
        Some(layout) => layout,
        None => {
            (ledger.buffers, ledger.chains) = (buffers, chains);
            form(ledger, path, table);
            return;
        }
    };
    let mut index = layout.first;
    let mut after_gap = false;
    while let Some(row) = table.row(index) {
        let empty = row.cells().all(|cell| cell.trim().is_empty());
        if empty {
            after_gap = true;
            index += 1;
            continue;
        }
        // Behind a gap another table may begin, with headings of its own.
        if (after_gap || repeats_heading(&layout, row))
            && let Some(next) = layout::find(table, index, &mut buffers, &mut chains)
            && next.first > index
            && next.first <= index + 6
        {
            index = next.first;
            layout = next;
            after_gap = false;
            continue;
        }
        after_gap = false;
        let sensitive = layout.sensitive.or(sensitive_title);
        let mut reading = Reading { ledger, path, index, sensitive, chains: &mut chains, buffers: &mut buffers };
        reading.row(row, &layout.columns);
        index += 1;
    }
    (ledger.buffers, ledger.chains) = (buffers, chains);
}

/// Does a name column hold its own heading again?
fn repeats_heading(layout: &Layout, row: Row<'_>) -> bool {
    let names = layout.columns.iter().enumerate().filter(|(_, column)| matches!(column, Column::Name));
    names
        .map(|(index, _)| row.cell(index))
        .any(|cell| cell.contains("氏名") || cell.contains("名前") || cell.eq_ignore_ascii_case("name"))
}

struct Reading<'r, 's> {
    ledger: &'r mut Ledger<'s>,
    path: &'r str,
    index: usize,
    sensitive: Option<Kind>,
    chains: &'r mut Vec<Chain>,
    buffers: &'r mut super::context::Buffers,
}

/// What a row says.
#[derive(Default)]
struct Gleaned {
    person: Individual,
    /// Hash of a number that identifies somebody.
    identifier: u64,
    others: Vec<u64>,
    surname: String,
    login: u64,
    password: Option<(String, usize)>,
    /// Mail address that is a party's: the row is about a party.
    party: bool,
    loose: Option<u64>,
}

impl Reading<'_, '_> {
    fn place(&self, column: usize) -> String {
        format!("{}!{}{}", self.path, letters(column), self.index + 1)
    }

    fn row(&mut self, row: Row<'_>, columns: &[Column]) {
        let mut gleaned = Gleaned::default();
        for (index, column) in columns.iter().enumerate() {
            let raw = row.cell(index);
            if raw.is_empty() {
                continue;
            }
            let folded = normalize::fold(raw);
            let cell = folded.trim();
            if !cell.is_empty() {
                self.cell(cell, index, *column, &mut gleaned);
            }
        }
        self.credential(&gleaned);
        let mut person = gleaned.person;
        if self.sensitive.is_some() {
            person.sensitive = true;
        }
        if gleaned.party {
            return;
        }
        if person.name != 0 {
            self.ledger.person(person);
        } else if gleaned.identifier != 0 {
            self.ledger.person(Individual { name: gleaned.identifier, ..person });
        } else if let Some(address) = gleaned.loose {
            self.ledger.loose_address(address);
        }
        for other in gleaned.others {
            let person =
                Individual { name: other, financial: person.financial, sensitive: false, ..Individual::default() };
            self.ledger.person(person);
        }
    }

    fn credential(&mut self, gleaned: &Gleaned) {
        let Some((password, column)) = &gleaned.password else { return };
        let account =
            if gleaned.login != 0 { gleaned.login } else { hash::pair(gleaned.person.name, hash::of(password)) };
        let place = self.place(*column);
        self.ledger.credential(account, Confidence::Certain, password, || place);
    }

    fn see(&mut self, kind: Kind, confidence: Confidence, hash: u64, value: &str, column: usize) {
        let (path, index) = (self.path, self.index);
        self.ledger.tally.see(kind, confidence, hash, value, || format!("{path}!{}{}", letters(column), index + 1));
    }

    fn cell(&mut self, cell: &str, index: usize, column: Column, gleaned: &mut Gleaned) {
        match column {
            Column::Name | Column::Official => {
                if name::possible(cell) && gleaned.person.name == 0 {
                    gleaned.person.name = name::key(cell);
                    self.see(Kind::Name, Confidence::Likely, gleaned.person.name, cell, index);
                }
            }
            Column::Surname => gleaned.surname = cell.to_owned(),
            Column::Given => {
                let full = std::mem::take(&mut gleaned.surname) + cell;
                if gleaned.person.name == 0 && name::possible(&full) {
                    gleaned.person.name = name::key(&full);
                    self.see(Kind::Name, Confidence::Likely, gleaned.person.name, &full, index);
                }
            }
            Column::Reading => {
                if name::possible(cell) {
                    gleaned.person.reading = name::key(cell);
                }
            }
            Column::Other => {
                if name::possible(cell) {
                    let key = name::key(cell);
                    gleaned.others.push(key);
                    self.see(Kind::Name, Confidence::Likely, key, cell, index);
                }
            }
            Column::Value(kind) => self.value(kind, cell, index, gleaned),
            Column::Sensitive(kind) => {
                if !NOTHING.contains(&cell.to_lowercase().as_str()) {
                    gleaned.person.sensitive = true;
                    self.see(kind, Confidence::Likely, hash::of(cell), cell, index);
                }
            }
            Column::Login => gleaned.login = hash::of(cell),
            Column::Password => {
                if credential::passwordish(cell) && cell.is_ascii() {
                    gleaned.password = Some((cell.to_owned(), index));
                }
            }
            Column::Free => self.free(cell, index, gleaned),
            Column::Code | Column::Organisation | Column::Title => {}
        }
    }

    /// A cell of a column that holds values of one kind.
    fn value(&mut self, kind: Kind, cell: &str, index: usize, gleaned: &mut Gleaned) {
        let Some((hash, confidence)) = parse(kind, cell, self.chains) else { return };
        match kind {
            Kind::EmailAddress => {
                if self.ledger.is_party(hash) {
                    gleaned.party = true;
                }
                if self.ledger.is_no_outsider(cell, hash) {
                    gleaned.person.email = short(hash);
                    return;
                }
                gleaned.person.email = short(hash);
                gleaned.loose = Some(hash);
            }
            Kind::Phone => gleaned.person.phone = short(hash),
            Kind::Address => gleaned.person.address = short(hash),
            Kind::BirthDate => gleaned.person.birth = short(hash),
            Kind::BankAccount | Kind::CreditCard => {
                gleaned.person.financial = true;
                if kind == Kind::CreditCard {
                    gleaned.identifier = hash;
                }
            }
            Kind::PostalCode => {}
            _ => {
                gleaned.person.number = short(hash);
                gleaned.identifier = hash;
            }
        }
        self.see(kind, confidence, hash, cell, index);
    }

    /// A cell of an untyped column: remarks hide health and welfare words, and values of any kind.
    fn free(&mut self, cell: &str, index: usize, gleaned: &mut Gleaned) {
        if cell.len() < 6 {
            return;
        }
        let scan = self.buffers.scan(cell);
        let mut kinds: Vec<Kind> = Vec::new();
        for hit in scan.words {
            if let Word::Sensitive(kind) = hit.word {
                kinds.push(kind);
            }
        }
        let mut entities = std::mem::take(&mut self.ledger.entities);
        entities.clear();
        super::prose::find_all(&scan, &mut entities);
        for entity in &entities {
            if entity.confidence == Confidence::Weak {
                continue;
            }
            match entity.kind {
                Kind::BankAccount | Kind::CreditCard => gleaned.person.financial = true,
                Kind::MyNumber | Kind::DriversLicense => gleaned.identifier = entity.hash,
                Kind::EmailAddress if self.ledger.is_no_outsider(&cell[entity.start..entity.end], entity.hash) => {
                    continue;
                }
                Kind::EmailAddress => gleaned.loose = Some(entity.hash),
                _ => {}
            }
            self.see(entity.kind, entity.confidence, entity.hash, &cell[entity.start..entity.end], index);
        }
        self.ledger.entities = entities;
        for kind in kinds {
            gleaned.person.sensitive = true;
            self.see(kind, Confidence::Likely, hash::of(cell), cell, index);
        }
    }
}

/// Reads a cell as a value of the kind its column holds.
fn parse(kind: Kind, cell: &str, chains: &mut Vec<Chain>) -> Option<(u64, Confidence)> {
    match kind {
        Kind::EmailAddress => {
            let (start, end) = email_address::around(cell, cell.find('@')?)?;
            return Some((email_address::key(&cell[start..end]), Confidence::Certain));
        }
        Kind::Address => return address_cell(cell).then(|| (address::key(cell), Confidence::Likely)),
        Kind::BirthDate => return birth_date::parse(cell).map(|(date, _)| (date.key(), Confidence::Certain)),
        Kind::Passport => return passport::form(cell).then(|| (hash::of(cell), Confidence::Certain)),
        Kind::ResidenceCard => return residence_card::form(cell).then(|| (hash::of(cell), Confidence::Certain)),
        _ => {}
    }
    number::chains(cell, chains);
    let chain = chains.iter().max_by_key(|chain| chain.digits().len())?;
    let digits = chain.digits();
    let whole = (hash::of_bytes(digits), Confidence::Certain);
    match kind {
        Kind::MyNumber => (digits.len() == 12 && check_digit::my_number(digits)).then_some(whole),
        Kind::DriversLicense => drivers_license::confidence(chain).map(|confidence| (whole.0, confidence)),
        Kind::Phone => phone::parse_in_column(chain).map(|phone| (phone.hash, Confidence::Certain)),
        Kind::PostalCode => postal_code::form(chain).then_some((whole.0, Confidence::Likely)),
        Kind::BankAccount => bank_account::form(chain).then(|| (bank_account::key(chain), Confidence::Certain)),
        Kind::CreditCard => credit_card::valid(digits)
            .then(|| (whole.0, if credit_card::is_test(chain) { Confidence::Weak } else { Confidence::Certain })),
        Kind::HealthInsurance | Kind::PensionNumber | Kind::EmploymentInsurance | Kind::ResidentRecordCode => {
            (digits.len() >= 6 && chain.joint != Joint::Slash).then_some(whole)
        }
        _ => None,
    }
}

/// In an address column a town without number is an address too.
fn address_cell(cell: &str) -> bool {
    address::cell(cell)
        || (cell.chars().count() >= 5
            && ["市", "区", "町", "村", "県", "府", "都"].iter().any(|word| cell.contains(word)))
        || (cell.chars().count() >= 4 && cell.bytes().any(|byte| byte.is_ascii_digit()) && !cell.is_ascii())
}

/// Column letters of a spreadsheet: A … Z, AA …
pub(super) fn letters(mut column: usize) -> String {
    let mut out = Vec::new();
    loop {
        out.push(b'A' + u8::try_from(column % 26).unwrap_or(0));
        if column < 26 {
            break;
        }
        column = column / 26 - 1;
    }
    out.reverse();
    String::from_utf8_lossy(&out).into_owned()
}

/// A form: labels and values side by side; a repeated name label begins the next person.
fn form(ledger: &mut Ledger<'_>, path: &str, table: &Table) {
    let mut buffers = std::mem::take(&mut ledger.buffers);
    let mut chains = std::mem::take(&mut ledger.chains);
    let mut gleaned = Gleaned::default();
    let mut labels = 0;
    for index in 0..table.len() {
        let Some(row) = table.row(index) else { break };
        let cells: Vec<Cow<'_, str>> = row.cells().map(normalize::fold).collect();
        let mut at = 0;
        while at < cells.len() {
            let column = super::column::of_heading(cells[at].trim(), &mut buffers);
            let value = (at + 1..cells.len()).find(|next| !cells[*next].trim().is_empty());
            let mut reading =
                Reading { ledger, path, index, sensitive: None, chains: &mut chains, buffers: &mut buffers };
            match (column, value) {
                (Some(column), Some(next)) if column != Column::Code => {
                    if column == Column::Name && gleaned.person.name != 0 {
                        flush(&mut reading, std::mem::take(&mut gleaned), labels);
                        labels = 0;
                    }
                    labels += 1;
                    reading.cell(cells[next].trim(), next, column, &mut gleaned);
                    at = next + 1;
                }
                _ => {
                    reading.free(cells[at].trim(), at, &mut gleaned);
                    at += 1;
                }
            }
        }
    }
    let mut reading = Reading { ledger, path, index: 0, sensitive: None, chains: &mut chains, buffers: &mut buffers };
    flush(&mut reading, gleaned, labels);
    (ledger.buffers, ledger.chains) = (buffers, chains);
}

/// A person of a form needs a name and something else about him.
fn flush(reading: &mut Reading<'_, '_>, gleaned: Gleaned, labels: usize) {
    reading.credential(&gleaned);
    let person = gleaned.person;
    let more = person.birth | person.number | person.email | person.phone | person.address;
    if gleaned.party || (person.name == 0 && gleaned.identifier == 0) {
        return;
    }
    if more != 0 || person.sensitive || person.financial || labels >= 3 {
        let name = if person.name == 0 { gleaned.identifier } else { person.name };
        reading.ledger.person(Individual { name, ..person });
        for other in gleaned.others {
            reading.ledger.person(Individual { name: other, financial: person.financial, ..Individual::default() });
        }
    }
}
