//! Operators that the languages share: what a window of time is, how windows without points are filled, and aggregates
//! by group and window over a table. They know no language; storage only [`window_aggregate`] knows.

pub(crate) mod budget;
pub(crate) mod fill;
pub(crate) mod forecast;
pub(crate) mod partial;
pub(crate) mod window;
pub(crate) mod window_aggregate;
