"""Valkey as the broker, and Flower, on one stack: the fleet starts from zero and goes back to it.

At the end the stack goes back to SQS, as docs/broker.md says.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from transcript import Transcript
from waiting import PATIENCE_SECONDS

from commands import deployment, smoke
from commands.iam import refusals
from commands.steps import wait_until
from commands.workspace import ROOT, CommandError, stack_name
from tests.choices.conftest import DAGS, ChosenStack, chosen_stack

FLEETS = {"default": {"size": "1024/4096/2", "maxCount": 2}}


def parameters(options: str) -> dict[str, str]:
    return {"Options": options, "WorkerFleets": f"'{json.dumps(FLEETS)}'"}


class ValkeyStack(ChosenStack):
    def deploy_with(self, options: str) -> None:
        transcript: Any = Transcript()
        deployment.deploy(self.workspace, transcript, parameters(options), ROOT)

    def workers(self) -> int:
        """How many workers run or start."""
        ecs, cluster = self.workspace.client("ecs"), self.outputs["ClusterName"]
        return len(ecs.list_tasks(cluster=cluster, family=f"{cluster}-worker")["taskArns"])

    def waits_for_workers(self, count: int) -> None:
        wait_until(lambda: self.workers() == count, PATIENCE_SECONDS, f"{count} workers")

    def scaler(self, event: dict[str, Any]) -> dict[str, Any]:
        answer = self.workspace.client("lambda").invoke(
            FunctionName=self.outputs["ScaleWorkersFunctionName"],
            Payload=json.dumps(event).encode(),
        )
        found: dict[str, Any] = json.load(answer["Payload"])
        return found

    def counts(self) -> dict[str, Any]:
        """What the scheduler has counted."""
        body = self.workspace.client("s3").get_object(
            Bucket=self.outputs["StateBucketName"], Key="fleet/queue-counts.json"
        )["Body"]
        found: dict[str, Any] = json.load(body)["queues"]
        return found

    def flower(self, path: str = "", password: str | None = None) -> requests.Response:
        auth = ("admin", password) if password is not None else None
        url = self.outputs["FlowerUrl"] + path
        return requests.get(url, auth=auth, timeout=60, allow_redirects=False)

    def flower_password(self) -> str:
        secret = self.workspace.client("secretsmanager").get_secret_value(
            SecretId=self.outputs["FlowerPasswordSecretArn"]
        )
        return str(secret["SecretString"])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyStack]:
    folder = tmp_path_factory.mktemp("valkey")
    with chosen_stack(folder, parameters("redis,flower")) as chosen:
        found = ValkeyStack(chosen.workspace)
        smoke.create_sample_secrets(found.workspace, found.outputs)
        smoke.upload_dags(found.workspace, found.outputs)
        found.upload("long_task.py", DAGS / "long_task.py")
        yield found


def test_valkey_is_in_the_place_of_the_queues(stack: ValkeyStack) -> None:
    states = {
        each["StackName"]: each["StackStatus"]
        for each in deployment.all_stacks(stack.workspace)
        if each["StackName"].startswith(stack_name())
    }
    queues = stack.workspace.client("sqs").list_queues().get("QueueUrls", [])
    (group,) = stack.workspace.client("elasticache").describe_replication_groups()[
        "ReplicationGroups"
    ]

    assert set(states.values()) == {"CREATE_COMPLETE"}
    assert [url for url in queues if "-queue-" in url] == []
    assert "WorkerQueueUrl" not in stack.outputs
    assert (group["Status"], group["AuthTokenEnabled"]) == ("available", True)


def test_smoke_dags_run_on_a_fleet_that_starts_from_zero(stack: ValkeyStack) -> None:
    api = stack.api()
    smoke.wait_for_dags(stack.workspace, stack.outputs, api)
    assert stack.workers() == 0
    transcript: Any = Transcript()

    runs = smoke.run_dags(api, transcript)

    assert set(runs) == set(smoke.SMOKE_DAGS)
    assert smoke.read_logs_back(stack.workspace, stack.outputs, api, runs) > 0
    # Idle workers exit, and what they held is counted as done.
    stack.waits_for_workers(0)
    wait_until(
        lambda: all(count == {"waiting": 0, "held": 0} for count in stack.counts().values()),
        PATIENCE_SECONDS,
        "empty queues",
        now=lambda: str(stack.counts()),
    )


def test_flower_asks_for_its_password_and_shows_what_runs(stack: ValkeyStack) -> None:
    password = stack.flower_password()
    airflows = stack.workspace.client("secretsmanager").get_secret_value(
        SecretId=stack.outputs["AdminPasswordSecretArn"]
    )["SecretString"]

    for path in ("/", "/tasks", "/api/workers", "/api/tasks"):
        assert stack.flower(path).status_code == 401
        assert stack.flower(path, airflows).status_code == 401
    assert stack.flower("/healthcheck").status_code == 200
    assert stack.flower("/metrics", password).status_code == 404
    assert "Flower" in stack.flower("/", password).text

    run_id = stack.start("long_task", {"seconds": 20})
    wait_until(
        lambda: stack.flower("/api/workers?refresh=1", password).json(),
        PATIENCE_SECONDS,
        "a worker in Flower",
        interval=1,
    )
    wait_until(
        lambda: stack.flower("/api/tasks", password).json(),
        PATIENCE_SECONDS,
        "a task in Flower",
        interval=1,
    )
    shown = stack.flower("/api/tasks", password).text
    assert "(hidden)" in shown
    assert "token" not in shown
    # Nobody changes a worker behind the scaler's back.
    (worker, *_) = stack.flower("/api/workers?refresh=1", password).json()
    refused = requests.post(
        f"{stack.outputs['FlowerUrl']}/api/worker/shutdown/{worker}",
        auth=("admin", password),
        timeout=60,
    )
    assert refused.status_code in (403, 405), refused.text
    stack.wait_for_task("long_task", run_id, "success", PATIENCE_SECONDS)


def test_lost_call_of_the_scaler_delays_a_task_by_a_minute(stack: ValkeyStack) -> None:
    """The scheduler's heartbeats report what waits."""
    stack.waits_for_workers(0)
    stack.scaler({"pause": True})
    run_id = stack.start("long_task", {"seconds": 1})
    wait_until(
        lambda: stack.counts()["default"]["waiting"] == 1, PATIENCE_SECONDS, "a task in the queue"
    )
    # Its call found the launches paused. What resumes them here starts nothing by itself.
    bucket, key = stack.outputs["StateBucketName"], "fleet/default/state.json"
    s3 = stack.workspace.client("s3")
    state = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    assert state["paused"] is True
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps({**state, "paused": False}).encode())

    stack.wait_for_task("long_task", run_id, "success", 300)


def test_broker_is_not_changed_while_a_worker_runs(stack: ValkeyStack) -> None:
    run_id = stack.start("long_task", {"seconds": 90})
    stack.wait_for_task("long_task", run_id, "running", PATIENCE_SECONDS)

    with pytest.raises(CommandError, match=r"workers still run, .* cut off from\s+Valkey"):
        stack.deploy_with("")

    assert deployment.stack_status(stack.workspace) == "UPDATE_ROLLBACK_COMPLETE"
    stack.wait_for_task("long_task", run_id, "success", PATIENCE_SECONDS)


def test_queued_task_moves_to_sqs_with_the_broker(stack: ValkeyStack) -> None:
    stack.scaler({"pause": True})
    stack.waits_for_workers(0)
    run_id = stack.start("long_task", {"seconds": 1})
    wait_until(
        lambda: stack.counts()["default"]["waiting"] == 1, PATIENCE_SECONDS, "a task in Valkey"
    )

    stack.deploy_with("")
    stack.scaler({"pause": False})
    stack.command("requeue-tasks")

    assert "WorkerQueueUrl" in stack.outputs
    groups = stack.workspace.client("elasticache").describe_replication_groups()
    assert groups["ReplicationGroups"] == []
    stack.wait_for_task("long_task", run_id, "success", 600)


def test_iam_refused_nothing(stack: ValkeyStack) -> None:
    assert refusals(stack.workspace) == []
