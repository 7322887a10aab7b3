"""The command that CloudFormation's request for a schema change needs, forwards or back.

The image does the work (`airflow_on_fargate.schema`): in a rollback the code of this function may
already be the old one, but the newer image still runs. This package does what the image's task
cannot do: choose the image, and give the services their counts back when the task has ended.
"""

from dataclasses import dataclass

from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.schema_change.ports import UpgradeNotes
from shared.cloudformation.custom_resource import CustomResourceRequest
from shared.fargate import family, family_and_revision

# A value of the property `When`.
ON_ROLLBACK = "rollback"


@dataclass(frozen=True)
class PlannedCommand:
    """What to run, with which revision of the command's task definition."""

    command: object
    task_definition_arn: str


def plan(
    request: CustomResourceRequest, default_task_definition_arn: str, notes: UpgradeNotes
) -> PlannedCommand | None:
    """The command for the request; None if there is nothing to do.

    `CommandOnRollback` is the command for the way back: when CloudFormation rolls back to an older
    revision, that command runs with the newer revision. A resource with `When: rollback` has
    nothing to do but in such a rollback, in which its command runs with the older revision.
    """
    properties, old_properties = request.properties, request.old_properties
    # The request contains its revision: in a rollback the function's environment may contain
    # another one.
    wanted = str(properties.get("TaskDefinitionArn") or default_task_definition_arn)
    present = str(old_properties.get("TaskDefinitionArn") or "")
    goes_back = is_rollback(wanted, present)
    when = properties.get("When")
    if when not in (None, ON_ROLLBACK):
        raise InvalidCommandError(f"When can be {ON_ROLLBACK!r} or be left out; it is {when!r}")
    if when == ON_ROLLBACK and not goes_back:
        return None
    if "CommandOnRollback" not in old_properties or not goes_back:
        return PlannedCommand(properties.get("Command"), wanted)
    # If the migration never began, the newer image is not started: perhaps it cannot start.
    if notes.call_off(present):
        return None
    return PlannedCommand(old_properties["CommandOnRollback"], present)


def is_rollback(wanted: str, present: str) -> bool:
    """Whether an update goes back to a former revision.

    Every deployment registers a new revision, even with an older image. Only a rollback goes back
    to an older revision.
    """
    if not present or family(wanted) != family(present):
        return False
    return _revision(wanted) < _revision(present)


def _revision(task_definition_arn: str) -> int:
    revision = family_and_revision(task_definition_arn).partition(":")[2]
    return int(revision) if revision.isdecimal() else 0
