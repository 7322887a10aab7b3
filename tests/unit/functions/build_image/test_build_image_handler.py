"""The handler: CloudFormation's requests, and the calls that continue a build."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from build_image import handler as module
from build_image.aws.ecr_scans import EcrScans
from build_image.budget import ContinueError
from build_image.builder import Builder, BuiltImage
from build_image.codebuild.builder import AwaitBuildError, CodeBuildBuilder
from build_image.errors import PackagesError
from build_image.findings import gate
from build_image.findings.model import Finding, Scan
from build_image.handler import CONTINUATION, handler
from build_image.model import Layer, Part
from shared.aws.cloudformation_stacks import CloudFormationStacks

CRITICAL = Finding("CVE-2026-1", "CRITICAL")
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


@pytest.fixture(autouse=True)
def scans(monkeypatch: pytest.MonkeyPatch) -> list[Scan]:
    """The scans of the image, one after the other; the last one stays."""
    following = [Scan("COMPLETE", has_result=True)]

    def scan_of(_: EcrScans, digest: str) -> Scan:
        assert digest.startswith("sha256:")
        return following.pop(0) if len(following) > 1 else following[0]

    monkeypatch.setattr(EcrScans, "scan_of", scan_of)
    monkeypatch.setattr(gate, "_POLL_SECONDS", 0.0)
    return following


@pytest.fixture(autouse=True)
def rolling_back(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    answers = [False]
    monkeypatch.setattr(CloudFormationStacks, "is_rolling_back", lambda *_: answers[0])
    return answers


def request(kind: str = "Create", **properties: str) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": "https://example.com/answer",
        "StackId": "stack",
        "RequestId": "1",
        "ResourceType": "Custom::AirflowImage",
        "LogicalResourceId": "Image",
        "ResourceProperties": properties,
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
    builds(monkeypatch, lambda _: kept.append(note.read_text()) or BuiltImage("sha256:abc", "t"))
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

    def hang(_: Builder) -> BuiltImage:
        hanging.wait(60)
        raise PackagesError("too late")

    builds(monkeypatch, hang)
    context.remaining_milliseconds = 22_200

    handler(request(), context)
    hanging.set()

    assert channel.answer["Status"] == "FAILED"
    assert "did not end within" in channel.answer["Reason"]


def test_findings_are_an_attribute_and_in_the_log(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, scans: list[Scan], log_lines: Any
) -> None:
    builds(monkeypatch, lambda _: BuiltImage("sha256:abc", "content-1"))
    scans[:] = [
        Scan("COMPLETE", has_result=True, findings=(CRITICAL, Finding("CVE-2026-2", "LOW")))
    ]

    handler(request(), context)

    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["Data"]["Findings"] == "CRITICAL 1, LOW 1"
    lines = log_lines()
    assert "Severe findings" in lines
    assert "CVE-2026-1 (CRITICAL)" in lines
    assert "CVE-2026-2" not in lines


def test_image_with_refused_findings_fails_with_the_list(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, scans: list[Scan], log_lines: Any
) -> None:
    builds(monkeypatch, lambda _: BuiltImage("sha256:abc", "content-1"))
    many = tuple(Finding(f"CVE-2026-{number:05}", "CRITICAL") for number in range(400))
    scans[:] = [Scan("COMPLETE", has_result=True, findings=many)]

    handler(request(RefusedFindings="CRITICAL"), context)

    answer = channel.answer
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("The image content-1 is refused. ECR's scan found")
    # Nothing of the reason is cut: it says how many it leaves out, and what to do.
    assert "[…]" not in answer["Reason"]
    assert "more, which are in the log" in answer["Reason"]
    assert "Then deploy again." in answer["Reason"]
    lines = log_lines()
    assert all(finding.id in lines for finding in many)
    assert "ImagesRefused" in lines
    assert "ImageBuildsFailed" not in lines


def test_rollback_to_an_image_with_refused_findings_succeeds(
    monkeypatch: pytest.MonkeyPatch,
    context: Any,
    channel: Any,
    scans: list[Scan],
    rolling_back: list[bool],
) -> None:
    builds(monkeypatch, lambda _: BuiltImage("sha256:abc", "content-1"))
    scans[:] = [Scan("COMPLETE", has_result=True, findings=(CRITICAL,))]

    rolling_back[:] = [True]
    handler(request("Update", RefusedFindings="CRITICAL"), context)
    rolling_back[:] = [False]
    handler(request("Update", RefusedFindings="CRITICAL"), context)

    assert [answer["Status"] for answer in channel.answers] == ["SUCCESS", "FAILED"]
    assert channel.answers[0]["Data"]["Findings"] == "CRITICAL 1"


def test_wrong_list_of_accepted_findings_fails_before_the_build(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, tmp_path: Path
) -> None:
    builds(monkeypatch, lambda _: pytest.fail("built"))
    (tmp_path / "user").mkdir()
    (tmp_path / "user/accepted-findings.toml").write_text('[[finding]]\nid = "CVE-2026-1"\n')

    handler(request(), context)

    assert channel.answer["Status"] == "FAILED"
    assert (
        "accepted-findings.toml, entry 1, line 1: expires is missing" in (channel.answer["Reason"])
    )


def test_waiting_for_the_scan_is_continued_by_another_call(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, scans: list[Scan], calls: list[Any]
) -> None:
    builds(monkeypatch, lambda _: BuiltImage("sha256:abc", "content-1"))
    scans[:] = [Scan("IN_PROGRESS")]
    context.remaining_milliseconds = 50_000

    handler(request(RefusedFindings="CRITICAL"), context)

    assert channel.bodies == []
    event = json.loads(calls[0]["Payload"])
    assert event[CONTINUATION]["call"] == 2
    # The same moment ends the waiting of every call.
    until = event[CONTINUATION]["scanUntil"]
    assert 0 < until - time.time() <= 900
    handler(event, context)
    assert json.loads(calls[1]["Payload"])[CONTINUATION]["scanUntil"] == until

    scans[:] = [Scan("COMPLETE", has_result=True)]
    handler(json.loads(calls[1]["Payload"]), context)

    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["Data"]["Findings"] == "none"


def test_codebuild_builds_where_the_request_names_a_project(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, calls: list[Any]
) -> None:
    builds(monkeypatch, lambda _: pytest.fail("built by the function"))

    def first(builder: CodeBuildBuilder) -> BuiltImage:
        assert (builder.token, builder.running) == ("1", "")
        raise AwaitBuildError("project:1")

    monkeypatch.setattr(CodeBuildBuilder, "build", first)
    handler(request(CodeBuildProject="project"), context)

    assert channel.bodies == []
    event = json.loads(calls[0]["Payload"])
    assert event[CONTINUATION]["build"] == "project:1"

    def second(builder: CodeBuildBuilder) -> BuiltImage:
        assert (builder.running, builder.budget.call) == ("project:1", 2)
        return BuiltImage("sha256:abc", "codebuild-1", {"project:1": 0})

    monkeypatch.setattr(CodeBuildBuilder, "build", second)
    handler(event, context)

    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["Data"]["Digest"] == "sha256:abc"


def test_scan_judges_the_image_of_codebuild(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, scans: list[Scan]
) -> None:
    built = BuiltImage("sha256:abc", "codebuild-1")
    monkeypatch.setattr(CodeBuildBuilder, "build", lambda _: built)
    scans[:] = [Scan("COMPLETE", findings=(CRITICAL,))]

    handler(request(CodeBuildProject="project", RefusedFindings="CRITICAL"), context)

    assert channel.answer["Status"] == "FAILED"
    assert channel.answer["Reason"].startswith("The image codebuild-1 is refused.")


def test_deletion_starts_no_build(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any
) -> None:
    monkeypatch.setattr(CodeBuildBuilder, "build", lambda _: pytest.fail("built"))

    handler(request("Delete", CodeBuildProject="project"), context)

    assert channel.answer["Status"] == "SUCCESS"


def test_debian_packages_without_codebuild_fail_before_the_build(
    monkeypatch: pytest.MonkeyPatch, context: Any, channel: Any, tmp_path: Path
) -> None:
    builds(monkeypatch, lambda _: pytest.fail("built"))
    (tmp_path / "user").mkdir()
    (tmp_path / "user/packages.txt").write_text("unixodbc\n")

    handler(request(), context)

    assert channel.answer["Status"] == "FAILED"
    assert "add the word codebuild to Options" in channel.answer["Reason"]
