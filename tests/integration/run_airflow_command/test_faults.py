"""Every injected fault is answered in time and with its cause. docs/faults.md is the table.

The table is printed at the end, and written to the file that FAULT_TABLE names.
"""

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from waiting import slowness

from tests.integration.embedded_aws.conftest import eventually
from tests.integration.run_airflow_command.conftest import Harness
from tests.integration.run_airflow_command.faults import Fault, faults
from tests.integration.run_airflow_command.limits import SERVICE_TIMEOUT_SECONDS
from tests.integration.run_airflow_command.watch import Watch

NAMES = [fault.name for fault in faults({"Silent": "", "BadImage": "", "BadSecret": ""})]
ANSWER_AFTER_STOPPED_SECONDS = 5
_INTRODUCTION = """
# Faults

What CloudFormation received for each injected fault, and after how many seconds. The function was
deployed on the embedded AWS, with a shell script instead of Airflow and a ServiceTimeout of
120 s. There, tasks start immediately; on Fargate add 20 to 90 s, and 25 s
between exit and STOPPED. Both ends were polled ten times a second. The functions were warm except
at their first calls. This file is generated:

```console
FAULT_TABLE=docs/faults.md .venv/tools/bin/python -m pytest tests/integration/run_airflow_command
```

Unit tests cover the faults that cannot be injected there: a task that stays PROVISIONING or
PENDING, a call that ends before RunTask, a RunTask whose answer is lost (`test_sweep.py`); a real
OutOfMemoryError (`test_run_airflow_command_handler.py`); a bucket of CloudFormation that does not
accept the answer (`test_https_answer_channel.py`).
""".strip()


@dataclass(frozen=True)
class Row:
    name: str
    answer: str
    seconds: float
    after_stopped: float | None


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    rows: list[Row] = []
    yield rows
    text = _markdown(rows)
    print("\n" + text)
    if path := os.environ.get("FAULT_TABLE"):
        Path(path).write_text(text)


def launch(harness: Harness, fault: Fault) -> Watch:
    stack_id = harness.custom_resource(f"f-{uuid.uuid4().hex[:8]}", fault.properties)
    return Watch(harness, stack_id)


@pytest.fixture(scope="module")
def all_faults(harness: Harness) -> dict[str, Fault]:
    return {fault.name: fault for fault in faults(harness.outputs)}


@pytest.fixture(scope="module")
def launched(harness: Harness, all_faults: dict[str, Fault]) -> dict[str, Watch]:
    """The slow ones, which a tick finds: they start first and wait while the others run."""
    return {name: launch(harness, fault) for name, fault in all_faults.items() if fault.slow}


@pytest.mark.parametrize("name", sorted(NAMES, key=lambda name: "lost" in name or "long" in name))
def test_cloudformation_gets_the_cause_of_a_fault_in_time(
    name: str,
    harness: Harness,
    all_faults: dict[str, Fault],
    launched: dict[str, Watch],
    table: list[Row],
) -> None:
    fault = all_faults[name]
    fault.before(harness)
    waiting = launched.get(name) or launch(harness, fault)
    fault.inject(harness, waiting.stack_id)

    stack = harness.stacks.wait(waiting.stack_id)

    seen = waiting.seen()
    reason, succeeded = seen.reason, seen.succeeded
    answer = "SUCCESS" if succeeded else _short(reason)
    table.append(Row(name, answer, seen.seconds, seen.after_stopped))

    assert succeeded == (fault.reason is None), reason
    assert stack.status == ("CREATE_COMPLETE" if succeeded else "ROLLBACK_COMPLETE")
    assert re.search(fault.reason or "", reason, re.DOTALL), reason
    assert "did not receive a response" not in reason
    assert seen.seconds < SERVICE_TIMEOUT_SECONDS
    assert not [word for word in (*fault.hidden, seen.response_url) if word and word in reason]
    if seen.after_stopped is not None and "lost" not in name:
        assert seen.after_stopped < ANSWER_AFTER_STOPPED_SECONDS * slowness()


def test_tick_is_deleted_when_no_request_is_open(
    harness: Harness, launched: dict[str, Watch]
) -> None:
    for waiting in launched.values():
        harness.stacks.wait(waiting.stack_id)
    # A request whose RunTask may have succeeded stays open until the sweep has looked for its task.
    eventually(lambda: harness.keys("commands/open/") == [])
    assert harness.keys("commands/locks/") == []
    scheduler = harness.client("scheduler")
    group = harness.outputs["ScheduleGroup"]

    # The last tick finds nothing, schedules no other tick, and is deleted.
    eventually(lambda: not scheduler.list_schedules(GroupName=group)["Schedules"])


def _short(reason: str) -> str:
    """The text of the answer, without what CloudFormation adds around it."""
    found = re.search(r"Message returned: (.*) \(RequestId: ", reason, re.DOTALL)
    text = found.group(1) if found else reason
    text = re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f-]{36}\b", "…", " ".join(text.split()))
    text = re.sub(r"\(Log group \S+, log stream \S+\)$", "(Log group …, log stream …)", text)
    text = re.sub(r"\b[ft]-[0-9a-f]{8}\b[\w-]*|\bfaults-\w+", "…", text).replace("|", "\\|")
    return "FAILED: " + (text if len(text) <= 160 else text[:110] + " […] " + text[-45:])


def _markdown(rows: list[Row]) -> str:
    lines = [
        *_INTRODUCTION.splitlines(),
        "",
        "| Fault | CloudFormation got | s from request to answer | s from STOPPED to answer |",
        "|---|---|---:|---:|",
    ]
    for row in rows:
        after = "–" if row.after_stopped is None else f"{row.after_stopped:.1f}"
        answer = row.answer.replace("<", "&lt;")
        lines.append(f"| {row.name} | {answer} | {row.seconds:.1f} | {after} |")
    return "\n".join(lines) + "\n"
