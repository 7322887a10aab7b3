"""CloudWatch: alarms are resources, also where a request lists them.

ministack 1.5.33 knows the alarm of a request in the query protocol only.
"""

from embedded_aws.authorization.requests.request import ApiRequest, Permission

_ON_ALL = ("DescribeAlarms",)
_ON_NAMED = ("DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions")


def needs(request: ApiRequest) -> list[Permission] | None:
    if request.operation in _ON_ALL:
        return [Permission(request.action, request.arn("cloudwatch", "alarm:*"))]
    if request.operation not in _ON_NAMED:
        return None
    names = request.body.get("AlarmNames") or _listed(request)
    found = [
        Permission(request.action, request.arn("cloudwatch", f"alarm:{name}")) for name in names
    ]
    return found or None


def _listed(request: ApiRequest) -> list[str]:
    members = (request.parameter(f"AlarmNames.member.{number}") for number in range(1, 101))
    return [name for name in members if name]
