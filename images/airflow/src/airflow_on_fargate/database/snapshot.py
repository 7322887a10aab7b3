"""A snapshot of the database before its schema changes.

It is taken while everything runs, because it takes minutes. It holds the state of the moment at
which it was requested.
"""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any, Final

# CloudFormation waits an hour for the whole of it.
LIMIT_SECONDS: Final = 40 * 60.0
POLL_SECONDS: Final = 15.0
# In lower case, because the command's role allows ids with this prefix.
ID_PREFIX: Final = "airflow-before-upgrade-"


class SnapshotError(Exception):
    """There is no snapshot. Nothing was changed in the database."""


def take_snapshot(
    rds: Any,
    instance_id: str,
    snapshot_id: str,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when the snapshot is complete."""
    started = clock()
    while not _requested(rds, instance_id, snapshot_id):
        if clock() - started > LIMIT_SECONDS:
            raise SnapshotError(
                f"The database {instance_id} has not been available for a snapshot for "
                f"{LIMIT_SECONDS / 60:.0f} minutes. Deploy again when its status is 'available'"
            )
        sleep(POLL_SECONDS)
    while (status := _status(rds, snapshot_id)) != "available":
        if status in {"failed", "deleted"}:
            raise SnapshotError(f"The snapshot {snapshot_id} is {status}")
        if clock() - started > LIMIT_SECONDS:
            raise SnapshotError(
                f"The snapshot {snapshot_id} is {status} after {LIMIT_SECONDS / 60:.0f} minutes. "
                "Deploy again when it is available: the next snapshot holds only what has changed "
                "since, and takes less time"
            )
        sleep(POLL_SECONDS)
    print(f"The snapshot {snapshot_id} is available after {clock() - started:.0f} s", flush=True)


def snapshot_id_for(stack_name: str, revision: str) -> str:
    """The id of the snapshot before the upgrade to one revision of the command's task definition.

    RDS accepts letters, digits and single hyphens, and lowercases the id, while IAM compares case.
    Stack names may contain capitals and several hyphens in a row; the hash keeps apart the names
    that differ only in these.
    """
    name = re.sub(r"-+", "-", stack_name.lower()).strip("-")
    digest = hashlib.sha256(stack_name.encode()).hexdigest()[:8]
    return f"{ID_PREFIX}{name}-{digest}-{revision}"


def _requested(rds: Any, instance_id: str, snapshot_id: str) -> bool:
    """Whether the snapshot exists; False while the database is busy, for example with a backup."""
    try:
        rds.create_db_snapshot(DBInstanceIdentifier=instance_id, DBSnapshotIdentifier=snapshot_id)
    except rds.exceptions.DBSnapshotAlreadyExistsFault:
        # An earlier attempt made it.
        return True
    except rds.exceptions.InvalidDBInstanceStateFault:
        return False
    return True


def _status(rds: Any, snapshot_id: str) -> str:
    found = rds.describe_db_snapshots(DBSnapshotIdentifier=snapshot_id)["DBSnapshots"]
    return str(found[0]["Status"])
