-- The engine's own rows. docs/formats/catalog.md describes every column.
-- Names that users chose are bytes (UTF-8), because PostgreSQL's text cannot hold U+0000; BYTEA is a type of
-- PostgreSQL, and SQLite stores a blob in a column of any type as it is.

CREATE TABLE freshet_format(version BIGINT NOT NULL);
INSERT INTO freshet_format(version) VALUES (1);

-- The WAL record up to which everything is in committed files; records up to it may be deleted. One row.
CREATE TABLE freshet_watermark(sequence BIGINT NOT NULL);
INSERT INTO freshet_watermark(sequence) VALUES (0);

CREATE TABLE freshet_bucket(
    bucket_id BIGINT PRIMARY KEY,
    bucket_name BYTEA NOT NULL,
    organisation_id BIGINT NOT NULL,
    organisation_name BYTEA NOT NULL,
    schema_id BIGINT NOT NULL UNIQUE
);

CREATE TABLE freshet_table(
    table_id BIGINT PRIMARY KEY,
    bucket_id BIGINT NOT NULL,
    measurement BYTEA NOT NULL,
    -- CRC-32C of the measurement: names may be longer than an index of PostgreSQL can hold.
    measurement_hash BIGINT NOT NULL,
    -- The physical name in lower case: unique in its schema, as DuckLake readers compare names.
    folded_name VARCHAR NOT NULL,
    flushed_sequence BIGINT NOT NULL,
    -- Column ids separated by commas; empty before the first flush fixes the order.
    tag_order VARCHAR NOT NULL,
    UNIQUE (folded_name, bucket_id)
);
CREATE INDEX freshet_table_measurement ON freshet_table(measurement_hash);
CREATE INDEX freshet_table_bucket ON freshet_table(bucket_id);

CREATE TABLE freshet_column(
    table_id BIGINT NOT NULL,
    column_id BIGINT NOT NULL,
    column_name BYTEA NOT NULL,
    -- tag, float, integer, unsigned, boolean or string.
    kind VARCHAR NOT NULL,
    physical_name VARCHAR NOT NULL,
    PRIMARY KEY (table_id, column_id)
);

CREATE TABLE freshet_file(
    data_file_id BIGINT PRIMARY KEY,
    table_id BIGINT NOT NULL,
    path VARCHAR NOT NULL UNIQUE,
    level BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    min_time_ns BIGINT NOT NULL,
    max_time_ns BIGINT NOT NULL,
    sort_tags VARCHAR NOT NULL
);
CREATE INDEX freshet_file_table ON freshet_file(table_id);
