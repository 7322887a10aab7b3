"""A second queue, a floor, workers that must be replaced: the fleet's template with real
workers."""

import json
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from plain_workers import WorkerSettings
from waiting import PATIENCE_SECONDS

from commands.steps import wait_until
from commands.workspace import ROOT, Workspace
from tests.fleet.small_fleet import SmallFleet

BRISK = WorkerSettings(concurrency=2, idle_seconds=20, poll_seconds=2)
PATIENT = WorkerSettings(concurrency=2, idle_seconds=600, poll_seconds=2)
CHECK = {
    "command": ["CMD", "python", "-m", "airflow_on_fargate.health", "worker"],
    "interval": 5, "timeout": 5, "retries": 2, "startPeriod": 30,
}  # fmt: skip


@pytest.fixture
def fleet(workspace: Workspace, tmp_path: Path) -> SmallFleet:
    fleets = {"heavy": {"size": "1024/2048/1", "maxCount": 2}}
    return SmallFleet(workspace, tmp_path, BRISK, fleets, WorkerQueueNames="heavy")


def test_second_queue_is_only_served_by_its_own_fleet(fleet: SmallFleet) -> None:
    fleet.publish((0, 4), (0, 4), (0, 4), queue="heavy").wait()
    fleet.wait_for_runs(3, 120)
    fleet.wait_for_no_worker(60)

    workers = fleet.plain.tasks()
    assert {worker["startedBy"] for worker in workers} == {"heavy"}
    assert {(worker["cpu"], worker["memory"]) for worker in workers} == {("1024", "2048")}
    # The fleet is limited to two workers with one slot each: three messages, never three at once.
    assert len(workers) == 2
    begun = sorted(at for _, at in fleet.plain.runs())
    assert begun[2] - begun[0] >= 4
    assert {worker["containers"][0]["exitCode"] for worker in workers} == {0}
    queues = {line["queue"] for line in fleet.scaler_log() if line.get("trigger") == "WAKE_UP"}
    assert queues == {"heavy"}


def test_floor_keeps_a_worker_that_drains_when_the_floor_ends(fleet: SmallFleet) -> None:
    now = datetime.now(UTC)
    # Floors have minutes: the current floor ends with the minute after the next.
    end = (now + timedelta(seconds=130)).replace(second=0)
    floor = {
        "days": "mon-sun", "from": (end - timedelta(hours=1)).strftime("%H:%M"),
        "to": end.strftime("%H:%M"), "timezone": "UTC", "workers": 1,
    }  # fmt: skip
    fleet.deploy({"heavy": {"size": "256/512/1", "floors": [floor]}})
    wait_until(fleet.plain.active, PATIENCE_SECONDS, "the floor's worker")
    (worker,) = fleet.plain.active()
    assert worker["startedBy"] == "heavy"
    # It idles until the floor ends; other workers may idle for twenty seconds.
    wait_until(
        lambda: time.time() > end.timestamp() - 5, PATIENCE_SECONDS, "the floor's end", interval=1
    )
    assert [each["taskArn"] for each in fleet.plain.active()] == [worker["taskArn"]]
    fleet.wait_for_no_worker(150)
    (gone,) = fleet.plain.tasks()
    assert gone["stoppedAt"].timestamp() >= end.timestamp()
    assert gone["containers"][0]["exitCode"] == 0
    assert "Draining: the drain object names this worker" in fleet.plain.log(gone["taskArn"])


def test_worker_of_another_size_finishes_and_exits(fleet: SmallFleet) -> None:
    fleet.publish((0, 25), queue="heavy").wait()
    fleet.wait_for_runs(1, 60)
    (small,) = fleet.plain.active()
    fleet.deploy({"heavy": {"size": "2048/4096/1", "maxCount": 2}})
    fleet.publish((0, 1), queue="heavy").wait()
    fleet.wait_for_runs(2, 60)
    fleet.wait_for_no_worker(90)

    first, second = fleet.plain.tasks()
    assert first["taskArn"] == small["taskArn"]
    assert (first["cpu"], second["cpu"]) == ("1024", "2048")
    assert {each["containers"][0]["exitCode"] for each in (first, second)} == {0}
    assert fleet.counts() == {"lost": 0, "twice": 0, "stranded": 0}


def test_worker_of_an_isolated_queue_has_the_role_and_the_secrets_of_its_queue(
    workspace: Workspace, tmp_path: Path
) -> None:
    fleet = SmallFleet(workspace, tmp_path, BRISK)
    name, role = fleet.plain.name, queue_role(fleet, "heavy")
    own, other = (f"{name}/queues/{queue}/connections/own" for queue in ("heavy", "other"))
    secrets = {own: "a://own", other: "b://other", f"{name}/connections/shared": "c://shared"}
    for secret, value in secrets.items():
        fleet.plain.client("secretsmanager").create_secret(Name=secret, SecretString=value)
    names = json.dumps(["own", "shared", "missing", *secrets])
    fleet.deploy(
        {"heavy": {"maxCount": 1}},
        WorkerTaskDefinitionArn=fleet.plain.register({"LOOP_LOOKS_UP": names}),
        WorkerQueueNames="heavy:isolated",
        QueueRoleNames=f"{role['TaskRoleName']},,,,,,,",
        WorkerRoleArns=f"{fleet.plain.role},{role['TaskRoleArn']}",
    )
    fleet.publish((0, 1), (0, 1), queue="heavy").wait()
    fleet.wait_for_runs(2, 120)
    fleet.wait_for_no_worker(90)

    (worker,) = fleet.plain.tasks()
    assert worker["overrides"]["taskRoleArn"] == role["TaskRoleArn"]
    assert worker["containers"][0]["exitCode"] == 0
    assert fleet.counts() == {"lost": 0, "twice": 0, "stranded": 0}
    # For "shared" Airflow asks the api-server next.
    assert fleet.plain.found() == {
        "own": "a://own",
        "shared": None,
        "missing": None,
        own: "a://own",
        other: "AccessDeniedException",
        f"{name}/connections/shared": "AccessDeniedException",
    }


def queue_role(fleet: SmallFleet, queue: str) -> dict[str, str]:
    """Create the role of an isolated queue by its template; returns the outputs."""
    cloudformation, name = fleet.plain.client("cloudformation"), fleet.plain.name
    parameters = {
        "RootStackName": name, "QueueName": queue, "DagBucketName": name, "LogBucketName": name,
        "StateBucketName": name, "Options": "", "KmsKeyArn": "",
    }  # fmt: skip
    cloudformation.create_stack(
        StackName=f"{name}-role", Capabilities=["CAPABILITY_IAM"],
        TemplateBody=(ROOT / "nested" / "queue-role.yaml").read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )  # fmt: skip
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=f"{name}-role", WaiterConfig={"Delay": 1, "MaxAttempts": 90}
    )
    (stack,) = cloudformation.describe_stacks(StackName=f"{name}-role")["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def test_hanging_worker_is_stopped_and_another_serves(workspace: Workspace, tmp_path: Path) -> None:
    fleet = SmallFleet(workspace, tmp_path, PATIENT)
    fleet.deploy(WorkerTaskDefinitionArn=fleet.plain.register(healthCheck=CHECK, stopTimeout=5))
    fleet.publish((0, 1)).wait()
    fleet.wait_for_runs(1, 60)
    (worker,) = fleet.plain.active()
    freeze(workspace, worker["taskArn"])
    wait_until(
        lambda: fleet.plain.tasks()[0]["healthStatus"] == "UNHEALTHY", 200, "a failed check", 1
    )

    # A quarter of an hour is too long for a test, so the scaler's state is set back.
    def remembered() -> bool:
        state = fleet.state()
        known = [arn for arn, _ in state.get("unhealthy", [])]
        if known:
            state["unhealthy"] = [[arn, time.time() - 900] for arn in known]
            fleet.plain.client("s3").put_object(
                Bucket=fleet.plain.name, Key="fleet/default/state.json", Body=json.dumps(state)
            )
        return known == [worker["taskArn"]]

    wait_until(remembered, PATIENCE_SECONDS, "the call that sees it", 1)
    assert fleet.metric("WorkersStopped") == 0
    # Its slots do not count.
    fleet.publish((0, 1)).wait()
    fleet.wait_for_runs(2, 120)
    wait_until(
        lambda: fleet.plain.tasks()[0]["lastStatus"] == "STOPPED", 120, "the worker's end", 1
    )
    assert "health check has failed" in fleet.plain.tasks()[0]["stoppedReason"]
    assert len(fleet.plain.tasks()) == 2
    assert fleet.metric("WorkersStopped") == 1
    assert fleet.metric("WorkersDied") == 0


def freeze(workspace: Workspace, task_arn: str) -> None:
    """Stop the event loop of its main process."""
    folder = workspace.state_dir / "tasks" / task_arn.rsplit("/", 1)[-1] / "worker"
    found = [each for each in psutil.process_iter() if running_in(each, folder)]
    first = min(found, key=lambda each: each.create_time())
    first.send_signal(signal.SIGSTOP)


def running_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()) == folder.resolve()
    except psutil.Error:
        return False
