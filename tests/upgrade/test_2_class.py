"""The class changes on the running stack, and with it the shape of the control plane.

The same image before and after: nothing but the sizes and the services changes.
"""

import io
import time
from contextlib import redirect_stdout

import pytest

from commands.airflow_image import CURRENT
from commands.status import status
from tests.upgrade.conftest import SHAPES, Stack

DATABASE_CLASSES = {"micro": "db.t4g.micro", "small": "db.t4g.small"}


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
