//! Tests of `organisations`.
