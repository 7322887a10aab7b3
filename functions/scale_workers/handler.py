"""Check the fleets: after a wake-up, an alarm, a tick, a worker's end, a deployment, a call."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from contracts.names import STARTED_BY_ECS_EXECUTOR, WORKER
from contracts.queues import DEFAULT_QUEUE
from scale_workers.all_fleets import Fleets, Looks
from scale_workers.aws.ecs_worker_tasks import EcsWorkerTasks
from scale_workers.aws.s3_current_revision import S3CurrentRevision
from scale_workers.aws.s3_fleet_state import S3FleetState, S3Forecasts
from scale_workers.aws.s3_queue_counts import S3QueueCounts
from scale_workers.aws.sqs_work_queue import SqsWorkQueue
from scale_workers.events import pause_wanted, published_by, queue_of, trigger_of
from scale_workers.model import Trigger
from scale_workers.queue_fleet import Fleet, Look
from scale_workers.settings import FleetSettings, ScaleWorkersSettings
from shared.aws import clients
from shared.aws.eventbridge_tick import EventBridgeTick
from shared.aws.https_answer_channel import HttpsAnswerChannel
from shared.cloudformation.custom_resource import (
    SUCCESS,
    Answer,
    CustomResourceRequest,
    fulfil,
    is_custom_resource_event,
)
from shared.fargate import StoppedTask, family, family_and_revision, is_stopped_task_event
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed

# The time that an answer may take when CloudFormation's bucket is slow.
_ANSWER_SECONDS = 75


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any] | None:
    if is_custom_resource_event(event):
        _custom_resource(CustomResourceRequest.from_event(event), context, telemetry)
        return None
    trigger = trigger_of(event)
    if trigger is None:
        raise UnknownEventError(event)
    settings = ScaleWorkersSettings.from_environment(os.environ)
    if is_stopped_task_event(event) and not _is_worker(event, settings):
        telemetry.logger.info("Ignoring stopped task: not a worker of this stack")
        return None
    if is_stopped_task_event(event) and _stopped_task(event).started_by == STARTED_BY_ECS_EXECUTOR:
        # The executor looks at its own tasks; a task that failed is not a worker that died.
        telemetry.logger.info("Ignoring stopped task: the ECS executor started it")
        return None
    if trigger is Trigger.WORKER_DIED:
        _report_death(_stopped_task(event), telemetry)
    fleets = _fleets(settings, context)
    paused = pause_wanted(event)
    if paused is not None:
        return _report(fleets.pause(paused, queue_of(event)), settings, telemetry)
    if is_stopped_task_event(event):
        queue = _stopped_task(event).started_by or DEFAULT_QUEUE
        if queue in settings.fleets:
            return _report(fleets.look_after(trigger, {queue: 0}), settings, telemetry)
        telemetry.logger.info("Ignoring stopped worker: its queue is not configured", queue=queue)
        return None
    published = published_by(event, settings.fleets)
    return _report(fleets.look_after(trigger, published), settings, telemetry)


def _custom_resource(
    request: CustomResourceRequest, context: LambdaContext, telemetry: Telemetry
) -> None:
    def remaining_seconds() -> float:
        return context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS

    def work(request: CustomResourceRequest) -> Answer:
        settings = ScaleWorkersSettings.from_environment(os.environ)
        fleets = _fleets(settings, context)
        if request.request_type == "Delete":
            fleets.retire(remaining_seconds)
        else:
            revision = family_and_revision(request.properties["TaskDefinitionArn"])
            _report(fleets.deploy(revision), settings, telemetry)
        return SUCCESS

    fulfil(request, work, HttpsAnswerChannel(), telemetry.logger)


def _is_worker(event: Event, settings: ScaleWorkersSettings) -> bool:
    task = _stopped_task(event)
    return family(task.task_definition_arn) == family(settings.task_definition_arn)


def _stopped_task(event: Event) -> StoppedTask:
    return StoppedTask.from_event(EventBridgeEvent(event).detail, WORKER)


def _report_death(task: StoppedTask, telemetry: Telemetry) -> None:
    telemetry.logger.warning(
        "A worker has died",
        task_arn=task.arn,
        exit_code=task.exit_code,
        stopped_reason=task.stopped_reason,
        container_reason=task.container_reason,
    )
    telemetry.count(MetricName.WORKERS_DIED)


def _report(
    looks: Looks | None, settings: ScaleWorkersSettings, telemetry: Telemetry
) -> dict[str, Any]:
    if looks is None:
        telemetry.logger.info("The fleets are retired: the stack is being deleted")
        return {"retired": True}
    # One number for all fleets: alarms count the calls in which something went wrong.
    totals = {
        MetricName.WORKERS_LAUNCHED: sum(len(look.started) for look in looks.values()),
        MetricName.WORKER_LAUNCHES_FAILED: sum(len(look.failures) for look in looks.values()),
        MetricName.WORKER_LAUNCHES_PAUSED: sum(look.action.backing_off for look in looks.values()),
        MetricName.WORKERS_STOPPED: sum(len(look.action.stop) for look in looks.values()),
    }
    for name, value in totals.items():
        telemetry.count(name, value)
    reports = {queue: _report_look(queue, look, telemetry) for queue, look in looks.items()}
    if settings.emits_metrics:
        # Of the fleets that this call looked at: the highest value of a minute is that of a tick,
        # which looks at all of them.
        telemetry.gauge(
            MetricName.WORKERS_RUNNING, sum(each["running"] for each in reports.values())
        )
        telemetry.gauge(
            MetricName.WORKERS_STARTING, sum(each["pending"] for each in reports.values())
        )
    return {"fleets": reports}


def _report_look(queue: str, look: Look, telemetry: Telemetry) -> dict[str, Any]:
    observation, action, log = look.observation, look.action, telemetry.logger
    running = sum(worker.running_since is not None for worker in observation.workers)
    seen: dict[str, Any] = {
        "trigger": observation.trigger.name,
        "visible": observation.visible,
        "inFlight": observation.in_flight,
        "delayed": observation.delayed,
        "pending": len(observation.workers) - running,
        "running": running,
        "draining": observation.draining,
        "launched": len(look.started),
        "toldToDrain": len(action.drain),
        "stopped": len(action.stop),
        "lookAgain": action.look_at is not None,
        "backingOff": action.backing_off,
    }
    log.info("Checked the fleet", queue=queue, **seen)
    if look.failures:
        log.error("Could not start workers", queue=queue, failures=list(look.failures))
    if action.backing_off:
        log.error("Launches are paused: workers die as soon as they start", queue=queue)
    if action.stop:
        log.error("Stopped workers that hang", queue=queue, task_arns=list(action.stop))
    return seen


def _fleets(settings: ScaleWorkersSettings, context: LambdaContext) -> Fleets:
    def now() -> datetime:
        return datetime.now(UTC)

    target = settings.tick.calling(context.invoked_function_arn)
    current = S3CurrentRevision(clients.s3(), settings.state_bucket_name)
    fleets = {
        queue: _fleet(queue, each, settings, current, now)
        for queue, each in settings.fleets.items()
    }
    return Fleets(
        fleets=fleets,
        default_revision=family_and_revision(settings.task_definition_arn),
        workers=fleets[DEFAULT_QUEUE].workers,
        current=current,
        tick=EventBridgeTick(clients.scheduler(), target, now),
        now=now,
        sleep=time.sleep,
    )


def _fleet(
    queue: str,
    fleet: FleetSettings,
    settings: ScaleWorkersSettings,
    current: S3CurrentRevision,
    now: Callable[[], datetime],
) -> Fleet:
    return Fleet(
        config=fleet.config,
        queue=SqsWorkQueue(clients.sqs(), fleet.queue_url)
        if fleet.queue_url
        else S3QueueCounts(clients.s3(), settings.state_bucket_name, queue, now),
        workers=EcsWorkerTasks(
            clients.ecs(),
            settings.placement,
            settings.task_definition_arn,
            queue,
            fleet.size,
            fleet.idle_timeout_seconds,
            task_role_arn=fleet.task_role_arn,
            ecs_exec=settings.ecs_exec,
            operator_cluster=settings.operator_cluster,
        ),
        current=current,
        states=S3FleetState(clients.s3(), settings.state_bucket_name, queue),
        forecasts=S3Forecasts(clients.s3(), settings.state_bucket_name, queue),
        now=now,
    )
