"""EventBridge Scheduler: schedules in their group, and the role that a schedule is given.

ministack 1.5.33 takes every schedule for one of the group `default`.
"""

from embedded_aws.authorization.requests import pass_role
from embedded_aws.authorization.requests.request import ApiRequest, Permission


def needs(request: ApiRequest) -> list[Permission] | None:
    parts = [part for part in request.path.split("/") if part]
    if parts[:1] != ["schedules"] or len(parts) < 2:
        return None
    group = request.body.get("GroupName") or request.parameter("groupName") or "default"
    schedule = request.arn("scheduler", f"schedule/{group}/{parts[1]}")
    found = [Permission(request.action, schedule)]
    role = (request.body.get("Target") or {}).get("RoleArn")
    if role:
        found.append(pass_role.permission(role, pass_role.SCHEDULES))
    return found
