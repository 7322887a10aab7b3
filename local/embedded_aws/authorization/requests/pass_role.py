"""iam:PassRole: a caller that hands over a role needs it, with `iam:PassedToService`.

AWS checks it in RunTask and RegisterTaskDefinition, in UpdateService with a task definition (not
for another count: keidarcy/e1s#429), in CreateSchedule and in CreateFunction. ministack 1.5.33 does
not check it anywhere.
"""

from collections.abc import Mapping
from typing import Any

from embedded_aws.authorization.requests.request import Permission

ACTION = "iam:PassRole"
TASKS = "ecs-tasks.amazonaws.com"
SCHEDULES = "scheduler.amazonaws.com"
FUNCTIONS = "lambda.amazonaws.com"


def to_tasks(definition: Mapping[str, Any]) -> list[Permission]:
    """The permissions to pass the roles of a task definition, or those that override them."""
    roles = (definition.get("taskRoleArn"), definition.get("executionRoleArn"))
    return [permission(role, TASKS) for role in dict.fromkeys(roles) if role]


def permission(role_arn: str, service: str) -> Permission:
    return Permission(ACTION, role_arn, {"iam:PassedToService": service})
