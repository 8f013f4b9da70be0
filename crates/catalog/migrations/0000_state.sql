-- Run at every start, before any migration: the one row that says which migrations the database has seen.
-- Every migration is valid in SQLite and in PostgreSQL.
CREATE TABLE IF NOT EXISTS catalog_state (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- The number of the last migration that was applied.
    format_version BIGINT NOT NULL,
    -- The largest identifier ever given out (the bits of a u64): a floor for the next one.
    last_id BIGINT NOT NULL,
    -- When the server was set up; null before.
    onboarded_at_ns BIGINT
);

INSERT INTO catalog_state (id, format_version, last_id, onboarded_at_ns)
VALUES (1, 0, 0, NULL)
ON CONFLICT (id) DO NOTHING;
