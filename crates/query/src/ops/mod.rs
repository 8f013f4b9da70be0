//! Operators that the languages share: what a window of time is, and how windows without points are filled. They know
//! no language and no storage.

pub(crate) mod fill;
pub(crate) mod window;
