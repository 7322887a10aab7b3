"""A dry run: do the roles' policies allow what tasks need to start and to work?

Only the policies of the roles are asked. Policies of buckets, queues and keys are not, so a
permission that is missing here is missing for certain, and one that is there may be refused there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.names import SCHEDULER, WORKER, scaler_function
from contracts.queues import DEFAULT_QUEUE
from doctor.model import Finding, fail, ok
from doctor.ports import DefinitionState, Permissions


@dataclass(frozen=True)
class Names:
    """From which ARNs are made."""

    stack: str
    cluster_arn: str
    dag_bucket: str
    has_sqs: bool = True

    def arn(self, service: str, rest: str) -> str:
        _, partition, _, region, account, _ = self.cluster_arn.split(":", 5)
        return f"arn:{partition}:{service}:{region}:{account}:{rest}"

    def object_arn(self, key: str) -> str:
        return f"arn:{self.cluster_arn.split(':')[1]}:s3:::{self.dag_bucket}/{key}"


@dataclass(frozen=True)
class Need:
    """A role, what has it, and what it has to be allowed, by resource."""

    role_arn: str
    what: str
    actions: Mapping[str, tuple[str, ...]]


def roles(
    definitions: Sequence[DefinitionState], names: Names, permissions: Permissions
) -> Iterator[Finding]:
    asked = 0
    denied = False
    for need in [need for definition in definitions for need in needs(definition, names)]:
        for resource, actions in need.actions.items():
            asked += len(actions)
            for action in permissions.denied(need.role_arn, actions, resource):
                denied = True
                yield fail(
                    f"{need.what} may not call {action} on {resource}",
                    f"A policy of {need.role_arn.rpartition('/')[2]} was changed: deploy again",
                )
    if not denied:
        yield ok(f"The roles have {asked} permissions that tasks need to start and to work")


def needs(definition: DefinitionState, names: Names) -> Iterator[Need]:
    if definition.execution_role_arn:
        started: dict[str, tuple[str, ...]] = dict.fromkeys(
            definition.secret_arns, ("secretsmanager:GetSecretValue",)
        )
        for group in definition.log_groups:
            stream = names.arn("logs", f"log-group:{group}:log-stream:doctor")
            started[stream] = ("logs:CreateLogStream", "logs:PutLogEvents")
        what = f"The agent that starts {definition.family}"
        yield Need(definition.execution_role_arn, what, started)
    working: dict[str, tuple[str, ...]] = {}
    queue = names.arn("sqs", f"{names.stack}-queue-{DEFAULT_QUEUE}")
    if WORKER in definition.containers:
        if names.has_sqs:
            working[queue] = ("sqs:ReceiveMessage", "sqs:DeleteMessage")
        working[names.object_arn("releases/current.json")] = ("s3:GetObject",)
    if SCHEDULER in definition.containers:
        if names.has_sqs:
            working[queue] = ("sqs:SendMessage",)
        scaler = names.arn("lambda", f"function:{scaler_function(names.stack)}")
        working[scaler] = ("lambda:InvokeFunction",)
    if definition.task_role_arn and working:
        yield Need(definition.task_role_arn, definition.family, working)
