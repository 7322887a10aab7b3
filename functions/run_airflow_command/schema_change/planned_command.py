"""The migration as CloudFormation asks for it, forwards and back, and what must come back after it.

The work itself is in the image (`airflow_on_fargate.schema_change`): in a rollback the code of this
function may already be the old one, but the newer image still runs. Left to do here is what the
image's task cannot do: choose the image, and clean up when the task has ended, however it ended.
"""

from dataclasses import dataclass

from run_airflow_command.schema_change.ports import UpgradeNotes
from shared.cloudformation.custom_resource import CustomResourceRequest
from shared.fargate import family, family_and_revision


@dataclass(frozen=True)
class PlannedCommand:
    """What to run, with which revision of the command's task definition."""

    command: object
    task_definition_arn: str


def plan(
    request: CustomResourceRequest, default_task_definition_arn: str, notes: UpgradeNotes
) -> PlannedCommand | None:
    """The command that fulfils the request; None if there is nothing to do.

    A resource with `CommandOnRollback` is told its way back: when CloudFormation goes back to an
    older revision, that command runs with the newer one.
    """
    properties, old_properties = request.properties, request.old_properties
    # The request names the revision that belongs to it: in a rollback the environment may already,
    # or still, name another one.
    wanted = str(properties.get("TaskDefinitionArn") or default_task_definition_arn)
    present = str(old_properties.get("TaskDefinitionArn") or "")
    if "CommandOnRollback" not in old_properties or not is_rollback(wanted, present):
        return PlannedCommand(properties.get("Command"), wanted)
    # An image that never changed anything need not be able to start: perhaps that is what failed.
    if notes.call_off(present):
        return None
    return PlannedCommand(old_properties["CommandOnRollback"], present)


def is_rollback(wanted: str, present: str) -> bool:
    """Whether an update goes back to a revision that was there before.

    Every deployment registers a new revision, also one of an older image; only a rollback names an
    older one.
    """
    if not present or family(wanted) != family(present):
        return False
    return _revision(wanted) < _revision(present)


def _revision(task_definition_arn: str) -> int:
    revision = family_and_revision(task_definition_arn).partition(":")[2]
    return int(revision) if revision.isdecimal() else 0
