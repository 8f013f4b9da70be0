-- Ids hold the bits of a u64, times are nanoseconds since 1970, durations nanoseconds.

CREATE TABLE organisations (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created_at_ns BIGINT NOT NULL,
    updated_at_ns BIGINT NOT NULL
);

CREATE TABLE buckets (
    id BIGINT NOT NULL PRIMARY KEY,
    organisation_id BIGINT NOT NULL REFERENCES organisations (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- user or system
    bucket_type TEXT NOT NULL,
    -- 0 keeps points for ever.
    retention_ns BIGINT NOT NULL,
    shard_group_duration_ns BIGINT NOT NULL,
    created_at_ns BIGINT NOT NULL,
    updated_at_ns BIGINT NOT NULL,
    UNIQUE (organisation_id, name)
);

CREATE TABLE users (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- active or inactive
    status TEXT NOT NULL,
    created_at_ns BIGINT NOT NULL,
    updated_at_ns BIGINT NOT NULL
);

CREATE TABLE passwords (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (id),
    -- A PHC string, $argon2id$…
    hash TEXT NOT NULL
);

CREATE TABLE sessions (
    -- SHA-256 of the session key, 64 hexadecimal digits.
    digest TEXT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    created_at_ns BIGINT NOT NULL,
    expires_at_ns BIGINT NOT NULL
);

CREATE TABLE authorizations (
    id BIGINT NOT NULL PRIMARY KEY,
    -- SHA-256 of the token, 64 hexadecimal digits.
    digest TEXT NOT NULL UNIQUE,
    -- active or inactive
    status TEXT NOT NULL,
    description TEXT NOT NULL,
    organisation_id BIGINT NOT NULL REFERENCES organisations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- A JSON array of {action, resource_type, id?, organisation_id?}.
    permissions TEXT NOT NULL,
    created_at_ns BIGINT NOT NULL,
    updated_at_ns BIGINT NOT NULL
);

CREATE TABLE user_resource_mappings (
    user_id BIGINT NOT NULL REFERENCES users (id),
    resource_type TEXT NOT NULL,
    resource_id BIGINT NOT NULL,
    -- owner or member
    role TEXT NOT NULL,
    PRIMARY KEY (user_id, resource_type, resource_id)
);
