//! What tests across the crates share: a spawned server, requests to it, the programs that the client tests need, a
//! PostgreSQL server, an InfluxDB 1.6, and waiting with a deadline. For `[dev-dependencies]` only.
//!
//! A test that meets something unexpected ends with a panic that says what, with the server's log; so do these helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "for tests only")]

mod http;
mod influxdb;
mod object_store;
mod postgres;
mod prometheus;
mod server;
mod tools;
mod wait;

pub use http::{Answer, Row};
pub use influxdb::Influxdb1;
pub use object_store::S3Server;
pub use postgres::{
    PostgresCluster, TEST_CATALOG, again_on_postgres, postgres, postgres_sql, postgres_url, schema_url,
};
pub use prometheus::Prometheus;
pub use server::{Server, ServerBuilder};
pub use tools::{go_client, influx_shell, node, python, run, rust_client, schemathesis, strace, telegraf, versitygw};
pub use wait::{DEADLINE, until, within};
