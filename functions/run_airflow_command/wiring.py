"""Build the function's objects from its settings."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from run_airflow_command.aws.cloudwatch_command_logs import CloudWatchCommandLogs
from run_airflow_command.aws.ecs_services import EcsServices
from run_airflow_command.aws.ecs_task_runner import EcsTaskRunner
from run_airflow_command.aws.s3_command_store import S3CommandStore
from run_airflow_command.aws.s3_upgrade_notes import S3UpgradeNotes
from run_airflow_command.commands.best_effort_tick import BestEffortTick
from run_airflow_command.commands.lifecycle import Commands
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.ports import Outcome
from run_airflow_command.schema_change.service_counts import restore_services
from run_airflow_command.settings import RunAirflowCommandSettings
from shared.aws import clients
from shared.aws.eventbridge_tick import EventBridgeTick
from shared.aws.https_answer_channel import HttpsAnswerChannel
from shared.fargate import StoppedTask
from shared.observability import MetricName, Telemetry


def _now() -> datetime:
    return datetime.now(UTC)


def commands_from(
    settings: RunAirflowCommandSettings, context: LambdaContext, telemetry: Telemetry
) -> Commands:
    def report(record: CommandRecord, outcome: Outcome) -> None:
        report_end(record, outcome, telemetry)

    def give_counts_back(task: StoppedTask) -> None:
        services = EcsServices(clients.ecs(), settings.placement.cluster_arn)
        restored = restore_services(task, upgrade_notes(settings), services)
        if restored:
            telemetry.logger.info("Restored the counts of services", service_arns=restored)

    target = settings.tick.calling(context.invoked_function_arn)
    schedule = EventBridgeTick(clients.scheduler(), target, _now)
    return Commands(
        runner=EcsTaskRunner(
            clients.ecs(),
            settings.placement,
            settings.task_definition_arn,
            settings.rotation_task_role_arn,
        ),
        store=S3CommandStore(clients.s3(), settings.state_bucket_name),
        logs=CloudWatchCommandLogs(clients.logs(), settings.log_group_name, telemetry.logger),
        channel=HttpsAnswerChannel(),
        tick=BestEffortTick(schedule, _now, telemetry.logger),
        report=report,
        before_answer=give_counts_back,
    )


def upgrade_notes(settings: RunAirflowCommandSettings) -> S3UpgradeNotes:
    """The notes of the image's schema commands."""
    return S3UpgradeNotes(clients.s3(), settings.state_bucket_name)


def report_end(record: CommandRecord, outcome: Outcome, telemetry: Telemetry) -> None:
    """Log and count the end of a command; called once for each."""
    succeeded = outcome.exit_code == 0
    # Not the whole command: a word may be secret, although the documentation forbids it.
    words: dict[str, Any] = {
        "command": " ".join(record.command[:2]),
        "exit_code": outcome.exit_code,
    }
    telemetry.count(MetricName.COMMANDS_SUCCEEDED if succeeded else MetricName.COMMANDS_FAILED)
    if succeeded:
        telemetry.logger.info("The command succeeded", **words)
    else:
        telemetry.logger.error("The command failed", reason=outcome.reason, **words)
    if record.maintenance:
        report_maintenance(record.maintenance, succeeded, telemetry)


def report_maintenance(name: str, succeeded: bool, telemetry: Telemetry) -> None:
    """No one waits for maintenance, so its failures have a metric of their own for an alarm."""
    telemetry.count(
        MetricName.MAINTENANCE_SUCCEEDED if succeeded else MetricName.MAINTENANCE_FAILED
    )
    if not succeeded:
        telemetry.logger.error("Maintenance failed", maintenance=name)
