"""What a worker needs around it: queue, buckets, a release with a DAG, and the result backend."""

import json
import os
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import boto3
from sqlalchemy.engine import URL

from airflow_on_fargate import configuration
from airflow_on_fargate.celery import result_backend
from airflow_on_fargate.database import owner
from bench.worker.execution_api import RUN_ID
from publish_dags.aws.s3_dag_source import S3DagSource
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.checks.limits import Limits
from publish_dags.publisher import Publisher

ROOT: Final = Path(__file__).resolve().parents[2]
DAG_FILE: Final = "bench_worker.py"
_PASSWORD: Final = "not-a-secret"  # noqa: S105
_NAMES: Final = {"dags": "bench-dags", "logs": "bench-logs", "state": "bench-state"}
_DATABASE: Final = {
    "Type": "AWS::RDS::DBInstance",
    "DeletionPolicy": "Delete",
    "Properties": {
        "Engine": "postgres", "DBInstanceClass": "db.t4g.micro", "AllocatedStorage": "20",
        "DBName": "airflow", "MasterUsername": "airflow", "MasterUserPassword": _PASSWORD,
    },
}  # fmt: skip
# One task that ends at once, and one that ends when the bench says so.
_DAG: Final = '''"""What the bench of the worker runs."""

import os
import time
from pathlib import Path

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG


def end():
    print("The task of the bench ends.")


def hold():
    while not Path(os.environ["BENCH_RELEASE"]).exists():
        time.sleep(0.1)


with DAG("bench_worker", schedule=None):
    PythonOperator(task_id="short", python_callable=end, do_xcom_push=False)
    PythonOperator(task_id="hold", python_callable=hold, do_xcom_push=False)
'''


class Deployment:
    """The AWS is in AWS_ENDPOINT_URL."""

    def __init__(self, folder: Path, slots: int, api_url: str) -> None:
        self.folder = folder
        self.release_file = folder / "release"
        self._sqs, s3 = boto3.client("sqs"), boto3.client("s3")
        self._queue = self._sqs.create_queue(QueueName="bench-queue-default")["QueueUrl"]
        for bucket in _NAMES.values():
            s3.create_bucket(Bucket=bucket)
        versioning = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=_NAMES["dags"], VersioningConfiguration=versioning)
        s3.put_object(Bucket=_NAMES["dags"], Key=f"dags/{DAG_FILE}", Body=_DAG.encode())
        self._version = _published(s3)
        self.environment = self._environment(slots, api_url, _results())
        self._app = self._celery_app()

    def send(self, task: str) -> str:
        """Queue a task as the scheduler does; returns its id."""
        from airflow.executors.workloads import ExecuteTask

        identity = str(uuid.uuid4())
        workload = ExecuteTask.model_validate(
            {
                "token": "unchecked",
                "dag_rel_path": DAG_FILE,
                "bundle_info": {"name": configuration.DAG_BUNDLE_NAME, "version": self._version},
                "log_path": f"dag_id=bench_worker/run_id={RUN_ID}/task_id={task}/{identity}.log",
                "ti": {
                    "id": identity,
                    "task_id": task,
                    "dag_id": "bench_worker",
                    "run_id": RUN_ID,
                    "try_number": 1,
                    "dag_version_id": str(uuid.uuid4()),
                    "pool_slots": 1,
                    "priority_weight": 1,
                },
            }
        )
        self._app.send_task("execute_workload", (workload.model_dump_json(),), queue="default")
        return identity

    def taken(self) -> int:
        """How many messages workers have taken and not finished."""
        name = "ApproximateNumberOfMessagesNotVisible"
        found = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=[name])
        return int(found["Attributes"][name])

    def _celery_app(self) -> Any:
        os.environ.update(self.environment)
        from airflow.providers.celery.executors.celery_executor import app

        return app

    def _environment(self, slots: int, api_url: str, results: URL) -> dict[str, str]:
        url = results.render_as_string(hide_password=False)
        basis = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT / "images/airflow/src"),
            "COMPONENT": "worker",
            "STACK_NAME": "bench",
            "DAG_BUCKET_NAME": _NAMES["dags"],
            "LOG_BUCKET_NAME": _NAMES["logs"],
            "STATE_BUCKET_NAME": _NAMES["state"],
            "WORKER_QUEUE_URL": self._queue,
            "WORKER_IDLE_TIMEOUT_SECONDS": "600",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(slots),
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{url}",
            "AIRFLOW__API__SECRET_KEY": "k" * 64,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": api_url,
            # Any free one: a worker of this machine may use the usual one.
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": "0",
            "BENCH_RELEASE": str(self.release_file),
        }
        return {**configuration.settings_for(basis), **basis}


def _published(s3: Any) -> str:
    publisher = Publisher(
        source=S3DagSource(s3, _NAMES["dags"], "dags/"),
        inbox=S3Inbox(s3, _NAMES["dags"], "inbox/"),
        releases=S3ReleaseStore(s3, _NAMES["dags"], "releases/"),
        limits=Limits.of_mib(files=100, total_mib=16),
        now=lambda: datetime.now(UTC),
    )
    publisher.publish()
    pointer = s3.get_object(Bucket=_NAMES["dags"], Key="releases/current.json")["Body"].read()
    return str(json.loads(pointer)["release"])


def _results() -> URL:
    """The result backend of a real PostgreSQL, made as the stack makes it."""
    stacks = boto3.client("cloudformation")
    template = json.dumps({"Resources": {"Database": _DATABASE}})
    stacks.create_stack(StackName="bench-database", TemplateBody=template)
    stacks.get_waiter("stack_create_complete").wait(
        StackName="bench-database", WaiterConfig={"Delay": 1}
    )
    (instance,) = boto3.client("rds").describe_db_instances()["DBInstances"]
    master = URL.create(
        "postgresql+psycopg2", "airflow", _PASSWORD, "127.0.0.1",
        instance["Endpoint"]["Port"], "airflow",
    )  # fmt: skip
    owner.ensure(master, master.set(username=owner.USERS[0]))
    results = master.set(username=result_backend.USERS[0], database="result_backend")
    result_backend.ensure(master, results)
    return results


def wait(condition: Any, seconds: float, what: str, pause: float = 0.02) -> float:
    """The moment at which the condition held."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"Waited {seconds:.0f} s for {what}")
        time.sleep(pause)
    return time.monotonic()
