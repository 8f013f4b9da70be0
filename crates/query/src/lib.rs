//! Queries over storage snapshots, planned and run by DataFusion.
