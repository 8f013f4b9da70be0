//! The server over its router and over sockets, with a real catalog, storage and query engine behind it.

mod described;
mod failures;
mod flight;
mod flux;
mod flux_limits;
mod flux_requests;
mod golden;
mod influxql;
mod influxql_1;
mod influxql_streaming;
mod metrics;
mod monitoring;
mod paging;
mod permissions;
mod prometheus;
mod recorded;
mod recorded_3;
mod requests;
mod secrets;
mod serving;
mod support;
mod tasks;
mod templates;
mod v3;
mod walk;
