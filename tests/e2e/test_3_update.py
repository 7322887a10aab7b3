"""Updates of a deployed stack: a minimal change set, and refused parameters."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from commands import deployment
from commands.workspace import CommandError, stack_name
from tests.e2e.conftest import Deployed

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


# The resources that a new worker maximum changes: the check, the scaler's settings, the fleet.
UPDATED = {"Prerequisites", "ScaleWorkersFunction", "WorkerFleet"}


def leaf_changes(client: Any, change_set: str) -> dict[str, str]:
    """All changes of a change set and its nested ones, except of the nested stacks themselves:
    logical id → action, or "replace"."""
    found = {}
    described = client.describe_change_set(ChangeSetName=change_set)
    for change in described["Changes"]:
        resource = change["ResourceChange"]
        if resource.get("ChangeSetId"):
            found.update(leaf_changes(client, resource["ChangeSetId"]))
        elif resource["ResourceType"] != "AWS::CloudFormation::Stack":
            replaced = resource.get("Replacement") == "True"
            found[resource["LogicalResourceId"]] = "replace" if replaced else resource["Action"]
    return found


def test_change_set_of_a_new_worker_maximum_only_touches_the_fleet(deployed: Deployed):
    client = deployed.workspace.client("cloudformation")
    stack = client.describe_stacks(StackName=stack_name())["Stacks"][0]
    parameters = [
        {"ParameterKey": p["ParameterKey"], "UsePreviousValue": True}
        if p["ParameterKey"] != "WorkerMaxCount"
        else {"ParameterKey": "WorkerMaxCount", "ParameterValue": "3"}
        for p in stack["Parameters"]
    ]
    change_set = client.create_change_set(
        StackName=stack_name(), ChangeSetName="three-workers", UsePreviousTemplate=True,
        Parameters=parameters, Capabilities=CAPABILITIES, IncludeNestedStacks=True,
    )["Id"]  # fmt: skip
    client.get_waiter("change_set_create_complete").wait(
        ChangeSetName=change_set, WaiterConfig={"Delay": 1}
    )

    changes = leaf_changes(client, change_set)
    # Resources that use an attribute of the function are listed too, because it could change.
    assert set(changes) >= UPDATED
    assert set(changes.values()) == {"Modify"}

    running = deployed.service_tasks()
    before = _event_ids(deployed)
    client.execute_change_set(ChangeSetName=change_set)
    client.get_waiter("stack_update_complete").wait(
        StackName=stack_name(), WaiterConfig={"Delay": 1}
    )
    assert deployed.service_tasks() == running
    assert _updated_since(deployed, before) == UPDATED
    settings = deployed.workspace.client("lambda").get_function_configuration(
        FunctionName=deployed.outputs["ScaleWorkersFunctionName"]
    )
    assert settings["Environment"]["Variables"]["WORKER_MAX_COUNT"] == "3"


def test_update_is_refused_and_rolled_back_when_minimum_exceeds_maximum(deployed: Deployed):
    before = deployed.service_tasks()
    with pytest.raises(CommandError, match="WorkerMinCount"):
        deployment.deploy(
            deployed.workspace, _Silent(), {"WorkerMinCount": "5", "WorkerMaxCount": "2"}
        )
    assert deployment.stack_status(deployed.workspace) == "UPDATE_ROLLBACK_COMPLETE"
    assert deployed.service_tasks() == before


def test_new_stack_only_creates_the_check_when_parameters_are_illegal(deployed: Deployed):
    client = deployed.workspace.client("cloudformation")
    template = client.get_template(StackName=stack_name())["TemplateBody"]
    current = client.describe_stacks(StackName=stack_name())["Stacks"][0]["Parameters"]
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in current}
    parameters |= {"WorkerMinCount": "5", "WorkerMaxCount": "2"}
    client.create_stack(
        StackName="illegal", TemplateBody=_text(template), Capabilities=CAPABILITIES,
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )  # fmt: skip
    with pytest.raises(WaiterError):
        client.get_waiter("stack_create_complete").wait(
            StackName="illegal", WaiterConfig={"Delay": 1}
        )

    events = client.describe_stack_events(StackName="illegal")["StackEvents"]
    created = {
        e["LogicalResourceId"] for e in events if e["ResourceStatus"] == "CREATE_IN_PROGRESS"
    }
    assert created == {"illegal", "PreflightStack"}
    reasons = " ".join(e.get("ResourceStatusReason", "") for e in events)
    assert "WorkerMinCount is 5 but WorkerMaxCount is 2" in reasons
    client.delete_stack(StackName="illegal")
    client.get_waiter("stack_delete_complete").wait(StackName="illegal", WaiterConfig={"Delay": 1})


def test_rules_refuse_a_vpc_without_subnets_before_anything_is_created(deployed: Deployed):
    client = deployed.workspace.client("cloudformation")
    template = client.get_template(StackName=stack_name())["TemplateBody"]
    with pytest.raises(ClientError, match="PublicSubnetIds"):
        client.create_stack(
            StackName="illegal-vpc", TemplateBody=_text(template), Capabilities=CAPABILITIES,
            Parameters=[
                {"ParameterKey": "AirflowImageUri", "ParameterValue": "local/airflow:x"},
                {"ParameterKey": "VpcId", "ParameterValue": "vpc-0123456789abcdef0"},
            ],
        )  # fmt: skip


def _text(template: Any) -> str:
    return template if isinstance(template, str) else json.dumps(template)


def _event_ids(deployed: Deployed) -> set[str]:
    return {event["EventId"] for event in _events(deployed)}


def _updated_since(deployed: Deployed, before: set[str]) -> set[str]:
    """The resources, except stacks, that were updated since these events."""
    return {
        event["LogicalResourceId"]
        for event in _events(deployed)
        if event["EventId"] not in before
        and event["ResourceStatus"] == "UPDATE_COMPLETE"
        and event["ResourceType"] != "AWS::CloudFormation::Stack"
    }


def _events(deployed: Deployed) -> list[dict[str, Any]]:
    client = deployed.workspace.client("cloudformation")
    return [
        event
        for stack in deployment.all_stacks(deployed.workspace)
        for event in client.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    ]


class _Silent:
    """Steps that print nothing."""

    def detail(self, text: str) -> None:
        """Print nothing."""
