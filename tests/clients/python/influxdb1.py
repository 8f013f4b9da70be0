"""The Python client of InfluxDB 1.x, `influxdb`, against a Freshet server: databases, retention policies, writes in
all forms, queries with parameters and in chunks, users, continuous queries, and pandas' frames in and out. Its user has
any name; its password is the token. Each check is a function; the last line says how many passed.
"""

import os
import time
from urllib.parse import urlsplit

import pandas
from influxdb import DataFrameClient, InfluxDBClient
from influxdb.exceptions import InfluxDBClientError

URL = urlsplit(os.environ["FRESHET_URL"])
TOKEN = os.environ["FRESHET_TOKEN"]


def connect(**options):
    known = {"host": URL.hostname, "port": URL.port, "username": "anybody", "password": TOKEN, "database": "v1"}
    return InfluxDBClient(**{**known, **options})


CLIENT = connect()


def refused(call, status, text):
    try:
        call()
    except InfluxDBClientError as error:
        assert error.code == status and text in str(error), error
    else:
        raise AssertionError(f"not refused: {text}")


def databases():
    CLIENT.create_database("v1")
    CLIENT.create_database("v1")
    names = [entry["name"] for entry in CLIENT.get_list_database()]
    assert "v1" in names, names
    CLIENT.create_retention_policy("week", "7d", 1, database="v1", shard_duration="1d")
    policies = {policy["name"]: policy for policy in CLIENT.get_list_retention_policies("v1")}
    assert policies["autogen"]["default"] and policies["week"]["duration"] == "168h0m0s", policies
    CLIENT.alter_retention_policy("week", database="v1", duration="14d")
    policies = {policy["name"]: policy for policy in CLIENT.get_list_retention_policies("v1")}
    assert policies["week"]["duration"] == "336h0m0s", policies


def writes():
    points = [
        {
            "measurement": "cpu",
            "tags": {"host": host, "region": "eu west"},
            "time": f"2026-04-01T00:{minute:02}:00Z",
            "fields": {"usage": 10.5 * minute, "cores": 4, "ok": minute % 2 == 0, "note": 'a "quoted" text'},
        }
        for host in ("a", "b")
        for minute in range(4)
    ]
    assert CLIENT.write_points(points)
    assert CLIENT.write_points(points, time_precision="ms", batch_size=3)
    assert CLIENT.write_points(["lines f=1 60", "lines f=2 120"], protocol="line", time_precision="s")
    assert CLIENT.write_points([{"measurement": "short", "fields": {"f": 1.0}}], retention_policy="week")
    assert connect(gzip=True).write_points([{"measurement": "packed", "fields": {"f": 1.0}}])


def queries():
    rows = list(CLIENT.query('SELECT mean("usage") FROM "cpu" GROUP BY "host"').get_points(tags={"host": "b"}))
    assert rows == [{"time": "1970-01-01T00:00:00Z", "mean": 15.75}], rows
    result = CLIENT.query("SELECT * FROM cpu WHERE host = $host", bind_params={"host": "a"}, epoch="s")
    first = next(result.get_points())
    assert first["time"] == 1775001600 and first["note"] == 'a "quoted" text' and first["ok"] is True, first
    chunked = CLIENT.query("SELECT usage FROM cpu GROUP BY host", chunked=True, chunk_size=2)
    assert sum(len(list(part.get_points())) for part in chunked) == 8
    several = CLIENT.query("SELECT count(usage) FROM cpu; SHOW MEASUREMENTS")
    assert [len(list(result.get_points())) for result in several] == [1, 3], several
    assert [entry["name"] for entry in CLIENT.get_list_measurements()] == ["cpu", "lines", "packed"]
    assert len(CLIENT.get_list_series("v1", "cpu")) == 2
    assert len(list(CLIENT.query("SELECT f FROM week.short").get_points())) == 1


def errors():
    refused(lambda: CLIENT.query("SELEC"), 400, "error parsing query")
    refused(lambda: CLIENT.query("SELECT f FROM lines", database="absent"), None, "database not found: absent")
    refused(lambda: CLIENT.write_points(["m f="], protocol="line"), 400, "missing field value")
    refused(lambda: connect(password="wrong").query("SHOW DATABASES"), 401, "unauthorized")


def frames():
    client = DataFrameClient(URL.hostname, URL.port, "anybody", TOKEN, "v1")
    # The client takes the numbers of an index for nanoseconds, and pandas 3 has microseconds.
    index = pandas.to_datetime([f"2026-05-01T00:0{minute}:00Z" for minute in range(4)]).as_unit("ns")
    columns = {"host": ["a", "a", "b", "b"], "value": [1.0, 2.5, 3.0, 4.0], "n": [1, 2, 3, 4]}
    frame = pandas.DataFrame(columns, index=index)
    assert client.write_points(frame, "frame", tag_columns=["host"])
    back = client.query("SELECT value, n FROM frame")["frame"]
    assert list(back["value"]) == [1.0, 2.5, 3.0, 4.0] and list(back["n"]) == [1, 2, 3, 4], back
    assert list(back.index) == list(index), back.index
    parts = client.query("SELECT mean(value) FROM frame GROUP BY host")
    assert parts[("frame", (("host", "b"),))]["mean"].iloc[0] == 3.5, parts
    CLIENT.query("DROP MEASUREMENT frame", method="POST")


def users():
    CLIENT.create_user("ada", "secret")
    CLIENT.create_user("boss", "secret2", admin=True)
    assert {"user": "ada", "admin": False} in CLIENT.get_list_users()
    ada = connect(username="ada", password="secret")
    refused(lambda: ada.query("SELECT usage FROM cpu"), None, "insufficient permissions")
    CLIENT.grant_privilege("read", "v1", "ada")
    assert CLIENT.get_list_privileges("ada") == [{"database": "v1", "privilege": "READ"}]
    assert len(list(ada.query("SELECT usage FROM cpu").get_points())) == 8
    refused(lambda: ada.write_points(["m f=1"], protocol="line"), 403, "insufficient permissions")
    CLIENT.set_user_password("ada", "changed")
    refused(lambda: ada.query("SELECT usage FROM cpu"), 401, "unauthorized")
    assert connect(username="ada", password="changed").query("SELECT usage FROM cpu")
    CLIENT.revoke_privilege("read", "v1", "ada")
    connect(username="boss", password="secret2").drop_user("ada")
    CLIENT.revoke_admin_privileges("boss")
    CLIENT.drop_user("boss")
    assert not CLIENT.get_list_users()


def continuous_queries():
    """One that runs every second makes points that come later into windows."""
    select = 'SELECT sum("f") INTO "sums" FROM "ticks" GROUP BY time(1s)'
    CLIENT.create_continuous_query("sums", select, "v1", "EVERY 1s FOR 1h")
    listed = {list(entry)[0]: entry for entry in CLIENT.get_list_continuous_queries()}
    assert listed["v1"]["v1"][0]["name"] == "sums", listed
    CLIENT.write_points([{"measurement": "ticks", "fields": {"f": 2.5}} for _ in range(1)])
    deadline = time.monotonic() + 60
    while not (rows := list(CLIENT.query("SELECT sum FROM sums").get_points())):
        assert time.monotonic() < deadline, "the continuous query has made nothing"
        time.sleep(0.2)
    assert rows[0]["sum"] == 2.5, rows
    CLIENT.drop_continuous_query("sums", "v1")
    listed = {list(entry)[0]: entry for entry in CLIENT.get_list_continuous_queries()}
    assert listed["v1"]["v1"] == [], listed


def dropping():
    CLIENT.drop_retention_policy("week", database="v1")
    CLIENT.drop_database("v1")
    assert "v1" not in [entry["name"] for entry in CLIENT.get_list_database()]


CHECKS = (databases, writes, queries, errors, frames, users, continuous_queries, dropping)

assert CLIENT.ping()
for check in CHECKS:
    print(check.__name__, flush=True)
    check()
print(f"{len(CHECKS)} passed")
