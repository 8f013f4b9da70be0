//! Line protocol: bytes to columns. A pure function without I/O; it knows neither Arrow nor any query language.
//!
//! ```text
//!  cpu,host=a,region=eu usage=58i,idle=1.5 1767225600000000000\n
//!  └───────key────────┘ └─────fields─────┘ └──────time───────┘
//!          │                    │
//!          │ hash of the raw    │ name compared with the
//!          │ bytes → series     │ line before → column
//!          ▼                    ▼
//!  TableBatch "cpu"
//!    series      0: host=a, region=eu                  (one entry per distinct tag set)
//!    row_series  [0, …]
//!    times       [1767225600000000000, …]
//!    fields      usage: Integer [58, …]   idle: Float [1.5, …]
//! ```
//!
//! [`parse()`] never fails. A line that is not a point becomes a [`LineError`] in the [`Batch`] and leaves no other
//! trace: no table, column, series or tag key exists that no good line uses. Whether one bad line rejects the body
//! (as the v2 API does) or not is for the caller to decide.
//!
//! The grammar is that of InfluxDB 2 as implemented, with these differences. Lenient: `\r\n` ends a line as well.
//! Strict, because garbage would be stored otherwise: invalid UTF-8, text after the closing quote of a string, and an
//! `=` at the start of a tag value are errors. A line feed ends the line everywhere but in a string, even behind a
//! backslash, and a string begins only right after the `=` of a field; so no stray character makes two lines one.
//!
//! ```
//! use line_protocol::{FieldValues, Limits, ParseOptions, Precision, parse};
//!
//! let body = b"cpu,host=a usage=58i,idle=1.5 1767225600\n\
//!              cpu,host=b usage=59i\n\
//!              cpu,host= usage=60i\n";
//! let options = ParseOptions {
//!     precision: Precision::Second,
//!     default_time_ns: 1_767_225_601_999_999_999,
//!     limits: Limits::default(),
//! };
//! let batch = parse(body, &options);
//!
//! let cpu = &batch.tables[0];
//! assert_eq!(cpu.measurement, "cpu");
//! assert_eq!(cpu.times, [1_767_225_600_000_000_000, 1_767_225_601_000_000_000]);
//! assert_eq!(cpu.series.tags(cpu.row_series[1]).collect::<Vec<_>>(), [(0, "b")]);
//! assert_eq!(cpu.tag_keys, ["host"]);
//! assert_eq!(cpu.fields[0].values, FieldValues::Integer(vec![58, 59]));
//! assert!(cpu.fields[1].is_valid(0) && !cpu.fields[1].is_valid(1));
//!
//! assert_eq!(batch.error_count, 1);
//! assert_eq!((batch.errors[0].line, batch.errors[0].column), (3, 10));
//! assert_eq!(batch.errors[0].to_string(), "unable to parse 'cpu,host= usage=60i': missing tag value");
//! ```

mod batch;
mod error;
mod key;
pub mod limits;
mod number;
mod parse;
mod precision;
mod table;
pub mod text;
mod utf8;
mod value;

pub use batch::{Batch, FieldColumn, FieldKind, FieldValues, Presence, SeriesSet, StringColumn, TableBatch};
pub use error::{Cause, DropReason, DroppedPoint, LineError, StrippedField};
pub use limits::Limits;
pub use parse::{ParseOptions, parse};
pub use precision::Precision;
