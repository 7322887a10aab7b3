"""Independent resources are created in an order that only a seed decides."""

from pathlib import Path
from typing import Any

from ..conftest import SEED_VARIABLE, running_embedded_aws
from ..stack_driver import Stack, StackDriver

QUEUES = [f"Queue{letter}" for letter in "ABCDEFGH"]
TEMPLATE: dict[str, Any] = {
    "Resources": {
        **{name: {"Type": "AWS::SQS::Queue"} for name in QUEUES},
        # Each needs the one before.
        **{
            f"Step{number}": {
                "Type": "AWS::SQS::Queue",
                **({"DependsOn": f"Step{number - 1}"} if number else {}),
            }
            for number in range(4)
        },
    }
}


def order_under(seed: str, state_dir: Path) -> list[list[str]]:
    """The orders of two stacks of one template."""
    with running_embedded_aws(state_dir, {SEED_VARIABLE: seed}) as running:
        stacks = StackDriver(running)
        found = [created(stacks, stacks.create(TEMPLATE)) for _ in range(2)]
        log = (running.state_dir / "emulator.log").read_text()
        assert f"The seed of orders and delays is {seed}; {SEED_VARIABLE} sets it" in log
    return found


def created(stacks: StackDriver, stack: Stack) -> list[str]:
    return [
        event.logical_id
        for event in stacks.events(stack)
        if event.status == "CREATE_COMPLETE" and event.logical_id != stack.name
    ]


def test_seed_decides_the_order_of_independent_resources(tmp_path: Path) -> None:
    (first, again), (other, _) = (order_under(seed, tmp_path / seed) for seed in ("1", "2"))

    assert first == again
    assert first != other
    for found in (first, other):
        assert [name for name in found if "Step" in name] == [f"Step{n}" for n in range(4)]
