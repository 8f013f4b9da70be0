//! The errors of this crate. The `Display` text of [`CatalogError`] and [`AuthenticationError`] is the message that a
//! client sees (InfluxDB's wording); [`Class`] is the code that goes with it. No status numbers here.

use std::path::PathBuf;

use crate::database::{DatabaseError, NulCharacterError};
use crate::documents::{DOCUMENT_BODY_BYTES_MAX, DOCUMENT_NAME_BYTES_MAX, DocumentKind};
use crate::id::{ParseIdError, UserId};
use crate::permission::Permission;
use crate::secrets::{SECRET_NAME_BYTES_MAX, SECRET_VALUE_BYTES_MAX, SECRETS_PER_ORGANISATION_MAX};
use crate::tasks::REQUESTED_RUNS_MAX;

/// What kind of failure an error is, in the words of the v2 API's `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// `invalid`: the request makes no sense.
    Invalid,
    /// `unprocessable entity`: understood, but against a rule.
    UnprocessableEntity,
    /// `conflict`: it exists already.
    Conflict,
    /// `not found`.
    NotFound,
    /// `unauthorized`: no valid credentials, or (on management endpoints) no permission.
    Unauthorized,
    /// `forbidden`.
    Forbidden,
    /// `too many requests`: a bounded queue is full, try again.
    TooManyRequests,
    /// `unavailable`: the database is closed.
    Unavailable,
    /// `internal error`: the cause is for the log, not for the client.
    Internal,
}

/// Why a resource database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be created or its mode not be set to 0600.
    #[error("cannot prepare the resource database {path}: {source}")]
    File {
        /// The database file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process has the database open; this crate serves from memory, so there can be only one.
    #[error("the resource database {place} is in use by another process")]
    InUse {
        /// The database file, or schema and database.
        place: String,
    },
    /// A newer release wrote the database.
    #[error(
        "the resource database {place} has format version {found}, and this release knows versions up to {supported}: \
         start a newer release"
    )]
    NewerFormat {
        /// The database file, or schema and database.
        place: String,
        /// The version in the file.
        found: i64,
        /// The newest version this code knows.
        supported: i64,
    },
    /// PostgreSQL cannot be reached or used.
    #[error("cannot open the resource database: {0}")]
    Postgres(#[source] DatabaseError),
    /// Something was to be restored over what is there.
    #[error("the resource database {place} holds something already: name a schema that does not exist yet")]
    NotEmpty {
        /// The schema and database.
        place: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// SQL failed while the database was opened, migrated or read.
    #[error("cannot open the resource database {place}: {source}")]
    Database {
        /// The database file, or schema and database.
        place: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// A row does not mean anything.
    #[error("the resource database {place} is damaged: {source}")]
    Damaged {
        /// The database file, or schema and database.
        place: String,
        /// Which row.
        source: DamagedRowError,
    },
}

/// A row that this crate cannot have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a row of table {table} has an impossible {column}")]
pub struct DamagedRowError {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
}

/// A word of the wire that is none of the known ones. The texts are InfluxDB's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownWordError {
    /// Neither `read` nor `write`.
    #[error("invalid action type for permission: unknown action for permission")]
    Action,
    /// None of the 23 resource types.
    #[error("invalid resource type for permission: unknown resource type for permission")]
    ResourceType,
    /// Neither `active` nor `inactive`, of an authorization.
    #[error("encodeAuthorization: unknown authorization status")]
    AuthorizationStatus,
    /// Neither `active` nor `inactive`, of a user.
    #[error("unknown user status")]
    UserStatus,
    /// Neither `owner` nor `member`.
    #[error("unknown user role")]
    Role,
    /// Neither `user` nor `system`.
    #[error("unknown bucket type")]
    BucketType,
    /// None of `none`, `read`, `write` and `all`.
    #[error("unknown privilege")]
    V1Privilege,
    /// No kind of cache.
    #[error("unknown kind of cache")]
    CacheKind,
    /// No kind of document.
    #[error("unknown kind of document")]
    DocumentKind,
    /// No kind of job.
    #[error("unknown kind of job")]
    JobKind,
}

/// Why an operation on resources was refused or failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// No organisation has the id.
    #[error("organization not found")]
    OrganisationNotFound,
    /// No organisation has the name.
    #[error("organization name \"{name}\" not found")]
    OrganisationNameNotFound {
        /// The name asked for.
        name: String,
    },
    /// Another organisation has the name.
    #[error("organization with name {name} already exists")]
    OrganisationExists {
        /// The name.
        name: String,
    },
    /// An organisation needs a name.
    #[error("org name is empty")]
    OrganisationNameEmpty,

    /// No bucket has the id.
    #[error("bucket not found")]
    BucketNotFound,
    /// No bucket of the organisation has the name.
    #[error("bucket \"{name}\" not found")]
    BucketNameNotFound {
        /// The name asked for.
        name: String,
    },
    /// Another bucket of the organisation has the name.
    #[error("bucket with name {name} already exists")]
    BucketExists {
        /// The name.
        name: String,
    },
    /// A bucket needs a name (InfluxDB 2.9 accepts an empty one, which nothing can then address).
    #[error("bucket name is empty")]
    BucketNameEmpty,
    /// Names with a leading underscore belong to the system.
    #[error("bucket name {name} is invalid. Buckets may not start with underscore")]
    BucketNameUnderscore {
        /// The name.
        name: String,
    },
    /// A quotation mark could not be written in queries.
    #[error("bucket name {name} is invalid. Bucket names may not include quotation marks")]
    BucketNameQuote {
        /// The name.
        name: String,
    },
    /// `_tasks` and `_monitoring` stay as long as their organisation.
    #[error("system buckets cannot be deleted")]
    SystemBucketDeleted,
    /// `_tasks` and `_monitoring` keep their names.
    #[error("system buckets cannot be renamed")]
    SystemBucketRenamed,
    /// Retention is either for ever or at least an hour.
    #[error("retention policy duration must be at least 1h0m0s")]
    RetentionTooShort,
    /// At creation: the shard group would outlive its data.
    #[error("retention policy duration must be greater than the shard duration")]
    ShardGroupLongerThanRetention,
    /// At an update: the present shard group duration does not fit the new retention.
    #[error("shard-group duration must also be updated to be smaller than new retention duration")]
    ShardGroupNotUpdated,

    /// No user has the id or name.
    #[error("user not found")]
    UserNotFound,
    /// Another user has the name.
    #[error("user with name {name} already exists")]
    UserExists {
        /// The name.
        name: String,
    },
    /// A user needs a name.
    #[error("user name is empty")]
    UserNameEmpty,
    /// Inactive users get no sessions.
    #[error("User is inactive")]
    UserInactive,
    /// Passwords have 8 to 72 bytes.
    #[error("passwords must be between 8 and 72 characters long")]
    PasswordLength,
    /// The user does not exist, has no password, or has another one; a client is not told which.
    #[error("unauthorized access")]
    PasswordWrong,
    /// Too many password checks wait already; each takes a core for tens of milliseconds and 19 MiB.
    #[error("too many password checks at once, try again later")]
    PasswordQueueFull,

    /// The user is owner or member of the resource already.
    #[error("Unexpected error when assigning user to a resource: mapping for user {user_id} already exists")]
    MappingExists {
        /// The user.
        user_id: UserId,
    },
    /// The user is neither owner nor member of the resource.
    #[error("user to resource mapping not found")]
    MappingNotFound,

    /// No authorization has the id.
    #[error("authorization not found")]
    AuthorizationNotFound,
    /// An authorization without permissions is of no use.
    #[error("authorization must include permissions")]
    PermissionsMissing,
    /// The creator lacks what it wants to grant.
    #[error("permission {0} is not allowed: {0} is unauthorized")]
    GrantNotAllowed(Permission),
    /// Another authorization has the given token.
    #[error("token already exists")]
    TokenExists,

    /// No mapping of a database has the id, or not in this organisation.
    #[error("unable to find DBRP")]
    DbrpNotFound,
    /// The database has a mapping for the retention policy already.
    #[error("DBRP already exists")]
    DbrpExists,
    /// A name that cannot be one.
    #[error(
        "DBRP provided is invalid: {0} must contain at least one character and only be letters, numbers, '_', '-', \
         and '.'"
    )]
    DbrpInvalid(&'static str),

    /// No user of 1.x has the id or name.
    #[error("user not found")]
    V1UserNotFound,
    /// Another user of 1.x has the name.
    #[error("user already exists")]
    V1UserExists,
    /// A user of 1.x needs a name.
    #[error("username required")]
    V1UserNameEmpty,
    /// A password of 1.x has 1 to 72 bytes.
    #[error("passwords must be between 1 and 72 characters long")]
    V1PasswordLength,

    /// The database has another continuous query of this name.
    #[error("continuous query already exists")]
    ContinuousQueryExists,
    /// No job has the id.
    #[error("job not found")]
    JobNotFound,

    /// Too many runs of a job were asked for.
    #[error("too many runs wait already, at most {REQUESTED_RUNS_MAX}")]
    RunsTooMany,

    /// No document of the kind has the id.
    #[error("{} not found", .0.singular())]
    DocumentNotFound(DocumentKind),
    /// Another document of the organisation has the name.
    #[error("{} with name {name} already exists", kind.singular())]
    DocumentExists {
        /// The kind.
        kind: DocumentKind,
        /// The name.
        name: String,
    },
    /// A document of the kind needs a name.
    #[error("{} name is empty", .0.singular())]
    DocumentNameEmpty(DocumentKind),
    /// The name is over its limit.
    #[error("{} name is too long, at most {DOCUMENT_NAME_BYTES_MAX} bytes", .0.singular())]
    DocumentNameLong(DocumentKind),
    /// The content is over its limit.
    #[error("{} is too large, at most {DOCUMENT_BODY_BYTES_MAX} bytes", .0.singular())]
    DocumentLong(DocumentKind),
    /// The name of a secret has 1 to 256 bytes.
    #[error("secret key must have 1 to {SECRET_NAME_BYTES_MAX} bytes")]
    SecretName,
    /// The value of a secret is over its limit.
    #[error("secret value is too long, at most {SECRET_VALUE_BYTES_MAX} bytes")]
    SecretValue,
    /// The organisation has too many secrets.
    #[error("an organization can have {SECRETS_PER_ORGANISATION_MAX} secrets at most")]
    SecretsTooMany,
    /// A secret cannot be encrypted or decrypted with the key of this server.
    #[error("An internal error has occurred - check server logs")]
    SecretKeyWrong,

    /// A list may have 1 to 100 entries a page.
    #[error("limit must be between 1 and 100")]
    LimitOutOfRange,

    /// The server was set up before.
    #[error("onboarding has already been completed")]
    OnboardingCompleted,
    /// Setup needs a user, an organisation and a bucket.
    #[error("onboarding failed: missing required fields [{}]", .0.join(","))]
    OnboardingFieldsMissing(Vec<&'static str>),

    /// A word is unknown.
    #[error(transparent)]
    UnknownWord(#[from] UnknownWordError),
    /// A text is not an identifier.
    #[error(transparent)]
    Id(#[from] ParseIdError),

    /// [`crate::Catalog::close`] was called.
    #[error("the resource database is closed")]
    Closed,
    /// The operating system gave no random bytes.
    #[error("An internal error has occurred - check server logs")]
    Randomness(getrandom::Error),
    /// A password could not be hashed, or a stored hash not be read.
    #[error("An internal error has occurred - check server logs")]
    PasswordHash(argon2::password_hash::Error),
    /// A task of this crate was stopped from outside.
    #[error("An internal error has occurred - check server logs")]
    TaskStopped(#[source] tokio::task::JoinError),
    /// The table has a cache of this kind and name.
    #[error("the cache exists already")]
    CacheExists,
    /// There is no such cache.
    #[error("cache not found")]
    CacheNotFound,
    /// The bucket has as many caches as it may.
    #[error("the bucket has {} caches, which are as many as may be", crate::caches::CACHES_PER_BUCKET_MAX)]
    TooManyCaches,
    /// A text that PostgreSQL cannot store.
    #[error("names and descriptions cannot have the character U+0000")]
    NulCharacter,
    /// The database cannot be reached at the moment.
    #[error("the resource database cannot be reached, try again later")]
    Unreachable(#[source] DatabaseError),
    /// SQL failed.
    #[error("An internal error has occurred - check server logs")]
    Database(#[source] DatabaseError),
    /// A row read back after a failure means nothing.
    #[error("An internal error has occurred - check server logs")]
    Damaged(#[source] DamagedRowError),
}

impl From<DatabaseError> for CatalogError {
    fn from(error: DatabaseError) -> Self {
        match &error {
            DatabaseError::Sql(sqlx::Error::Encode(cause)) if cause.is::<NulCharacterError>() => Self::NulCharacter,
            cause if cause.is_temporary() => Self::Unreachable(error),
            _ => Self::Database(error),
        }
    }
}

impl CatalogError {
    /// The code that goes with the message.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::OrganisationNotFound
            | Self::OrganisationNameNotFound { .. }
            | Self::BucketNotFound
            | Self::BucketNameNotFound { .. }
            | Self::UserNotFound
            | Self::MappingNotFound
            | Self::DbrpNotFound
            | Self::V1UserNotFound
            | Self::JobNotFound
            | Self::CacheNotFound
            | Self::DocumentNotFound(_)
            | Self::AuthorizationNotFound => Class::NotFound,
            Self::OrganisationExists { .. }
            | Self::BucketExists { .. }
            | Self::UserExists { .. }
            | Self::MappingExists { .. }
            | Self::TokenExists
            | Self::DbrpExists
            | Self::CacheExists
            | Self::V1UserExists
            | Self::ContinuousQueryExists
            | Self::DocumentExists { .. }
            | Self::OnboardingCompleted => Class::Conflict,
            Self::OrganisationNameEmpty
            | Self::BucketNameEmpty
            | Self::BucketNameUnderscore { .. }
            | Self::BucketNameQuote { .. }
            | Self::SystemBucketDeleted
            | Self::SystemBucketRenamed
            | Self::UserNameEmpty
            | Self::PasswordLength
            | Self::PermissionsMissing
            | Self::DbrpInvalid(_)
            | Self::V1UserNameEmpty
            | Self::V1PasswordLength
            | Self::DocumentNameEmpty(_)
            | Self::DocumentNameLong(_)
            | Self::DocumentLong(_)
            | Self::RunsTooMany
            | Self::SecretName
            | Self::SecretValue
            | Self::LimitOutOfRange
            | Self::NulCharacter
            | Self::UnknownWord(_)
            | Self::Id(_) => Class::Invalid,
            Self::SecretsTooMany
            | Self::RetentionTooShort
            | Self::ShardGroupLongerThanRetention
            | Self::ShardGroupNotUpdated
            | Self::TooManyCaches
            | Self::OnboardingFieldsMissing(_) => Class::UnprocessableEntity,
            Self::PasswordWrong => Class::Unauthorized,
            Self::UserInactive | Self::GrantNotAllowed(_) => Class::Forbidden,
            Self::PasswordQueueFull => Class::TooManyRequests,
            Self::Closed | Self::Unreachable(_) => Class::Unavailable,
            Self::Randomness(_)
            | Self::PasswordHash(_)
            | Self::SecretKeyWrong
            | Self::TaskStopped(_)
            | Self::Database(_)
            | Self::Damaged(_) => Class::Internal,
        }
    }
}

/// Why a token or session key does not stand for anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Unknown, expired, or its user is gone.
    #[error("unauthorized access")]
    Unauthorized,
    /// The user behind it was made inactive.
    #[error("User is inactive")]
    UserInactive,
    /// The token exists but was made inactive.
    #[error("token is inactive")]
    TokenInactive,
}

impl AuthenticationError {
    /// The code that goes with the message.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Unauthorized => Class::Unauthorized,
            Self::UserInactive | Self::TokenInactive => Class::Forbidden,
        }
    }
}

/// A permission that a principal lacks, as management endpoints report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is unauthorized")]
pub struct PermissionDeniedError(pub Permission);

impl PermissionDeniedError {
    /// The code that goes with the message.
    #[must_use]
    pub fn class(self) -> Class {
        Class::Unauthorized
    }
}
