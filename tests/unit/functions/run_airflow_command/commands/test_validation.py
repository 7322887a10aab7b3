"""Which commands are accepted, and their records."""

import json
from datetime import UTC, datetime

import pytest

from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.commands.record import CommandRecord, InvalidRecordError
from run_airflow_command.commands.task_overrides import (
    MAX_OVERRIDES_CHARACTERS,
    TaskSize,
    overrides,
)
from run_airflow_command.commands.validation import checked_command
from shared.cloudformation.custom_resource import CustomResourceRequest

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def command_of_size(characters):
    padding = characters - len(json.dumps(overrides(["version", ""])))
    return ["version", "x" * padding]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be a list of strings.*NoneType"),
        ("dags list", r'one for each word: \["dags", "list"\]'),
        ("airflow dags list", r'one for each word: \["dags", "list"\]'),
        ("variables set a 'b c'", r'\["variables", "set", "a", "b c"\]'),
        ("an 'unbalanced quote", r'\["an", "\'unbalanced", "quote"\]'),
        ("", r'such as|\["dags", "list"\]'),
        ("x" * 500, r'such as \["dags", "list"\]'),
        (["dag", "list"], "no command 'dag'; did you mean 'dags'"),
        (["dags list"], r'give each word by itself, \["dags", "list"|did you mean'),
        (["frobnicate"], "no command 'frobnicate'; its commands: api-server, .*version"),
        (["db", "reset", "--yes"], "'db reset' erases the metadata database"),
        (["fab-db", "reset"], "erases the metadata database"),
        (["scheduler"], "'scheduler' runs until it is stopped"),
        (["celery", "worker"], "'celery worker' runs until it is stopped"),
        (["db", "shell"], "needs a terminal"),
        ({"dags": "list"}, "must be a list of strings.*dict"),
        (["dags", 1], "must be a list of strings.*list with other types in it"),
        (["dags", ["list"]], "must be a list of strings.*list with other types in it"),
        ([], "is empty"),
        (["", "list"], "is empty"),
        (["airflow", "dags", "list"], "Leave out the leading 'airflow'"),
        (command_of_size(MAX_OVERRIDES_CHARACTERS + 1), "has 8193 characters, but ECS allows 8192"),
    ],
)
def test_reports_what_to_change_when_a_command_is_refused(value, message):
    with pytest.raises(InvalidCommandError, match=message):
        checked_command(value)


@pytest.mark.parametrize(
    "value",
    [
        ["dags", "list"],
        ["ensure-admin-user"],
        ["celery", "list-workers"],
        ["db", "check"],
        ["version"],
        ["variables", "set", "empty", ""],
        command_of_size(MAX_OVERRIDES_CHARACTERS),
    ],
)
def test_accepts_a_command_that_can_run(value):
    assert checked_command(value) == tuple(value)


def test_record_survives_writing_and_reading(sample_event):
    event = sample_event("run_airflow_command/custom-resource-create")
    request = CustomResourceRequest.from_event(event)
    for record in (
        CommandRecord(request.request_id, ("db", "migrate"), request),
        CommandRecord("request-2", ("dags", "list"), None),
        CommandRecord(
            "request-3",
            ("clean-database", "2026-01-01T00:00:00+00:00"),
            size=TaskSize(1024, 2048),
            started_at=NOW,
            task_arn="arn:task",
            maintenance="db-clean",
            abandoned=True,
        ),
    ):
        assert CommandRecord.from_bytes(record.to_bytes()) == record


@pytest.mark.parametrize(
    "data",
    [
        b"SECRET",
        b"[]",
        b'{"request_id": "SECRET"}',
        b'{"request_id": "r", "command": [], "request": {"ResponseURL": "SECRET"}}',
    ],
)
def test_refuses_a_damaged_record_without_quoting_it(data):
    with pytest.raises(InvalidRecordError) as caught:
        CommandRecord.from_bytes(data)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("cpu", "memory", "size"),
    [(None, None, None), (1024, 4096, TaskSize(1024, 4096)), ("256", "512", TaskSize(256, 512))],
)
def test_accepts_a_size_that_fargate_offers(cpu, memory, size):
    assert TaskSize.checked(cpu, memory) == size


@pytest.mark.parametrize(
    ("cpu", "memory", "message"),
    [
        (1024, None, 'Give "cpu" and "memory" together'),
        (None, 2048, 'Give "cpu" and "memory" together'),
        ("much", 2048, "as numbers"),
        (True, 2048, "as numbers"),
        (1.5, 2048, "as numbers"),
        (1000, 2048, "does not offer CPU 1000: choose 256, 512"),
        (256, 4096, "does not offer 4096 MiB with CPU 256: choose 512, 1024 or 2048"),
    ],
)
def test_reports_what_to_change_when_fargate_does_not_offer_the_size(cpu, memory, message):
    with pytest.raises(InvalidCommandError, match=message):
        TaskSize.checked(cpu, memory)


def test_counts_the_size_in_the_length_of_the_overrides():
    command = command_of_size(MAX_OVERRIDES_CHARACTERS)
    with pytest.raises(InvalidCommandError, match="ECS allows 8192"):
        checked_command(command, TaskSize(1024, 4096))
