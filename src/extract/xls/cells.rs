//! The cells of one sheet in the order in which a person sees them, whatever order the file has.
//! It refuses to fill gaps beyond the budget, and to lose a cell that stands outside of what Excel can show.

use crate::extract::Table;
use crate::limits::Budget;

/// Columns of a sheet (MS-XLS 2.5.45).
const COLUMNS: usize = 256;
/// Bytes the table needs for a cell or row besides its text.
const OVERHEAD: u64 = 4;
/// Bytes that are kept for a cell until the sheet ends.
const CELL: u64 = 12;

/// Cells as they come.
#[derive(Default)]
pub(super) struct Cells {
    text: String,
    /// Row, column, and where the text ends.
    placed: Vec<(u16, u16, u32)>,
    /// The budget is used up.
    pub spent: bool,
}

impl Cells {
    pub(super) fn push(&mut self, row: u16, column: u16, text: &str, budget: &mut Budget) {
        if text.is_empty() || self.spent {
            return;
        }
        let end = u32::try_from(self.text.len() + text.len());
        match end {
            Ok(end) if budget.take_bytes(text.len() as u64 + CELL).is_ok() => {
                self.text.push_str(text);
                self.placed.push((row, column, end));
            }
            _ => self.spent = true,
        }
    }

    /// The table; rows stand at their own numbers.
    pub(super) fn table(&mut self, budget: &mut Budget) -> Table {
        let text = std::mem::take(&mut self.text);
        let mut start = 0;
        let mut cells: Vec<(u16, u16, usize, usize)> = Vec::with_capacity(self.placed.len());
        for (row, column, end) in std::mem::take(&mut self.placed) {
            cells.push((row, column, start, end as usize));
            start = end as usize;
        }
        // Stable, so that of two cells at one place the first comes first.
        cells.sort_by_key(|(row, column, ..)| (*row, *column));
        let mut table = Table::default();
        let mut stored = 0;
        let mut open: Option<u16> = None;
        for (row, column, start, end) in cells {
            let mut cost = 0;
            if open != Some(row) {
                if open.is_some() {
                    table.end_row();
                }
                while table.len() < usize::from(row) {
                    table.end_row();
                    cost += OVERHEAD;
                }
                open = Some(row);
                stored = 0;
            }
            let column = usize::from(column);
            let column = if column < COLUMNS { column.max(stored) } else { stored };
            cost += (column - stored + 1) as u64 * OVERHEAD;
            if budget.take_bytes(cost).is_err() {
                self.spent = true;
                break;
            }
            for _ in stored..column {
                self.spent |= table.push_cell("").is_err();
            }
            self.spent |= table.push_cell(&text[start..end]).is_err();
            stored = column + 1;
        }
        if open.is_some() {
            table.end_row();
        }
        table
    }
}
