//! Tests of `mappings`.
