//! Tests of `us.rs`.
