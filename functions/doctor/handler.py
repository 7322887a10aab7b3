"""One call looks at the deployment from inside and answers with a table.

{}                  what a dozen seconds of reading show
{"schema": true}    also asks the database itself, by a command that runs as a task: minutes

It changes nothing. `exitCode` is 0 where everything is well, 1 for warnings, 2 for failures.
"""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from doctor.aws.account_limits import AccountQuotas, Ec2Networks
from doctor.aws.alarms import CloudWatchAlarms
from doctor.aws.command_schema import CommandSchema
from doctor.aws.ecs_containers import EcsContainers
from doctor.aws.expiry import AcmCertificates, EcrImages, SecretsManagerSecrets
from doctor.aws.iam_permissions import IamPermissions
from doctor.aws.rds_databases import RdsDatabases
from doctor.aws.root_stack import RootStack
from doctor.aws.s3_clock import AnswerClock
from doctor.aws.s3_objects import S3QueueCounts, S3Releases, S3State
from doctor.aws.sqs_queues import SqsQueues
from doctor.checks.roles import Names
from doctor.examination import Examination, Facts, Sources
from doctor.model import Finding, table, worst
from doctor.settings import DoctorSettings
from shared.aws import clients
from shared.observability import Event, Telemetry, UnknownEventError, observed

_SCHEMA = "schema"
# A repeated call within this time gets the answer of the same command.
_SAME_COMMAND_SECONDS = 600


def now() -> datetime:
    return datetime.now(UTC)


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any]:
    if set(event) - {_SCHEMA} or not isinstance(event.get(_SCHEMA, False), bool):
        raise UnknownEventError(event)
    settings = DoctorSettings.from_environment(os.environ)
    findings = Examination(
        sources=_sources(settings, event.get(_SCHEMA, False)),
        facts=Facts(
            names=Names(
                settings.stack_name,
                settings.cluster_arn,
                settings.dag_bucket_name,
                has_sqs=bool(settings.queue_url),
            ),
            queues=settings.queues,
            worker_vcpu=settings.worker_size.cpu / 1024,
            worker_max_count=settings.worker_max_count,
        ),
        now=now,
        left=lambda: context.get_remaining_time_in_millis() / 1000,
    ).run()
    level = worst(findings)
    telemetry.logger.info("Looked at the deployment", level=level.name, checks=len(findings))
    return {
        "status": level.name,
        "exitCode": int(level),
        "findings": [_document(finding) for finding in findings],
        "table": table(findings),
    }


def _document(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "level": finding.level.name,
        "what": finding.what,
        "next": finding.next_step,
    }


def _sources(settings: DoctorSettings, with_schema: bool) -> Sources:
    s3, stack = clients.s3(), settings.stack_name
    command = f"{stack}-run-airflow-command"
    request_id = f"doctor-{int(now().timestamp() // _SAME_COMMAND_SECONDS)}"
    return Sources(
        containers=EcsContainers(clients.ecs(), settings.cluster_arn),
        permissions=IamPermissions(clients.iam()),
        databases=RdsDatabases(clients.rds(), settings.database_instance_id),
        queues=SqsQueues(clients.sqs(), settings.queue_url, stack)
        if settings.queue_url
        else S3QueueCounts(s3, settings.state_bucket_name, now),
        state=S3State(s3, settings.state_bucket_name),
        releases=S3Releases(s3, settings.dag_bucket_name),
        quotas=AccountQuotas(clients.service_quotas(), clients.lambda_()),
        networks=Ec2Networks(clients.ec2(), settings.subnet_ids),
        images=EcrImages(clients.ecr()),
        secrets=SecretsManagerSecrets(clients.secretsmanager(), settings.secret_arns),
        alarms=CloudWatchAlarms(clients.cloudwatch(), stack, settings.notification_topic_arn),
        clock=AnswerClock(s3, settings.state_bucket_name),
        stacks=RootStack(clients.cloudformation(), stack),
        certificates=(
            AcmCertificates(clients.acm(settings.certificate_region), settings.certificate_arn)
            if settings.certificate_arn
            else None
        ),
        schema=CommandSchema(clients.lambda_(), command, request_id) if with_schema else None,
    )
