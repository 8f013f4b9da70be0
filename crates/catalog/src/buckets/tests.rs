//! Tests of `buckets`.
