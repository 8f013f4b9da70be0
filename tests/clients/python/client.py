"""The official Python client `influxdb-client` against a Freshet server: synchronous and batching writes, and the
APIs for buckets, organisations and authorizations. Each check is a function; the last line says how many passed.
"""

import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from influxdb_client import (
    BucketRetentionRules,
    InfluxDBClient,
    Permission,
    PermissionResource,
    Point,
    WriteOptions,
    WritePrecision,
)
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

URL = os.environ["FRESHET_URL"]
TOKEN = os.environ["FRESHET_TOKEN"]
ORG = os.environ["FRESHET_ORG"]
BUCKET = os.environ["FRESHET_BUCKET"]


def connect(**options):
    return InfluxDBClient(**{"url": URL, "token": TOKEN, "org": ORG, **options})


def sql(query):
    """The rows of a query, which this client does not speak; columns that are null are missing."""
    request = urllib.request.Request(
        f"{URL}/api/v3/query_sql?org={urllib.parse.quote(ORG)}",
        data=json.dumps({"db": BUCKET, "q": query, "format": "json"}).encode(),
        headers={"authorization": f"Token {TOKEN}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def refused(status, work):
    """The message of the refusal with which `work` must end."""
    try:
        work()
    except ApiException as error:
        assert error.status == status, error
        return json.loads(error.body)["message"]
    raise AssertionError(f"no refusal with {status}")


def synchronous_writes():
    with connect(enable_gzip=True) as client, client.write_api(write_options=SYNCHRONOUS) as api:
        point = Point("sync").tag("host", "a b").field("f", 1.5).field("i", 2).field("b", True).field("s", 'x "y"')
        api.write(BUCKET, record=point.time(7, WritePrecision.MS))
        api.write(BUCKET, record="sync,host=b f=2.5 8", write_precision=WritePrecision.S)
        api.write(BUCKET, record=[{"measurement": "sync", "tags": {"host": "c"}, "fields": {"f": 3.5}, "time": 9}])
        new_year = datetime(2026, 1, 1, tzinfo=timezone.utc)
        api.write(BUCKET, record=Point("sync").tag("host", "d").field("f", 4.5).time(new_year))
    rows = sql("SELECT host, f, i, b, s, CAST(time AS BIGINT) AS at FROM sync ORDER BY host")
    assert rows == [
        {"host": "a b", "f": 1.5, "i": 2, "b": True, "s": 'x "y"', "at": 7_000_000},
        {"host": "b", "f": 2.5, "at": 8_000_000_000},
        {"host": "c", "f": 3.5, "at": 9},
        {"host": "d", "f": 4.5, "at": 1_767_225_600_000_000_000},
    ], rows


def refusals_of_writes():
    with connect() as client, client.write_api(write_options=SYNCHRONOUS) as api:
        assert "unable to parse" in refused(400, lambda: api.write(BUCKET, record="m f="))
        assert refused(404, lambda: api.write("absent", record="m f=1")) == 'bucket "absent" not found'
        assert "absent" in refused(404, lambda: api.write(BUCKET, org="absent", record="m f=1"))
        api.write(BUCKET, record="typed f=1 1")
        message = refused(422, lambda: api.write(BUCKET, record="typed f=true 2\ntyped f=2 3"))
        assert "partial write" in message and "dropped=1" in message, message
    assert sql("SELECT sum(f) AS total FROM typed") == [{"total": 3.0}]
    with connect(token="nobody") as client, client.write_api(write_options=SYNCHRONOUS) as api:
        assert refused(401, lambda: api.write(BUCKET, record="m f=1")) == "unauthorized access"


def batching_writes():
    stored, failed = [], []
    with connect() as client, client.write_api(
        write_options=WriteOptions(batch_size=500, flush_interval=1_000, retry_interval=10),
        success_callback=lambda _, data: stored.append(data.count(b"\n") + 1),
        error_callback=lambda _, data, error: failed.append(error),
    ) as api:
        for number in range(2_200):
            api.write(BUCKET, record=Point("batching").tag("host", f"h{number % 7}").field("n", number).time(number))
    assert (sum(stored), failed) == (2_200, []), (stored, failed)
    total = sum(range(2_200))
    assert sql("SELECT count(*) AS rows, sum(n) AS total FROM batching") == [{"rows": 2_200, "total": total}]


class Busy(BaseHTTPRequestHandler):
    """Answers the first write 503, and passes the others on."""

    refusals = 1
    lock = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with Busy.lock:
            refuse, Busy.refusals = Busy.refusals > 0, Busy.refusals - 1
        if refuse:
            self.answer(503, b'{"code":"unavailable","message":"busy"}')
            return
        headers = {name: self.headers[name] for name in ("authorization", "content-encoding") if name in self.headers}
        request = urllib.request.Request(URL + self.path, data=body, headers=headers)
        with urllib.request.urlopen(request) as response:
            self.answer(response.status, response.read())

    def answer(self, status, body):
        self.send_response(status)
        if status == 503:
            self.send_header("retry-after", "0")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def retries_of_the_batching_writer():
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    retried = []
    with connect(url=f"http://127.0.0.1:{proxy.server_port}", enable_gzip=True) as client, client.write_api(
        write_options=WriteOptions(batch_size=2, flush_interval=1_000, retry_interval=10, jitter_interval=0),
        retry_callback=lambda _, data, error: retried.append(error.response.status),
    ) as api:
        api.write(BUCKET, record=["retried f=1 1", "retried f=2 2"])
    proxy.shutdown()
    assert retried == [503], retried
    assert sql("SELECT count(*) AS rows, sum(f) AS total FROM retried") == [{"rows": 2, "total": 3.0}]


def buckets():
    with connect() as client, client.write_api(write_options=SYNCHRONOUS) as api:
        manager = client.buckets_api()
        rules = BucketRetentionRules(type="expire", every_seconds=3600)
        made = manager.create_bucket(bucket_name="python", retention_rules=rules, org=ORG)
        assert manager.find_bucket_by_name("python").id == made.id
        assert manager.find_bucket_by_id(made.id).retention_rules[0].every_seconds == 3600
        made.name, made.description = "python-2", "renamed"
        assert manager.update_bucket(bucket=made).description == "renamed"
        names = [bucket.name for bucket in manager.find_buckets_iter(limit=2)]
        assert "python-2" in names and BUCKET in names and len(set(names)) == len(names), names
        message = refused(422, lambda: api.write("python-2", record="m f=1 1"))
        assert "retention" in message, message
        manager.delete_bucket(made)
        assert manager.find_bucket_by_name("python-2") is None


def organisations():
    with connect() as client:
        manager = client.organizations_api()
        made = manager.create_organization(name="python-org")
        assert manager.find_organization(made.id).name == "python-org"
        assert [found.id for found in manager.find_organizations(org="python-org")] == [made.id]
        made.name = "python-org-2"
        assert manager.update_organization(made).name == "python-org-2"
        manager.delete_organization(made.id)
        refused(404, lambda: manager.find_organization(made.id))
        assert manager.me().name == os.environ["FRESHET_USERNAME"]


def authorizations():
    with connect() as client:
        org = client.organizations_api().find_organizations(org=ORG)[0]
        bucket = client.buckets_api().find_bucket_by_name(BUCKET)
        manager = client.authorizations_api()
        resource = PermissionResource(type="buckets", id=bucket.id, org_id=org.id)
        made = manager.create_authorization(org_id=org.id, permissions=[Permission(action="write", resource=resource)])
        assert made.id in [found.id for found in manager.find_authorizations_by_org_id(org.id)]
        with connect(token=made.token) as limited, limited.write_api(write_options=SYNCHRONOUS) as api:
            api.write(BUCKET, record="authorised f=1 1")
            made.status = "inactive"
            assert manager.update_authorization(made).status == "inactive"
            message = refused(403, lambda: api.write(BUCKET, record="authorised f=2 2"))
            assert message.startswith("insufficient permissions for write"), message
            manager.delete_authorization(made)
            refused(401, lambda: api.write(BUCKET, record="authorised f=3 3"))
        refused(404, lambda: manager.find_authorization_by_id(made.id))
    assert sql("SELECT count(*) AS rows FROM authorised") == [{"rows": 1}]


def health_and_ping():
    with connect() as client:
        assert client.ping()
        assert client.version().startswith("v2."), client.version()
        assert client.ready().status == "ready"
        assert client.build() == "OSS", client.build()


CHECKS = (
    synchronous_writes,
    refusals_of_writes,
    batching_writes,
    retries_of_the_batching_writer,
    buckets,
    organisations,
    authorizations,
    health_and_ping,
)

for check in CHECKS:
    print(check.__name__, flush=True)
    check()
print(f"{len(CHECKS)} passed")
