"""Lambda, and what calls its functions: EventBridge, Scheduler, custom resources."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from embedded_aws.limits.resources import Resource, UnknownValue
from embedded_aws.limits.rules import Number, Text, Unlimited
from embedded_aws.limits.tables.network import ARN

# The model also matches ARNs, and so allows 140 characters.
FUNCTION_NAME: Final = Text("Lambda: CreateFunction", r"[a-zA-Z0-9_-]+", most=64)
_MOST_ENVIRONMENT_BYTES: Final = 4 * 1024
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html: set by the runtime, and
# refused in a function's configuration.
RESERVED_VARIABLES: Final = frozenset(
    {
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
    }
)  # fmt: skip
_RATE: Final = r"rate\((1 (minute|hour|day)|(?!1 )[1-9]\d* (minutes|hours|days))\)"
_CRON: Final = r"cron\(\S+ \S+ \S+ \S+ \S+ \S+\)"
_AT: Final = r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
# One unit is singular, several are plural; cron has six fields, one of the two days is a question
# mark.
RULE_SCHEDULE: Final = Text("EventBridge: schedule expressions", f"{_RATE}|{_CRON}", most=256)
SCHEDULE: Final = Text("Scheduler: schedule types", f"{_RATE}|{_CRON}|{_AT}", most=256)
_CUSTOM_TIMEOUT: Final = Number("CloudFormation: ServiceTimeout", 1, 3600)


def _environment(properties: Mapping[str, Any]) -> Iterator[str]:
    variables = (properties.get("Environment") or {}).get("Variables") or {}
    size = len(json.dumps(variables, separators=(",", ":")).encode())
    if size > _MOST_ENVIRONMENT_BYTES:
        yield f"Environment has {size} bytes, allowed are {_MOST_ENVIRONMENT_BYTES} (Lambda quotas)"
    for name in sorted(RESERVED_VARIABLES & variables.keys()):
        yield f"Environment sets {name}, which is reserved (Lambda: environment variables)"


def _mapping(properties: Mapping[str, Any]) -> Iterator[str]:
    source = properties.get("EventSourceArn", "")
    # A source that is created with it is taken for a queue.
    if not isinstance(source, UnknownValue) and ":sqs:" not in str(source):
        if properties.get("ScalingConfig"):
            yield "ScalingConfig is only supported for Amazon SQS event sources."
        return
    batch = int(properties.get("BatchSize", 10))
    window = int(properties.get("MaximumBatchingWindowInSeconds", 0))
    if batch > 10 and window < 1:
        yield (
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )
    if str(source).endswith(".fifo") and (batch > 10 or window):
        yield "A FIFO queue has batches of at most 10 and no batch window (Lambda)"
    for name in ("StartingPosition", "ParallelizationFactor", "BisectBatchOnFunctionError"):
        if name in properties:
            yield f"Unsupported {name} parameter for given event source mapping type: SQS."


def _pattern(properties: Mapping[str, Any]) -> Iterator[str]:
    pattern = properties.get("EventPattern")
    if pattern is not None:
        size = len(json.dumps(pattern, separators=(",", ":")).encode())
        if size > 4096:
            yield f"EventPattern has {size} characters, allowed are 4096 (EventBridge: PutRule)"
        yield from _leaves_are_lists(pattern, "EventPattern")
    if len(properties.get("Targets") or []) > 5:
        yield "Targets are more than 5 (EventBridge quotas)"
    if pattern is None and "ScheduleExpression" not in properties:
        yield "has neither EventPattern nor ScheduleExpression (EventBridge: PutRule)"


def _leaves_are_lists(pattern: Any, path: str) -> Iterator[str]:
    for key, value in pattern.items():
        if isinstance(value, Mapping):
            yield from _leaves_are_lists(value, f"{path}.{key}")
        elif not isinstance(value, list) or not value:
            yield f"{path}.{key} is not a list of values (EventBridge: InvalidEventPattern)"


def _days_of_cron(properties: Mapping[str, Any]) -> Iterator[str]:
    expression = str(properties.get("ScheduleExpression", ""))
    fields = expression[5:-1].split() if re.fullmatch(_CRON, expression) else []
    if fields and "?" not in (fields[2], fields[4]):
        yield f"ScheduleExpression {expression} has no question mark for one of the days"


LIMITS: Final = {
    "AWS::Lambda::Function": Resource(
        "lambda:CreateFunction",
        rules={
            "FunctionName": FUNCTION_NAME,
            "MemorySize": Number("Lambda quotas", 128, 10240),
            "Timeout": Number("Lambda quotas", 1, 900),
            "ReservedConcurrentExecutions": Number("Lambda: PutFunctionConcurrency", 0),
            # `Code: ../functions/` is what SAM replaces.
            "Code": Unlimited("written by SAM"),
            "KmsKeyArn": ARN,
            "Environment.Variables.*": Unlimited("Lambda: all variables have 4 KB"),
        },
        checks=(_environment,),
    ),
    "AWS::Lambda::LayerVersion": Resource(
        "lambda:PublishLayerVersion",
        rules={
            # The model also matches ARNs, and so allows 140 characters.
            "LayerName": FUNCTION_NAME,
            # `Content: ../functions/` is what SAM replaces.
            "Content": Unlimited("written by SAM"),
        },
    ),
    "AWS::Lambda::Permission": Resource("lambda:AddPermission"),
    "AWS::Lambda::EventSourceMapping": Resource(
        "lambda:CreateEventSourceMapping", checks=(_mapping,)
    ),
    "AWS::Events::Rule": Resource(
        "events:PutRule",
        members={"Targets[]": "events:PutTargets:Targets[]"},
        rules={
            "ScheduleExpression": RULE_SCHEDULE,
            "EventPattern": Unlimited("looked at by the check of the pattern"),
        },
        checks=(_pattern, _days_of_cron),
    ),
    "AWS::Scheduler::Schedule": Resource(
        "scheduler:CreateSchedule",
        rules={
            "ScheduleExpression": SCHEDULE,
            "ScheduleExpressionTimezone": Text("Scheduler: IANA", r"[A-Za-z0-9_+/-]+", most=50),
            "StartDate": Text("Scheduler: CreateSchedule", r"\d{4}-\d\d-\d\dT.*"),
            "EndDate": Text("Scheduler: CreateSchedule", r"\d{4}-\d\d-\d\dT.*"),
            "Target.Arn": ARN,
            "Target.Input": Text("Scheduler: Target; JSON for a function", most=256 * 1024),
        },
        checks=(_days_of_cron,),
    ),
    "AWS::Scheduler::ScheduleGroup": Resource("scheduler:CreateScheduleGroup"),
}

CUSTOM: Final = Resource(
    rules={
        "ServiceToken": ARN,
        "ServiceTimeout": _CUSTOM_TIMEOUT,
        **{
            name: Unlimited("the function checks it")
            for name in (
                "StackName", "EnvironmentClass", "IngressMode", "Vpc", "PublicSubnetIds",
                "PrivateSubnetIds", "NetworkMode", "ImageUri", "AirflowConfiguration",
                "DagReleases", "SchedulerTasks", "Database", "Options", "WorkerSize",
                "WorkerMaxCount", "WorkerAheadMaxCount", "WorkerQueueNames", "WorkerFleets",
                "Command[]", "CommandOnRollback[]", "TaskDefinitionArn", "MaxCount", "QueueNames",
                "Fleets", "Source", "Repository", "Architecture", "RefusedFindings",
                "CodeBuildProject",
            )
        },
    }
)  # fmt: skip
