//! From columns to values, and back.

use std::str::FromStr;

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Row as _, ValueRef as _};

/// A row, as far as reading it goes: columns by name.
///
/// The database's own rows are one. Whoever wants to know what becomes of a row that nobody ever
/// wrote can make up another.
pub trait Columns {
    /// A column as a whole number.
    fn number(&self, column: &str) -> Result<i64, Misread>;
    /// A column as a whole number; `None` when it is NULL.
    fn number_optional(&self, column: &str) -> Result<Option<i64>, Misread>;
    /// A column as text; `None` when it is NULL.
    fn text(&self, column: &str) -> Result<Option<String>, Misread>;
}

/// A column holds what we never write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` cannot be read: {why}")]
pub struct Misread {
    /// The column.
    pub column: String,
    /// What is wrong with it.
    pub why: String,
}

impl Misread {
    /// Of a column, and what is wrong with it.
    pub fn new(column: &str, why: &(impl ToString + ?Sized)) -> Self {
        Misread { column: column.to_owned(), why: why.to_string() }
    }
}

impl From<Misread> for sqlx::Error {
    fn from(misread: Misread) -> Self {
        sqlx::Error::Decode(misread.into())
    }
}

impl Columns for AnyRow {
    fn number(&self, column: &str) -> Result<i64, Misread> {
        self.try_get(column).map_err(|error| misread(self, column, "a number", &error))
    }

    fn number_optional(&self, column: &str) -> Result<Option<i64>, Misread> {
        self.try_get(column).map_err(|error| misread(self, column, "a number", &error))
    }

    fn text(&self, column: &str) -> Result<Option<String>, Misread> {
        self.try_get(column).map_err(|error| misread(self, column, "text", &error))
    }
}

/// Says what was expected and found; sqlx would name types of Rust.
fn misread(row: &AnyRow, column: &str, expected: &str, error: &sqlx::Error) -> Misread {
    let Ok(found) = row.try_get_raw(column) else { return Misread::new(column, error) };
    let kind = found.type_info().to_string().to_lowercase();
    let found = if found.is_null() { "NULL" } else { &kind };
    Misread::new(column, &format!("expected {expected}, found {found}"))
}

/// A column as a number.
pub(crate) fn number(row: &impl Columns, column: &str) -> Result<i64, Misread> {
    row.number(column)
}

/// A column as a count, which is never negative.
pub(crate) fn count<T: TryFrom<i64>>(row: &impl Columns, column: &str) -> Result<T, Misread> {
    let found = row.number(column)?;
    T::try_from(found).map_err(|_| Misread::new(column, &format!("{found} is out of range")))
}

/// A column as text.
pub(crate) fn text(row: &impl Columns, column: &str) -> Result<String, Misread> {
    row.text(column)?.ok_or_else(|| Misread::new(column, "expected text, found NULL"))
}

/// A column as something that is written as text.
pub(crate) fn parsed<T>(row: &impl Columns, column: &str) -> Result<T, Misread>
where
    T: FromStr<Err: ToString>,
{
    text(row, column)?.parse().map_err(|error: T::Err| Misread::new(column, &error))
}

/// A column as something that is written as text, or NULL.
pub(crate) fn parsed_optional<T>(row: &impl Columns, column: &str) -> Result<Option<T>, Misread>
where
    T: FromStr<Err: ToString>,
{
    let parsed = row.text(column)?.map(|text| text.parse());
    parsed.transpose().map_err(|error: T::Err| Misread::new(column, &error))
}

/// A column as a time.
pub(crate) fn time(row: &impl Columns, column: &str) -> Result<Timestamp, Misread> {
    let micros = row.number(column)?;
    Timestamp::from_microsecond(micros).map_err(|error| Misread::new(column, &error))
}

/// A column as a time, or NULL.
pub(crate) fn time_optional(
    row: &impl Columns,
    column: &str,
) -> Result<Option<Timestamp>, Misread> {
    let time =
        |micros| Timestamp::from_microsecond(micros).map_err(|error| Misread::new(column, &error));
    row.number_optional(column)?.map(time).transpose()
}

/// A text of others as a column: PostgreSQL keeps no NUL.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Behind every id, however a database orders text.
pub(crate) const LAST: &str = "zzz";

/// A count as a column. What does not fit is as good as the most that does.
pub(crate) fn column(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
