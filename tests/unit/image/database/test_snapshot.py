"""The snapshot before a schema change."""

from typing import Any

import boto3
import pytest

from airflow_on_fargate.database import snapshot


class Snapshots:
    """The RDS calls of a snapshot."""

    exceptions = boto3.client("rds", region_name="us-east-1").exceptions

    def __init__(self, *statuses: str, exists: bool = False) -> None:
        self.statuses = list(statuses)
        self.exists = exists

    def create_db_snapshot(self, **asked: str) -> None:
        if self.exists:
            raise self.exceptions.DBSnapshotAlreadyExistsFault({}, "CreateDBSnapshot")

    def describe_db_snapshots(self, **asked: str) -> dict[str, Any]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"DBSnapshots": [{"Status": status}]}


@pytest.mark.parametrize("exists", [False, True])
def test_snapshot_is_awaited_when_it_takes_time(exists: bool) -> None:
    waited: list[float] = []
    rds = Snapshots("creating", "creating", "available", exists=exists)
    snapshot.take_snapshot(rds, "db", "snap", waited.append, lambda: 0.0)
    assert len(waited) == 2


@pytest.mark.parametrize(("status", "says"), [("failed", "failed"), ("creating", "'false'")])
def test_snapshot_is_given_up_when_it_does_not_come(status: str, says: str) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(snapshot.SnapshotError, match=says):
        snapshot.take_snapshot(Snapshots(status), "db", "snap", sleep, lambda: now[0])
