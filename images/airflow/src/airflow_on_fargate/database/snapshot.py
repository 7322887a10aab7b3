"""A snapshot of the database before its schema changes.

It is taken while everything runs, because it takes minutes: what it holds is the state of the
moment it was asked for.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

# CloudFormation waits an hour for the whole of it.
LIMIT_SECONDS: Final = 40 * 60.0
POLL_SECONDS: Final = 15.0


class SnapshotError(Exception):
    """There is no snapshot; nothing was changed in the database."""


def take_snapshot(
    rds: Any,
    instance_id: str,
    snapshot_id: str,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when the snapshot is complete."""
    started = clock()
    # It may exist already, made by an attempt before this one.
    with contextlib.suppress(rds.exceptions.DBSnapshotAlreadyExistsFault):
        rds.create_db_snapshot(DBInstanceIdentifier=instance_id, DBSnapshotIdentifier=snapshot_id)
    while (status := _status(rds, snapshot_id)) != "available":
        if status in {"failed", "deleted"}:
            raise SnapshotError(f"The snapshot {snapshot_id} is {status}")
        if clock() - started > LIMIT_SECONDS:
            raise SnapshotError(
                f"The snapshot {snapshot_id} is {status} after {LIMIT_SECONDS / 60:.0f} minutes. "
                "When it is available, deploy with DatabaseSnapshotBeforeUpgrade set to 'false'"
            )
        sleep(POLL_SECONDS)
    print(f"The snapshot {snapshot_id} is available after {clock() - started:.0f} s", flush=True)


def _status(rds: Any, snapshot_id: str) -> str:
    found = rds.describe_db_snapshots(DBSnapshotIdentifier=snapshot_id)["DBSnapshots"]
    return str(found[0]["Status"])
