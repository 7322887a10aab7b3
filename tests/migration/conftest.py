"""One stack for the suite, deployed from the sources of the former version.

They are taken from the history of this repository. Their templates, functions and in-image package
are what a user had deployed before Airflow had database users of its own.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from commands import deployment, emulator, smoke
from commands.airflow_image import CURRENT, Edition
from commands.workspace import ROOT, stack_name, venv_python
from tests.upgrade.conftest import Stack, workspace_in

# The last commit before workers could only append results: today's parameters without Executors.
FORMER_COMMIT = "fe87996955c2ef1105c63bd1a8f08a1036ba2934"
DAGS = Path(__file__).parent / "dags"
# Run by Airflow's interpreter: prints the answers of PostgreSQL to the statements.
ASK = """
import json, os
from airflow_on_fargate.database.roles import connected
from sqlalchemy.engine import make_url
url = make_url(os.environ["URL"])
with connected(url) as connection:
    print(json.dumps([list(row) for row in connection.exec_driver_sql(os.environ["SQL"])]))
"""
CLIENTS = (
    "SELECT usename, client_port FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND pid <> pg_backend_pid() AND datname IN ('airflow', 'result_backend')"
)


class Deployment(Stack):
    """A stack that is asked which users and secrets its components have."""

    def secret_of(self, nested: str, logical_id: str) -> str:
        """The value of a secret of a nested stack."""
        child = self._physical_id(stack_name(), nested)
        return self.secret(self._physical_id(child, logical_id))

    def _physical_id(self, stack: str, logical_id: str) -> str:
        client = self.workspace.client("cloudformation")
        described = client.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        return str(described["StackResourceDetail"]["PhysicalResourceId"])

    def secret(self, arn: str) -> str:
        client = self.workspace.client("secretsmanager")
        return str(client.get_secret_value(SecretId=arn)["SecretString"])

    def master_password(self) -> str:
        return self.secret_of("DatabaseStack", "DatabasePasswordSecret")

    def ask(self, sql: str, database: str = "airflow") -> list[list[Any]]:
        """PostgreSQL's answer to its master user."""
        port, password = self.workspace.database_port, self.master_password()
        url = f"postgresql+psycopg2://airflow:{password}@127.0.0.1:{port}/{database}"
        done = subprocess.run(
            [venv_python(CURRENT.environment), "-c", ASK], capture_output=True, text=True,
            env={**os.environ, "URL": url, "SQL": sql, "PYTHONPATH": str(CURRENT.source)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answer: list[list[Any]] = json.loads(done.stdout)
        return answer

    def users_of_components(self) -> dict[str, set[str]]:
        """Container → the users of its connections to PostgreSQL, at this moment."""
        users = {int(port): str(user) for user, port in self.ask(CLIENTS)}
        found: dict[str, set[str]] = {}
        for each in psutil.net_connections("tcp"):
            to_database = each.raddr and each.raddr.port == self.workspace.database_port
            if each.pid and to_database and each.laddr.port in users:
                found.setdefault(_container(each.pid), set()).add(users[each.laddr.port])
        return found

    def secrets_of_components(self) -> dict[str, dict[str, str]]:
        """Container → variable → the secret value that ECS puts into it."""
        definitions = [each["taskDefinition"] for each in self.services().values()]
        return {
            container["name"]: {
                each["name"]: self.secret(each["valueFrom"]) for each in container["secrets"]
            }
            for name in [*definitions, "worker", "command"]
            for container in self.task_definition(name)["containerDefinitions"]
        }

    def workers(self) -> dict[str, str]:
        """The tasks of all fleets that have not stopped → their task definition."""
        ecs, cluster = self.workspace.client("ecs"), self.outputs["ClusterName"]
        arns = ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return {
            task["taskArn"]: task["taskDefinitionArn"]
            for task in tasks
            if "-worker:" in task["taskDefinitionArn"]
        }

    def instance(self, dag_id: str, run_id: str) -> dict[str, Any]:
        (only,) = self.api().task_instances(dag_id, run_id)
        return dict(only)

    def events(self) -> list[dict[str, Any]]:
        """The events of the root stack, the newest first."""
        client = self.workspace.client("cloudformation")
        found: list[dict[str, Any]] = client.describe_stack_events(StackName=stack_name())[
            "StackEvents"
        ]
        return found


def _container(pid: int) -> str:
    """The name of the container that a process belongs to; its command for other processes."""
    try:
        process = psutil.Process(pid)
        folder = re.search(r"/tasks/[^/]+/([^/]+)", process.cwd())
        return folder[1] if folder else process.name()
    except psutil.Error:
        return "ended"


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)


def _pins(lock: Path) -> set[str]:
    return set(re.findall(r"^[a-z0-9][^ ;]*==[^ ;]+", lock.read_text(), re.MULTILINE))


@pytest.fixture(scope="session")
def former(tmp_path_factory: pytest.TempPathFactory) -> Edition:
    """The former version's sources, which run in today's environment of Airflow."""
    archive = _git("archive", FORMER_COMMIT)
    if archive.returncode:
        pytest.skip(
            f"this history has no commit {FORMER_COMMIT[:9]}, the former version: "
            "`git fetch --unshallow` gets it"
        )
    root = tmp_path_factory.mktemp("former", numbered=False)
    subprocess.run(["tar", "-x", "-C", root], input=archive.stdout, check=True)
    lock = root / "images" / "airflow" / "requirements.lock"
    # One environment serves both images only while it holds every package of the former one.
    assert _pins(lock) <= _pins(CURRENT.lock)
    return Edition("airflow", lock, root=root)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, former: Edition) -> Iterator[Deployment]:
    """The former version, which serves and knows the DAGs."""
    workspace = workspace_in(tmp_path_factory.mktemp("migration"))
    emulator.start(workspace)
    try:
        deployment.build(workspace)
        deployment.build(workspace, former.root)
        stack = Deployment(workspace)
        begun = time.monotonic()
        stack.deploy(former)
        smoke.wait_healthy(stack.outputs)
        print(f"the former version was deployed in {time.monotonic() - begun:.0f} s")
        smoke.create_sample_secrets(workspace, stack.outputs)
        smoke.upload_dags(workspace, stack.outputs)
        stack.upload_dags(DAGS)
        yield stack
    finally:
        emulator.end(workspace)
