"""What a deployment prints while it runs."""

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from commands import deployment, steps
from commands.workspace import CommandError, stack_name


class Printed:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def detail(self, text: str) -> None:
        self.lines.append(text)


def event(name: str, status: str) -> dict[str, Any]:
    return {
        "EventId": f"{name}-{status}",
        "LogicalResourceId": name,
        "ResourceType": "AWS::CloudFormation::Stack",
        "ResourceStatus": status,
    }


def test_deployment_says_which_stacks_are_in_progress_however_slow_the_answers_are():
    done = threading.Event()
    answers: list[list[dict[str, Any]] | None] = [
        None,
        [event(stack_name(), "CREATE_IN_PROGRESS"), event("NetworkStack", "CREATE_IN_PROGRESS")],
        None,
        [event("NetworkStack", "CREATE_COMPLETE"), event("DatabaseStack", "CREATE_IN_PROGRESS")],
    ]
    seen: list[dict[str, Any]] = []
    awaited: list[str] = []

    def describe(StackName: str) -> dict[str, Any]:
        answer = answers.pop(0) if answers else []
        awaited.append(steps._awaited.text)
        if not answers:
            done.set()
        if answer is None:
            raise ReadTimeoutError(endpoint_url="http://127.0.0.1:4566")
        seen[:0] = reversed(answer)
        return {"StackEvents": seen}

    printed = Printed()
    workspace = SimpleNamespace(client=lambda _: SimpleNamespace(describe_stack_events=describe))
    deployment._watch(workspace, printed, done, {})  # type: ignore[arg-type]
    awaited.append(steps._awaited.text)

    assert printed.lines == [f"{'NetworkStack':<18} CREATE_COMPLETE"]
    assert "NetworkStack (CREATE_IN_PROGRESS)" in awaited
    assert awaited[-1] == "DatabaseStack (CREATE_IN_PROGRESS)"


def test_what_needs_a_nested_stack_is_called_once_when_that_stack_is_created():
    done = threading.Event()
    seen: list[dict[str, Any]] = []
    answers = [
        [event("DeliveryStack", "CREATE_IN_PROGRESS")],
        [event("DeliveryStack", "CREATE_COMPLETE"), event("ServicesStack", "CREATE_IN_PROGRESS")],
        [event("ServicesStack", "CREATE_COMPLETE")],
    ]

    def describe(StackName: str) -> dict[str, Any]:
        answer = answers.pop(0) if answers else []
        if not answers:
            done.set()
        seen[:0] = reversed(answer)
        return {"StackEvents": seen}

    printed = Printed()
    workspace = SimpleNamespace(client=lambda _: SimpleNamespace(describe_stack_events=describe))
    called = {"DeliveryStack": lambda: printed.detail("uploaded")}
    deployment._watch(workspace, printed, done, called)  # type: ignore[arg-type]

    assert printed.lines == [
        f"{'DeliveryStack':<18} CREATE_COMPLETE",
        "uploaded",
        f"{'ServicesStack':<18} CREATE_COMPLETE",
    ]


class FakeWorkspace:
    """A folder; the SAM CLI is a shell script in the place of the environment's."""

    def __init__(self, folder: Path) -> None:
        self.state_dir = folder

    def environment(self) -> dict[str, str]:
        return dict(os.environ)


def fake_sam(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> FakeWorkspace:
    program = folder / "bin" / "sam"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(deployment, "venv_python", lambda _: program.with_name("python"))
    return FakeWorkspace(folder)


def test_build_that_is_stopped_leaves_no_process_and_is_repeated(tmp_path, monkeypatch):
    script = (
        f'echo "$$" > {tmp_path}/pid.part; mv {tmp_path}/pid.part {tmp_path}/pid; exec sleep 1000'
    )
    workspace = fake_sam(tmp_path, script, monkeypatch)
    build = deployment.Build(workspace)  # type: ignore[arg-type]
    steps.wait_until((tmp_path / "pid").exists, 60, "the build")

    build.stop()

    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not (tmp_path / "build.fingerprint").exists()


def test_build_of_the_same_sources_runs_once(tmp_path, monkeypatch):
    script = f"mkdir -p {tmp_path}/build; echo run >> {tmp_path}/runs"
    workspace = fake_sam(tmp_path, script, monkeypatch)
    for _ in range(2):
        deployment.Build(workspace).wait()  # type: ignore[arg-type]

    assert (tmp_path / "runs").read_text() == "run\n"


def test_build_that_fails_shows_the_end_of_its_output_and_is_repeated(tmp_path, monkeypatch):
    workspace = fake_sam(tmp_path, "echo no such package; exit 1", monkeypatch)
    for _ in range(2):
        with pytest.raises(CommandError, match="no such package"):
            deployment.Build(workspace).wait()  # type: ignore[arg-type]
