"""Which commands are run, and the record kept of them."""

import json

import pytest

from run_airflow_command.command import (
    MAX_OVERRIDES_CHARACTERS,
    CommandRecord,
    InvalidCommandError,
    InvalidRecordError,
    checked_command,
    overrides,
)
from shared.custom_resource import CustomResourceRequest


def command_of_size(characters):
    padding = characters - len(json.dumps(overrides(["dags", ""])))
    return ["dags", "x" * padding]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be a list of strings.*NoneType"),
        ("dags list", "must be a list of strings.*str"),
        ({"dags": "list"}, "must be a list of strings.*dict"),
        (["dags", 1], "must be a list of strings.*list with other things in it"),
        (["dags", ["list"]], "must be a list of strings.*list with other things in it"),
        ([], "is empty"),
        (["", "list"], "is empty"),
        (["airflow", "dags", "list"], "Leave out the leading 'airflow'"),
        (command_of_size(MAX_OVERRIDES_CHARACTERS + 1), "takes 8193 characters of the 8192"),
    ],
)
def test_says_what_to_change_when_a_command_cannot_be_run(value, message):
    with pytest.raises(InvalidCommandError, match=message):
        checked_command(value)


@pytest.mark.parametrize(
    "value",
    [
        ["dags", "list"],
        ["ensure-admin-user"],
        ["variables", "set", "empty", ""],
        command_of_size(MAX_OVERRIDES_CHARACTERS),
    ],
)
def test_accepts_a_command_when_it_can_be_run(value):
    assert checked_command(value) == tuple(value)


def test_reads_a_record_when_it_was_written_here(sample_event):
    event = sample_event("run_airflow_command/custom-resource-create")
    request = CustomResourceRequest.from_event(event)
    for record in (
        CommandRecord(request.request_id, ("db", "migrate"), request),
        CommandRecord("request-2", ("dags", "list"), None),
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
def test_refuses_a_record_without_quoting_it_when_it_is_damaged(data):
    with pytest.raises(InvalidRecordError) as caught:
        CommandRecord.from_bytes(data)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None
