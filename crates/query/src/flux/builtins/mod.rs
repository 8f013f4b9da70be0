//! Flux's packages: for each a prelude, that is Flux text in `flux/prelude/`, and functions in Rust in a file here.
//!
//! # How to add a function
//! 1. If it can be said in Flux in terms of others, write it into the package's prelude, and that is all.
//! 2. Otherwise declare it in the prelude: `builtin limit : (<-tables: stream[A], n: int, ?offset: int) => stream[A]`.
//!    The declaration is checked before a script runs: names, which may be missing, the piped one, types of constants.
//!    A constant is a line of Flux: `pi = 3.141592653589793`. An option is `option x = …`.
//! 3. Write `fn limit(call: &mut Call<'_>) -> Result<Value>` in the package's file and add `("limit", limit)` to its
//!    table of `FUNCTIONS`, which a new file gives to `FAMILIES`; a new package's text goes to `PRELUDES`.
//! 4. Add its case to the conformance texts in `tests/golden/flux`, and its line to docs/flux.md.
//!
//! # Arguments
//! [`Call::required`], [`Call::optional`] and [`Call::or`] read one as `i64`, `f64`, `bool`, [`Text`], `Vec<Text>`,
//! [`Duration`](super::duration::Duration), [`Function`], [`Record`](super::value::Record), [`Stream`] …, with
//! InfluxDB's words for what is missing or of a wrong kind; [`Call::value`] gives it as it is, [`Call::moment`] takes a
//! time, a duration from now, or seconds. Errors of arguments are `FluxError::invalid("…")`: the name of the function
//! and its place are put in front by the caller.
//!
//! # Tables
//! A function over tables only describes an operation; what it does is a closure, which runs later. Check and take
//! apart arguments before making it, so that their errors come while the script is interpreted.
//! - [`Call::per_table`]: one table or none out of each, one after another: nothing is held.
//! - [`Call::regroup`]: tables out of each, put together by group key in the order in which they come.
//! - [`Call::whole`]: all tables of one or several streams at once.
//! - [`Call::source`]: tables out of nothing. [`Call::read_now`] reads a stream while the script is interpreted.
//!
//! A [`Table`] is made from another with `take`, `slice`, `with_column`, `of_key` (one row of the key's columns, for
//! aggregates) or `with` (another key, other columns). Every column of a key has to be a column. A column is a
//! [`Vector`]; make one with [`VectorBuilder`](super::vector::VectorBuilder) or `Vector::from_values`. [`value_column`]
//! and `aggregate` have InfluxDB's errors for columns that are not there or are part of the key. Functions of the
//! script that are called for rows are [`RowFunction`](super::interpret::RowFunction)s. Long loops call
//! [`Runtime::step`](super::runtime::Runtime::step), so that they end with the query.

mod aggregate;
mod array;
mod basic;
mod collections;
mod columns;
pub(super) mod conversion;
mod csv;
mod date;
mod display;
mod experimental;
mod fill;
pub(super) mod filter;
mod find;
mod forecast;
mod generate;
pub(super) mod group;
mod influxdb;
mod join;
mod json;
mod map;
mod math;
mod pivot;
mod read_columns;
mod rows;
mod running;
mod selector;
mod senders;
mod source;
mod statistics;
mod strings;
mod table;
mod testing;
mod window;

pub use self::aggregate::aggregate;
pub use self::conversion::convert;
use super::error::{FluxError, Result};
use super::function::BuiltinFunction;
#[allow(unused_imports, reason = "for the documentation")]
use super::function::{Call, Function};
#[allow(unused_imports, reason = "for the documentation")]
use super::stream::Stream;
use super::table::Table;
#[allow(unused_imports, reason = "for the documentation")]
use super::value::Text;
use super::vector::Vector;

/// The functions of a file by name.
type Functions = &'static [(&'static str, BuiltinFunction)];

/// All packages: their import paths and their texts.
pub(super) const PRELUDES: &[(&str, &str)] = &[
    ("universe", include_str!("../prelude/universe.flux")),
    ("array", include_str!("../prelude/array.flux")),
    ("csv", include_str!("../prelude/csv.flux")),
    ("influxdata/influxdb", include_str!("../prelude/influxdata/influxdb.flux")),
    ("experimental/table", include_str!("../prelude/experimental/table.flux")),
    ("bitwise", include_str!("../prelude/bitwise.flux")),
    ("contrib/tomhollingworth/events", include_str!("../prelude/contrib/tomhollingworth/events.flux")),
    ("date", include_str!("../prelude/date.flux")),
    ("date/boundaries", include_str!("../prelude/date/boundaries.flux")),
    ("dict", include_str!("../prelude/dict.flux")),
    ("experimental", include_str!("../prelude/experimental.flux")),
    ("experimental/aggregate", include_str!("../prelude/experimental/aggregate.flux")),
    ("experimental/array", include_str!("../prelude/experimental/array.flux")),
    ("experimental/bitwise", include_str!("../prelude/experimental/bitwise.flux")),
    ("experimental/date/boundaries", include_str!("../prelude/experimental/date/boundaries.flux")),
    ("experimental/json", include_str!("../prelude/experimental/json.flux")),
    ("influxdata/influxdb/monitor", include_str!("../prelude/influxdata/influxdb/monitor.flux")),
    ("influxdata/influxdb/schema", include_str!("../prelude/influxdata/influxdb/schema.flux")),
    ("influxdata/influxdb/tasks", include_str!("../prelude/influxdata/influxdb/tasks.flux")),
    ("influxdata/influxdb/v1", include_str!("../prelude/influxdata/influxdb/v1.flux")),
    ("internal/debug", include_str!("../prelude/internal/debug.flux")),
    ("http", include_str!("../prelude/http.flux")),
    ("pagerduty", include_str!("../prelude/pagerduty.flux")),
    ("slack", include_str!("../prelude/slack.flux")),
    ("interpolate", include_str!("../prelude/interpolate.flux")),
    ("join", include_str!("../prelude/join.flux")),
    ("json", include_str!("../prelude/json.flux")),
    ("math", include_str!("../prelude/math.flux")),
    ("planner", include_str!("../prelude/planner.flux")),
    ("regexp", include_str!("../prelude/regexp.flux")),
    ("runtime", include_str!("../prelude/runtime.flux")),
    ("sampledata", include_str!("../prelude/sampledata.flux")),
    ("strings", include_str!("../prelude/strings.flux")),
    ("system", include_str!("../prelude/system.flux")),
    ("testing", include_str!("../prelude/testing.flux")),
    ("testing/expect", include_str!("../prelude/testing/expect.flux")),
    ("profiler", include_str!("../prelude/profiler.flux")),
    ("generate", include_str!("../prelude/generate.flux")),
    ("experimental/query", include_str!("../prelude/experimental/query.flux")),
    ("influxdata/influxdb/secrets", include_str!("../prelude/influxdata/influxdb/secrets.flux")),
    ("timezone", include_str!("../prelude/timezone.flux")),
    ("types", include_str!("../prelude/types.flux")),
];

/// The functions in Rust of each package; a package may have several files.
const FAMILIES: &[(&str, Functions)] = &[
    ("universe", aggregate::FUNCTIONS),
    ("universe", basic::FUNCTIONS),
    ("universe", columns::FUNCTIONS),
    ("universe", conversion::FUNCTIONS),
    ("universe", filter::FUNCTIONS),
    ("universe", group::FUNCTIONS),
    ("universe", influxdb::UNIVERSE),
    ("universe", map::FUNCTIONS),
    ("universe", pivot::FUNCTIONS),
    ("universe", rows::FUNCTIONS),
    ("universe", selector::FUNCTIONS),
    ("universe", source::FUNCTIONS),
    ("universe", window::FUNCTIONS),
    ("array", array::FUNCTIONS),
    ("csv", csv::FUNCTIONS),
    ("influxdata/influxdb", influxdb::FUNCTIONS),
    ("experimental/table", table::FUNCTIONS),
    ("universe", display::FUNCTIONS),
    ("universe", fill::FUNCTIONS),
    ("universe", find::FUNCTIONS),
    ("universe", forecast::FUNCTIONS),
    ("universe", join::UNIVERSE),
    ("universe", running::RUNNING),
    ("universe", statistics::STATISTICS),
    ("array", collections::ARRAY),
    ("bitwise", math::BITWISE),
    ("contrib/tomhollingworth/events", experimental::EVENTS),
    ("date", date::FUNCTIONS),
    ("dict", collections::DICT),
    ("experimental", experimental::EXPERIMENTAL),
    ("experimental/json", json::EXPERIMENTAL_JSON),
    ("generate", generate::GENERATE),
    ("influxdata/influxdb/secrets", generate::SECRETS),
    ("internal/debug", testing::DEBUG),
    ("http", senders::HTTP),
    ("pagerduty", senders::PAGERDUTY),
    ("slack", senders::SLACK),
    ("interpolate", running::INTERPOLATE),
    ("join", join::FUNCTIONS),
    ("json", json::JSON),
    ("math", math::MATH),
    ("regexp", strings::REGEXP),
    ("runtime", generate::RUNTIME),
    ("strings", strings::STRINGS),
    ("testing", testing::TESTING),
    ("types", collections::TYPES),
];

/// The function in Rust of that name in a package.
pub(super) fn find(package: &str, name: &str) -> Option<BuiltinFunction> {
    let families = FAMILIES.iter().filter(|(path, _)| *path == package);
    families.flat_map(|(_, functions)| functions.iter()).find(|(known, _)| *known == name).map(|(_, found)| *found)
}

/// The column that an aggregate reads.
///
/// # Errors
/// If there is none, or it is part of the group key.
pub fn value_column<'a>(table: &'a Table, label: &str) -> Result<&'a Vector> {
    let column = table.column(label);
    let column = column.ok_or_else(|| FluxError::invalid(format!("column \"{label}\" does not exist")))?;
    if table.key().contains(label) {
        return Err(FluxError::invalid("cannot aggregate columns that are part of the group key"));
    }
    Ok(column)
}

/// What is said of a column of a type that an aggregate does not take.
#[must_use]
pub fn unsupported_aggregate(column: &Vector) -> FluxError {
    FluxError::invalid(format!("unsupported aggregate column type {}", column.column_type().name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flux::ir::Statement;
    use crate::flux::package;

    /// Every declared builtin exists, every function in Rust is declared, and every prelude can be read.
    #[test]
    fn declarations_and_functions_agree() {
        let mut declared = Vec::new();
        for (path, _) in PRELUDES {
            for statement in &package::program(path).unwrap().unwrap().body {
                if let Statement::Builtin(name, ..) = statement {
                    assert!(find(path, name).is_some(), "{path}: {name} has no function");
                    declared.push((*path, name.to_string()));
                }
            }
        }
        for (path, functions) in FAMILIES {
            for (name, _) in *functions {
                assert!(declared.contains(&(path, (*name).to_owned())), "{path}: {name} is not declared");
            }
        }
    }

    /// docs/flux.md has a section for each package, which names all that the package has.
    #[test]
    fn the_documentation_names_every_function() {
        let documentation = include_str!("../../../../../docs/flux.md");
        for (path, _) in PRELUDES {
            let section = documentation.split(&format!("\n## `{path}`\n")).nth(1).unwrap_or_default();
            let section = section.split("\n## ").next().unwrap_or_default();
            for statement in &package::program(path).unwrap().unwrap().body {
                let (Statement::Builtin(name, ..) | Statement::Assign(name, ..) | Statement::Option { name, .. }) =
                    statement
                else {
                    continue;
                };
                let is_named = name.starts_with('_') || section.contains(&format!("`{name}`"));
                assert!(is_named, "{path}: {name} is not in docs/flux.md");
            }
        }
    }

    /// The texts of the conformance suite.
    const CASES: [&str; 16] = [
        include_str!("../../../../../tests/golden/flux/aggregates.txt"),
        include_str!("../../../../../tests/golden/flux/buckets.txt"),
        include_str!("../../../../../tests/golden/flux/conversions.txt"),
        include_str!("../../../../../tests/golden/flux/date.txt"),
        include_str!("../../../../../tests/golden/flux/forecasts.txt"),
        include_str!("../../../../../tests/golden/flux/kinds_packages.txt"),
        include_str!("../../../../../tests/golden/flux/math.txt"),
        include_str!("../../../../../tests/golden/flux/monitoring.txt"),
        include_str!("../../../../../tests/golden/flux/operators.txt"),
        include_str!("../../../../../tests/golden/flux/packages.txt"),
        include_str!("../../../../../tests/golden/flux/regexp.txt"),
        include_str!("../../../../../tests/golden/flux/senders.txt"),
        include_str!("../../../../../tests/golden/flux/streams.txt"),
        include_str!("../../../../../tests/golden/flux/strings.txt"),
        include_str!("../../../../../tests/golden/flux/transformations.txt"),
        include_str!("../../../../../tests/golden/flux/values.txt"),
    ];

    #[test]
    fn every_function_has_a_case() {
        let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let mut words = std::collections::HashSet::new();
        CASES.iter().for_each(|text| words.extend(text.split(|character| !is_part(character))));
        for (path, _) in PRELUDES {
            for statement in &package::program(path).unwrap().unwrap().body {
                let (Statement::Builtin(name, ..) | Statement::Assign(name, ..)) = statement else { continue };
                let has_case = words.contains(&**name) || name.starts_with('_');
                assert!(has_case, "{path}: {name} has no case in tests/golden/flux");
            }
        }
    }
}
