"""What a task may ask of the ECS executor with `executor_config`: pure.

The provider merges `executor_config` into the request of RunTask without looking at it. A DAG could
then replace the network, the roles, the group by which the scaler counts its workers, or the number
of tasks. So only what changes the task's own size, place and environment is taken. The format is
RunTask's, as in the documentation of the provider.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from airflow_on_fargate.contracts.names import WORKER, task_family

# Spot and on-demand. A task names one of them; RunTask does not fall back.
_PROVIDERS: Final = ("FARGATE", "FARGATE_SPOT")
# The range that Fargate offers.
_STORAGE_GIB: Final = range(21, 201)
_SIZES: Final = ("cpu", "memory")
_OF_THE_REQUEST: Final = ("capacityProviderStrategy", "overrides", "tags", "taskDefinition")
_OF_THE_TASK: Final = (*_SIZES, "containerOverrides", "ephemeralStorage")
_OF_THE_CONTAINER: Final = (*_SIZES, "environment", "memoryReservation", "name")


class ExecutorConfigError(ValueError):
    """The executor_config cannot be used; the text says why and what to write."""


def own_families(stack_name: str) -> tuple[str, str]:
    """The family of the stack's workers, and the prefix of those that its users register.

    The scheduler's role admits these.
    """
    return task_family(stack_name, WORKER), f"{stack_name}-executor-"


def run_task_options(config: Any, container: str, families: tuple[str, str]) -> dict[str, Any]:
    """The part of a RunTask request that `config` asks for. Raises ExecutorConfigError."""
    if not config:
        return {}
    if not isinstance(config, Mapping):
        raise ExecutorConfigError(
            f"executor_config is {type(config).__name__}: give a dictionary such as "
            '{"overrides": {"cpu": "2048", "memory": "4096"}}'
        )
    problems = [*_unknown("executor_config", config, _OF_THE_REQUEST)]
    options = {name: value for name, value in config.items() if name in _OF_THE_REQUEST}
    if "overrides" in options:
        options["overrides"], found = _overrides(options["overrides"], container)
        problems += found
    if "capacityProviderStrategy" in options:
        problems += _strategy_problems(options["capacityProviderStrategy"])
    if "taskDefinition" in options:
        problems += _definition_problems(str(options["taskDefinition"]), families)
    if problems:
        raise ExecutorConfigError(" ".join(problems))
    return options


def _overrides(value: Any, container: str) -> tuple[dict[str, Any], list[str]]:
    where = "executor_config.overrides"
    if not isinstance(value, Mapping):
        return {}, [f"{where} is {type(value).__name__}: give a dictionary."]
    problems = [*_unknown(where, value, _OF_THE_TASK)]
    # RunTask takes text; numbers are what people write.
    overrides = {
        name: str(each) if name in _SIZES and isinstance(each, int) else each
        for name, each in value.items()
    }
    if "ephemeralStorage" in overrides:
        storage = overrides["ephemeralStorage"]
        size = storage.get("sizeInGiB") if isinstance(storage, Mapping) else None
        if not isinstance(size, int) or size not in _STORAGE_GIB:
            problems.append(
                f"{where}.ephemeralStorage is {storage!r}: write "
                f'{{"sizeInGiB": {_STORAGE_GIB.start}}}, with at most {_STORAGE_GIB.stop - 1}.'
            )
    if "containerOverrides" in overrides:
        overrides["containerOverrides"], found = _container(
            overrides["containerOverrides"], container
        )
        problems += found
    return overrides, problems


def _container(value: Any, container: str) -> tuple[list[dict[str, Any]], list[str]]:
    where = "executor_config.overrides.containerOverrides"
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], Mapping):
        return [], [f"{where} is not a list of one dictionary: the task has one container."]
    override = {"name": container, **value[0]}
    problems = [*_unknown(f"{where}[0]", override, _OF_THE_CONTAINER)]
    if override["name"] != container:
        problems.append(f"{where}[0].name is {override['name']!r}: leave it out.")
    return [override], problems


def _strategy_problems(value: Any) -> Iterator[str]:
    names = (
        [each.get("capacityProvider") for each in value]
        if isinstance(value, list) and all(isinstance(each, Mapping) for each in value)
        else []
    )
    if len(names) != 1 or names[0] not in _PROVIDERS:
        yield (
            "executor_config.capacityProviderStrategy must name one provider: write "
            '[{"capacityProvider": "FARGATE_SPOT", "weight": 1}] for Spot, and nothing for '
            "on-demand."
        )


def _definition_problems(value: str, families: tuple[str, str]) -> Iterator[str]:
    workers, prefix = families
    family = value.rpartition("/")[2].partition(":")[0]
    if family != workers and not family.startswith(prefix):
        yield (
            f"executor_config.taskDefinition has the family {family!r}: the scheduler may start "
            f"{workers!r}, and families that begin with {prefix!r}."
        )


def _unknown(where: str, value: Mapping[Any, Any], known: tuple[str, ...]) -> Iterator[str]:
    for name in value:
        if name not in known:
            yield f"{where} has {name!r}, which is not taken: use {', '.join(known)}."
