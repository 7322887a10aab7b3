"""Rotation of every secret, each while a task of a minute runs.

The rotations follow each other without a pause; the results of the tasks are checked afterwards.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

from commands import smoke
from commands.airflow_api import AirflowApi
from commands.workspace import stack_name
from tests.e2e.conftest import Deployed

DAG = Path(__file__).parent / "dags" / "rotation_probe.py"
# The task that runs meanwhile has ended this long after the second restart.
WAIT = {"jwt-key": ["--wait-seconds", "30"]}
# Rotated secret → prefix of its logical id, and of the secrets composed from it.
ROTATIONS = {
    "fernet-key": ["FernetKeySecret", "FernetKeySeedSecret"],
    "admin-password": ["AdminPasswordSecret"],
    "api-secret-key": ["ApiSecretKeySecret"],
    "jwt-key": ["JwtSecret"],
    "session-key": ["SessionKeySecret"],
    "database-password": ["AirflowPasswordSecret", "AirflowUrlSecret"],
    "database-master-password": ["DatabasePasswordSecret"],
    "result-backend-password": ["ResultBackendPasswordSecret", "ResultBackendSecret"],
}
# No service has them, so none has to restart.
WITHOUT_RESTART = ("admin-password", "database-master-password")
# The local profile is of class micro: the control plane is one service.
SERVICES = ["api-server", "control-plane"]


# Rotation → the run of the probe that was running when it started.
RUNS: dict[str, str] = {}


@pytest.fixture(scope="module")
def probe(deployed: Deployed) -> None:
    """Upload the DAG, and store its variable in Airflow's own database."""
    deployed.workspace.client("s3").put_object(
        Bucket=deployed.outputs["DagBucketName"], Key=f"dags/{DAG.name}", Body=DAG.read_bytes()
    )
    api = deployed.api()
    variable = {"key": "rotation_probe", "value": "still readable"}
    api.session.post(f"{api.base_url}/api/v2/variables", json=variable, timeout=30)
    smoke.wait_until(lambda: "rotation_probe" in api.dags(), PATIENCE_SECONDS, "the probe's DAG")


def values(deployed: Deployed) -> dict[str, str]:
    """The stack's generated secrets: logical id → value."""
    client = deployed.workspace.client("secretsmanager")
    found = {}
    for stack in ("SecretsStack", "DatabaseStack"):
        for secret in client.list_secrets()["SecretList"]:
            if f"-{stack}-" in secret["Name"]:
                value = client.get_secret_value(SecretId=secret["ARN"])["SecretString"]
                found[secret["Name"].split("-")[-2]] = value
    return found


def service_tasks(deployed: Deployed) -> dict[str, str]:
    """The running tasks of the services: ARN → the name after the stack's in their family."""
    ecs, cluster = deployed.workspace.client("ecs"), deployed.outputs["ClusterName"]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=[*deployed.service_tasks()])["tasks"]
    families = {
        task["taskArn"]: task["taskDefinitionArn"].rpartition("/")[2].partition(":")[0]
        for task in tasks
    }
    return {arn: family.removeprefix(f"{stack_name()}-") for arn, family in families.items()}


def task_of(api: AirflowApi, run_id: str) -> dict[str, Any]:
    (instance,) = api.task_instances("rotation_probe", run_id)
    return instance


def run_command(deployed: Deployed, *command: str) -> tuple[int, str]:
    """Run a command like `sam remote invoke`; the exit code and the log of the stopped task."""
    answer = deployed.workspace.client("lambda").invoke(
        FunctionName=deployed.outputs["RunAirflowCommandFunctionName"],
        Payload=json.dumps({"command": command}).encode(),
    )
    started = json.loads(answer["Payload"].read())
    ecs, cluster = deployed.workspace.client("ecs"), deployed.outputs["ClusterName"]

    def stopped() -> Any:
        (task,) = ecs.describe_tasks(cluster=cluster, tasks=[started["taskArn"]])["tasks"]
        return task if task["lastStatus"] == "STOPPED" else None

    task: Any = smoke.wait_until(stopped, 420, f"the end of {command}", interval=1)
    events = deployed.workspace.client("logs").get_log_events(
        logGroupName=started["logGroup"], logStreamName=started["logStream"], startFromHead=True
    )["events"]
    return task["containers"][0]["exitCode"], "\n".join(event["message"] for event in events)


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("secret", ROTATIONS)
def test_rotation_replaces_the_secret(deployed: Deployed, secret: str) -> None:
    before, api = values(deployed), deployed.api()
    tasks = service_tasks(deployed)
    RUNS[secret] = api.trigger("rotation_probe")
    smoke.wait_until(
        lambda: task_of(api, RUNS[secret])["state"] == "running",
        PATIENCE_SECONDS, "the probe's start", interval=1,
    )  # fmt: skip

    code, log = run_command(deployed, "rotate-secret", secret, *WAIT.get(secret, []))

    assert code == 0, log
    after = values(deployed)
    assert {name for name in after if after[name] != before[name]} == set(ROTATIONS[secret])
    shown = [name for name, value in [*before.items(), *after.items()] if value in log]
    assert shown == []
    replacements = service_tasks(deployed)
    assert sorted(tasks.values()) == sorted(replacements.values()) == SERVICES
    kept = tasks.keys() & replacements.keys()
    assert kept == (tasks.keys() if secret in WITHOUT_RESTART else set())

    assert task_of(deployed.api(), RUNS[secret])["state"] in ("running", "success")


@pytest.mark.parametrize("secret", ROTATIONS)
def test_task_succeeds_at_its_first_try_during_a_rotation(deployed: Deployed, secret: str) -> None:
    api, run_id = deployed.api(), RUNS[secret]
    smoke.wait_until(
        lambda: api.run("rotation_probe", run_id)["state"] in ("success", "failed"),
        PATIENCE_SECONDS, "the probe's end", interval=1,
    )  # fmt: skip
    task = task_of(api, run_id)
    assert (task["state"], task["try_number"]) == ("success", 1), api.log(task)
    assert task["duration"] >= 60


def test_airflow_works_after_every_secret_was_rotated(deployed: Deployed) -> None:
    smoke.wait_healthy(deployed.outputs)
    api = deployed.api()
    run_id = api.trigger("smoke_secrets")
    smoke.wait_until(
        lambda: api.run("smoke_secrets", run_id)["state"] in ("success", "failed"),
        PATIENCE_SECONDS, "a run with only new secrets", interval=1,
    )  # fmt: skip
    assert api.run("smoke_secrets", run_id)["state"] == "success"
