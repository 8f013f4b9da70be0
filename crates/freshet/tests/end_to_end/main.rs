//! The real program in processes of its own: crashes, the order of system calls, outside readers, real clients, limits.
//!
//! One test program for all of them, because each one links the whole server's dependencies only as a process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod backup;
mod clients;
mod cloud;
mod command_line;
mod compatibility;
mod continuous_queries;
mod data;
mod described;
mod disk_order;
mod doctor;
mod ducklake;
mod flux_test;
mod history;
mod influxdb_3;
mod kill9;
mod limits;
mod manage;
mod memory;
mod migration;
mod object_store;
mod options;
mod postgres;
mod power_loss;
mod programs;
mod prometheus;
mod prometheus_queries;
mod recovery;
mod rules;
mod tasks;
mod telegraf;
mod templates;
mod udp;
mod write;

use std::path::{Path, PathBuf};

use testkit::{Server, ServerBuilder};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_freshet");

/// A server of the program under test, small enough that many of them run beside each other.
fn server() -> ServerBuilder {
    Server::builder(PROGRAM).args(["--memory-limit", "512MiB"])
}

/// The root of the checkout.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
