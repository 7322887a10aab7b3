"""AWS::ECS::TaskDefinition and AWS::ECS::Service through CloudFormation."""

import threading
import time
from typing import Any

from waiting import slowness

from ..conftest import EmbeddedAws
from ..ecs_tasks import Ecs
from ..stack_driver import StackDriver

BREAKER = {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}


def task_definition(script: str, **container: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "Cpu": "256",
            "Memory": "512",
            "ContainerDefinitions": [
                {
                    "Name": "main",
                    "Image": "local/sh:1",
                    "Command": [script],
                    **container,
                }
            ],
        },
    }


def service(ecs: Ecs, count: int = 1, **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ECS::Service",
        "Properties": {
            "Cluster": ecs.name,
            "LaunchType": "FARGATE",
            "DesiredCount": count,
            "TaskDefinition": {"Ref": "Definition"},
            "DeploymentConfiguration": BREAKER,
            "NetworkConfiguration": {
                "AwsvpcConfiguration": {"Subnets": ["subnet-1"], "AssignPublicIp": "DISABLED"}
            },
            **properties,
        },
    }


def template(definition: dict[str, Any], *services: dict[str, Any]) -> dict[str, Any]:
    resources = {"Definition": definition}
    if services:
        resources["Service"] = services[0]
    return {
        "Resources": resources,
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Definition", "TaskDefinitionArn"]}}},
    }


def test_task_definition_of_a_template_keeps_all_properties(ecs: Ecs, stacks: StackDriver) -> None:
    resource = task_definition(
        "true",
        Secrets=[{"Name": "S", "ValueFrom": "arn:aws:secretsmanager:us-east-1:1:secret:s:k::"}],
        HealthCheck={"Command": ["CMD-SHELL", "true"], "StartPeriod": "30"},
        LogConfiguration={"LogDriver": "awslogs", "Options": {"awslogs-group": "G"}},
        StopTimeout="120",
        DockerLabels={"Some.Label": "Value"},
        MountPoints=[{"SourceVolume": "v", "ContainerPath": "/v", "ReadOnly": "true"}],
    )
    resource["Properties"]["ExecutionRoleArn"] = ecs.execution_role
    resource["Properties"]["Volumes"] = [{"Name": "v"}]
    resource["Properties"]["RuntimePlatform"] = {"CpuArchitecture": "ARM64"}
    resource["Properties"]["EphemeralStorage"] = {"SizeInGiB": 30}
    stack = stacks.create(template(resource))

    assert stack.status == "CREATE_COMPLETE"
    found = ecs.api.describe_task_definition(taskDefinition=stack.outputs["Arn"])
    definition = found["taskDefinition"]
    assert definition["volumes"] == [{"name": "v"}]
    assert definition["runtimePlatform"] == {"cpuArchitecture": "ARM64"}
    assert definition["ephemeralStorage"] == {"sizeInGiB": 30}
    container = definition["containerDefinitions"][0]
    assert container["secrets"][0]["name"] == "S"
    assert container["healthCheck"] == {"command": ["CMD-SHELL", "true"], "startPeriod": 30}
    assert container["logConfiguration"]["options"] == {"awslogs-group": "G"}
    assert container["stopTimeout"] == 120
    assert container["dockerLabels"] == {"Some.Label": "Value"}
    assert container["mountPoints"][0]["readOnly"] is True


def test_stack_is_complete_only_when_the_tasks_of_its_service_are_healthy(
    ecs: Ecs, stacks: StackDriver, embedded_aws: EmbeddedAws
) -> None:
    definition = task_definition(
        "sleep 4; touch up; exec sleep 900",
        HealthCheck={"Command": ["CMD-SHELL", "test -e up"], "Interval": 300},
    )
    answered: list[float] = []
    done = threading.Event()

    def ask_meanwhile() -> None:
        while not done.is_set():
            began = time.monotonic()
            embedded_aws.client("sts").get_caller_identity()
            answered.append(time.monotonic() - began)
            time.sleep(0.2)

    other = threading.Thread(target=ask_meanwhile)
    other.start()
    try:
        stack = stacks.create(template(definition, service(ecs, count=2)))
    finally:
        done.set()
        other.join()

    assert stack.status == "CREATE_COMPLETE"
    name = f"{stack.name}-Service"
    assert ecs.running(name, 2)
    assert {task["healthStatus"] for task in ecs.tasks_of(name)} == {"HEALTHY"}
    # The wait does not block the server.
    assert max(answered) < 2 * slowness()


def test_stack_fails_with_a_reason_when_the_tasks_of_a_service_keep_failing(
    ecs: Ecs, stacks: StackDriver
) -> None:
    stack = stacks.create(template(task_definition("exit 5"), service(ecs)))

    assert stack.status == "ROLLBACK_COMPLETE"
    reason = stacks.failures(stack)["Service"]
    assert "Circuit Breaker" in reason
    assert "Essential container in task exited (exit code 5)" in reason
    # The rollback has deleted the service.
    assert ecs.service(f"{stack.name}-Service")["status"] == "INACTIVE"


def test_service_stays_on_the_old_task_definition_when_an_update_fails(
    ecs: Ecs, stacks: StackDriver
) -> None:
    stack = stacks.create(template(task_definition("exec sleep 900"), service(ecs)))
    before = stack.outputs["Arn"]

    stack = stacks.update(stack, template(task_definition("exit 6"), service(ecs)))

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "exit code 6" in stacks.failures(stack)["Service"]
    assert ecs.running(f"{stack.name}-Service", 1, before)


def test_updated_service_runs_the_new_task_definition(ecs: Ecs, stacks: StackDriver) -> None:
    stack = stacks.create(template(task_definition("exec sleep 900"), service(ecs)))
    stack = stacks.update(stack, template(task_definition("exec sleep 61"), service(ecs, count=2)))

    assert stack.status == "UPDATE_COMPLETE"
    assert stack.outputs["Arn"].endswith(":2")
    assert ecs.running(f"{stack.name}-Service", 2, stack.outputs["Arn"])


def test_deletion_of_a_stack_leaves_no_task(ecs: Ecs, stacks: StackDriver) -> None:
    script = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"
    stack = stacks.create(template(task_definition(script), service(ecs)))
    task = ecs.tasks_of(f"{stack.name}-Service")[0]

    assert stacks.delete(stack).status == "DELETE_COMPLETE"

    assert ecs.task(task["taskArn"])["lastStatus"] == "STOPPED"
