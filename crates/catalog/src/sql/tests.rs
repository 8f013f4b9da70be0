//! Tests of `sql`.
