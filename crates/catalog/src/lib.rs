//! The resources of a Freshet server: organisations, buckets, users, sessions, tokens, permissions, and documents such
//! as dashboards, kept in SQL and served from memory.
//!
//! [`Catalog::open_at`] reads `<data-dir>/resources.sqlite` or a schema of PostgreSQL into an image; every look-up is
//! answered from that image and never waits, every change is one SQL transaction and visible once it is committed.
//! Tokens and session keys are kept as SHA-256 digests, passwords as argon2id hashes; their texts are never stored and
//! never printed.
//!
//! This crate knows no HTTP, no JSON shapes of the wire and no points. The texts of its errors are the messages that
//! clients of InfluxDB 2 know, and [`Class`] says which code goes with each.

mod authentication;
mod authorizations;
mod buckets;
mod caches;
mod catalog;
mod continuous_queries;
pub mod database;
mod dbrp;
mod documents;
mod error;
pub mod id;
mod image;
mod jobs;
mod labels;
mod mappings;
mod onboarding;
mod organisations;
mod page;
mod password;
mod permission;
mod secret;
mod secrets;
mod sessions;
mod sql;
mod tasks;
#[cfg(test)]
mod testing;
pub mod time;
mod users;
mod v1_users;
mod verified;
mod words;

pub use authentication::{Credential, Principal};
pub use authorizations::{
    Authorization, AuthorizationFilter, AuthorizationStatus, AuthorizationUpdate, CreatedAuthorization,
    NewAuthorization,
};
pub use buckets::{Bucket, BucketFilter, BucketType, BucketUpdate, NewBucket, RETENTION_MIN, SHARD_GROUP_DURATION_MIN};
pub use caches::{CACHES_PER_BUCKET_MAX, Cache, CacheKind, NewCache};
pub use catalog::{Catalog, Counts};
pub use continuous_queries::{ContinuousQuery, NewContinuousQuery};
pub use dbrp::{DEFAULT_POLICY, Dbrp, DbrpError, DbrpUpdate, NewDbrp};
pub use documents::{
    DOCUMENT_BODY_BYTES_MAX, DOCUMENT_NAME_BYTES_MAX, Document, DocumentDraft, DocumentFilter, DocumentKind,
};
pub use error::{
    AuthenticationError, CatalogError, Class, DamagedRowError, OpenError, PermissionDeniedError, UnknownWordError,
};
pub use id::{
    AuthorizationId, BucketId, CacheId, DbrpId, DocumentId, IdGenerator, JobId, OrganisationId, ParseIdError, UserId,
    V1UserId,
};
pub use jobs::{Job, JobKind, JobRun, Lease, NewJob, RUNS_KEPT};
pub use mappings::{MappedResource, Role};
pub use onboarding::{OnboardingRequest, OnboardingResult};
pub use organisations::{Organisation, OrganisationFilter, OrganisationUpdate};
pub use page::{LIMIT_MAX, Page};
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, check_password};
pub use permission::{
    Action, Permission, PermissionSet, Resource, ResourceType, all_access_permissions, operator_permissions,
};
pub use secret::Secret;
pub use secrets::{
    SECRET_NAME_BYTES_MAX, SECRET_VALUE_BYTES_MAX, SECRETS_PER_ORGANISATION_MAX, SecretKey, SecretKeyError,
};
pub use sessions::{NewSession, SESSION_LENGTH, SESSION_RENEWAL, SESSIONS_PER_USER_MAX, Session};
pub use sql::restore;
pub use tasks::{REQUESTED_RUNS_MAX, job_of};
pub use time::{Clock, ManualClock, SystemClock};
pub use users::{User, UserFilter, UserStatus, UserUpdate};
pub use v1_users::{NewV1User, V1Authentication, V1Privilege, V1User, V1UserUpdate};
