"""The description of a role holds Latin-1 only."""

import pytest

from ..stack_driver import EXECUTION_ROLE, StackDriver, deploy


def role(description: str) -> dict[str, object]:
    properties = EXECUTION_ROLE["Properties"]
    assert isinstance(properties, dict)
    return {"Type": "AWS::IAM::Role", "Properties": {**properties, "Description": description}}


@pytest.mark.parametrize("text", ["a dash — and a quote", "the worker’s role", "x" * 1001])
def test_description_is_refused_as_iam_refuses_it(stacks: StackDriver, text: str) -> None:
    stack = deploy(stacks, {"Role": role("the worker's rôle: reads (queues) & logs")})

    updated = stacks.update(stack, {"Resources": {"Role": role(text)}})
    assert updated.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "failed to satisfy constraint" in stacks.failures(updated)["Role"]

    created = stacks.create({"Resources": {"Role": role(text)}})
    assert created.status == "ROLLBACK_COMPLETE"
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
