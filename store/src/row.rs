//! From columns to values, and back.

use std::str::FromStr;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

/// A column as a number.
pub(crate) fn number(row: &AnyRow, column: &str) -> Result<i64, sqlx::Error> {
    row.try_get(column)
}

/// A column as a count, which is never negative.
pub(crate) fn count<T: TryFrom<i64>>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error> {
    let found = number(row, column)?;
    T::try_from(found).map_err(|_| wrong(column, format!("{found} is out of range")))
}

/// A column as text.
pub(crate) fn text(row: &AnyRow, column: &str) -> Result<String, sqlx::Error> {
    row.try_get(column)
}

/// A column as something that is written as text.
pub(crate) fn parsed<T>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err: ToString>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| wrong(column, error.to_string()))
}

/// A column as something that is written as text, or NULL.
pub(crate) fn parsed_optional<T>(row: &AnyRow, column: &str) -> Result<Option<T>, sqlx::Error>
where
    T: FromStr<Err: ToString>,
{
    let text: Option<String> = row.try_get(column)?;
    let parsed = text.map(|text| text.parse());
    parsed.transpose().map_err(|error: T::Err| wrong(column, error.to_string()))
}

/// A column as a time.
pub(crate) fn time(row: &AnyRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    let micros = number(row, column)?;
    Timestamp::from_microsecond(micros).map_err(|error| wrong(column, error.to_string()))
}

/// A column holds what we never write.
pub(crate) fn wrong(column: &str, why: String) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: why.into() }
}

/// A count as a column. What does not fit is as good as the most that does.
pub(crate) fn column(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
