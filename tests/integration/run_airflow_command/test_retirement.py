"""The stack is deleted while a command runs, with the deployed function and a real process.

This file runs last, by its name: it stops every command of the deployment that all files share.
"""

import uuid

from tests.integration.run_airflow_command.conftest import Harness


def test_running_command_is_stopped_first_when_the_stack_is_deleted(harness: Harness) -> None:
    properties = {"Command": ["version", "exit 0"], "CommandOnRollback": ["version", "exit 0"]}
    stacks = harness.stacks
    name = f"r-{uuid.uuid4().hex[:8]}"
    stack = stacks.wait(harness.custom_resource(name, properties))
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    request_id = harness.invoke({"command": ["version", "exec sleep 300"]})["requestId"]

    assert stacks.delete(stack).status == "DELETE_COMPLETE"

    (task,) = harness.tasks(request_id)
    assert task["lastStatus"] == "STOPPED"
    assert task["stoppedReason"] == "The stack is being deleted"
    # A later call returns how it ended.
    result = harness.invoke({"requestId": request_id, "wait": True})
    assert result["status"] == "FAILED"
    assert "The stack is being deleted" in result["reason"]
