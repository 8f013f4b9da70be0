"""The official Python client `influxdb3-python` against a Freshet server: writing, and what was written read back.
Each check is a function; the last line says how many passed.
"""

import os

import pandas
from influxdb_client_3 import InfluxDBClient3, InfluxDBError, Point, SYNCHRONOUS, WriteOptions, WritePrecision
from influxdb_client_3 import write_client_options

URL = os.environ["FRESHET_URL"]
TOKEN = os.environ["FRESHET_TOKEN"]
BUCKET = os.environ["FRESHET_BUCKET"]


def connect(database=BUCKET, **options):
    # The endpoint of InfluxDB 3; that of InfluxDB 2 wants an organisation that is there.
    write_options = WriteOptions(write_type=SYNCHRONOUS.write_type, use_v2_api=False, **options)
    return InfluxDBClient3(
        host=URL, token=TOKEN, database=database, write_client_options=write_client_options(write_options=write_options)
    )


def points():
    with connect() as client:
        start = 1767225600
        seconds = WritePrecision.S
        client.write([Point("cpu").tag("host", f"h{n}").field("n", n).time(start + n, seconds) for n in range(3)])
        rows = client.query("SELECT time, host, n FROM cpu ORDER BY time").to_pylist()
        assert [(row["host"], row["n"]) for row in rows] == [("h0", 0), ("h1", 1), ("h2", 2)], rows
        assert rows[0]["time"].isoformat() == "2026-01-01T00:00:00", rows


def a_database_is_made_by_its_first_write():
    with connect("made-by-python") as client:
        client.write("m,t=a f=1.5 1767225600000000000")
        assert client.query("SELECT t, f FROM m").to_pylist() == [{"t": "a", "f": 1.5}]


def frames():
    times = pandas.to_datetime([f"2026-01-01T00:00:0{n}Z" for n in range(5)])
    frame = pandas.DataFrame({"time": times, "city": ["Oslo"] * 5, "degrees": [n / 2 for n in range(5)]})
    with connect() as client:
        client.write_dataframe(frame, measurement="weather", timestamp_column="time", tags=["city"])
        found = client.query_dataframe("SELECT time, city, degrees FROM weather ORDER BY time")
        assert list(found["degrees"]) == list(frame["degrees"]) and set(found["city"]) == {"Oslo"}
        assert list(found["time"]) == list(frame["time"].dt.tz_localize(None)), found


def bad_lines_are_named():
    lines = "part f=1 1767225600000000000\npart f=\npart f=\"text\" 1767225601000000000"
    with connect() as client:
        try:
            client.write(lines)
        except InfluxDBError as error:
            text = str(error)
            assert "partial write of line protocol occurred" in text, text
            assert "line 2" in text and "line 3" in text and "missing field value" in text, text
        else:
            raise AssertionError("a bad line was accepted")
        assert client.query("SELECT f FROM part").to_pylist() == [{"f": 1.0}]
    with connect(accept_partial=False) as client:
        try:
            client.write("whole f=1 1\nwhole f=")
        except InfluxDBError as error:
            assert "line 2" in str(error) or "missing field value" in str(error), error
        else:
            raise AssertionError("a bad line was accepted")
        names = [row["name"] for row in client.query("SHOW MEASUREMENTS", language="influxql").to_pylist()]
        assert "whole" not in names, names


def without_waiting():
    with connect(no_sync=True) as client:
        client.write("quick f=1 1767225600")
        assert client.query("SELECT f FROM quick").num_rows == 1


CHECKS = [points, a_database_is_made_by_its_first_write, frames, bad_lines_are_named, without_waiting]
for check in CHECKS:
    check()
    print("ok", check.__name__)
print(len(CHECKS), "passed")
