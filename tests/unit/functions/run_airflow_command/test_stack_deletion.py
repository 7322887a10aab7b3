"""All commands are stopped when the stack is deleted, or a command was cancelled."""

import pytest

from run_airflow_command.stack_deletion import (
    CommandsRemainError,
    must_stop_commands,
    stop_all,
)
from shared.cloudformation.custom_resource import CustomResourceRequest


class Tasks:
    """Tasks that are listed so many times more after they were stopped."""

    def __init__(self, **looks):
        self.looks = looks
        self.told = []

    def remaining(self):
        for arn in self.told:
            self.looks[arn] -= 1
        return [arn for arn, left in self.looks.items() if left > 0]

    def stop(self, task_arn, reason):
        self.told.append(task_arn)


def test_each_command_is_stopped_once_and_awaited():
    tasks, waits = Tasks(one=1, two=3), []
    assert stop_all(tasks, lambda: 60, waits.append) == 2
    assert tasks.told == ["one", "two"]
    assert len(waits) == 3


def test_returns_at_once_when_no_command_runs():
    waits = []
    assert stop_all(Tasks(), lambda: 0, waits.append) == 0
    assert waits == []


def test_names_a_command_that_does_not_stop_in_time():
    with pytest.raises(CommandsRemainError, match="among them stubborn"):
        stop_all(Tasks(stubborn=99), lambda: 2, pytest.fail)


MIGRATION = {"Command": ["upgrade-schema"], "CommandOnRollback": ["restore-schema"]}
USER = {"Command": ["ensure-admin-user"]}


@pytest.mark.parametrize(
    ("kind", "physical_id", "properties", "stops"),
    [
        ("Delete", "Resource", MIGRATION, True),
        # One command leaves the template.
        ("Delete", "Resource", USER, False),
        # CloudFormation has made up the id, because nothing has answered the Create.
        ("Delete", "stack-Resource-1A2B3C", USER, True),
        ("Update", "Resource", MIGRATION, False),
        ("Create", None, MIGRATION, False),
    ],
)
def test_commands_are_stopped_with_the_stack_and_when_one_was_cancelled(
    kind, physical_id, properties, stops
):
    event = {
        "RequestType": kind, "RequestId": "r", "StackId": "s", "LogicalResourceId": "Resource",
        "ResourceType": "Custom::AirflowCommand", "ResponseURL": "https://answer",
        "ResourceProperties": properties,
    }  # fmt: skip
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id

    assert must_stop_commands(CustomResourceRequest.from_event(event)) is stops
