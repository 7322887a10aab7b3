"""Three kinds of call: CloudFormation's request, a person's command, the end of a task."""

import os
from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from run_airflow_command import upgrade
from run_airflow_command.cloudwatch_command_logs import CloudWatchCommandLogs
from run_airflow_command.commands import Commands, Completion
from run_airflow_command.ecs_services import EcsServices
from run_airflow_command.ecs_task_runner import EcsTaskRunner
from run_airflow_command.s3_command_store import S3CommandStore
from run_airflow_command.s3_upgrade_notes import S3UpgradeNotes
from run_airflow_command.settings import RunAirflowCommandSettings
from shared import clients
from shared.custom_resource import (
    ANSWER_LATER,
    SUCCESS,
    Answer,
    AnswerLater,
    CustomResourceRequest,
    fulfil,
    is_custom_resource_event,
)
from shared.fargate import StoppedTask, is_stopped_task_event
from shared.https_answer_channel import HttpsAnswerChannel
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any] | None:
    if is_custom_resource_event(event):
        _custom_resource(CustomResourceRequest.from_event(event), telemetry)
        return None
    if is_stopped_task_event(event):
        _stopped_task(StoppedTask.from_event(EventBridgeEvent(event).detail), telemetry)
        return None
    if "command" in event:
        return _direct(event["command"], context.aws_request_id, telemetry)
    raise UnknownEventError(event)


def _custom_resource(request: CustomResourceRequest, telemetry: Telemetry) -> None:
    def work(request: CustomResourceRequest) -> Answer | AnswerLater:
        # What a migration or a user was made for is gone with the database.
        if request.request_type == "Delete":
            return SUCCESS
        settings = RunAirflowCommandSettings.from_environment(os.environ)
        planned = upgrade.plan(request, settings.task_definition_arn, _upgrade_notes(settings))
        if planned is None:
            return SUCCESS
        started = _commands(settings, telemetry).start(
            planned.command, request.request_id, planned.task_definition_arn, request
        )
        telemetry.logger.info("Started the command", task_arn=started.task_arn)
        return ANSWER_LATER

    fulfil(request, work, HttpsAnswerChannel(), telemetry.logger)


def _direct(command: object, request_id: str, telemetry: Telemetry) -> dict[str, Any]:
    settings = RunAirflowCommandSettings.from_environment(os.environ)
    started = _commands(settings, telemetry).start(
        command, request_id, settings.task_definition_arn
    )
    telemetry.logger.info("Started the command", task_arn=started.task_arn)
    return {
        "requestId": started.request_id,
        "taskArn": started.task_arn,
        "logGroup": started.log_group,
        "logStream": started.log_stream,
    }


def _stopped_task(task: StoppedTask, telemetry: Telemetry) -> None:
    settings = RunAirflowCommandSettings.from_environment(os.environ)
    completed = _commands(settings, telemetry).complete(task)
    telemetry.logger.info(
        "A task has stopped",
        task_arn=task.arn,
        exit_code=task.exit_code,
        completion=completed.completion.name,
        cloudformation_request_id=task.started_by,
    )
    if completed.completion is Completion.COMPLETED:
        telemetry.count(
            MetricName.COMMANDS_SUCCEEDED if task.succeeded else MetricName.COMMANDS_FAILED
        )


def _upgrade_notes(settings: RunAirflowCommandSettings) -> S3UpgradeNotes:
    return S3UpgradeNotes(clients.s3(), settings.state_bucket_name)


def _commands(settings: RunAirflowCommandSettings, telemetry: Telemetry) -> Commands:
    def restore_services(task: StoppedTask) -> None:
        services = EcsServices(clients.ecs(), settings.placement.cluster_arn)
        restored = upgrade.restore_services(task, _upgrade_notes(settings), services)
        if restored:
            telemetry.logger.info("Services have their counts again", service_arns=restored)

    return Commands(
        runner=EcsTaskRunner(clients.ecs(), settings.placement),
        store=S3CommandStore(clients.s3(), settings.state_bucket_name),
        logs=CloudWatchCommandLogs(clients.logs(), settings.log_group_name, telemetry.logger),
        channel=HttpsAnswerChannel(),
        before_answer=restore_services,
    )
