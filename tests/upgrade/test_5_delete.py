"""The stack is deleted while an Airflow task and a command run."""

import time

from waiting import PATIENCE_SECONDS

from commands import deployment
from commands.airflow_image import CURRENT
from commands.steps import wait_until
from tests.upgrade.conftest import Stack

# Take the turn like an upgrade: a command that changes the database waits for its end.
HOLD_THE_TURN = """
import os, time
from airflow_on_fargate.database import turn
with turn.taken(os.environ["URL"]):
    print("taken", flush=True)
    time.sleep(900)
"""


def test_stack_is_deleted_and_names_what_it_keeps_when_tasks_run(stack: Stack) -> None:
    aws, outputs = stack.workspace.client, stack.outputs
    cluster = outputs["ClusterName"]
    buckets = {outputs[name] for name in ("DagBucketName", "LogBucketName", "StateBucketName")}
    run_id = stack.start("minute")
    holder = stack.python(CURRENT, HOLD_THE_TURN)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        command = stack.start_command("clean-database", "2026-01-01T00:00:00+00:00")["taskArn"]

        def command_state() -> str:
            (task,) = aws("ecs").describe_tasks(cluster=cluster, tasks=[command])["tasks"]
            return str(task["lastStatus"])

        wait_until(lambda: command_state() == "RUNNING", PATIENCE_SECONDS, "the command's start")
        stack.wait_for_task("minute", run_id, "running", 120)

        begun = time.monotonic()
        kept = deployment.delete(stack.workspace)
        print(f"deleted in {time.monotonic() - begun:.0f} s; kept: {sorted(kept)}")
    finally:
        holder.kill()
        holder.wait(10)

    assert {one for one in kept if one.startswith("AWS::S3::Bucket")} == {
        f"AWS::S3::Bucket {bucket}" for bucket in buckets
    }
    (secret,) = [one.split()[1] for one in kept if one.startswith("AWS::SecretsManager::Secret")]
    assert aws("secretsmanager").get_secret_value(SecretId=secret)["SecretString"].endswith("=")
    assert len(kept) == 4
    assert deployment.all_stacks(stack.workspace) == []
    assert aws("ecs").list_clusters()["clusterArns"] == []
    (snapshot,) = [
        one for one in aws("rds").describe_db_snapshots()["DBSnapshots"]
        if "before-upgrade" not in one["DBSnapshotIdentifier"]
    ]  # fmt: skip
    assert snapshot["Status"] == "available"
