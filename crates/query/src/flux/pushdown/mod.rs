//! What of a script the storage computes: pipelines that begin with `from |> range |> filter…` and go on with
//! operations that it has.
//!
//! ```text
//! stream ── pattern: is it such a pipeline? ── targets: measurements and fields, by the catalog ──┐
//!                                                                                                 │
//! tables ◀── tables: groups, windows, columns ◀── lanes: states of series and fields, one pass ◀──┘
//! ```
//!
//! Nothing here changes what a script means: the tables are those that the interpreter would have made out of rows, to
//! the order of their columns and rows. What is not recognised, or would end in an error, is left to the interpreter.
//! Sums of floats may differ from it in their last digits, because parts are added in another order.

mod lanes;
mod pattern;
mod pivot;
pub(super) mod rows;
mod tables;

use std::sync::Arc;

use super::error::Result;
use super::runtime::Runtime;
use super::stream::{Stream, Tables};

/// The tables of a stream, if the storage can compute it.
pub(super) fn open(runtime: &Arc<Runtime>, stream: &Stream) -> Result<Option<Tables>> {
    if !runtime.pushes {
        return Ok(None);
    }
    if let Some(pivot) = pivot::recognise(stream) {
        return pivot::open(runtime, &pivot);
    }
    let Some(pipeline) = pattern::recognise(stream) else { return Ok(None) };
    let Some(targets) = pipeline.targets(runtime)? else { return Ok(None) };
    let lanes = lanes::read(runtime, &pipeline, &targets)?;
    runtime.step(lanes.len() as u64)?;
    let tables = tables::make(&pipeline, &lanes)?;
    Ok(Some(Box::new(tables.into_iter().map(Ok))))
}
