"""Flight SQL clients against a Freshet server: `influxdb3-python` (reading), `adbc-driver-flightsql`, plain `pyarrow`.
Each check is a function; the last line says how many passed.
"""

import os
import urllib.request

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
from adbc_driver_flightsql import DatabaseOptions
from influxdb_client_3 import InfluxDBClient3
from pyarrow import flight

URL = os.environ["FRESHET_URL"]
TOKEN = os.environ["FRESHET_TOKEN"]
ORG = os.environ["FRESHET_ORG"]
BUCKET = os.environ["FRESHET_BUCKET"]
TLS = URL.startswith("https://")
GRPC = URL.replace("https://", "grpc+tls://").replace("http://", "grpc://")

ROWS = 20_000
# A table of many batches, and one with every type.
LINES = [f"many,host=h{n % 10} n={n}i,half={n / 2} {n}" for n in range(ROWS)]
LINES += ['all,t=a f=1.5,i=-2i,u=3u,s="x",b=true 1767225600000000000', "all,t=b f=2 1767225601000000000"]


def write():
    import ssl

    context = ssl._create_unverified_context() if TLS else None
    request = urllib.request.Request(f"{URL}/api/v2/write?org={ORG}&bucket={BUCKET}", "\n".join(LINES).encode())
    request.add_header("Authorization", f"Token {TOKEN}")
    assert urllib.request.urlopen(request, context=context).status == 204


def connect(database=BUCKET, **credentials):
    options = {DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "false"}
    if database is not None:
        options[f"{DatabaseOptions.RPC_CALL_HEADER_PREFIX.value}database"] = database
    if TLS:
        options[DatabaseOptions.TLS_SKIP_VERIFY.value] = "true"
    if not credentials:
        options[DatabaseOptions.AUTHORIZATION_HEADER.value] = f"Bearer {TOKEN}"
    options.update(credentials)
    return flightsql.connect(GRPC, db_kwargs=options, autocommit=True)


def refused(work, *parts):
    try:
        work()
    except Exception as error:  # noqa: BLE001: every client has its own
        text = str(error)
        assert all(part in text for part in parts), text
        return
    raise AssertionError(f"nothing was refused, expected {parts}")


def client_of_influxdb_3():
    with InfluxDBClient3(host=URL, token=TOKEN, database=BUCKET) as client:
        table = client.query("SELECT * FROM \"all\" ORDER BY time")
        assert table.column_names == ["time", "t", "b", "f", "i", "s", "u"], table.column_names
        assert table["t"].to_pylist() == ["a", "b"] and table["u"].to_pylist() == [3, None]
        kinds = {field.name: field.metadata[b"iox::column::type"] for field in table.schema}
        assert kinds["t"] == b"iox::column_type::tag" and kinds["time"] == b"iox::column_type::timestamp", kinds
        assert table.schema.field("time").type == pyarrow.timestamp("ns")
        assert client.query("SELECT count(*) AS n FROM many")["n"].to_pylist() == [ROWS]
        everything = client.query("SELECT n FROM many")
        assert sorted(everything["n"].to_pylist()) == list(range(ROWS))


def pandas_and_other_modes():
    with InfluxDBClient3(host=URL, token=TOKEN, database=BUCKET) as client:
        frame = client.query("SELECT host, sum(n) AS total FROM many GROUP BY host ORDER BY host", mode="pandas")
        assert list(frame["host"]) == [f"h{n}" for n in range(10)], frame
        assert frame["total"].sum() == ROWS * (ROWS - 1) // 2
        chunks = client.query("SELECT n FROM many", mode="chunk")
        assert sum(chunk.data.num_rows for chunk in chunks) == ROWS


def influxql_tickets():
    with InfluxDBClient3(host=URL, token=TOKEN, database=BUCKET) as client:
        table = client.query("SELECT mean(n) FROM many WHERE host = 'h1' GROUP BY host", language="influxql")
        assert table["iox::measurement"].to_pylist() == ["many"] and table["host"].to_pylist() == ["h1"]
        assert table["mean"].to_pylist() == [9996.0], table
        names = client.query("SHOW MEASUREMENTS", language="influxql")["name"].to_pylist()
        assert sorted(names) == ["all", "many"], names
        refused(lambda: client.query("SELEC", language="influxql"), "SELEC")


def named_parameters():
    with InfluxDBClient3(host=URL, token=TOKEN, database=BUCKET) as client:
        values = {"host": "h3", "least": 100}
        text = "SELECT count(*) AS n FROM many WHERE host = $host AND n >= $least"
        assert client.query(text, query_parameters=values)["n"].to_pylist() == [1990]
        text = "SELECT count(n) FROM many WHERE host = $host"
        table = client.query(text, language="influxql", query_parameters={"host": "h3"})
        assert table["count"].to_pylist() == [2000]


def errors_have_codes():
    with InfluxDBClient3(host=URL, token=TOKEN, database=BUCKET) as client:
        refused(lambda: client.query("SELECT * FROM absent"), "absent", "not found")
        refused(lambda: client.query("SELEC"), "SELEC")
        refused(lambda: client.query("DROP TABLE many"), "only statements that read")
    with InfluxDBClient3(host=URL, token=TOKEN, database="absent") as client:
        refused(lambda: client.query("SELECT 1"), "database not found: absent")
    with InfluxDBClient3(host=URL, token="wrong", database=BUCKET) as client:
        refused(lambda: client.query("SELECT 1"), "nauthorized")


def statements_by_adbc():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute('SELECT t, f, b FROM "all" ORDER BY time')
        assert cursor.fetchall() == [("a", 1.5, True), ("b", 2.0, None)]
        cursor.execute("SELECT n FROM many")
        assert cursor.fetch_arrow_table().num_rows == ROWS
        refused(lambda: cursor.execute("SELECT nope FROM many"), "nope", "INVALID_ARGUMENT")
        refused(lambda: cursor.executescript("DELETE FROM many"), "not supported")


def prepared_statements_by_adbc():
    with connect() as connection, connection.cursor() as cursor:
        text = "SELECT count(*) AS n FROM many WHERE host = $1 AND n < $2"
        for host, most, expected in [("h1", 100, 10), ("h2", 1000, 100), ("none", 1, 0)]:
            cursor.execute(text, (host, most))
            assert cursor.fetchone() == (expected,), (host, most)
        schema = cursor.adbc_prepare(text)
        assert [field.name for field in schema] == ["$1", "$2"], schema
        cursor.execute("SELECT $1 AS one FROM many")
        refused(cursor.fetchall, "$1")


def metadata_by_adbc():
    with connect() as connection:
        info = connection.adbc_get_info()
        assert info["vendor_name"] == "Freshet" and info["vendor_version"].startswith("v2"), info
        assert connection.adbc_get_table_types() == ["BASE TABLE", "VIEW"]
        schema = connection.adbc_get_table_schema("all", db_schema_filter="iox")
        assert schema.names == ["time", "t", "b", "f", "i", "s", "u"], schema
        objects = connection.adbc_get_objects(depth="all", db_schema_filter="iox").read_all().to_pylist()
        assert [catalog["catalog_name"] for catalog in objects] == ["public"], objects
        [schema] = objects[0]["catalog_db_schemas"]
        tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
        assert sorted(tables) == ["all", "many"], tables
        assert [column["column_name"] for column in tables["many"]["table_columns"]] == ["time", "host", "half", "n"]
        schemas = connection.adbc_get_objects(depth="db_schemas").read_all().to_pylist()[0]["catalog_db_schemas"]
        names = [schema["db_schema_name"] for schema in schemas]
        assert names == ["information_schema", "iox", "system"], names


def basic_credentials():
    credentials = {"username": "anybody", "password": TOKEN}
    with connect(**credentials) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 AS one")
        assert cursor.fetchall() == [(1,)]
    refused(lambda: connect(username="anybody", password="wrong").cursor().execute("SELECT 1"), "nauth")
    with connect(database=None) as connection, connection.cursor() as cursor:
        refused(lambda: cursor.execute("SELECT 1"), "no database")


def handshake_by_pyarrow():
    options = {"disable_server_verification": True} if TLS else {}
    with flight.FlightClient(GRPC, **options) as client:
        key, value = client.authenticate_basic_token("anybody", TOKEN)
        assert (key, value) == (b"authorization", f"Bearer {TOKEN}".encode())
        call = flight.FlightCallOptions(headers=[(key, value), (b"bucket-name", BUCKET.encode())])
        # The command of a statement, as Flight SQL writes it.
        query = b"SELECT 2 AS two"
        statement = b"\x0a" + bytes([len(query)]) + query
        name = b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"
        command = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(statement)]) + statement
        info = client.get_flight_info(flight.FlightDescriptor.for_command(command), call)
        assert info.schema.names == ["two"] and info.total_records == -1
        assert client.do_get(info.endpoints[0].ticket, call).read_all().to_pydict() == {"two": [2]}
        schema = client.get_schema(flight.FlightDescriptor.for_command(command), call).schema
        assert schema.names == ["two"]
        actions = [action.type for action in client.list_actions(call)]
        assert actions == ["CreatePreparedStatement", "ClosePreparedStatement"], actions
        refused(lambda: list(client.list_flights(options=call)), "not supported")
        refused(lambda: client.get_flight_info(flight.FlightDescriptor.for_path("x"), call), "no command")
        refused(lambda: client.do_get(flight.Ticket(b"\xff"), call), "broken")


CHECKS = [
    handshake_by_pyarrow,
    statements_by_adbc,
    prepared_statements_by_adbc,
    metadata_by_adbc,
    basic_credentials,
]
# The client of InfluxDB 3 takes certificates of known authorities only.
if not TLS:
    CHECKS += [
        client_of_influxdb_3,
        pandas_and_other_modes,
        influxql_tickets,
        named_parameters,
        errors_have_codes,
    ]

write()
for check in CHECKS:
    check()
    print("ok", check.__name__)
print(len(CHECKS), "passed")
