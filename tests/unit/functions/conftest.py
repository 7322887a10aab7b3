"""Fixtures for several functions: sample events, a context, stubbed AWS clients."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from shared.aws import clients, https_answer_channel
from shared.cloudformation import custom_resource

EVENTS = Path(__file__).resolve().parents[3] / "events"


@pytest.fixture(autouse=True)
def function_environment(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> None:
    """The environment that every function's template sets."""
    monkeypatch.setenv("STACK_NAME", "airflow")
    # Its own logger for each test: Powertools keeps one logger, with its stream, per service.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"unit-test-{uuid.uuid4()}")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "AirflowOnFargate")


@pytest.fixture(autouse=True)
def denied_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A denied call of a custom resource is repeated twice, without waiting."""
    waits = [0.0, 0.0]
    monkeypatch.setattr(custom_resource, "_DENIED_WAITS_SECONDS", waits)
    return waits


@pytest.fixture
def sample_event() -> Callable[[str], dict[str, Any]]:
    """A sample event by its path under events/, without the suffix."""
    return lambda name: json.loads((EVENTS / f"{name}.json").read_text())


@dataclass
class FakeContext:
    """What the handlers use of a Lambda context."""

    aws_request_id: str = "0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f"
    invoked_function_arn: str = (
        "arn:aws:lambda:us-east-1:111122223333:function:airflow-scale-workers"
    )
    function_name: str = "airflow-function"
    remaining_milliseconds: int = 300_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_milliseconds


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Stubber]]:
    """Stub a service's client for the handlers; all expected calls must have been made."""
    stubbers: dict[str, Stubber] = {}

    def stub(service: str) -> Stubber:
        if service not in stubbers:
            client = boto3.client(service, region_name="us-east-1")
            stubbers[service] = Stubber(client)
            stubbers[service].activate()
            monkeypatch.setattr(clients, service, lambda: client)
        return stubbers[service]

    yield stub
    for stubber in stubbers.values():
        stubber.assert_no_pending_responses()


@dataclass
class InMemoryAnswerChannel:
    """Stores the answers to CloudFormation."""

    bodies: list[bytes] = field(default_factory=list)
    error: Exception | None = None

    def put(self, url: str, body: bytes) -> None:
        if self.error:
            raise self.error
        self.bodies.append(body)

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    @property
    def answer(self) -> dict[str, Any]:
        assert len(self.bodies) == 1, self.bodies
        return self.answers[0]


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> InMemoryAnswerChannel:
    """Replaces the answer channel in every handler."""
    channel = InMemoryAnswerChannel()
    monkeypatch.setattr(
        https_answer_channel.HttpsAnswerChannel, "put", lambda _, url, body: channel.put(url, body)
    )
    return channel


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Everything that was printed: the log in CloudWatch."""

    def read() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return read
