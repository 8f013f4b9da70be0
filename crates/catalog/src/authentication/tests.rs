//! Tests of `authentication`.
