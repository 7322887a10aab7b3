"""RunTask, StopTask and DescribeTasks."""

import json
import socket
import time
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from ..conftest import EmbeddedAws, eventually
from ..ecs_tasks import Ecs, address_of


def test_task_reports_exit_code_and_output(ecs: Ecs) -> None:
    task = ecs.finished(ecs.register("echo one; echo two >&2; printf three; exit 3"))

    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"
    assert [container["exitCode"] for container in task["containers"]] == [3]
    # At once: clients read the last lines when the task ends.
    assert ecs.output(task) == ["one", "two", "three"]


def test_running_task_has_the_fields_of_fargate(ecs: Ecs) -> None:
    definition = ecs.register("sleep 900")
    task = ecs.reached(ecs.run(definition, startedBy="somebody", group="family:x"), "RUNNING")

    assert task["taskDefinitionArn"] == definition
    assert task["startedBy"] == "somebody"
    assert task["group"] == "family:x"
    assert task["launchType"] == "FARGATE"
    assert task["desiredStatus"] == "RUNNING"
    assert task["startedAt"] >= task["createdAt"]
    # ECS gives milliseconds; one of the two may be a whole second by chance.
    assert task["createdAt"].microsecond or task["startedAt"].microsecond
    assert task["containers"][0]["lastStatus"] == "RUNNING"
    assert address_of(task).startswith("127.")


def test_group_is_the_family_when_run_task_names_none(ecs: Ecs) -> None:
    definition = ecs.register("true")
    task = ecs.reached(ecs.run(definition), "STOPPED")
    family = definition.rsplit("/", 1)[-1].split(":")[0]
    assert task["group"] == f"family:{family}"


def test_override_replaces_command_and_adds_environment(ecs: Ecs) -> None:
    definition = ecs.register(
        "exit 9", environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    )
    override = {
        "name": "main",
        "command": ["echo $A $B $C"],
        "environment": [{"name": "B", "value": "two"}, {"name": "C", "value": "3"}],
    }
    task = ecs.finished(definition, overrides={"containerOverrides": [override]})

    assert ecs.output(task) == ["1 two 3"]


def test_overrides_set_the_size_of_the_task(ecs: Ecs) -> None:
    definition = ecs.register("sleep 900")
    override = {"name": "main", "environment": [{"name": "A", "value": "1"}]}
    overrides = {"cpu": "1024", "memory": "3072", "containerOverrides": [override]}
    arn = ecs.run(definition, overrides=overrides, startedBy="heavy")
    task = ecs.reached(arn, "RUNNING")

    assert (task["cpu"], task["memory"]) == ("1024", "3072")
    # The scaler identifies its workers by these.
    assert task["startedBy"] == "heavy"
    assert task["overrides"]["containerOverrides"] == [override]
    alike = ecs.reached(ecs.run(definition), "RUNNING")
    assert (alike["cpu"], alike["memory"]) == ("256", "512")


def test_entry_point_of_the_definition_replaces_that_of_the_image(ecs: Ecs) -> None:
    definition = ecs.register("text", entryPoint=["echo", "prefixed"])

    assert ecs.output(ecs.finished(definition)) == ["prefixed text"]


def test_environment_holds_folder_address_and_aws_variables(
    ecs: Ecs, embedded_aws: EmbeddedAws
) -> None:
    definition = ecs.register("env", image="local/env:1")
    task = ecs.finished(definition)
    environment = ecs.environment(task)

    task_id = task["taskArn"].rsplit("/", 1)[-1]
    assert environment["PLACE"] == f"{embedded_aws.state_dir}/tasks/{task_id}/main"
    assert environment["IP"] == address_of(task)
    assert environment["AWS_ENDPOINT_URL"] == embedded_aws.endpoint_url
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["EMBEDDED_AWS_STATE_DIR"] == str(embedded_aws.state_dir)


def test_folder_of_an_ended_task_is_removed(ecs: Ecs, embedded_aws: EmbeddedAws) -> None:
    task = ecs.finished(ecs.register("echo x > file; pwd"))
    directory = embedded_aws.state_dir / "tasks" / task["taskArn"].rsplit("/", 1)[-1]

    assert ecs.output(task) == [str(directory / "main")]
    eventually(lambda: not directory.exists())


def test_secret_and_a_key_of_its_json_reach_the_container(
    ecs: Ecs, embedded_aws: EmbeddedAws
) -> None:
    secrets = embedded_aws.client("secretsmanager")
    arn = secrets.create_secret(
        Name=ecs.name, SecretString=json.dumps({"user": "u", "word": "p:w"})
    )["ARN"]
    definition = ecs.register(
        "echo $WORD $WHOLE",
        secrets=[
            {"name": "WORD", "valueFrom": f"{arn}:word::"},
            {"name": "WHOLE", "valueFrom": arn},
        ],
    )

    assert ecs.output(ecs.finished(definition)) == ['p:w {"user": "u", "word": "p:w"}']


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ({"image": "local/unknown:1"}, "local/unknown:1"),
        (
            {
                "secrets": [
                    {
                        "name": "X",
                        "valueFrom": "arn:aws:secretsmanager:us-east-1:000000000000:secret:no-Ab",
                    }
                ]
            },
            "unable to retrieve secret",
        ),
    ],
    ids=["unknown image", "missing secret"],
)
def test_task_fails_to_start_when_something_it_needs_is_missing(
    ecs: Ecs, definition: dict[str, Any], reason: str
) -> None:
    task = ecs.finished(ecs.register("true", **definition))

    assert task["stopCode"] == "TaskFailedToStart"
    assert reason in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]


def test_task_is_stopped_only_after_its_process_has_ended(ecs: Ecs) -> None:
    leave = "trap 'echo leaving; sleep 1.5; echo left; exit 7' TERM"
    script = f"{leave}; echo up; while :; do sleep 0.1; done"
    arn = ecs.run(ecs.register(script))
    eventually(lambda: "up" in ecs.output(ecs.reached(arn, "RUNNING")))

    began = time.monotonic()
    answer = ecs.api.stop_task(cluster=ecs.name, task=arn, reason="enough")["task"]
    assert answer["desiredStatus"] == "STOPPED"
    assert answer["lastStatus"] != "STOPPED"
    task = ecs.reached(arn, "STOPPED")

    assert time.monotonic() - began > 1.4
    assert task["stopCode"] == "UserInitiated"
    assert task["stoppedReason"] == "enough"
    assert task["containers"][0]["exitCode"] == 7
    assert ecs.output(task) == ["up", "leaving", "left"]


def test_task_is_killed_with_its_children_when_it_ignores_sigterm(ecs: Ecs) -> None:
    script = "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000"
    arn = ecs.run(ecs.register(script, stopTimeout=2))
    task = ecs.reached(arn, "RUNNING")
    child = int(eventually(lambda: ecs.output(task))[0])
    assert psutil.pid_exists(child)

    ecs.api.stop_task(cluster=ecs.name, task=arn)
    task = ecs.reached(arn, "STOPPED")

    assert task["containers"][0]["exitCode"] == 137
    eventually(lambda: not psutil.pid_exists(child))


def test_repeated_client_token_returns_the_same_task(ecs: Ecs) -> None:
    definition = ecs.register("sleep 900")
    first = ecs.run(definition, clientToken="once", startedBy="once")
    second = ecs.run(definition, clientToken="once", startedBy="once")

    assert first == second
    assert ecs.api.list_tasks(cluster=ecs.name, startedBy="once")["taskArns"] == [first]
    with pytest.raises(ClientError, match="ConflictException"):
        ecs.run(definition, clientToken="once", startedBy="other")


def test_run_task_refuses_impossible_requests(ecs: Ecs) -> None:
    definition = ecs.register("true")

    with pytest.raises(ClientError, match="not a container in the TaskDefinition"):
        ecs.run(definition, overrides={"containerOverrides": [{"name": "other"}]})
    with pytest.raises(ClientError, match="ClusterNotFoundException"):
        ecs.api.run_task(cluster="no-such-cluster", taskDefinition=definition)
    with pytest.raises(ClientError, match="Network Configuration must be provided"):
        ecs.api.run_task(cluster=ecs.name, taskDefinition=definition)
    long = {"containerOverrides": [{"name": "main", "command": ["x" * 8192]}]}
    with pytest.raises(ClientError, match="length must be at most 8192"):
        ecs.run(definition, overrides=long)
    with pytest.raises(ClientError, match="startedBy must match"):
        ecs.run(definition, startedBy="a b")
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    with pytest.raises(ClientError, match="both a launch type and capacity provider strategy"):
        ecs.run(definition, capacityProviderStrategy=spot)
    with pytest.raises(ClientError, match="Ephemeral storage size must be from 21 to 200 GiB"):
        ecs.run(definition, overrides={"ephemeralStorage": {"sizeInGiB": 20}})
    ecs.api.deregister_task_definition(taskDefinition=definition)
    with pytest.raises(ClientError, match="inactive"):
        ecs.run(definition)


def test_tasks_are_listed_by_family(ecs: Ecs) -> None:
    mine = ecs.run(ecs.register("sleep 900"))
    ecs.api.register_task_definition(
        family=f"{ecs.name}-other",
        containerDefinitions=[{"name": "main", "image": "local/sh:1", "command": ["sleep 900"]}],
    )
    ecs.run(f"{ecs.name}-other")

    listed = ecs.api.list_tasks(cluster=ecs.name, family=ecs.name)["taskArns"]
    assert listed == [mine]


def test_two_tasks_can_listen_on_the_same_port(ecs: Ecs) -> None:
    script = "exec python3 -m http.server --bind $IP 8391"
    definition = ecs.register(script, image="local/sh-with-ip:1")
    tasks = [ecs.reached(ecs.run(definition), "RUNNING") for _ in range(2)]

    addresses = {address_of(task) for task in tasks}
    assert len(addresses) == 2
    for address in addresses:
        eventually(lambda address=address: _listens(address, 8391))


def _listens(address: str, port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex((address, port)) == 0


def tags_of(ecs: Ecs, arn: str) -> dict[str, str]:
    answer = ecs.api.describe_tasks(cluster=ecs.name, tasks=[arn], include=["TAGS"])
    return {tag["key"]: tag["value"] for tag in answer["tasks"][0]["tags"]}


def test_task_has_the_tags_of_its_definition_and_of_ecs_when_asked_for(ecs: Ecs) -> None:
    definition = ecs.register("true")
    ecs.api.tag_resource(resourceArn=definition, tags=[{"key": "stack", "value": "a"}])

    plain = ecs.run(definition)
    tagged = ecs.run(definition, propagateTags="TASK_DEFINITION", enableECSManagedTags=True)

    assert tags_of(ecs, plain) == {}
    assert tags_of(ecs, tagged) == {"stack": "a", "aws:ecs:clusterName": ecs.name}
