"""One stack for the suite, deployed with the previous Airflow release line."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from transcript import Transcript
from waiting import PATIENCE_SECONDS

from commands import airflow_image, deployment, emulator, smoke
from commands.airflow_api import AirflowApi
from commands.airflow_image import CURRENT, PREVIOUS, Edition
from commands.steps import wait_until
from commands.workspace import CommandError, Workspace, venv_python

# The services of each shape of the control plane, by the names of their containers.
COMPACT = {
    "api-server": ["api-server"],
    "control-plane": ["scheduler", "dag-processor", "triggerer"],
}
SEPARATE = {name: [name] for name in ("api-server", "scheduler", "dag-processor", "triggerer")}
# What the suite changes on one stack: the compact shape first, then the separate one.
SHAPES = {"micro": COMPACT, "small": SEPARATE}
DAGS = Path(__file__).parent / "dags"
# Run by either Airflow's interpreter: prints the heads of the database and those it needs.
LOOK = """
import json, os
from airflow_on_fargate.schema import alembic_heads
found = alembic_heads.found_heads(os.environ["URL"])
print(json.dumps([{t: sorted(h) for t, h in heads.items()}
                  for heads in (found, alembic_heads.needed_heads())]))
"""
# An image that works except for its scheduler.
BROKEN_SCHEDULER = """
import sys
from airflow_on_fargate import entrypoint
if sys.argv[1] == "scheduler":
    sys.exit("this image's scheduler is broken on purpose")
entrypoint.main(sys.argv[1:])
"""
# An image whose migration fails halfway, between the two heads, with an exit code.
BROKEN_MIGRATION = """
import sys
from airflow_on_fargate import entrypoint
from airflow_on_fargate.schema import change
run = change._run
def half(module, *arguments):
    if module != "airflow_on_fargate.users.after_migration":
        return run(module, *arguments)
    run("airflow", "db", "migrate", "--to-revision", "REVISION")
    sys.exit("this image's migration breaks off on purpose")
change._run = half
entrypoint.main(sys.argv[1:])
"""


@dataclass
class Stack:
    """A deployed stack, and ways to inspect it from outside."""

    workspace: Workspace
    # What the next deployment asks for; `change_class` changes it.
    environment_class: str = "micro"

    @property
    def outputs(self) -> dict[str, str]:
        return deployment.outputs(self.workspace)

    def deploy(self, edition: Edition) -> None:
        airflow_image.push(self.workspace, edition)
        parameters = {
            "AirflowImageUri": airflow_image.uri(edition),
            "EnvironmentClass": self.environment_class,
        }
        transcript: Any = Transcript()
        deployment.deploy(self.workspace, transcript, parameters, edition.root)

    def bring_to(self, edition: Edition, environment_class: str) -> None:
        """Deploy, unless the previous test already did."""
        wanted = (environment_class, {airflow_image.uri(edition)})
        if (self.environment_class, self.images()) != wanted:
            self.environment_class = environment_class
            self.deploy(edition)
            smoke.wait_healthy(self.outputs)

    def serves(self) -> bool:
        """Whether each service of the shape has its task, and there is no other service."""
        return self.counts() == dict.fromkeys(SHAPES[self.environment_class], (1, 1))

    def fail_to_deploy(self, edition: Edition) -> str:
        """Deploy an edition that must fail, and return the reasons."""
        with pytest.raises(CommandError) as failure:
            self.deploy(edition)
        return str(failure.value)

    def status(self) -> str:
        return deployment.stack_status(self.workspace)

    def api(self) -> AirflowApi:
        """Signed in, as soon as the API server answers: it may be away for a moment."""
        problem = ""

        def signed_in() -> AirflowApi | None:
            nonlocal problem
            try:
                return smoke.sign_in(self.workspace, self.outputs)
            except CommandError as error:
                problem = str(error)
                return None

        api = wait_until(signed_in, PATIENCE_SECONDS, "a sign-in", 1, now=lambda: problem)
        assert isinstance(api, AirflowApi)
        return api

    def version(self) -> str:
        return str(self.api().get("version")["version"])

    def heads(self) -> dict[str, list[str]]:
        """The heads in the database itself."""
        return self._look(CURRENT)[0]

    def needed_heads(self, edition: Edition) -> dict[str, list[str]]:
        return self._look(edition)[1]

    def database_url(self) -> str:
        """The URL from the environment of the command's task."""
        secrets = self.workspace.client("secretsmanager")
        definition = self.task_definition("command")
        (arn,) = [
            one["valueFrom"]
            for one in definition["containerDefinitions"][0]["secrets"]
            if one["name"] == "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        ]
        return str(secrets.get_secret_value(SecretId=arn)["SecretString"])

    def python(self, edition: Edition, program: str) -> subprocess.Popen[str]:
        """Run a program in an Airflow's interpreter, with the in-image package and the database."""
        return subprocess.Popen(
            [venv_python(edition.environment), "-c", program], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "URL": self.database_url(), "PYTHONPATH": str(airflow_image.SOURCE)},
        )  # fmt: skip

    def _look(self, edition: Edition) -> list[dict[str, list[str]]]:
        output, _ = self.python(edition, LOOK).communicate(timeout=60)
        looked: list[dict[str, list[str]]] = json.loads(output)
        return looked

    def services(self) -> dict[str, dict[str, Any]]:
        """The services by component."""
        ecs = self.workspace.client("ecs")
        cluster = self.outputs["ClusterName"]
        arns = ecs.list_services(cluster=cluster)["serviceArns"]
        found = ecs.describe_services(cluster=cluster, services=arns)["services"]
        prefix = self.outputs["SecretsPrefix"] + "-"
        return {
            one["taskDefinition"].split("/")[-1].split(":")[0].removeprefix(prefix): one
            for one in found
        }

    def scale(self, component: str, count: int) -> None:
        """Set a service's count and wait until it has that many tasks."""
        service = self.services()[component]
        ecs, cluster = self.workspace.client("ecs"), self.outputs["ClusterName"]
        ecs.update_service(cluster=cluster, service=service["serviceArn"], desiredCount=count)
        wait_until(
            lambda: self.counts()[component] == (count, count),
            PATIENCE_SECONDS,
            f"{count} {component}",
        )

    def containers(self) -> dict[str, list[dict[str, Any]]]:
        """The containers that each service's task definition describes."""
        return {
            name: self.task_definition(one["taskDefinition"])["containerDefinitions"]
            for name, one in self.services().items()
        }

    def images(self) -> set[str]:
        """The images of every container of every service."""
        return {one["image"] for group in self.containers().values() for one in group}

    def counts(self) -> dict[str, tuple[int, int]]:
        return {n: (s["desiredCount"], s["runningCount"]) for n, s in self.services().items()}

    def task_definition(self, name: str) -> dict[str, Any]:
        if "/" not in name:
            name = f"{self.outputs['SecretsPrefix']}-{name}"
        described = self.workspace.client("ecs").describe_task_definition(taskDefinition=name)
        found: dict[str, Any] = described["taskDefinition"]
        return found

    def start_command(self, *words: str) -> dict[str, str]:
        """Start a command like a person."""
        name = self.outputs["RunAirflowCommandFunctionName"]
        answer = self.workspace.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps({"command": words}).encode()
        )
        started: dict[str, str] = json.load(answer["Payload"])
        return started

    def command(self, *words: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Run a command and wait for the end of its task."""
        request_id = self.start_command(*words)["requestId"]
        key = {"Bucket": self.outputs["StateBucketName"], "Key": f"commands/{request_id}.answered"}

        def answered() -> dict[str, Any] | None:
            try:
                body = self.workspace.client("s3").get_object(**key)["Body"].read()
            except ClientError:
                return None
            found: dict[str, Any] = json.loads(body)
            return found

        result = wait_until(answered, seconds, f"the end of {words[0]}")
        assert isinstance(result, dict)
        assert result["exit_code"] == 0, result

    def upload_dags(self, folder: Path = DAGS) -> None:
        s3, bucket = self.workspace.client("s3"), self.outputs["DagBucketName"]
        for path in folder.glob("*.py"):
            s3.put_object(Bucket=bucket, Key=f"dags/{path.name}", Body=path.read_bytes())

    def start(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run as soon as Airflow knows the DAG."""
        api = self.api()
        wait_until(lambda: dag_id in api.dags(), PATIENCE_SECONDS, f"the DAG {dag_id}")
        return api.trigger(dag_id, conf)

    def wait_for_task(self, dag_id: str, run_id: str, state: str, seconds: float) -> None:
        def reached() -> bool:
            try:
                instances = self.api().task_instances(dag_id, run_id)
            except (OSError, CommandError):
                return False  # the API server is down for a moment
            states = [one["state"] for one in instances]
            assert "failed" not in states or state == "failed", instances
            return states == [state]

        wait_until(reached, seconds, f"{dag_id} in state {state}", interval=1)

    def run(self, dag_id: str) -> str:
        """Run a DAG to success; returns the run's id."""
        run_id = self.start(dag_id)
        wait_until(
            lambda: self.api().run(dag_id, run_id)["state"] == "success",
            PATIENCE_SECONDS, f"the end of {dag_id}", interval=1,
        )  # fmt: skip
        return run_id

    def database(self) -> dict[str, Any]:
        """The instance of the metadata database."""
        (found,) = self.workspace.client("rds").describe_db_instances()["DBInstances"]
        instance: dict[str, Any] = found
        return instance


def workspace_in(folder: Path) -> Workspace:
    """A workspace on free ports."""
    with ExitStack() as sockets:
        probes = [sockets.enter_context(socket.socket()) for _ in range(4)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in probes]
    return Workspace(folder, *ports)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The older Airflow, which serves and knows the DAGs."""
    workspace = workspace_in(tmp_path_factory.mktemp("upgrade"))
    emulator.start(workspace)
    try:
        deployment.build(workspace)
        stack = Stack(workspace)
        begun = time.monotonic()
        stack.deploy(PREVIOUS)
        smoke.wait_healthy(stack.outputs)
        print(f"deployed {stack.version()} in {time.monotonic() - begun:.0f} s")
        smoke.upload_dags(workspace, stack.outputs)
        stack.upload_dags()
        yield stack
    finally:
        emulator.end(workspace)
