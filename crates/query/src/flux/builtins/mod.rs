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
mod columns;
mod conversion;
mod csv;
pub(super) mod filter;
pub(super) mod group;
mod influxdb;
mod map;
mod pivot;
mod rows;
mod selector;
mod source;
mod table;
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
}
