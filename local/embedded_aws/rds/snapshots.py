"""CreateDBSnapshot copies the files of the running server, which is not available meanwhile.

ministack 1.5.33 creates a record that is available at once, under any identifier. RDS refuses a
snapshot while the instance is not `available`, refuses some identifiers, and lower-cases the rest.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core.concurrency import spawn_background
from ministack.services import rds

from embedded_aws.account_scope import account_scope
from embedded_aws.rds import instances
from embedded_aws.rds.identifiers import problem_of
from embedded_aws.settings import Settings

_PARAMETER = "DBSnapshotIdentifier"
_MAX_LENGTH = 255
# A small database is copied quickly; callers still have to handle the state `backing-up`.
_SHORTEST_SECONDS = 1.0

Params = dict[str, Any]
Action = Callable[[Params], Any]

logger = logging.getLogger("embedded_aws.rds")


def install(settings: Settings) -> None:
    actions = rds._ACTION_MAP
    create = actions["CreateDBSnapshot"]

    def create_if_available(params: Params) -> Any:
        params = _lower(params)
        identifier = rds._p(params, _PARAMETER)
        problem = problem_of(_PARAMETER, identifier, _MAX_LENGTH)
        if problem:
            return rds._error("InvalidParameterValue", problem, 400)
        instance = rds._resolve_instance(rds._p(params, "DBInstanceIdentifier"))
        if instance is not None and instance["DBInstanceStatus"] != "available":
            return rds._error(
                "InvalidDBInstanceState",
                "Cannot create a snapshot because the database instance "
                f"{instance['DBInstanceIdentifier']} is not currently in the available state.",
                400,
            )
        existed = identifier in rds._snapshots
        response = create(params)
        if instance is not None and not existed and identifier in rds._snapshots:
            _begin(settings, instance, rds._snapshots[identifier])
        return response

    actions["CreateDBSnapshot"] = create_if_available
    for name in ("DescribeDBSnapshots", "DeleteDBSnapshot", "RestoreDBInstanceFromDBSnapshot"):
        actions[name] = _lowering(actions[name])


def _begin(settings: Settings, instance: dict[str, Any], snapshot: dict[str, Any]) -> None:
    instance["DBInstanceStatus"] = "backing-up"
    snapshot.update(Status="creating", PercentProgress=0)

    def copy() -> None:
        began = time.monotonic()
        target = instances.snapshot_directory(settings, snapshot[_PARAMETER])
        complete = _copied(instance["DBInstanceIdentifier"], target)
        time.sleep(max(0.0, began + _SHORTEST_SECONDS - time.monotonic()))
        with account_scope(settings):
            snapshot.update(Status="available" if complete else "failed", PercentProgress=100)
            instance["DBInstanceStatus"] = "available"

    spawn_background(copy, thread_name="embedded-aws-snapshot")


def _copied(instance_id: str, target: Path) -> bool:
    server = instances.server_of(instance_id)
    if server is None:
        return True  # created through the API: there is only a record
    try:
        server.back_up(target)
    except Exception:
        logger.exception("The snapshot of %s failed", instance_id)
        return False
    return True


def _lowering(action: Action) -> Action:
    return lambda params: action(_lower(params))


def _lower(params: Params) -> Params:
    identifier = params.get(_PARAMETER)
    if isinstance(identifier, list):
        return {**params, _PARAMETER: [str(one).lower() for one in identifier]}
    return {**params, _PARAMETER: identifier.lower()} if identifier else params
