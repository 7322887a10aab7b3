"""Calls that something makes on AWS, and which of them a deployment's policies would refuse.

`expected/calls.jsonl` holds the calls of recorded runs (`recorded_calls`), `written_calls` those
that no run on one machine makes. The embedded AWS's own evaluation decides on them, in its own
environment.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from dry_deployment import STACK_NAME, DryStack
from policies import RESOURCE, TRUST, Documents
from template_files import ROOT_DIR, TemplateFile, root

FILE = ROOT_DIR / "tests/templates/expected/calls.jsonl"
CLASSES = ("micro", "small", "medium", "large")
_EMULATOR = Path(
    os.environ.get("EMBEDDED_AWS_PYTHON", ROOT_DIR / ".venv" / "emulator" / "bin" / "python")
)
# In class micro one task is all three. What each of them does with the policies of that task:
_CONTROL_PLANE = "ControlPlaneStack"
_COMPONENT_OF_POLICY = {
    "schedule": ("SchedulerStack",),
    "publish-forecast": ("SchedulerStack",),
    "process-dags": ("DagProcessorStack",),
    "run-triggers": ("TriggererStack",),
}
_WORKER = "WorkerStack"
_COMPONENTS = ("SchedulerStack", "DagProcessorStack", "TriggererStack")
# In this class CodeBuild builds the image, in the others the function does.
_WITH_CODEBUILD = "large"
_BUILDER = "ImageStack/BuildImageRole"
_CODEBUILD = "ImageStack/CodeBuildStack"


@dataclass(frozen=True, order=True)
class Call:
    """An action that a role takes, or that a service takes by the policy of a resource.

    Args:
        subject: whose policy decides: a role, or a resource with a policy.
        policy: the policy's name, `trust` for who may assume a role, `policy` for a resource's.
        action: the permission.
        resource: what it is for, with the tokens of the dry deployment.
        context: the condition keys of the call, in lower case, with their values.
        principal: the service that acts; empty when the role of the subject does.
        wanted: the answer; Deny for a call that a policy has to refuse explicitly.
    """

    subject: str
    policy: str
    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()
    principal: str = ""
    wanted: str = "Allow"

    def as_line(self) -> str:
        """A line of JSON, without what is empty."""
        fields = {**asdict(self), "context": dict(self.context)}
        fields.pop("wanted")
        return json.dumps({name: value for name, value in fields.items() if value})

    @classmethod
    def of_line(cls, line: str) -> "Call":
        fields = json.loads(line)
        return cls(**{**fields, "context": tuple(fields.get("context", {}).items())})

    def __str__(self) -> str:
        who = f"{self.principal} at {self.subject}" if self.principal else self.subject
        return f"{who} ({self.policy}): {self.action} on {self.resource}"


def recorded() -> list[Call]:
    """The calls of recorded runs."""
    return [Call.of_line(line) for line in FILE.read_text().splitlines()]


@cache
def deployments() -> dict[str, DryStack]:
    """One deployment of each class, with everything that gives somebody a permission."""
    return {each: deployment_of(each, root()) for each in CLASSES}


def deployment_of(environment_class: str, template: TemplateFile) -> DryStack:
    """A deployment of a root template in a class."""
    parameters = {
        "EnvironmentClass": environment_class,
        "Options": "exec,codebuild" if environment_class == _WITH_CODEBUILD else "exec",
        "WorkerQueueNames": "heavy,team:isolated",
    }
    return DryStack(STACK_NAME, template, parameters)


def in_deployment(calls: Iterable[Call], deployment: DryStack) -> list[Call]:
    """The calls as they are in the deployment's class."""
    return [each for call in calls for each in _in_deployment(call, deployment)]


def _in_deployment(call: Call, deployment: DryStack) -> list[Call]:
    stack, _slash, name = call.subject.partition("/")
    if stack == "ImageStack" and not _is_made_for_the_image(call, deployment):
        return []
    if stack == _WORKER and name == "TaskRole":
        return [call, *_of_isolated_queues(call, deployment.child(_WORKER))]
    if stack in deployment.children:
        return [call]
    if stack == _CONTROL_PLANE:
        parts = _COMPONENT_OF_POLICY.get(call.policy, _COMPONENTS)
        moved = [_moved(call, part) for part in parts]
        return [each for each in moved if _is_made(each, deployment)]
    if stack in _COMPONENTS and _CONTROL_PLANE in deployment.children:
        moved = [_moved(call, _CONTROL_PLANE)]
        return [each for each in moved if _is_made(each, deployment)]
    raise ValueError(f"{call.subject} is in no deployment of class {deployment.parameters}")


def _of_isolated_queues(call: Call, worker: DryStack) -> list[Call]:
    """The same call by a worker of each queue that has a task role of its own.

    It takes from its own queue, and reads its own secrets. What the shared role is refused is no
    call of theirs.
    """
    found = []
    for name, stack in worker.children.items():
        if call.wanted != "Allow":
            break
        subject = f"{_WORKER}/{name}/TaskRole"
        queue = stack.parameters["QueueName"]
        resource = re.sub(r"airflow-queue-[\w-]+$", f"airflow-queue-{queue}", call.resource)
        resource = re.sub(r":secret:airflow/", f":secret:airflow/queues/{queue}/", resource)
        if call.policy == TRUST:
            resource = subject
        found.append(replace(call, subject=subject, resource=resource))
    return found


def _moved(call: Call, stack: str) -> Call:
    own, _slash, name = call.subject.partition("/")
    return replace(
        call,
        subject=f"{stack}/{name}",
        resource=call.resource.replace(f"{STACK_NAME}/{own}/", f"{STACK_NAME}/{stack}/")
        if call.resource != call.subject
        else f"{stack}/{name}",
    )


def _is_made_for_the_image(call: Call, deployment: DryStack) -> bool:
    """Whether the call belongs to the way in which the deployment builds its image."""
    has_codebuild = "codebuild" in deployment.parameters["Options"].split(",")
    if call.subject.startswith(_CODEBUILD) or call.policy == "build-with-codebuild":
        return has_codebuild
    stores = call.action.startswith("ecr:") and not call.action.startswith("ecr:DescribeImage")
    return not (has_codebuild and call.subject == _BUILDER and stores)


def _is_made(call: Call, deployment: DryStack) -> bool:
    """Whether the component makes the call in this class, by what its containers get."""
    stack = deployment.child(call.subject.partition("/")[0])
    containers = stack.properties("TaskDefinition")["ContainerDefinitions"]
    if call.policy == "publish-forecast":
        # Without the bucket's name there is no forecast: class micro starts no worker ahead.
        return "STATE_BUCKET_NAME" in str(containers)
    if call.action == "secretsmanager:GetSecretValue" and call.subject.endswith("ExecutionRole"):
        named = {secret["ValueFrom"] for each in containers for secret in each.get("Secrets", ())}
        return call.resource in named
    return True


@dataclass(frozen=True)
class Question:
    """A call, and the policies with which it is decided."""

    call: Call
    documents: Documents

    def as_json(self) -> dict[str, Any]:
        names = {TRUST} if self.call.policy == TRUST else self.documents.keys() - {TRUST}
        return {
            **asdict(self.call),
            "context": dict(self.call.context),
            "kind": "resource" if self.call.policy in (TRUST, RESOURCE) else "identity",
            "documents": {name: self.documents[name] for name in names if name in self.documents},
        }


def decisions(questions: Sequence[Question]) -> list[str]:
    """Allow, Deny or ImplicitDeny for each question, as the embedded AWS evaluates policies."""
    done = subprocess.run(
        [_EMULATOR, "-m", "embedded_aws.authorization.decide"],
        input=json.dumps([each.as_json() for each in questions]),
        env={**os.environ, "PYTHONPATH": str(ROOT_DIR / "local")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[str] = json.loads(done.stdout)
    return found


def questions(
    calls: Iterable[Call], policies: dict[str, Documents], deployment: DryStack
) -> list[Question]:
    """The calls as they are in a deployment, with the policies that decide there."""
    made = in_deployment(calls, deployment)
    return [Question(call, policies.get(call.subject, {})) for call in made]


def wrong(asked: Sequence[Question]) -> list[str]:
    """Every call that gets another answer than the one that it needs."""
    answers = decisions(asked)
    return [
        f"{each.call}: {answer}"
        for each, answer in zip(asked, answers, strict=True)
        if answer != each.call.wanted
    ]
