"""What must be true of the root stack's parameters, as far as templates cannot say it.

CloudFormation's own checks compare strings: they know no numbers, no pairs, no lengths of lists.
Every problem is one sentence that says what to change, and all are found at once, so that nobody
has to deploy five times to learn five things.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from preflight.worker_fleets import (
    PARAMETERS,
    WORKER_BASE_MIB,
    WORKER_SLOT_MIB,
    fleet_problems,
    needed_memory_mib,
)
from shared.fargate_sizes import MEMORY_BY_CPU, describe

COMPONENTS = ("ApiServer", "Scheduler", "DagProcessor", "Triggerer", "Worker")

WORKER_NUMBERS = ("WorkerMinCount", "WorkerMaxCount", "WorkerConcurrency", "WorkerAheadMaxCount")

# The longest name derived from the stack's is the scaler's, "<stack>-scale-workers"; those of
# load balancers and target groups, and of what the user adds, want room as well.
MAX_STACK_NAME_LENGTH = 40
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")

# The load balancer and the database want two Availability Zones.
MIN_SUBNETS = 2


class MissingPropertyError(Exception):
    """The template does not pass a parameter that is checked."""


class Parameters:
    """The parameters as CloudFormation passes them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        try:
            return str(self._values[name]).strip()
        except KeyError:
            raise MissingPropertyError(
                f"The template does not pass {name} to the check of prerequisites"
            ) from None

    def number(self, name: str) -> int | None:
        """None when it is no whole number, which `_number_problems` reports once."""
        text = self.text(name)
        return int(text) if re.fullmatch(r"\d{1,9}", text) else None

    def items(self, name: str) -> list[str]:
        """A list, or a comma-separated string: CloudFormation passes either."""
        value = self._values.get(name)
        parts = value if isinstance(value, list) else self.text(name).split(",")
        return [part.strip() for part in parts if part.strip()]


def find_problems(values: Mapping[str, Any]) -> list[str]:
    """All that is wrong with the parameters; empty when the stack may be created."""
    parameters = Parameters(values)
    return [
        *_stack_name_problems(parameters),
        *_number_problems(parameters),
        *_fargate_problems(parameters),
        *_worker_count_problems(parameters),
        *_worker_memory_problems(parameters),
        *_worker_fleet_problems(parameters),
        *_subnet_problems(parameters),
    ]


def _stack_name_problems(parameters: Parameters) -> Iterator[str]:
    name = parameters.text("StackName")
    if len(name) > MAX_STACK_NAME_LENGTH:
        yield (
            f"The stack's name {name} has {len(name)} characters, but names derived from it leave "
            f"room for {MAX_STACK_NAME_LENGTH}: choose a shorter name."
        )
    if not _STACK_NAME.fullmatch(name):
        yield (
            f"The stack's name {name!r} must start with a letter and hold only letters, digits and "
            "hyphens: choose another name."
        )


def _number_problems(parameters: Parameters) -> Iterator[str]:
    sizes = [f"{component}{size}" for component in COMPONENTS for size in ("Cpu", "MemoryMib")]
    for name in [*sizes, *WORKER_NUMBERS]:
        if parameters.number(name) is None:
            yield f"{name} is {parameters.text(name)!r}: give a whole number, such as 1024."


def _fargate_problems(parameters: Parameters) -> Iterator[str]:
    for component in COMPONENTS:
        cpu = parameters.number(f"{component}Cpu")
        memory = parameters.number(f"{component}MemoryMib")
        if cpu is None or memory is None:
            continue
        if cpu not in MEMORY_BY_CPU:
            yield (
                f"{component}Cpu is {cpu}, which Fargate does not sell: choose "
                f"{describe(tuple(MEMORY_BY_CPU))}."
            )
        elif memory not in MEMORY_BY_CPU[cpu]:
            yield (
                f"{component}MemoryMib is {memory}, which Fargate does not sell with "
                f"{component}Cpu {cpu}: choose {describe(MEMORY_BY_CPU[cpu])}, or another "
                f"{component}Cpu."
            )


def _worker_count_problems(parameters: Parameters) -> Iterator[str]:
    minimum = parameters.number("WorkerMinCount")
    maximum = parameters.number("WorkerMaxCount")
    if maximum == 0:
        yield "WorkerMaxCount is 0, so no task could ever run: raise WorkerMaxCount to at least 1."
    elif minimum is not None and maximum is not None and minimum > maximum:
        yield (
            f"WorkerMinCount is {minimum} but WorkerMaxCount is {maximum}: raise WorkerMaxCount or "
            "lower WorkerMinCount."
        )


def _worker_memory_problems(parameters: Parameters) -> Iterator[str]:
    memory = parameters.number("WorkerMemoryMib")
    concurrency = parameters.number("WorkerConcurrency")
    if concurrency == 0:
        yield "WorkerConcurrency is 0, so no task could ever run: raise it to at least 1."
    elif memory is not None and concurrency is not None:
        needed = needed_memory_mib(concurrency)
        if memory < needed:
            yield (
                f"WorkerMemoryMib is {memory}, but {concurrency} tasks at once (WorkerConcurrency) "
                f"need at least {needed}, {WORKER_BASE_MIB} for the worker and {WORKER_SLOT_MIB} "
                "for each task: raise WorkerMemoryMib or lower WorkerConcurrency."
            )


def _worker_fleet_problems(parameters: Parameters) -> Iterator[str]:
    defaults = {name: parameters.number(name) for name in PARAMETERS.values()}
    names, fleets = parameters.text("WorkerQueueNames"), parameters.text("WorkerFleets")
    yield from fleet_problems(names, fleets, defaults)


def _subnet_problems(parameters: Parameters) -> Iterator[str]:
    public = parameters.items("PublicSubnetIds")
    private = parameters.items("PrivateSubnetIds")
    for name, subnets in (("PublicSubnetIds", public), ("PrivateSubnetIds", private)):
        if subnets and len(set(subnets)) < MIN_SUBNETS:
            yield (
                f"{name} names {len(set(subnets))} subnet: give at least {MIN_SUBNETS}, in "
                "different Availability Zones."
            )
    if private and not public and parameters.text("IngressScheme") == "internet-facing":
        yield (
            "IngressScheme is internet-facing but PublicSubnetIds is empty: give your public "
            "subnets, or choose the IngressScheme internal."
        )
