//! The HTTP server of Freshet: the APIs of InfluxDB 1, 2 and 3, Flight SQL, health and metrics.
//!
//! ```text
//! serve ── connection (TLS, HTTP/1.1, HTTP/2) ── app(state): Router
//!                                                  │ middleware: request id, CORS, metrics, panics, authentication
//!                                                routes/*: one file a resource
//!                                                  │ auth (permissions), request (parameters), body (bounds), json
//!                                    catalog · storage::Engine · query::QueryEngine
//!                                                  │ format/*: results        api_error: every error's answer
//! ```
//!
//! This is the only crate that knows HTTP and JSON. It keeps no data: resources are in `catalog`, points in `storage`.

mod api_error;
mod auth;
mod body;
mod budget;
mod cors;
mod dbrp;
mod extract;
mod flight;
mod flux_host;
mod format;
mod json;
pub mod limits;
mod lingering;
mod metrics;
mod middleware;
mod outgoing;
mod paging;
mod request;
mod request_id;
mod routes;
mod running;
mod scope;
mod serve;
mod state;
mod tar;
mod throttle;
mod times;
mod tls;
mod udp;
mod uninterrupted;

pub use limits::Limits;
pub use routes::app;
pub use serve::{ServeConfig, ServeError, serve};
pub use state::{AppState, Mode, ServerOptions};
pub use tls::{TlsError, TlsFiles};
pub use udp::{UdpConfig, receive_datagrams};
