"""Isolated queues: `team-a:isolated` has a task role, messages and secrets of its own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from dry_deployment import DryStack, deploy, inventory
from template_files import NESTED_STACK

QUEUES = "team-a:isolated,heavy,,team-b:isolated"
SHARED_ROLES = {
    "ApiServerStack": "TaskRole",
    "SchedulerStack": "TaskRole",
    "DagProcessorStack": "TaskRole",
    "TriggererStack": "TaskRole",
    "WorkerStack": "TaskRole",
    "CommandStack": "TaskRole",
}
OTHER_QUEUES = "arn:<partition>:sqs:<region>:<account>:airflow-queue-"
SECRETS = "arn:<partition>:secretsmanager:<region>:<account>:secret:airflow/"


def isolated() -> DryStack:
    return deploy(EnvironmentClass="small", WorkerQueueNames=QUEUES)


def statements(stack: DryStack, role: str = "TaskRole") -> Iterator[dict[str, Any]]:
    for policy in stack.properties(role)["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def by_sid(stack: DryStack, role: str = "TaskRole") -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in statements(stack, role)}


def test_only_an_isolated_queue_has_a_role_of_its_own() -> None:
    found = set(inventory(isolated()).items())
    added = found - set(
        inventory(deploy(EnvironmentClass="small", WorkerQueueNames="a,b,,d")).items()
    )

    assert added == {
        (f"WorkerStack/QueueRole{place}Stack{path}", kind)
        for place in (1, 4)
        for path, kind in (("", NESTED_STACK), ("/TaskRole", "AWS::IAM::Role"))
    }


def test_roles_of_all_places_are_alike() -> None:
    names = [f"{letter}:isolated" for letter in "abcdefgh"]
    workers = deploy(WorkerQueueNames=",".join(names)).child("WorkerStack")
    given = [dict(workers.child(f"QueueRole{place}Stack").given) for place in range(1, 9)]

    assert [each.pop("QueueName") for each in given] == list("abcdefgh")
    assert all(each == given[0] for each in given)
    denied = by_sid(workers)["LeaveIsolatedQueues"]["Resource"]
    assert denied == [f"{OTHER_QUEUES}{letter}" for letter in "abcdefgh"]


def test_role_of_a_queue_takes_its_messages_and_reads_its_secrets() -> None:
    own = by_sid(isolated().child("WorkerStack").child("QueueRole1Stack"))

    assert own["TakeTasks"]["Resource"] == f"{OTHER_QUEUES}team-a"
    assert own["ReadOwnConnectionsAndVariables"]["Resource"] == f"{SECRETS}queues/team-a/*"
    secrets = [each for each in own.values() if "secretsmanager" in str(each["Action"])]
    assert [each["Resource"] for each in secrets] == [
        f"{SECRETS}queues/team-a/*",
        f"{SECRETS}config/*",
    ]


@pytest.mark.parametrize("options", ["", "exec"])
def test_role_of_a_queue_is_otherwise_that_of_all_workers(options: str) -> None:
    workers = deploy(WorkerQueueNames=QUEUES, Options=options).child("WorkerStack")
    shared, own = by_sid(workers), by_sid(workers.child("QueueRole1Stack"))

    assert set(own) - set(shared) == {"ReadOwnConnectionsAndVariables", "ReadOptionsOfAirflow"}
    assert set(shared) - set(own) == {
        "ReadConnectionsAndVariables",
        "LeaveSecretsOfIsolatedQueues",
        "LeaveIsolatedQueues",
    }
    different = {sid for sid in set(shared) & set(own) if shared[sid] != own[sid]}
    assert different == {"TakeTasks"}
    assert shared["TakeTasks"]["Action"] == own["TakeTasks"]["Action"]
    assert ("ConnectToSession" in own) == (options == "exec")


def test_shared_roles_are_denied_the_secrets_of_isolated_queues() -> None:
    """Also the api-server, which looks up what a task asks it for."""
    root = isolated()
    for child, role in SHARED_ROLES.items():
        denied = [each for each in statements(root.child(child), role) if each["Effect"] == "Deny"]
        assert {
            "Sid": "LeaveSecretsOfIsolatedQueues",
            "Effect": "Deny",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": f"{SECRETS}queues/*",
        } in denied, child


def test_every_role_that_reads_connections_is_a_shared_one_or_one_of_a_queue() -> None:
    found = set()
    for stack in isolated().everything():
        for name, resource in stack.resources.items():
            if resource["Type"] == "AWS::IAM::Role":
                policies = json.dumps(stack.properties(name).get("Policies", []))
                if ":secret:airflow/" in policies:
                    found.add((stack.path.removeprefix("airflow/"), name))

    of_queues = {(f"WorkerStack/QueueRole{place}Stack", "TaskRole") for place in (1, 4)}
    assert found == of_queues | set(SHARED_ROLES.items())


def test_role_of_all_workers_is_denied_the_messages_of_isolated_queues() -> None:
    workers = isolated().child("WorkerStack")
    denied, taken = (by_sid(workers)[sid] for sid in ("LeaveIsolatedQueues", "TakeTasks"))

    assert denied["Resource"] == [f"{OTHER_QUEUES}team-a", f"{OTHER_QUEUES}team-b"]
    assert denied["Action"] == taken["Action"]
    plain = by_sid(deploy(WorkerQueueNames="heavy").child("WorkerStack"))
    assert "LeaveIsolatedQueues" not in plain


def test_scaler_knows_the_roles_by_place() -> None:
    variables = isolated().child("FleetStack").properties("ScaleWorkersFunction")["Environment"]
    role = "<airflow/WorkerStack/QueueRole{}Stack/TaskRole>"

    expected = [role.format(1), "", "", role.format(4), "", "", "", ""]
    assert variables["Variables"]["QUEUE_ROLE_NAMES"] == ",".join(expected)


@pytest.mark.parametrize(
    ("queues", "roles"),
    [
        ("", {"default": "<airflow/WorkerStack/TaskRole.Arn>"}),
        (
            QUEUES,
            {
                "default": "<airflow/WorkerStack/TaskRole.Arn>",
                "team-a": "<airflow/WorkerStack/QueueRole1Stack/TaskRole.Arn>",
                "team-b": "<airflow/WorkerStack/QueueRole4Stack/TaskRole.Arn>",
            },
        ),
    ],
)
def test_output_names_the_roles_to_which_permissions_are_attached(
    queues: str, roles: dict[str, str]
) -> None:
    stack = deploy(WorkerQueueNames=queues)
    outputs = stack.template.section("Outputs")

    assert json.loads(stack.resolve(outputs["WorkerTaskRoleArns"]["Value"])) == roles
    assert stack.resolve(outputs["WorkerTaskRoleArn"]["Value"]) == roles["default"]


def test_queue_and_alarm_are_named_without_the_mark() -> None:
    root = isolated()

    assert (
        root.child("QueuesStack").properties("WorkerQueue1")["QueueName"] == "airflow-queue-team-a"
    )
    alarm = root.child("FleetStack").properties("QueuedAlarm4")
    assert alarm["AlarmName"] == "airflow-queued-team-b"
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": "airflow-queue-team-b"}]
