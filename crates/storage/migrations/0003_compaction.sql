-- What compaction and the end of files look rows up by. The conditions are those of the statements.
CREATE INDEX freshet_ducklake_data_file_end ON ducklake_data_file(end_snapshot);
CREATE INDEX freshet_ducklake_file_column_stats ON ducklake_file_column_stats(data_file_id);

-- The tables whose rows one transaction removes after their bucket was dropped; empty between transactions.
CREATE TABLE freshet_gone(table_id BIGINT PRIMARY KEY);
