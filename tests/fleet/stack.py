"""The whole stack on the embedded AWS, and ways to inspect its fleet from outside."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from transcript import Transcript
from waiting import PATIENCE_SECONDS

from commands import airflow_image, deployment, smoke
from commands.airflow_api import AirflowApi
from commands.airflow_image import CURRENT, Edition
from commands.steps import wait_until
from commands.workspace import Workspace, stack_name
from tests.fleet.small_fleet import forget_announcements

DAG = Path(__file__).parent / "dags" / "fleet_probe.py"
DAG_ID = "fleet_probe"
FUNCTION = f"{stack_name()}-scale-workers"
FAMILY = f"{stack_name()}-worker"
# Two slots per worker, so that three tasks need two workers; a worker exits as early as allowed.
FLEET = {"size": "1024/4096/2", "idleTimeoutSeconds": 20}
PARAMETERS = {"WorkerMaxCount": "3", "WorkerFleets": json.dumps({"default": FLEET})}
ORDERS_KEY = "fleet/drain.json"


@dataclass
class Stack:
    """A deployed stack."""

    workspace: Workspace
    overrides: dict[str, str] = field(default_factory=lambda: dict(PARAMETERS))

    def deploy(self, edition: Edition = CURRENT, **overrides: str) -> None:
        self.overrides |= overrides
        airflow_image.push(self.workspace, edition)
        image = {"AirflowImageUri": airflow_image.uri(edition)}
        deployment.deploy(self.workspace, Transcript(), {**self.overrides, **image})  # type: ignore[arg-type]

    @cached_property
    def outputs(self) -> dict[str, str]:
        return deployment.outputs(self.workspace)

    @cached_property
    def settings(self) -> dict[str, str]:
        """The scaler's environment."""
        found = self.client("lambda").get_function_configuration(FunctionName=FUNCTION)
        variables: dict[str, str] = found["Environment"]["Variables"]
        return variables

    def client(self, service: str) -> Any:
        return self.workspace.client(service)

    @cached_property
    def api(self) -> AirflowApi:
        return smoke.sign_in(self.workspace, self.outputs)

    @property
    def runs_file(self) -> Path:
        return self.workspace.state_dir / "fleet-probe.runs"

    def upload_dag(self) -> None:
        bucket = self.outputs["DagBucketName"]
        self.client("s3").put_object(Bucket=bucket, Key=f"dags/{DAG.name}", Body=DAG.read_bytes())
        wait_until(lambda: DAG_ID in self.api.dags(), PATIENCE_SECONDS, "the probe's DAG")
        url = f"{self.api.base_url}/api/v2/dags/{DAG_ID}"
        self.api.session.patch(url, json={"is_paused": False}, timeout=30).raise_for_status()

    # --- Airflow tasks ---

    def start(self, *seconds: float) -> str:
        """Start a run of the probe whose tries take these times, and return the run's id."""
        conf = {"runs": str(self.runs_file), "seconds": list(seconds)}
        answer = self.api.session.post(
            f"{self.api.base_url}/api/v2/dags/{DAG_ID}/dagRuns",
            json={"logical_date": None, "conf": conf},
            timeout=30,
        )
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def give_up(self, run_id: str) -> None:
        """Mark a run as failed, whatever the state of its task."""
        url = f"{self.api.base_url}/api/v2/dags/{DAG_ID}/dagRuns/{run_id}"
        self.api.session.patch(url, json={"state": "failed"}, timeout=30).raise_for_status()

    def task(self, run_id: str) -> dict[str, Any]:
        (instance,) = self.api.task_instances(DAG_ID, run_id)
        return instance

    def wait_for(self, run_id: str, states: Iterable[str], seconds: float) -> dict[str, Any]:
        wanted = set(states)

        def reached() -> dict[str, Any] | None:
            found = self.task(run_id)
            return found if found["state"] in wanted else None

        found = wait_until(reached, seconds, f"{run_id} in {wanted}", interval=0.5)
        assert isinstance(found, dict)
        return found

    def tries(self, run_id: str) -> list[dict[str, Any]]:
        """The records that the run's task wrote, one for each try."""
        lines = self.runs_file.read_text().splitlines() if self.runs_file.exists() else []
        return [record for record in map(json.loads, lines) if record["run"] == run_id]

    def first_try(self, run_id: str) -> dict[str, Any]:
        """The record of the first try. The task writes it some time after its state is running."""
        tries = wait_until(
            lambda: self.tries(run_id), PATIENCE_SECONDS, f"the first try of {run_id}"
        )
        assert isinstance(tries, list)
        first: dict[str, Any] = tries[0]
        return first

    # --- workers ---

    def workers(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        """The workers that ECS lists with this desired status, in the order of their launch."""
        ecs, cluster = self.client("ecs"), self.settings["CLUSTER_ARN"]
        pages = ecs.get_paginator("list_tasks").paginate(
            cluster=cluster, family=FAMILY, desiredStatus=status
        )
        arns = [arn for page in pages for arn in page["taskArns"]]
        batches = [arns[i : i + 100] for i in range(0, len(arns), 100)]
        found = [
            task
            for batch in batches
            for task in ecs.describe_tasks(cluster=cluster, tasks=batch)["tasks"]
        ]
        return sorted(found, key=lambda task: task["createdAt"])

    def all_workers(self) -> list[dict[str, Any]]:
        found = {w["taskArn"]: w for s in ("RUNNING", "STOPPED") for w in self.workers(s)}
        return sorted(found.values(), key=lambda task: task["createdAt"])

    def launched_since(self, moment: float) -> list[dict[str, Any]]:
        return [w for w in self.all_workers() if w["createdAt"].timestamp() >= moment]

    def wait_for_no_worker(self, seconds: float) -> None:
        def gone() -> bool:
            stopping = [w for w in self.workers("STOPPED") if w["lastStatus"] != "STOPPED"]
            return not self.workers() and not stopping

        wait_until(gone, seconds, "the end of the last worker", interval=0.5)

    def worker_log(self, worker: dict[str, Any]) -> str:
        described = self.client("ecs").describe_task_definition(
            taskDefinition=worker["taskDefinitionArn"]
        )
        (container,) = described["taskDefinition"]["containerDefinitions"]
        events = self.client("logs").get_log_events(
            logGroupName=container["logConfiguration"]["options"]["awslogs-group"],
            logStreamName=f"worker/worker/{worker['taskArn'].rsplit('/', 1)[-1]}",
            startFromHead=True,
        )["events"]
        return "\n".join(event["message"] for event in events)

    def stop(self, worker: dict[str, Any]) -> None:
        """Stop a worker like Spot: SIGTERM, and SIGKILL after the stop timeout of 120 s."""
        self.client("ecs").stop_task(
            cluster=self.settings["CLUSTER_ARN"], task=worker["taskArn"], reason="interrupted"
        )

    def revision_with(self, **container: Any) -> str:
        """Register a revision of the worker with these changes of its container:
        family:revision."""
        ecs = self.client("ecs")
        found = ecs.describe_task_definition(taskDefinition=FAMILY)["taskDefinition"]
        (described,) = found["containerDefinitions"]
        names = ("family", "taskRoleArn", "executionRoleArn", "networkMode", "cpu", "memory",
                 "requiresCompatibilities", "runtimePlatform", "volumes")  # fmt: skip
        given = {name: found[name] for name in names if name in found}
        answer = ecs.register_task_definition(
            **given, containerDefinitions=[{**described, **container}]
        )
        arn: str = answer["taskDefinition"]["taskDefinitionArn"]
        return arn.rsplit("/", 1)[-1]

    def make_current(self, revision: str) -> None:
        """Make a revision current like a deployment; the next real deployment replaces it."""
        self.client("s3").put_object(
            Bucket=self.settings["STATE_BUCKET_NAME"], Key=ORDERS_KEY,
            Body=json.dumps({"current": revision}).encode(),
        )  # fmt: skip

    # --- the queue and the scaler ---

    def depth(self) -> tuple[int, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(
            QueueUrl=self.settings["QUEUE_URL"], AttributeNames=names
        )["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def state_object(self, key: str) -> dict[str, Any]:
        """An object through which functions, scheduler and workers communicate."""
        bucket = self.settings["STATE_BUCKET_NAME"]
        found: dict[str, Any] = json.load(
            self.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        )
        return found

    def orders(self) -> dict[str, Any]:
        """The orders to the workers."""
        return self.state_object(ORDERS_KEY)

    def forget_announcements(self) -> None:
        """Forget the announcements of messages that were removed before they ran."""
        forget_announcements(self.client("s3"), self.settings["STATE_BUCKET_NAME"])
