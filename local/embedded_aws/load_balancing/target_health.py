"""Real health checks of targets; ministack 1.5.33 reports every registered target as healthy."""

import http.client
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ministack.services import alb

from embedded_aws.account_scope import account_scope
from embedded_aws.busy import stretched
from embedded_aws.ecs import engine as ecs
from embedded_aws.ecs import services
from embedded_aws.settings import Settings

# As in containers.health: until the first success the checks run this often, and the failure of
# such an extra check is not counted.
_EAGER_INTERVAL_SECONDS = 1.0
_TICK_SECONDS = 0.25

_MESSAGES = {
    "initial": ("Elb.RegistrationInProgress", "Target registration is in progress"),
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
}

Target = dict[str, Any]
TargetKey = tuple[str, str, int]  # target group ARN, address, port

logger = logging.getLogger("embedded_aws.target_health")


@dataclass
class _Watch:
    state: str = "initial"
    row: int = 0  # successes in a row, or failures as a negative number
    next_check: float = 0
    last_regular: float = field(default_factory=time.monotonic)
    checking: bool = False


_watches: dict[TargetKey, _Watch] = {}


def install(settings: Settings) -> None:
    alb._ACTION_MAP["DescribeTargetHealth"] = _describe
    services.health_gates.append(is_task_healthy)
    threading.Thread(
        target=_watch_all, args=(settings,), name="embedded-aws-targets", daemon=True
    ).start()


def usable_targets(group_arn: str) -> list[Target]:
    """The healthy targets; when all have failed, all of them, as the load balancer does."""
    targets: list[Target] = alb._targets.get(group_arn, [])
    by_state: dict[str, list[Target]] = {}
    for target in targets:
        by_state.setdefault(state_of(group_arn, target), []).append(target)
    return by_state.get("healthy") or by_state.get("unhealthy") or []


def state_of(group_arn: str, target: Target) -> str:
    watch = _watches.get(_key(group_arn, target))
    return watch.state if watch else "initial"


def is_task_healthy(task: ecs.Task) -> bool:
    """Whether the task is healthy in all target groups of its service."""
    service = ecs.stock._services.get(ecs.service_key_of(task) or "") or {}
    address = ecs.address_of(task)
    return all(
        state_of(group, {"Id": address, "Port": port}) == "healthy"
        for group, port in _registrations(service)
    )


def _registrations(service: ecs.Service) -> list[tuple[str, int]]:
    return [
        (entry["targetGroupArn"], int(entry["containerPort"]))
        for entry in service.get("loadBalancers") or []
        if entry.get("targetGroupArn")
    ]


def _key(group_arn: str, target: Target) -> TargetKey:
    port = target.get("Port") or alb._tgs[group_arn].get("Port", 80)
    return group_arn, str(target["Id"]), int(port)


def _watch_all(settings: Settings) -> None:
    while True:
        time.sleep(_TICK_SECONDS)
        try:
            with account_scope(settings):
                _start_due_checks(settings)
        except Exception:
            # Groups and targets may be deleted at any moment; the next tick sees the new state.
            logger.exception("target health checks failed")


def _start_due_checks(settings: Settings) -> None:
    registered = {
        _key(arn, target): group
        for arn, group in list(alb._tgs.items())
        if group["TargetType"] != "lambda"
        for target in list(alb._targets.get(arn, []))
    }
    for gone in _watches.keys() - registered.keys():
        del _watches[gone]
    now = time.monotonic()
    for key, group in registered.items():
        watch = _watches.setdefault(key, _Watch())
        if now >= watch.next_check and not watch.checking:
            watch.checking = True
            threading.Thread(target=_check, args=(settings, key, group, watch), daemon=True).start()


def _check(settings: Settings, key: TargetKey, group: dict[str, Any], watch: _Watch) -> None:
    interval = group["HealthCheckIntervalSeconds"]
    succeeded = _answers(key, group)
    now = time.monotonic()
    regular = now - watch.last_regular >= interval
    if regular:
        watch.last_regular = now
    if succeeded:
        watch.row = max(watch.row, 0) + 1
    elif regular or watch.state == "healthy":
        watch.row = min(watch.row, 0) - 1
    before = watch.state
    # A target that was just registered needs one success only.
    if succeeded and (before == "initial" or watch.row >= group["HealthyThresholdCount"]):
        watch.state = "healthy"
    elif watch.row <= -group["UnhealthyThresholdCount"]:
        watch.state = "unhealthy"
    eager = watch.state != "healthy"
    watch.next_check = now + (min(interval, _EAGER_INTERVAL_SECONDS) if eager else interval)
    watch.checking = False
    if watch.state != before:
        with account_scope(settings):
            _inform_service(key, watch.state)


def _answers(key: TargetKey, group: dict[str, Any]) -> bool:
    _, address, port = key
    if group["HealthCheckPort"] != "traffic-port":
        port = int(group["HealthCheckPort"])
    connection = http.client.HTTPConnection(
        address, port, timeout=stretched(group["HealthCheckTimeoutSeconds"])
    )
    try:
        connection.request(
            "GET", group["HealthCheckPath"], headers={"User-Agent": "ELB-HealthChecker/2.0"}
        )
        return _matches(connection.getresponse().status, group["Matcher"]["HttpCode"])
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _matches(status: int, expected: str) -> bool:
    for part in expected.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False


def _inform_service(key: TargetKey, state: str) -> None:
    group_arn, address, port = key
    for service in list(ecs.stock._services.values()):
        if (group_arn, port) not in _registrations(service):
            continue
        for task in ecs.tasks_of_service(service):
            if ecs.address_of(task) != address or not ecs.is_running(task):
                continue
            if state == "healthy":
                services.task_became_healthy(task)
            elif _grace_is_over(service, task):
                services.replace_unhealthy(
                    task, f"Task failed ELB health checks in (target-group {group_arn})"
                )


def _grace_is_over(service: ecs.Service, task: ecs.Task) -> bool:
    started = float(ecs.stock._ts_to_epoch(task["startedAt"]))
    return time.time() - started > (service.get("healthCheckGracePeriodSeconds") or 0)


def _describe(params: dict[str, Any]) -> ecs.Response:
    group_arn = alb._p(params, "TargetGroupArn")
    if group_arn not in alb._tgs:
        error: ecs.Response = alb._error(
            "TargetGroupNotFound", f"Target group '{group_arn}' not found."
        )
        return error
    wanted = {target["Id"] for target in alb._parse_targets_param(params)}
    members = "".join(
        _member(group_arn, target)
        for target in alb._targets.get(group_arn, [])
        if not wanted or target["Id"] in wanted
    )
    response: ecs.Response = alb._xml(
        200,
        "DescribeTargetHealth",
        f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>",
    )
    return response


def _member(group_arn: str, target: Target) -> str:
    state = state_of(group_arn, target)
    reason = ""
    if state in _MESSAGES:
        code, text = _MESSAGES[state]
        reason = f"<Reason>{code}</Reason><Description>{text}</Description>"
    _, address, port = _key(group_arn, target)
    return (
        f"<member><Target><Id>{address}</Id><Port>{port}</Port></Target>"
        f"<TargetHealth><State>{state}</State>{reason}</TargetHealth></member>"
    )
