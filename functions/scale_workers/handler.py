"""Look after the fleet: on a wake-up, an alarm, a tick, a worker's end, a deployment, a request."""

import os
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from scale_workers.calls import pause_wanted, published_by, trigger_of
from scale_workers.decision import Trigger
from scale_workers.ecs_worker_tasks import EcsWorkerTasks
from scale_workers.fleet import Fleet, Look
from scale_workers.s3_current_revision import S3CurrentRevision
from scale_workers.s3_fleet_state import S3FleetState, S3Forecasts
from scale_workers.settings import ScaleWorkersSettings
from scale_workers.sqs_work_queue import SqsWorkQueue
from shared import clients
from shared.custom_resource import (
    SUCCESS,
    Answer,
    CustomResourceRequest,
    fulfil,
    is_custom_resource_event,
)
from shared.eventbridge_tick import EventBridgeTick, TickTarget
from shared.fargate import StoppedTask, family, family_and_revision, is_stopped_task_event
from shared.https_answer_channel import HttpsAnswerChannel
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed

# What an answer may take when CloudFormation's bucket is slow.
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
        telemetry.logger.info("Not a worker of this fleet")
        return None
    if trigger is Trigger.WORKER_DIED:
        _report_death(StoppedTask.from_event(EventBridgeEvent(event).detail), telemetry)
    fleet = _fleet(settings, context)
    paused = pause_wanted(event)
    if paused is not None:
        return _report(fleet.pause(paused), telemetry)
    return _report(fleet.look_after(trigger, published_by(event)), telemetry)


def _custom_resource(
    request: CustomResourceRequest, context: LambdaContext, telemetry: Telemetry
) -> None:
    def remaining_seconds() -> float:
        return context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS

    def work(request: CustomResourceRequest) -> Answer:
        fleet = _fleet(ScaleWorkersSettings.from_environment(os.environ), context)
        if request.request_type == "Delete":
            fleet.retire(remaining_seconds)
        else:
            revision = family_and_revision(request.properties["TaskDefinitionArn"])
            _report(fleet.deploy(revision), telemetry)
        return SUCCESS

    fulfil(request, work, HttpsAnswerChannel(), telemetry.logger)


def _is_worker(event: Event, settings: ScaleWorkersSettings) -> bool:
    task = StoppedTask.from_event(EventBridgeEvent(event).detail)
    return family(task.task_definition_arn) == family(settings.task_definition_arn)


def _report_death(task: StoppedTask, telemetry: Telemetry) -> None:
    telemetry.logger.warning(
        "A worker has died",
        task_arn=task.arn,
        exit_code=task.exit_code,
        stopped_reason=task.stopped_reason,
        container_reason=task.container_reason,
    )
    telemetry.count(MetricName.WORKERS_DIED)


def _report(look: Look | None, telemetry: Telemetry) -> dict[str, Any]:
    if look is None:
        telemetry.logger.info("The fleet is retired")
        return {"retired": True}
    observation, action = look.observation, look.action
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
        "lookAgain": action.look_at is not None,
        "backingOff": action.backing_off,
    }
    telemetry.logger.info("Looked after the fleet", **seen)
    telemetry.count(MetricName.WORKERS_LAUNCHED, len(look.started))
    if look.failures:
        telemetry.logger.error("Workers were not started", failures=list(look.failures))
        telemetry.count(MetricName.WORKER_LAUNCHES_FAILED, len(look.failures))
    if action.backing_off:
        telemetry.logger.error("Workers die as soon as they start: launches pause")
        telemetry.count(MetricName.WORKER_LAUNCHES_PAUSED)
    return seen


def _fleet(settings: ScaleWorkersSettings, context: LambdaContext) -> Fleet:
    def now() -> datetime:
        return datetime.now(UTC)

    target = TickTarget(
        schedule_name=settings.tick_schedule_name,
        group_name=settings.tick_schedule_group_name,
        function_arn=context.invoked_function_arn,
        role_arn=settings.tick_role_arn,
    )
    return Fleet(
        config=settings.config,
        default_revision=family_and_revision(settings.task_definition_arn),
        queue=SqsWorkQueue(clients.sqs(), settings.queue_url),
        workers=EcsWorkerTasks(clients.ecs(), settings.placement, settings.task_definition_arn),
        current=S3CurrentRevision(clients.s3(), settings.state_bucket_name),
        states=S3FleetState(clients.s3(), settings.state_bucket_name),
        forecasts=S3Forecasts(clients.s3(), settings.state_bucket_name),
        tick=EventBridgeTick(clients.scheduler(), target, now),
        now=now,
        sleep=time.sleep,
    )
