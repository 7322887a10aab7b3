"""Tasks of several containers: each a process, all of them one task."""

import json
import time
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from ..conftest import EmbeddedAws, eventually
from ..ecs_tasks import NETWORK, Ecs
from ..stack_driver import StackDriver

CHECK = {"command": ["CMD-SHELL", "test -e up"], "interval": 5, "timeout": 2, "retries": 1}


def container(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "local/sh:1", "command": [script], **more}


def register(ecs: Ecs, *containers: dict[str, Any], **more: Any) -> str:
    logs = {"awslogs-group": ecs.name, "awslogs-region": "us-east-1"}
    answer = ecs.api.register_task_definition(
        family=ecs.name,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        executionRoleArn=ecs.execution_role,
        containerDefinitions=[
            {
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {**logs, "awslogs-stream-prefix": "part"},
                },
                **one,
            }
            for one in containers
        ],
        **{"cpu": "256", "memory": "1024", **more},
    )
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def by_name(task: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in task["containers"]}


def output(ecs: Ecs, task: dict[str, Any], name: str) -> list[str]:
    stream = f"part/{name}/{task['taskArn'].rsplit('/', 1)[-1]}"
    events = ecs.logs.get_log_events(
        logGroupName=ecs.name, logStreamName=stream, startFromHead=True
    )["events"]
    return [event["message"] for event in events]


def test_each_container_has_its_own_environment_secrets_files_and_log_stream(
    ecs: Ecs, embedded_aws: EmbeddedAws
) -> None:
    arn = embedded_aws.client("secretsmanager").create_secret(Name=ecs.name, SecretString="hidden")[
        "ARN"
    ]
    definition = register(
        ecs,
        container(
            "first",
            "echo $NAME-$SECRET; echo 1 > file; pwd; sleep 1",
            environment=[{"name": "NAME", "value": "one"}],
            secrets=[{"name": "SECRET", "valueFrom": arn}],
        ),
        container(
            "second",
            "echo $NAME-$SECRET; test -e file || echo no file; pwd; sleep 2",
            environment=[{"name": "NAME", "value": "two"}],
            essential=False,
        ),
    )
    override = {"name": "second", "environment": [{"name": "NAME", "value": "three"}]}
    task = ecs.finished(definition, overrides={"containerOverrides": [override]})

    directory = f"{embedded_aws.state_dir}/tasks/{task['taskArn'].rsplit('/', 1)[-1]}"
    assert output(ecs, task, "first") == ["one-hidden", f"{directory}/first"]
    assert output(ecs, task, "second") == ["three-", "no file", f"{directory}/second"]


def test_end_of_an_essential_container_stops_the_others_in_order(ecs: Ecs) -> None:
    leave = "trap 'echo leaving; sleep 1; echo left; exit 7' TERM; while :; do sleep 0.1; done"
    definition = register(ecs, container("helper", leave), container("main", "sleep 2; exit 2"))
    arn = ecs.run(definition)

    def stopping() -> dict[str, Any] | None:
        task = ecs.task(arn)
        return task if task["desiredStatus"] == "STOPPED" else None

    task = eventually(stopping)
    assert task["lastStatus"] != "STOPPED"
    assert by_name(task)["helper"]["lastStatus"] == "RUNNING"
    task = ecs.reached(arn, "STOPPED")
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"
    codes = {name: one["exitCode"] for name, one in by_name(task).items()}
    assert codes == {"helper": 7, "main": 2}
    assert output(ecs, task, "helper") == ["leaving", "left"]
    eventually(lambda: not _processes_in(arn.rsplit("/", 1)[-1]))


def test_task_continues_after_the_end_of_a_container_that_is_not_essential(ecs: Ecs) -> None:
    definition = register(
        ecs, container("setup", "exit 3", essential=False), container("main", "exec sleep 900")
    )
    arn = ecs.run(definition)

    def setup_has_ended() -> dict[str, Any] | None:
        task = ecs.task(arn)
        return task if by_name(task)["setup"]["lastStatus"] == "STOPPED" else None

    task = eventually(setup_has_ended)
    assert by_name(task)["setup"]["exitCode"] == 3
    assert (task["lastStatus"], task["desiredStatus"]) == ("RUNNING", "RUNNING")
    ecs.api.stop_task(cluster=ecs.name, task=arn)
    assert by_name(ecs.reached(arn, "STOPPED"))["setup"]["exitCode"] == 3


def test_health_of_a_task_is_the_worst_of_its_essential_containers(ecs: Ecs) -> None:
    definition = register(
        ecs,
        container("fast", "touch up; exec sleep 900", healthCheck=CHECK),
        container("slow", "sleep 5; touch up; sleep 5; rm up; exec sleep 900", healthCheck=CHECK),
        container("unchecked", "exec sleep 900"),
        container("sick", "exec sleep 900", healthCheck=CHECK, essential=False),
    )
    arn = ecs.run(definition)

    def health() -> dict[str, str]:
        task = ecs.task(arn)
        return {
            "task": task["healthStatus"],
            **{name: one["healthStatus"] for name, one in by_name(task).items()},
        }

    first = eventually(lambda: (found := health())["fast"] == "HEALTHY" and found)
    assert (first["task"], first["slow"]) == ("UNKNOWN", "UNKNOWN")
    second = eventually(lambda: (found := health())["task"] == "HEALTHY" and found)
    assert (second["slow"], second["unchecked"]) == ("HEALTHY", "UNKNOWN")
    third = eventually(lambda: (found := health())["task"] == "UNHEALTHY" and found)
    assert (third["fast"], third["slow"]) == ("HEALTHY", "UNHEALTHY")


def test_service_is_steady_only_when_all_containers_are_healthy(
    ecs: Ecs, stacks: StackDriver
) -> None:
    def one(name: str, script: str) -> dict[str, Any]:
        check = {"Command": ["CMD-SHELL", "test -e up"], "Interval": 300}
        return {"Name": name, "Image": "local/sh:1", "Command": [script], "HealthCheck": check}

    began = time.monotonic()
    stack = stacks.create(
        {
            "Resources": {
                "Definition": {
                    "Type": "AWS::ECS::TaskDefinition",
                    "Properties": {
                        "NetworkMode": "awsvpc",
                        "RequiresCompatibilities": ["FARGATE"],
                        "Cpu": "256",
                        "Memory": "512",
                        "ContainerDefinitions": [
                            one("fast", "touch up; exec sleep 900"),
                            one("slow", "sleep 4; touch up; exec sleep 900"),
                        ],
                    },
                },
                "Service": {
                    "Type": "AWS::ECS::Service",
                    "Properties": {
                        "Cluster": ecs.name,
                        "LaunchType": "FARGATE",
                        "TaskDefinition": {"Ref": "Definition"},
                        "NetworkConfiguration": {
                            "AwsvpcConfiguration": {
                                "Subnets": ["subnet-1"],
                                "AssignPublicIp": "DISABLED",
                            }
                        },
                    },
                },
            }
        }
    )
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    assert time.monotonic() - began > 4
    assert stacks.delete(stack).status == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("containers", "more", "reason"),
    [
        ([{}, {}], {}, "Container names must be unique"),
        (
            [{"memoryReservation": 600}, {"name": "b", "memoryReservation": 500}],
            {},
            "reserve 1100 MiB of memory, more than the task's 1024 MiB",
        ),
        ([{}], {"cpu": "256", "memory": "4096"}, "No Fargate configuration exists"),
        ([{}], {"cpu": "300", "memory": "1024"}, "No Fargate configuration exists"),
        ([{"cpu": 200}, {"name": "b", "cpu": 100}], {}, "300 CPU units of the task's 256"),
        (
            [
                {"portMappings": [{"containerPort": 8793}]},
                {"name": "b", "portMappings": [{"containerPort": 8793}]},
            ],
            {},
            "both map port 8793",
        ),
        ([{"portMappings": [{"containerPort": 1, "hostPort": 2}]}], {}, "must match"),
        ([{"essential": False}], {}, "must be essential"),
        ([{"healthCheck": {"command": ["true"], "interval": 4}}], {}, "interval of the health"),
        ([{"stopTimeout": 121}], {}, "longer than 120"),
        ([{}], {"networkMode": "bridge"}, "network mode 'awsvpc'"),
        (
            [{"mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp"}]}],
            {"volumes": [{"name": "home"}]},
            "Unknown volume 'tmp'",
        ),
        ([{}], {"volumes": [{"name": "home"}, {"name": "home"}]}, "Volume names must be unique"),
        (
            [{"linuxParameters": {"capabilities": {"add": ["SYS_ADMIN"]}}}],
            {},
            "does not support adding the Linux capability SYS_ADMIN",
        ),
    ],
)
def test_task_definition_is_refused_with_a_reason(
    ecs: Ecs, containers: list[dict[str, Any]], more: dict[str, Any], reason: str
) -> None:
    definitions = [container("a", "true") | one for one in containers]
    request = {
        "family": ecs.name,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "1024",
        "containerDefinitions": definitions,
        **more,
    }

    with pytest.raises(ClientError, match="ClientException") as refusal:
        ecs.api.register_task_definition(**request)

    assert reason in str(refusal.value)


def test_hardened_container_runs(ecs: Ecs) -> None:
    definition = register(
        ecs,
        container(
            "a",
            "echo runs",
            readonlyRootFilesystem=True,
            linuxParameters={"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
            mountPoints=[{"sourceVolume": "tmp", "containerPath": "/tmp"}],
        ),
        volumes=[{"name": "tmp"}],
    )

    assert output(ecs, ecs.finished(definition), "a") == ["runs"]


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"containerOverrides": [{"name": "airflow"}]}, "named airflow is not a container"),
        ({"cpu": "512", "memory": "512"}, "No Fargate configuration exists"),
        ({"cpu": "256", "memory": "512"}, "reserve 700 MiB"),
    ],
)
def test_run_task_refuses_overrides_that_do_not_fit(
    ecs: Ecs, overrides: dict[str, Any], reason: str
) -> None:
    definition = register(ecs, container("a", "true", memoryReservation=700))

    with pytest.raises(ClientError) as refusal:
        ecs.api.run_task(
            cluster=ecs.name,
            taskDefinition=definition,
            networkConfiguration=NETWORK,
            overrides=overrides,
        )

    assert reason in json.dumps(refusal.value.response)


def _processes_in(task_id: str) -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if task_id in _directory_of(one)]


def _directory_of(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""
