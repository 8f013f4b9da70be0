//! `SELECT`: the statement, its sources and its clauses.

use super::expression::Expression;

/// `SELECT … FROM …`
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// What is computed; never empty.
    pub fields: Vec<Field>,
    /// Where the result is written to.
    pub target: Option<Target>,
    /// Where the points come from; never empty.
    pub sources: Vec<Source>,
    /// `WHERE`
    pub condition: Option<Expression>,
    /// `GROUP BY`: tags, regular expressions, `*` and `time(…)`, but the grammar takes any expression.
    pub dimensions: Vec<Expression>,
    /// `fill(…)`
    pub fill: Fill,
    /// `ORDER BY time`
    pub order: Option<Order>,
    /// `LIMIT` and `OFFSET`: rows of each series.
    pub page: Page,
    /// `SLIMIT` and `SOFFSET`: series.
    pub series_page: Page,
    /// `tz(…)`: the name of a time zone.
    pub time_zone: Option<String>,
}

impl Select {
    /// Whether no field has a call, so that points are returned as they are.
    pub fn is_raw(&self) -> bool {
        !self.fields.iter().any(|field| field.expression.has_call())
    }
}

/// One column of a result, or what stands for several.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// How it is computed.
    pub expression: Expression,
    /// `AS`
    pub alias: Option<String>,
}

/// Where the result of a `SELECT` goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The database; none is that of the query.
    pub database: Option<String>,
    /// The retention policy; none is the database's default.
    pub retention_policy: Option<String>,
    /// The measurement; none is `:MEASUREMENT`, each source's own name.
    pub measurement: Option<String>,
}

/// What a `SELECT` reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// One measurement, or all that a regular expression matches.
    Measurement(Measurement),
    /// `(SELECT …)`
    Subquery(Box<Select>),
}

/// A measurement, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// The database; none is that of the query.
    pub database: Option<String>,
    /// The retention policy; none is the database's default.
    pub retention_policy: Option<String>,
    /// Which.
    pub name: MeasurementName,
}

/// Which measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeasurementName {
    /// The one of this name.
    Name(String),
    /// All whose names match.
    Regex(String),
}

/// What a window without points becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Fill {
    /// A row of nulls; also when nothing is said.
    #[default]
    Null,
    /// No row.
    None,
    /// The values of the window before.
    Previous,
    /// Between the values of the windows around it.
    Linear,
    /// This number.
    Integer(i64),
    /// This number.
    Number(f64),
}

/// The order of rows in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    /// Its most entries. `LIMIT 0` is none.
    pub limit: Option<u64>,
    /// How many entries are left out before it.
    pub offset: u64,
}
