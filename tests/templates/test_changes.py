"""What changes when one parameter changes, as expected/changes.txt lists it."""

from functools import cache
from pathlib import Path

import pytest
from dry_deployment import DryStack, changes, deploy
from single_changes import AFTER, BEFORE, WORDS
from template_files import root

from preflight.checks.all_checks import find_problems

EXPECTED = Path(__file__).parent / "expected" / "changes.txt"
STATEFUL = ("Database", "DagBucket", "LogBucket", "StateBucket")
KEYS = (
    "FernetKeySecret",
    "FernetKeySeedSecret",
    "DatabasePasswordSecret",
    "AirflowPasswordSecret",
)


@cache
def before() -> DryStack:
    return deploy(**BEFORE)


@cache
def changed_by(parameter: str) -> dict[str, str]:
    return changes(before(), deploy(**{**BEFORE, **{**AFTER, **WORDS}[parameter]}))


def expected_table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for line in EXPECTED.read_text().splitlines():
        if not line.startswith(" "):
            table[line] = current = {}
            continue
        action, path = line.split()
        current[path] = action
    return table


def test_table_has_every_root_parameter() -> None:
    assert set(AFTER) | set(WORDS) == set(expected_table())
    assert set(AFTER) == set(root().parameters)
    assert all(next(iter(values)) == name for name, values in AFTER.items())


@pytest.mark.parametrize("parameter", [*AFTER, *WORDS])
def test_parameter_changes_exactly_what_the_table_says(parameter: str) -> None:
    assert changed_by(parameter) == expected_table()[parameter]


@pytest.mark.parametrize("parameter", [*AFTER, *(w for w in WORDS if "customer-key" not in w)])
def test_no_parameter_replaces_the_database_a_bucket_or_a_key(parameter: str) -> None:
    lost = {
        path: action
        for path, action in changed_by(parameter).items()
        if path.split("/")[-1] in (*STATEFUL, *KEYS) and action in ("replace", "remove")
    }

    # An own Fernet key takes the place of the generated one, which its deletion policy keeps.
    if parameter == "FernetKeySecretArn":
        kept = root().children()["SecretsStack"].resources["FernetKeySecret"]
        assert kept["DeletionPolicy"] == "RetainExceptOnCreate"
        lost = {path: action for path, action in lost.items() if "FernetKey" not in path}
    assert lost == {}


def test_customer_key_would_replace_the_database_so_preflight_refuses_to_change_it() -> None:
    without, with_key = before(), deploy(**{**BEFORE, **WORDS["Options=customer-key"]})

    for older, newer in ((without, with_key), (with_key, without)):
        assert changes(older, newer)["DatabaseStack/Database"] == "replace"
        former, latest = (
            {k: str(v) for k, v in each.child("PreflightStack").properties("Preflight").items()}
            for each in (older, newer)
        )
        (problem,) = find_problems(latest, former)
        assert "customer-key" in problem
        assert find_problems(latest, None) == []


def test_another_image_touches_only_what_runs_it() -> None:
    """That of a new build comes as another value of the same parameters of nested stacks."""
    images = (deploy(**BEFORE, AirflowImageUri=f"example/airflow:{number}") for number in (1, 2))
    found = changes(*images)

    components = ("ApiServer", "Scheduler", "DagProcessor", "Triggerer")
    assert found.pop("PreflightStack/Preflight") == "modify"
    # Migrations run with the new task definition before the services do.
    commands = ("DatabaseUsers", "DatabaseSchema", "ResultBackend", "FirstUser")
    assert {path for path, action in found.items() if action == "replace"} == {
        f"{each}Stack/TaskDefinition" for each in (*components, "Worker", "Command")
    }
    assert {path for path, action in found.items() if action == "modify"} == {
        *(f"ServicesStack/{each}Service" for each in components),
        *(f"ServicesStack/{each}" for each in commands),
        "CommandsStack/RunAirflowCommandFunction",
        "FleetStack/ScaleWorkersFunction",
        "FleetStack/WorkerFleet",
    }


@pytest.mark.parametrize("built", [True, False])
def test_every_task_runs_the_image_that_is_built_or_given(built: bool) -> None:
    given = {} if built else {"AirflowImageUri": "example/airflow:1"}
    image = "<airflow/ImageStack/Image.Uri>" if built else "example/airflow:1"
    for environment_class in ("micro", "small"):
        stack = deploy(EnvironmentClass=environment_class, **given)
        images = [
            container["Image"]
            for each in stack.everything()
            for name, resource in each.resources.items()
            if resource["Type"] == "AWS::ECS::TaskDefinition"
            for container in each.properties(name)["ContainerDefinitions"]
        ]
        assert len(images) >= 6
        assert set(images) == {image}
        assert stack.output("AirflowImageUri") == image


@pytest.mark.parametrize("parameter", ["WorkerFleets", "WorkerMaxCount"])
def test_setting_of_the_workers_touches_no_service(parameter: str) -> None:
    stacks = {path.split("/")[0] for path in changed_by(parameter)}

    assert stacks == {"FleetStack", "PreflightStack"}


@pytest.mark.parametrize(
    ("parameter", "service"),
    [
        ("ApiServerTasks", "ApiServer"),
        ("SchedulerTasks", "Scheduler"),
        ("DagProcessorTasks", "DagProcessor"),
        ("TriggererTasks", "Triggerer"),
    ],
)
def test_size_of_a_component_touches_only_its_own_service(parameter: str, service: str) -> None:
    definitions = {path for path in changed_by(parameter) if path.startswith("ServicesStack/")}

    assert definitions == {f"ServicesStack/{service}Service"}


@pytest.mark.parametrize(
    ("older", "newer"), [("micro", "small"), ("small", "medium"), ("medium", "large")]
)
def test_class_can_grow_and_shrink_without_replacing_state(older: str, newer: str) -> None:
    small, large = (deploy(EnvironmentClass=name) for name in (older, newer))
    for found in (changes(small, large), changes(large, small)):
        assert {
            path: action
            for path, action in found.items()
            if path.split("/")[-1] in (*STATEFUL, *KEYS) and action in ("replace", "remove")
        } == {}
