"""Attaches the DuckLake catalog of a running server with DuckDB, and compares every row with what the server's own SQL
says. All data must be in files, and no point written twice.

    lake_equals_sql.py <catalog>

Tables and columns whose real name is no name for DuckDB carry it in a tag or comment (docs/formats/catalog.md). Where a
tag and a field have one name, our SQL calls the field `name::field`.
"""

import io
import json
import math
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter

import duckdb_lake


def ask(query):
    """Rows by the server's SQL as texts; the tables of the bucket are those of its own catalog."""
    address = f"{os.environ['FRESHET_URL']}/api/v3/query_sql?org={urllib.parse.quote(os.environ['FRESHET_ORG'])}"
    request = urllib.request.Request(
        address,
        data=json.dumps({"db": os.environ["FRESHET_BUCKET"], "q": query, "format": "jsonl"}).encode(),
        headers={"authorization": f"Token {os.environ['FRESHET_TOKEN']}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return [json.loads(line) for line in io.TextIOWrapper(response, "utf-8", newline="\n")]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.read()[:1000]} for {query[:1000]}") from error


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def tables(connection):
    """Of each table: schema and table in DuckDB, its real name, its columns as (name, real name) without the time."""
    columns, tags_of = {}, {}
    for table_oid, name, comment in connection.execute(
        "SELECT table_oid, column_name, comment FROM duckdb_columns() "
        "WHERE database_name = 'lake' AND column_index > 1 ORDER BY column_index"
    ).fetchall():
        kind, _, real_name = (comment or "field").partition(" ")
        real_name = json.loads(real_name) if real_name else name
        columns.setdefault(table_oid, []).append((name, real_name, kind))
        if kind == "tag":
            tags_of.setdefault(table_oid, set()).add(real_name)
    for oid, schema, table, tags in connection.execute(
        "SELECT table_oid, schema_name, table_name, tags FROM duckdb_tables() WHERE database_name = 'lake'"
    ).fetchall():
        real_name = json.loads(tags["freshet.name"]) if "freshet.name" in tags else table
        yield schema, table, real_name, [
            (name, f"{column}::field" if kind != "tag" and column in tags_of.get(oid, ()) else column)
            for name, column, kind in columns[oid]
        ]


def comparable(value):
    """Values of both sides in one form: JSON has no other floats than Python, DuckDB's decimals do not occur."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return value


def as_row(values):
    return tuple(sorted((name, comparable(value)) for name, value in values.items() if value is not None))


def main():
    (catalog_path,) = sys.argv[1:]
    connection = duckdb_lake.connect(catalog_path)
    rows = ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox'")
    ours = {row["table_name"] for row in rows}
    found = list(tables(connection))
    assert {name for _, _, name, _ in found} == ours, (sorted(name[:40] for _, _, name, _ in found), sorted(ours))
    rows_compared = 0
    for schema, table, name, columns in found:
        selected = ", ".join(quoted(column) for column, _ in columns)
        place = f"lake.{quoted(schema)}.{quoted(table)}"
        lake = connection.execute(f'SELECT epoch_ns("time"), {selected} FROM {place}').fetchall()
        names = ["time", *(real_name for _, real_name in columns)]
        lake_rows = Counter(as_row(dict(zip(names, row))) for row in lake)
        # The time as a number, because texts of times differ; under a name that no column has.
        at = "at" + "_" * max(map(len, names))
        sql_rows = Counter()
        selected = ", ".join(quoted(real_name) for real_name in names[1:])
        for row in ask(f'SELECT CAST("time" AS BIGINT) AS {at}, {selected} FROM {quoted(name)}'):
            row["time"] = row.pop(at)
            sql_rows[as_row(row)] += 1
        difference = Counter(lake_rows)
        difference.subtract(sql_rows)
        difference = {str(row)[:300]: count for row, count in difference.items() if count}
        assert not difference, f"{name[:80]!r}: rows that only DuckDB (+) or only our SQL (-) has: {difference}"
        rows_compared += sum(lake_rows.values())
    print(f"{len(found)} tables, {rows_compared} rows")


main()
