"""Opens a Freshet lake with DuckDB as an outside reader would, without any network.

DuckDB normally downloads its extensions. Here they come from PyPI packages, each of which holds one file:
`<package>/extensions/v<DuckDB's version>/<extension>.duckdb_extension`. The file is signed by DuckDB's makers, so
`LOAD '<path>'` accepts it; it is bound to the exact DuckDB version in the path.
"""

import os
from importlib.resources import files

import duckdb

# Package on PyPI (as imported) and the extension in it; ducklake uses sqlite_scanner, so that one is loaded first.
EXTENSIONS = (
    ("duckdb_extension_sqlite_scanner", "sqlite_scanner"),
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


def connect(catalog_path, name="lake"):
    """A connection that has the DuckLake catalog at `catalog_path` (an SQLite file) attached read-only as `name`."""
    connection = duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
    )
    for package, extension in EXTENSIONS:
        load(connection, package, extension)
    if "AWS_ENDPOINT_URL" in os.environ:
        use_s3(connection, os.environ["AWS_ENDPOINT_URL"])
    quoted_path = str(catalog_path).replace("'", "''")
    quoted_name = name.replace('"', '""')
    connection.execute(f"ATTACH 'ducklake:sqlite:{quoted_path}' AS \"{quoted_name}\" (READ_ONLY)")
    return connection
