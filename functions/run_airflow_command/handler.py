"""Handle CloudFormation's requests, direct calls, the ends of tasks, and the sweep's tick."""

import os
from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from contracts.names import COMMAND
from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.commands.lifecycle import CommandBusyError
from run_airflow_command.commands.polling import CommandPolling
from run_airflow_command.commands.sweep import Finding, Sweep
from run_airflow_command.direct_call import DirectCall, direct_call, is_direct_call
from run_airflow_command.maintenance import command_of
from run_airflow_command.schema_change.planned_command import plan
from run_airflow_command.settings import RunAirflowCommandSettings
from run_airflow_command.stack_deletion import must_stop_commands, stop_all
from run_airflow_command.wiring import commands_from, report_maintenance, upgrade_notes
from shared.aws.https_answer_channel import HttpsAnswerChannel
from shared.cloudformation.custom_resource import (
    ANSWER_LATER,
    SUCCESS,
    Answer,
    AnswerLater,
    CustomResourceRequest,
    fulfil,
    is_custom_resource_event,
)
from shared.fargate import StoppedTask, is_stopped_task_event
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed
from shared.tick import TICK_EVENT

# How long a request of CloudFormation may wait for another command, within the function's timeout.
_LOCK_PATIENCE_SECONDS = 90
# The part of the function's time that is kept for the answer.
_RESERVE_SECONDS = 10


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any] | None:
    if is_custom_resource_event(event):
        _custom_resource(CustomResourceRequest.from_event(event), context, telemetry)
        return None
    if is_stopped_task_event(event):
        _stopped_task(
            StoppedTask.from_event(EventBridgeEvent(event).detail, COMMAND), context, telemetry
        )
        return None
    if event == TICK_EVENT:
        return _sweep(context, telemetry)
    if is_direct_call(event):
        return _direct(event, context, telemetry)
    raise UnknownEventError(event)


def _custom_resource(
    request: CustomResourceRequest, context: LambdaContext, telemetry: Telemetry
) -> None:
    def remaining_seconds() -> float:
        return context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS

    def work(request: CustomResourceRequest) -> Answer | AnswerLater:
        if must_stop_commands(request):
            settings = RunAirflowCommandSettings.from_environment(os.environ)
            commands = commands_from(settings, context, telemetry)
            stopped = stop_all(commands.runner, remaining_seconds, commands.sleep)
            telemetry.logger.info("Stopped the commands that were still running", count=stopped)
        # Nothing to undo: the results of a command are deleted with the database.
        if request.request_type == "Delete":
            return SUCCESS
        settings = RunAirflowCommandSettings.from_environment(os.environ)
        planned = plan(request, settings.task_definition_arn, upgrade_notes(settings))
        if planned is None:
            return SUCCESS
        started = commands_from(settings, context, telemetry).start(
            planned.command,
            request.request_id,
            planned.task_definition_arn,
            request,
            patience_seconds=_LOCK_PATIENCE_SECONDS,
        )
        telemetry.logger.info("Started the command", task_arn=started.task_arn)
        return ANSWER_LATER

    fulfil(request, work, HttpsAnswerChannel(), telemetry.logger)


def _direct(event: Event, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any]:
    try:
        return _run(direct_call(event), context, telemetry)
    except (InvalidCommandError, CommandBusyError) as error:
        if "maintenance" in event:
            # A schedule does not read answers: Lambda repeats the call twice and counts an error.
            raise
        # One readable sentence: an exception would be returned with its stack trace.
        telemetry.logger.warning("Refused the call", reason=str(error))
        return {"status": "REFUSED", "reason": str(error)}


def _run(call: DirectCall, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any]:
    settings = RunAirflowCommandSettings.from_environment(os.environ)
    commands = commands_from(settings, context, telemetry)
    left = context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
    wait_seconds = min(call.wait_seconds, left)
    if call.asks:
        return CommandPolling(commands).wait(call.request_id or "", wait_seconds)
    request_id = call.request_id or context.aws_request_id
    command, maintenance = call.command, None
    try:
        if call.maintenance is not None:
            days = call.retention_days or settings.database_retention_days
            command = command_of(call.maintenance, days, commands.now())
            maintenance = str(call.maintenance)
        started = commands.start(
            command,
            request_id,
            settings.task_definition_arn,
            size=call.size,
            maintenance=maintenance,
        )
    except Exception:
        if call.maintenance is not None:
            report_maintenance(str(call.maintenance), False, telemetry)
        raise
    telemetry.logger.info("Started the command", task_arn=started.task_arn)
    if wait_seconds > 0:
        return CommandPolling(commands).wait(request_id, wait_seconds)
    return {
        "requestId": started.request_id,
        "taskArn": started.task_arn,
        "logGroup": started.log_group,
        "logStream": started.log_stream,
    }


def _stopped_task(task: StoppedTask, context: LambdaContext, telemetry: Telemetry) -> None:
    settings = RunAirflowCommandSettings.from_environment(os.environ)
    completed = commands_from(settings, context, telemetry).complete(task)
    telemetry.logger.info(
        "A task has stopped",
        task_arn=task.arn,
        exit_code=task.exit_code,
        completion=completed.completion.name,
        cloudformation_request_id=task.started_by,
    )


def _sweep(context: LambdaContext, telemetry: Telemetry) -> dict[str, Any]:
    def failed(request_id: str, error: Exception) -> None:
        telemetry.logger.error(
            "Could not check an open command", command_id=request_id, error=str(error)
        )

    settings = RunAirflowCommandSettings.from_environment(os.environ)
    findings = Sweep(commands_from(settings, context, telemetry), failed).run()
    names = {request_id: finding.name for request_id, finding in findings.items()}
    telemetry.logger.info("Checked the open commands", findings=names)
    missed = sum(finding is Finding.END_WAS_MISSED for finding in findings.values())
    telemetry.count(MetricName.COMMAND_EVENTS_LOST, missed)
    return names
