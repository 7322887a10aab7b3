"""ECS. Its model has words and no lengths; the API reference states the rest."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from embedded_aws.limits.resources import Resource
from embedded_aws.limits.rules import Number, Rule, Text, Unlimited
from embedded_aws.limits.tables.network import ARN, EC2_ID

NAME: Final = Text("ECS: names", r"[A-Za-z0-9_-]+", most=255)
NAME_OR_ARN: Final = Text("ECS: a name or an ARN", r"[A-Za-z0-9_:/-]+", most=2048)
IMAGE: Final = Text("ECS: ContainerDefinition.image", r"[A-Za-z0-9_./:#@-]+", most=255)
_ANY: Final = Unlimited("ECS: ContainerDefinition; the whole definition is limited to 64 KiB")
_MOST_BYTES: Final = 64 * 1024
# What ECS and Fargate set themselves.
_VARIABLE: Final = Text("ECS: KeyValuePair", r"(?!AWS_EXECUTION_ENV$|ECS_)[^=\0]+")


def _definition(properties: Mapping[str, Any]) -> Iterator[str]:
    size = len(json.dumps(properties, default=str).encode())
    if size > _MOST_BYTES:
        yield f"has {size} bytes, allowed are {_MOST_BYTES} (ECS: size of a task definition)"
    containers = properties.get("ContainerDefinitions") or []
    names = [container.get("Name") for container in containers]
    if len(names) > 10:
        yield f"has {len(names)} containers, allowed are 10 (ECS quotas)"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"has two containers with the name {name}"
    for container in containers:
        plain = [entry["Name"] for entry in container.get("Environment") or []]
        secret = [entry["Name"] for entry in container.get("Secrets") or []]
        twice = sorted({one for one in secret if (plain + secret).count(one) > 1})
        for variable in twice:
            yield (
                f"gives the container {container['Name']} the secret {variable} twice: the secret "
                "name must be unique and not shared with any environment variable (ECS: "
                "RegisterTaskDefinition)"
            )


def _deployment(properties: Mapping[str, Any]) -> Iterator[str]:
    configuration = properties.get("DeploymentConfiguration") or {}
    most = int(configuration.get("MaximumPercent", 200))
    if most <= 100 and int(configuration.get("MinimumHealthyPercent", 100)) >= 100:
        yield "DeploymentConfiguration leaves no room: MaximumPercent must be above 100 (ECS)"


_CONTAINER: Final[Mapping[str, Rule]] = {
    "Name": NAME,
    "Image": IMAGE,
    "Command[]": _ANY,
    "EntryPoint[]": _ANY,
    "WorkingDirectory": _ANY,
    "User": Text("ECS: ContainerDefinition.user", r"[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?"),
    # On Fargate.
    "StopTimeout": Number("ECS: ContainerDefinition.stopTimeout", 2, 120),
    "MemoryReservation": Number("ECS: ContainerDefinition", 6),
    "Memory": Number("ECS: ContainerDefinition", 6),
    "PortMappings[].ContainerPort": Number("ECS: PortMapping", 1, 65535),
    "PortMappings[].Name": Text("ECS: PortMapping", r"[a-z0-9_][a-z0-9_-]*", most=64),
    "LogConfiguration.Options.awslogs-group": Text(
        "CloudWatch Logs: LogGroupName", r"[.\-_/#A-Za-z0-9]+", most=512
    ),
    "LogConfiguration.Options.awslogs-region": Text("AWS: regions", r"[a-z]{2}(-[a-z]+)+-\d"),
    "LogConfiguration.Options.awslogs-stream-prefix": Text(
        "CloudWatch Logs: a part of LogStreamName",
        r"[^:*]+",
        most=200,
    ),
    "LogConfiguration.Options.mode": Text("ECS: LogConfiguration", "blocking|non-blocking"),
    "LogConfiguration.Options.max-buffer-size": Text("ECS: LogConfiguration", r"\d+[bkmg]?"),
    "HealthCheck.Command[]": _ANY,
    "HealthCheck.Interval": Number("ECS: HealthCheck", 5, 300),
    "HealthCheck.Timeout": Number("ECS: HealthCheck", 2, 60),
    "HealthCheck.Retries": Number("ECS: HealthCheck", 1, 10),
    "HealthCheck.StartPeriod": Number("ECS: HealthCheck", 0, 300),
    "Environment[].Name": _VARIABLE,
    "Environment[].Value": _ANY,
    "Secrets[].Name": _VARIABLE,
    "Secrets[].ValueFrom": Text("ECS: Secret.valueFrom", r"arn:.+|[A-Za-z0-9_./-]+"),
    "DependsOn[].ContainerName": NAME,
    # Fargate drops every capability, and adds SYS_PTRACE only.
    "LinuxParameters.Capabilities.Drop[]": Text("ECS: KernelCapabilities", r"ALL|[A-Z]+(_[A-Z]+)*"),
    "MountPoints[].SourceVolume": NAME,
    "MountPoints[].ContainerPath": Text("ECS: MountPoint", r"/.*"),
}

LIMITS: Final = {
    "AWS::ECR::Repository": Resource(
        "ecr:CreateRepository",
        members={
            "LifecyclePolicy.LifecyclePolicyText": "ecr:PutLifecyclePolicy:lifecyclePolicyText",
        },
        rules={"EncryptionConfiguration.KmsKey": Unlimited("KMS resolves it")},
    ),
    "AWS::ECS::Cluster": Resource(
        "ecs:CreateCluster",
        members={
            f"ClusterSettings[].{name}": f"ecs:CreateCluster:settings[].{name.lower()}"
            for name in ("Name", "Value")
        },
        rules={
            "ClusterName": NAME,
            "CapacityProviders[]": Text(
                "ECS: CapacityProvider",
                r"FARGATE(_SPOT)?|(?!aws|ecs|fargate)[A-Za-z0-9_-]+",
                most=255,
            ),
            "ClusterSettings[].Value": Text("ECS: ClusterSetting", "enabled|disabled|enhanced"),
        },
    ),
    "AWS::ECS::Service": Resource(
        "ecs:CreateService",
        rules={
            "ServiceName": NAME,
            "Cluster": NAME_OR_ARN,
            "TaskDefinition": NAME_OR_ARN,
            "DesiredCount": Number("ECS: CreateService; quota of tasks of a service", 0, 5000),
            "DeploymentConfiguration.MinimumHealthyPercent": Number("ECS: CreateService", 0, 100),
            "DeploymentConfiguration.MaximumPercent": Number("ECS: CreateService", 0, 200),
            "HealthCheckGracePeriodSeconds": Number("ECS: CreateService", 0, 2147483647),
            "LoadBalancers[].ContainerName": NAME,
            "LoadBalancers[].TargetGroupArn": ARN,
            "LoadBalancers[].ContainerPort": Number("ECS: LoadBalancer", 1, 65535),
            "ServiceRegistries[].RegistryArn": ARN,
            "NetworkConfiguration.AwsvpcConfiguration.Subnets[]": EC2_ID,
            "NetworkConfiguration.AwsvpcConfiguration.SecurityGroups[]": EC2_ID,
            "CapacityProviderStrategy[].CapacityProvider": NAME,
            "CapacityProviderStrategy[].Weight": Number(
                "ECS: CapacityProviderStrategyItem", 0, 1000
            ),
            "CapacityProviderStrategy[].Base": Number(
                "ECS: CapacityProviderStrategyItem", 0, 100000
            ),
        },
        checks=(_deployment,),
    ),
    "AWS::ECS::TaskDefinition": Resource(
        "ecs:RegisterTaskDefinition",
        rules={
            "Family": NAME,
            "Cpu": Number("ECS on Fargate", allowed=(256, 512, 1024, 2048, 4096, 8192, 16384)),
            "Memory": Number("ECS on Fargate", 512, 122880),
            "ExecutionRoleArn": ARN,
            "TaskRoleArn": ARN,
            "Volumes[].Name": NAME,
            **{f"ContainerDefinitions[].{name}": rule for name, rule in _CONTAINER.items()},
        },
        checks=(_definition,),
    ),
}
