"""What a deployment prints while it runs."""

import threading
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ReadTimeoutError

from commands import deployment, steps
from commands.workspace import stack_name


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
    deployment._watch(workspace, printed, done)  # type: ignore[arg-type]
    awaited.append(steps._awaited.text)

    assert printed.lines == [f"{'NetworkStack':<18} CREATE_COMPLETE"]
    assert "NetworkStack (CREATE_IN_PROGRESS)" in awaited
    assert awaited[-1] == "DatabaseStack (CREATE_IN_PROGRESS)"
