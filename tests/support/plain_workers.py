"""Real workers on the embedded AWS without the rest of Airflow.

Airflow's own `celery worker` with the in-image package runs as ECS tasks. The queues have the names
and the visibility timeout of the template, and the publisher works like the scheduler. Only the
task that the workers run is a plain Celery task, which writes a line for each of its runs.
"""

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from commands import airflow_image
from commands.workspace import REGION, ROOT, Workspace, venv_python

LOOP = ROOT / "tests" / "fleet" / "loop"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "DISABLED"}}
CONTAINER = "worker"
CPU, MEMORY = "256", "512"
DEPTH = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
# (seconds to wait before it, seconds that the task takes)
Arrivals = list[tuple[float, float]]


@dataclass(frozen=True)
class WorkerSettings:
    """The settings of every worker; `poll_seconds` is 10 by default, as in kombu."""

    concurrency: int
    idle_seconds: float
    poll_seconds: int = 10
    # Without the life cycle, SIGTERM causes Celery's own warm shutdown.
    life_cycle: bool = True


class PlainWorkers:
    """A cluster, a queue, a bucket and a log group with one new name, and their task definitions.

    The image must have been pushed before.
    """

    def __init__(self, workspace: Workspace, folder: Path, settings: WorkerSettings) -> None:
        self.workspace = workspace
        self.name = f"plain-{uuid.uuid4().hex[:8]}"
        self.family = f"{self.name}-worker"
        self._settings = settings
        self._folder = folder
        self._runs = folder / f"{self.name}.runs"
        self._sent = folder / f"{self.name}.sent"
        self.client("s3").create_bucket(Bucket=self.name)
        self.client("logs").create_log_group(logGroupName=self.name)
        self.client("ecs").create_cluster(clusterName=self.name)
        # A message that an exiting worker takes with it stays invisible for this time.
        attributes = {"VisibilityTimeout": "43200"}
        self.queue_url = ""
        for name in ("heavy", "default"):
            queue = self.client("sqs").create_queue(
                QueueName=f"{self.name}-queue-{name}", Attributes=attributes
            )
            self.queue_url = queue["QueueUrl"]
        # For the tasks and for their start. The permissions of the real roles are tested elsewhere.
        self.role = self._create_role()

    def _create_role(self) -> str:
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        version = {"Version": "2012-10-17"}
        iam = self.client("iam")
        role = iam.create_role(
            RoleName=self.name,
            AssumeRolePolicyDocument=json.dumps({**version, "Statement": [trust]}),
        )["Role"]
        iam.put_role_policy(
            RoleName=self.name,
            PolicyName="everything",
            PolicyDocument=json.dumps({**version, "Statement": [everything]}),
        )
        return str(role["Arn"])

    def client(self, service: str) -> Any:
        return self._clients.setdefault(service, self.workspace.client(service))

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    # --- workers ---

    def register(self, variables: Mapping[str, str] | None = None, **container: Any) -> str:
        """Register a revision of the worker's task definition and return its ARN."""
        options = {
            "awslogs-group": self.name,
            "awslogs-region": REGION,
            "awslogs-stream-prefix": "worker",
        }
        described = {
            "name": CONTAINER,
            "image": airflow_image.uri(),
            "command": ["celery", "worker", "--skip-serve-logs"],
            "stopTimeout": 120,
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            "environment": [
                {"name": name, "value": value}
                for name, value in {**self._environment(), **(variables or {})}.items()
            ],
        }
        answer = self.client("ecs").register_task_definition(
            family=self.family, networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
            taskRoleArn=self.role, executionRoleArn=self.role,
            cpu=CPU, memory=MEMORY, containerDefinitions=[described | container],
        )  # fmt: skip
        arn: str = answer["taskDefinition"]["taskDefinitionArn"]
        return arn

    def make_current(self, definition: str) -> None:
        """Make a revision current, like a deployment: workers of other revisions drain."""
        body = json.dumps({"current": definition.rsplit("/", 1)[-1]}).encode()
        self.client("s3").put_object(Bucket=self.name, Key="fleet/drain.json", Body=body)

    def start(self, definition: str) -> str:
        answer = self.client("ecs").run_task(
            cluster=self.name, taskDefinition=definition,
            launchType="FARGATE", networkConfiguration=NETWORK,
        )  # fmt: skip
        arn: str = answer["tasks"][0]["taskArn"]
        return arn

    def stop(self, arn: str) -> None:
        self.client("ecs").stop_task(cluster=self.name, task=arn, reason="the test")

    def tasks(self) -> list[dict[str, Any]]:
        """All workers, including stopped ones, in the order of their launch."""
        ecs = self.client("ecs")
        arns = {
            arn
            for status in ("RUNNING", "STOPPED")
            for page in ecs.get_paginator("list_tasks").paginate(
                cluster=self.name, family=self.family, desiredStatus=status
            )
            for arn in page["taskArns"]
        }
        ordered = sorted(arns)
        batches = [ordered[i : i + 100] for i in range(0, len(ordered), 100)]
        found = [
            task
            for batch in batches
            for task in ecs.describe_tasks(cluster=self.name, tasks=batch)["tasks"]
        ]
        return sorted(found, key=lambda task: task["createdAt"])

    def active(self) -> list[dict[str, Any]]:
        return [task for task in self.tasks() if task["lastStatus"] != "STOPPED"]

    def log(self, arn: str) -> str:
        logs = self.client("logs")
        stream = f"worker/{CONTAINER}/{arn.rsplit('/', 1)[-1]}"
        try:
            events = logs.get_log_events(
                logGroupName=self.name, logStreamName=stream, startFromHead=True
            )["events"]
        except logs.exceptions.ResourceNotFoundException:
            return ""  # stopped before it logged anything
        return "\n".join(event["message"] for event in events)

    # --- messages ---

    def publish(
        self, arrivals: Arrivals, *, wake_up: bool = False, queue: str = "default"
    ) -> subprocess.Popen[str]:
        """Publish like Airflow's scheduler, and wake the scaler up like it if there is one."""
        environment = self._publisher_environment(wake_up)
        with self._sent.open("a") as sent, self._sent.with_suffix(".errors").open("a") as errors:
            publisher = subprocess.Popen(
                [venv_python("airflow"), LOOP / "loop_publisher.py", str(len(self.sent())), queue],
                env=environment, text=True, stdin=subprocess.PIPE, stdout=sent, stderr=errors,
            )  # fmt: skip
        assert publisher.stdin is not None
        publisher.stdin.write(json.dumps(arrivals))
        publisher.stdin.close()
        return publisher

    def sent(self) -> dict[int, float]:
        """The time at which each message was sent, by number."""
        text = self._sent.read_text() if self._sent.exists() else ""
        # Airflow writes log lines in between.
        return {int(n): float(at) for n, at in re.findall(r"^sent (\d+) (\S+)$", text, re.M)}

    def runs(self) -> list[tuple[int, float]]:
        """Every run of a message: its number and its start time."""
        lines: Iterable[str] = self._runs.read_text().splitlines() if self._runs.exists() else ()
        return [(int(number), float(at)) for number, at, _ in (line.split() for line in lines)]

    def found(self) -> dict[str, str | None]:
        """What the last task that looked up secrets has found."""
        found: dict[str, str | None] = json.loads(self._runs.with_suffix(".found").read_text())
        return found

    def depth(self) -> tuple[int, int]:
        """The number of visible messages and of messages in flight."""
        sqs = self.client("sqs")
        found = sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=DEPTH)
        visible, in_flight = (int(found["Attributes"][name]) for name in DEPTH)
        return visible, in_flight

    def _environment(self) -> dict[str, str]:
        """Like a worker's environment in the templates, except for the tasks that it may run."""
        package = self.workspace.state_dir / "images" / airflow_image.tag()
        transport = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__"
        environment = {
            "PYTHONPATH": f"{package}:{LOOP}",
            "LOOP_RUNS": str(self._runs),
            "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": "loop_tasks.CELERY_CONFIG",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+sqlite:///{self._folder / self.name}.results",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(self._settings.concurrency),
            f"{transport}WAIT_TIME_SECONDS": str(self._settings.poll_seconds),
            "WORKER_QUEUE_URL": self.queue_url,
            "WORKER_QUEUE_NAMES": "heavy",
            "STACK_NAME": self.name,
            "COMPONENT": "worker",
        }
        if self._settings.life_cycle:
            environment["STATE_BUCKET_NAME"] = self.name
            environment["WORKER_IDLE_TIMEOUT_SECONDS"] = str(self._settings.idle_seconds)
        else:
            environment["LOOP_WITHOUT_LIFE_CYCLE"] = "yes"
        return environment

    def _publisher_environment(self, wake_up: bool) -> dict[str, str]:
        from airflow_on_fargate import configuration

        environment = {
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(self._folder / f"{self.name}.home"),
            **self.workspace.aws_environment(),
            **self._environment(),
            # Only a scheduler wakes up the scaler.
            "COMPONENT": "scheduler" if wake_up else "command",
        }
        configuration.apply(environment)
        return environment
