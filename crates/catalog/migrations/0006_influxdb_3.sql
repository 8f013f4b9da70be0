-- What the API of InfluxDB 3 knows besides: tokens that end, and caches of tables.

-- Nanoseconds since 1970; null for a token that does not end.
ALTER TABLE authorizations ADD COLUMN expires_at_ns BIGINT;

CREATE TABLE caches (
    id BIGINT NOT NULL PRIMARY KEY,
    -- last or distinct
    kind TEXT NOT NULL,
    bucket_id BIGINT NOT NULL REFERENCES buckets (id),
    table_name TEXT NOT NULL,
    name TEXT NOT NULL,
    -- A JSON object; its meaning is the server's.
    definition TEXT NOT NULL,
    created_at_ns BIGINT NOT NULL,
    UNIQUE (bucket_id, table_name, kind, name)
);
