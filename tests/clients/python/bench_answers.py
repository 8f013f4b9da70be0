"""Answers the questions of `cargo xtask bench query` with DuckDB over the same lake.

`bench_answers.py CATALOG`: reads a JSON list of SQL statements over the table `cpu`, whose time is in seconds as `s`,
and writes a JSON list of their rows.
"""

import json
import sys

import duckdb_lake


def main():
    connection = duckdb_lake.connect(sys.argv[1])
    connection.execute("CREATE TABLE cpu AS SELECT *, epoch_ns(time) // 1000000000 AS s FROM lake.b.cpu")
    statements = json.load(sys.stdin)
    answers = [[list(row) for row in connection.execute(statement).fetchall()] for statement in statements]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
