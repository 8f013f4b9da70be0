-- What the API of InfluxDB 1.x knows: databases as names of buckets, its users, and continuous queries.

CREATE TABLE dbrp_mappings (
    id BIGINT NOT NULL PRIMARY KEY,
    organisation_id BIGINT NOT NULL REFERENCES organisations (id),
    database_name TEXT NOT NULL,
    retention_policy TEXT NOT NULL,
    bucket_id BIGINT NOT NULL REFERENCES buckets (id),
    -- 1 for the one that is meant where no retention policy is named.
    is_default BIGINT NOT NULL,
    UNIQUE (organisation_id, database_name, retention_policy)
);

CREATE TABLE v1_users (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- active or inactive
    status TEXT NOT NULL,
    description TEXT NOT NULL,
    organisation_id BIGINT NOT NULL REFERENCES organisations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    -- A JSON array of {action, resource_type, id?, organisation_id?}.
    permissions TEXT NOT NULL,
    -- A PHC string, $argon2id$…; null for a user without a password, who cannot sign in.
    password_hash TEXT,
    created_at_ns BIGINT NOT NULL,
    updated_at_ns BIGINT NOT NULL
);

CREATE TABLE v1_grants (
    v1_user_id BIGINT NOT NULL REFERENCES v1_users (id),
    database_name TEXT NOT NULL,
    -- none, read, write or all
    privilege TEXT NOT NULL,
    PRIMARY KEY (v1_user_id, database_name)
);

CREATE TABLE continuous_queries (
    -- The id of its job as well.
    id BIGINT NOT NULL PRIMARY KEY,
    organisation_id BIGINT NOT NULL REFERENCES organisations (id),
    database_name TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Who made it; may be gone.
    user_id BIGINT NOT NULL,
    -- The statement that made it, in InfluxQL.
    statement TEXT NOT NULL,
    UNIQUE (organisation_id, database_name, name)
);
