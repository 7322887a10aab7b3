"""Every injected fault is answered, with its cause, in time; the table of it is docs/faults.md.

The table is printed at the end, and written when FAULT_TABLE names a file.
"""

import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.embedded_aws.conftest import eventually
from tests.integration.run_airflow_command.conftest import Harness
from tests.integration.run_airflow_command.faults import Fault, faults

NAMES = [fault.name for fault in faults({"Silent": "", "BadImage": "", "BadSecret": ""})]
SERVICE_TIMEOUT_SECONDS = 120
ANSWER_AFTER_STOPPED_SECONDS = 5
_INTRODUCTION = f"""
# Faults

What CloudFormation heard of each injected fault, and when: the deployed function on the embedded
AWS, with a shell script in Airflow's place and a ServiceTimeout of {SERVICE_TIMEOUT_SECONDS} s.
A task starts at once there; on Fargate add 20 to 90 s, and some 25 s between exit and STOPPED.
Written by

```console
FAULT_TABLE=docs/faults.md .venv/tools/bin/python -m pytest tests/integration/run_airflow_command
```

Some faults cannot be made there, and are unit tests: a task that stays PROVISIONING or PENDING, a
call that is cut off before RunTask, a RunTask whose answer is lost (`test_sweep.py`); a real
OutOfMemoryError (`test_run_airflow_command_handler.py`); a bucket of CloudFormation's that does not
take the answer (`test_https_answer_channel.py`).
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


@dataclass(frozen=True)
class Waiting:
    """A stack that waits for its answer."""

    stack_id: str
    since: float


def launch(harness: Harness, fault: Fault) -> Waiting:
    since = time.time()
    return Waiting(harness.custom_resource(f"f-{uuid.uuid4().hex[:8]}", fault.properties), since)


@pytest.fixture(scope="module")
def all_faults(harness: Harness) -> dict[str, Fault]:
    return {fault.name: fault for fault in faults(harness.outputs)}


@pytest.fixture(scope="module")
def launched(harness: Harness, all_faults: dict[str, Fault]) -> dict[str, Waiting]:
    """The slow ones, which are found by a tick: they wait while the others are tried."""
    return {name: launch(harness, fault) for name, fault in all_faults.items() if fault.slow}


@pytest.mark.parametrize("name", sorted(NAMES, key=lambda name: "lost" in name or "long" in name))
def test_cloudformation_is_answered_when_there_is_a_fault(
    name: str,
    harness: Harness,
    all_faults: dict[str, Fault],
    launched: dict[str, Waiting],
    table: list[Row],
) -> None:
    fault = all_faults[name]
    fault.before(harness)
    waiting = launched.get(name) or launch(harness, fault)
    fault.inject(harness, waiting.stack_id)

    stack = harness.stacks.wait(waiting.stack_id)

    event = answer_of(harness, waiting.stack_id)
    reason = event.get("ResourceStatusReason", "")
    seconds = event["Timestamp"].timestamp() - waiting.since
    after_stopped = seconds_after_stopped(harness, waiting.stack_id, event["Timestamp"])
    succeeded = event["ResourceStatus"] == "CREATE_COMPLETE"
    told = "SUCCESS" if succeeded else _short(reason)
    table.append(Row(name, told, seconds, after_stopped))

    assert succeeded == (fault.reason is None), reason
    assert stack.status == ("CREATE_COMPLETE" if succeeded else "ROLLBACK_COMPLETE")
    assert re.search(fault.reason or "", reason, re.DOTALL), reason
    assert "did not receive a response" not in reason
    assert seconds < SERVICE_TIMEOUT_SECONDS
    assert not [
        word for word in (*fault.hidden, "cloudformation-custom-resource") if word in reason
    ]
    if after_stopped is not None and "lost" not in name:
        assert after_stopped < ANSWER_AFTER_STOPPED_SECONDS
    # Nothing is left that would tick, or keep the next migration from running.
    mine = [r["request_id"] for r in harness.records() if _stack_of(r) == waiting.stack_id]
    eventually(
        lambda: not set(mine) & {k.rsplit("/", 1)[-1] for k in harness.keys("commands/open/")}
    )


def test_nothing_ticks_when_nothing_is_open(harness: Harness, launched: dict[str, Waiting]) -> None:
    for waiting in launched.values():
        harness.stacks.wait(waiting.stack_id)
    assert harness.keys("commands/open/") == []
    assert harness.keys("commands/locks/") == []
    scheduler = harness.client("scheduler")
    group = harness.outputs["ScheduleGroup"]

    # The last tick finds nothing, makes no other, and removes itself.
    eventually(lambda: not scheduler.list_schedules(GroupName=group)["Schedules"], timeout=90)


def answer_of(harness: Harness, stack_id: str) -> dict[str, Any]:
    """The event in which the custom resource's fate became known."""
    pages = harness.client("cloudformation").get_paginator("describe_stack_events")
    for page in pages.paginate(StackName=stack_id):
        for event in page["StackEvents"]:
            if event["LogicalResourceId"] == "Command" and event["ResourceStatus"] in (
                "CREATE_COMPLETE",
                "CREATE_FAILED",
            ):
                found: dict[str, Any] = event
                return found
    raise AssertionError("the custom resource was neither made nor refused")


def seconds_after_stopped(harness: Harness, stack_id: str, answered: datetime) -> float | None:
    """From STOPPED to the answer; None when no task was started."""
    stopped = [
        task["stoppedAt"]
        for record in harness.records()
        if _stack_of(record) == stack_id
        for task in harness.tasks(record["request_id"])
        if "stoppedAt" in task
    ]
    return (answered - stopped[0]).total_seconds() if stopped else None


def _stack_of(record: dict[str, Any]) -> str | None:
    stack_id: str | None = (record["request"] or {}).get("StackId")
    return stack_id


def _short(reason: str) -> str:
    """The answer's own words, without what CloudFormation puts around them."""
    found = re.search(r"Message returned: (.*) \(RequestId: ", reason, re.DOTALL)
    text = found.group(1) if found else reason
    text = re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f-]{36}\b", "…", " ".join(text.split()))
    text = re.sub(r"\bf-[0-9a-f]{8}\b|\bfaults-\w+", "…", text).replace("|", "\\|")
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
