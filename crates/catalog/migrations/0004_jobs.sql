-- What is done again and again, and how far it is.

CREATE TABLE jobs (
    id BIGINT NOT NULL PRIMARY KEY,
    -- Which part of the server runs it.
    kind TEXT NOT NULL,
    -- every and nanoseconds, or cron and an expression
    schedule TEXT NOT NULL,
    -- So much later than the schedule says it runs.
    offset_ns BIGINT NOT NULL,
    -- The last scheduled time that is done.
    done_until_ns BIGINT NOT NULL,
    -- Who runs it now, and until when that counts; null when nobody does.
    lease_holder TEXT,
    leased_until_ns BIGINT
);

CREATE TABLE job_runs (
    job_id BIGINT NOT NULL REFERENCES jobs (id),
    -- The last scheduled time that the run was for.
    due_ns BIGINT NOT NULL,
    -- The first one that was not done before.
    first_due_ns BIGINT NOT NULL,
    started_ns BIGINT NOT NULL,
    finished_ns BIGINT NOT NULL,
    -- Null for a run that went well.
    error TEXT,
    PRIMARY KEY (job_id, due_ns)
);
