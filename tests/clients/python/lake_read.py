"""Reads a Freshet lake with DuckDB and compares it with what should be in it.

    lake_read.py <catalog> <expected.json>

`expected.json`: `tables`, each with `schema`, `table`, `measurement`, `columns` (`name`, `real_name`, `kind`) and
`rows` (the time in nanoseconds, then the columns; every value as text, or null). Of each table all rows are read, and
then, for every column and every value in it, how many rows each comparison finds: a statistic that is too narrow loses
rows here.
`pruned`: tables with one file deleted; filters on the values of the `kept` one must not touch the one that is `gone`.
`schemas` (optional): the names of all schemas but `main`. `operators` (optional): the comparisons to make, else all.

The names and columns of the catalog's tables are compared with those that DuckDB itself makes.
"""

import json
import math
import os
import sqlite3
import sys
import tempfile
from collections import Counter
from pathlib import Path

import duckdb

import duckdb_lake

# Kind of a column: its type in DuckDB.
TYPES = {
    "tag": "VARCHAR",
    "string": "VARCHAR",
    "float": "DOUBLE",
    "integer": "BIGINT",
    "unsigned": "UBIGINT",
    "boolean": "BOOLEAN",
}

COMPARISONS = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}

# 1677-09-22T00:00:00Z.
EARLIEST_TIME_NS = -9_223_286_400_000_000_000


def can_be_constant(kind, value):
    """Whether DuckDB's DuckLake takes a filter with this constant; it refuses the others with an error.

    It writes constants into SQL of its own, where text ends at a U+0000 and an earlier time has no form.
    """
    if kind == "time":
        return value >= EARLIEST_TIME_NS
    return kind not in ("tag", "string") or "\0" not in value


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def parse(kind, text):
    """A value from its text."""
    if text is None:
        return None
    if kind in ("integer", "unsigned", "time"):
        return int(text)
    if kind == "float":
        return float(text)
    if kind == "boolean":
        return text == "true"
    return text


def key(value):
    """What orders values as DuckDB does: text by its bytes, NaN above every number."""
    if isinstance(value, float):
        return (1, 0.0) if math.isnan(value) else (0, value)
    return value.encode() if isinstance(value, str) else value


def literal(kind, value):
    """A constant expression for a value."""
    if kind == "time":
        return f"make_timestamp_ns({value})"
    if kind == "float":
        return f"'{value!r}'::DOUBLE"
    if kind == "boolean":
        return "true" if value else "false"
    if kind in ("tag", "string"):
        parts = ["'" + part.replace("'", "''") + "'" for part in value.split("\0")]
        return "(" + " || chr(0) || ".join(parts) + ")"
    return f"({value})::{TYPES[kind]}"


class Table:
    """A table as it should be."""

    def __init__(self, description):
        self.description = description
        self.name = f"lake.{quoted(description['schema'])}.{quoted(description['table'])}"
        self.kinds = ["time"] + [column["kind"] for column in description["columns"]]
        self.columns = ["time"] + [column["name"] for column in description["columns"]]
        self.rows = [
            tuple(parse(kind, text) for kind, text in zip(self.kinds, row)) for row in description["rows"]
        ]

    def values(self, index):
        return [row[index] for row in self.rows if row[index] is not None]


def comparable(row):
    """A row in which NaN equals NaN and 0.0 equals -0.0."""
    return tuple(None if value is None else key(value) for value in row)


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def check_rows(connection, table):
    described = connection.execute(f"DESCRIBE {table.name}").fetchall()
    types = ["TIMESTAMP_NS"] + [TYPES[kind] for kind in table.kinds[1:]]
    check([row[:2] for row in described] == list(zip(table.columns, types)), f"{table.name}: {described}")
    columns = ", ".join(quoted(name) for name in table.columns[1:])
    found = connection.execute(f'SELECT epoch_ns("time"), {columns} FROM {table.name}').fetchall()
    difference = Counter(map(comparable, found))
    difference.subtract(Counter(map(comparable, table.rows)))
    difference = {str(row)[:200]: count for row, count in difference.items() if count}
    check(not difference, f"{table.name}: rows that are too many (+) or missing (-): {difference}")


def check_names(connection, table):
    """The real names stand in the tags of tables and in the comments of columns, where they are other ones."""
    description = table.description
    place = [description["schema"], description["table"]]
    (tags,) = connection.execute(
        "SELECT tags FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = ? AND table_name = ?", place
    ).fetchone()
    name = json.loads(tags["freshet.name"]) if "freshet.name" in tags else description["table"]
    check(name == description["measurement"], f"{table.name}: {tags}")
    comments = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() "
        "WHERE database_name = 'lake' AND schema_name = ? AND table_name = ? AND column_index > 1 "
        "ORDER BY column_index",
        place,
    ).fetchall()
    check(len(comments) == len(description["columns"]), f"{table.name}: {comments}")
    for column, (name, comment) in zip(description["columns"], comments):
        kind, _, real_name = (comment or "field").partition(" ")
        check((kind == "tag") == (column["kind"] == "tag"), f"{table.name} {name!r}: {comment}")
        name = json.loads(real_name) if real_name else name
        check(name == column["real_name"], f"{table.name} {column['name']!r}: {comment}")


def count(connection, table, conditions):
    """How many rows each condition finds. Each is a scan of its own, with its own skipping of files."""
    scans = [f"(SELECT count(*) FROM {table.name} WHERE {condition})" for condition in conditions]
    return connection.execute("SELECT " + ", ".join(scans)).fetchone()


def check_counts(connection, table, expected):
    """`expected`: condition → rows that it should find."""
    for (condition, rows), found in zip(expected.items(), count(connection, table, expected)):
        check(found == rows, f"{table.name} {condition[:200]!r}: {found}, not {rows}")


def matches(operator, values, value):
    """How many of `values` compare so with `value`."""
    return sum(COMPARISONS[operator](key(other), key(value)) for other in values)


def check_filters(connection, table, operators):
    """These comparisons with every value, and the tests for null. Returns how many were made."""
    made = 0
    for index, (kind, name) in enumerate(zip(table.kinds, table.columns)):
        name, values = quoted(name), table.values(index)
        nulls = len(table.rows) - len(values)
        check_counts(connection, table, {f"{name} IS NULL": nulls, f"{name} IS NOT NULL": len(values)})
        for value in {key(value): value for value in values}.values():
            if can_be_constant(kind, value):
                constant = literal(kind, value)
                expected = {
                    f"{name} {operator} {constant}": matches(operator, values, value) for operator in operators
                }
                check_counts(connection, table, expected)
                made += len(expected)
    return made


def check_aggregates(connection, table):
    for index, (kind, name) in enumerate(zip(table.kinds, table.columns)):
        values = table.values(index)
        column = 'epoch_ns("time")' if kind == "time" else quoted(name)
        found = connection.execute(
            f"SELECT count(*), count({column}), min({column}), max({column}) FROM {table.name}"
        ).fetchone()
        bounds = min(values, key=key, default=None), max(values, key=key, default=None)
        expected = (len(table.rows), len(values), *bounds)
        check(comparable(found) == comparable(expected), f"{table.name} {name!r}: {str(found)[:300]}")


def check_pruned(connection, kept, gone):
    """Filters on values of `kept` find its rows; filters on values of `gone` fail, for want of its file."""
    for index, (kind, name) in enumerate(zip(kept.kinds, kept.columns)):
        for operator, value in (
            ("=", kept.values(index)[0]),
            ("<=", max(kept.values(index), key=key)),
            ("<", min(gone.values(index), key=key)),
        ):
            condition = f"{quoted(name)} {operator} {literal(kind, value)}"
            try:
                check_counts(connection, kept, {condition: matches(operator, kept.values(index), value)})
            except duckdb.IOException as error:
                raise AssertionError(f"{condition} asked for the deleted file") from error
        for value in gone.values(index):
            condition = f"{quoted(name)} = {literal(kind, value)}"
            try:
                # Without a column, DuckDB would answer from what the catalog says of the file.
                connection.execute(f"SELECT * FROM {gone.name} WHERE {condition}").fetchall()
            except duckdb.IOException:
                continue
            raise AssertionError(f"{condition} did not need the deleted file")


def layout(ask):
    """Table → its columns with their types, for the tables of DuckLake in an SQLite file."""
    names = [name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: ask(f"PRAGMA table_info('{name}')") for name in names if name.startswith("ducklake_")}


def postgres_layout(ask):
    """The same for a schema of PostgreSQL."""
    return ask(
        "SELECT table_name, column_name, data_type, is_nullable, ordinal_position FROM information_schema.columns "
        "WHERE table_schema = {schema} AND table_name LIKE 'ducklake%' "
        "AND table_name NOT LIKE 'ducklake_inlined_data\\_%\\_%' ORDER BY table_name, ordinal_position"
    )


def check_layout(connection, catalog):
    """The catalog has the tables of one that DuckDB makes, and its first rows the same keys."""
    with tempfile.TemporaryDirectory() as directory:
        if duckdb_lake.is_postgres(catalog):
            address, schema = duckdb_lake.split(catalog)
            made = f"{schema}_made_{os.getpid()}"
            place, options = f"ducklake:postgres:{address}", f", METADATA_SCHEMA {duckdb_lake.text(made)}"
            connection.execute(f"ATTACH {duckdb_lake.text(address)} AS pg (TYPE postgres, READ_ONLY)")
            # DuckDB's own connection to PostgreSQL answers, so that no other client is needed.
            def asking(schema):
                def ask(statement):
                    query = statement.replace("FROM ducklake_", f"FROM {schema}.ducklake_")
                    query = duckdb_lake.text(query.replace("{schema}", duckdb_lake.text(schema)))
                    return connection.execute(f"SELECT * FROM postgres_query('pg', {query})").fetchall()
                return ask
            asks, shape = (asking(schema), asking(made)), postgres_layout
        else:
            path = Path(directory) / "made_by_duckdb.sqlite"
            place, options = f"ducklake:sqlite:{path}", ""
            asks = tuple(
                lambda statement, file=file: sqlite3.connect(file).execute(statement).fetchall()
                for file in (catalog, path)
            )
            shape = layout
        connection.execute(f"ATTACH {duckdb_lake.text(place)} AS made (DATA_PATH '{directory}/data/'{options})")
        connection.execute("DETACH made")
        ours, theirs = map(shape, asks)
        check(ours == theirs, f"the tables are not those that DuckDB makes: {ours} {theirs}")
        for statement in (
            "SELECT key, scope, scope_id FROM ducklake_metadata ORDER BY key",
            "SELECT schema_id, begin_snapshot, schema_name, path, path_is_relative FROM ducklake_schema "
            "WHERE schema_id = 0",
            "SELECT snapshot_id, schema_version, next_catalog_id, next_file_id FROM ducklake_snapshot "
            "WHERE snapshot_id = 0",
            "SELECT * FROM ducklake_snapshot_changes WHERE snapshot_id = 0",
        ):
            ours, theirs = (ask(statement) for ask in asks)
            check(ours == theirs, f"{statement}: {ours}, DuckDB writes {theirs}")


def main():
    catalog_path, expected_path = sys.argv[1:]
    expected = json.loads(Path(expected_path).read_text())
    connection = duckdb_lake.connect(catalog_path)
    check_layout(connection, catalog_path)
    # One transaction: DuckDB reads the schema once.
    connection.execute("BEGIN")
    filters = 0
    for description in expected["tables"]:
        table = Table(description)
        check_names(connection, table)
        check_rows(connection, table)
        filters += check_filters(connection, table, expected.get("operators", COMPARISONS))
        check_aggregates(connection, table)
    connection.execute("COMMIT")
    for pair in expected["pruned"]:
        check_pruned(connection, Table(pair["kept"]), Table(pair["gone"]))
    if "schemas" in expected:
        rows = connection.execute(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'lake' AND schema_name <> 'main'"
        ).fetchall()
        check(sorted(name for (name,) in rows) == sorted(expected["schemas"]), f"schemas {rows}")
    # DuckDB understands the history that we write.
    connection.execute("SELECT count(*) FROM ducklake_snapshots('lake')").fetchone()
    print(f"{len(expected['tables'])} tables, {filters} filters")


main()
