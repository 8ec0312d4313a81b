//! A transaction that is open, and what is done in the middle of it.

use std::fmt::Write as _;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Executor as _, Transaction};

/// A statement with some of its values.
pub(crate) type Bound<'q> = Query<'q, Any, AnyArguments>;

/// A transaction that writes.
pub(crate) type Work = Transaction<'static, Any>;

/// Marks a place in a transaction to which it can be taken back.
pub(crate) async fn mark(work: &mut Work) -> Result<(), sqlx::Error> {
    work.execute("SAVEPOINT mark").await.map(drop)
}

/// Keeps what was done since the mark.
pub(crate) async fn keep(work: &mut Work) -> Result<(), sqlx::Error> {
    work.execute("RELEASE SAVEPOINT mark").await.map(drop)
}

/// Takes back what was done since the mark.
pub(crate) async fn take_back(work: &mut Work) -> Result<(), sqlx::Error> {
    work.execute("ROLLBACK TO SAVEPOINT mark").await?;
    keep(work).await
}

/// How many values one statement takes: SQLite's limit, which is the lower one.
const VALUES_AT_ONCE: usize = 32_766;

/// How many rows of so many columns one statement takes.
pub(crate) fn rows_at_once(columns: usize) -> usize {
    VALUES_AT_ONCE / columns.max(1)
}

/// A statement with a list of rows behind it: `($1, $2), ($3, $4)`.
pub(crate) fn with_rows(statement: &str, rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(statement.len() + rows * columns * 6);
    text.push_str(statement);
    for row in 0..rows {
        text.push_str(if row == 0 { " (" } else { ", (" });
        for column in 1..=columns {
            let comma = if column == 1 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}${}", row * columns + column);
        }
        text.push(')');
    }
    text
}

/// A statement with a condition behind it for each column whose value is said, the first of them bound
/// as `$from`. A condition that is true anyway would keep a database from using an index.
pub(crate) fn with_said(statement: &str, from: usize, said: &[(&str, Option<&str>)]) -> String {
    let mut text = statement.to_owned();
    let columns = said.iter().filter(|(_, value)| value.is_some());
    for (number, (column, _)) in columns.enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, " AND {column} = ${}", from + number);
    }
    text
}

/// Writes rows of so many columns behind a statement, as many at a time as one takes; `bind` adds the
/// values of one.
pub(crate) async fn insert<'q, T>(
    work: &mut Work,
    statement: &str,
    columns: usize,
    rows: &'q [T],
    bind: impl Fn(Bound<'q>, &'q T) -> Bound<'q>,
) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(rows_at_once(columns)) {
        let text = with_rows(statement, rows.len(), columns);
        let query = sqlx::query(AssertSqlSafe(text));
        rows.iter().fold(query, &bind).execute(&mut **work).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{with_rows, with_said};

    #[test]
    fn only_what_is_said_is_a_condition() {
        let said = [("a", Some("x")), ("b", None), ("c", Some("y"))];
        let text = with_said("SELECT * FROM t WHERE id < $1", 3, &said);
        assert_eq!(text, "SELECT * FROM t WHERE id < $1 AND a = $3 AND c = $4");
    }

    #[test]
    fn rows_are_numbered_through() {
        let text = with_rows("INSERT INTO t (a, b) VALUES", 2, 2);
        assert_eq!(text, "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
    }
}
