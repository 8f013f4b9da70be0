"""Prints the rows of one table of a Freshet lake as DuckDB reads them, one line each: `column=value …` of what is not
null, by name, then `@` and the time in nanoseconds.

    lake_rows.py <catalog> <schema> <table>
"""

import sys

import duckdb_lake


def main(catalog, schema, table):
    connection = duckdb_lake.connect(catalog)
    name = f'lake."{schema}"."{table}"'
    rows = connection.execute(f'SELECT epoch_ns("time"), * EXCLUDE ("time") FROM {name}')
    names = [column[0] for column in rows.description[1:]]
    found = []
    for time, *values in rows.fetchall():
        cells = sorted(f"{name}={value}" for name, value in zip(names, values) if value is not None)
        found.append(f"{' '.join(cells)} @{time}")
    # Answered from the catalog alone.
    count = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    assert count == len(found), f"count(*) is {count}, but there are {len(found)} rows"
    print("\n".join(sorted(found)))


main(*sys.argv[1:])
