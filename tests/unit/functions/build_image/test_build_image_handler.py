"""The handler: CloudFormation's requests, and the calls that continue a build."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from build_image import handler as module
from build_image.budget import ContinueError
from build_image.builder import Builder, BuiltImage
from build_image.errors import PackagesError
from build_image.handler import CONTINUATION, handler
from build_image.model import Layer, Part

PART = Part("key", (Layer("sha256:1", "sha256:2", 3),), {"python": "/usr/bin/python"})


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "REPOSITORY_NAME": "airflow",
        "REPOSITORY_URI": "111122223333.dkr.ecr.us-east-1.amazonaws.com/airflow",
        "IMAGE_ARCHITECTURE": "arm64",
        "IMAGE_SOURCE": str(tmp_path),
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    # Tests that run at the same time do not share the folder.
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls of the function by itself."""
    made: list[Any] = []

    class Lambda:
        def invoke(self, **arguments: Any) -> None:
            made.append(arguments)

    monkeypatch.setattr(module.clients, "lambda_", Lambda)
    return made


def request(kind: str = "Create") -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": "https://example.com/answer",
        "StackId": "stack",
        "RequestId": "1",
        "ResourceType": "Custom::AirflowImage",
        "LogicalResourceId": "Image",
        "ResourceProperties": {},
    }


def builds(monkeypatch: pytest.MonkeyPatch, build: Callable[[Builder], BuiltImage]) -> None:
    monkeypatch.setattr(Builder, "build", build)


def test_answer_contains_the_image_by_digest(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any
) -> None:
    builds(monkeypatch, lambda _: BuiltImage("sha256:abc", "content-1", {"code": 1}))

    handler(request(), context)

    assert channel.answer["Status"] == "SUCCESS"
    uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/airflow@sha256:abc"
    assert channel.answer["Data"]["Uri"] == uri


def test_reason_of_a_failure_is_the_sentence(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any
) -> None:
    def fail(_: Builder) -> BuiltImage:
        raise PackagesError("user/requirements.txt names nosuch.")

    builds(monkeypatch, fail)

    handler(request("Update"), context)

    assert channel.answer["Status"] == "FAILED"
    assert channel.answer["Reason"].startswith("user/requirements.txt names nosuch.")


def test_repetition_of_a_killed_call_is_answered_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, tmp_path: Path
) -> None:
    """Lambda ended the process, so the note of the attempt is still there."""
    note = tmp_path / module._NOTE
    kept = []
    builds(monkeypatch, lambda _: kept.append(note.read_text()) or BuiltImage("sha256:a", "t"))
    handler(request(), context)
    assert not note.exists()  # an attempt that ended
    note.write_text(kept[0])
    channel.bodies.clear()

    handler(request(), context)

    assert channel.answer["Status"] == "FAILED"
    assert "ended an earlier attempt" in channel.answer["Reason"]
    assert "raise its MemorySize" in channel.answer["Reason"]
    assert len(kept) == 1
    # Another request starts from the beginning.
    channel.bodies.clear()
    handler({**request(), "RequestId": "2"}, context)
    assert channel.answer["Status"] == "SUCCESS"


def test_note_of_another_request_is_no_killed_call(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, tmp_path: Path
) -> None:
    (tmp_path / module._NOTE).write_text("another request 1")
    builds(monkeypatch, lambda _: BuiltImage("sha256:abc", "content-1"))

    handler(request(), context)

    assert channel.answer["Status"] == "SUCCESS"


def test_deletion_builds_nothing(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any
) -> None:
    builds(monkeypatch, lambda _: pytest.fail("built"))

    handler(request("Delete"), context)

    assert channel.answer["Status"] == "SUCCESS"


def test_build_that_needs_another_call_is_continued_with_what_was_made(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, calls: list[Any], log_lines: Any
) -> None:
    def first(builder: Builder) -> BuiltImage:
        builder.parts["key"] = PART
        raise ContinueError("packages")

    builds(monkeypatch, first)
    handler(request(), context)

    assert channel.bodies == []
    event = json.loads(calls[0]["Payload"])
    assert calls[0]["FunctionName"] == context.function_name
    assert calls[0]["InvocationType"] == "Event"
    assert event[CONTINUATION]["call"] == 2
    assert "example.com" not in log_lines()  # the URL is a secret

    def second(builder: Builder) -> BuiltImage:
        assert builder.budget.call == 2
        assert builder.parts == {"key": PART}
        return BuiltImage("sha256:abc", "content-1")

    builds(monkeypatch, second)
    handler(event, context)

    assert channel.answer["Status"] == "SUCCESS"


def test_call_that_hangs_is_answered_before_it_ends(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any
) -> None:
    hanging = threading.Event()
    builds(monkeypatch, lambda _: BuiltImage(str(hanging.wait(60)), ""))
    context.remaining_milliseconds = 22_200

    handler(request(), context)
    hanging.set()

    assert channel.answer["Status"] == "FAILED"
    assert "did not end within" in channel.answer["Reason"]
