"""Calls by a person or a schedule: start a command, wait for it, ask for its result, refusals."""

import time
import uuid

from waiting import slowness

from tests.integration.embedded_aws.conftest import eventually
from tests.integration.run_airflow_command.conftest import Harness


def test_result_comes_back_when_the_caller_waits(harness: Harness) -> None:
    result = harness.invoke({"command": ["version", "echo 3.3.2; exit 7"], "wait": True})

    assert (result["status"], result["exitCode"], result["logTail"]) == ("FAILED", 7, ["3.3.2"])


def test_task_has_the_size_when_one_is_given(harness: Harness) -> None:
    call = {"command": ["version", "exit 0"], "cpu": 1024, "memory": 4096, "wait": True}
    result = harness.invoke(call)

    (task,) = harness.tasks(result["requestId"])
    overrides = task["overrides"]
    assert (overrides["cpu"], overrides["memory"]) == ("1024", "4096")


def test_second_call_with_the_same_request_id_finds_the_task_of_the_first(
    harness: Harness,
) -> None:
    call = {"command": ["version", "sleep 2; echo done"], "requestId": uuid.uuid4().hex}
    first = harness.invoke(call)
    second = harness.invoke(call)
    assert first == second

    asked = harness.invoke({"requestId": call["requestId"]})
    assert asked["message"].endswith(f'{{"requestId": "{call["requestId"]}"}}')
    ended = harness.invoke({"requestId": call["requestId"], "wait": True})
    assert (ended["status"], ended["exitCode"], ended["logTail"]) == ("SUCCEEDED", 0, ["done"])
    assert len(harness.tasks(str(call["requestId"]))) == 1


def test_call_returns_in_time_when_the_command_takes_longer(harness: Harness) -> None:
    factor = slowness()
    begin = time.monotonic()
    result = harness.invoke({"command": ["version", f"sleep {8 * factor:.0f}"], "wait": 2})

    assert time.monotonic() - begin < 7 * factor
    assert result["status"] not in ("SUCCEEDED", "FAILED")
    ask = {"requestId": result["requestId"], "wait": 30}
    eventually(lambda: harness.invoke(ask).get("exitCode") == 0)


def test_second_migration_is_refused_when_one_runs(harness: Harness) -> None:
    first = harness.invoke({"command": ["db", "migrate", "sleep 4"]})
    second = harness.invoke({"command": ["db", "clean", "exit 0"]})

    assert second["status"] == "REFUSED"
    assert first["requestId"] in second["reason"]
    harness.invoke({"requestId": first["requestId"], "wait": True})
    eventually(lambda: harness.keys("commands/locks/") == [])


def test_maintenance_runs_the_command_with_its_date_when_the_schedule_calls(
    harness: Harness,
) -> None:
    result = harness.invoke({"maintenance": "db-clean", "wait": True})

    # The stand-in runs the last word as a script, and there is no program of this name.
    assert result["command"][0] == "clean-database"
    assert result["status"] == "FAILED"

    def logged() -> bool:
        lines = harness.stacks.log_lines(harness.outputs["FunctionLogGroup"])
        return any("MaintenanceFailed" in line for line in lines)

    eventually(logged)


def test_no_task_is_started_when_the_call_is_wrong(harness: Harness) -> None:
    before = len(harness.records())
    for call, said in (
        ({"command": "dags list"}, '["dags", "list"]'),
        ({"command": ["dag", "list"]}, "did you mean 'dags'"),
        ({"command": ["pools", "lst"]}, "did you mean 'pools list'"),
        ({"command": []}, "empty"),
        ({"command": ["dags", "x" * 9000]}, "8192"),
        ({"command": ["version"], "cpu": 256, "memory": 8192}, "does not offer 8192 MiB"),
        ({"requestId": "never-heard-of"}, "no command with the requestId"),
    ):
        answer = harness.invoke(call)
        assert answer["status"] == "REFUSED", answer
        assert said in answer["reason"]
    assert harness.invoke({"maintenance": "vacuum"})["errorType"] == "InvalidCommandError"
    assert len(harness.records()) == before
