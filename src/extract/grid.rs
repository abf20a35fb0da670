//! Builds running text and tables at the same time, for formats where one stands in the other.
//! It refuses layout tables: one without two filled cells in some row becomes lines of text.

use super::embedded::{self, Inside};
use super::{Extracted, Role, Table, Why};
use crate::limits::Budget;

/// Tables in tables deeper than this are read as lines.
const DEEPEST: usize = 64;
/// Rows of a sheet (ECMA-376 part 1, 18.3.1.73), so the most that a gap may leave out.
const ROWS: usize = 1_048_576;
/// Columns that one cell may span or be repeated over.
const COLUMNS: usize = 16_384;
/// Times that a filled cell is written when it is repeated.
const REPEATS: usize = 64;
/// Bytes the table needs for a cell or row besides its text.
const OVERHEAD: u64 = 4;
/// Bytes a table needs besides its cells.
const TABLE: u64 = 256;

/// A table that is being built.
#[derive(Default)]
struct Open {
    name: Option<String>,
    table: Table,
    cell: Option<String>,
    in_row: bool,
    /// Cells, empty ones included, of the current row.
    columns: usize,
    /// Filled cells of the current row.
    filled: usize,
    /// Empty cells and rows that only count when something follows them.
    empty_cells: usize,
    empty_rows: usize,
    /// For each column, rows that a cell above still covers.
    covered: Vec<usize>,
    span: (usize, usize),
    /// Some row has two filled cells.
    is_data: bool,
    /// The value to use when the cell has no text.
    fallback: String,
}

/// The builder.
pub(super) struct Grid<'b> {
    text: String,
    open: Vec<Open>,
    too_deep: usize,
    done: Vec<(Option<String>, Table)>,
    budget: &'b mut Budget,
    full: bool,
}

impl<'b> Grid<'b> {
    pub(super) fn new(budget: &'b mut Budget) -> Self {
        Self { text: String::new(), open: Vec::new(), too_deep: 0, done: Vec::new(), budget, full: false }
    }

    /// Where text goes now: the open cell, or the running text.
    fn target(&mut self) -> &mut String {
        match self.open.last_mut() {
            Some(Open { cell: Some(cell), .. }) => cell,
            _ => &mut self.text,
        }
    }

    /// Appends text as it is.
    pub(super) fn push(&mut self, text: &str) {
        self.target().push_str(text);
    }

    /// Appends text with runs of white space made one blank.
    pub(super) fn push_collapsed(&mut self, text: &str) {
        let target = self.target();
        let mut blank = target.is_empty() || target.ends_with([' ', '\n']);
        for (index, word) in text.split([' ', '\t', '\n', '\r', '\x0C']).enumerate() {
            if index > 0 && !blank {
                target.push(' ');
                blank = true;
            }
            if !word.is_empty() {
                target.push_str(word);
                blank = false;
            }
        }
    }

    /// Begins a new line unless the place is at the start of one.
    pub(super) fn line(&mut self) {
        let target = self.target();
        while target.ends_with(' ') {
            target.pop();
        }
        if !target.is_empty() && !target.ends_with('\n') {
            target.push('\n');
        }
    }

    /// Is a table open?
    pub(super) fn in_table(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn open_table(&mut self, name: Option<String>) {
        self.line();
        if self.open.len() >= DEEPEST {
            self.too_deep += 1;
        } else {
            self.open.push(Open { name, ..Open::default() });
        }
    }

    /// Begins a row, which ends the one before it if that was not ended.
    pub(super) fn open_row(&mut self) {
        if self.open.last().is_some_and(|open| open.in_row) {
            self.close_row(1);
        }
        if let Some(open) = self.open.last_mut() {
            open.in_row = true;
        }
    }

    /// Begins a cell that covers so many columns and rows.
    pub(super) fn open_cell(&mut self, columns: usize, rows: usize) {
        self.close_cell(1);
        if self.too_deep > 0 {
            self.line();
            return;
        }
        if let Some(open) = self.open.last_mut() {
            open.cell = Some(String::new());
            open.span = (columns.clamp(1, 1_000), rows.clamp(1, 1_000));
        }
    }

    /// Sets how many columns the open cell covers.
    pub(super) fn span(&mut self, columns: usize) {
        if let Some(open) = self.open.last_mut() {
            open.span.0 = columns.clamp(1, 1_000);
        }
    }

    /// A value for the open cell, used when it has no text.
    pub(super) fn fallback(&mut self, value: &str) {
        if let Some(open) = self.open.last_mut() {
            open.fallback.clear();
            open.fallback.push_str(value);
        }
    }

    /// Ends the open cell, which stands so many times side by side.
    pub(super) fn close_cell(&mut self, repeated: usize) {
        if self.too_deep > 0 {
            return;
        }
        let Some(open) = self.open.last_mut() else { return };
        let Some(mut cell) = open.cell.take() else { return };
        if cell.trim().is_empty() {
            cell = std::mem::take(&mut open.fallback);
        }
        open.fallback.clear();
        let (columns, rows) = open.span;
        let mut cost = 0;
        while open.covered.get(open.columns + open.empty_cells).is_some_and(|rows| *rows > 0) {
            open.covered[open.columns + open.empty_cells] -= 1;
            open.empty_cells += 1;
        }
        let cell = cell.trim();
        if cell.is_empty() {
            open.empty_cells = (open.empty_cells + repeated.min(COLUMNS) * columns).min(COLUMNS);
            return;
        }
        for _ in 0..open.empty_rows {
            open.table.end_row();
        }
        cost += open.empty_rows + open.empty_cells;
        open.empty_rows = 0;
        for _ in 0..std::mem::take(&mut open.empty_cells) {
            self.full |= open.table.push_cell("").is_err();
            open.columns += 1;
        }
        if rows > 1 {
            open.covered.resize(open.covered.len().max(open.columns + columns), 0);
            open.covered[open.columns..open.columns + columns].fill(rows - 1);
        }
        for _ in 0..repeated.clamp(1, REPEATS) {
            self.full |= open.table.push_cell(cell).is_err();
            open.columns += 1;
            open.filled += 1;
            cost += 1;
        }
        open.empty_cells = columns - 1;
        self.full |= self.budget.take_bytes(cost as u64 * OVERHEAD).is_err();
    }

    /// Ends the open row, which stands so many times below itself.
    pub(super) fn close_row(&mut self, repeated: usize) {
        self.close_cell(1);
        if self.too_deep > 0 {
            self.line();
            return;
        }
        let Some(open) = self.open.last_mut() else { return };
        open.in_row = false;
        let was_empty = open.columns == 0;
        if was_empty {
            open.empty_rows += 1;
        } else {
            open.table.end_row();
        }
        for rows in open.covered.iter_mut().skip(open.columns + open.empty_cells) {
            *rows = rows.saturating_sub(1);
        }
        open.empty_rows = (open.empty_rows + repeated.clamp(1, ROWS) - 1).min(ROWS);
        open.is_data |= open.filled >= 2;
        (open.columns, open.filled, open.empty_cells) = (0, 0, 0);
        self.full |= self.budget.take_bytes(OVERHEAD).is_err();
    }

    pub(super) fn close_table(&mut self) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            self.line();
            return;
        }
        self.close_row_if_open();
        let Some(open) = self.open.pop() else { return };
        if open.is_data || open.name.is_some() {
            self.full |= self.budget.take_bytes(TABLE).is_err();
            self.done.push((open.name, open.table));
            return;
        }
        self.line();
        let mut lines = String::with_capacity(open.table.text_bytes() + open.table.len());
        for row in open.table.rows() {
            for cell in row.cells().filter(|cell| !cell.is_empty()) {
                lines.push_str(cell);
                lines.push('\n');
            }
        }
        self.push(&lines);
    }

    fn close_row_if_open(&mut self) {
        self.close_cell(1);
        if self.open.last().is_some_and(|open| open.columns > 0) {
            self.close_row(1);
        }
    }

    /// Is the budget spent? Then reading on is useless.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Gives the text and tables as pieces of this place, and the files encoded in the text.
    pub(super) fn finish(mut self, path: &str, role: Role, out: &mut Extracted) -> Vec<Inside> {
        while !self.open.is_empty() {
            self.too_deep = 0;
            self.close_table();
        }
        let inside = embedded::find(&self.text);
        out.text(path, role, self.text);
        for (index, (name, table)) in self.done.into_iter().enumerate() {
            let place = match name {
                Some(name) => format!("{path}!{name}"),
                None => format!("{path}!table{}", index + 1),
            };
            out.table(&place, role, table);
        }
        if self.full {
            out.unread(path, Why::Limit);
        }
        inside
    }
}
