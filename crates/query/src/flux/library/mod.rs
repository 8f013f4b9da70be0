//! The parts of Flux's packages that know nothing of scripts: rules over texts, numbers and slices. The bindings to
//! values and tables stand in `builtins`.

pub(crate) mod analysis;
pub(crate) mod digest;
pub(crate) mod histogram;
pub(crate) mod math;
pub(crate) mod regexp;
pub(crate) mod running;
pub(crate) mod statistics;
pub(crate) mod strings;
