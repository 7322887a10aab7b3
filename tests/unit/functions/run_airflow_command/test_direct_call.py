"""Valid and invalid direct calls."""

from datetime import UTC, datetime

import pytest

from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.commands.task_overrides import TaskSize
from run_airflow_command.direct_call import DirectCall, direct_call, is_direct_call
from run_airflow_command.maintenance import ROTATED_BY_SCHEDULE, command_of

NOW = datetime(2026, 3, 1, 12, 0, 0, 999, tzinfo=UTC)
NOTHING = {
    "command": None, "size": None, "request_id": None, "maintenance": None,
    "retention_days": None, "wait_seconds": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "call"),
    [
        ({"command": ["version"]}, {"command": ["version"]}),
        (
            {"command": ["version"], "cpu": 256, "memory": 512, "wait": True, "requestId": "a-1"},
            {"command": ["version"], "size": TaskSize(256, 512), "wait_seconds": 45,
             "request_id": "a-1"},
        ),
        ({"requestId": "a-1", "wait": 20}, {"request_id": "a-1", "wait_seconds": 20}),
        (
            {"maintenance": "db-clean", "retentionDays": 7},
            {"maintenance": "db-clean", "retention_days": 7},
        ),
        # The validation refuses it, like anything else that is not a list.
        ({"command": None}, {"command": []}),
    ],
)  # fmt: skip
def test_reads_a_valid_call(event, call):
    assert is_direct_call(event)
    assert direct_call(event) == DirectCall(**{**NOTHING, **call})


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"command": ["version"], "memmory": 1}, "Unknown beside 'command': memmory"),
        ({"requestId": "a", "cpu": 256}, "Unknown beside 'requestId': cpu"),
        ({"requestId": "../etc"}, '"requestId" has 1 to 64 letters'),
        ({"requestId": ""}, '"requestId" has 1 to 64 letters'),
        ({"command": ["version"], "requestId": "x" * 65}, '"requestId" has 1 to 64 letters'),
        ({"command": ["version"], "wait": "yes"}, '"wait" must be true, false'),
        ({"command": ["version"], "wait": -1}, '"wait" must be true, false'),
        ({"maintenance": "db-clean", "retentionDays": 0}, "whole number of at least 1"),
    ],
)
def test_reports_what_to_change_when_the_call_is_wrong(event, message):
    with pytest.raises(InvalidCommandError, match=message):
        direct_call(event)


@pytest.mark.parametrize("event", [{}, {"source": "tick"}, {"cpu": 256}])
def test_event_without_a_request_is_not_a_direct_call(event):
    assert not is_direct_call(event)


def test_cleaning_removes_what_is_older_than_the_retention():
    words = command_of("db-clean", 365, NOW)
    assert words == ["clean-database", "2025-03-01T12:00:00+00:00"]


@pytest.mark.parametrize("secret", ROTATED_BY_SCHEDULE)
def test_schedule_rotates_what_users_do_not_notice(secret):
    assert command_of(f"rotate-secret {secret}", 365, NOW) == ["rotate-secret", secret]


@pytest.mark.parametrize(
    ("name", "days", "message"),
    [
        ("rotate-secret jwt-key", 1, "Unknown maintenance"),
        ("vacuum", 1, "Unknown maintenance; possible are: db-clean"),
        (["db-clean"], 1, "Unknown maintenance"),
        ("db-clean", 0, "days to keep history is 0"),
    ],
)
def test_refuses_unknown_maintenance_and_maintenance_that_is_off(name, days, message):
    with pytest.raises(InvalidCommandError, match=message):
        command_of(name, days, NOW)
