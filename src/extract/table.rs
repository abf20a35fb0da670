//! Rows of cells in one compact buffer, so that half a million rows cost little more than their text.
//! It refuses to know what a column means; that is the detectors' work.

/// A table: all cells' text in one string, with the ends of cells and rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    text: String,
    cell_ends: Vec<u32>,
    row_ends: Vec<u32>,
}

/// The buffer of one table is full (4 GiB of text or 4 billion cells).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("store the cell: the table is full")]
pub struct Full;

impl Table {
    /// Appends a cell to the row that is being built.
    ///
    /// # Errors
    /// [`Full`] when 32-bit offsets no longer suffice; the cell is not stored.
    pub fn push_cell(&mut self, cell: &str) -> Result<(), Full> {
        let end = u32::try_from(self.text.len() + cell.len()).map_err(|_| Full)?;
        if u32::try_from(self.cell_ends.len() + 1).is_err() {
            return Err(Full);
        }
        self.text.push_str(cell);
        self.cell_ends.push(end);
        Ok(())
    }

    /// Ends the row that is being built (it may be empty).
    pub fn end_row(&mut self) {
        self.row_ends.push(u32::try_from(self.cell_ends.len()).unwrap_or(u32::MAX));
    }

    /// Number of finished rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.row_ends.len()
    }

    /// Has the table no finished row?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row_ends.is_empty()
    }

    /// Bytes of text in all cells.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The row at an index.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        let end = *self.row_ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.row_ends[index - 1] as usize };
        Some(Row { table: self, start, end })
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter_map(|index| self.row(index))
    }

    /// Builds a table from rows of texts; for tests and small tables.
    ///
    /// # Errors
    /// [`Full`] as for [`Table::push_cell`].
    pub fn from_rows<R: AsRef<[C]>, C: AsRef<str>>(rows: impl IntoIterator<Item = R>) -> Result<Self, Full> {
        let mut table = Self::default();
        for row in rows {
            for cell in row.as_ref() {
                table.push_cell(cell.as_ref())?;
            }
            table.end_row();
        }
        Ok(table)
    }
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'t> {
    table: &'t Table,
    start: usize,
    end: usize,
}

impl<'t> Row<'t> {
    /// Number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Has the row no cells?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The cell at an index; beyond the end it is empty text.
    #[must_use]
    pub fn cell(&self, index: usize) -> &'t str {
        let position = self.start + index;
        if position >= self.end {
            return "";
        }
        let start = if position == 0 { 0 } else { self.table.cell_ends[position - 1] as usize };
        &self.table.text[start..self.table.cell_ends[position] as usize]
    }

    /// All cells in order.
    pub fn cells(&self) -> impl Iterator<Item = &'t str> {
        let row = *self;
        (0..row.len()).map(move |index| row.cell(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_as_they_went_in() -> Result<(), Full> {
        let table = Table::from_rows([vec!["氏名", "", "電話"], vec![], vec!["関所"]])?;
        let rows: Vec<Vec<&str>> = table.rows().map(|row| row.cells().collect()).collect();
        assert_eq!(rows, [vec!["氏名", "", "電話"], vec![], vec!["関所"]]);
        assert_eq!(table.row(2).map(|row| row.cell(5)), Some(""));
        assert!(table.row(3).is_none());
        Ok(())
    }
}
