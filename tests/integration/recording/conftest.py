"""PostgreSQL as in the tests of the image, an S3, and a metadata database of Airflow."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from airflow_on_fargate import configuration
from bench.dags.emulator import embedded_aws
from tests.integration.image.conftest import postgres as postgres

ROOT = Path(__file__).parents[3]
BUCKET = "dags"
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
# Settings that need the rest of the stack.
_LEFT_OUT = ("AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS", "AIRFLOW__SECRETS__BACKEND")


@pytest.fixture
def component(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The environment of a component of Airflow: its settings, a bucket, a migrated database."""
    with embedded_aws() as endpoint:
        aws = {
            "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }  # fmt: skip
        for name, value in aws.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        postgres.execute("CREATE ROLE runs LOGIN PASSWORD 'runs'; CREATE DATABASE runs OWNER runs;")
        basis = {
            **os.environ, "AIRFLOW_HOME": str(tmp_path), "DAG_BUCKET_NAME": BUCKET,
            "PYTHONPATH": os.pathsep.join(
                str(ROOT / path) for path in ("images/airflow/src", "functions")
            ),
        }  # fmt: skip
        settings = configuration.settings_for(basis)
        database = f"postgresql+psycopg2://runs:runs@127.0.0.1:{postgres.port}/runs"
        own = {
            "AIRFLOW__CORE__AUTH_MANAGER": SIMPLE,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        }
        kept = {name: value for name, value in settings.items() if name not in _LEFT_OUT}
        environment = {**basis, **kept, **own}
        migrate = "from airflow.utils.db import initdb; initdb()"
        subprocess.run(
            [sys.executable, "-c", migrate], env=environment, check=True, capture_output=True
        )
        try:
            yield environment
        finally:
            postgres.execute("DROP DATABASE runs WITH (FORCE); DROP ROLE runs;")
