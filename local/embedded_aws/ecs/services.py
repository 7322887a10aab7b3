"""What ministack's service scheduler lacks: health before success, and pauses after crashes.

ministack 1.5.33 replaces stopped tasks, rolls from one task definition to the next and has a
circuit breaker. But it reports a first deployment as complete before any task runs, treats any
task that ran for a second as healthy, and restarts a crashing task without a pause.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.concurrency import spawn_background
from ministack.core.responses import get_account_id, get_region

from embedded_aws.ecs import engine as ecs
from embedded_aws.ecs import task_tags, tasks
from embedded_aws.settings import Settings

# The pause after a deployment's first failure is a second, and doubles with each further one.
_LONGEST_PAUSE_SECONDS = 60.0
_A_GOOD_RUN_SECONDS = 60.0

# Besides the container's health: a task must pass all of these to count as healthy.
health_gates: list[Callable[[ecs.Task], bool]] = [ecs.is_container_healthy]


def install(settings: Settings) -> None:
    _begin_first_deployments_in_progress()
    _wait_for_health()
    _pause_before_restarts()
    tasks.on_health_change(_act_on_health)


def task_became_healthy(task: ecs.Task) -> None:
    """Have the scheduler re-evaluate a task that may now pass the health gates."""
    key = ecs.service_key_of(task)
    if key:
        ecs.stock._schedule_service_deployment_completion(
            ecs.cluster_name_of(task), key, get_account_id(), get_region(), healthy_task=task
        )


def replace_unhealthy(task: ecs.Task, reason: str) -> None:
    """Stop a service's task and count it as a failure of its deployment."""
    if ecs.service_key_of(task) and ecs.is_running(task):
        cluster = ecs.cluster_name_of(task)
        ecs.stock._stop_task({"task": task["taskArn"], "cluster": cluster, "reason": reason})
        ecs.stock._record_service_task_failure(task)


def _act_on_health(task: ecs.Task) -> None:
    if task["healthStatus"] == "HEALTHY":
        task_became_healthy(task)
    elif task["healthStatus"] == "UNHEALTHY":
        replace_unhealthy(task, "Task failed container health checks")


def _begin_first_deployments_in_progress() -> None:
    make = ecs.stock._make_deployment

    def make_in_progress(*arguments: Any, **keywords: Any) -> dict[str, Any]:
        deployment: dict[str, Any] = make(*arguments, **keywords)
        deployment["rolloutState"] = "IN_PROGRESS"
        deployment["rolloutStateReason"] = f"ECS deployment {deployment['id']} in progress."
        return deployment

    ecs.stock._make_deployment = make_in_progress


def _wait_for_health() -> None:
    record = ecs.stock._record_service_task_healthy

    def record_if_healthy(service_key: str, task: ecs.Task) -> None:
        if all(gate(task) for gate in health_gates):
            record(service_key, task)

    ecs.stock._record_service_task_healthy = record_if_healthy


class _Pauses:
    """When a deployment may launch again after its tasks failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}
        self._waiting: set[str] = set()

    def note_failure(self, deployment_id: str, after_good_run: bool) -> None:
        with self._lock:
            failures = 1 if after_good_run else self._failures.get(deployment_id, 0) + 1
            self._failures[deployment_id] = failures
            pause = min(_LONGEST_PAUSE_SECONDS, 2.0 ** (failures - 1))
            self._until[deployment_id] = time.monotonic() + pause

    def puts_off(self, deployment_id: str, then: Callable[[], None]) -> bool:
        """Whether a launch must wait; if so, ``then`` is called once, after the pause."""
        with self._lock:
            pause = self._until.get(deployment_id, 0) - time.monotonic()
            if pause <= 0:
                return False
            if deployment_id not in self._waiting:
                self._waiting.add(deployment_id)
                spawn_background(
                    self._after, deployment_id, pause, then, thread_name="embedded-aws-restart"
                )
            return True

    def _after(self, deployment_id: str, pause: float, then: Callable[[], None]) -> None:
        time.sleep(pause)
        with self._lock:
            self._waiting.discard(deployment_id)
        then()


_pauses = _Pauses()


def _pause_before_restarts() -> None:
    run = ecs.stock._run_task
    mark_stopped = ecs.stock._mark_task_stopped

    def run_unless_pausing(data: dict[str, Any]) -> ecs.Response:
        """Called by the service scheduler only; the API's RunTask does not come here."""
        deployment_id = data.get("_deploymentId") or ""
        cluster, service_name = data["cluster"], data["group"].partition(":")[2]

        def look_again() -> None:
            ecs.stock._reconcile_service_tasks(cluster, f"{cluster}/{service_name}")

        if _pauses.puts_off(deployment_id, look_again):
            response: ecs.Response = ecs.stock.json_response({"tasks": [], "failures": []})
            return response
        service = ecs.stock._services.get(f"{cluster}/{service_name}")
        definition = ecs.definition_named(data["taskDefinition"])
        tags = task_tags.of_service(service, definition) if service and definition else []
        answer: ecs.Response = run({**data, "startedBy": deployment_id, "tags": tags})
        return answer

    def pause_and_mark_stopped(
        task_arn: str, task: ecs.Task, reason: str, stop_code: str, exit_code: int | None = None
    ) -> bool:
        # Before it is marked: otherwise the scheduler could replace the task without the pause.
        deployment_id = task.get("_deployment_id")
        failed = stop_code in ("EssentialContainerExited", "TaskFailedToStart")
        if failed and deployment_id and ecs.stock._task_is_active(task_arn, task):
            # Only a task that became healthy and then ran for a while resets the count.
            good = bool(task.get("_startup_stable")) and _seconds_run(task) > _A_GOOD_RUN_SECONDS
            _pauses.note_failure(deployment_id, good)
        changed: bool = mark_stopped(task_arn, task, reason, stop_code, exit_code)
        return changed

    ecs.stock._run_task = run_unless_pausing
    ecs.stock._mark_task_stopped = pause_and_mark_stopped


def _seconds_run(task: ecs.Task) -> float:
    started = ecs.stock._ts_to_epoch(task.get("startedAt")) or time.time()
    return time.time() - float(started)
