//! The syntax tree. Each node displays as the text that InfluxDB prints for it, and that text parses to the same
//! node again.
//!
//! Two things are lost on purpose. A password prints as `[REDACTED]`, because what is printed is logged; and so does
//! the [`Debug`](std::fmt::Debug) form of one. An order prints as `ORDER BY time`, also when it was given without
//! `time`.

mod expression;
mod print;
mod select;
mod statement;

pub use expression::{Binary, Call, DataType, Expression, Operator, Reference, Wildcard};
pub use print::{quote_identifier, quote_string};
pub use select::{Field, Fill, Measurement, MeasurementName, Order, Page, Select, Source, Target};
pub use statement::{
    AlterRetentionPolicy, Cardinality, CardinalityOf, CreateContinuousQuery, CreateDatabase, CreateRetentionPolicy,
    CreateSubscription, DatabasePolicy, Explain, KeyFilter, NameOrAll, Password, Privilege, Query, Removal,
    ShowMeasurements, ShowScope, Statement, SubscriptionMode,
};
