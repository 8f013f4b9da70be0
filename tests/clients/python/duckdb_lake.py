"""Opens a Freshet lake with DuckDB as an outside reader would, without any network.

DuckDB normally downloads its extensions. Here they come from PyPI packages, each of which holds one file:
`<package>/extensions/v<DuckDB's version>/<extension>.duckdb_extension`. The file is signed by DuckDB's makers, so
`LOAD '<path>'` accepts it; it is bound to the exact DuckDB version in the path.
"""

import os
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import duckdb

# Package on PyPI (as imported) and the extension in it; ducklake uses the scanners, so these are loaded first.
EXTENSIONS = (
    ("duckdb_extension_sqlite_scanner", "sqlite_scanner"),
    ("duckdb_extension_postgres_scanner", "postgres_scanner"),
    ("duckdb_extension_ducklake", "ducklake"),
)
# Only for a lake whose files are in S3.
S3_EXTENSION = ("duckdb_extension_httpfs", "httpfs")


def load(connection, package, extension):
    path = files(package) / "extensions" / f"v{duckdb.__version__}" / f"{extension}.duckdb_extension"
    connection.load_extension(str(path))


def use_s3(connection, endpoint):
    """Lets the connection read from the S3 server at `endpoint` with the keys of the environment."""
    load(connection, *S3_EXTENSION)
    scheme, _, address = endpoint.partition("://")
    connection.execute(
        "CREATE SECRET (TYPE s3, KEY_ID ?, SECRET ?, REGION ?, ENDPOINT ?, URL_STYLE 'path', USE_SSL ?)",
        [
            os.environ["AWS_ACCESS_KEY_ID"],
            os.environ["AWS_SECRET_ACCESS_KEY"],
            os.environ["AWS_REGION"],
            address,
            scheme == "https",
        ],
    )


def is_postgres(catalog):
    """Whether it is the address of a PostgreSQL database, as `--catalog` takes it, and not the path of a file."""
    return str(catalog).startswith("postgres://")


def split(url):
    """The address of the database as `libpq` takes it, and the schema."""
    parts = urlsplit(url)
    return parts._replace(query="").geturl(), parse_qs(parts.query).get("schema", ["freshet"])[0]


def text(value):
    return "'" + str(value).replace("'", "''") + "'"


def connect(catalog, name="lake"):
    """A connection that has the DuckLake `catalog` (an SQLite file, or an address) attached read-only as `name`."""
    connection = duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
    )
    for package, extension in EXTENSIONS:
        load(connection, package, extension)
    if "AWS_ENDPOINT_URL" in os.environ:
        use_s3(connection, os.environ["AWS_ENDPOINT_URL"])
    if is_postgres(catalog):
        address, schema = split(catalog)
        place, options = f"ducklake:postgres:{address}", f"READ_ONLY, METADATA_SCHEMA {text(schema)}"
    else:
        place, options = f"ducklake:sqlite:{catalog}", "READ_ONLY"
    quoted_name = name.replace('"', '""')
    connection.execute(f'ATTACH {text(place)} AS "{quoted_name}" ({options})')
    return connection
