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
mod latest;
mod listing;
mod pattern;
mod pivot;
pub(super) mod rows;
mod tables;
mod turned;

use std::sync::Arc;

use self::lanes::Wanted;
use super::error::Result;
use super::runtime::Runtime;
use super::source::Chain;
use super::source::target::Target;
use super::stream::{Stream, Tables};

/// What the storage does.
enum Pushed<'a> {
    Pivot(pivot::Pivot<'a>),
    Listing(listing::Listing<'a>),
    Aggregate(pattern::Pipeline<'a>),
    /// With the end of the aggregate.
    Turned(pattern::Pipeline<'a>, &'a Stream),
    Latest(latest::Latest<'a>),
}

impl<'a> Pushed<'a> {
    fn recognise(stream: &'a Stream) -> Option<Self> {
        let listing = || listing::recognise(stream).map(Self::Listing);
        let aggregate = || pattern::recognise(stream).map(Self::Aggregate);
        let turned = || turned::recognise(stream).map(|(pipeline, input)| Self::Turned(pipeline, input));
        let latest = || latest::recognise(stream).map(Self::Latest);
        let pivot = pivot::recognise(stream).map(Self::Pivot);
        pivot.or_else(turned).or_else(listing).or_else(latest).or_else(aggregate)
    }
}

/// What the storage does of a stream, for people.
#[derive(Debug)]
pub(super) struct Description<'a> {
    pub(super) what: String,
    pub(super) chain: Chain<'a>,
    pub(super) targets: Vec<Target>,
}

/// What the storage would compute for a stream, if it can.
pub(super) fn describe<'a>(runtime: &Arc<Runtime>, stream: &'a Stream) -> Result<Option<Description<'a>>> {
    let (targets, what, chain) = match Pushed::recognise(stream) {
        None => return Ok(None),
        Some(Pushed::Pivot(pivot)) => (pivot.targets(runtime)?, pivot.to_string(), pivot.chain),
        Some(Pushed::Listing(listing)) => (listing.targets(runtime)?, listing.to_string(), listing.chain),
        Some(Pushed::Aggregate(pipeline)) => (pipeline.targets(runtime)?, pipeline.to_string(), pipeline.chain),
        Some(Pushed::Turned(pipeline, _)) => {
            let what = format!("fields as columns, of {pipeline}");
            (turned::targets(runtime, &pipeline)?, what, pipeline.chain)
        }
        Some(Pushed::Latest(latest)) => (latest.pipeline.targets(runtime)?, latest.to_string(), latest.pipeline.chain),
    };
    Ok(targets.map(|targets| Description { what, chain, targets }))
}

/// The tables of a stream, if the storage can compute it.
pub(super) fn open(runtime: &Arc<Runtime>, stream: &Stream) -> Result<Option<Tables>> {
    if !runtime.pushes {
        return Ok(None);
    }
    let tables = match Pushed::recognise(stream) {
        None => None,
        Some(Pushed::Pivot(pivot)) => return pivot::open(runtime, &pivot),
        Some(Pushed::Listing(listing)) => return listing::open(runtime, &listing),
        Some(Pushed::Turned(pipeline, input)) => turned::make(runtime, &pipeline, input)?,
        Some(Pushed::Latest(latest)) => match latest.pipeline.targets(runtime)? {
            Some(targets) => latest::make(runtime, &latest, &targets)?,
            None => None,
        },
        Some(Pushed::Aggregate(pipeline)) => match pipeline.targets(runtime)? {
            Some(targets) => {
                let lanes = lanes::read(runtime, &pipeline, &targets, Wanted { from: i64::MIN, keys: true })?;
                runtime.step(lanes.len() as u64)?;
                Some(tables::make(&pipeline, &lanes)?)
            }
            None => None,
        },
    };
    Ok(tables.map(|tables| -> Tables { Box::new(tables.into_iter().map(Ok)) }))
}
