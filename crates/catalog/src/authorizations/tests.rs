//! Tests of `authorizations`.
