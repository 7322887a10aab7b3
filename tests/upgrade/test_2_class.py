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

    services = [family for family in _tasks_of_status(stack) if not family.endswith("-worker")]
    prefix = stack.outputs["SecretsPrefix"]
    assert sorted(services) == sorted(f"{prefix}-{name}" for name in SHAPES[after])


def _tasks_of_status(stack: Stack) -> list[str]:
    """The families of the tasks that `make status` prints."""
    with redirect_stdout(io.StringIO()) as printed:
        status(stack.workspace)
    lines = printed.getvalue().split("\nTasks\n")[1].split("\n\n")[0].splitlines()
    return [line.split()[0].partition(":")[0] for line in lines]
