-- Buckets that are deleted and whose points the storage engine may still have: it is told after the commit, and a crash
-- may come between. A row goes when the engine has dropped the points.
CREATE TABLE dropped_buckets (
    bucket_id BIGINT NOT NULL PRIMARY KEY,
    organisation_id BIGINT NOT NULL
);
