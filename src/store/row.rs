//! Values to columns and back: numbers as BIGINT, words and JSON as TEXT.
//! It refuses to guess: a column that does not read is an error with its name, never a default.

use super::StoreError;
use crate::id::MailId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A number as the database keeps it; anything above 2^63 milliseconds or octets is the same as never.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A value as JSON text.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::Encode)
}

/// A list of words as one column that `LIKE` can search: each word between line feeds.
pub(super) fn word_list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut list = String::from("\n");
    for word in words {
        list.push_str(&word.replace('\n', " "));
        list.push('\n');
    }
    list
}

/// The `LIKE … ESCAPE '\'` pattern that finds one word of a [`word_list`].
pub(super) fn word_pattern(word: &str) -> String {
    let mut pattern = String::from("%\n");
    for char in word.replace('\n', " ").chars() {
        if matches!(char, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern.push_str("\n%");
    pattern
}

/// The rows that can be read. One that is damaged is said in the log, by its id and never by its content, and does not keep the others back.
pub(super) fn readable<T>(
    rows: &[AnyRow],
    table: &'static str,
    read: impl Fn(&AnyRow) -> Result<T, StoreError>,
) -> Vec<T> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        match read(row) {
            Ok(one) => all.push(one),
            Err(error) => {
                let id = row.text("id").unwrap_or_default();
                tracing::error!(%error, table, id, "failed to read a row: it stays where it is; run `sekisho store check`");
            }
        }
    }
    all
}

/// Typed reading of columns by name.
pub(super) trait Columns {
    fn number(&self, column: &'static str) -> Result<u64, StoreError>;
    fn text(&self, column: &'static str) -> Result<String, StoreError>;
    fn maybe_text(&self, column: &'static str) -> Result<Option<String>, StoreError>;

    fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.number(column)? != 0)
    }

    fn small(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.number(column)?).map_err(|error| StoreError::Row { column, why: error.to_string() })
    }

    fn id(&self, column: &'static str) -> Result<MailId, StoreError> {
        MailId::parse(&self.text(column)?).map_err(|error| StoreError::Row { column, why: error.to_string() })
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        parse(column, &self.text(column)?)
    }

    fn maybe_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.maybe_text(column)?.map(|text| parse(column, &text)).transpose()
    }

    /// A word of an enum whose serde names are its database words.
    fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_value(serde_json::Value::String(self.text(column)?))
            .map_err(|error| StoreError::Row { column, why: error.to_string() })
    }
}

fn parse<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Row { column, why: error.to_string() })
}

impl Columns for AnyRow {
    fn number(&self, column: &'static str) -> Result<u64, StoreError> {
        let value: i64 = self.try_get(column)?;
        u64::try_from(value).map_err(|error| StoreError::Row { column, why: error.to_string() })
    }

    fn text(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_cannot_reach_over_its_line() {
        assert_eq!(word_list(["a", "b\nc"]), "\na\nb c\n");
        assert_eq!(word_pattern("50%_\\"), "%\n50\\%\\_\\\\\n%");
    }

    #[test]
    fn numbers_beyond_the_column_saturate() {
        assert_eq!(int(u64::MAX), i64::MAX);
        assert_eq!(int(7), 7);
    }
}
