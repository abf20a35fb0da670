//! The shape of a table: where its heading is, and what each column holds.
//! It refuses to take a row of values for a heading, and a heading for a person.

use super::column::{self, Column};
use super::context::{Buffers, Word};
use super::ledger::is_private;
use super::number::Chain;
use super::{Kind, name, normalize};
use crate::extract::Table;

/// Rows above which a heading is looked for.
const DEPTH: usize = 20;
/// Cells of a column that are looked at.
const SAMPLES: usize = 60;
/// Columns looked at.
const WIDTH: usize = 200;

/// What is known about a table from some row on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Index of the first row of values.
    pub(super) first: usize,
    pub(super) columns: Vec<Column>,
    /// The title above makes every person sensitive.
    pub(super) sensitive: Option<Kind>,
}

/// Finds the shape of the table that starts at or below a row; `None` when nothing in it is known.
pub(super) fn find(table: &Table, from: usize, buffers: &mut Buffers, chains: &mut Vec<Chain>) -> Option<Layout> {
    let mut title = String::new();
    let mut heading: Option<(usize, Vec<Option<Column>>)> = None;
    for index in from..table.len().min(from + DEPTH) {
        let columns = headings(table, index, buffers);
        let known = columns.iter().flatten().count();
        let filled =
            table.row(index).map_or(0, |row| row.cells().take(WIDTH).filter(|cell| !cell.trim().is_empty()).count());
        if filled == 0 {
            continue;
        }
        if known >= 2 && known * 3 >= filled || known == 1 && filled <= 2 && strong(&columns) {
            heading = Some((index, columns));
            break;
        }
        if index < from + 4 && filled <= 3 {
            for cell in table
                .row(index)
                .into_iter()
                .flat_map(|row| row.cells().take(WIDTH).map(str::to_owned).collect::<Vec<_>>())
            {
                title.push_str(&cell);
                title.push(' ');
            }
        }
    }
    let (first, mut typed) = match heading {
        Some((index, mut columns)) => {
            // A second line of headings fills the gaps of the first.
            let below = headings(table, index + 1, buffers);
            let mut first = index + 1;
            if below.iter().flatten().count() >= 2 {
                first += 1;
                columns.resize(columns.len().max(below.len()), None);
                for (column, second) in columns.iter_mut().zip(below) {
                    if column.is_none() || second.is_some() && matches!(column, Some(Column::Free | Column::Code)) {
                        *column = second;
                    }
                }
            }
            (first, columns)
        }
        None => (from, Vec::new()),
    };
    let width = (first..table.len().min(first + SAMPLES))
        .filter_map(|row| table.row(row))
        .map(|row| row.len())
        .max()
        .unwrap_or(0)
        .min(WIDTH);
    typed.resize(typed.len().max(width), None);
    let titled = typed.iter().any(Option::is_some);
    let columns: Vec<Column> = typed
        .iter()
        .enumerate()
        .map(|(index, column)| match column {
            Some(Column::Name | Column::Other | Column::Official) => column.unwrap_or(Column::Free),
            Some(column) => *column,
            None => column::of_cells(&sample(table, first, index), chains),
        })
        .collect();
    let columns = checked(table, first, columns);
    let useful = columns
        .iter()
        .any(|column| !matches!(column, Column::Free | Column::Code | Column::Organisation | Column::Title));
    if !useful || (!titled && columns.iter().filter(|column| **column != Column::Free).count() < 2) {
        return None;
    }
    let folded = normalize::fold(&title);
    let sensitive = buffers.scan(&folded).words.iter().find_map(|hit| match hit.word {
        Word::Sensitive(kind) => Some(kind),
        _ => None,
    });
    Some(Layout { first, columns, sensitive })
}

fn strong(columns: &[Option<Column>]) -> bool {
    columns
        .iter()
        .flatten()
        .any(|column| matches!(column, Column::Name | Column::Value(Kind::MyNumber | Kind::EmailAddress)))
}

/// The known headings of a row; none at all when a cell is plainly a value.
fn headings(table: &Table, index: usize, buffers: &mut Buffers) -> Vec<Option<Column>> {
    let Some(row) = table.row(index) else { return Vec::new() };
    let mut columns = Vec::with_capacity(row.len().min(WIDTH));
    for cell in row.cells().take(WIDTH) {
        let folded = normalize::fold(cell);
        let text = folded.trim();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits >= 6 || text.contains('@') || (name::known(text) && !text.ends_with('名')) {
            return Vec::new();
        }
        columns.push(column::of_heading(text, buffers));
    }
    columns
}

/// Folded cells of a column that are not empty.
fn sample(table: &Table, first: usize, column: usize) -> Vec<String> {
    let rows = (first..table.len().min(first + 4 * SAMPLES)).filter_map(|row| table.row(row));
    let cells = rows.map(|row| normalize::fold(row.cell(column)).trim().to_owned()).filter(|cell| !cell.is_empty());
    cells.take(SAMPLES).collect()
}

/// Columns of names keep their type only when their cells can be names, and when the table is one of private persons.
fn checked(table: &Table, first: usize, mut columns: Vec<Column>) -> Vec<Column> {
    let private = columns.iter().any(|column| is_private(*column));
    let contact = columns.iter().any(|column| {
        matches!(column, Column::Value(Kind::Phone | Kind::EmailAddress | Kind::Address) | Column::Password)
    });
    let reading = columns.contains(&Column::Reading);
    let organised = columns.contains(&Column::Organisation);
    let posts = columns.contains(&Column::Title);
    for (index, column) in columns.iter_mut().enumerate() {
        let counts = match *column {
            // A list of posts names officials; a list of companies names their representatives.
            Column::Name => private || contact && !(posts && organised) || !posts && !organised,
            Column::Official => private,
            Column::Other => true,
            _ => continue,
        };
        let cells = sample(table, first, index);
        let possible = cells.iter().filter(|cell| name::possible(cell)).count();
        let known = cells.iter().filter(|cell| name::known(cell)).count();
        let likely = possible * 2 >= cells.len() && (private || contact || reading || known * 5 >= cells.len());
        if !counts || !likely {
            *column = Column::Free;
        }
    }
    columns
}
