"""The official Python client `influxdb-client` against a Freshet server: what its query API makes of answers to Flux.
Each check is a function; the last line says how many passed.
"""

import json
import os
from datetime import datetime, timedelta, timezone

from influxdb_client import Dialect, InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

URL = os.environ["FRESHET_URL"]
TOKEN = os.environ["FRESHET_TOKEN"]
ORG = os.environ["FRESHET_ORG"]
BUCKET = os.environ["FRESHET_BUCKET"]

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
RANGE = f'from(bucket: "{BUCKET}") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-01T01:00:00Z)'
USAGE = RANGE + ' |> filter(fn: (r) => r._measurement == "cpu" and r._field == "usage")'


def connect(**options):
    return InfluxDBClient(url=URL, token=TOKEN, org=ORG, **options)


def write(client):
    def point(n):
        point = Point("cpu").tag("host", f"h{n % 2}").field("usage", n / 2).field("on", n > 5)
        return point.time(1767225600 + n, WritePrecision.S)

    points = [point(n) for n in range(10)]
    client.write_api(write_options=SYNCHRONOUS).write(BUCKET, record=points)


def tables_of_records():
    with connect() as client:
        tables = client.query_api().query(USAGE)
        assert len(tables) == 2, tables
        first = tables[0].records[0]
        assert (first.get_time(), first.get_value(), first.get_field(), first["host"]) == (START, 0.0, "usage", "h0")
        assert first.get_start() == START and first.get_stop() == START + timedelta(hours=1)
        labels = [column.label for column in tables[0].get_group_key()]
        assert labels == ["_start", "_stop", "_field", "_measurement", "host"], labels
        assert [record.get_value() for record in tables[1].records] == [0.5, 1.5, 2.5, 3.5, 4.5]


def records_one_after_another():
    with connect() as client:
        records = client.query_api().query_stream(RANGE + ' |> filter(fn: (r) => r._field == "on") |> last()')
        assert sorted((record["host"], record.get_value()) for record in records) == [("h0", True), ("h1", True)]


def rows_of_csv():
    with connect() as client:
        dialect = Dialect(header=True, delimiter=",", comment_prefix="#", annotations=[], date_time_format="RFC3339")
        script = USAGE + ' |> group() |> count() |> keep(columns: ["_value"])'
        rows = client.query_api().query_csv(script, dialect=dialect)
        assert [row for row in rows if row] == [["", "result", "table", "_value"], ["", "_result", "0", "10"]]
        raw = client.query_api().query_raw(script)
        assert raw.data.decode().splitlines()[0] == "#datatype,string,long,long", raw.data


def data_frames():
    with connect(enable_gzip=True) as client:
        frame = client.query_api().query_data_frame(USAGE, data_frame_index=["_time"])
        assert list(frame["_value"]) == [0.0, 1.0, 2.0, 3.0, 4.0, 0.5, 1.5, 2.5, 3.5, 4.5], frame
        assert frame.index[0] == START and list(frame["host"].unique()) == ["h0", "h1"], frame
        wide = RANGE + ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group()'
        frame = client.query_api().query_data_frame(wide + ' |> sort(columns: ["_time"])')
        assert list(frame["usage"]) == [n / 2 for n in range(10)] and list(frame["on"]) == [n > 5 for n in range(10)]
        frames = list(client.query_api().query_data_frame_stream(RANGE + " |> last()"))
        assert sum(len(frame) for frame in frames) == 4, frames


def parameters():
    with connect() as client:
        script = """from(bucket: bucket) |> range(start: start, stop: start_of_next)
            |> filter(fn: (r) => r._field == "usage" and r._value > least and r.host == host) |> count()"""
        values = {"bucket": BUCKET, "start": START, "start_of_next": START + timedelta(hours=1)}
        values.update({"least": 1.0, "host": "h0"})
        tables = client.query_api().query(script, params=values)
        assert tables[0].records[0].get_value() == 3, tables


def errors():
    with connect() as client:
        try:
            client.query_api().query('from(bucket: "nothing there") |> range(start: -1h)')
        except ApiException as error:
            assert error.status == 404, error
            assert 'could not find bucket "nothing there"' in json.loads(error.body)["message"]
        else:
            raise AssertionError("no refusal")


CHECKS = [tables_of_records, records_one_after_another, rows_of_csv, data_frames, parameters, errors]

with connect() as connection:
    write(connection)
for check in CHECKS:
    check()
    print(check.__name__)
print(f"{len(CHECKS)} passed")
