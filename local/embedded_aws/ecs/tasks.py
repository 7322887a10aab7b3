"""What ministack's tasks lack: complete container definitions, health, and a real StopTask.

ministack 1.5.33 answers StopTask with STOPPED and exit code 0 before anything has ended, drops
a container's entryPoint, healthCheck and stopTimeout, kills the other containers when an essential
one has ended, and truncates times to whole seconds.
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
from embedded_aws.ecs.isolation import isolation_of
from embedded_aws.settings import Settings

_TASK_LABEL = "com.amazonaws.ecs.task-arn"
_LOG_DRAIN_SECONDS = 5
_ESSENTIAL_EXITED = "Essential container in task exited"
_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
_FROM_WORST = ("UNHEALTHY", "UNKNOWN", "HEALTHY")


def install(settings: Settings) -> None:
    _hand_over_whole_definitions()
    _end_whole_tasks()
    _end_with_an_essential_container()
    _keep_milliseconds()
    _record_health(settings)
    # The API's StopTask, and the one that ministack's service scheduler calls.
    ecs.stock._ACTION_MAP["StopTask"] = partial(stop_task, stop_code="UserInitiated")
    ecs.stock._stop_task = partial(stop_task, stop_code="ServiceSchedulerInitiated")


_health_listeners: list[Callable[[ecs.Task], None]] = []


def on_health_change(listener: Callable[[ecs.Task], None]) -> None:
    """Call ``listener(task)`` whenever the health status of one of its containers changes."""
    _health_listeners.append(listener)


def stop_task(data: dict[str, Any], stop_code: str) -> ecs.Response:
    """Respond at once. The task is STOPPED when its processes have ended, within stopTimeout."""
    cluster = ecs.stock._resolve_cluster_name(data.get("cluster", "default"))
    if cluster is None or cluster not in ecs.stock._clusters:
        return ecs.error("ClusterNotFoundException", "Cluster not found.")
    task = ecs.stock._resolve_task(data.get("task", ""), cluster)
    if task is None:
        return ecs.error("InvalidParameterException", "The referenced task was not found.")
    with resource_lock("ecs-task", task["taskArn"]):
        active = ecs.stock._task_is_active(task["taskArn"], task)
        to_stop = active and task["desiredStatus"] != "STOPPED"
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
    exit_codes = _stop_containers(task)
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
        # A service also replaces tasks that StopTask has stopped.
        ecs.stock._reconcile_service_tasks(ecs.cluster_name_of(task), service_key)


def _stop_containers(task: ecs.Task) -> dict[str, int | None]:
    """Stop all containers at once, each within its stopTimeout; their exit codes by name."""
    ended = runtime.containers_of(task["taskArn"])
    if ended:
        with ThreadPoolExecutor(len(ended)) as pool:
            list(pool.map(runtime.Container.stop, ended))
    deadline = time.monotonic() + _LOG_DRAIN_SECONDS
    while any(c.status != "exited" for c in ended) and time.monotonic() < deadline:
        time.sleep(0.05)
    return {container.container_name: container.exit_code for container in ended}


def _end_with_an_essential_container() -> None:
    """The end of an essential container stops the others; any other end is only recorded.

    ministack 1.5.33 kills the others, and reports the highest exit code for each of them.
    """

    def look(task: ecs.Task, _client: Any = None) -> None:
        with resource_lock("ecs-task", task["taskArn"]):
            active = ecs.stock._task_is_active(task["taskArn"], task)
            if not active or task["lastStatus"] != "RUNNING":
                return
            running = _record_exits(task)
            if running is None:
                return
            if running:
                ecs.stock._bump_task_version(task)
                task.update(
                    desiredStatus="STOPPED",
                    stoppingAt=ecs.stock._iso(),
                    stopCode="EssentialContainerExited",
                    stoppedReason=_ESSENTIAL_EXITED,
                )
        if running:
            task_events.announce(task)
            # DescribeTasks calls this as well and must not wait for the others.
            spawn_background(_finish_end, task, thread_name="embedded-aws-end-task")
        else:
            _finish_end(task)

    ecs.stock._maybe_mark_stopped = look


def _record_exits(task: ecs.Task) -> list[str] | None:
    """Record the containers that have exited.

    Returns the names of those that still run if the task has to end, otherwise None.
    """
    found = {one.container_name: one for one in runtime.containers_of(task["taskArn"])}
    essential = dict(
        zip((one["name"] for one in task["containers"]), task["_container_essentials"], strict=True)
    )
    exited = {name for name, one in found.items() if one.status == "exited"}
    for container in task["containers"]:
        if container["name"] in exited:
            one = found[container["name"]]
            container.update(lastStatus="STOPPED", exitCode=one.exit_code)
            if one.out_of_memory:
                container["reason"] = _OUT_OF_MEMORY
    running = sorted(found.keys() - exited)
    ends = any(essential[name] for name in exited) or (bool(found) and not running)
    return running if ends else None


def _finish_end(task: ecs.Task) -> None:
    exit_codes = _stop_containers(task)
    with resource_lock("ecs-task", task["taskArn"]):
        if task["lastStatus"] == "STOPPED":
            # Another look at the same end was faster.
            return
        for container in task["containers"]:
            if container.get("exitCode") is None:
                container["exitCode"] = exit_codes.get(container["name"])
        # ministack marks only a task that is not stopping yet.
        task["desiredStatus"] = "RUNNING"
    if ecs.stock._mark_task_stopped(
        task["taskArn"], task, _ESSENTIAL_EXITED, "EssentialContainerExited"
    ):
        ecs.stock._cleanup_task_resources(task, None)


def _refresh_counts(task: ecs.Task) -> None:
    cluster = ecs.cluster_name_of(task)
    ecs.stock._recount_cluster(cluster)
    ecs.stock._refresh_service_state(cluster, task.get("group", ""))


def _hand_over_whole_definitions() -> None:
    build = ecs.stock._build_run_kwargs

    def build_whole(
        definition: dict[str, Any], task_definition: dict[str, Any], *arguments: Any
    ) -> dict[str, Any]:
        kwargs: dict[str, Any] = build(definition, task_definition, *arguments)
        overrides = ecs.stock._tasks[kwargs["labels"][_TASK_LABEL]]["overrides"]
        # Containers run on this machine's architecture, whatever the task definition names.
        kwargs.pop("platform", None)
        kwargs.update(
            entrypoint=definition.get("entryPoint"),
            healthcheck=definition.get("healthCheck"),
            stop_timeout=definition.get("stopTimeout"),
            isolation=isolation_of(definition, task_definition, overrides),
        )
        return kwargs

    ecs.stock._build_run_kwargs = build_whole


def _end_whole_tasks() -> None:
    clean_up = ecs.stock._cleanup_task_resources

    def clean_up_everything(task: ecs.Task, _client: Any, extra: Any = None) -> None:
        clean_up(task, ecs.stock._get_docker(), extra)
        runtime.discard_task(task["taskArn"])

    ecs.stock._cleanup_task_resources = clean_up_everything


def _keep_milliseconds() -> None:
    whole_seconds = ecs.stock._ts_to_epoch

    def with_milliseconds(value: Any) -> Any:
        if not isinstance(whole_seconds(value), int) or not isinstance(value, str):
            return value
        return datetime.fromisoformat(value).timestamp()

    ecs.stock._ts_to_epoch = with_milliseconds


def _health_of(task: ecs.Task) -> str:
    """The worst status of the containers that count."""
    checked = ecs.checked_containers(task)
    known = {one["healthStatus"] for one in task["containers"] if one["name"] in checked}
    return next((status for status in _FROM_WORST if status in known), "UNKNOWN")


def _record_health(settings: Settings) -> None:
    def record(task_arn: str, container_name: str, status: str) -> None:
        with account_scope(settings):
            task = ecs.stock._tasks.get(task_arn)
            if task is None:
                return
            for container in task["containers"]:
                if container["name"] == container_name:
                    container["healthStatus"] = status
            task["healthStatus"] = _health_of(task)
            for listener in _health_listeners:
                listener(task)

    runtime.on_health_change(record)
