//! All rows of one database into another with the same tables, whichever the two kinds: how a catalog in PostgreSQL
//! becomes an SQLite file for a backup or a repair, and goes back.
//!
//! Tables and columns are read from the databases themselves, so nothing here knows one. A few thousand rows are in
//! memory at a time. Both sides are transactions: the source is that of one moment, the target is all of it or as it
//! was.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, FromRow, Row as _, TypeInfo as _, ValueRef as _};

use super::statement::{Placeholder, dynamic};
use super::{Argument, Database, DatabaseError, Open, Transaction, statement};

/// Rows that are read at once.
const PAGE_ROWS: usize = 2_000;
/// Values of one statement; both databases take four times as many.
const VALUES: usize = 8_000;
/// What belongs to a database and not to what it holds: its migrations, and who writes to it.
const OWN_TABLES: [&str; 2] = ["_sqlx_migrations", "freshet_server"];

/// A table and its columns, each with the name of its type, in their order.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    name: String,
    columns: Vec<(String, String)>,
}

/// The values of a row; absent ones are null.
struct Cells(Vec<Option<Argument>>);

impl Database {
    /// Replaces all rows of `target` by those that this database has now. Both have the same tables and columns.
    ///
    /// # Errors
    /// Of the databases, and [`DatabaseError::Tables`]; the target is as it was, unless its commit had no answer.
    pub async fn copy_rows_to(&self, target: &Self) -> Result<(), DatabaseError> {
        let mut from = self.begin_read().await?;
        let mut to = target.begin_write().await?;
        let (sources, targets) = (tables(&mut from).await?, tables(&mut to).await?);
        for table in targets.iter().rev() {
            dynamic(format!("DELETE FROM {}", quoted(&table.name)), Vec::new()).execute(&mut to).await?;
        }
        for table in &targets {
            let source = sources.iter().find(|source| source.name == table.name);
            let source = source.ok_or_else(|| DatabaseError::Tables { table: table.name.clone() })?;
            copy_table(&mut from, source, &mut to, table).await?;
        }
        Ok(to.commit().await?)
    }
}

/// All tables, those first that others refer to.
async fn tables(transaction: &mut Transaction) -> Result<Vec<Table>, DatabaseError> {
    let rows: Vec<(String, String, String)> = statement(match &transaction.backend {
        Open::Sqlite(_) => {
            "SELECT m.name, c.name, lower(c.type) FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_' ORDER BY m.rowid, c.cid"
        }
        Open::Postgres(_) => {
            "SELECT t.relname::text, c.attname::text, format_type(c.atttypid, NULL)::text FROM pg_class t \
             JOIN pg_attribute c ON c.attrelid = t.oid \
             WHERE t.relnamespace = to_regnamespace(current_schema()::text) AND t.relkind = 'r' AND c.attnum > 0 \
             AND NOT c.attisdropped ORDER BY t.oid, c.attnum"
        }
    })
    .rows(transaction)
    .await?;
    let mut tables: Vec<Table> = Vec::new();
    for (table, column, kind) in rows {
        if OWN_TABLES.contains(&table.as_str()) {
            continue;
        }
        match tables.last_mut() {
            Some(last) if last.name == table => last.columns.push((column, kind)),
            _ => tables.push(Table { name: table, columns: vec![(column, kind)] }),
        }
    }
    Ok(tables)
}

async fn copy_table(
    from: &mut Transaction,
    source: &Table,
    to: &mut Transaction,
    target: &Table,
) -> Result<(), DatabaseError> {
    // The columns of the target, as the source has them.
    let mut columns = Vec::new();
    for (name, _) in &target.columns {
        let kind = source.columns.iter().find(|(column, _)| column == name).map(|(_, kind)| kind.as_str());
        let kind = kind.ok_or_else(|| DatabaseError::Tables { table: target.name.clone() })?;
        columns.push(match &from.backend {
            Open::Sqlite(_) => quoted(name),
            Open::Postgres(_) => as_common(&quoted(name), kind),
        });
    }
    let columns = columns.join(", ");
    let name = quoted(&source.name);
    let is_sqlite = matches!(&from.backend, Open::Sqlite(_));
    if !is_sqlite {
        let declare = format!("DECLARE freshet_copy NO SCROLL CURSOR FOR SELECT {columns} FROM {name}");
        dynamic(declare, Vec::new()).execute(from).await?;
    }
    let mut last_row = 0_i64;
    loop {
        let page: Vec<Cells> = if is_sqlite {
            // The row's number comes last.
            let select =
                format!("SELECT {columns}, rowid FROM {name} WHERE rowid > $1 ORDER BY rowid LIMIT {PAGE_ROWS}");
            dynamic(select, vec![last_row.into()]).rows(from).await?
        } else {
            dynamic(format!("FETCH {PAGE_ROWS} FROM freshet_copy"), Vec::new()).rows(from).await?
        };
        let Some(Cells(last)) = page.last() else { break };
        if is_sqlite && let Some(Some(Argument::Integer(Some(number)))) = last.last() {
            last_row = *number;
        }
        insert_page(to, target, &page).await?;
    }
    if !is_sqlite {
        dynamic("CLOSE freshet_copy".to_owned(), Vec::new()).execute(from).await?;
    }
    Ok(())
}

async fn insert_page(to: &mut Transaction, target: &Table, page: &[Cells]) -> Result<(), DatabaseError> {
    let names: Vec<String> = target.columns.iter().map(|(name, _)| quoted(name)).collect();
    let is_postgres = matches!(&to.backend, Open::Postgres(_));
    let placeholder = Placeholder::of(to);
    for rows in page.chunks((VALUES / names.len().max(1)).max(1)) {
        let mut text = format!("INSERT INTO {}({}) VALUES ", quoted(&target.name), names.join(", "));
        let mut arguments = Vec::with_capacity(rows.len() * names.len());
        for (number, Cells(cells)) in rows.iter().enumerate() {
            text.push_str(if number == 0 { "(" } else { ", (" });
            for (index, ((_, kind), cell)) in target.columns.iter().zip(cells).enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                let Some(cell) = cell else {
                    text.push_str("NULL");
                    continue;
                };
                arguments.push(cell.clone());
                let (before, after) = match kind.as_str() {
                    "boolean" if is_postgres => ("(", " <> 0)"),
                    "uuid" if is_postgres => ("(", "::uuid)"),
                    "timestamp with time zone" if is_postgres => ("(", "::timestamptz)"),
                    _ => ("", ""),
                };
                text.push_str(before);
                placeholder.write(&mut text, arguments.len());
                text.push_str(after);
            }
            text.push(')');
        }
        dynamic(text, arguments).execute(to).await?;
    }
    Ok(())
}

/// A column of PostgreSQL as SQLite stores it: numbers, texts and bytes.
fn as_common(name: &str, kind: &str) -> String {
    match kind {
        "boolean" => format!("{name}::int::bigint"),
        // As this project writes times into SQLite, so that they order as the moments do.
        "timestamp with time zone" => {
            format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")
        }
        "bigint" | "bytea" => name.to_owned(),
        "integer" | "smallint" => format!("{name}::bigint"),
        _ => format!("{name}::text"),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl FromRow<'_, SqliteRow> for Cells {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let cell = |index: usize| {
            let value = row.try_get_raw(index)?;
            if value.is_null() {
                return Ok(None);
            }
            let kind = value.type_info().name().to_owned();
            Ok(Some(match kind.as_str() {
                "TEXT" => Argument::Text(row.try_get_unchecked(index)?),
                "BLOB" => Argument::Bytes(row.try_get_unchecked(index)?),
                "INTEGER" | "BOOLEAN" => Argument::Integer(row.try_get_unchecked(index)?),
                _ => return Err(unexpected(row.column(index).name(), &kind)),
            }))
        };
        (0..row.len()).map(cell).collect::<Result<_, _>>().map(Self)
    }
}

impl FromRow<'_, PgRow> for Cells {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let cell = |index: usize| {
            let value = row.try_get_raw(index)?;
            if value.is_null() {
                return Ok(None);
            }
            let kind = value.type_info().name().to_owned();
            Ok(Some(match kind.as_str() {
                "TEXT" | "VARCHAR" => Argument::Text(row.try_get(index)?),
                "BYTEA" => Argument::Bytes(row.try_get(index)?),
                "INT8" => Argument::Integer(row.try_get(index)?),
                _ => return Err(unexpected(row.column(index).name(), &kind)),
            }))
        };
        (0..row.len()).map(cell).collect::<Result<_, _>>().map(Self)
    }
}

fn unexpected(column: &str, kind: &str) -> sqlx::Error {
    let source = format!("a value of the type {kind} is neither a number, a text nor bytes").into();
    sqlx::Error::ColumnDecode { index: column.to_owned(), source }
}

#[cfg(test)]
mod tests;
