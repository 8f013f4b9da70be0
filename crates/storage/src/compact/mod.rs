//! Compaction: files that overlap in time or are small become large, sorted ones that do not overlap.
//!
//! ```text
//! plan (pure: which files, and why) ── cuts (pure: where the output is cut) ── merge (one pass, background thread)
//! ```
//!
//! What is merged reads its inputs as queries do, through `scan`, so a row means the same before and after. This
//! module writes files and says what it wrote; that they replace others is one transaction of `lake`, and when
//! anything is done is the engine's decision.

mod background;
mod cuts;
mod merge;
pub mod plan;
mod trusted;

pub(crate) use self::background::Background;
pub(crate) use self::cuts::{Weight, cuts};
pub(crate) use self::merge::{CompactionError, Job, input_memory_bytes, writer_memory_bytes};
pub(crate) use self::trusted::{Observed, TrustedTime};
