"""run_airflow_command as it is deployed, on the embedded AWS, with a shell instead of Airflow.

The stand-in image runs its last argument as a script: `["version", "exit 3"]` is a command that
fails. Everything else is real: function, custom resource, rule, schedule, bucket, log group.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.embedded_aws.conftest import EmbeddedAws, eventually, running_embedded_aws
from tests.integration.embedded_aws.stack_driver import (
    BUCKET,
    EXECUTION_ROLE,
    StackDriver,
    built_function,
)
from tests.integration.run_airflow_command.limits import SERVICE_TIMEOUT_SECONDS

REPOSITORY = Path(__file__).parents[3]
IMAGE = "local/airflow-stand-in:1"
ENTRYPOINT = ["/bin/sh", "-c", 'for last; do :; done; eval "$last"', "airflow"]
ACCOUNT = "arn:aws:{service}:us-east-1:000000000000:"
# Nothing listens on this port.
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Harness:
    """The deployed function, and variants with a missing setting or an unreachable service."""

    stacks: StackDriver
    outputs: dict[str, str]
    s3: Any
    # Where the function's bundle is.
    code: dict[str, str]

    def client(self, service: str) -> Any:
        return self.stacks.aws.client(service)

    def invoke(self, event: dict[str, Any], function: str = "Function") -> Any:
        """What the function returns. An error that it raises is a dictionary too."""
        answer = self.client("lambda").invoke(
            FunctionName=self.outputs[function], Payload=json.dumps(event)
        )
        return json.loads(answer["Payload"].read())

    def custom_resource(self, name: str, properties: Mapping[str, Any]) -> str:
        """Start a stack of one Custom::AirflowCommand; returns the stack's id."""
        given = dict(properties)
        token = self.outputs[given.pop("Function", "Function")]
        resource = {
            "Type": "Custom::AirflowCommand",
            "Properties": {
                "ServiceToken": token,
                "ServiceTimeout": SERVICE_TIMEOUT_SECONDS,
                "TaskDefinitionArn": self.outputs["Good"],
                **given,
            },
        }
        request = self.stacks.request({"Resources": {"Command": resource}}, {})
        answer = self.client("cloudformation").create_stack(StackName=name, **request)
        return str(answer["StackId"])

    def records(self) -> list[dict[str, Any]]:
        """The stored requests."""
        listed = self.s3.list_objects_v2(Bucket=self.outputs["State"], Prefix="commands/")
        keys = [entry["Key"] for entry in listed.get("Contents", [])]
        return [
            json.loads(self.s3.get_object(Bucket=self.outputs["State"], Key=key)["Body"].read())
            for key in keys
            if key.endswith(".json")
        ]

    def record_of(self, stack_id: str) -> dict[str, Any] | None:
        """The stored request of a stack."""
        mine = (r for r in self.records() if (r["request"] or {}).get("StackId") == stack_id)
        return next(mine, None)

    def record(self, stack_id: str) -> dict[str, Any]:
        """The stored request of a stack, once its task is known."""

        def found() -> Any:
            record = self.record_of(stack_id)
            return record if record and record["task_arn"] else None

        record: dict[str, Any] = eventually(found)
        return record

    def tasks(self, request_id: str) -> list[dict[str, Any]]:
        """The tasks that were started for a request."""
        ecs = self.client("ecs")
        cluster = self.outputs["Cluster"]
        arns = [
            arn
            for status in ("RUNNING", "STOPPED")
            for arn in ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
        ]
        found = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return [task for task in found if task.get("startedBy") == request_id]

    def keys(self, prefix: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.outputs["State"], Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    images = {IMAGE: {"entrypoint": ENTRYPOINT}}
    state_dir = tmp_path_factory.mktemp("run-airflow-command")
    with running_embedded_aws(state_dir, images=images) as running:
        yield running


@pytest.fixture(scope="session")
def harness(aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    stacks = StackDriver(aws)
    bundle = stacks.upload(
        built_function("RunAirflowCommandFunction", tmp_path_factory.mktemp("bundle"))
    )
    code = {"S3Bucket": BUCKET, "S3Key": bundle.rsplit("/", 1)[-1]}
    stack = stacks.create(_template(code))
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return Harness(stacks, dict(stack.outputs), aws.client("s3"), code)


def _template(code: dict[str, str]) -> dict[str, Any]:
    name = f"faults-{uuid.uuid4().hex[:6]}"
    environment = {
        "ROTATION_TASK_ROLE_ARN": {"Fn::GetAtt": ["Role", "Arn"]},
        "STACK_NAME": name,
        "POWERTOOLS_SERVICE_NAME": "run-airflow-command",
        "POWERTOOLS_METRICS_NAMESPACE": "AirflowOnFargate",
        "CLUSTER_ARN": {"Fn::GetAtt": ["Cluster", "Arn"]},
        "COMMAND_TASK_DEFINITION_ARN": {"Ref": "Good"},
        "COMMAND_LOG_GROUP_NAME": {"Ref": "CommandLogGroup"},
        "SUBNET_IDS": "subnet-1",
        "SECURITY_GROUP_IDS": "sg-1",
        "ASSIGN_PUBLIC_IP": "DISABLED",
        "STATE_BUCKET_NAME": {"Ref": "State"},
        "TICK_SCHEDULE_NAME": "tick",
        "TICK_SCHEDULE_GROUP_NAME": {"Ref": "ScheduleGroup"},
        "TICK_ROLE_ARN": {"Fn::GetAtt": ["Role", "Arn"]},
        "DATABASE_RETENTION_DAYS": "30",
    }
    variants: dict[str, dict[str, Any]] = {
        "Function": {},
        "WithoutSetting": {"SUBNET_IDS": ""},
        "WithoutBucket": {"STATE_BUCKET_NAME": "there-is-no-such-bucket"},
        "WithoutS3": {"AWS_ENDPOINT_URL_S3": NOWHERE},
        "WithoutEcs": {"AWS_ENDPOINT_URL_ECS": NOWHERE},
        "WithoutCluster": {"CLUSTER_ARN": "arn:aws:ecs:us-east-1:000000000000:cluster/none"},
        "WithoutScheduler": {"AWS_ENDPOINT_URL_SCHEDULER": NOWHERE},
    }
    functions = {
        variant: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "run_airflow_command.handler.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": code,
                "Timeout": 240,
                "LoggingConfig": {"LogGroup": {"Ref": "FunctionLogGroup"}},
                "Environment": {"Variables": environment | changes},
            },
        }
        for variant, changes in variants.items()
    }
    missing_secret = ACCOUNT.format(service="secretsmanager") + "secret:airflow/fernet-key-AbCdEf"
    definitions = {
        "Good": _definition(f"{name}-command"),
        # The rule does not select this family: the event of its end is lost.
        "Silent": _definition(f"{name}-silent"),
        "BadImage": _definition(f"{name}-command", Image="local/no-such-image:1"),
        "BadSecret": _definition(
            f"{name}-command", Secrets=[{"Name": "KEY", "ValueFrom": missing_secret}]
        ),
    }
    rule = {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventPattern": {
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                "detail": {
                    "lastStatus": ["STOPPED"],
                    "taskDefinitionArn": [
                        {
                            "prefix": ACCOUNT.format(service="ecs")
                            + f"task-definition/{name}-command:"
                        }
                    ],
                },
            },
            "Targets": [{"Id": "function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
        },
    }
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": {"Ref": "Function"},
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
        },
    }
    resources: dict[str, Any] = {
        "Role": EXECUTION_ROLE,
        "State": {"Type": "AWS::S3::Bucket"},
        "Cluster": {"Type": "AWS::ECS::Cluster"},
        "CommandLogGroup": {"Type": "AWS::Logs::LogGroup"},
        "FunctionLogGroup": {"Type": "AWS::Logs::LogGroup"},
        "ScheduleGroup": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {}},
        "Rule": rule,
        "Permission": permission,
        **functions,
        **definitions,
    }
    arns = {variant: {"Value": {"Fn::GetAtt": [variant, "Arn"]}} for variant in variants}
    names = ("State", "Cluster", "CommandLogGroup", "FunctionLogGroup", "ScheduleGroup")
    refs = {each: {"Value": {"Ref": each}} for each in (*names, *definitions)}
    return {"Resources": resources, "Outputs": arns | refs}


def _definition(family: str, **container: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Family": family,
            "RequiresCompatibilities": ["FARGATE"],
            "NetworkMode": "awsvpc",
            "Cpu": "256",
            "Memory": "512",
            "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            "ContainerDefinitions": [
                {
                    "Name": "command",
                    "Image": IMAGE,
                    "Essential": True,
                    "StopTimeout": 5,
                    "LogConfiguration": {
                        "LogDriver": "awslogs",
                        "Options": {
                            "awslogs-group": {"Ref": "CommandLogGroup"},
                            "awslogs-region": "us-east-1",
                            "awslogs-stream-prefix": "command",
                        },
                    },
                    **container,
                }
            ],
        },
    }
