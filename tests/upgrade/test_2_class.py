"""The class changes on the running stack, and with it the shape of the control plane.

The image stays the same: only the sizes and the services change.
"""

import io
import time
from contextlib import redirect_stdout

import pytest

from commands import airflow_image, smoke
from commands.airflow_image import CURRENT, Edition
from commands.status import status
from tests.upgrade.conftest import BROKEN_SCHEDULER, SHAPES, Stack

DATABASE_CLASSES = {"micro": "db.t4g.micro", "small": "db.t4g.small"}


def test_compact_control_plane_serves_when_the_change_of_the_class_fails(stack: Stack) -> None:
    stack.bring_to(CURRENT, "micro")

    stack.environment_class = "small"
    reasons = stack.fail_to_deploy(Edition("airflow", CURRENT.lock, BROKEN_SCHEDULER))
    stack.environment_class = "micro"

    assert "SchedulerService: " in reasons
    assert "Circuit Breaker" in reasons
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.serves()
    assert stack.images() == {airflow_image.uri(CURRENT)}
    assert stack.database()["DBInstanceClass"] == DATABASE_CLASSES["micro"]
    smoke.wait_healthy(stack.outputs)
    stack.run("smoke_classic")


@pytest.mark.parametrize(
    ("before", "after"), [("micro", "small"), ("small", "micro"), ("micro", "small")]
)
def test_running_task_succeeds_when_the_class_changes(
    stack: Stack, before: str, after: str
) -> None:
    stack.bring_to(CURRENT, before)
    earlier = stack.run("smoke_classic")
    database, heads, images = stack.database(), stack.heads(), stack.images()
    command = stack.task_definition("command")["taskDefinitionArn"]
    run_id = stack.start("minute")
    stack.wait_for_task("minute", run_id, "running", 120)

    begun = time.monotonic()
    stack.bring_to(CURRENT, after)
    print(f"{before} became {after} in {time.monotonic() - begun:.0f} s")

    containers = stack.containers().items()
    assert {n: [one["name"] for one in group] for n, group in containers} == SHAPES[after]
    assert stack.serves()
    assert stack.images() == images
    # The same instance with another size; nothing was migrated, and the history is there.
    found = stack.database()
    assert found["DBInstanceClass"] == DATABASE_CLASSES[after]
    for identity in ("DBInstanceIdentifier", "DbiResourceId", "InstanceCreateTime"):
        assert found[identity] == database[identity]
    assert stack.heads() == heads
    assert stack.task_definition("command")["taskDefinitionArn"] == command
    assert stack.api().run("smoke_classic", earlier)["state"] == "success"

    stack.wait_for_task("minute", run_id, "success", 180)
    (instance,) = stack.api().task_instances("minute", run_id)
    assert instance["try_number"] == 1
    stack.run("smoke_classic")

    prefix = stack.outputs["SecretsPrefix"]
    shown = {family.removeprefix(f"{prefix}-"): names for family, names in _status_of(stack)}
    shown.pop("worker", None)
    assert shown == {name: sorted(names) for name, names in SHAPES[after].items()}


def _status_of(stack: Stack) -> list[tuple[str, list[str]]]:
    """The family of each task that `make status` prints, and the names of its containers."""
    with redirect_stdout(io.StringIO()) as printed:
        status(stack.workspace)
    tasks: list[tuple[str, list[str]]] = []
    for line in printed.getvalue().split("\nTasks\n")[1].split("\n\n")[0].splitlines():
        name = line.split()[0]
        if line.startswith("    "):
            tasks[-1][1].append(name)
        else:
            tasks.append((name.partition(":")[0], []))
    return tasks
