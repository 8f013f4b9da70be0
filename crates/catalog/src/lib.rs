//! The resources of a Freshet server: organisations, buckets, users, sessions, tokens and permissions, kept in SQL and
//! served from memory.
//!
//! This crate knows no HTTP and no JSON shapes of the wire, and it never touches points.

pub mod id;
pub mod time;

pub use id::{AuthorizationId, BucketId, IdGenerator, OrganisationId, ParseIdError, UserId};
pub use time::{Clock, ManualClock, SystemClock};
