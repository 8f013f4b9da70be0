-- Runs that are asked for, beside those that a schedule asks for; runs by ids of their own, as one time may be run again.

-- The job whose work a run on request does, and when it was asked for; null for jobs with a schedule.
ALTER TABLE jobs ADD COLUMN parent_id BIGINT;
ALTER TABLE jobs ADD COLUMN requested_ns BIGINT;

CREATE TABLE job_runs_by_id (
    job_id BIGINT NOT NULL REFERENCES jobs (id),
    id BIGINT NOT NULL,
    first_due_ns BIGINT NOT NULL,
    -- The last scheduled time that the run was for.
    due_ns BIGINT NOT NULL,
    -- Null for a run that the schedule asked for.
    requested_ns BIGINT,
    started_ns BIGINT NOT NULL,
    finished_ns BIGINT NOT NULL,
    -- Null for a run that went well.
    error TEXT,
    -- 1 for a run that somebody ended.
    is_canceled BIGINT NOT NULL,
    PRIMARY KEY (job_id, id)
);
-- Quarters of nanoseconds sort as the times do, and before the ids that are given out now.
INSERT INTO job_runs_by_id (job_id, id, first_due_ns, due_ns, requested_ns, started_ns, finished_ns, error, is_canceled)
    SELECT job_id, due_ns / 4, first_due_ns, due_ns, NULL, started_ns, finished_ns, error, 0 FROM job_runs
    WHERE due_ns >= 4;
DROP TABLE job_runs;
ALTER TABLE job_runs_by_id RENAME TO job_runs;
