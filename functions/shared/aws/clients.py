"""AWS clients, created at first use and kept for the life of the execution environment."""

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# The time-outs are short enough to retry and report a hanging call well within a function's own
# time-out. The pool is as large as the publisher's parallel downloads.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=16,
    retries={"mode": "standard", "total_max_attempts": 4},
)


@cache
def cloudformation() -> "CloudFormationClient":
    return boto3.client("cloudformation", config=_CONFIG)


@cache
def codebuild() -> Any:
    return boto3.client("codebuild", config=_CONFIG)


@cache
def ec2() -> Any:
    return boto3.client("ec2", config=_CONFIG)


@cache
def ecr() -> Any:
    # A build makes hundreds of calls in a row; ECR throttles some of them for longer.
    patient = Config(read_timeout=60, retries={"mode": "standard", "total_max_attempts": 10})
    return boto3.client("ecr", config=_CONFIG.merge(patient))


@cache
def ecs() -> "ECSClient":
    return boto3.client("ecs", config=_CONFIG)


@cache
def iam() -> "IAMClient":
    return boto3.client("iam", config=_CONFIG)


@cache
def lambda_() -> Any:
    return boto3.client("lambda", config=_CONFIG)


@cache
def logs() -> "CloudWatchLogsClient":
    return boto3.client("logs", config=_CONFIG)


@cache
def s3() -> "S3Client":
    return boto3.client("s3", config=_CONFIG)


@cache
def scheduler() -> "EventBridgeSchedulerClient":
    return boto3.client("scheduler", config=_CONFIG)


@cache
def sns() -> "SNSClient":
    return boto3.client("sns", config=_CONFIG)


@cache
def sqs() -> "SQSClient":
    return boto3.client("sqs", config=_CONFIG)
