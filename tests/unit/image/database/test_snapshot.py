"""The snapshot before a schema change."""

import re
from typing import Any

import boto3
import pytest

from airflow_on_fargate.database import snapshot


class Snapshots:
    """The RDS calls of a snapshot."""

    exceptions = boto3.client("rds", region_name="us-east-1").exceptions

    def __init__(self, *statuses: str, exists: bool = False, busy: int = 0) -> None:
        self.statuses = list(statuses)
        self.exists = exists
        self.busy = busy

    def create_db_snapshot(self, **asked: str) -> None:
        if self.busy:
            self.busy -= 1
            raise self.exceptions.InvalidDBInstanceStateFault({}, "CreateDBSnapshot")
        if self.exists:
            raise self.exceptions.DBSnapshotAlreadyExistsFault({}, "CreateDBSnapshot")

    def describe_db_snapshots(self, **asked: str) -> dict[str, Any]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"DBSnapshots": [{"Status": status}]}


@pytest.mark.parametrize("exists", [False, True])
def test_waits_for_the_snapshot(exists: bool) -> None:
    waited: list[float] = []
    rds = Snapshots("creating", "creating", "available", exists=exists)
    snapshot.take_snapshot(rds, "db", "snap", waited.append, lambda: 0.0)
    assert len(waited) == 2


@pytest.mark.parametrize(("status", "says"), [("failed", "failed"), ("creating", "Deploy again")])
def test_fails_when_there_is_no_snapshot_in_time(status: str, says: str) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(snapshot.SnapshotError, match=says):
        snapshot.take_snapshot(Snapshots(status), "db", "snap", sleep, lambda: now[0])


def test_snapshot_is_requested_again_while_a_backup_runs() -> None:
    waited: list[float] = []
    rds = Snapshots("available", busy=3)
    snapshot.take_snapshot(rds, "db", "snap", waited.append, lambda: 0.0)
    assert (rds.busy, len(waited)) == (0, 3)


def test_fails_when_the_database_stays_busy() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    rds = Snapshots("available", busy=10_000)
    with pytest.raises(snapshot.SnapshotError, match=r"db has not been available.*40 minutes"):
        snapshot.take_snapshot(rds, "db", "snap", sleep, lambda: now[0])


@pytest.mark.parametrize("stack", ["airflow", "My-Stack", "a--b", "A-", "x" * 128])
def test_snapshot_id_is_valid_for_every_stack_name(stack: str) -> None:
    found = snapshot.snapshot_id_for(stack, "12")
    assert re.fullmatch(r"airflow-before-upgrade-[a-z0-9]+(-[a-z0-9]+)*-12", found)
    assert len(found) <= 255


def test_snapshot_ids_differ_where_only_case_or_hyphens_differ() -> None:
    stacks = ["my-stack", "My-Stack", "my--stack", "my-stack-"]
    assert len({snapshot.snapshot_id_for(stack, "1") for stack in stacks}) == 4
