//! Statements with their values, for either database.

use std::borrow::Cow;
use std::fmt::Write as _;

use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, types::Oid};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, FromRow, Postgres, SqlSafeStr as _, SqlStr, Type, encode::IsNull};

use super::{Open, Transaction};

/// Values in one statement. SQLite takes 32,766, PostgreSQL 65,535; beyond some thousands nothing is gained.
const VALUES_PER_STATEMENT: usize = 8_000;

/// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since 1970.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// A row of an answer, of either database: a tuple of columns.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A value of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A BIGINT.
    Integer(Option<i64>),
    /// A text. PostgreSQL refuses one with a U+0000.
    Text(Option<String>),
    /// A flag; an integer in SQLite.
    Boolean(Option<bool>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A UUID; its text in SQLite.
    Uuid([u8; 16], String),
    /// A moment in microseconds since 1970; the text in SQLite, which orders as the moments do.
    Time(i64, String),
}

macro_rules! argument_from {
    ($($source:ty => |$value:ident| $argument:expr),* $(,)?) => {
        $(impl From<$source> for Argument {
            fn from($value: $source) -> Self {
                $argument
            }
        })*
    };
}

argument_from! {
    i64 => |value| Self::Integer(Some(value)),
    Option<i64> => |value| Self::Integer(value),
    &str => |value| Self::Text(Some(value.to_owned())),
    String => |value| Self::Text(Some(value)),
    &String => |value| Self::Text(Some(value.clone())),
    Option<&str> => |value| Self::Text(value.map(str::to_owned)),
    bool => |value| Self::Boolean(Some(value)),
    Option<bool> => |value| Self::Boolean(value),
    &[u8] => |value| Self::Bytes(value.to_vec()),
    Vec<u8> => |value| Self::Bytes(value),
}

/// One statement and its values.
#[derive(Debug)]
#[must_use]
pub struct Statement {
    text: SqlStr,
    arguments: Vec<Argument>,
    /// Whether the text is one of few, so that its plan is worth keeping.
    is_constant: bool,
}

/// A statement with this text; `$1` is the first value that is bound.
pub fn statement(text: &'static str) -> Statement {
    Statement { text: text.into_sql_str(), arguments: Vec::new(), is_constant: true }
}

impl Statement {
    /// The next value.
    pub fn bind(mut self, value: impl Into<Argument>) -> Self {
        self.arguments.push(value.into());
        self
    }

    /// Executes it and returns how many rows it changed.
    ///
    /// # Errors
    /// Of the database.
    pub async fn execute(self, transaction: &mut Transaction) -> Result<u64, sqlx::Error> {
        match &mut transaction.backend {
            Open::Sqlite(open) => {
                let query = sqlx::query_with(self.text, sqlite(self.arguments)?).persistent(self.is_constant);
                Ok(query.execute(&mut **open).await?.rows_affected())
            }
            Open::Postgres(open) => {
                let query = sqlx::query_with(self.text, postgres(self.arguments)?).persistent(self.is_constant);
                Ok(open.run(async |connection| query.execute(connection).await).await?.rows_affected())
            }
        }
    }

    /// All rows of its answer.
    ///
    /// # Errors
    /// Of the database, or if a row has another shape.
    pub async fn rows<R: Row>(self, transaction: &mut Transaction) -> Result<Vec<R>, sqlx::Error> {
        match &mut transaction.backend {
            Open::Sqlite(open) => {
                let query = sqlx::query_as_with(self.text, sqlite(self.arguments)?).persistent(self.is_constant);
                query.fetch_all(&mut **open).await
            }
            Open::Postgres(open) => {
                let query = sqlx::query_as_with(self.text, postgres(self.arguments)?).persistent(self.is_constant);
                open.run(async |connection| query.fetch_all(connection).await).await
            }
        }
    }

    /// The first row of its answer, if there is one.
    ///
    /// # Errors
    /// Of the database, or if a row has another shape.
    pub async fn optional_row<R: Row>(self, transaction: &mut Transaction) -> Result<Option<R>, sqlx::Error> {
        Ok(self.rows(transaction).await?.into_iter().next())
    }

    /// The first row of its answer, which has one.
    ///
    /// # Errors
    /// Of the database, or if there is no row or it has another shape.
    pub async fn row<R: Row>(self, transaction: &mut Transaction) -> Result<R, sqlx::Error> {
        self.optional_row(transaction).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// The only column of all rows of its answer.
    ///
    /// # Errors
    /// Of the database, or if a row has another shape.
    pub async fn values<T>(self, transaction: &mut Transaction) -> Result<Vec<T>, sqlx::Error>
    where
        (T,): Row,
    {
        Ok(self.rows::<(T,)>(transaction).await?.into_iter().map(|(value,)| value).collect())
    }

    /// The only column of the first row of its answer, which has one.
    ///
    /// # Errors
    /// Of the database, or if there is no row or it has another shape.
    pub async fn value<T>(self, transaction: &mut Transaction) -> Result<T, sqlx::Error>
    where
        (T,): Row,
    {
        Ok(self.row::<(T,)>(transaction).await?.0)
    }
}

/// Takes the values of one row of an insert.
#[derive(Debug)]
pub struct Values<'a> {
    text: &'a mut String,
    arguments: &'a mut Vec<Argument>,
    is_first: bool,
    placeholder: Placeholder,
}

/// How the next value is named in a text that is made for one database. SQLite takes `$1` for a name, and looks names
/// up one by one: of a statement with 8,000 of them that took half a second, and without names it takes a millisecond.
#[derive(Debug, Clone, Copy)]
pub(super) enum Placeholder {
    Unnamed,
    Numbered,
}

impl Placeholder {
    pub(super) fn of(transaction: &Transaction) -> Self {
        match transaction.backend {
            Open::Sqlite(_) => Self::Unnamed,
            Open::Postgres(_) => Self::Numbered,
        }
    }

    /// Appends that of the value with this number; values come in their order.
    pub(super) fn write(self, text: &mut String, number: usize) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Unnamed => text.write_char('?'),
            Self::Numbered => write!(text, "${number}"),
        };
    }
}

impl Values<'_> {
    /// The next value.
    pub fn bind(&mut self, value: impl Into<Argument>) -> &mut Self {
        self.arguments.push(value.into());
        self.separate();
        self.placeholder.write(self.text, self.arguments.len());
        self
    }

    /// The next value as SQL.
    pub fn literal(&mut self, sql: &'static str) -> &mut Self {
        self.separate();
        self.text.push_str(sql);
        self
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.text.push_str(", ");
        }
    }
}

/// Inserts `rows` with as few statements as the databases' limits allow. The statement is `head VALUES (…), (…) tail`;
/// `bind` binds exactly `values_per_row` values and may add literals.
///
/// # Errors
/// Of the database.
pub async fn insert<T>(
    transaction: &mut Transaction,
    (head, tail): (&'static str, &'static str),
    values_per_row: usize,
    rows: &[T],
    mut bind: impl FnMut(&mut Values<'_>, &T),
) -> Result<(), sqlx::Error> {
    let placeholder = Placeholder::of(transaction);
    for chunk in rows.chunks((VALUES_PER_STATEMENT / values_per_row.max(1)).max(1)) {
        let mut text = format!("{head} VALUES ");
        let mut arguments = Vec::with_capacity(chunk.len() * values_per_row);
        for (number, row) in chunk.iter().enumerate() {
            text.push_str(if number == 0 { "(" } else { ", (" });
            bind(&mut Values { text: &mut text, arguments: &mut arguments, is_first: true, placeholder }, row);
            text.push(')');
        }
        text.push_str(tail);
        dynamic(text, arguments).execute(transaction).await?;
    }
    Ok(())
}

/// The rows of `head (keys)`, asked in pieces; `head` ends with the word `IN`.
///
/// # Errors
/// Of the database, or if a row has another shape.
pub async fn select_in<K, R>(
    transaction: &mut Transaction,
    head: &'static str,
    keys: &[K],
) -> Result<Vec<R>, sqlx::Error>
where
    K: Clone + Into<Argument>,
    R: Row,
{
    let mut rows = Vec::new();
    for (text, arguments) in lists(Cow::Borrowed(head), &[], keys, Placeholder::of(transaction)) {
        rows.extend(dynamic(text, arguments).rows::<R>(transaction).await?);
    }
    Ok(rows)
}

/// Executes `head [first] middle IN (keys)` in pieces; returns the number of rows that were changed.
///
/// # Errors
/// Of the database.
pub async fn execute_in(
    transaction: &mut Transaction,
    (head, middle): (&'static str, &'static str),
    first: Option<i64>,
    keys: &[i64],
) -> Result<u64, sqlx::Error> {
    let placeholder = Placeholder::of(transaction);
    let mut text = head.to_owned();
    if first.is_some() {
        placeholder.write(&mut text, 1);
    }
    text.push_str(middle);
    text.push_str(" IN");
    let first: Vec<Argument> = first.into_iter().map(Argument::from).collect();
    let mut rows = 0;
    for (text, arguments) in lists(Cow::Owned(text), &first, keys, placeholder) {
        rows += dynamic(text, arguments).execute(transaction).await?;
    }
    Ok(rows)
}

/// The statements `head (keys)` with their values, as many as it takes.
fn lists<'a, K: Clone + Into<Argument>>(
    head: Cow<'a, str>,
    first: &'a [Argument],
    keys: &'a [K],
    placeholder: Placeholder,
) -> impl Iterator<Item = (String, Vec<Argument>)> + 'a {
    keys.chunks(VALUES_PER_STATEMENT).map(move |chunk| {
        let mut text = format!("{head} (");
        let mut arguments = first.to_vec();
        for (number, key) in chunk.iter().enumerate() {
            arguments.push(key.clone().into());
            text.push_str(if number == 0 { "" } else { ", " });
            placeholder.write(&mut text, arguments.len());
        }
        text.push(')');
        (text, arguments)
    })
}

/// A statement whose text this folder made from constants, numbers of parameters, the database's own names of tables
/// and columns, and nothing else.
pub(super) fn dynamic(text: String, arguments: Vec<Argument>) -> Statement {
    Statement { text: AssertSqlSafe(text).into_sql_str(), arguments, is_constant: false }
}

fn sqlite(arguments: Vec<Argument>) -> Result<SqliteArguments, sqlx::Error> {
    let mut bound = SqliteArguments::default();
    for argument in arguments {
        let added = match argument {
            Argument::Integer(value) => bound.add(value),
            Argument::Text(value) => bound.add(value),
            Argument::Boolean(value) => bound.add(value),
            Argument::Bytes(value) => bound.add(value),
            Argument::Uuid(_, text) | Argument::Time(_, text) => bound.add(text),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(bound)
}

fn postgres(arguments: Vec<Argument>) -> Result<PgArguments, sqlx::Error> {
    let mut bound = PgArguments::default();
    for argument in arguments {
        let added = match argument {
            Argument::Integer(value) => bound.add(value),
            Argument::Text(Some(text)) if text.contains('\0') => Err(NulCharacterError.into()),
            Argument::Text(value) => bound.add(value),
            Argument::Boolean(value) => bound.add(value),
            Argument::Bytes(value) => bound.add(value),
            Argument::Uuid(bytes, _) => bound.add(PostgresUuid(bytes)),
            Argument::Time(time_us, _) => bound.add(PostgresTime(time_us)),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(bound)
}

/// A text has a U+0000, which PostgreSQL does not store.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a text has the character U+0000, which a catalog in PostgreSQL cannot hold")]
pub(crate) struct NulCharacterError;

struct PostgresUuid([u8; 16]);

impl Type<Postgres> for PostgresUuid {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2950))
    }
}

impl Encode<'_, Postgres> for PostgresUuid {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, sqlx::error::BoxDynError> {
        buffer.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
}

struct PostgresTime(i64);

impl Type<Postgres> for PostgresTime {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl Encode<'_, Postgres> for PostgresTime {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, sqlx::error::BoxDynError> {
        buffer.extend_from_slice(&self.0.saturating_sub(POSTGRES_EPOCH_US).to_be_bytes());
        Ok(IsNull::No)
    }
}
