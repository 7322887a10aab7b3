"""The real EcsRunTaskOperator, with the permissions that nested/ecs-executor.yaml gives workers."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ..conftest import EmbeddedAws
from ..ecs_tasks import NETWORK, Ecs
from ..roles import REGION, Caller

ACCOUNT = "0" * 12
AIRFLOW = Path(__file__).parents[4] / ".venv" / "airflow" / "bin" / "python"
OPERATOR = """
import json, sys
from datetime import timedelta
from types import SimpleNamespace
from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator
given = json.loads(sys.argv[1])
operator = EcsRunTaskOperator(
    task_id="run", launch_type="FARGATE", overrides={}, container_name="main", waiter_delay=1,
    awslogs_stream_prefix="part/main", awslogs_fetch_interval=timedelta(seconds=1),
    aws_conn_id=None, region_name="us-east-1", **given,
)
print("RETURNED", operator.execute({"ti": SimpleNamespace(xcom_push=lambda **_: None)}))
"""


@pytest.fixture
def dag_code(embedded_aws: EmbeddedAws, ecs: Ecs) -> Caller:
    """A task on a worker, as far as it starts other tasks."""
    cluster = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{ecs.name}"
    inside = {"ArnEquals": {"ecs:cluster": cluster}}
    return Caller(
        embedded_aws,
        {
            "Action": "ecs:RunTask",
            "Resource": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{ecs.name}:*",
            "Condition": inside,
        },
        {
            "Action": ["ecs:DescribeTasks", "ecs:StopTask"],
            "Resource": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{ecs.name}/*",
            "Condition": inside,
        },
        {
            "Action": "iam:PassRole",
            "Resource": ecs.execution_role,
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        },
        {
            "Action": "logs:GetLogEvents",
            "Resource": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{ecs.name}:*",
        },
    )


def run_operator(
    embedded_aws: EmbeddedAws, ecs: Ecs, caller: Caller, definition: str, home: Path
) -> subprocess.CompletedProcess[str]:
    given = {
        "cluster": ecs.name,
        "task_definition": definition,
        "network_configuration": NETWORK,
        "awslogs_group": ecs.name,
    }
    return subprocess.run(
        [AIRFLOW, "-c", OPERATOR, json.dumps(given)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "AWS_ENDPOINT_URL": embedded_aws.endpoint_url,
            **caller.environment(),
        },
        capture_output=True,
        text=True,
        timeout=900,
    )


def test_operator_shows_the_log_of_its_task(
    embedded_aws: EmbeddedAws, ecs: Ecs, dag_code: Caller, tmp_path: Path
) -> None:
    definition = ecs.register("echo first; echo the last line")
    done = run_operator(embedded_aws, ecs, dag_code, definition, tmp_path)

    assert done.returncode == 0, done.stderr[-2000:]
    assert "first" in done.stdout + done.stderr
    assert "RETURNED the last line" in done.stdout


def test_operator_fails_with_the_last_lines_of_its_task(
    embedded_aws: EmbeddedAws, ecs: Ecs, dag_code: Caller, tmp_path: Path
) -> None:
    definition = ecs.register("echo so it ends; exit 3")
    done = run_operator(embedded_aws, ecs, dag_code, definition, tmp_path)

    assert done.returncode != 0
    assert "not in success state" in done.stderr
    assert "so it ends" in done.stderr
