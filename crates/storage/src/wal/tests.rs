//! Tests of the WAL on a simulated disk.
