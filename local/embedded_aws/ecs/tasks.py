"""What ministack's tasks lack of Fargate's: whole container definitions, health, a real StopTask.

ministack 1.5.33 answers StopTask with STOPPED and exit code 0 before anything has ended, drops
a container's entryPoint, healthCheck and stopTimeout, leaves the other containers running when
an essential one has ended, and cuts its times to whole seconds.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from ministack.core.concurrency import resource_lock, spawn_background
from ministack.services import ecs_metadata

from embedded_aws.account_scope import account_scope
from embedded_aws.containers import runtime
from embedded_aws.ecs import engine as ecs
from embedded_aws.ecs import task_events
from embedded_aws.settings import Settings

_LOG_DRAIN_SECONDS = 5


def install(settings: Settings) -> None:
    _hand_over_whole_definitions()
    _name_the_end_as_ecs_does()
    _end_whole_tasks()
    _tell_milliseconds()
    _record_health(settings)
    # The API's StopTask, and the one that ministack's service scheduler calls.
    ecs.stock._ACTION_MAP["StopTask"] = partial(stop_task, stop_code="UserInitiated")
    ecs.stock._stop_task = partial(stop_task, stop_code="ServiceSchedulerInitiated")


_health_listeners: list[Callable[[ecs.Task], None]] = []


def on_health_change(listener: Callable[[ecs.Task], None]) -> None:
    """Call ``listener(task)`` whenever the health status of one of its containers changes."""
    _health_listeners.append(listener)


def stop_task(data: dict[str, Any], stop_code: str) -> ecs.Response:
    """Answer at once. The task is STOPPED when its processes have ended, by stopTimeout."""
    cluster = ecs.stock._resolve_cluster_name(data.get("cluster", "default"))
    if cluster is None or cluster not in ecs.stock._clusters:
        return ecs.error("ClusterNotFoundException", "Cluster not found.")
    task = ecs.stock._resolve_task(data.get("task", ""), cluster)
    if task is None:
        return ecs.error("InvalidParameterException", "The referenced task was not found.")
    with resource_lock("ecs-task", task["taskArn"]):
        to_stop = ecs.stock._task_is_active(task["taskArn"], task)
        if to_stop:
            ecs.stock._bump_task_version(task)
            task.update(
                desiredStatus="STOPPED",
                lastStatus="STOPPING",
                stoppingAt=ecs.stock._iso(),
                stopCode=stop_code,
                stoppedReason=data.get("reason", "Task stopped by user"),
            )
    response: ecs.Response = ecs.stock.json_response({"task": ecs.stock._sanitize(task)})
    if to_stop:
        task_events.announce(task)
        _refresh_counts(task)
        spawn_background(_finish_stop, task, thread_name="embedded-aws-stop-task")
    return response


def _finish_stop(task: ecs.Task) -> None:
    ended = runtime.containers_of(task["taskArn"])
    if ended:
        with ThreadPoolExecutor(len(ended)) as pool:
            list(pool.map(runtime.Container.stop, ended))
    deadline = time.monotonic() + _LOG_DRAIN_SECONDS
    while any(c.status != "exited" for c in ended) and time.monotonic() < deadline:
        time.sleep(0.05)
    exit_codes = {container.container_name: container.exit_code for container in ended}
    with resource_lock("ecs-task", task["taskArn"]):
        now = ecs.stock._iso()
        ecs.stock._bump_task_version(task)
        task.update(lastStatus="STOPPED", stoppedAt=now, executionStoppedAt=now)
        for container in task["containers"]:
            container["lastStatus"] = "STOPPED"
            if container.get("exitCode") is None:
                container["exitCode"] = exit_codes.get(container["name"])
    ecs_metadata.set_task_status(task["taskArn"], "STOPPED", "STOPPED")
    ecs.stock._cleanup_task_resources(task, None)
    _refresh_counts(task)
    task_events.announce(task)
    service_key = ecs.service_key_of(task)
    if service_key:
        # A service replaces also what somebody else has stopped.
        ecs.stock._reconcile_service_tasks(ecs.cluster_name_of(task), service_key)


def _refresh_counts(task: ecs.Task) -> None:
    cluster = ecs.cluster_name_of(task)
    ecs.stock._recount_cluster(cluster)
    ecs.stock._refresh_service_state(cluster, task.get("group", ""))


def _hand_over_whole_definitions() -> None:
    build = ecs.stock._build_run_kwargs

    def build_whole(definition: dict[str, Any], *arguments: Any) -> dict[str, Any]:
        kwargs: dict[str, Any] = build(definition, *arguments)
        # The processes are the machine's own: there is no other architecture to choose.
        kwargs.pop("platform", None)
        kwargs.update(
            entrypoint=definition.get("entryPoint"),
            healthcheck=definition.get("healthCheck"),
            stop_timeout=definition.get("stopTimeout"),
        )
        return kwargs

    ecs.stock._build_run_kwargs = build_whole


def _name_the_end_as_ecs_does() -> None:
    mark = ecs.stock._mark_task_stopped

    def mark_with_reason(
        task_arn: str, task: ecs.Task, reason: str, *rest: Any, **more: Any
    ) -> bool:
        if reason == "Essential container exited":
            reason = "Essential container in task exited"
        changed: bool = mark(task_arn, task, reason, *rest, **more)
        return changed

    ecs.stock._mark_task_stopped = mark_with_reason


def _end_whole_tasks() -> None:
    clean_up = ecs.stock._cleanup_task_resources

    def clean_up_everything(task: ecs.Task, _client: Any, extra: Any = None) -> None:
        clean_up(task, ecs.stock._get_docker(), extra)
        runtime.discard_task(task["taskArn"])

    ecs.stock._cleanup_task_resources = clean_up_everything


def _tell_milliseconds() -> None:
    whole_seconds = ecs.stock._ts_to_epoch

    def with_milliseconds(value: Any) -> Any:
        if not isinstance(whole_seconds(value), int) or not isinstance(value, str):
            return value
        return datetime.fromisoformat(value).timestamp()

    ecs.stock._ts_to_epoch = with_milliseconds


def _record_health(settings: Settings) -> None:
    def record(task_arn: str, container_name: str, status: str) -> None:
        with account_scope(settings):
            task = ecs.stock._tasks.get(task_arn)
            if task is None:
                return
            for container in task["containers"]:
                if container["name"] == container_name:
                    container["healthStatus"] = status
            known = {container["healthStatus"] for container in task["containers"]}
            task["healthStatus"] = "UNHEALTHY" if "UNHEALTHY" in known else status
            for listener in _health_listeners:
                listener(task)

    runtime.on_health_change(record)
