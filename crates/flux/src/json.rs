//! The JSON form of the tree, as InfluxDB's `/api/v2/query/ast` writes and its `ast` and `extern` read it. Field names
//! and their order are those of its Go structures. It never judges what a tree means.
//!
//! As there, a bad expression is `null`, and the comments before commas of arrays are not kept. Attributes, which
//! InfluxDB leaves out, are written where there are some.

mod read;
mod write;

pub use read::{ReadError, read_file, read_package};
pub use write::{write_file, write_package};

use crate::ast::{File, Package};

/// The package that a single file makes: what `/api/v2/query/ast` answers.
pub fn package_of(file: File) -> Package {
    Package { package: file.package_name().to_owned(), files: vec![file], ..Package::default() }
}
