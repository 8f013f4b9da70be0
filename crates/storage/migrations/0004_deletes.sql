-- Deletes: what is to be taken out of the rows of a bucket that are older than the delete's WAL record.

-- Deletes that some file has not applied yet. The WAL may be cut behind them because they stand here.
CREATE TABLE freshet_delete(
    sequence BIGINT PRIMARY KEY,
    bucket_id BIGINT NOT NULL,
    min_time_ns BIGINT NOT NULL,
    max_time_ns BIGINT NOT NULL,
    terms BYTEA NOT NULL
);
CREATE INDEX freshet_delete_bucket ON freshet_delete(bucket_id);

-- The record up to which every delete is applied in a file. There were none before, so all files have applied those
-- up to their last row; a default is what ALTER TABLE wants.
ALTER TABLE freshet_file ADD COLUMN deletes_applied BIGINT NOT NULL DEFAULT 0;
UPDATE freshet_file SET deletes_applied = last_sequence;

-- A program that knows no deletes would show deleted rows again.
UPDATE freshet_format SET version = 2;
